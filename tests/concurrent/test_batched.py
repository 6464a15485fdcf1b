"""Batches by time alone, when it is quiet, and within no time."""

import math
from collections.abc import AsyncIterator
from itertools import accumulate
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given, settings, strategies as st

import aiterkit as ak
from aiterkit._concurrent.timing.scope import SingleSourceScope
from aiterkit._concurrent.timing.state import Batches
from aiterkit.testing import (
    SourceProbe,
    assert_timeline,
    explore,
    play,
)

from ..helpers import Boom, popped  # noqa: TID252 - tests stand on no path

LOOSE: Any = ak


def batched(source: Any, size: int | None = None, **options: Any) -> Any:
    return LOOSE.concurrent_batched(source, size, **options)


@pytest.mark.parametrize(
    ("source", "size", "options", "batches"),
    [
        pytest.param(
            "ab-c------d|", None, {"within": 5}, "-----[abc]-([d]|)", id="in time"
        ),
        pytest.param("a-b-|", None, {"within": 9}, "----([ab]|)", id="at the end"),
        pytest.param("a-b-!", None, {"within": 9}, "----([ab]!)", id="at an error"),
        pytest.param("|", None, {"within": 9}, "|", id="never empty"),
        pytest.param(
            "ab-c------d-e-|",
            None,
            {"quiet": 3},
            "------[abc]---([de]|)",
            id="when quiet",
        ),
        pytest.param(
            "a--b------|", None, {"quiet": 3}, "---[a][b]-|", id="quiet, just then"
        ),
        pytest.param("a-b-------|", None, {"quiet": 3}, "-----[ab]-|", id="quiet anew"),
        pytest.param("a--|", None, {"quiet": 3}, "---([a]|)", id="the end, just then"),
        pytest.param("a-b-!", None, {"quiet": 3}, "----([ab]!)", id="before the error"),
        pytest.param("|", None, {"quiet": 3}, "|", id="never empty when quiet"),
        pytest.param(
            "a---b---c--------|",
            None,
            {"quiet": 6, "within": 5},
            "-----[ab]----[c]-|",
            id="never quiet, so in time",
        ),
        pytest.param(
            "a-b-------c|",
            None,
            {"quiet": 3, "within": 9},
            "-----[ab]--([c]|)",
            id="quiet before the time",
        ),
        pytest.param(
            "ab-c----d------|", 2, {"quiet": 3}, "-[ab]-[c]--[d]-|", id="full before"
        ),
        pytest.param("a-b-------;", None, {"quiet": 3}, "-----[ab]-;", id="left"),
    ],
)
async def test_a_batch_is_given(
    source: str, size: int | None, options: dict[str, Any], batches: str
) -> None:
    line = source.replace(";", "")
    await assert_timeline(batched(play(line), size, **options), batches)


# Within no time: what had come by the time you asked.


@pytest.mark.parametrize("size", [None, 99])
async def test_what_comes_at_once_comes_together_to_a_reader_that_waits(
    size: int | None,
) -> None:
    async def source() -> AsyncIterator[str]:
        for burst in ("abcd", "e", "fg"):
            await anyio.sleep(5)
            for item in burst:
                yield item

    async with batched(source(), size, within=0) as batches:
        got = ["".join(batch) async for batch in batches]
    assert got == ["abcd", "e", "fg"]


async def test_within_no_time_a_batch_is_still_full_at_its_size() -> None:
    async with batched(SourceProbe("abcdefg", gap=None), 3, within=0) as batches:
        got = ["".join(batch) async for batch in batches]
    assert got == ["abc", "def", "g"]


async def test_within_no_time_a_busy_reader_gets_all_that_came() -> None:
    async with batched(SourceProbe(range(100), gap=1), within=0) as batches:
        assert await anext(batches) == (0,)
        await anyio.sleep(50.5)
        assert await anext(batches) == tuple(range(1, 51))
        assert await anext(batches) == (51,)


def test_under_every_schedule_a_batch_has_all_that_had_come_when_it_was_asked_for() -> (
    None
):
    async def test() -> None:
        source = SourceProbe(range(12), gap=[0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 1, 0])
        got: list[int] = []
        async with batched(source, within=0) as batches:
            while True:
                asked = len(source.taken)
                batch = await anext(batches, None)
                if batch is None:
                    break
                assert batch
                assert len(got) + len(batch) >= asked
                got += batch
                if len(got) % 2:
                    await anyio.lowlevel.checkpoint()
        assert got == list(range(12))

    explore(test, schedules=40, seed=1)


# When it is quiet.


@settings(max_examples=50, deadline=None)
@given(
    gaps=st.lists(st.integers(0, 5), max_size=12),
    within=st.sampled_from([0, 1.5, 4.5, 9, math.inf, None]),
    quiet=st.sampled_from([1, 2, 2.5, math.inf, None]),
    pauses=st.lists(st.sampled_from([0, 0, 0.3, 1.3, 4.3, 20.3]), max_size=12),
    fails=st.booleans(),
)
async def test_whatever_the_times_batches_are_those_of_the_model(
    gaps: list[int],
    within: float | None,
    quiet: float | None,
    pauses: list[float],
    fails: Any,
) -> None:
    if within is None and quiet is None:
        quiet = 3
    last = 6 if gaps else 0

    async def source() -> AsyncIterator[int]:
        for item, gap in enumerate(gaps):
            if gap:  # else it comes at once, and the source is not suspended
                await anyio.sleep(gap)
            yield item
        await anyio.sleep(last)
        if fails:
            raise Boom

    start = anyio.current_time()
    got: list[tuple[tuple[int, ...], float]] = []
    pausing = iter(pauses)
    async with batched(source(), within=within, quiet=quiet) as results:
        try:
            async for batch in results:
                got.append((batch, anyio.current_time() - start))
                await anyio.sleep(next(pausing, 0))
        except Boom:
            assert fails
        else:
            assert not fails
    arrivals = [*accumulate(gaps)]
    end = (arrivals[-1] if gaps else 0) + last
    expected = _model(arrivals, end, within, quiet, pauses)
    assert [batch for batch, _ in got] == [batch for batch, _ in expected]
    assert [at for _, at in got] == pytest.approx([at for _, at in expected])


def _model(
    arrivals: list[int],
    end: int,
    within: float | None,
    quiet: float | None,
    pauses: list[float],
) -> list[tuple[tuple[int, ...], float]]:
    """What a source gives that is never held back, to a reader that pauses.

    No pause ends just when an item comes.
    """
    longest = math.inf if within is None else within
    silence = math.inf if quiet is None else quiet
    batches: list[tuple[tuple[int, ...], float]] = []
    pausing = iter(pauses)
    asked = 0.0
    item = 0
    while item < len(arrivals):
        first = arrivals[item]
        over = first + min(longest, silence)
        following = item + 1
        while following < len(arrivals) and (
            arrivals[following] < over or arrivals[following] == first
        ):
            over = max(over, min(arrivals[following] + silence, first + longest))
            following += 1
        given = max(asked, min(over, end))
        while following < len(arrivals) and arrivals[following] < asked:
            following += 1  # nobody waited for the batch when it was over
        batches.append((tuple(range(item, following)), given))
        asked = given + next(pausing, 0)
        item = following
    return batches


async def test_a_batch_that_is_over_waits_for_no_more_silence() -> None:
    # Nobody asked when it was over; what comes after that joins it.
    async with batched(SourceProbe("abc", gap=[0, 4, 0.5]), quiet=3) as batches:
        await anyio.sleep(4.2)
        assert await anext(batches) == ("a", "b")
        assert anyio.current_time() == 4.2
        assert await anext(batches) == ("c",)


async def test_a_reader_is_not_woken_for_each_item_of_a_burst(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waits = 0
    scope: Any = SingleSourceScope
    begin = scope.begin_wait

    def counted(self: Any) -> Any:
        nonlocal waits
        waits += 1
        return begin(self)

    monkeypatch.setattr(scope, "begin_wait", counted)
    async with batched(SourceProbe(range(300), gap=0.01), quiet=1) as batches:
        assert len(await anext(batches)) == 300
    assert waits <= 8


async def test_with_a_size_no_more_than_so_many_are_read_ahead() -> None:
    source = SourceProbe(range(12))
    async with batched(source, 3, quiet=2) as batches:
        for delivered in range(0, 12, 3):
            await anyio.sleep(100)
            assert len(source.taken) == delivered + 3
            await anext(batches)


async def test_with_a_weight_alone_no_more_than_so_much_is_read_ahead() -> None:
    source = SourceProbe([2] * 9)
    async with batched(source, quiet=5, weight=abs, max_weight=5) as batches:
        for delivered in (0, 2, 4):
            await anyio.sleep(1000)
            assert len(source.taken) == delivered + 3
            assert await anext(batches) == (2, 2)


async def test_an_item_that_was_too_much_is_quiet_by_its_own_time() -> None:
    source = SourceProbe(["aaa", "bb", "c"], gap=[0, 1, 0], hang_at=3)
    async with batched(
        source, within=3.5, quiet=3, weight=len, max_weight=4
    ) as batches:
        await anyio.sleep(2)
        assert await anext(batches) == ("aaa",)
        assert await anext(batches) == ("bb", "c")
        assert anyio.current_time() == 4.5


def test_under_every_schedule_batches_are_the_same() -> None:
    async def test() -> None:
        source = SourceProbe("abcdefgh", gap=[0, 1, 3, 1, 2, 3, 0, 1])
        async with batched(source, within=5, quiet=3) as results:
            got = ["".join(batch) async for batch in results]
        assert got == ["ab", "cde", "fgh"]

    explore(test, schedules=20, seed=1)


def test_a_wait_cancelled_at_any_moment_loses_nothing() -> None:
    async def test() -> None:
        got: list[int] = []

        async def read() -> None:
            async for batch in results:
                got.extend(batch)

        async with batched(SourceProbe(range(9), gap=1), quiet=0.75) as results:
            while len(got) < 9:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(read)
                    await anyio.sleep(1.25)
                    tasks.cancel_scope.cancel()
        assert got == list(range(9))

    explore(test, schedules=10, seed=1)


# The arguments, and what is decided.

NEEDS = (
    "concurrent_batched() needs within= or quiet=: concurrent_batched(source, "
    "within=1); for batches by number alone, abatched(source, size)"
)


@pytest.mark.parametrize(
    ("size", "options", "error", "message"),
    [
        (None, {}, TypeError, NEEDS),
        (3, {}, TypeError, NEEDS),
        (3, {"within": None, "quiet": None}, TypeError, NEEDS),
        (None, {"weight": len, "max_weight": 3}, TypeError, NEEDS),
        (None, {"quiet": 0}, ValueError, "quiet must be more than 0, not 0"),
        (None, {"quiet": math.nan}, ValueError, "quiet must be more than 0, not nan"),
        (None, {"quiet": "1"}, TypeError, "quiet must be a number, not '1'"),
        (0, {"quiet": 1}, ValueError, "size must be at least 1, not 0"),
        (math.inf, {"quiet": 1}, TypeError, "size must be an int, not inf"),
    ],
)
def test_what_makes_no_sense_is_refused_at_the_call(
    size: Any, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as caught:
        batched("ab", size, **options)
    assert str(caught.value) == message


class Clock:
    """A clock that is set by hand."""

    time = 0.0

    def __call__(self) -> float:
        return self.time


def test_silence_is_decided_by_the_time_alone() -> None:
    clock = Clock()
    timed = Batches[str](math.inf, 5, 2, None, math.inf)
    timed.start(clock)
    assert timed.due == math.inf
    assert timed.take("a")
    assert timed.due == 2
    clock.time = 1
    assert not timed.take("b")
    assert timed.due == 3
    clock.time = 2.5
    assert not timed.take("c")
    assert timed.due == 4.5
    clock.time = 4
    assert not timed.take("d")
    assert timed.due == 5  # within its time
    clock.time = 5
    assert not timed.take("e")  # nobody waits: it joins
    assert timed.due == 5
    timed.is_awaited = True
    clock.time = 6
    assert timed.take("f")
    assert not timed.has_room()
    assert popped(timed) == [("a", "b", "c", "d", "e")]
    assert timed.due == 8
    clock.time = 7
    assert not timed.take("g")
    assert timed.due == 9
    clock.time = 8.5
    assert not timed.take("h")
    assert timed.due == 10.5
    clock.time = 10
    assert not timed.take("i")
    assert timed.due == 11  # five after "f"


def test_within_no_time_an_item_that_comes_just_then_joins() -> None:
    clock = Clock()
    timed = Batches[str](math.inf, 0, None, None, math.inf)
    timed.start(clock)
    timed.is_awaited = True
    assert timed.take("a")
    clock.time = 1e-6  # the reader is about to be resumed
    assert not timed.take("b")
    assert popped(timed) == [("a", "b")]
