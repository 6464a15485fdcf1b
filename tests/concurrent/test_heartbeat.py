"""A source that is never silent for long, and whose read is never cancelled for it."""

import asyncio
import math
from collections.abc import Awaitable, Generator
from contextlib import contextmanager
from typing import Any

import anyio
import pytest
from hypothesis import given, settings, strategies as st

import aiterkit as ak
from aiterkit._concurrent.timing.scope import HeartbeatScope
from aiterkit._concurrent.timing.state import Heartbeats
from aiterkit._runtime.backend import Backend
from aiterkit.testing import ProbeError, SourceProbe, assert_timeline, explore, play

from ..helpers import on_asyncio, popped  # noqa: TID252 - tests stand on no path

heartbeat = ak.concurrent_heartbeat


@pytest.mark.parametrize(
    ("source", "line"),
    [
        pytest.param("a-b-c|", "a-b-c|", id="never silent"),
        pytest.param("----a|", "---*a|", id="from the entry"),
        pytest.param("a----b|", "a--*-b|", id="from the item before"),
        pytest.param("a---------b|", "a--*--*--*b|", id="again and again"),
        pytest.param("a---b---c|", "a--*b--*c|", id="anew with each item"),
        pytest.param("a-|", "a-|", id="the end"),
        pytest.param("a--|", "a--(*|)", id="the end, just then"),
        pytest.param("a--!", "a--(*!)", id="an error, just then"),
        pytest.param("a----!", "a--*-!", id="an error"),
        pytest.param("-", "---*--*-;", id="for ever"),
    ],
)
async def test_a_beat_comes_when_nothing_came_for_so_long(
    source: str, line: str
) -> None:
    await assert_timeline(heartbeat(play(source), "*", seconds=3), line)


async def test_the_read_is_never_cancelled_for_a_beat() -> None:
    source = SourceProbe("ab", gap=100)
    async with heartbeat(source, None, seconds=3) as results:
        got = [item async for item in results]
    assert got.count(None) == 99
    assert [item for item in got if item] == ["a", "b"]
    assert source.pulls == 3
    assert source.cancelled_pulls == 0


@pytest.mark.parametrize("probe", [SourceProbe, play])
async def test_at_most_one_item_is_read_ahead(probe: Any) -> None:
    source = probe("abcdefg")
    async with heartbeat(source, None, seconds=3) as results:
        for taken in range(5):
            await anyio.sleep(10)
            assert len(source.taken) == taken + 1
            assert await anext(results) == "abcdefg"[taken]


async def test_a_busy_reader_gets_one_beat_and_not_those_that_it_missed() -> None:
    async with heartbeat(SourceProbe("a", gap=1000), "*", seconds=3) as results:
        await anyio.sleep(100)
        assert await anext(results) == "*"
        assert anyio.current_time() == 100
        assert await anext(results) == "*"
        assert anyio.current_time() == 103


async def test_for_a_busy_reader_an_item_comes_before_a_beat() -> None:
    async with heartbeat(SourceProbe("ab", gap=[50, 1000]), "*", seconds=3) as results:
        await anyio.sleep(100)
        assert await anext(results) == "a"
        # While the item waited, nothing was asked of the source: it was not silent.
        assert await anext(results) == "*"
        assert anyio.current_time() == 103


async def test_for_a_busy_reader_the_end_comes_without_a_beat() -> None:
    async with heartbeat(SourceProbe("", gap=50), "*", seconds=3) as results:
        await anyio.sleep(100)
        with pytest.raises(StopAsyncIteration):
            await anext(results)


async def test_the_time_counts_from_the_entry_of_the_block() -> None:
    block = heartbeat(SourceProbe("a", gap=1000), "*", seconds=3)
    await anyio.sleep(100)
    async with block as results:
        assert await anext(results) == "*"
        assert anyio.current_time() == 103


async def test_a_timed_out_wait_moves_no_beat() -> None:
    async with heartbeat(SourceProbe("a", gap=1000), "*", seconds=3) as results:
        for _ in range(2):
            with anyio.move_on_after(1):
                await anext(results)
        assert await anext(results) == "*"
        assert anyio.current_time() == 3


async def test_what_falls_due_as_a_wait_is_cancelled_is_not_lost() -> None:
    async with heartbeat(SourceProbe("ab", gap=[3, 1000]), "*", seconds=3) as results:
        with anyio.move_on_after(3):
            await anext(results)
        await anyio.sleep(1)
        got = [await anext(results), await anext(results)]
    assert got in (["*", "a"], ["a", "*"])


# A deadline for each wait of the reader would cost as much as the wait itself.


@contextmanager
def noted_deadlines() -> Generator[list[float]]:
    """Note until when tasks of a block wait, as they begin to."""
    begun: list[float] = []
    bind = HeartbeatScope[Any, Any].bind_backend

    def bind_noting(scope: HeartbeatScope[Any, Any], backend: Backend) -> None:
        def wait_until(waiter: Any, due: float) -> Awaitable[object]:
            begun.append(due)
            return backend.wait_until(waiter, due)

        bind(scope, backend._replace(wait_until=wait_until))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(HeartbeatScope, "bind_backend", bind_noting)
        yield begun


async def test_items_that_come_in_time_need_no_deadline_each() -> None:
    source = SourceProbe(range(100), gap=1)
    with noted_deadlines() as deadlines:
        async with heartbeat(source, None, seconds=10.5) as results:
            assert [item async for item in results] == list(range(100))
    # Each deadline but the first is that of the last item before it was set.
    assert deadlines == [10.5 + 10 * number for number in range(11)]


async def test_no_beat_is_timed_for_a_reader_that_is_busy() -> None:
    source = SourceProbe("a", gap=1000)
    with noted_deadlines() as deadlines:
        async with heartbeat(source, "*", seconds=3) as results:
            await anyio.sleep(100)
            assert deadlines == [3]
            assert await anext(results) == "*"
            with anyio.move_on_after(1):
                await anext(results)
            assert deadlines == [3, 103]
            await anyio.sleep(100)
            assert deadlines == [3, 103]


@on_asyncio
async def test_a_reader_is_told_if_no_beat_will_ever_come() -> None:
    # Any code may cancel any task of asyncio. The reader must not wait for ever.
    async with heartbeat(SourceProbe("a", gap=1000), "*", seconds=3) as results:
        assert await anext(results) == "*"
        for task in asyncio.all_tasks():
            if task.get_name() == "concurrent_heartbeat timer":
                task.cancel()
        with pytest.raises(RuntimeError, match="was cancelled from outside"):
            await anext(results)


@settings(max_examples=80, deadline=None)
@given(
    gaps=st.lists(st.integers(0, 8), max_size=8),
    pauses=st.lists(st.sampled_from([0, 0.11, 1.13, 7.17]), max_size=20),
    seconds=st.sampled_from([1, 2, 3, 2.5]),
    fails=st.booleans(),
)
async def test_whatever_the_times_the_beats_are_those_of_the_model(
    gaps: list[int], pauses: list[float], seconds: float, fails: Any
) -> None:
    # An item is asked for as soon as the one before was received; so is the end.
    expected: list[tuple[int | None, float]] = []
    asked = time = last = 0.0
    pausing = iter(pauses)
    for number, gap in enumerate([*gaps, 0]):
        arrives = asked + gap
        # A beat that is due just when an item comes is first, if the reader waits.
        while time < arrives and max(time, last + seconds) <= arrives:
            time = last = max(time, last + seconds)
            expected.append((None, time))
            time += next(pausing, 0)
        time = max(time, arrives)
        if number < len(gaps):
            asked = last = time
            expected.append((number, time))
            time += next(pausing, 0)
    start = anyio.current_time()
    got: list[tuple[int | None, float]] = []
    source = SourceProbe(
        range(len(gaps)), gap=[*gaps, 0], fail_at=len(gaps) if fails else None
    )
    pausing = iter(pauses)
    async with heartbeat(source, None, seconds=seconds) as results:
        try:
            async for item in results:
                got.append((item, anyio.current_time() - start))
                await anyio.sleep(next(pausing, 0))
        except ProbeError:
            assert fails
        else:
            assert not fails
    assert [item for item, _ in got] == [item for item, _ in expected]
    assert [at for _, at in got] == pytest.approx([at for _, at in expected])
    assert source.cancelled_pulls == 0
    source.assert_closed_once()


def test_under_every_schedule_the_same_is_given() -> None:
    async def test() -> None:
        source = SourceProbe("abcd", gap=[0, 3, 1, 6, 3])
        async with heartbeat(source, "*", seconds=3) as results:
            got = "".join([item async for item in results])
        assert got == "a*bc**d*"

    explore(test, schedules=30, seed=1)


def test_a_wait_cancelled_at_any_moment_loses_nothing() -> None:
    async def test() -> None:
        got: list[int] = []

        async def read() -> None:
            async for item in results:
                if item is not None:
                    got.append(item)

        async with heartbeat(SourceProbe(range(9), gap=1), None, seconds=1) as results:
            while len(got) < 9:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(read)
                    await anyio.sleep(1.5)
                    tasks.cancel_scope.cancel()
        assert got == list(range(9))

    explore(test, schedules=10, seed=1)


LOOSE: Any = ak


@pytest.mark.parametrize(
    ("arguments", "seconds", "error", "message"),
    [
        (("a", None), 0, ValueError, "seconds must be more than 0, not 0"),
        (("a", None), math.nan, ValueError, "seconds must be more than 0, not nan"),
        (("a", None), "3", TypeError, "seconds must be a number, not '3'"),
        ((3, None), 1, TypeError, "source must be an iterable"),
        (("a",), 1, TypeError, "beat"),
    ],
)
def test_what_makes_no_sense_is_refused_at_the_call(
    arguments: Any, seconds: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        LOOSE.concurrent_heartbeat(*arguments, seconds=seconds)


def test_beats_are_decided_by_the_time_alone() -> None:
    time = 0.0
    timed = Heartbeats[str, str]("*", 3)
    timed.start(lambda: time)
    assert (timed.due, popped_once(timed)) == (3, [])
    time = 2
    assert timed.has_room()
    assert timed.take("a")
    assert not timed.has_room()
    assert (popped_once(timed), timed.due) == (["a"], 5)
    time = 5
    timed.is_awaited = True
    timed.take("b")
    timed.end()
    assert not timed.exhausted
    assert popped(timed) == ["*", "b"]
    assert (timed.due, timed.exhausted) == (math.inf, True)


def popped_once(timed: Heartbeats[str, str]) -> list[str]:
    """What is there now, but for beats that were due by now."""
    return [] if timed.is_empty() else popped(timed)[:1]
