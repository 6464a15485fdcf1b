"""A source that is read until it is to stop: nothing that it gave is lost."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import suppress
from contextvars import ContextVar
from functools import partial
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given, settings, strategies as st

import aiterkit as ak
from aiterkit._concurrent.merge.state import Stoppable
from aiterkit.testing import (
    ProbeError,
    SourceProbe,
    assert_timeline,
    available_backends,
    explore,
    play,
)

from ..helpers import Boom, at_the_tail, popped  # noqa: TID252 - tests stand on no path

Stop = Callable[[], Awaitable[object]]
Reader = Callable[[Any], Awaitable[list[int]]]
number: ContextVar[int] = ContextVar("number", default=0)


def until(source: Any, stop: Stop = anyio.sleep_forever) -> Any:
    return ak.concurrent_until(source, stop)


def after(seconds: float, error: BaseException | None = None) -> Stop:
    """Return a *stop* that takes so many seconds."""

    async def stop() -> None:
        await anyio.sleep(seconds)
        if error is not None:
            raise error

    return stop


@pytest.mark.parametrize(
    ("source", "stop", "line"),
    [
        pytest.param("a--b--c--d|", "----|", "a--b|", id="a read is cancelled"),
        pytest.param("a--b|", "-------|", "a--b|", id="the source ends first"),
        pytest.param("a--b|", "-", "a--b|", id="it is never stopped"),
        pytest.param("a------", "---|", "a--|", id="a source that hangs"),
        pytest.param("-a|", "|", "|", id="stopped at once"),
        pytest.param("a--!", "-----|", "a--!", id="the source fails first"),
        pytest.param("a--!", "-|", "a|", id="stopped before the error"),
        pytest.param("a--b--c|", "----!", "a--b!", id="stop fails"),
        pytest.param("a--b|", "-----!", "a--b|", id="stop fails after the end"),
        pytest.param("a--b--c|", "-----|", "a--b;", id="left by its reader"),
    ],
)
async def test_it_gives_the_items_until_stop_returns(
    source: str, stop: str, line: str
) -> None:
    waiting = play(stop)
    await assert_timeline(until(play(source), partial(ak.alen, waiting)), line)


async def test_a_source_is_asked_for_nothing_more_once_it_is_stopped() -> None:
    stopping = anyio.Event()
    source = SourceProbe(range(9), gap=1)
    async with until(source, stopping.wait) as results:
        assert [await anext(results), await anext(results)] == [0, 1]
        stopping.set()
        await anyio.sleep(5)
        for _ in range(3):
            with pytest.raises(StopAsyncIteration):
                await anext(results)
        assert source.pulls == 2


# The promise: every item given is handled, by any reader, whenever it stops.


async def by_a_loop(results: Any) -> list[int]:
    return [item async for item in results]


async def by_for_each(results: Any) -> list[int]:
    handled: list[int] = []

    async def handle(item: int) -> None:
        await anyio.lowlevel.checkpoint()
        handled.append(item)

    await ak.concurrent_for_each(handle, results, limit=3)
    return sorted(handled)


async def echo(item: Any) -> Any:
    await anyio.lowlevel.checkpoint()
    return item


async def by_a_map(results: Any) -> list[int]:
    async with ak.concurrent_map(echo, results, limit=3) as mapped:
        return [item async for item in mapped]


async def by_an_unordered_map(results: Any) -> list[int]:
    async with ak.concurrent_map_unordered(echo, results, limit=3) as mapped:
        return sorted([item async for item in mapped])


async def by_batches(results: Any) -> list[int]:
    async with ak.concurrent_batched(results, 3, within=1) as batches:
        return [item async for batch in batches for item in batch]


async def by_a_pipeline(results: Any) -> list[int]:
    handled: list[int] = []

    async def handle(batch: tuple[int, ...]) -> None:
        await anyio.lowlevel.checkpoint()
        handled.extend(batch)

    async with (
        ak.concurrent_map(echo, results, limit=2) as mapped,
        ak.concurrent_batched(mapped, 2, within=1) as batches,
    ):
        await ak.concurrent_for_each(handle, batches, limit=2)
    return sorted(handled)


READERS = [
    by_a_loop,
    by_for_each,
    by_a_map,
    by_an_unordered_map,
    by_batches,
    by_a_pipeline,
]
every_reader = pytest.mark.parametrize("read", READERS, ids=lambda f: f.__name__)

STEPS = (1, 4, 9)
# With the readers, the steps and the strategies: more than 1,000 on each backend.
SCHEDULES = 30


async def stopped_after(steps: int, stopping: anyio.Event) -> None:
    for _ in range(steps):
        await anyio.lowlevel.checkpoint()
    stopping.set()


@every_reader
@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("strategy", ["random", "pct"])
def test_each_item_that_was_given_is_handled_under_every_schedule(
    read: Reader, steps: int, strategy: Any
) -> None:
    async def test() -> None:
        source = SourceProbe(range(99), gap=0 if steps % 2 else None)
        stopping = anyio.Event()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stopped_after, steps, stopping)
            async with until(source, stopping.wait) as results:
                assert await read(results) == source.taken
        source.assert_closed_once()
        source.assert_well_used()

    explore(test, schedules=SCHEDULES, strategy=strategy, seed=1)


def test_a_worker_that_is_stopped_handles_each_message_that_it_took() -> None:
    async def test() -> None:
        async def handle(number: int) -> None:
            await anyio.lowlevel.checkpoint()
            handled.append(number)

        handled: list[int] = []
        source = SourceProbe(range(100))
        stop = anyio.lowlevel.checkpoint
        async with ak.concurrent_until(source, stop) as taken:
            await ak.concurrent_for_each(handle, taken, limit=3)
        assert sorted(handled) == source.taken

    tried = explore(test, schedules=500, seed=1)  # on each backend
    assert tried.schedules == 500 * len(available_backends())


@every_reader
def test_what_a_queue_gave_is_handled_and_the_rest_is_in_the_queue(
    read: Reader,
) -> None:
    async def test() -> None:
        for steps in STEPS:
            sender, receiver = anyio.create_memory_object_stream[int](99)
            stopping = anyio.Event()
            handled: list[int] = []

            async def send(sender: Any = sender) -> None:
                for item in range(9):
                    await sender.send(item)

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(send)
                tasks.start_soon(stopped_after, steps, stopping)
                async with until(receiver, stopping.wait) as results:
                    handled += await read(results)
                    await anyio.sleep(1)
                    left = receiver.statistics().current_buffer_used
                    assert handled == list(range(9 - left))
            sender.close()

    explore(test, schedules=20, seed=1)


@every_reader
@pytest.mark.parametrize("error", [None, Boom()], ids=["returns", "fails"])
def test_stopped_at_the_moment_of_an_item_the_end_or_an_error_nothing_is_lost(
    read: Reader, error: Exception | None
) -> None:
    async def test() -> None:
        for moment in (2, 3, 4):
            for fails in (False, True):
                source = SourceProbe(range(3), gap=1, fail_at=3 if fails else None)
                raised: list[BaseException] = []
                handled: list[int] = []

                async def note(results: Any, handled: Any = handled) -> Any:
                    async for item in results:
                        handled.append(item)
                        yield item

                async with until(source, after(moment, error)) as results:
                    try:
                        await read(note(results))
                    except (Boom, ProbeError) as caught:
                        raised.append(caught)
                assert handled == source.taken
                assert source.taken == list(range(min(3, len(source.taken))))
                failed = fails and source.ended
                seen = {type(each) for each in raised}
                assert len(raised) <= 1
                assert seen <= {Boom, ProbeError}
                if failed and error is None:
                    assert seen == {ProbeError}
                elif not source.ended:
                    assert seen == ({Boom} if error else set())
                source.assert_closed_once()
                source.assert_well_used()

    explore(test, schedules=20, seed=1)


@settings(max_examples=60, deadline=None)
@given(
    gaps=st.lists(st.integers(0, 4), max_size=8),
    pauses=st.lists(st.integers(0, 4), min_size=8, max_size=8),
    stop=st.integers(0, 30),
    fails=st.booleans(),
)
async def test_whatever_the_times_the_items_are_those_of_the_model(
    gaps: list[int], pauses: list[int], stop: int, fails: Any
) -> None:
    # A read begins when the reader asks. One that would end after the stop does not.
    start = anyio.current_time()
    stops = stop + 0.5
    expected: list[tuple[int, float]] = []
    time, ends = 0.0, "stop"
    for item, gap in enumerate([*gaps, 0]):
        if time + gap > stops:
            time = max(time, stops)
            break
        time += gap
        if item == len(gaps):
            ends = "end"
        else:
            expected.append((item, time))
            time += pauses[item]
    got: list[tuple[int, float]] = []
    error = Boom() if fails else None
    source = SourceProbe(range(len(gaps)), gap=[*gaps, 0])
    async with until(source, after(stops, error)) as results:
        try:
            async for item in results:
                got.append((item, anyio.current_time() - start))
                await anyio.sleep(pauses[int(item)])
        except Boom:
            assert ends == "stop"
            assert fails
        else:
            assert ends == "end" or not fails
        assert anyio.current_time() - start == time
    assert got == expected
    source.assert_closed_once()
    source.assert_well_used()


# A read that is cancelled.


async def test_what_a_cancelled_read_gives_all_the_same_is_given() -> None:
    source = SourceProbe(range(9), gap=10, ignore_cancel_once=True)
    async with until(source, after(15)) as results:
        assert await by_a_loop(results) == [0, 1]
        assert anyio.current_time() == 20
    assert source.taken == [0, 1]
    source.assert_closed_once()


class Stubborn(SourceProbe[int]):
    """A source that answers a cancellation with something else."""

    def __init__(self, answer: Callable[[], Awaitable[int]]) -> None:
        super().__init__(range(9), hang_at=1)
        self.answer = answer

    async def __anext__(self) -> int:
        with suppress(anyio.get_cancelled_exc_class()):
            return await super().__anext__()
        return await self.answer()


async def test_what_a_cancelled_read_raises_by_itself_is_raised_in_its_place() -> None:
    async def answer() -> int:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(5)
        raise Boom

    async with until(Stubborn(answer), after(1)) as results:
        assert await anext(results) == 0
        with pytest.raises(Boom) as caught:
            await anext(results)
        assert caught.value.__context__ is None
        assert anyio.current_time() == 6


async def test_if_stop_and_a_cancelled_read_fail_the_first_is_raised() -> None:
    async def answer() -> int:
        raise Boom("read")

    with pytest.raises(KeyError) as caught:
        async with until(Stubborn(answer), after(1, Boom("stop"))) as results:
            assert await anext(results) == 0
            with pytest.raises(Boom, match="stop"):
                await anext(results)
            raise KeyError
    assert at_the_tail(caught.value) == ["Boom('read')"]


async def test_an_error_of_its_cleanup_is_raised_when_the_block_is_left() -> None:
    async def source() -> AsyncGenerator[int]:
        try:
            yield 0
            await anyio.sleep_forever()
        finally:
            raise Boom

    with pytest.raises(Boom):
        async with until(source(), after(1)) as results:
            assert await by_a_loop(results) == [0]


# Stop itself.


async def test_stop_is_called_once_and_sees_the_context_at_entry() -> None:
    seen: list[int] = []

    async def stop() -> None:
        seen.append(number.get())
        number.set(3)
        await anyio.sleep(1)

    token = number.set(1)
    block = until(SourceProbe(range(9), gap=2), stop)
    number.set(2)
    async with block as results:
        assert await by_a_loop(results) == []
        assert number.get() == 2
    number.reset(token)
    assert seen == [2]


async def test_what_is_taken_before_stop_fails_comes_before_its_error() -> None:
    source = SourceProbe(range(9), gap=2)
    async with until(source, after(3, Boom("stop"))) as results:
        with anyio.move_on_after(1):
            await anext(results)  # it asks, and does not wait for the answer
        await anyio.sleep(5)
        assert source.taken == [0]
        assert await anext(results) == 0
        with pytest.raises(Boom, match="stop") as caught:
            await anext(results)
        assert caught.value.__context__ is None
        with pytest.raises(StopAsyncIteration):
            await anext(results)


async def test_an_unseen_error_of_stop_is_dropped_or_attached() -> None:
    async with until(SourceProbe(range(9)), after(1, Boom("stop"))):
        await anyio.sleep(5)
    with pytest.raises(KeyError) as caught:
        async with until(SourceProbe(range(9)), after(1, Boom("stop"))):
            await anyio.sleep(5)
            raise KeyError
    assert at_the_tail(caught.value) == ["Boom('stop')"]


async def test_an_error_of_stop_after_the_end_is_attached_only() -> None:
    with pytest.raises(KeyError) as caught:
        async with until(SourceProbe(range(2)), after(1, Boom("stop"))) as results:
            assert await by_a_loop(results) == [0, 1]
            await anyio.sleep(5)
            with pytest.raises(StopAsyncIteration):
                await anext(results)
            raise KeyError
    assert at_the_tail(caught.value) == ["Boom('stop')"]


async def test_what_ends_the_program_in_stop_does() -> None:
    source = SourceProbe(range(9), gap=2)
    with pytest.raises(KeyboardInterrupt) as caught:
        async with until(source, after(1, KeyboardInterrupt())) as results:
            await by_a_loop(results)
    assert caught.value.__context__ is None
    source.assert_closed_once()


async def test_a_cancelled_error_out_of_the_blue_in_stop_is_delivered() -> None:
    error = asyncio.CancelledError("foreign")
    async with until(SourceProbe(range(9), gap=2), after(1, error)) as results:
        with pytest.raises(asyncio.CancelledError, match="foreign"):
            await anext(results)


async def test_stop_cannot_end_the_iteration_by_mistake() -> None:
    stopped = after(1, StopAsyncIteration())
    async with until(SourceProbe(range(9), gap=2), stopped) as results:
        with pytest.raises(RuntimeError, match="raised StopAsyncIteration"):
            await anext(results)


@pytest.mark.parametrize("read", [True, False])
async def test_on_exit_stop_is_cancelled_and_awaited_and_then_the_source_is_closed(
    read: bool,  # noqa: FBT001
) -> None:
    log: list[str] = []

    async def stop() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(5)
            log.append("stop")

    class Source(SourceProbe[int]):
        async def aclose(self) -> None:
            log.append("source")
            await super().aclose()

    source = Source(range(2))
    async with until(source, stop) as results:
        await anyio.sleep(1)
        if read:
            assert await by_a_loop(results) == [0, 1]
    assert log == ["stop", "source"]
    assert anyio.current_time() == 6
    source.assert_closed_once()


@pytest.mark.parametrize(
    "stop", [after(1), after(1, Boom()), after(99)], ids=["stopped", "failed", "ended"]
)
async def test_the_source_is_open_until_the_block_is_left(stop: Stop) -> None:
    # What was made of its items may still need what it holds.
    source = SourceProbe([0, 1], gap=[0, 0, 5])
    async with until(source, stop) as results:
        with suppress(Boom):
            await by_a_loop(results)
        await anyio.sleep(50)
        source.assert_never_closed()
    source.assert_closed_once()


async def test_a_stop_that_ends_while_the_block_is_left_changes_nothing() -> None:
    async def stop() -> None:
        try:
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class():
            return  # as no code should

    source = SourceProbe(range(9), gap=1)
    async with until(source, stop) as results:
        assert await anext(results) == 0
    source.assert_closed_once()


async def test_a_stop_that_is_not_async_is_an_error_in_the_place_of_the_end() -> None:
    def stop() -> Any:
        return 5

    async with until(SourceProbe(range(9), gap=1), stop) as results:
        with pytest.raises(TypeError) as caught:
            await anext(results)
    assert str(caught.value) == (
        "concurrent_until() needs an async function as stop, such as event.wait "
        "(stop returned 'int', which cannot be awaited)"
    )


async def coroutine() -> None:
    pass


@pytest.mark.parametrize(
    ("stop", "message"),
    [
        (coroutine, "not a coroutine: pass coroutine, not coroutine()"),
        (anyio.Event, "pass the event's wait, as in event.wait"),
        (lambda: None, "not None"),
        (lambda: 60, "not 60"),
    ],
)
async def test_what_cannot_be_called_is_refused_at_the_call(
    stop: Callable[[], Any], message: str
) -> None:
    with pytest.raises(TypeError) as caught:
        until("abc", stop())
    wanted = "stop must be an async function without arguments"
    assert str(caught.value).startswith(wanted)
    assert str(caught.value).endswith(message)


def test_a_source_has_room_while_the_reader_waits_until_it_is_stopped() -> None:
    state = Stoppable[str]()
    source = state.add()
    assert not state.has_room(source)
    state.asked = True
    assert state.has_room(source)
    state.put(source, "a")
    assert not state.has_room(source)
    state.stop()
    assert state.take_to_stop() == [source]
    assert popped(state) == ["a"]
    assert not state.exhausted
    state.leave(source)
    assert state.exhausted


def test_the_error_that_ends_the_items_is_the_first() -> None:
    first, second, third = Boom("1"), Boom("2"), Boom("3")
    state = Stoppable[str]()
    source = state.add()
    state.stop(first)
    assert popped(state) == []  # what is read now may still come
    state.fail(source, second)
    assert popped(state) == ["Boom('1')"]
    state.stop(third)
    assert state.exhausted
    assert state.close() == [second, third]


async def test_two_can_stand_in_one_another() -> None:
    async def numbers(results: AsyncIterator[int]) -> AsyncGenerator[int]:
        async for item in results:
            yield item

    source = SourceProbe(range(99), gap=1)
    async with (
        until(source, after(3.5)) as first,
        until(numbers(first), after(9.5)) as second,
    ):
        assert await by_a_loop(second) == [0, 1, 2]
    source.assert_closed_once()
