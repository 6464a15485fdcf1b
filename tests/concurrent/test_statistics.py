"""The statistics of a map are true at every step."""

from typing import Any

import anyio
import pytest
from anyio import CapacityLimiter
from hypothesis import given, settings, strategies as st

import aiterkit as ak
from aiterkit.testing import CallProbe, SourceProbe, SyncSourceProbe

from .map_forms import calls, streaming


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


def test_they_cannot_be_changed() -> None:
    now = ak.MapStatistics(1, 1, 0, 0, 0, (), 0, 0, 0, 0)
    with pytest.raises(AttributeError):
        now.taken = 5  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


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
