"""Batches by size or time, and the operators that give the newest item only."""

import itertools
import math
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given, settings, strategies as st

import aiterkit as ak
from aiterkit._concurrent.timing.state import Batches, Debounced, Latest, Sampled
from aiterkit.testing import (
    ProbeError,
    SourceProbe,
    SyncSourceProbe,
    assert_timeline,
    explore,
    play,
)

from ..helpers import popped  # noqa: TID252 - tests stand on no path

batched = ak.concurrent_batched
latest = ak.concurrent_latest
BATCHED: Any = batched
debounce = ak.concurrent_debounce
sample = ak.concurrent_sample
Use = Callable[..., AbstractAsyncContextManager[AsyncIterator[Any]]]


@pytest.mark.parametrize(
    ("source", "size", "within", "batches"),
    [
        pytest.param("ab----cd----|", 2, 9, "-[ab]--[cd]-|", id="full"),
        pytest.param("a-----|", 2, 3, "---[a]|", id="in time"),
        pytest.param("a-----b-----|", 2, 3, "---[a]---[b]|", id="time from its first"),
        pytest.param("-a---b-(c|)", 3, 9, "-------([abc]|)", id="full at the end"),
        pytest.param("-a---b-|", 3, 9, "-------([ab]|)", id="the end flushes"),
        pytest.param("-a---b-!", 3, 9, "-------([ab]!)", id="so does an error"),
        pytest.param("|", 3, 9, "|", id="never empty"),
        pytest.param("!", 3, 9, "!", id="nothing but an error"),
        pytest.param("a--|", 1, 9, "[a]|", id="one by one"),
        pytest.param("a--b------|", 2, 3, "---[a][b]-|", id="just when time is over"),
        pytest.param("a--(bc)-----|", 9, 3, "---[a][bc]--|", id="two at once, then"),
        pytest.param("a--|", 2, 3, "---([a]|)", id="the end, just then"),
        pytest.param("a-----b---;", 2, 3, "---[a]---[b];", id="left by its reader"),
    ],
)
async def test_a_batch_is_given_when_full_or_in_time(
    source: str, size: int, within: float, batches: str
) -> None:
    line = source.replace(";", "")
    await assert_timeline(batched(play(line), size, within=within), batches)


@pytest.mark.parametrize(
    ("source", "size", "batches"),
    [
        pytest.param("a---b---c---|", 9, "[a]-[b]-[c]-|", id="each as it comes"),
        pytest.param("-a---!", 9, "-[a]-!", id="then the error"),
        pytest.param("|", 9, "|", id="never empty"),
    ],
)
async def test_within_no_time_an_item_that_is_awaited_comes_at_once(
    source: str, size: int, batches: str
) -> None:
    await assert_timeline(batched(play(source), size, within=0), batches)


async def test_within_no_time_items_gather_while_no_reader_waits() -> None:
    source = SourceProbe(range(6), gap=1)
    async with batched(source, 9, within=0) as batches:
        assert await anext(batches) == (0,)
        await anyio.sleep(2.5)
        assert await anext(batches) == (1, 2)


@settings(max_examples=60, deadline=None)
@given(
    gaps=st.lists(st.integers(1, 4), max_size=12),
    pauses=st.lists(st.integers(0, 9), min_size=13, max_size=13),
    size=st.integers(1, 9),
)
async def test_within_no_time_a_batch_is_what_came_while_you_were_busy(
    gaps: list[int], pauses: list[int], size: int
) -> None:
    taken: list[tuple[int, float]] = []

    async def source() -> AsyncIterator[int]:
        for item, gap in enumerate(gaps):
            await anyio.sleep(gap)
            taken.append((item, anyio.current_time()))
            yield item

    got: list[int] = []
    async with batched(source(), size, within=0) as batches:
        for pause in pauses:  # one more than there are items
            # Asks between two items: there is no tie about what had come.
            await anyio.sleep_until(math.floor(anyio.current_time()) + pause + 1.5)
            had_come = [item for item, _ in taken[len(got) :]]
            batch = await anext(batches, None)
            if batch is None:
                break
            if had_come:
                assert batch == tuple(had_come[:size])
            else:
                assert batch == (len(got),)
                assert anyio.current_time() == taken[len(got)][1]
            got += batch
    assert got == list(range(len(gaps)))


@pytest.mark.parametrize(
    ("use", "source", "newest"),
    [
        pytest.param(latest, "a-bc-|", "a-bc-|", id="latest: a quick reader"),
        pytest.param(latest, "a-bc!", "a-bc!", id="latest: an error"),
        pytest.param(debounce, "a-----|", "---a--|", id="debounce: quiet"),
        pytest.param(debounce, "abc---|", "-----c|", id="debounce: the last of many"),
        pytest.param(debounce, "a--b---|", "---a--b|", id="debounce: just in time"),
        pytest.param(debounce, "a--(bc)---|", "---a--c---|", id="debounce: twice"),
        pytest.param(debounce, "a-|", "--(a|)", id="debounce: the end settles"),
        pytest.param(debounce, "a-!", "--(a!)", id="debounce: so does an error"),
        pytest.param(debounce, "a--|", "---(a|)", id="debounce: the end, just then"),
        pytest.param(debounce, "a--(b|)", "---(ab|)", id="debounce: both are given"),
        pytest.param(sample, "abc--------|", "---c-------|", id="sample: one per beat"),
        pytest.param(sample, "-a---b-----|", "---a--b----|", id="sample: each beat"),
        pytest.param(
            sample, "---a-------|", "------a----|", id="sample: the next beat"
        ),
        pytest.param(sample, "a--(bc)-----|", "---a--c-----|", id="sample: at a beat"),
        pytest.param(sample, "-a---b|", "---a--(b|)", id="sample: the end settles"),
        pytest.param(sample, "-a---b!", "---a--(b!)", id="sample: so does an error"),
    ],
)
async def test_the_newest_item_is_given_when_it_has_settled(
    use: Any, source: str, newest: str
) -> None:
    options = {} if use.__name__ == "concurrent_latest" else {"seconds": 3}
    await assert_timeline(use(play(source), **options), newest)


@pytest.mark.parametrize(
    ("size", "reads", "batches"),
    [
        pytest.param(3, [10, 0, 0], ["abc", "def", "ghi"], id="full batches wait"),
        pytest.param(9, [2.5, 2, 9], ["ab", "cd", "efghij"], id="what has gathered"),
        pytest.param(9, [4.5, 0, 9], ["abcd", "e", "fghij"], id="its time is over"),
    ],
)
async def test_a_slow_reader_gets_what_has_gathered(
    size: int, reads: list[float], batches: list[str]
) -> None:
    # An item each second, from the first second on.
    source = SourceProbe("abcdefghij", gap=1)
    async with batched(source, size, within=0.5 if size == 9 else 3) as results:
        got: list[str] = []
        for seconds in reads:
            await anyio.sleep(seconds)
            got.append("".join(await anext(results)))
    assert got == batches


@pytest.mark.parametrize("probe", [SourceProbe, SyncSourceProbe])
@pytest.mark.parametrize("size", [1, 3])
async def test_no_more_than_size_items_are_read_ahead(probe: Any, size: int) -> None:
    source = probe(range(12))
    async with batched(source, size, within=1) as results:
        for delivered in range(0, 12, size):
            await anyio.sleep(1000)
            assert source.pulls == len(source.taken) == delivered + size
            await anext(results)


@pytest.mark.parametrize(
    ("max_weight", "batches"),
    [
        (1, "a bb c dddd e"),
        (2, "a bb c dddd e"),
        (3, "abb c dddd e"),
        (4, "abbc dddd e"),
        (5, "abbc dddde"),
        (8, "abbcdddd e"),
        (math.inf, "abbcdddde"),
    ],
)
async def test_no_batch_weighs_more_than_max_weight_but_for_a_heavy_item(
    max_weight: float, batches: str
) -> None:
    source = SourceProbe(["a", "bb", "c", "dddd", "e"], gap=None)
    async with batched(
        source, 9, within=math.inf, weight=len, max_weight=max_weight
    ) as results:
        assert ["".join(batch) async for batch in results] == batches.split()


async def test_with_weight_one_item_more_is_read_ahead() -> None:
    source = SourceProbe([2] * 9)
    async with batched(
        source, 9, within=9, weight=lambda item: item, max_weight=5
    ) as results:
        for delivered in (0, 2, 4):
            await anyio.sleep(1000)
            assert len(source.taken) == delivered + 3
            assert await anext(results) == (2, 2)


async def test_an_item_that_was_too_much_keeps_the_time_at_which_it_came() -> None:
    source = SourceProbe(["aa", "bb"], hang_at=2)
    async with batched(source, 9, within=3, weight=len, max_weight=3) as results:
        await anyio.sleep(2)
        assert await anext(results) == ("aa",)
        assert await anext(results) == ("bb",)
        assert anyio.current_time() == 3


async def test_an_error_of_weight_is_raised_in_the_place_of_its_item() -> None:
    def weigh(item: int) -> float:
        return 1 / item

    source = SourceProbe([1, 1, 0, 1])
    async with batched(source, 9, within=9, weight=weigh, max_weight=9) as results:
        assert await anext(results) == (1, 1)
        with pytest.raises(ZeroDivisionError):
            await anext(results)
        with pytest.raises(StopAsyncIteration):
            await anext(results)
        source.assert_closed_once()
    assert source.taken == [1, 1, 0]


async def test_a_weight_that_ends_the_program_does() -> None:
    def weigh(_item: int) -> float:
        raise KeyboardInterrupt

    source = SourceProbe([1, 1])
    with pytest.raises(KeyboardInterrupt):
        async with batched(source, 9, within=9, weight=weigh, max_weight=9):
            await anyio.sleep_forever()
    source.assert_closed_once()


@settings(max_examples=40, deadline=None)
@given(
    gaps=st.lists(st.integers(0, 4), max_size=12),
    size=st.integers(1, 4),
    within=st.sampled_from([1.5, 2.5, 99.5, math.inf]),
    pauses=st.lists(st.sampled_from([0, 0.25, 3.25]), max_size=12),
)
async def test_whatever_the_times_batches_are_those_of_the_model(
    gaps: list[int], size: int, within: float, pauses: list[float]
) -> None:
    source = SourceProbe(itertools.count(), gap=[*gaps, 0], fail_at=len(gaps))
    got: list[tuple[int, ...]] = []
    at: list[float] = []
    start = anyio.current_time()
    pausing = iter(pauses)
    with pytest.raises(ProbeError):
        async with batched(source, size, within=within) as results:
            async for batch in results:
                got.append(batch)
                at.append(anyio.current_time() - start)
                await anyio.sleep(next(pausing, 0))
    assert [item for batch in got for item in batch] == list(range(len(gaps)))
    assert all(1 <= len(batch) <= size for batch in got)
    assert source.pulls == len(gaps) + 1
    if not any(pauses):
        assert list(zip(got, at, strict=True)) == _model(gaps, size, within)


def _model(
    gaps: list[int], size: int, within: float
) -> list[tuple[tuple[int, ...], float]]:
    arrivals = list(itertools.accumulate(gaps))
    batches: list[tuple[tuple[int, ...], float]] = []
    items: list[int] = []
    for item, time in enumerate(arrivals):
        if items and time >= arrivals[items[0]] + within:
            batches.append((tuple(items), arrivals[items[0]] + within))
            items = []
        items.append(item)
        if len(items) == size:
            batches.append((tuple(items), time))
            items = []
    if items:
        batches.append((tuple(items), arrivals[-1]))
    return batches


@settings(max_examples=40, deadline=None)
@given(
    gaps=st.lists(st.integers(0, 5), min_size=1, max_size=12),
    kind=st.sampled_from([debounce, sample]),
)
async def test_whatever_the_times_the_newest_is_that_of_the_model(
    gaps: list[int], kind: Any
) -> None:
    source = SourceProbe(range(len(gaps)), gap=[*gaps, 0])
    start = anyio.current_time()
    got: list[tuple[int, float]] = []
    async with kind(source, seconds=3) as results:
        async for item in results:
            got.append((item, anyio.current_time() - start))
        taken = results.statistics()
    arrivals = list(itertools.accumulate(gaps))
    settle: Callable[[int], float] = (
        (lambda time: time + 3)
        if kind is debounce
        else (lambda time: time // 3 * 3 + 3)
    )
    times = [settle(time) for time in arrivals]
    kept = [
        (item, min(times[item], max(arrivals)))
        for item, nexts in enumerate([*arrivals[1:], math.inf])
        if nexts >= times[item]
    ]
    assert got == kept
    assert (taken.taken, taken.delivered) == (len(gaps), len(got))
    assert taken.dropped == len(gaps) - len(got)


async def test_a_slow_reader_sees_the_newest_and_the_rest_is_counted() -> None:
    async with latest(SourceProbe(range(100), gap=1)) as results:
        got: list[int] = []
        async for item in results:
            got.append(item)
            await anyio.sleep(10.3)
        statistics = results.statistics()
    assert got == [0, 10, 20, 30, 41, 51, 61, 72, 82, 92, 99]
    assert (statistics.taken, statistics.delivered) == (100, 11)
    assert statistics.dropped == 89


async def test_beats_are_counted_from_the_entry_of_the_block() -> None:
    await anyio.sleep(1)
    async with sample(SourceProbe("a", gap=[0, 99]), seconds=3) as results:
        assert await anext(results) == "a"
        assert anyio.current_time() == 4


@pytest.mark.parametrize("use", [debounce, sample])
async def test_what_has_settled_gives_its_place_to_the_next_that_settles(
    use: Any,
) -> None:
    async with use(SourceProbe("abcd", gap=4), seconds=2) as results:
        await anyio.sleep(14.5)  # the third has settled; the last comes at 16
        assert await anext(results) == "c"
        now = results.statistics()
        assert (now.taken, now.delivered, now.dropped) == (3, 1, 2)
        assert [item async for item in results] == ["d"]


@pytest.mark.parametrize("use", [debounce, sample])
def test_under_every_schedule_the_same_is_given(use: Any) -> None:
    async def test() -> None:
        source = SourceProbe("abcdef", gap=[0, 1, 2, 1, 3, 0])
        async with use(source, seconds=2) as results:
            got = [item async for item in results]
        assert got == (list("bdf") if use is debounce else list("bcdf"))

    explore(test, schedules=10, seed=1)


def test_under_every_schedule_batches_are_the_same() -> None:
    async def test() -> None:
        source = SourceProbe("abcdefg", gap=[0, 1, 2, 1, 3, 0, 0])
        async with batched(source, 3, within=3) as results:
            got = ["".join(batch) async for batch in results]
        assert got == ["ab", "cd", "efg"]

    explore(test, schedules=15, seed=1)


def test_a_wait_cancelled_at_any_moment_loses_nothing() -> None:
    async def test() -> None:
        got: list[int] = []

        async def read() -> None:
            async for batch in results:
                got.extend(batch)

        async with batched(SourceProbe(range(9), gap=1), 2, within=1.5) as results:
            while len(got) < 9:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(read)
                    await anyio.sleep(1.5)
                    tasks.cancel_scope.cancel()
        assert got == list(range(9))

    explore(test, schedules=10, seed=1)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: batched("a", 0, within=1), ValueError, "size must be at least 1"),
        (lambda: BATCHED("a", 2.0, within=1), TypeError, "size must be an int"),
        (
            lambda: batched("a", 1, within=-1),
            ValueError,
            "within must be at least 0, not -1",
        ),
        (
            lambda: batched("a", 1, within=math.nan),
            ValueError,
            "within must be at least 0, not nan",
        ),
        (
            lambda: batched("a", 1, within=math.nan),
            ValueError,
            "within must be at least 0",
        ),
        (lambda: batched("a", 1, within=True), TypeError, "within must be a number"),
        (
            lambda: batched("a", 1, within=1, weight=len),
            TypeError,
            "weight and max_weight go together",
        ),
        (
            lambda: batched("a", 1, within=1, max_weight=1),
            TypeError,
            "weight and max_weight go together",
        ),
        (
            lambda: batched("a", 1, within=1, weight=len, max_weight=0),
            ValueError,
            "max_weight must be more than 0",
        ),
        (
            lambda: BATCHED("a", 1, within=1, weight=3, max_weight=1),
            TypeError,
            "weight must be callable, not 3",
        ),
        (lambda: debounce("a", seconds=0), ValueError, "seconds must be more than 0"),
        (lambda: sample("a", seconds=-1), ValueError, "seconds must be more than 0"),
        (lambda: latest("a", 0), ValueError, "size must be at least 1, not 0"),
        (lambda: latest("a", True), TypeError, "size must be an int, not True"),  # noqa: FBT003
        (lambda: latest(3), TypeError, "source must be an iterable"),  # type: ignore[arg-type]  # wrong on purpose  # pyright: ignore[reportArgumentType, reportUnknownLambdaType]
    ],
)
def test_what_makes_no_sense_is_refused_at_the_call(
    make: Callable[[], object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        make()


class Clock:
    """A clock that is set by hand."""

    time = 0.0

    def __call__(self) -> float:
        return self.time


def test_a_batch_is_due_within_the_time_of_its_first_item() -> None:
    clock = Clock()
    timed = Batches[str](3, 5, None, None, math.inf)
    timed.start(clock)
    assert timed.due == math.inf
    assert timed.is_empty()
    assert timed.take("a")  # a waiting reader must know of the time
    clock.time = 2
    assert not timed.take("b")
    assert timed.due == 5
    assert popped(timed) == []
    clock.time = 5
    assert popped(timed) == [("a", "b")]
    assert timed.due == math.inf
    assert timed.take("c")
    assert not timed.take("d")
    assert timed.has_room()
    assert timed.take("e")
    assert not timed.has_room()
    assert popped(timed) == [("c", "d", "e")]


def test_what_settles_is_decided_by_the_time_alone() -> None:
    clock = Clock()
    for timed in (Debounced[str](2), Sampled[str](2)):
        clock.time = 0
        timed.start(clock)
        assert timed.take("a")
        assert not timed.take("b")
        assert (timed.due, popped(timed), timed.dropped) == (2, [], 1)
        clock.time = 2
        assert timed.take("c")
        assert timed.dropped == 1
        assert (popped(timed), timed.due) == (["b"], 4)
        timed.ended = True
        assert not timed.exhausted
        assert (popped(timed), timed.due, timed.exhausted) == (["c"], math.inf, True)


def test_the_newest_items_wait_the_oldest_of_them_first() -> None:
    timed = Latest[str](2)
    assert timed.take("a")
    assert timed.take("b")
    assert timed.take("c")
    assert timed.has_room()
    assert (timed.due, timed.dropped, timed.is_empty()) == (math.inf, 1, False)
    assert (popped(timed), timed.dropped, timed.is_empty()) == (["b", "c"], 1, True)


@settings(max_examples=40, deadline=None)
@given(
    gaps=st.lists(st.integers(0, 3), max_size=15),
    pauses=st.lists(st.sampled_from([0, 0.3, 2.3, 7.3]), max_size=15),
    size=st.integers(1, 4),
    fails=st.booleans(),
)
async def test_whatever_the_times_the_newest_few_are_those_of_the_model(
    gaps: list[int], pauses: list[float], size: int, fails: Any
) -> None:
    async def source() -> AsyncIterator[int]:
        for number, gap in enumerate(gaps):
            if gap:  # else it comes at once, and the source is not suspended
                await anyio.sleep(gap)
            yield number
        if fails:
            raise ProbeError

    start = anyio.current_time()
    got: list[tuple[int, float]] = []
    pausing = iter(pauses)
    async with latest(source(), size) as results:
        try:
            async for number in results:
                got.append((number, anyio.current_time() - start))
                await anyio.sleep(next(pausing, 0))
                counts = results.statistics()
                assert counts.waiting <= size
                assert counts.delivered == len(got)
        except ProbeError:
            assert fails
        else:
            assert not fails
        statistics = results.statistics()
    expected = _kept(gaps, pauses, size)
    assert [number for number, _ in got] == [number for number, _ in expected]
    assert [at for _, at in got] == pytest.approx([at for _, at in expected])
    assert statistics == ak.Statistics(
        taken=len(gaps),
        waiting=0,
        running=0,
        delivered=len(got),
        dropped=len(gaps) - len(got),
    )


def _kept(gaps: list[int], pauses: list[float], size: int) -> list[tuple[int, float]]:
    """What a reader that pauses gets. No pause ends just when an item comes."""
    arrivals = list(itertools.accumulate(gaps))
    got: list[tuple[int, float]] = []
    waiting: list[int] = []
    time, item, pausing = 0.0, 0, iter(pauses)
    while waiting or item < len(gaps):
        if not waiting:
            time = max(time, arrivals[item])
        while item < len(gaps) and arrivals[item] <= time:
            waiting = [*waiting, item][-size:]
            item += 1
        got.append((waiting.pop(0), time))
        time += next(pausing, 0)
    return got


def test_under_every_schedule_the_last_few_are_given() -> None:
    async def test() -> None:
        source = SourceProbe(range(9), gap=[0, 0, 1, 0, 0, 0, 0, 0, 0])
        got: list[int] = []
        async with latest(source, 3) as results:
            async for item in results:
                got.append(item)
                await anyio.lowlevel.checkpoint()
            dropped = results.statistics().dropped
        assert got == sorted(set(got))
        assert got[-3:] == [6, 7, 8]
        assert dropped == 9 - len(got)

    explore(test, schedules=20, seed=1)
