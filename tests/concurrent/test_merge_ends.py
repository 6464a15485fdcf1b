"""Which end ends a merge: nothing that a source gave is lost, and all are closed."""

from collections import Counter
from collections.abc import AsyncIterator
from itertools import accumulate
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given, settings, strategies as st

import aiterkit as ak
from aiterkit._concurrent.merge.state import EndingArrivals
from aiterkit.testing import (
    ProbeError,
    SourceProbe,
    SyncSourceProbe,
    assert_timeline,
    explore,
    play,
)

from ..helpers import Boom, at_the_tail, popped  # noqa: TID252 - tests stand on no path

LOOSE: Any = ak


def merge(*sources: Any, until: str, buffer: int = 1) -> Any:
    return LOOSE.concurrent_merge(*sources, until=until, buffer=buffer)


@pytest.mark.parametrize(
    ("until", "lines", "merged"),
    [
        pytest.param("all", ["a-|", "-x---|"], "ax---|", id="all: the last"),
        pytest.param("any", ["a-----|", "-x--|"], "ax--|", id="any: the second"),
        pytest.param("any", ["a--|", "-x-----|"], "ax-|", id="any: the first"),
        pytest.param("any", ["|", "-a|"], "|", id="any: an empty one"),
        pytest.param("any", ["a--|", "-"], "a--|", id="any: one hangs"),
        pytest.param("any", ["a--|"], "a--|", id="any: one alone"),
        pytest.param("any", [], "|", id="any: none"),
        pytest.param("any", ["a--!", "-x-----|"], "ax-!", id="any: an error"),
        pytest.param("any", ["a-|", "---!"], "a-|", id="any: before the error"),
        pytest.param("any", ["a--b-|", "-"], "a--b;", id="any: left"),
        pytest.param("first", ["a---|", "-x|"], "ax--|", id="first: others end"),
        pytest.param("first", ["a-b|", "-x------y|"], "axb|", id="first: others go on"),
        pytest.param("first", ["|", "-a|"], "|", id="first: an empty one"),
        pytest.param("first", ["a----|", "--!"], "a-!", id="first: another fails"),
        pytest.param("first", ["a-|", "-", "-x-----|"], "ax|", id="first: of three"),
        pytest.param("first", [], "|", id="first: none"),
    ],
)
async def test_it_ends_with(until: str, lines: list[str], merged: str) -> None:
    await assert_timeline(merge(*map(play, lines), until=until), merged)


# What was given by then comes before the end.


@settings(max_examples=40, deadline=None)
@given(
    gaps=st.lists(
        st.lists(st.integers(1, 5), min_size=1, max_size=6), min_size=1, max_size=4
    ),
    buffer=st.integers(0, 2),
    until=st.sampled_from(["all", "any", "first"]),
)
async def test_a_prompt_reader_gets_each_item_that_comes_before_the_end(
    gaps: list[list[int]], buffer: int, until: str
) -> None:
    # The last gap is that of the end. No two sources do something at once.
    starts = [number / 8 for number in range(len(gaps))]
    times = [
        [start + time for time in accumulate(pauses)]
        for start, pauses in zip(starts, gaps, strict=True)
    ]
    sources = [
        SourceProbe(
            [(number, place) for place in range(len(pauses) - 1)],
            gap=[starts[number] + pauses[0], *pauses[1:]],
        )
        for number, pauses in enumerate(gaps)
    ]
    ends = [each[-1] for each in times]
    end = {"all": max(ends), "any": min(ends), "first": ends[0]}[until]
    expected = sorted(
        (time, (number, place))
        for number, each in enumerate(times)
        for place, time in enumerate(each[:-1])
        if time <= end
    )
    got: list[tuple[float, tuple[int, int]]] = []
    start = anyio.current_time()
    async with merge(*sources, until=until, buffer=buffer) as results:
        async for item in results:
            got.append((anyio.current_time() - start, item))
        assert anyio.current_time() - start == end
        for source in sources:
            if until != "all":
                source.assert_closed_once()
    assert got == expected
    for source in sources:
        source.assert_closed_once()
        source.assert_well_used()
        source.assert_one_reader()


@settings(max_examples=40, deadline=None)
@given(
    gaps=st.lists(
        st.lists(st.sampled_from([0, 0.5, 1, 2]), min_size=1, max_size=5),
        min_size=1,
        max_size=3,
    ),
    pauses=st.lists(st.sampled_from([0, 0, 0.5, 3]), max_size=9),
    buffer=st.integers(0, 2),
    until=st.sampled_from(["any", "first"]),
    stubborn=st.booleans(),
)
async def test_a_slow_reader_loses_nothing_that_was_given(
    gaps: list[list[float]],
    pauses: list[float],
    buffer: int,
    until: str,
    stubborn: Any,
) -> None:
    sources = [
        SourceProbe(
            [(number, place) for place in range(len(waits) - 1)],
            gap=waits,
            ignore_cancel_once=stubborn,
        )
        for number, waits in enumerate(gaps)
    ]
    got: list[tuple[int, int]] = []
    pausing = iter(pauses)
    async with merge(*sources, until=until, buffer=buffer) as results:
        async for item in results:
            got.append(item)
            await anyio.sleep(next(pausing, 0))
            delivered = Counter(number for number, _ in got)
            for number, source in enumerate(sources):
                assert len(source.taken) <= delivered[number] + 1 + buffer
        for source in sources:
            source.assert_closed_once()
    for number, source in enumerate(sources):
        assert [item for item in got if item[0] == number] == source.taken
        source.assert_well_used()
    if until == "first":
        assert len(sources[0].taken) == len(gaps[0]) - 1
    else:
        assert any(source.ended for source in sources)


@pytest.mark.parametrize("until", ["any", "first"])
@pytest.mark.parametrize("strategy", ["random", "pct"])
def test_under_every_schedule_nothing_that_was_given_is_lost(
    until: str, strategy: Any
) -> None:
    async def test() -> None:
        sources: list[Any] = [
            SourceProbe([(0, place) for place in range(3)], gap=0),
            SourceProbe([(1, place) for place in range(9)], gap=None),
            SourceProbe([(2, place) for place in range(4)], gap=0),
            SyncSourceProbe([(3, place) for place in range(5)]),
        ]
        got: list[tuple[int, int]] = []
        async with merge(*sources, until=until) as results:
            async for item in results:
                got.append(item)
            for source in sources:
                # One that was stopped before it was begun is closed as well.
                if isinstance(source, SourceProbe):
                    source.assert_closed_once()
        for number, source in enumerate(sources):
            assert [item for item in got if item[0] == number] == source.taken
            source.assert_one_reader()
        if until == "first":
            assert len(sources[0].taken) == 3

    explore(test, schedules=40, strategy=strategy, seed=1)


@pytest.mark.parametrize("until", ["any", "first"])
def test_so_it_is_under_every_schedule_with_one_preemption(until: str) -> None:
    async def test() -> None:
        sources = [SourceProbe("a"), SourceProbe("12")]
        async with merge(*sources, until=until) as results:
            got = [item async for item in results]
            for source in sources:
                source.assert_closed_once()
        assert sorted(got) == sorted(sources[0].taken + sources[1].taken)
        assert until == "any" or "a" in got

    tried = explore(test, schedules="all", preemptions=1)
    assert tried.schedules > 50  # on one backend


async def test_what_a_cancelled_read_gives_all_the_same_is_given() -> None:
    stubborn = SourceProbe("xyz", gap=10, ignore_cancel_once=True)
    async with merge(play("a--|"), stubborn, until="any") as results:
        assert [item async for item in results] == ["a", "x"]
        assert anyio.current_time() == 10
    assert stubborn.taken == ["x"]


async def test_what_waits_for_a_busy_reader_comes_before_the_end() -> None:
    ahead = SourceProbe(range(9), gap=None)
    async with merge(play("a|"), ahead, until="any", buffer=2) as results:
        await anyio.sleep(5)
        ahead.assert_closed_once()
        assert sorted(map(str, [item async for item in results])) == [
            *map(str, ahead.taken),
            "a",
        ]


# The others: cancelled once, closed before the end.


@pytest.mark.parametrize("until", ["any", "first"])
async def test_the_others_are_cancelled_once_and_clean_up_before_the_end(
    until: str,
) -> None:
    log: list[str] = []

    async def other() -> AsyncIterator[str]:
        try:
            await anyio.sleep_forever()
            yield "never"
        finally:
            await anyio.sleep(5)  # it is not shielded
            await anyio.lowlevel.checkpoint()
            log.append("cleaned up")

    idle = SourceProbe("xyz", close_delay=7)
    async with merge(play("a-|"), other(), idle, until=until) as results:
        await anyio.sleep(3)
        got = [item async for item in results]
        log.append("ended")
        assert sorted(got) == ["a", "x", "y"]
        assert anyio.current_time() == 9
        idle.assert_closed_once()
        assert idle.cancelled_pulls == 0
    assert log == ["cleaned up", "ended"]


async def test_one_that_ended_long_before_is_closed_before_the_end() -> None:
    ended = SourceProbe("", close_delay=9)
    async with merge(play("a----|"), ended, until="first") as results:
        assert await anext(results) == "a"
        with pytest.raises(StopAsyncIteration):
            await anext(results)
        assert anyio.current_time() == 9


async def test_a_cleanup_that_hangs_can_be_interrupted_by_the_reader() -> None:
    hangs = SourceProbe("x", gap=99, close_delay=1e9)
    with anyio.move_on_after(3) as scope:
        async with merge(play("|"), hangs, until="any") as results:
            await anext(results)
    assert scope.cancelled_caught
    assert anyio.current_time() == 3


class Answering(SourceProbe[int]):
    """A source that answers a cancellation with something else."""

    def __init__(self, answer: BaseException, **options: Any) -> None:
        super().__init__(range(9), hang_at=0, **options)
        self.answer = answer

    async def __anext__(self) -> int:
        try:
            return await super().__anext__()
        except anyio.get_cancelled_exc_class():
            pass
        with anyio.CancelScope(shield=True):
            await anyio.sleep(2)
        raise self.answer


async def test_what_a_cancelled_read_raises_by_itself_is_raised_in_its_place() -> None:
    answering = Answering(Boom())
    async with merge(play("a-|"), answering, until="any") as results:
        assert await anext(results) == "a"
        with pytest.raises(Boom) as caught:
            await anext(results)
        assert caught.value.__context__ is None
        assert anyio.current_time() == 4
        with pytest.raises(StopAsyncIteration):
            await anext(results)


async def test_of_two_such_errors_the_second_is_attached() -> None:
    first, second = Answering(Boom("1")), Answering(Boom("2"))
    with pytest.raises(Boom, match="1") as caught:
        async with merge(play("-|"), first, second, until="any") as results:
            await anext(results)
    assert at_the_tail(caught.value) == ["Boom('2')"]


async def test_a_source_that_answers_with_its_end_is_closed_before_the_end() -> None:
    answering = Answering(StopAsyncIteration(), close_delay=3)
    async with merge(play("-|"), answering, until="any") as results:
        with pytest.raises(StopAsyncIteration):
            await anext(results)
        answering.assert_closed_once()
        assert anyio.current_time() == 6


async def test_an_error_of_its_cleanup_is_raised_when_the_block_is_left() -> None:
    async def other() -> AsyncIterator[str]:
        try:
            await anyio.sleep_forever()
            yield "never"
        finally:
            raise Boom

    with pytest.raises(Boom):
        async with merge(play("a-|"), other(), until="any") as results:
            assert [item async for item in results] == ["a"]


async def test_an_error_before_the_end_stops_the_others_as_ever() -> None:
    bad = SourceProbe("xy", gap=1, fail_at=1)
    stubborn = SourceProbe("uvw", gap=10, ignore_cancel_once=True)
    sources = play("-----|"), bad, stubborn
    async with merge(*sources, until="first") as results:
        assert await anext(results) == "x"
        with pytest.raises(ProbeError):
            await anext(results)
        stubborn.assert_closed_once()


async def test_left_before_the_end_a_last_read_is_dropped() -> None:
    stubborn = SourceProbe("uvw", gap=10, ignore_cancel_once=True)
    async with merge(play("a-------|"), stubborn, until="any") as results:
        assert await anext(results) == "a"
    stubborn.assert_closed_once()
    assert anyio.current_time() == 10


# The arguments, and what is decided.


@pytest.mark.parametrize(
    ("until", "error", "message"),
    [
        (
            "last",
            ValueError,
            "until must be 'all', 'any' or 'first', not 'last'",
        ),
        (None, TypeError, "until must be 'all', 'any' or 'first', not None"),
        (
            len,
            TypeError,
            (
                "until must be 'all', 'any' or 'first', not <built-in function len>: "
                "to end at an event, use concurrent_until"
            ),
        ),
    ],
)
def test_another_end_is_refused_at_the_call(
    until: Any, error: type[Exception], message: str
) -> None:
    opened = SourceProbe("a")
    with pytest.raises(error) as caught:
        merge(opened, until=until)
    assert str(caught.value) == message


@pytest.mark.parametrize("any_ends_it", [False, True])
def test_the_end_is_decided_once(any_ends_it: bool) -> None:  # noqa: FBT001
    state = EndingArrivals[str](window=2, any_ends_it=any_ends_it)
    a, b, c = state.add(), state.add(), state.add()
    state.put(b, "b1")
    assert not state.takes_last_read
    state.end(b)
    assert state.settled == any_ends_it
    assert state.take_to_stop() == ([a, c] if any_ends_it else [])
    state.end(a)
    assert state.settled
    assert state.take_to_stop() == ([] if any_ends_it else [b, c])
    assert state.takes_last_read
    state.put(c, "c1")
    state.end(c)
    assert state.take_to_stop() == []
    assert popped(state) == ["b1", "c1"]
    for upstream in (a, b, c):
        assert not state.exhausted
        state.leave(upstream)
    assert state.exhausted


def test_after_an_error_no_last_read_counts() -> None:
    state = EndingArrivals[str](window=2, any_ends_it=True)
    a, b, c = state.add(), state.add(), state.add()
    state.end(a)
    assert state.takes_last_read
    state.fail(b, Boom())
    assert not state.takes_last_read
    state.leave(a)
    state.leave(c)
    assert popped(state) == ["Boom()"]
    assert state.exhausted
