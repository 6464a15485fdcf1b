"""The filter: what passes is what passes one at a time; the rest takes no room."""

from typing import Any

import anyio
import pytest
from hypothesis import given, settings, strategies as st

import aiterkit as ak
from aiterkit._concurrent.map.state import FilteredCalls
from aiterkit.testing import (
    Barrier,
    CallProbe,
    SourceProbe,
    assert_timeline,
    explore,
    play,
)

from ..helpers import (  # noqa: TID252 - tests stand on no path
    Boom,
    any_source,
    collect_repr as collect,
)
from .map_forms import FairCall, calls, starts_of


def odd(item: int) -> object:
    return item % 2


async def test_what_does_not_pass_leaves_a_gap_in_time_only() -> None:
    async def passes(item: str) -> bool:
        await anyio.sleep(2)
        return item in "bd"

    async with ak.concurrent_filter(passes, "abcd", limit=2) as results:
        seen = [(item, anyio.current_time()) async for item in results]
    assert seen == [("b", 2), ("d", 4)]


@any_source
@pytest.mark.parametrize("limit", [1, 2, 5])
async def test_never_more_than_limit_calls_and_limit_meet(
    probe: Any, limit: int
) -> None:
    barrier = Barrier(limit)
    call = calls(barrier.wait)
    async with ak.concurrent_filter(call, probe(range(limit * 2)), limit=limit) as got:
        await collect(got)
    assert barrier.is_open
    call.assert_never_exceeds(limit)


@any_source
async def test_what_did_not_pass_takes_no_room(probe: Any) -> None:
    source = probe(range(1, 50))
    call = calls(lambda item: item % 10 == 0, seconds=1)
    async with ak.concurrent_filter(call, source, limit=2, buffer=1) as results:
        for tens in range(10, 40, 10):
            await anyio.sleep(1000)
            # The one that passed waits, and behind it what the bound lets in.
            assert source.taken[-1] == tens + 2
            assert await anext(results) == tens


async def test_an_item_that_passed_waits_for_nothing_but_its_turn() -> None:
    call = calls(lambda item: item != 0, seconds=lambda item: 5 if item == 0 else 1)
    source = SourceProbe(range(9), hang_at=3)
    async with ak.concurrent_filter(call, source, limit=3) as results:
        assert [await anext(results) for _ in range(2)] == [1, 2]
        assert anyio.current_time() == 5


async def test_the_answer_is_tested_for_truth_once_and_may_fail() -> None:
    asked = 0

    class Answer:
        def __init__(self, item: int) -> None:
            self.item = item

        def __bool__(self) -> bool:
            nonlocal asked
            asked += 1
            if self.item == 3:
                raise Boom("no truth")
            return True

    async with ak.concurrent_filter(calls(Answer), range(9), limit=1) as results:
        assert await collect(results) == ([0, 1, 2], "Boom('no truth')")
    assert asked == 4


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"limit": 0}, ValueError, "limit must be at least 1, not 0"),
        (
            {"limit": True},
            TypeError,
            "limit must be an int or an anyio.CapacityLimiter, not True",
        ),
        ({"buffer": -1}, ValueError, "buffer must be at least 0, not -1"),
        ({"predicate": 3}, TypeError, "predicate must be callable, not 3"),
        (
            {"predicate": None},
            TypeError,
            (
                "predicate must be an async function, not None; to test the items "
                "themselves, which takes no calls, use afilter(None, source)"
            ),
        ),
    ],
)
def test_bad_arguments_are_refused_at_the_call(
    change: dict[str, Any], error: type[Exception], message: str
) -> None:
    options: dict[str, Any] = {"predicate": calls(odd), "limit": 1, **change}
    with pytest.raises(error) as caught:
        ak.concurrent_filter(options.pop("predicate"), "ab", **options)
    assert str(caught.value) == message


async def test_a_sync_predicate_is_refused_with_its_correction() -> None:
    predicate: Any = str.isdigit
    with pytest.raises(TypeError) as caught:
        async with ak.concurrent_filter(predicate, "ab", limit=1) as results:
            await anext(results)
    assert str(caught.value) == (
        "concurrent_filter() needs an async function; for a sync one use afilter(), or "
        "offloaded(predicate) to run it in threads (predicate returned 'bool', which "
        "cannot be awaited)"
    )


@pytest.mark.parametrize("kind", [StopIteration, StopAsyncIteration])
async def test_a_call_cannot_end_the_iteration(kind: type[Exception]) -> None:
    async def fail(_item: int) -> bool:
        raise kind

    async with ak.concurrent_filter(fail, range(3), limit=2) as results:
        got, error = await collect(results)
    assert got == []
    assert f"raised {kind.__name__}" in error


@settings(max_examples=80, deadline=None)
@given(
    plan=st.lists(st.tuples(st.integers(0, 4), st.sampled_from("ynynx")), max_size=12),
    gap=st.sampled_from([None, 0.0, 1.0]),
    source_fails=st.booleans(),
    limit=st.integers(1, 4),
    buffer=st.none() | st.integers(0, 4),
    keys=st.none() | st.integers(1, 3),
    per_key=st.integers(1, 3),
)
async def test_items_and_error_are_those_of_the_sequential_twin(
    plan: list[tuple[int, str]],
    gap: float | None,
    source_fails: bool,  # noqa: FBT001
    limit: int,
    buffer: int | None,
    keys: int | None,
    per_key: int,
) -> None:
    def key(item: int) -> int:
        return item % (keys or 1)

    options: dict[str, Any] = {"limit": limit, "buffer": buffer}
    if keys is not None:
        options |= {"key": key, "per_key": per_key}

    def answer(item: int) -> bool:
        if plan[item][1] == "x":
            raise Boom(item)
        return plan[item][1] == "y"

    def seconds(item: int) -> float:
        return plan[item][0]

    def call() -> CallProbe[int, bool]:
        return calls(answer, seconds=seconds)

    def source() -> SourceProbe[int]:
        error = Boom("source") if source_fails else None
        return SourceProbe(range(len(plan)), gap=gap, error=error)

    sequential = await collect(ak.afilter(call(), source()))
    probe, func = source(), call()
    async with ak.concurrent_filter(func, probe, **options) as results:
        assert await collect(results) == sequential
        with pytest.raises(StopAsyncIteration):
            await anext(results)
    func.assert_never_exceeds(limit)
    func.assert_all_ended()
    probe.assert_closed_once()
    probe.assert_well_used()


@pytest.mark.parametrize("strategy", ["random", "pct"])
@pytest.mark.parametrize("is_async", [True, False])
def test_under_every_schedule_what_passes_comes_in_order(
    strategy: Any,
    is_async: bool,  # noqa: FBT001
) -> None:
    async def test() -> None:
        call = calls(odd, seconds=lambda item: item % 3)
        source: Any = SourceProbe(range(12), gap=None) if is_async else range(12)
        async with ak.concurrent_filter(call, source, limit=3, buffer=1) as results:
            assert await collect(results) == ([1, 3, 5, 7, 9, 11], "")
        call.assert_never_exceeds(3)

    explore(test, schedules=10, strategy=strategy, seed=1)


def test_the_ledger_skips_what_did_not_pass() -> None:
    calls = FilteredCalls[str](window=9)
    a, b, c, d = (calls.take(item) for item in "abcd")
    assert not calls.finish(b, value=False)
    assert calls.delivered == 0
    assert not calls.finish(a, value=False)  # and nothing behind it is ready
    assert calls.delivered == 2
    assert calls.finish(c, value=True)
    assert calls.pop() == "c"
    calls.ended = True
    assert not calls.exhausted
    assert calls.finish(d, value=False)
    assert calls.exhausted
    assert calls.delivered == 4


async def test_a_limiter_may_be_the_limit_and_be_shared() -> None:
    limiter = anyio.CapacityLimiter(3)
    call = calls(odd, seconds=1)
    async with (
        ak.concurrent_filter(call, range(9), limit=limiter) as one,
        ak.concurrent_filter(call, range(9), limit=limiter) as other,
    ):
        assert await collect(one) == ([1, 3, 5, 7], "")
        assert await collect(other) == ([1, 3, 5, 7], "")
    assert call.max_overlap == 3
    assert limiter.borrowed_tokens == 0


# With a key.


def letter(item: str) -> str:
    return item.lower()


@pytest.mark.parametrize(
    ("per_key", "source", "line"),
    [
        pytest.param(1, "(aAb|)", "--a-(Ab|)", id="equal keys one at a time"),
        pytest.param(2, "(aAb|)", "--(aAb|)", id="two with equal keys at once"),
        pytest.param(
            1, "(zZb|)", "----(b|)", id="a call that does not pass counts as well"
        ),
        pytest.param(2, "(zZb|)", "--(b|)", id="two of those at once"),
        pytest.param(
            1, "(zZzbc|)", "------(bc|)", id="items of other keys are tested meanwhile"
        ),
        pytest.param(
            1, "a-A-z-a|", "--a-A---(a|)", id="a key is free again after its call"
        ),
    ],
)
async def test_timelines_with_a_key(per_key: int, source: str, line: str) -> None:
    async def passes(item: str) -> bool:
        await anyio.sleep(2)
        return letter(item) != "z"

    await assert_timeline(
        ak.concurrent_filter(
            passes, play(source), limit=3, key=letter, per_key=per_key
        ),
        line,
    )


@settings(max_examples=100, deadline=None)
@given(
    plan=st.lists(
        st.tuples(st.integers(0, 2), st.integers(1, 4), st.booleans()),
        min_size=1,
        max_size=12,
    ),
    limit=st.integers(1, 4),
    per_key=st.integers(1, 3),
    buffer=st.integers(0, 8),
    is_async=st.booleans(),
    strategy=st.sampled_from(["random", "pct"]),
    seed=st.integers(0, 99),
)
def test_with_a_key_each_call_starts_as_soon_as_it_may_and_no_sooner(
    plan: list[tuple[int, int, bool]],
    limit: int,
    per_key: int,
    buffer: int,
    is_async: bool,  # noqa: FBT001
    strategy: Any,
    seed: int,
) -> None:
    def key_of(number: int) -> int:
        return plan[number][0]

    def seconds_of(number: int) -> float:
        return plan[number][1]

    numbers = range(len(plan))
    model = starts_of(
        [(key, seconds) for key, seconds, _ in plan],
        limit=limit,
        per_key=per_key,
        window=limit + buffer,
    )
    ends = {number: start + plan[number][1] for start, number in model}

    async def test() -> None:
        call = FairCall(key_of, per_key, seconds_of)

        async def passes(number: int) -> bool:
            await call(number)
            return plan[number][2]

        source: Any = SourceProbe(numbers, gap=None) if is_async else numbers
        block = ak.concurrent_filter(
            passes, source, limit=limit, buffer=buffer, key=call.note, per_key=per_key
        )
        begin = anyio.current_time()
        async with block as results:
            got = [(item, anyio.current_time() - begin) async for item in results]
        # The items of the sequential twin, each as soon as its turn has come.
        assert got == [
            (number, max(ends[each] for each in range(number + 1)))
            for number in numbers
            if plan[number][2]
        ]
        assert sorted(
            zip([time - begin for time in call.times], call.started, strict=True)
        ) == sorted(model)
        call.assert_fair()

    explore(test, schedules=2, strategy=strategy, seed=seed)
