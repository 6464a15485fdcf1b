"""However a map is left: calls are cancelled and awaited, the source is closed."""

import asyncio
import sys
from collections.abc import AsyncGenerator, Iterator
from contextlib import AsyncExitStack
from typing import Any

import anyio
import anyio.lowlevel
import pytest

import aiterkit as ak
from aiterkit.testing import SourceProbe, SyncSourceProbe, explore

from ..helpers import Boom, any_source, on_asyncio  # noqa: TID252 - tests stand on no path
from .contract.cases import SCOPED, every_exit
from .map_forms import FORMS, Form, Streaming, calls, every_form, streaming


@every_exit
@streaming
@any_source
@pytest.mark.parametrize("limit", [1, 3])
async def test_every_way_out_cleans_up(
    leave: Any, operator: Streaming, probe: Any, limit: int
) -> None:
    source = probe(range(6))
    call = calls(seconds=1, cleanup=5)
    try:
        async with operator(call, source, limit=limit) as results:
            await leave(results)
    except Boom:
        pass
    call.assert_all_ended()
    source.assert_well_used()
    if probe is SourceProbe:
        source.assert_closed_once()
        source.assert_one_reader()


@every_exit
@streaming
@pytest.mark.parametrize("strategy", ["random", "pct"])
def test_every_way_out_cleans_up_under_every_schedule(
    leave: Any, operator: Streaming, strategy: Any
) -> None:
    async def test() -> None:
        source = SourceProbe(range(6), gap=None)
        call = calls(seconds=lambda item: item % 2)
        try:
            async with operator(call, source, limit=2, buffer=1) as results:
                await leave(results)
        except Boom:
            pass
        call.assert_all_ended()
        source.assert_well_used()
        source.assert_closed_once()

    explore(test, schedules=8, strategy=strategy, seed=1)


@every_form
@any_source
@pytest.mark.parametrize("after", [0.5, 1, 1.5, 2, 100])
async def test_a_cancellation_from_outside_cleans_up(
    form: Form, probe: Any, after: float
) -> None:
    source = probe(range(6))
    call = calls(seconds=1, cleanup=5)
    with anyio.move_on_after(after) as scope:
        await form.run(call, source, limit=2)
    assert scope.cancelled_caught == (after < 3)
    call.assert_all_ended()
    source.assert_well_used()
    if probe is SourceProbe:
        source.assert_closed_once()


@every_form
def test_a_cancellation_at_any_moment_cleans_up(form: Form) -> None:
    async def test() -> None:
        source = SourceProbe(range(6), gap=None, close_delay=1)
        call = calls(seconds=lambda item: item % 2)
        async with anyio.create_task_group() as tasks:

            async def run() -> None:
                await form.run(call, source, limit=2, buffer=1)

            tasks.start_soon(run)
            for _ in range(3):
                await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()
        call.assert_all_ended()
        source.assert_well_used()
        assert source.closes <= 1
        assert source.closes or not source.pulls

    explore(test, schedules=15, seed=1)


@every_form
@on_asyncio
async def test_cancelling_the_task_natively_cleans_up(form: Form) -> None:
    source, call = SourceProbe(range(9)), calls(seconds=1, cleanup=5)

    async def run() -> None:
        await form.run(call, source, limit=2)

    task = asyncio.ensure_future(run())
    await anyio.sleep(1.5)
    task.cancel("natively")
    with pytest.raises(asyncio.CancelledError, match="natively"):
        await task
    call.assert_all_ended()
    source.assert_closed_once()
    assert anyio.current_time() == 6.5


@every_form
@any_source
async def test_the_source_is_closed_after_the_last_call(form: Form, probe: Any) -> None:
    call = calls(seconds=1, cleanup=5)

    class Source(probe):  # type: ignore[misc]  # a class all the same
        def _note_close(self) -> None:
            assert call.running == 0
            super()._note_close()  # pyright: ignore[reportUnknownMemberType]

    source = Source(range(9), fail_at=5, error=Boom())
    with pytest.raises(Boom):
        await form.run(call, source, limit=3)
    assert source.closes == (probe is SourceProbe)


@streaming
async def test_a_source_that_ignores_the_interruption_is_awaited(
    operator: Streaming,
) -> None:
    source = SourceProbe(range(9), gap=10, ignore_cancel_once=True)
    async with operator(calls(), source, limit=2) as results:
        await anext(results)
        await anyio.sleep(5)
    assert anyio.current_time() == 20
    source.assert_closed_once()
    source.assert_well_used()


@pytest.mark.parametrize("make", SCOPED)
@every_form
async def test_a_source_that_holds_a_scope_survives_a_failing_call(
    make: Any, form: Form
) -> None:
    async def fail(item: int) -> None:
        await anyio.sleep(item)
        if item == 3:
            raise Boom

    log: list[str] = []
    with pytest.raises(Boom):
        await form.run(fail, make(log), limit=2)
    assert log[-1] == "closed"


@streaming
@pytest.mark.parametrize("buffer", [0, 20])
async def test_a_timeout_held_by_the_source_ends_the_source_alone(
    operator: Streaming, buffer: int
) -> None:
    # It expires in a read (buffer 20) or while there is no room for one (buffer 0).
    async def source() -> AsyncGenerator[int]:
        with anyio.fail_after(4.5):
            for item in range(99):
                await anyio.sleep(1)
                yield item

    got: list[int] = []
    with pytest.raises(TimeoutError):
        async with operator(calls(), source(), limit=1, buffer=buffer) as results:
            async for result in results:
                got.append(result)
                await anyio.sleep(3)
    assert got == [0, 1, 2, 3][: len(got)]
    assert len(got) >= 2


@streaming
@on_asyncio
@pytest.mark.parametrize("buffer", [0, 20])
@pytest.mark.parametrize(
    "seconds", [pytest.param([4.5], id="in a read"), [2.5], [2.5, 3.5], [3.5, 2.5]]
)
async def test_native_timeouts_held_by_the_source_end_the_source_alone(
    operator: Streaming, buffer: int, seconds: list[float]
) -> None:
    async def source() -> AsyncGenerator[int]:
        async with AsyncExitStack() as stack:
            for each in seconds:
                await stack.enter_async_context(asyncio.timeout(each))
            for item in range(99):
                await asyncio.sleep(1)
                yield item  # from 2 to 4 its reader waits for room, if buffer is 0

    got: list[int] = []
    with pytest.raises(TimeoutError):
        async with operator(calls(), source(), limit=1, buffer=buffer) as results:
            async for result in results:
                got.append(result)
                await anyio.sleep(3)
    assert got == list(range(4 if buffer and seconds == [4.5] else 2))


@streaming
@on_asyncio
async def test_a_native_task_group_held_by_the_source_is_safe(
    operator: Streaming,
) -> None:
    async def fail() -> None:
        await anyio.sleep(4.5)
        raise Boom("child")

    async def source() -> AsyncGenerator[int]:
        async with asyncio.TaskGroup() as tasks:
            child = tasks.create_task(fail())
            for item in range(99):
                await asyncio.sleep(1)
                yield item
            child.cancel()

    with pytest.raises(ExceptionGroup) as caught:
        async with operator(calls(), source(), limit=1, buffer=0) as results:
            async for _ in results:
                await anyio.sleep(3)
    assert caught.group_contains(Boom, match="child", depth=1)


@streaming
async def test_what_was_complete_is_read_on_even_so(operator: Streaming) -> None:
    with anyio.CancelScope() as outer:
        async with operator(calls(), "abc", limit=3) as results:
            await anyio.sleep(1)
            outer.cancel()
            with anyio.CancelScope(shield=True):
                await anyio.sleep(1)
                assert [result async for result in results] == ["a", "b", "c"]


@streaming
@on_asyncio
async def test_cancelling_every_task_natively_ends_the_block(
    operator: Streaming,
) -> None:
    async def run(source: Any) -> None:
        async with operator(calls(seconds=1), source, limit=2) as results:
            async for _ in results:
                await anyio.sleep(100)

    for source in (SourceProbe(range(99)), SyncSourceProbe(range(99))):
        task = asyncio.ensure_future(run(source))
        await anyio.sleep(10)
        for other in asyncio.all_tasks() - {asyncio.current_task()}:
            if "concurrent" in other.get_name():
                other.cancel()
        await anyio.sleep(1)
        assert not task.done() or source is not None
        task.cancel()
        with pytest.raises((asyncio.CancelledError, RuntimeError)):
            await task


def generators() -> Iterator[Any]:
    async def agen() -> AsyncGenerator[int]:
        for item in range(9):
            yield item

    yield agen()
    yield (item for item in range(9))


@every_form
def test_nothing_is_left_to_say(form: Form, recwarn: pytest.WarningsRecorder) -> None:
    unraisable: list[Any] = []
    hook, sys.unraisablehook = sys.unraisablehook, unraisable.append

    async def fail(item: int) -> int:
        if item == 4:
            raise Boom
        await anyio.lowlevel.checkpoint()
        return item

    async def main() -> None:
        for source in generators():
            with pytest.raises(Boom):
                await form.run(fail, source, limit=3)

    try:
        for backend in ("asyncio", "trio"):
            anyio.run(main, backend=backend)
    finally:
        sys.unraisablehook = hook
    assert not unraisable
    assert not recwarn.list


def test_every_form_is_tried() -> None:
    names = {name for name in ak.__all__ if name.startswith("concurrent_")}
    assert {form.name for form in FORMS} <= names
