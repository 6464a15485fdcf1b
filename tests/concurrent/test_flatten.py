"""A source for each item: how many at once, in which order, closed in which order."""

import contextvars
import weakref
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from anyio import CapacityLimiter
from hypothesis import given, settings, strategies as st

import aiterkit as ak
from aiterkit.testing import SourceProbe, explore

from ..helpers import (  # noqa: TID252 - tests stand on no path
    Boom,
    Thing,
    Things,
    any_source,
    at_the_tail,
    collect_repr as collect,
)

number: contextvars.ContextVar[int] = contextvars.ContextVar("number", default=0)
both = pytest.mark.parametrize(
    "make", [ak.concurrent_flat_map, ak.concurrent_flat_map_unordered]
)


def two_of(item: int) -> list[int]:
    return [item, item]


def fail() -> None:
    raise Boom


class Inner:
    """Inner sources that are remembered."""

    def __init__(self, size: int = 3, **options: Any) -> None:
        self.size = size
        self.options = options
        self.made: dict[int, SourceProbe[tuple[int, int]]] = {}
        self.most = 0

    def __call__(self, item: int) -> SourceProbe[tuple[int, int]]:
        items = [(item, place) for place in range(self.size)]
        self.made[item] = SourceProbe(items, **self.options)
        self.most = max(self.most, self.open)
        return self.made[item]

    @property
    def open(self) -> int:
        return sum(not source.closes for source in self.made.values())


@both
@any_source
@pytest.mark.parametrize("limit", [1, 3])
async def test_limit_inner_sources_are_read_at_once_and_no_more(
    make: Any, probe: Any, limit: int
) -> None:
    inner, source = Inner(gap=1, close_delay=1), probe(range(6))
    async with make(inner, source, limit=limit, buffer=9) as results:
        got, error = await collect(results)
    assert sorted(got) == [(item, place) for item in range(6) for place in range(3)]
    assert not error
    assert inner.most == limit
    for opened in inner.made.values():
        opened.assert_closed_once()
        opened.assert_one_reader()
        opened.assert_well_used()


@both
@pytest.mark.parametrize("buffer", [0, 2])
async def test_sources_are_read_ahead_up_to_their_bounds(
    make: Any, buffer: int
) -> None:
    inner, source = Inner(9, gap=None), SourceProbe(range(9), gap=None)
    async with make(inner, source, limit=2, buffer=buffer) as results:
        await anyio.sleep(9)
        assert len(source.taken) == 2
        assert [len(opened.taken) for opened in inner.made.values()] == [1 + buffer] * 2
        await anext(results)
        await anyio.sleep(9)
        assert len(inner.made[0].taken) == 2 + buffer


def fifths(number: int) -> list[int]:
    return [number] * (number % 5 == 4)


def unreadable(number: int) -> Any:
    return [number] if number < 2 else number


@both
async def test_few_items_start_few_tasks(make: Any) -> None:
    def readers() -> int:
        tasks = anyio.get_running_tasks()
        return sum("inner source" in str(task.name) for task in tasks)

    inner = Inner(gap=1)
    async with make(inner, range(3), limit=99) as results:
        await anyio.sleep(0.5)
        assert inner.open == 3
        assert readers() <= 3 + 1  # the last looked for a fourth
        assert len((await collect(results))[0]) == 9


@both
@any_source
async def test_empty_sources_without_number_starve_nobody(
    make: Any, probe: Any
) -> None:
    made = 0

    class Empty(AsyncIterator[int]):
        async def __anext__(self) -> int:
            raise StopAsyncIteration

    def empty(_item: int) -> Empty:
        nonlocal made
        made += 1
        return Empty()

    async def stop() -> None:
        for _ in range(9):
            await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stop)
        async with make(empty, probe(range(10_000)), limit=2) as results:
            await collect(results)
    assert 0 < made < 5_000


@both
async def test_empty_inner_sources_hold_up_nothing(make: Any) -> None:
    async with make(fifths, range(20), limit=2) as results:
        assert await collect(results) == ([4, 9, 14, 19], "")


@both
@pytest.mark.parametrize("kind", ["list", "async", "awaitable"])
async def test_an_inner_source_may_be_anything_that_can_be_read(
    make: Any, kind: str
) -> None:
    async def later(item: int) -> list[int]:
        await anyio.sleep(1)
        return [item]

    kinds: dict[str, Any] = {
        "list": lambda item: [item],  # pyright: ignore[reportUnknownLambdaType]
        "async": lambda item: SourceProbe([item]),  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
        "awaitable": later,
    }
    async with make(kinds[kind], range(3), limit=1) as results:
        assert await collect(results) == ([0, 1, 2], "")


@both
@any_source
@pytest.mark.parametrize("limit", [1, 2, 3])
async def test_as_many_inner_sources_as_are_read_may_wait_for_you(
    make: Any, probe: Any, limit: int
) -> None:
    inner = Inner(1, gap=None)
    async with make(inner, probe(range(20)), limit=limit, buffer=1) as results:
        for taken in range(9):
            await anyio.sleep(9)
            assert list(inner.made) == list(range(taken + 2 * limit))
            assert {source.closes for source in inner.made.values()} == {1}
            await anext(results)


@any_source
async def test_behind_a_slow_source_others_are_read_until_as_many_wait(
    probe: Any,
) -> None:
    made: list[int] = []

    def inner(item: int) -> SourceProbe[int]:
        made.append(item)
        return SourceProbe([item], gap=None if item else 100)

    async with ak.concurrent_flat_map(inner, probe(range(9)), limit=2) as results:
        await anyio.sleep(50)
        assert made == [0, 1, 2, 3]
        assert [item async for item in results] == list(range(9))


@any_source
async def test_what_others_leave_behind_unseen_makes_room_at_once(probe: Any) -> None:
    made: list[int] = []

    def inner(item: int) -> SourceProbe[int]:
        made.append(item)
        if item:
            return SourceProbe[int]([], gap=None)
        return SourceProbe[int]([], gap=50, close_delay=100)

    async with ak.concurrent_flat_map(inner, probe(range(9)), limit=2) as results:
        await anyio.sleep(40)
        assert made == [0, 1, 2, 3]
        await anyio.sleep(60)  # the first has ended, and is being closed
        assert made == [*range(9)]
        assert [item async for item in results] == []


@both
@any_source
async def test_a_closed_source_waits_no_longer_when_its_last_item_is_taken(
    make: Any, probe: Any
) -> None:
    made: list[int] = []

    def inner(item: int) -> SourceProbe[int]:
        made.append(item)
        return SourceProbe([item], gap=[10 if item else 0, 0])

    async with make(inner, probe(range(5)), limit=1, buffer=1) as results:
        await anyio.sleep(3)  # the first is closed, and the second being read
        assert await anext(results) == 0
        await anyio.sleep(20)
        assert made == [0, 1, 2]


@both
async def test_inner_sources_are_closed_before_the_outer_one(make: Any) -> None:
    closed: list[str] = []

    class Noted(SourceProbe[int]):
        async def aclose(self) -> None:
            await super().aclose()
            closed.append("inner")

    class Outer(SourceProbe[int]):
        async def aclose(self) -> None:
            closed.append("outer")
            await super().aclose()

    def inner(item: int) -> SourceProbe[int]:
        return Noted(range(9), gap=1, close_delay=5 + item)

    outer = Outer(range(9))
    async with make(inner, outer, limit=3) as results:
        await anext(results)
    assert closed == ["inner", "inner", "inner", "outer"]
    outer.assert_closed_once()


@both
@any_source
@pytest.mark.parametrize("late", [False, True])
async def test_an_error_of_the_function_is_raised(
    make: Any,
    probe: Any,
    late: bool,  # noqa: FBT001
) -> None:
    source = probe(range(9))

    async def fail(item: int) -> list[int]:
        if late:
            await anyio.sleep(1)
        if item == 1:
            raise Boom(item)
        return [item]

    async with make(fail, source, limit=1) as results:
        assert await collect(results) == ([0], "Boom(1)")
        with pytest.raises(StopAsyncIteration):
            await anext(results)
        assert source.taken == [0, 1]


@both
@any_source
async def test_an_error_of_the_outer_source_comes_in_the_place_of_its_next_item(
    make: Any, probe: Any
) -> None:
    source = probe(range(9), fail_at=2, error=Boom())
    async with make(Inner(size=1), source, limit=1) as results:
        assert await collect(results) == ([(0, 0), (1, 0)], "Boom()")
        with pytest.raises(StopAsyncIteration):
            await anext(results)
    assert source.taken == [0, 1]


@both
async def test_what_ends_the_program_in_a_sync_outer_source_leaves_the_block(
    make: Any,
) -> None:
    def source() -> Iterator[int]:
        yield 0
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        async with make(Inner(size=1), source(), limit=1) as results:
            await collect(results)


@both
async def test_what_cannot_be_read_is_an_error_in_its_place(make: Any) -> None:
    async with make(unreadable, range(9), limit=1) as results:
        got, error = await collect(results)
    assert got == [0, 1]
    assert "func must return an iterable, sync or async, not 'int'" in error


async def test_in_order_an_error_comes_at_its_place_and_stops_later_ones() -> None:
    def func(item: int) -> SourceProbe[int]:
        gap = [5, 1, 100][item]
        error = Boom(item) if item == 1 else None
        return SourceProbe([item], gap=gap, error=error)

    async with ak.concurrent_flat_map(func, range(3), limit=3) as results:
        assert await collect(results) == ([0, 1], "Boom(1)")
    assert anyio.current_time() < 20


async def test_in_order_an_earlier_error_makes_a_later_one_late() -> None:
    def func(item: int) -> SourceProbe[int]:
        return SourceProbe([], gap=9 - item, error=Boom(item))

    with pytest.raises(Boom, match="0") as caught:
        async with ak.concurrent_flat_map(func, range(2), limit=2) as results:
            await anext(results)
    assert at_the_tail(caught.value) == ["Boom(1)"]


async def test_by_arrival_the_first_error_stops_all_others() -> None:
    async def slow(_item: int) -> list[int]:
        await anyio.sleep(100)
        raise AssertionError

    def func(item: int) -> Any:
        if item == 2:
            return SourceProbe([item], gap=2, error=Boom(item))
        return slow(item) if item else SourceProbe(range(99), gap=50)

    block = ak.concurrent_flat_map_unordered(func, range(3), limit=3)
    async with block as results:
        assert await collect(results) == ([2], "Boom(2)")
    assert anyio.current_time() == 4


@both
@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
async def test_what_ends_the_program_leaves_the_block_bare(
    make: Any, kind: type[BaseException]
) -> None:
    async def func(_item: int) -> list[int]:
        await anyio.sleep(1)
        raise kind

    with pytest.raises(kind):
        async with make(func, range(3), limit=2):
            await anyio.sleep(100)
    assert anyio.current_time() == 1


@both
async def test_a_call_that_answers_its_interruption_with_an_error_hangs_at_the_tail(
    make: Any,
) -> None:
    async def func(item: int) -> list[int]:
        try:
            await anyio.sleep(1 + item)
        except anyio.get_cancelled_exc_class():
            raise KeyError(item) from None
        raise Boom(item)

    with pytest.raises(Boom, match="0") as caught:
        async with make(func, range(2), limit=2) as results:
            await anext(results)
    assert at_the_tail(caught.value) == ["KeyError(1)"]


@both
async def test_a_cancellation_in_a_call_is_raised_to_a_reader_that_reads_on(
    make: Any,
) -> None:
    async def func(_item: int) -> list[int]:
        await anyio.sleep(100)
        return []

    with anyio.CancelScope() as outer:
        async with make(func, range(2), limit=1) as results:
            await anyio.sleep(1)
            outer.cancel()
            with anyio.CancelScope(shield=True):
                await anyio.sleep(1)
                seen = await collect(results)
                assert seen[0] == []
                assert "was cancelled from outside" in seen[1]


@both
async def test_what_is_made_when_it_is_too_late_is_closed_unread(make: Any) -> None:
    made = SourceProbe("ab")

    async def func(item: int) -> Any:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(1 + item)
        if item == 0:
            raise Boom(item)
        return made

    async with make(func, range(2), limit=2) as results:
        assert await collect(results) == ([], "Boom(0)")
    made.assert_closed_once()
    assert made.pulls == 0


@both
async def test_many_inner_sources_share_a_few_tasks(make: Any) -> None:
    tasks: set[int] = set()

    async def items(item: int) -> Any:
        for place in range(3):
            tasks.add(anyio.get_current_task().id)
            await anyio.sleep(place)
            yield item, place

    expected = [(item, place) for item in range(30) for place in range(3)]
    async with make(items, range(30), limit=3) as results:
        assert sorted([item async for item in results]) == expected
    assert len(tasks) <= 3


@both
@pytest.mark.parametrize("limit", [2, 3, 5, 10])
@pytest.mark.parametrize("size", [0, 1, 2, 10])
async def test_many_inner_sources_that_never_suspend_wait_for_nothing(
    make: Any, size: int, limit: int
) -> None:
    inner = Inner(size=size, gap=None)
    async with make(inner, range(30), limit=limit) as results:
        got, error = await collect(results)
    assert (len(got), error) == (30 * size, "")


async def generated(item: int) -> AsyncIterator[int]:
    yield item
    await anyio.sleep(item * 1_000)


def probed(item: int) -> SourceProbe[int]:
    return SourceProbe([item], gap=[0, item * 1_000])


@both
@pytest.mark.parametrize("items", [generated, probed])
async def test_a_later_inner_source_can_be_interrupted(make: Any, items: Any) -> None:
    start = anyio.current_time()
    async with make(items, [0, 0, 1], limit=1) as results:
        assert [await anext(results) for _ in range(3)] == [0, 0, 1]
        await anyio.sleep(1)
    assert anyio.current_time() - start == 1


@both
async def test_nothing_is_called_when_it_is_too_late(make: Any) -> None:
    called: list[int] = []

    def items(item: int) -> list[int]:
        called.append(item)
        raise Boom

    source = SourceProbe(range(3), gap=None)
    async with make(items, source, limit=3) as results:
        assert await collect(results) == ([], "Boom()")
    assert called == [0] or (len(called) == 1 and make is not ak.concurrent_flat_map)


@both
async def test_each_inner_source_sees_the_context_at_entry(make: Any) -> None:
    class Source(SourceProbe[int]):
        async def __anext__(self) -> int:
            number.set(99)
            return await super().__anext__()

    def func(_item: int) -> list[int]:
        before = number.get()
        number.set(7)
        return [before]

    number.set(42)
    async with make(func, Source(range(3)), limit=1) as results:
        assert await collect(results) == ([42] * 3, "")
    assert number.get() == 42


@both
@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"limit": 0}, ValueError, "limit must be at least 1, not 0"),
        ({"limit": 1, "buffer": -1}, ValueError, "buffer must be at least 0, not -1"),
        (
            {"limit": None},
            TypeError,
            "limit must be an int or an anyio.CapacityLimiter, not None",
        ),
    ],
)
def test_bad_arguments_are_refused_at_the_call(
    make: Any, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as caught:
        make(list, "ab", **options)
    assert str(caught.value) == message
    with pytest.raises(TypeError, match="func must be callable"):
        make(None, "ab", limit=1)


@settings(max_examples=80, deadline=None)
@given(
    plans=st.lists(
        st.tuples(st.lists(st.integers(0, 3), max_size=4), st.booleans()), max_size=5
    ),
    limit=st.integers(1, 3),
    buffer=st.integers(0, 2),
    pause=st.integers(0, 2),
)
async def test_items_and_error_are_those_of_the_sequential_twin(
    plans: list[tuple[list[int], bool]], limit: int, buffer: int, pause: int
) -> None:
    def func(item: int) -> SourceProbe[tuple[int, int]]:
        gaps, fails = plans[item]
        items = [(item, place) for place in range(len(gaps))]
        return SourceProbe(items, gap=[*gaps, 1], error=Boom(item) if fails else None)

    def source() -> SourceProbe[int]:
        return SourceProbe(range(len(plans)))

    sequential = await collect(ak.aflat_map(func, source()))
    probe = source()
    block = ak.concurrent_flat_map(func, probe, limit=limit, buffer=buffer)
    async with block as results:
        await anyio.sleep(pause)
        assert await collect(results) == sequential
    probe.assert_closed_once()
    other = source()
    unordered = ak.concurrent_flat_map_unordered(
        func, other, limit=limit, buffer=buffer
    )
    async with unordered as arrivals:
        got, error = await collect(arrivals)
    if not sequential[1]:
        assert sorted(got) == sequential[0]
    assert bool(error) == bool(sequential[1])
    for item in range(len(plans)):
        places = [place for who, place in got if who == item]
        assert places == list(range(len(places)))


@both
@pytest.mark.parametrize("strategy", ["random", "pct"])
def test_under_every_schedule_nothing_is_lost(make: Any, strategy: Any) -> None:
    async def test() -> None:
        inner = Inner(gap=0.0)
        outer = SourceProbe(range(5), gap=None)
        async with make(inner, outer, limit=2, buffer=1) as results:
            got, error = await collect(results)
        assert not error
        everything = [(item, place) for item in range(5) for place in range(3)]
        assert sorted(got) == everything
        assert got == everything or make is not ak.concurrent_flat_map
        assert inner.most <= 2
        outer.assert_closed_once()

    explore(test, schedules=10, strategy=strategy, seed=1)


@both
async def test_an_item_whose_source_is_closed_is_kept_alive_by_nobody(
    make: Any,
) -> None:
    things = Things()

    async def inner(thing: Thing) -> AsyncIterator[int]:
        yield things.given.index(weakref.ref(thing))

    async with make(inner, things, limit=2) as results:
        assert [await anext(results) for _ in range(2)] == [0, 1]
        await anyio.wait_all_tasks_blocked()
        assert things.given[0]() is None
        things.may_end.set()


# A limiter as the limit: a token for each inner source that is open.


@both
@any_source
@pytest.mark.parametrize("tokens", [1, 3])
async def test_as_many_inner_sources_are_open_as_there_are_tokens(
    make: Any, probe: Any, tokens: int
) -> None:
    limiter = CapacityLimiter(tokens)
    inner, source = Inner(gap=1, close_delay=1), probe(range(6))
    async with make(inner, source, limit=limiter, buffer=9) as results:
        got, error = await collect(results)
    assert sorted(got) == [(item, place) for item in range(6) for place in range(3)]
    assert not error
    assert inner.most == tokens
    assert anyio.current_time() == 6 / tokens * (1 + 3 + 1)
    assert limiter.borrowed_tokens == 0
    for opened in inner.made.values():
        opened.assert_closed_once()
        opened.assert_one_reader()
        opened.assert_well_used()


@both
@any_source
def test_under_every_schedule_a_limiter_gives_what_its_tokens_as_limit_do(
    make: Any, probe: Any
) -> None:
    async def test() -> None:
        limiter = CapacityLimiter(2)
        inner, source = Inner(gap=[0, 1, 0, 0]), probe(range(5))
        async with make(inner, source, limit=limiter) as results:
            got, error = await collect(results)
        everything = [(item, place) for item in range(5) for place in range(3)]
        assert (got if make is ak.concurrent_flat_map else sorted(got)) == everything
        assert not error
        assert inner.most <= 2
        assert limiter.borrowed_tokens == 0
        source.assert_well_used()

    explore(test, schedules=10, seed=1)


@any_source
def test_flat_maps_in_input_order_that_share_one_limiter_end(probe: Any) -> None:
    async def test() -> None:
        limiter = CapacityLimiter(2)

        async def run() -> None:
            inner = Inner(4, gap=0)
            async with ak.concurrent_flat_map(
                inner, probe(range(4)), limit=limiter, buffer=0
            ) as results:
                got, _ = await collect(results)
            assert got == [(item, place) for item in range(4) for place in range(4)]

        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(run)
        assert limiter.borrowed_tokens == 0

    explore(test, schedules=6, seed=1)


@both
@any_source
async def test_a_limiter_that_is_resized_is_heeded_at_once(
    make: Any, probe: Any
) -> None:
    limiter = CapacityLimiter(1)
    inner = Inner(gap=10)
    async with make(inner, probe(range(9)), limit=limiter) as results:
        await anyio.sleep(1)
        assert inner.open == 1
        limiter.total_tokens = 3
        await anyio.sleep(1)
        now: ak.FlatMapStatistics = results.statistics()
        assert (inner.open, now.open, now.limit) == (3, 3, 3)
        limiter.total_tokens = 1
        async for _ in results:
            if anyio.current_time() > 60:
                assert inner.open <= 1
    assert limiter.borrowed_tokens == 0


@both
@any_source
async def test_a_limiter_without_tokens_is_a_pause(make: Any, probe: Any) -> None:
    limiter = CapacityLimiter(1)
    limiter.total_tokens = 0
    inner, source = Inner(gap=0), probe(range(3))
    async with make(inner, source, limit=limiter) as results:
        await anyio.sleep(9)
        assert not source.taken
        limiter.total_tokens = 2
        assert len((await collect(results))[0]) == 9


@both
async def test_inner_sources_wait_for_their_tokens_in_order(make: Any) -> None:
    limiter = CapacityLimiter(3)
    for other in range(3):
        await limiter.acquire_on_behalf_of(f"another, number {other}")
    inner, source = Inner(gap=10), SourceProbe(range(9), gap=None)
    async with make(inner, source, limit=limiter) as results:
        await anyio.sleep(1)
        now: ak.FlatMapStatistics = results.statistics()
        assert (now.opened, now.open, now.waiting_to_open) == (0, 0, 3)
        assert source.taken == [0, 1, 2]
        limiter.release_on_behalf_of("another, number 0")
        await anyio.sleep(1)
        now = results.statistics()
        assert (now.opened, now.open, now.waiting_to_open) == (1, 1, 2)
        assert list(inner.made) == [0]
    assert limiter.borrowed_tokens == 2
    assert limiter.statistics().tasks_waiting == 0


@both
@any_source
async def test_a_block_can_be_left_while_it_waits_for_tokens(
    make: Any, probe: Any
) -> None:
    limiter = CapacityLimiter(1)
    await limiter.acquire_on_behalf_of("another")
    inner, source = Inner(), probe(range(9))
    async with make(inner, source, limit=limiter):
        await anyio.sleep(1)
        assert limiter.statistics().tasks_waiting == 1
    assert limiter.statistics().tasks_waiting == 0
    assert not inner.made


@both
@any_source
@pytest.mark.parametrize("exit_by", ["break", "error", "cancel", "inner error"])
async def test_every_way_out_returns_the_tokens(
    make: Any, probe: Any, exit_by: str
) -> None:
    limiter = CapacityLimiter(3)
    fails: dict[str, Any] = {"error": Boom()} if exit_by == "inner error" else {}
    inner, source = Inner(gap=1, close_delay=2, **fails), probe(range(9))
    await limiter.acquire_on_behalf_of("another")  # so that one waits for a token
    with anyio.move_on_after(2.5 if exit_by == "cancel" else 99):
        with suppress(Boom):
            async with make(inner, source, limit=limiter, buffer=9) as results:
                async for _ in results:
                    if exit_by == "break":
                        break
                    if exit_by == "error":
                        fail()
    assert limiter.borrowed_tokens == 1
    assert limiter.statistics().tasks_waiting == 0
    for opened in inner.made.values():
        opened.assert_closed_once()
    source.assert_well_used()


@both
@any_source
async def test_a_failing_outer_source_leaves_none_that_waits_for_a_token(
    make: Any, probe: Any
) -> None:
    limiter = CapacityLimiter(2)
    await limiter.acquire_on_behalf_of("another")
    inner, source = Inner(gap=1), probe(range(2), error=Boom())
    async with make(inner, source, limit=limiter) as results:
        got, error = await collect(results)
    assert error == "Boom()"
    if make is ak.concurrent_flat_map:
        assert got == [(item, place) for item in range(2) for place in range(3)]
    assert limiter.borrowed_tokens == 1
    assert limiter.statistics().tasks_waiting == 0


@both
async def test_a_failing_inner_source_leaves_none_that_waits_for_a_token(
    make: Any,
) -> None:
    def inner(item: int) -> SourceProbe[int]:
        return SourceProbe([item], gap=1, error=Boom())

    limiter = CapacityLimiter(3)
    await limiter.acquire_on_behalf_of("another")
    source = SourceProbe(range(9), gap=None)
    async with make(inner, source, limit=limiter) as results:
        got, error = await collect(results)
        now: ak.FlatMapStatistics = results.statistics()
        assert (now.open, now.waiting_to_open) == (0, 0)
    assert error == "Boom()"
    assert got in ([0], [0, 1], [1, 0])
    assert limiter.borrowed_tokens == 1
    source.assert_closed_once()


@both
async def test_who_holds_a_token_is_refused(make: Any) -> None:
    limiter = CapacityLimiter(2)
    inner = Inner()
    async with limiter:
        with pytest.raises(RuntimeError, match="could wait for ever"):
            async with make(inner, range(3), limit=limiter):
                pass

    async def nested(_: int) -> AsyncIterator[Any]:
        async with make(inner, range(3), limit=limiter) as results:
            async for result in results:
                yield result

    async with make(nested, range(3), limit=limiter) as results:
        with pytest.raises(RuntimeError, match="holds a token of its limiter"):
            await anext(results)
    assert not inner.made
    assert limiter.borrowed_tokens == 0


@both
async def test_calls_of_an_inner_source_need_a_limiter_of_their_own(make: Any) -> None:
    limiter = CapacityLimiter(2)

    async def echo(item: int) -> int:
        raise AssertionError(item)

    async def mapped(_: int) -> AsyncIterator[int]:
        async with ak.concurrent_map(echo, range(3), limit=limiter) as results:
            async for result in results:
                yield result

    async with make(mapped, range(3), limit=limiter) as results:
        with pytest.raises(RuntimeError, match="holds a token of its limiter"):
            await anext(results)
    assert limiter.borrowed_tokens == 0


@both
async def test_another_limiter_inside_is_fine(make: Any) -> None:
    def nested(item: int) -> AsyncIterator[Any]:
        return pairs(item, CapacityLimiter(1))

    async def pairs(item: int, limiter: CapacityLimiter) -> AsyncIterator[Any]:
        async with make(two_of, [item], limit=limiter) as inside:
            async for pair in inside:
                yield pair

    async with make(nested, range(3), limit=CapacityLimiter(2)) as results:
        assert sorted((await collect(results))[0]) == [0, 0, 1, 1, 2, 2]
