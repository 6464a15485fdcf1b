"""Several sources by arrival: order, fairness, ends, errors, thousands of them."""

import math
from collections.abc import AsyncIterator
from itertools import count, repeat
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given, settings, strategies as st

import aiterkit as ak
from aiterkit._runtime.source_reader import SourceReader
from aiterkit.testing import (
    SourceProbe,
    SyncSourceProbe,
    assert_timeline,
    explore,
    play,
)

from ..helpers import Boom, at_the_tail  # noqa: TID252 - tests stand on no path


@pytest.mark.parametrize(
    ("lines", "merged"),
    [
        pytest.param([], "|", id="nothing of nothing"),
        pytest.param(["a--b|"], "a--b|", id="one source as it is"),
        pytest.param(["a---b---c|", "--x---y|"], "a-x-b-y-c|", id="by arrival"),
        pytest.param(["|", "a-b|"], "a-b|", id="an empty source is no end"),
        pytest.param(["a-|", "--b---|"], "a-b---|", id="ends with the last source"),
        pytest.param(["(abc|)", "(xyz|)"], "(axbycz|)", id="in turns if all are there"),
        pytest.param(["a--!", "-x-----y|"], "ax-!", id="fails with the first error"),
        pytest.param(["---!", "--!"], "--!", id="the first error in time"),
    ],
)
async def test_timelines(lines: list[str], merged: str) -> None:
    await assert_timeline(ak.concurrent_merge(*map(play, lines)), merged)


async def test_leaving_closes_all_sources() -> None:
    sources = [play("a--b--c|"), play("-x----y|")]
    await assert_timeline(ak.concurrent_merge(*sources), "ax-b;")
    for source in sources:
        source.assert_closed_once()
        source.assert_one_reader()


class Busy(AsyncIterator[str]):
    """A source that never suspends and never ends."""

    def __init__(self, name: str) -> None:
        self.name = name

    async def __anext__(self) -> str:
        return self.name


@pytest.mark.parametrize("buffer", [0, 3])
@pytest.mark.parametrize("make", [Busy, repeat])
async def test_a_source_that_never_suspends_starves_nobody(
    make: Any, buffer: int
) -> None:
    got: list[str] = []
    sources = [make("a"), make("b"), SourceProbe(["c"] * 5, gap=None)]
    async with ak.concurrent_merge(*sources, buffer=buffer) as results:
        async for item in results:
            got.append(item)
            if len(got) == 60:
                break
    assert got[:30].count("c") == 5
    assert abs(got.count("a") - got.count("b")) <= 1 + buffer


async def test_other_tasks_have_their_turn_beside_busy_sources() -> None:
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(count_turns)
        async with ak.concurrent_merge(Busy("a"), Busy("b")) as results:
            for _ in range(100):
                await anext(results)
        tasks.cancel_scope.cancel()
    assert turns >= 25


@pytest.mark.parametrize("buffer", [0, 2])
async def test_each_source_is_read_ahead_by_its_own_bound(buffer: int) -> None:
    sources: list[Any] = [
        SourceProbe(range(9), gap=None),
        SyncSourceProbe(range(9)),
    ]
    async with ak.concurrent_merge(*sources, buffer=buffer) as results:
        await anyio.sleep(5)
        assert [len(source.taken) for source in sources] == [1 + buffer] * 2
        await anext(results)
        await anyio.sleep(5)
        assert sum(len(source.taken) for source in sources) == 2 * (1 + buffer) + 1


async def test_a_slow_source_holds_back_no_other() -> None:
    slow, fast = SourceProbe("s", gap=1000), SourceProbe(range(5), gap=1)
    async with ak.concurrent_merge(slow, fast) as results:
        assert [await anext(results) for _ in range(5)] == list(range(5))
    assert anyio.current_time() == 5


async def test_an_error_stops_the_other_sources_before_it_is_raised() -> None:
    class Slow(SourceProbe[int]):
        async def __anext__(self) -> int:
            try:
                return await super().__anext__()
            finally:
                with anyio.CancelScope(shield=True):
                    await anyio.sleep(7)

    slow = Slow(range(9), gap=1000)
    idle = SourceProbe(range(9))
    bad = SourceProbe(range(9), gap=1, fail_at=3, error=Boom())
    async with ak.concurrent_merge(slow, idle, bad) as results:
        await anyio.sleep(5)
        got = [await anext(results) for _ in range(4)]
        assert sorted(got) == [0, 0, 1, 1]
        with pytest.raises(Boom):
            while True:
                await anext(results)
        slow.assert_closed_once()
        idle.assert_closed_once()
        assert slow.cancelled_pulls == 1


async def test_an_error_of_another_source_just_then_hangs_at_the_tail() -> None:
    class Stubborn(SourceProbe[int]):
        async def __anext__(self) -> int:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(5)
            raise Boom("other")

    bad = SourceProbe(range(9), gap=1, fail_at=0, error=Boom("first"))
    with pytest.raises(Boom, match="first") as caught:
        async with ak.concurrent_merge(Stubborn(range(9)), bad) as results:
            await anext(results)
    assert at_the_tail(caught.value) == ["Boom('other')"]


@pytest.mark.parametrize(
    ("buffer", "error", "message"),
    [
        (-1, ValueError, "buffer must be at least 0, not -1"),
        (True, TypeError, "buffer must be an int, not True"),
        (math.inf, TypeError, "buffer must be an int, not inf"),
    ],
)
def test_a_bad_buffer_is_refused_at_the_call(
    buffer: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as caught:
        ak.concurrent_merge("ab", buffer=buffer)
    assert str(caught.value) == message


@settings(max_examples=60, deadline=None)
@given(
    gaps=st.lists(st.lists(st.integers(1, 5), max_size=6), max_size=4),
    buffer=st.integers(0, 2),
)
async def test_a_prompt_reader_gets_every_item_when_it_comes(
    gaps: list[list[int]], buffer: int
) -> None:
    expected: list[tuple[int, int, int]] = []
    sources: list[SourceProbe[tuple[int, int]]] = []
    for number, pauses in enumerate(gaps):
        times = [sum(pauses[: place + 1]) for place in range(len(pauses))]
        expected += [(time, number, place) for place, time in enumerate(times)]
        items = [(number, place) for place in range(len(pauses))]
        sources.append(SourceProbe(items, gap=pauses))
    start = anyio.current_time()
    got: list[tuple[int, int, int]] = []
    async with ak.concurrent_merge(*sources, buffer=buffer) as results:
        async for number, place in results:
            got.append((int(anyio.current_time() - start), number, place))
    assert [time for time, *_ in got] == sorted(time for time, *_ in expected)
    assert sorted(got) == sorted(expected)
    for source in sources:
        source.assert_closed_once()
        source.assert_well_used()


@pytest.mark.parametrize("strategy", ["random", "pct"])
def test_under_every_schedule_nothing_is_lost_or_read_too_far(strategy: Any) -> None:
    async def test() -> None:
        sources = [
            SourceProbe([(number, place) for place in range(4)], gap=gap)
            for number, gap in enumerate([None, 0.0, 1.0])
        ]
        got: list[tuple[int, int]] = []
        async with ak.concurrent_merge(*sources, buffer=1) as results:
            async for item in results:
                got.append(item)
                for number, source in enumerate(sources):
                    given_ = sum(who == number for who, _ in got)
                    assert len(source.taken) <= given_ + 2
        for number in range(3):
            assert [place for who, place in got if who == number] == list(range(4))
        for source in sources:
            source.assert_closed_once()
            source.assert_one_reader()

    explore(test, schedules=10, strategy=strategy, seed=1)


def steps_for(sources: int) -> int:
    """Count how often a task of the block is resumed, and how often it is asked."""
    steps = 0

    class Source(SourceProbe[int]):
        async def __anext__(self) -> int:
            nonlocal steps
            steps += 1
            await anyio.lowlevel.checkpoint()
            return await super().__anext__()

    async def main() -> None:
        made = [Source(range(3), gap=None) for _ in range(sources)]
        async with ak.concurrent_merge(*made) as results:
            assert len([item async for item in results]) == 3 * sources

    anyio.run(main)
    return steps


def test_each_of_a_thousand_sources_is_asked_once_for_each_item() -> None:
    assert steps_for(1000) == 4 * 1000


async def test_taking_an_item_wakes_its_source_alone() -> None:
    wakes = Count("wake")
    sources = [SourceProbe(range(3), gap=None) for _ in range(100)]
    with wakes:
        async with ak.concurrent_merge(*sources) as results:
            for _ in range(300):
                await anyio.sleep(1)  # by now they all wait
                await anext(results)
    assert wakes.count <= 300 + 2 * 100  # and each of them is woken for the end


@pytest.mark.parametrize("failing", [False, True])
async def test_leaving_thousands_of_sources_takes_no_quadratic_work(
    failing: bool,  # noqa: FBT001
) -> None:
    woken = 0

    class Source(SourceProbe[int]):
        async def aclose(self) -> None:
            nonlocal woken
            woken += 1
            await super().aclose()

    stops = Count("stop", "request_stop")
    sources = [Source(range(9), gap=1) for _ in range(300)]
    bad = SourceProbe(range(9), gap=2.5, fail_at=0, error=Boom() if failing else None)
    with stops, pytest.raises(Boom):
        async with ak.concurrent_merge(*sources, bad) as results:
            async for _ in results:
                if anyio.current_time() == 2:
                    break
            if not failing:
                raise Boom
            await anyio.sleep(1)
            async for _ in results:
                pass
    assert woken == 300
    assert stops.count <= 3 * 301


class Count:
    """Count how often some methods of the readers of all sources are called."""

    def __init__(self, *words: str) -> None:
        self.words = words
        self.count = 0

    def __enter__(self) -> None:
        self.patch = pytest.MonkeyPatch()
        for name in self.words:
            self.patch.setattr(SourceReader, name, self.counted(SourceReader, name))

    def counted(self, kind: Any, name: str) -> Any:
        method = getattr(kind, name)

        def call(reader: Any) -> None:
            self.count += 1
            method(reader)

        return call

    def __exit__(self, *_: object) -> None:
        self.patch.undo()


def test_endless_sync_sources_are_sources_too() -> None:
    async def main() -> list[int]:
        async with ak.concurrent_merge(count(), count(100)) as results:
            return [await anext(results) for _ in range(6)]

    assert anyio.run(main) == [0, 100, 1, 101, 2, 102]
