"""The statistics of every block are true at every step."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import anyio
import pytest
from anyio import CapacityLimiter
from hypothesis import given, settings, strategies as st

import aiterkit as ak
from aiterkit.testing import CallProbe, ProbeError, SourceProbe, SyncSourceProbe
from tests.catalogue import ENTRIES

from ..catalogue import FirstReader  # noqa: TID252 - tests stand on no path
from .map_forms import calls, streaming

Source = SourceProbe[int]
Probe = CallProbe[int, Any]
LOOSE: Any = ak


def _none(_call: Probe) -> int:
    return 0


@dataclass(frozen=True)
class Case:
    """A block, and how its numbers can be counted from outside."""

    name: str
    use: Callable[[Probe, Source, Source], Any]
    """Make the block of a call and one or two sources."""
    func: Callable[[int], Any] = int
    """What the call returns, if there is one."""
    items: Callable[[list[Any]], int] = len
    """How many items are in the results."""
    reached: Callable[[Probe], int] = _none
    """How many items did not come from a source."""
    dropped: Callable[[Probe], int] | None = _none
    """How many items were dropped; None where only the sum can be known."""

    def __str__(self) -> str:
        return self.name


def _no_items(_item: int) -> list[int]:
    return []


def _zero(_item: int) -> int:
    return 0


def _is_odd(item: int) -> bool:
    return item % 2 == 1


def _children(item: int) -> list[int]:
    return [item + 100] if item < 100 else []


def _map(operator: Any, **options: Any) -> Callable[..., Any]:
    def use(call: Probe, source: Source, _other: Source) -> Any:
        return operator(call, source, limit=2, **options)

    return use


def _flat(operator: Any, **options: Any) -> Callable[..., Any]:
    def use(_call: Probe, source: Source, other: Source) -> Any:
        return operator([source, other].__getitem__, range(2), **options)

    return use


def _in_batches(results: list[Any]) -> int:
    return sum(map(len, results))


CASES = [
    Case("concurrent_map", _map(LOOSE.concurrent_map)),
    Case("concurrent_map_unordered", _map(LOOSE.concurrent_map_unordered, buffer=0)),
    Case(
        "concurrent_filter",
        _map(LOOSE.concurrent_filter),
        func=_is_odd,
        dropped=lambda call: sum(item % 2 == 0 for item in call.ends),
    ),
    Case("concurrent_expand", _map(LOOSE.concurrent_expand), func=_no_items),
    Case(
        "concurrent_expand",
        _map(LOOSE.concurrent_expand),
        func=_children,
        reached=lambda call: sum(item < 100 for item in call.ends),
    ),
    Case(
        "concurrent_expand",
        _map(LOOSE.concurrent_expand, follow=_children),
        reached=lambda call: sum(item < 100 for item in call.ends),
    ),
    Case("concurrent_flat_map", _flat(LOOSE.concurrent_flat_map, limit=2)),
    Case("concurrent_flat_map", _flat(LOOSE.concurrent_flat_map, limit=1, buffer=0)),
    Case(
        "concurrent_flat_map_unordered",
        _flat(LOOSE.concurrent_flat_map_unordered, limit=2, buffer=3),
    ),
    Case(
        "concurrent_switch_map",
        lambda _, source, other: LOOSE.concurrent_switch_map(
            [source, other].__getitem__, SourceProbe(range(2), gap=[0, 5, 0])
        ),
        dropped=None,
    ),
    Case("concurrent_merge", lambda _, one, other: LOOSE.concurrent_merge(one, other)),
    Case(
        "concurrent_merge",
        lambda _, one, other: LOOSE.concurrent_merge(one, other, buffer=0),
    ),
    Case(
        "concurrent_zip",
        lambda _, one, other: LOOSE.concurrent_zip(one, other),
        items=_in_batches,
        dropped=None,
    ),
    Case(
        "concurrent_zip_latest",
        lambda _, one, other: LOOSE.concurrent_zip_latest(one, other),
        items=lambda rows: len(rows) + 1 if rows else 0,
        dropped=None,
    ),
    Case("concurrent_buffer", lambda _, source, __: LOOSE.concurrent_buffer(source, 3)),
    Case("concurrent_buffer", lambda _, source, __: LOOSE.concurrent_buffer(source, 0)),
    Case(
        "concurrent_until",
        lambda _, source, __: LOOSE.concurrent_until(source, anyio.sleep_forever),
    ),
    Case(
        "concurrent_broadcast",
        lambda _, source, __: FirstReader(
            LOOSE.concurrent_broadcast(source, 2, buffer=2)
        ),
    ),
    Case(
        "concurrent_partition",
        lambda _, source, __: FirstReader(
            LOOSE.concurrent_partition(source, _zero, [0, 1], buffer=2)
        ),
    ),
    Case(
        "concurrent_balance",
        lambda _, source, __: FirstReader(
            LOOSE.concurrent_balance(source, 2, buffer=2)
        ),
    ),
    Case(
        "concurrent_batched",
        lambda _, source, __: LOOSE.concurrent_batched(source, 3, within=2),
        items=_in_batches,
    ),
    Case(
        "concurrent_batched",
        lambda _, source, __: LOOSE.concurrent_batched(
            source, 9, within=5, weight=int, max_weight=4
        ),
        items=_in_batches,
    ),
    Case(
        "concurrent_heartbeat",
        lambda _, source, __: LOOSE.concurrent_heartbeat(source, None, seconds=2),
        items=lambda lines: len(lines) - lines.count(None),
    ),
    Case(
        "concurrent_latest",
        lambda _, source, __: LOOSE.concurrent_latest(source),
        dropped=None,
    ),
    Case(
        "concurrent_debounce",
        lambda _, source, __: LOOSE.concurrent_debounce(source, seconds=2),
        dropped=None,
    ),
    Case(
        "concurrent_sample",
        lambda _, source, __: LOOSE.concurrent_sample(source, seconds=2),
        dropped=None,
    ),
]


def case_of(name: str) -> Case:
    """Return the first case of an operator."""
    return next(case for case in CASES if case.name == name)


def test_every_block_is_among_the_cases() -> None:
    blocks = {entry.name for entry in ENTRIES if entry.kind == "block"}
    assert blocks == {case.name for case in CASES}


def assert_true(
    now: ak.Statistics,
    case: Case,
    call: Probe,
    taken: int,
    got: list[Any],
    *,
    fails: bool,
) -> None:
    """Fail unless all numbers are what can be counted from outside.

    How many calls an error cancelled cannot; and what a source gives although its
    read was cancelled is not taken.
    """
    if fails or case.name == "concurrent_switch_map":
        assert now.taken <= taken + case.reached(call)
    else:
        assert now.taken == taken + case.reached(call)
    assert now.delivered == case.items(got)
    assert now.running == call.running
    assert now.waiting >= 0
    assert now.dropped >= 0
    assert now.taken == now.waiting + now.running + now.delivered + now.dropped
    if case.dropped is not None and not fails:
        assert now.dropped == case.dropped(call)


@pytest.mark.parametrize("case", CASES, ids=str)
@settings(max_examples=6, deadline=None)
@given(
    gaps=st.lists(st.none() | st.integers(0, 3), min_size=1, max_size=9),
    durations=st.lists(st.integers(0, 3), min_size=5, max_size=5),
    pauses=st.lists(st.integers(0, 3), min_size=5, max_size=5),
    fails=st.booleans(),
)
async def test_at_every_step_the_numbers_of_every_block_are_true(
    case: Case,
    gaps: list[int | None],
    durations: list[int],
    pauses: list[int],
    fails: bool,  # noqa: FBT001
) -> None:
    gap = [0 if each is None else each for each in gaps]
    one = SourceProbe(
        range(len(gaps)),
        gap=[*gap, 1],
        error=ProbeError() if fails else None,
    )
    other = SourceProbe(range(10, 14), gap=2)
    call: Probe = CallProbe(case.func, seconds=lambda item: durations[item % 5])
    got: list[Any] = []
    step = 0
    async with case.use(call, one, other) as results:
        while True:
            now: ak.Statistics = results.statistics()
            taken = len(one.taken) + len(other.taken)
            assert_true(now, case, call, taken, got, fails=fails)
            step += 1
            try:
                with anyio.move_on_after(0.25 + pauses[step % 5]):
                    got.append(await anext(results))
            except (StopAsyncIteration, ProbeError):
                break
            await anyio.sleep(0.5 + pauses[-step % 5])
        now = results.statistics()
        assert now.delivered == case.items(got)
        assert now.running == now.waiting == 0
    assert results.statistics() == replace(now)
    with pytest.raises(AttributeError):
        now.taken = 5  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_what_was_left_behind_in_a_block_was_dropped(case: Case) -> None:
    one, other = SourceProbe(range(9), gap=1), SourceProbe(range(9), gap=1)
    call: Probe = CallProbe(case.func, seconds=1)
    async with case.use(call, one, other) as results:
        first = await anext(results)
        await anyio.sleep(2.5)
        inside: ak.Statistics = results.statistics()
    left: ak.Statistics = results.statistics()
    assert left.delivered == inside.delivered == case.items([first])
    assert left.waiting == left.running == 0
    assert left.dropped == inside.dropped + inside.waiting + inside.running
    assert left.taken == inside.taken


async def test_each_reader_of_a_partition_counts_its_own_items() -> None:
    source = SourceProbe(range(9), gap=1)
    block = ak.concurrent_partition(source, _is_odd, [True, False], buffer=9)
    async with block as (odd, even):
        assert [await anext(odd), await anext(odd)] == [1, 3]
        await anyio.sleep(2.5)
        assert odd.statistics() == of_items(taken=3, waiting=1, delivered=2)
        assert even.statistics() == of_items(taken=3, waiting=3)
        await even.aclose()
        assert even.statistics() == of_items(taken=3, dropped=3)
        assert [item async for item in odd] == [5, 7]
        assert even.statistics() == of_items(taken=5, dropped=5)


async def test_the_readers_of_a_balance_count_together() -> None:
    async with ak.concurrent_balance(range(9), 2, buffer=3) as (one, other):
        assert await anext(one) == 0
        assert await anext(other) == 1
        await anyio.sleep(1)
        now = of_items(taken=5, waiting=3, delivered=2)
        assert one.statistics() == other.statistics() == now


async def test_a_row_that_is_never_whole_is_dropped() -> None:
    sources = SourceProbe([1, 2], gap=1), SourceProbe([1], gap=[1, 5])
    async with ak.concurrent_zip(*sources) as rows:
        assert await anext(rows) == (1, 1)
        await anyio.sleep(3)
        assert rows.statistics() == of_items(taken=3, waiting=1, delivered=2)
        await anyio.sleep(3)
        assert rows.statistics() == of_items(taken=3, dropped=1, delivered=2)


async def test_what_is_overtaken_before_the_first_row_is_dropped() -> None:
    slow = SourceProbe("a", gap=4.5)
    async with ak.concurrent_zip_latest(SourceProbe(range(6), gap=1), slow) as rows:
        await anyio.sleep(3.5)
        assert rows.statistics() == of_items(taken=3, waiting=1, dropped=2)
        assert await anext(rows) == (3, "a")
        assert rows.statistics() == of_items(taken=5, delivered=2, dropped=3)
        assert [row async for row in rows] == [(4, "a"), (5, "a")]
        assert rows.statistics() == of_items(taken=7, delivered=4, dropped=3)
    none = SourceProbe(""), SourceProbe(range(6), gap=0.5)
    async with ak.concurrent_zip_latest(*none) as rows:
        await anyio.sleep(2)
        assert rows.statistics() == of_items()
    late = SourceProbe("", gap=2), SourceProbe([1, 2], gap=0.5)
    async with ak.concurrent_zip_latest(*late) as rows:
        await anyio.sleep(9)
        assert rows.statistics() == of_items(taken=2, dropped=2)


def of_items(**numbers: int) -> ak.Statistics:
    """Return statistics that are 0 but for *numbers*."""
    none = {"taken": 0, "waiting": 0, "running": 0, "delivered": 0, "dropped": 0}
    return ak.Statistics(**{**none, **numbers})


@pytest.mark.parametrize(
    "operator", [ak.concurrent_flat_map, ak.concurrent_flat_map_unordered]
)
async def test_a_flat_map_tells_of_its_inner_sources(operator: Any) -> None:
    def inner(item: int) -> Source:
        return SourceProbe([item] * item, gap=1)

    async with operator(inner, range(1, 9), limit=2, buffer=0) as results:
        now: ak.FlatMapStatistics = results.statistics()
        assert (now.limit, now.opened, now.open, now.taken) == (2, 0, 0, 0)
        await anyio.sleep(0.5)
        now = results.statistics()
        assert (now.opened, now.open, now.waiting_to_open) == (2, 2, 0)
        await anyio.sleep(9)
        now = results.statistics()
        assert (now.opened, now.open, now.taken, now.waiting) == (2, 2, 2, 2)
        await anext(results)
        await anyio.sleep(9)
        now = results.statistics()  # the first has ended, and the third has begun
        assert (now.opened, now.open, now.taken, now.delivered) == (3, 2, 3, 1)


async def test_what_comes_after_an_error_in_input_order_is_dropped() -> None:
    sources = [SourceProbe([1], gap=2, error=ProbeError()), SourceProbe([2, 3], gap=1)]
    async with ak.concurrent_flat_map(
        sources.__getitem__, range(2), limit=2
    ) as results:
        await anyio.sleep(3)
        assert (results.statistics().waiting, results.statistics().dropped) == (3, 0)
        await anyio.sleep(3)
        now = results.statistics()
        assert (now.taken, now.waiting, now.dropped) == (3, 1, 2)


async def test_a_switch_map_tells_of_what_is_overtaken() -> None:
    inner = {item: SourceProbe([item] * 3, gap=1, close_delay=5) for item in range(3)}
    source = SourceProbe(range(3), gap=[0, 3, 2, 0])
    async with ak.concurrent_switch_map(inner.__getitem__, source) as results:
        await anyio.sleep(2)
        now = results.statistics()
        assert (now.limit, now.opened, now.open, now.waiting_to_open) == (1, 1, 1, 0)
        assert (now.taken, now.waiting, now.dropped) == (1, 1, 0)
        await anyio.sleep(4)  # the source of the first item is being closed
        now = results.statistics()
        assert (now.opened, now.open, now.waiting_to_open) == (1, 1, 1)
        assert (now.taken, now.waiting, now.dropped) == (1, 0, 1)
        assert [item async for item in results] == [2, 2, 2]
        now = results.statistics()
        assert (now.opened, now.open, now.taken, now.delivered) == (2, 0, 4, 3)


@streaming
async def test_a_stuck_pipeline_says_what_runs(operator: Any) -> None:
    call = calls(seconds=lambda item: 1000 if item == "b" else 1)
    async with operator(call, SourceProbe("abcdefg"), limit=2, buffer=3) as results:
        await anyio.sleep(10)
        now = results.statistics()
        assert (now.limit, now.buffer) == (2, 3)
        assert now.running_items == ("b",)
        assert (now.taken, now.started, now.running, now.delivered) == (5, 5, 1, 0)
        assert now.waiting_for_reader == 4


@streaming
async def test_what_waits_for_a_key_or_a_token_is_counted(operator: Any) -> None:
    limiter = CapacityLimiter(2)
    source = SourceProbe(range(9), gap=None)
    keyed = [0, 0, 0, 3, 4, 5, 6, 7, 8]
    async with operator(
        calls(seconds=10),
        source,
        limit=limiter,
        buffer=4,
        key=keyed.__getitem__,
    ) as results:
        await anyio.sleep(5)
        now = results.statistics()
        assert (now.limit, now.buffer) == (2, 4)
        assert now.running_items == (0, 3)
        assert now.waiting_for_key == 2
        assert now.waiting_to_start == 2
        limiter.total_tokens = 3
        assert results.statistics().limit == 3


@settings(max_examples=40, deadline=None)
@given(
    durations=st.lists(st.integers(0, 3), max_size=12),
    pauses=st.lists(st.integers(0, 3), min_size=12, max_size=12),
    limit=st.integers(1, 4),
    buffer=st.none() | st.integers(0, 4),
    keys=st.integers(1, 4),
    is_async=st.booleans(),
)
async def test_at_every_step_the_numbers_add_up(
    durations: list[int],
    pauses: list[int],
    limit: int,
    buffer: int | None,
    keys: int,
    is_async: bool,  # noqa: FBT001
) -> None:
    operators: list[Any] = [ak.concurrent_map, ak.concurrent_map_unordered]
    for operator in operators:
        call = CallProbe[int, int](seconds=durations.__getitem__)
        numbers = range(len(durations))
        source: Any = (SourceProbe if is_async else SyncSourceProbe)(numbers)
        block = operator(call, source, limit=limit, buffer=buffer, key=keys.__rmod__)
        async with block as results:
            delivered = 0
            while True:
                now: ak.MapStatistics = results.statistics()
                assert now.taken == len(source.taken)
                assert now.started == len(call.spans)
                assert now.running == call.running == len(now.running_items)
                assert now.delivered == delivered
                assert now.taken == (
                    now.delivered
                    + now.waiting_for_reader
                    + now.running
                    + now.waiting_to_start
                    + now.waiting_for_key
                )
                try:
                    with anyio.move_on_after(pauses[delivered % 12]):
                        await anext(results)
                        delivered += 1
                except StopAsyncIteration:
                    break
                await anyio.sleep(0.5 + pauses[-delivered % 12])
        assert delivered == len(durations)
