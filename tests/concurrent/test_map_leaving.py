"""However a block is left: calls are cancelled and awaited, the source is closed."""

import asyncio
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from contextlib import AsyncExitStack
from typing import Any

import anyio
import anyio.lowlevel
import pytest

import aiterkit as ak
from aiterkit.testing import SourceProbe, SyncSourceProbe, explore

from ..helpers import Boom, any_source, at_the_tail, on_asyncio  # noqa: TID252 - tests stand on no path
from .map_forms import FORMS, Form, Streaming, calls, every_form, streaming


async def at_the_end(results: AsyncIterator[int]) -> None:
    async for _ in results:
        pass


async def by_break(results: AsyncIterator[int]) -> None:
    async for result in results:
        if result == 2:
            break


async def by_an_error_in_the_body(results: AsyncIterator[int]) -> None:
    async for result in results:
        if result == 2:
            raise Boom("body")


async def without_reading(_results: AsyncIterator[int]) -> None:
    pass


async def without_reading_later(_results: AsyncIterator[int]) -> None:
    await anyio.sleep(2.5)


async def cancelled_while_reading(results: AsyncIterator[int]) -> None:
    with anyio.move_on_after(2.5) as scope:
        async for _ in results:
            pass
    scope.cancel()


EXITS = [
    at_the_end,
    by_break,
    by_an_error_in_the_body,
    without_reading,
    without_reading_later,
    cancelled_while_reading,
]
every_exit = pytest.mark.parametrize("leave", EXITS)


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


@every_form
async def test_a_deadline_ends_a_close_that_takes_long(form: Form) -> None:
    source = SourceProbe(range(9), close_delay=50)
    with anyio.move_on_after(1.5):
        await form.run(calls(seconds=1), source, limit=2)
    assert anyio.current_time() == 1.5
    source.assert_closed_once()


@every_form
async def test_the_block_is_left_when_a_close_that_takes_long_has_ended(
    form: Form,
) -> None:
    source = SourceProbe(range(3), close_delay=50)
    await form.run(calls(seconds=1), source, limit=3)
    assert anyio.current_time() == 51
    source.assert_closed_once()


@every_form
async def test_a_source_that_hangs_is_interrupted_before_it_is_closed(
    form: Form,
) -> None:
    source = SourceProbe(range(9), hang_at=3)
    with anyio.move_on_after(5):
        await form.run(calls(seconds=1), source, limit=2)
    assert source.cancelled_pulls == 1
    assert source.closes_while_pulled == 0
    source.assert_closed_once()


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


@every_form
async def test_a_source_without_aclose_is_left_as_it_is(form: Form) -> None:
    class Source:
        def __init__(self) -> None:
            self._items = iter(range(3))

        def __aiter__(self) -> "Source":
            return self

        async def __anext__(self) -> int:
            for item in self._items:
                return item
            raise StopAsyncIteration

    assert await form.run(calls(), Source(), limit=2) == [0, 1, 2]


class Closable(Generator[int]):
    """A sync generator whose end can be seen."""

    def __init__(self, error: Exception | None = None) -> None:
        self.closes = 0
        self.error = error
        self.items = iter(range(100))

    def send(self, _value: None, /) -> int:
        return next(self.items)

    def throw(self, *_args: Any) -> int:
        raise NotImplementedError

    def close(self) -> None:
        self.closes += 1
        if self.error is not None:
            raise self.error


@streaming
async def test_a_sync_generator_is_closed(operator: Streaming) -> None:
    source = Closable()
    async with operator(calls(seconds=1), source, limit=2) as results:
        await anext(results)
        assert source.closes == 0
    assert source.closes == 1


@streaming
async def test_other_sync_iterators_are_not(operator: Streaming) -> None:
    # A file, a cursor: closing those ends more than the iteration.
    source = SyncSourceProbe(range(9))
    async with operator(calls(), source, limit=2) as results:
        await anext(results)
    source.assert_never_closed()


class Unclosable(SourceProbe[int]):
    """A source that cannot be closed without trouble."""

    async def aclose(self) -> None:
        await super().aclose()
        raise Boom("close")


@streaming
@pytest.mark.parametrize(
    "make", [lambda: Unclosable(range(9)), lambda: Closable(Boom("close"))]
)
async def test_an_error_in_closing_is_raised_when_the_block_is_left_cleanly(
    operator: Streaming, make: Any
) -> None:
    with pytest.raises(Boom, match="close"):
        async with operator(calls(), make(), limit=2) as results:
            await anext(results)


@streaming
@pytest.mark.parametrize(
    "make", [lambda: Unclosable(range(9)), lambda: Closable(Boom("close"))]
)
async def test_an_error_in_closing_masks_no_other(
    operator: Streaming, make: Any
) -> None:
    with pytest.raises(KeyError) as caught:
        async with operator(calls(), make(), limit=2):
            raise KeyError
    assert at_the_tail(caught.value) == ["Boom('close')"]


@streaming
async def test_an_error_in_closing_does_not_hide_a_cancellation(
    operator: Streaming,
) -> None:
    with anyio.move_on_after(1) as scope:
        async with operator(calls(), Unclosable(range(9)), limit=2):
            await anyio.sleep_forever()
    assert scope.cancelled_caught


@streaming
async def test_what_ends_the_program_in_closing_does_so(operator: Streaming) -> None:
    class Source(SourceProbe[int]):
        async def aclose(self) -> None:
            raise SystemExit

    with pytest.raises(SystemExit):
        async with operator(calls(), Source(range(9)), limit=2) as results:
            await anext(results)


@streaming
async def test_a_read_that_answers_its_interruption_with_an_error_is_told(
    operator: Streaming,
) -> None:
    class Source(SourceProbe[int]):
        async def __anext__(self) -> int:
            try:
                return await super().__anext__()
            except anyio.get_cancelled_exc_class():
                raise Boom("interrupted") from None

    with pytest.raises(Boom, match="interrupted"):
        async with operator(calls(), Source(range(9), hang_at=0), limit=2):
            await anyio.sleep(1)


@streaming
async def test_a_read_that_fails_just_then_is_dropped(operator: Streaming) -> None:
    class Source(SourceProbe[int]):
        async def __anext__(self) -> int:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(5)
            raise Boom("of its own")

    async with operator(calls(), Source(range(9)), limit=2):
        await anyio.sleep(1)
    assert anyio.current_time() == 5


# Sources that are unsafe anywhere else: what they hold across a `yield` would
# interrupt whoever reads them. Here, that is a task of the block's own.


async def holding_a_task_group(log: list[str]) -> AsyncGenerator[int]:
    async def tick() -> None:
        while True:
            await anyio.sleep(1)
            log.append("tick")

    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(tick)
            for item in range(9):
                await anyio.sleep(0.75)
                yield item
            tasks.cancel_scope.cancel()
    finally:
        log.append("closed")


async def holding_a_timeout(log: list[str]) -> AsyncGenerator[int]:
    try:
        with anyio.fail_after(1000):
            for item in range(9):
                await anyio.sleep(1)
                yield item
    finally:
        log.append("closed")


async def holding_a_shield(log: list[str]) -> AsyncGenerator[int]:
    try:
        with anyio.CancelScope(shield=True):
            for item in range(9):
                await anyio.sleep(1)
                yield item
    finally:
        log.append("closed")


SCOPED = [holding_a_task_group, holding_a_timeout, holding_a_shield]
scoped = pytest.mark.parametrize("make", SCOPED)


@scoped
@every_exit
@streaming
@pytest.mark.parametrize("limit", [1, 2])
async def test_a_source_that_holds_a_scope_across_its_yield_is_safe(
    make: Any, leave: Any, operator: Streaming, limit: int
) -> None:
    log: list[str] = []
    try:
        async with operator(calls(seconds=1), make(log), limit=limit) as results:
            await leave(results)
    except Boom:
        pass
    assert log[-1:] in (["closed"], []), log
    if leave is not without_reading:
        assert log.count("closed") == 1
    await anyio.sleep(10)
    assert log[-1:] in (["closed"], [])


@scoped
@every_form
async def test_such_a_source_survives_a_failing_call(make: Any, form: Form) -> None:
    async def fail(item: int) -> None:
        await anyio.sleep(item)
        if item == 3:
            raise Boom

    log: list[str] = []
    with pytest.raises(Boom):
        await form.run(fail, make(log), limit=2)
    assert log[-1] == "closed"


@scoped
@every_form
@pytest.mark.parametrize("after", [0.5, 2.5, 3])
async def test_such_a_source_survives_a_cancellation_from_outside(
    make: Any, form: Form, after: float
) -> None:
    log: list[str] = []
    with anyio.move_on_after(after):
        await form.run(calls(seconds=2), make(log), limit=2)
    assert log[-1] == "closed"
    await anyio.sleep(10)


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
async def test_a_task_group_held_by_the_source_may_fail_while_there_is_no_room(
    operator: Streaming,
) -> None:
    async def fail() -> None:
        await anyio.sleep(4.5)
        raise Boom("child")

    async def source() -> AsyncGenerator[int]:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(fail)
            for item in range(99):
                await anyio.sleep(1)
                yield item

    with pytest.raises(ExceptionGroup) as caught:
        async with operator(calls(), source(), limit=1, buffer=0) as results:
            async for _ in results:
                await anyio.sleep(3)
    assert caught.group_contains(Boom, match="child", depth=1)


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


@every_form
async def test_errors_beside_the_generator_exit_of_a_close_are_told(
    form: Form,
) -> None:
    class Source(SourceProbe[int]):
        async def aclose(self) -> None:
            raise BaseExceptionGroup("both", [GeneratorExit(), Boom("close")])

    with pytest.raises(ExceptionGroup) as caught:
        await form.run(calls(), Source(range(3)), limit=1)
    assert caught.value.message == "both"
    assert list(map(repr, caught.value.exceptions)) == ["Boom('close')"]


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
async def test_a_block_left_while_such_a_timeout_expires_is_left_in_order(
    operator: Streaming,
) -> None:
    async def source() -> AsyncGenerator[int]:
        with anyio.fail_after(4.5):
            for item in range(99):
                await anyio.sleep(1)
                yield item

    async with operator(calls(seconds=1), source(), limit=1, buffer=0) as results:
        await anext(results)
        await anyio.sleep(10)


@streaming
async def test_what_is_read_on_after_a_cancellation_from_outside_is_not_cut_silently(
    operator: Streaming,
) -> None:
    got: list[int] = []
    call = calls(seconds=lambda item: item)
    with anyio.CancelScope() as outer:
        async with operator(call, SourceProbe(range(9)), limit=3) as results:
            got.append(await anext(results))
            outer.cancel()
            with anyio.CancelScope(shield=True):
                await anyio.sleep(5)
                with pytest.raises(RuntimeError, match="was cancelled from outside"):
                    async for result in results:
                        got.append(result)
    assert got == [0]


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
