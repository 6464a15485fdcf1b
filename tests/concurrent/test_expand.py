"""Calls whose results are items for more calls: each once, and an end by itself."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import anyio
import pytest
from hypothesis import given, settings, strategies as st

import aiterkit as ak
from aiterkit._concurrent.map.state import Frontier
from aiterkit.testing import (
    Barrier,
    CallProbe,
    ProbeError,
    SourceProbe,
    SyncSourceProbe,
    explore,
)

expand = ak.concurrent_expand
LOOSE: Any = ak
any_source = pytest.mark.parametrize("probe", [SourceProbe, SyncSourceProbe])


def below(number: int) -> list[int]:
    """Return the children of *number* in a tree of the numbers up to 40."""
    return [child for child in (3 * number, 3 * number + 1) if 0 < child <= 40]


def reachable(roots: Iterable[int], graph: Callable[[int], list[int]]) -> set[int]:
    seen: set[int] = set()
    left = list(roots)
    while left:
        item = left.pop()
        if item not in seen:
            seen.add(item)
            left += graph(item)
    return seen


def visits(
    graph: Callable[[int], list[int]],
    *,
    seconds: float | Callable[[int], float] = 0,
    cleanup: float = 0,
) -> CallProbe[int, list[int]]:
    return CallProbe(graph, seconds=seconds, cleanup=cleanup)


@any_source
@pytest.mark.parametrize("limit", [1, 2, 7])
@pytest.mark.parametrize("buffer", [0, None])
def test_every_item_reached_is_given_once_and_it_ends(
    probe: Any, limit: int, buffer: int | None
) -> None:
    async def test() -> None:
        roots = probe([1, 2, 20])
        call = visits(below, seconds=lambda item: item % 3)
        async with expand(call, roots, limit=limit, buffer=buffer) as results:
            got = [item async for item in results]
        trees = [reachable([root], below) for root in (1, 2, 20)]
        assert sorted(got) == sorted(item for tree in trees for item in tree)
        assert call.ends == got
        call.assert_never_exceeds(limit)
        roots.assert_well_used()
        if probe is SourceProbe:
            roots.assert_closed_once()
            roots.assert_one_reader()

    explore(test, schedules=8, seed=1)


@settings(max_examples=40, deadline=None)
@given(
    edges=st.lists(st.lists(st.integers(0, 9), max_size=4), min_size=10, max_size=10),
    roots=st.lists(st.integers(0, 9), max_size=4),
    durations=st.lists(st.integers(0, 3), min_size=10, max_size=10),
    gap=st.sampled_from([None, 0, 2]),
    limit=st.integers(1, 4),
)
async def test_whatever_the_graph_with_a_key_each_node_is_given_once(
    edges: list[list[int]],
    roots: list[int],
    durations: list[int],
    gap: float | None,
    limit: int,
) -> None:
    call = visits(edges.__getitem__, seconds=durations.__getitem__)
    source = SourceProbe(roots, gap=gap)
    async with expand(call, source, limit=limit, key=lambda item: item) as results:
        got = [item async for item in results]
        statistics = results.statistics()
    assert sorted(got) == sorted(reachable(roots, edges.__getitem__))
    assert got == call.ends
    call.assert_never_exceeds(limit)
    source.assert_closed_once()
    assert (statistics.taken, statistics.delivered) == (len(got), len(got))
    assert statistics.waiting == statistics.running == statistics.dropped == 0


async def test_limit_calls_meet_as_soon_as_so_many_are_reached() -> None:
    barrier = Barrier(3)

    async def call(item: int) -> list[int]:
        if item == 0:
            return [1, 2, 3]
        await barrier.wait(item)
        return []

    async with expand(call, [0], limit=3) as results:
        assert sorted([item async for item in results]) == [0, 1, 2, 3]
    assert barrier.is_open


async def test_what_is_reached_first_is_visited_first() -> None:
    call = visits(below, seconds=1)
    async with expand(call, [1], limit=1) as results:
        got = [item async for item in results]
    assert (
        got == call.starts == [1, 3, 4, 9, 10, 12, 13, 27, 28, 30, 31, 36, 37, 39, 40]
    )


async def test_children_do_not_wait_for_a_root_that_is_late() -> None:
    call = visits(below, seconds=1)
    async with expand(call, SourceProbe([5, 7], gap=[0, 50, 0]), limit=2) as results:
        got = [(item, anyio.current_time()) async for item in results]
    got.sort(key=lambda each: (each[1], each[0]))
    assert got == [(5, 1), (15, 2), (16, 2), (7, 51), (21, 52), (22, 52)]


@any_source
async def test_a_root_is_read_only_when_nothing_else_waits(probe: Any) -> None:
    roots = probe([1, 2, 20])
    call = visits(below, seconds=1)
    async with expand(call, roots, limit=1, buffer=0) as results:
        for count in range(1, 16):
            await anyio.sleep(100)
            assert len(roots.taken) == 1 + (count > 15)
            await anext(results)
        await anyio.sleep(100)
        assert len(roots.taken) == 2


async def test_the_reader_holds_the_calls_back() -> None:
    call = visits(lambda item: [item + 1, item + 1], seconds=1)
    async with expand(call, [0], limit=2, buffer=3) as results:
        await anyio.sleep(1000)
        assert len(call.spans) == 5
        now = results.statistics()
        assert (now.taken, now.running, now.delivered) == (11, 0, 0)
        assert (now.waiting_to_start, now.waiting_for_reader) == (6, 5)
        await anext(results)
        await anyio.sleep(0.5)
        now = results.statistics()
        assert (now.taken, now.running, now.delivered) == (11, 1, 1)
        assert (now.waiting_to_start, now.waiting_for_reader) == (5, 4)
        assert now.running_items == (2,)


async def test_it_gives_results_while_a_call_goes_on() -> None:
    call = visits(below, seconds=lambda item: 1000 if item == 3 else 1)
    async with expand(call, [1], limit=2) as results:
        got = [await anext(results) for _ in range(8)]
        assert 3 not in got
        assert anyio.current_time() == 8


async def test_an_error_of_a_call_comes_after_what_had_finished() -> None:
    def graph(item: int) -> list[int]:
        if item == 4:
            raise ProbeError(item)
        return below(item)

    got: list[int] = []
    call = visits(graph, seconds=lambda item: 2 if item == 4 else 1, cleanup=1)
    roots = SourceProbe([1, 2])
    with pytest.raises(ProbeError) as caught:
        async with expand(call, roots, limit=9) as results:
            async for item in results:
                got.append(item)
    assert caught.value.__context__ is None
    assert got[:3] == [1, 2, 3] or got[:3] == [2, 1, 3]
    assert 4 not in got
    call.assert_all_ended()
    roots.assert_closed_once()


async def test_the_roots_are_closed_after_the_last_call() -> None:
    call = visits(below, seconds=1, cleanup=5)

    class Source(SourceProbe[int]):
        def _note_close(self) -> None:
            assert call.running == 0
            super()._note_close()

    for hang_at in (1, None):
        roots = Source([1, 2, 4], hang_at=hang_at)
        with anyio.move_on_after(2.5):
            async with expand(call, roots, limit=2) as results:
                async for _ in results:
                    pass
        roots.assert_closed_once()


@pytest.mark.parametrize("at_the_roots", [True, False])
async def test_an_error_of_key_is_raised_to_the_reader(
    at_the_roots: bool,  # noqa: FBT001 - a parameter of a test
) -> None:
    def key(item: int) -> int:
        return 1 // item

    call = visits(lambda _: [0])
    roots = SourceProbe([0, 5] if at_the_roots else [1])
    async with expand(call, roots, limit=2, key=key) as results:
        with pytest.raises(ZeroDivisionError):
            await anext(results)
        with pytest.raises(StopAsyncIteration):
            await anext(results)
        await anyio.sleep(1)
    assert len(call.spans) == (not at_the_roots)
    assert len(roots.taken) == 1
    roots.assert_closed_once()


async def test_a_key_that_ends_the_program_does() -> None:
    def key(_item: int) -> int:
        raise KeyboardInterrupt

    roots = SourceProbe([1])
    with pytest.raises(KeyboardInterrupt):
        async with expand(visits(below), roots, limit=1, key=key):
            await anyio.sleep_forever()
    roots.assert_closed_once()


async def test_more_than_max_waiting_is_an_error_that_says_so() -> None:
    call = visits(lambda item: [item] * 3)
    async with expand(call, [1], limit=1, buffer=0, max_waiting=5) as results:
        with pytest.raises(RuntimeError) as caught:
            async for _ in results:
                pass
    assert str(caught.value) == (
        "more than 5 items wait to be visited, which is the max_waiting of "
        "concurrent_expand()"
    )


async def test_a_sync_function_is_refused_with_its_correction() -> None:
    async with LOOSE.concurrent_expand(below, [1], limit=1) as results:
        with pytest.raises(TypeError, match="needs an async function; for a sync one"):
            await anext(results)


async def test_what_is_no_iterable_is_an_error() -> None:
    async def func(item: int) -> int:
        return item

    async with LOOSE.concurrent_expand(func, [1], limit=1) as results:
        with pytest.raises(TypeError) as caught:
            await anext(results)
    assert str(caught.value) == (
        "concurrent_expand() needs a func that returns an iterable of items, not 1; "
        "for results of another kind, give follow=, a function that returns the items "
        "to which a result leads"
    )


@any_source
@pytest.mark.parametrize("limit", [1, 3])
def test_with_follow_results_are_given_and_lead_to_items(
    probe: Any, limit: int
) -> None:
    async def test() -> None:
        roots = probe([1, 2, 20])
        call = CallProbe[int, str](str, seconds=lambda item: item % 3)
        async with expand(
            call, roots, limit=limit, follow=lambda text: below(int(text))
        ) as results:
            got = [text async for text in results]
        trees = [reachable([root], below) for root in (1, 2, 20)]
        assert sorted(map(int, got)) == sorted(item for tree in trees for item in tree)
        assert got == [str(item) for item in call.ends]
        call.assert_never_exceeds(limit)
        roots.assert_well_used()

    explore(test, schedules=6, seed=1)


async def test_with_follow_and_key_circles_end() -> None:
    call = CallProbe[int, tuple[int, list[int]]](lambda item: (item, [1 - item] * 2))
    async with expand(
        call, [0], limit=2, follow=lambda found: found[1], key=int
    ) as results:
        assert [found async for found in results] == [(0, [1, 1]), (1, [0, 0])]


async def test_a_failed_call_is_a_result_that_may_lead_nowhere() -> None:
    def graph(item: int) -> list[int]:
        if item == 3:
            raise ProbeError(item)
        return below(item)

    def found(outcome: ak.Ok[list[int], int] | ak.Err[Exception, int]) -> list[int]:
        return outcome.value if isinstance(outcome, ak.Ok) else []

    call = ak.captured(visits(graph, seconds=1), ProbeError)
    async with expand(call, [1], limit=2, follow=found) as results:
        got = {outcome.item: isinstance(outcome, ak.Ok) async for outcome in results}
    assert got == {1: True, 3: False, 4: True} | dict.fromkeys(
        reachable([12, 13], below), True
    )


@pytest.mark.parametrize("fails", ["func", "iteration"])
async def test_an_error_of_follow_is_told_to_the_reader(fails: str) -> None:
    def follow(_result: list[int]) -> Iterator[int]:
        if fails == "func":
            raise ProbeError
        return broken()

    def broken() -> Iterator[int]:
        yield 5
        raise ProbeError

    call = visits(below, seconds=1, cleanup=2)
    roots = SourceProbe([1, 2])
    async with expand(call, roots, limit=1, follow=follow) as results:
        with pytest.raises(ProbeError):
            await anext(results)
        with pytest.raises(StopAsyncIteration):
            await anext(results)
    assert len(call.spans) == 1
    call.assert_all_ended()
    roots.assert_closed_once()


async def test_after_a_failure_no_further_root_is_read() -> None:
    async def visit(item: int) -> list[int]:
        if item == 3:
            raise ProbeError
        try:
            await anyio.sleep(1000)
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(10)
        return []

    roots = SourceProbe(range(9), gap=0.4)
    with pytest.raises(ProbeError):
        async with expand(visit, roots, limit=9) as results:
            async for _ in results:
                pass
    assert roots.taken == [0, 1, 2, 3]
    roots.assert_closed_once()


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({}, TypeError, "limit"),
        ({"limit": 0}, ValueError, "limit must be at least 1, not 0"),
        ({"limit": 1, "buffer": -1}, ValueError, "buffer must be at least 0, not -1"),
        ({"limit": 1, "max_waiting": 0}, ValueError, "max_waiting must be at least 1"),
        ({"limit": 1, "key": 5}, TypeError, "key must be callable, not 5"),
        ({"limit": 1, "follow": 5}, TypeError, "follow must be callable, not 5"),
    ],
)
def test_what_makes_no_sense_is_refused_at_the_call(
    options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        LOOSE.concurrent_expand(visits(below), [1], **options)
    with pytest.raises(TypeError, match="func must be callable, not 5"):
        LOOSE.concurrent_expand(5, [1], limit=1)


def test_a_frontier_is_over_when_nothing_waits_runs_or_comes() -> None:
    frontier = Frontier[str](str.lower, max_waiting=2)
    for item in "aAb":
        frontier.add(item)
    with pytest.raises(RuntimeError, match="more than 2 items"):
        frontier.add("c")
    assert (frontier.visit(), frontier.visit()) == ("a", "b")
    frontier.add("B")
    assert (frontier.reached, frontier.visiting, len(frontier.waiting)) == (2, 2, 0)
    frontier.roots_ended = True
    assert not frontier.is_over
    frontier.visiting = 0
    assert frontier.is_over


@pytest.mark.parametrize(
    "wrong", [{"limit": 0}, {"limit": 1, "buffer": -1}, {"limit": 1, "max_waiting": 0}]
)
def test_the_roots_are_not_opened_when_an_argument_is_wrong(wrong: Any) -> None:
    class RootsSink:
        def __aiter__(self) -> Any:
            raise AssertionError("opened")

    async def leaf(_: int) -> list[int]:
        return []

    with pytest.raises(ValueError, match="must be at least"):
        ak.concurrent_expand(leaf, RootsSink(), **wrong)
