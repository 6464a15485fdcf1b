import inspect
import math
from collections.abc import AsyncIterable, AsyncIterator, Callable
from contextlib import aclosing
from itertools import count
from typing import Any

import anyio
import pytest

from aiterkit import concurrent_buffer
from aiterkit.testing import (
    Barrier,
    CallProbe,
    HoldingProbe,
    ProbeError,
    SourceProbe,
    Span,
    SyncSourceProbe,
    explore,
    run_in_virtual_time,
)


async def pull_all(source: SourceProbe[str]) -> list[str]:
    return [item async for item in source]


async def test_a_source_gives_its_items_and_its_end() -> None:
    source = SourceProbe("ab")
    assert await pull_all(source) == ["a", "b"]
    assert (source.pulls, source.taken, source.ended) == (3, ["a", "b"], True)
    source.assert_well_used()
    source.assert_never_closed()


@pytest.mark.parametrize(
    ("gap", "times"),
    [
        pytest.param(2, [2, 4, 6], id="one for all"),
        pytest.param([1, 0, 5], [1, 1, 6], id="one for each"),
        pytest.param([3], [3, 3, 3], id="too few"),
        pytest.param(None, [0, 0, 0], id="none"),
    ],
)
async def test_a_gap_comes_before_each_item(
    gap: float | list[float] | None, times: list[float]
) -> None:
    source = SourceProbe("ab", gap=gap)
    seen: list[float] = []
    for _ in range(3):
        await anext(source, None)
        seen.append(anyio.current_time())
    assert seen == times


def test_a_source_without_gap_does_not_suspend() -> None:
    quick = SourceProbe("a", gap=None).__anext__()
    with pytest.raises(StopIteration) as result:
        quick.send(None)
    assert result.value.value == "a"
    polite = SourceProbe("a").__anext__()

    async def main() -> str:
        return await polite

    assert run_in_virtual_time(main) == "a"


async def test_an_endless_source_is_read_as_far_as_asked() -> None:
    source = SourceProbe(count())
    assert [await anext(source) for _ in range(3)] == [0, 1, 2]


async def test_a_source_fails_where_told() -> None:
    source = SourceProbe("abc", fail_at=1)
    assert await anext(source) == "a"
    with pytest.raises(ProbeError, match="pull 1 was set to fail"):
        await anext(source)
    assert source.ended
    assert await anext(source, "end") == "end"
    assert source.pulls_after_end == 1


async def test_a_source_fails_with_what_it_was_told() -> None:
    source = SourceProbe("abc", fail_at=0, error=KeyError("x"))
    with pytest.raises(KeyError):
        await anext(source)
    at_the_end = SourceProbe("a", error=KeyError("y"))
    assert await anext(at_the_end) == "a"
    with pytest.raises(KeyError):
        await anext(at_the_end)


async def test_a_source_hangs_where_told() -> None:
    source = SourceProbe("abc", hang_at=1)
    with anyio.move_on_after(1000) as scope:
        await pull_all(source)
    assert scope.cancelled_caught
    assert (source.taken, source.cancelled_pulls, source.ended) == (["a"], 1, False)


async def test_a_cancelled_pull_loses_no_item() -> None:
    source = SourceProbe("ab", gap=2)
    with anyio.move_on_after(1):
        await anext(source)
    assert await anext(source) == "a"
    assert source.cancelled_pulls == 1


async def test_a_source_can_ignore_a_cancellation_once() -> None:
    source = SourceProbe("ab", gap=5, ignore_cancel_once=True)
    with anyio.move_on_after(1):
        assert await anext(source) == "a"
    assert anyio.current_time() == 5
    with anyio.move_on_after(1) as scope:
        await anext(source)
    assert scope.cancelled_caught
    assert anyio.current_time() == 6


async def test_overlapping_pulls_are_counted() -> None:
    source = SourceProbe("ab", gap=1)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(pull_all, source)
        tasks.start_soon(pull_all, source)
    assert source.overlapping_pulls > 0
    assert len(source.pulled_by) in {1, 2}
    with pytest.raises(AssertionError, match=r"\d pulls overlapped"):
        source.assert_well_used()
    with pytest.raises(AssertionError, match="pulled and closed by 2 tasks"):
        source.assert_one_reader()


async def test_closes_are_counted() -> None:
    source = SourceProbe("ab", close_delay=3)
    with pytest.raises(AssertionError, match="closed 0 times, not once"):
        source.assert_closed_once()
    await source.aclose()
    assert anyio.current_time() == 3
    source.assert_closed_once()
    source.assert_one_reader()
    with pytest.raises(AssertionError, match="closed 1 times, by"):
        source.assert_never_closed()
    assert await anext(source, "end") == "end"
    await source.aclose()
    with pytest.raises(
        AssertionError,
        match="1 pulls came after it was closed, 1 closes came after the first",
    ):
        source.assert_well_used()


async def test_a_close_in_the_middle_of_a_pull_is_counted() -> None:
    source = SourceProbe("ab", gap=1)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(pull_all, source)
        await anyio.wait_all_tasks_blocked()
        await source.aclose()
    assert source.closes_while_pulled == 1
    assert len(source.closed_by) == 1


async def test_a_cancelled_pull_cleans_up_without_a_shield() -> None:
    source = SourceProbe("ab", gap=9, cleanup=2)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(anext, source)
        await anyio.sleep(1)
        tasks.cancel_scope.cancel()  # at every wait
    assert anyio.current_time() == 1
    assert (source.cleanups, source.full_cleanups, source.cut_cleanups) == (1, 0, 1)
    with pytest.raises(AssertionError, match="of 1 cleanups, 1 were cut short"):
        source.assert_cleaned_up()


async def test_a_close_that_is_not_disturbed_ran_in_full() -> None:
    source = SourceProbe("ab", close_delay=2)
    await source.aclose()
    assert (source.cleanups, source.full_cleanups, source.cut_cleanups) == (1, 1, 0)
    source.assert_cleaned_up()


async def test_a_close_may_never_return() -> None:
    source = SourceProbe("ab", close_delay=math.inf)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(source.aclose)
        await anyio.sleep(3600)
        with pytest.raises(AssertionError, match="1 have not ended"):
            source.assert_cleaned_up()
        tasks.cancel_scope.cancel()
    assert source.cut_cleanups == 1


def buffered(source: AsyncIterable[int]) -> concurrent_buffer[int]:
    return concurrent_buffer(source, 2)


BLOCKS: dict[str, Any] = {
    "timeout": "timeout",
    "task group": "task group",
    "block": buffered,
}
holding_all = pytest.mark.parametrize("held", BLOCKS)


@holding_all
async def test_a_source_that_holds_something_gives_its_items(held: str) -> None:
    source = SourceProbe("abc", gap=1)
    holding = HoldingProbe(source, BLOCKS[held])
    endings = [holding.ending]
    assert [item async for item in holding] == ["a", "b", "c"]
    assert [*endings, holding.ending] == ["not begun", "returned"]
    source.assert_closed_once()


@holding_all
async def test_a_source_that_holds_something_can_be_closed(held: str) -> None:
    source = SourceProbe(count(), gap=1)
    holding = HoldingProbe(source, BLOCKS[held])
    async with aclosing(aiter(holding)) as items:
        assert await anext(items) == 0
        endings = [holding.ending]
    assert [*endings, holding.ending] == ["running", "closed"]
    source.assert_closed_once()


@holding_all
async def test_a_source_that_holds_something_can_be_cancelled(held: str) -> None:
    source = SourceProbe("abc", hang_at=1)
    holding = HoldingProbe(source, BLOCKS[held])
    with anyio.move_on_after(5):
        assert [item async for item in holding] == []
    assert holding.ending == "cancelled"
    source.assert_closed_once()


@holding_all
async def test_a_source_that_holds_something_may_fail(held: str) -> None:
    holding = HoldingProbe(SourceProbe("abc", fail_at=1), BLOCKS[held])
    items = aiter(holding)
    assert await anext(items) == "a"
    with pytest.raises((ProbeError, ExceptionGroup)):
        await anext(items)
    assert holding.ending == "raised"


@pytest.mark.parametrize("held", ["timeout", "task group"])
async def test_what_cannot_be_closed_can_be_held_too(held: Any) -> None:
    class Bare:
        def __aiter__(self) -> AsyncIterator[int]:
            return self

        async def __anext__(self) -> int:
            raise StopAsyncIteration

    holding = HoldingProbe(Bare(), held)
    assert [item async for item in holding] == []
    assert holding.ending == "returned"


@holding_all
async def test_a_block_of_ours_stops_a_source_that_holds_something(held: str) -> None:
    source = SourceProbe(count())
    holding = HoldingProbe(source, BLOCKS[held])
    async with concurrent_buffer(holding, 2) as items:
        assert await anext(items) == 0
        await anyio.sleep(1)
    assert holding.ending in {"closed", "cancelled"}
    source.assert_closed_once()


def test_a_sync_source_gives_its_items_and_its_end() -> None:
    source = SyncSourceProbe("ab")
    assert list(source) == ["a", "b"]
    assert (source.pulls, source.taken, source.ended) == (3, ["a", "b"], True)
    assert source.pulled_by == ["no task"]
    assert next(source, "end") == "end"
    assert source.pulls_after_end == 1


def test_a_sync_source_fails_where_told() -> None:
    source = SyncSourceProbe("abc", fail_at=1)
    assert next(source) == "a"
    with pytest.raises(ProbeError, match="pull 1 was set to fail"):
        next(source)
    with pytest.raises(KeyError):
        next(SyncSourceProbe("", error=KeyError("x")))


def test_a_sync_source_can_be_closed_as_a_generator_can() -> None:
    source = SyncSourceProbe("ab")
    source.close()
    source.assert_closed_once()
    assert next(source, "end") == "end"
    assert source.pulls_after_close == 1
    assert not hasattr(SyncSourceProbe("ab", closable=False), "close")


async def test_a_sync_source_knows_its_reader() -> None:
    source = SyncSourceProbe("ab")
    next(source)
    assert source.pulled_by != ["no task"]


async def test_a_call_takes_its_time_and_gives_its_result() -> None:
    fetch = CallProbe(str.upper, seconds=2)
    assert await fetch("a") == "A"
    assert fetch.spans == [Span("a", 0, 2, "returned")]
    assert (fetch.starts, fetch.ends, fetch.cancelled) == (["a"], ["a"], [])


async def test_a_call_can_take_a_time_of_its_own() -> None:
    fetch = CallProbe[int, int](seconds=lambda item: item * 2)
    assert await fetch(3) == 3
    assert anyio.current_time() == 6


async def test_an_async_function_is_awaited() -> None:
    async def double(item: int) -> int:
        await anyio.sleep(1)
        return item * 2

    assert await CallProbe(double)(3) == 6


def test_a_call_without_time_does_not_suspend() -> None:
    async def main() -> str:
        call = CallProbe[str, str](seconds=None)("a")
        with pytest.raises(StopIteration) as result:
            call.send(None)
        return str(result.value.value)

    assert run_in_virtual_time(main) == "a"


async def test_overlap_order_and_outcome_are_recorded() -> None:
    def fail_for_c(item: str) -> str:
        if item == "c":
            raise ProbeError(item)
        return item

    fetch = CallProbe(fail_for_c, seconds=lambda item: {"a": 3, "b": 1, "c": 2}[item])
    fetch.assert_never_exceeds(0)

    async def fetch_all() -> None:
        async with anyio.create_task_group() as tasks:
            for item in "abc":
                tasks.start_soon(fetch, item)
                await anyio.wait_all_tasks_blocked()

    with pytest.raises(ExceptionGroup):
        await fetch_all()
    assert (fetch.starts, fetch.ends) == (["a", "b", "c"], ["b", "c", "a"])
    assert (fetch.max_overlap, fetch.running) == (3, 0)
    assert fetch.cancelled == ["a"]
    fetch.assert_never_exceeds(3)
    fetch.assert_attains(3)
    fetch.assert_all_ended()
    with pytest.raises(AssertionError, match="3 calls ran at once, more than 2"):
        fetch.assert_never_exceeds(2)
    with pytest.raises(AssertionError, match="only 3 calls ran at once, not 4"):
        fetch.assert_attains(4)


async def test_calls_are_drawn() -> None:
    fetch = CallProbe[str, str](
        lambda item: {"a": "A", "d": "D"}[item],
        seconds=lambda item: {"a": 2, "b": 1, "c": 9, "d": 0}[item],
    )
    await fetch("a")
    with pytest.raises(KeyError):
        await fetch("b")
    with anyio.move_on_after(2):
        await fetch("c")
    await fetch("d")
    await fetch("a")
    assert fetch.render().splitlines() == [
        "a  ==   ==",
        "b    =!",
        "c     ==;",
        "d       .",
    ]
    assert fetch.render(tick=2).splitlines()[0] == "a  = ="
    assert CallProbe[str, str]().render() == ""


async def test_what_still_runs_is_told() -> None:
    fetch = CallProbe[str, str](seconds=4)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(fetch, "a")
        await anyio.sleep(2)
        with pytest.raises(AssertionError, match=r"1 calls still run: \['a'\]\na  >"):
            fetch.assert_all_ended()


async def test_a_cancelled_call_can_take_long_to_end() -> None:
    fetch = CallProbe[str, str](seconds=9, cleanup=3)
    with anyio.move_on_after(2):
        await fetch("a")
    assert fetch.render() == "a  =====;"


@pytest.mark.parametrize(
    ("shielded", "full", "cut", "end"),
    [
        pytest.param(True, 1, 0, 5, id="shielded"),
        pytest.param(False, 0, 1, 2, id="unshielded"),
    ],
)
async def test_a_cancelled_call_cleans_up_in_full_or_is_cut_short(
    shielded: bool,  # noqa: FBT001 - a row of the test
    full: int,
    cut: int,
    end: float,
) -> None:
    fetch = CallProbe[str, str](seconds=9, cleanup=3, shielded=shielded)
    with anyio.move_on_after(2):
        await fetch("a")
    assert anyio.current_time() == end
    assert (fetch.cleanups, fetch.full_cleanups, fetch.cut_cleanups) == (1, full, cut)
    assert fetch.cancelled == ["a"]
    if shielded:
        fetch.assert_cleaned_up()
    else:
        with pytest.raises(AssertionError, match="of 1 cleanups, 1 were cut short"):
            fetch.assert_cleaned_up()


@pytest.mark.parametrize("check", [inspect.iscoroutinefunction, callable])
def test_a_probe_is_taken_for_an_async_function(
    check: Callable[[object], bool],
) -> None:
    assert check(CallProbe(str.upper))
    assert check(CallProbe[str, str]())


async def test_a_barrier_opens_when_all_are_there() -> None:
    barrier = Barrier(2)
    times: list[float] = []

    async def arrive(seconds: float) -> None:
        await anyio.sleep(seconds)
        await barrier.wait()
        times.append(anyio.current_time())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(arrive, 1)
        tasks.start_soon(arrive, 4)
        await anyio.sleep(2)
        assert (barrier.waiting, barrier.is_open) == (1, False)
    assert times == [4, 4]
    assert (barrier.waiting, barrier.most_waiting, barrier.is_open) == (0, 2, True)
    await barrier.wait()


async def test_a_barrier_is_not_opened_by_those_who_left() -> None:
    barrier = Barrier(2)
    for _ in range(3):
        with anyio.move_on_after(1):
            await barrier.wait()
    assert not barrier.is_open


def test_a_barrier_has_a_party() -> None:
    with pytest.raises(ValueError, match="parties must be at least 1, not 0"):
        Barrier(0)


async def test_a_barrier_that_never_opens_is_told() -> None:
    async def call(parties: int) -> None:
        async with anyio.create_task_group() as tasks:
            for _ in range(parties):
                tasks.start_soon(barrier.wait)

    barrier = Barrier(3)
    await barrier.assert_never_opens(lambda: call(2))
    assert barrier.most_waiting == 2
    with pytest.raises(AssertionError, match="3 were there at once"):
        await barrier.assert_never_opens(lambda: call(3))
    barrier = Barrier(3)
    with pytest.raises(AssertionError, match="it ended, although"):
        await barrier.assert_never_opens(lambda: anyio.sleep(1))


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_never_takes_virtual_time(backend: str) -> None:
    barrier = Barrier(3)

    async def main() -> None:
        await barrier.assert_never_opens(barrier.wait)

    with pytest.raises(RuntimeError, match="it needs virtual time"):
        anyio.run(main, backend=backend)


def test_a_barrier_of_the_limit_opens_under_all_schedules() -> None:
    async def main() -> None:
        barrier = Barrier(3)
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(barrier.wait)
        assert barrier.is_open

    explore(main, schedules=20, seed=0)
