"""How far ahead the source is read, and when a result is delivered."""

from typing import Any

import anyio
import pytest

import aiterkit as ak
from aiterkit.testing import SourceProbe, SyncSourceProbe, explore

from ..helpers import any_source  # noqa: TID252 - tests stand on no path
from .map_forms import Form, Streaming, calls, every_form, streaming


async def settle() -> None:
    """Let everything that can happen happen."""
    await anyio.sleep(1000)


@streaming
@pytest.mark.parametrize(
    ("limit", "buffer"), [(1, None), (1, 0), (3, None), (3, 0), (2, 7)]
)
async def test_the_source_is_read_up_to_limit_plus_buffer_and_no_further(
    operator: Streaming, limit: int, buffer: int | None
) -> None:
    source = SourceProbe(range(40), gap=None)
    window = limit + (limit if buffer is None else buffer)
    async with operator(
        calls(seconds=1), source, limit=limit, buffer=buffer
    ) as results:
        for delivered in range(40):
            await settle()
            assert len(source.taken) == min(40, delivered + window)
            assert source.pulls <= delivered + window + (len(source.taken) == 40)
            await anext(results)


@streaming
@pytest.mark.parametrize(
    ("limit", "buffer"), [(1, None), (1, 0), (3, None), (3, 0), (2, 7)]
)
async def test_a_sync_source_is_read_no_further_either(
    operator: Streaming, limit: int, buffer: int | None
) -> None:
    source = SyncSourceProbe(range(40))
    window = limit + (limit if buffer is None else buffer)
    async with operator(
        calls(seconds=1), source, limit=limit, buffer=buffer
    ) as results:
        for delivered in range(40):
            await settle()
            assert len(source.taken) == min(40, delivered + window)
            await anext(results)


@streaming
@any_source
def test_at_no_step_is_the_source_read_too_far(operator: Streaming, probe: Any) -> None:
    async def test() -> None:
        delivered = 0

        class Watched(probe):  # type: ignore[misc]  # a class all the same
            def _note_pull(self) -> bool:
                assert len(self.taken) - delivered < 2 + 1
                return bool(super()._note_pull())  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]

        call = calls(seconds=lambda item: item % 3)
        async with operator(call, Watched(range(12)), limit=2, buffer=1) as results:
            async for _ in results:
                delivered += 1
                if delivered % 4 == 0:
                    await anyio.sleep(2)
        assert delivered == 12

    explore(test, schedules=10, seed=1)


@pytest.mark.parametrize("run", [ak.concurrent_collect, ak.concurrent_for_each])
@any_source
async def test_without_a_reader_only_unfinished_items_count(
    run: Any, probe: Any
) -> None:
    source = probe(range(100))
    with anyio.move_on_after(5):
        await run(
            calls(seconds=lambda n: 1 if n < 4 else 1000), source, limit=2, buffer=3
        )
    # Four have finished, two run, and three more may wait: none of a sync source.
    assert len(source.taken) == 4 + 2 + (3 if probe is SourceProbe else 0)


@streaming
async def test_the_source_is_read_before_the_first_result_is_asked_for(
    operator: Streaming,
) -> None:
    call = calls(seconds=1)
    async with operator(call, SourceProbe(range(9)), limit=3):
        await settle()
        assert len(call.spans) == 6
        assert call.running == 0


@streaming
@pytest.mark.parametrize("limit", [1, 3])
async def test_a_result_is_delivered_while_the_source_hangs(
    operator: Streaming, limit: int
) -> None:
    source = SourceProbe(range(9), hang_at=2)
    async with operator(calls(seconds=1), source, limit=limit) as results:
        assert await anext(results) == 0
        assert await anext(results) == 1
    assert anyio.current_time() <= 2
    source.assert_closed_once()


async def test_in_input_order_a_result_waits_for_no_later_call() -> None:
    call = calls(seconds=lambda item: 1 if item == 0 else 1000)
    async with ak.concurrent_map(call, range(5), limit=2) as results:
        assert await anext(results) == 0
        assert anyio.current_time() == 1


async def test_in_completion_order_a_slow_call_holds_back_nothing() -> None:
    call = calls(seconds=lambda item: 100 if item == 0 else 1)
    async with ak.concurrent_map_unordered(call, range(5), limit=2) as results:
        assert [result async for result in results] == [1, 2, 3, 4, 0]


@streaming
async def test_calls_go_on_while_the_reader_does_something_else(
    operator: Streaming,
) -> None:
    call = calls(seconds=10)
    async with operator(call, range(2), limit=2) as results:
        await anyio.sleep(15)
        assert call.ends == [0, 1]
        assert [span.end for span in call.spans] == [10, 10]
        assert [result async for result in results] == [0, 1]
        assert anyio.current_time() == 15


@streaming
@any_source
async def test_a_timed_out_wait_loses_nothing(operator: Streaming, probe: Any) -> None:
    got: list[int] = []
    timeouts = 0
    async with operator(calls(seconds=10), probe(range(7)), limit=2) as results:
        while True:
            try:
                with anyio.fail_after(3):
                    got.append(await anext(results))
            except TimeoutError:
                timeouts += 1
            except StopAsyncIteration:
                break
    assert got == list(range(7))
    assert timeouts >= 12


@streaming
def test_a_wait_cancelled_at_any_moment_loses_nothing(operator: Streaming) -> None:
    async def test() -> None:
        got: list[int] = []

        async def read() -> None:
            async for result in results:
                got.append(result)

        call = calls(seconds=1)
        async with operator(call, SourceProbe(range(6)), limit=2) as results:
            while len(got) < 6:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(read)
                    await anyio.sleep(1)
                    tasks.cancel_scope.cancel()
        assert sorted(got) == list(range(6))

    explore(test, schedules=15, seed=1)


@streaming
async def test_any_task_may_be_the_reader(operator: Streaming) -> None:
    got: list[int] = []

    async def read(count: int) -> None:
        for _ in range(count):
            got.append(await anext(results))

    async with operator(calls(seconds=1), SourceProbe(range(6)), limit=2) as results:
        for _ in range(3):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(read, 2)
        with pytest.raises(StopAsyncIteration):
            await anext(results)
    assert got == list(range(6))


@every_form
@pytest.mark.parametrize("buffer", [None, 0])
async def test_an_empty_source_gives_nothing(form: Form, buffer: int | None) -> None:
    assert await form.run(calls(), SourceProbe(()), limit=2, buffer=buffer) == []
    assert await form.run(calls(), (), limit=2, buffer=buffer) == []


async def test_an_object_that_is_both_is_read_as_an_async_one() -> None:
    class Both:
        def __iter__(self) -> Any:
            raise AssertionError

        def __aiter__(self) -> SourceProbe[str]:
            return SourceProbe("ab")

    assert await ak.concurrent_collect(calls(), Both(), limit=1) == ["a", "b"]


@streaming
async def test_a_pipeline_holds_back_its_first_stage(operator: Streaming) -> None:
    first, second = calls(seconds=1), calls(seconds=10)
    source = SourceProbe(range(100), gap=None)
    async with (
        operator(first, source, limit=3) as middle,
        ak.concurrent_map(second, middle, limit=2) as results,
    ):
        await settle()
        # 2 + 2 lie beyond the second stage, 3 + 3 beyond the first.
        assert len(source.taken) == 10
        assert sorted([await anext(results) for _ in range(4)]) == [0, 1, 2, 3]
    source.assert_closed_once()
    first.assert_never_exceeds(3)
    second.assert_never_exceeds(2)


async def test_a_pipeline_of_three_stages_keeps_order_and_ends() -> None:
    async def add(number: int) -> int:
        await anyio.sleep(number % 3)
        return number + 1

    source = SourceProbe(range(30))
    async with (
        ak.concurrent_map(add, source, limit=3) as one,
        ak.concurrent_map(add, one, limit=2) as two,
        ak.concurrent_map(add, two, limit=5) as three,
    ):
        assert [number async for number in three] == list(range(3, 33))
    source.assert_closed_once()
