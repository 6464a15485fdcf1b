"""The latest item wins, and what the one before began is closed first."""

import itertools
from collections.abc import AsyncGenerator, AsyncIterator
from contextvars import ContextVar
from typing import Any

import anyio
import pytest
from hypothesis import given, settings, strategies as st

import aiterkit as ak
from aiterkit._concurrent.switch.state import SwitchState
from aiterkit.testing import (
    CallProbe,
    ProbeError,
    SourceProbe,
    SyncSourceProbe,
    assert_drawing,
    assert_timeline,
    explore,
    play,
)

from ..helpers import Steps, popped  # noqa: TID252 - tests stand on no path

switch = ak.concurrent_switch_map
number: ContextVar[int] = ContextVar("number", default=-1)


@pytest.mark.parametrize(
    ("items", "inner", "results"),
    [
        pytest.param("a-----|", "-xy|", "-xy---|", id="one source"),
        pytest.param("a-b----|", "-xyz|", "-x-xyz-|", id="a new item cuts it short"),
        pytest.param("a---b----|", "-xy|", "-xy--xy--|", id="they follow each other"),
        pytest.param("a|", "-x-y|", "-x-y|", id="the last one goes on after the end"),
        pytest.param("a--!", "-x---y|", "-x-!", id="an error of the items ends it"),
        pytest.param("a------|", "-x-!", "-x-!", id="and so does one of a source"),
        pytest.param("a--|", "|", "---|", id="nothing inside"),
        pytest.param("|", "x|", "|", id="nothing outside"),
        pytest.param("(ab)------|", "-x|", "-x--------|", id="two items at once"),
    ],
)
async def test_the_newest_items_source_is_read(
    items: str, inner: str, results: str
) -> None:
    await assert_timeline(switch(lambda _: play(inner), play(items)), results)


async def test_calls_are_cancelled_when_a_new_item_comes() -> None:
    await assert_drawing(
        """
        words                                         a-b--cd-----|
        search a                                      ==;
        search b                                        ===;
        search c                                           =;
        search d                                            ===
        switch(search(9, d=3), words)                 ---------d--|
        """,
        switch=ak.concurrent_switch_map,
    )


class Inner(SourceProbe[Any]):
    """A source that knows whether it is the only one that is open."""

    open: int = 0
    most: int = 0

    async def __anext__(self) -> Any:
        if not self.pulls:
            Inner.open += 1
            Inner.most = max(Inner.most, Inner.open)
        return await super().__anext__()

    async def aclose(self) -> None:
        await super().aclose()
        Inner.open -= 1


@pytest.mark.parametrize("strategy", ["random", "pct"])
def test_the_old_source_is_closed_before_the_new_one_is_opened(strategy: Any) -> None:
    async def test() -> None:
        Inner.open = Inner.most = 0
        inner: list[Inner] = []

        def func(item: int) -> Inner:
            assert Inner.open == 0
            inner.append(Inner([(item, n) for n in range(3)], gap=1, close_delay=2))
            return inner[-1]

        class OuterSink(SourceProbe[int]):
            async def aclose(self) -> None:
                assert Inner.open == 0
                await super().aclose()

        source = OuterSink(range(6), gap=[0, 1, 4, 0, 9, 1, 0])
        async with switch(func, source) as results:
            got = [result async for result in results]
        assert got[-3:] == [(5, 0), (5, 1), (5, 2)]
        assert got == sorted(got)
        assert Inner.most == 1
        for probe in inner:
            probe.assert_closed_once()
            probe.assert_one_reader()
            probe.assert_well_used()
        source.assert_closed_once()
        source.assert_one_reader()

    explore(test, schedules=8, strategy=strategy, seed=1)


@settings(max_examples=40, deadline=None)
@given(
    gaps=st.lists(st.integers(0, 6), min_size=1, max_size=8),
    inner=st.lists(st.integers(0, 3), max_size=4),
)
async def test_whatever_the_times_what_is_given_is_that_of_the_model(
    gaps: list[int], inner: list[int]
) -> None:
    # Half a second apart from each other, so that nothing happens at once.
    def func(item: int) -> SourceProbe[tuple[int, int]]:
        pairs = [(item, number) for number in range(len(inner))]
        return SourceProbe(pairs, gap=[gap + 0.01 for gap in inner])

    source = SourceProbe(range(len(gaps)), gap=[*gaps, 0])
    start = anyio.current_time()
    got: list[tuple[tuple[int, int], int]] = []
    async with switch(func, source) as results:
        async for result in results:
            got.append((result, int(anyio.current_time() - start)))
    arrivals = list(itertools.accumulate(gaps))
    expected: list[tuple[tuple[int, int], int]] = []
    for item, (time, following) in enumerate(
        itertools.pairwise([*arrivals, float("inf")])
    ):
        for index, offset in enumerate(itertools.accumulate(inner)):
            if time + offset + 0.01 * (index + 1) < following:
                expected.append(((item, index), int(time + offset)))
    assert got == expected


async def items() -> AsyncGenerator[int, None]:
    yield 1
    yield 2


async def listed(item: int) -> list[int]:
    await anyio.sleep(1)
    return [item, item]


async def agen(item: int) -> AsyncIterator[int]:
    yield item
    yield item


async def awaited_agen(item: int) -> AsyncIterator[int]:
    await anyio.sleep(1)
    return agen(item)


def twice(item: int) -> list[int]:
    return [item, item]


@pytest.mark.parametrize("func", [listed, agen, awaited_agen, twice])
async def test_what_func_returns_may_be_any_source_or_an_awaitable_of_one(
    func: Any,
) -> None:
    async with switch(func, SourceProbe([1, 2], gap=5)) as results:
        assert [result async for result in results] == [1, 1, 2, 2]


async def test_an_item_that_is_overtaken_before_its_turn_is_not_called() -> None:
    call = CallProbe[int, list[int]](lambda item: [item], seconds=10, cleanup=5)
    source = SourceProbe([1, 2, 3, 4], gap=1)
    async with switch(call, source) as results:
        assert [result async for result in results] == [4]
    assert call.starts == [1, 4]
    assert call.cancelled == [1]
    call.assert_never_exceeds(1)


async def test_a_result_of_an_older_item_is_dropped() -> None:
    source = SourceProbe(["old", "new"], gap=[0, 5, 0])
    async with switch(lambda item: [item, item], source) as results:
        await anyio.sleep(10)
        assert [result async for result in results] == ["new", "new"]


async def test_at_most_one_result_is_read_ahead() -> None:
    inner = SourceProbe(range(9))
    async with switch(lambda _: inner, [0]) as results:
        for delivered in range(3):
            await anyio.sleep(10)
            assert inner.pulls == delivered + 1
            assert await anext(results) == delivered


@pytest.mark.parametrize("probe", [SourceProbe, SyncSourceProbe])
async def test_an_error_of_func_is_raised_bare_and_ends_it(probe: Any) -> None:
    def func(item: int) -> list[int]:
        if item == 2:
            raise ProbeError
        return [item]

    source = probe([2])
    async with switch(func, source) as results:
        with pytest.raises(ProbeError) as caught:
            await anext(results)
        assert caught.value.__context__ is None
        with pytest.raises(StopAsyncIteration):
            await anext(results)


async def test_a_failure_is_raised_when_what_it_ended_is_closed() -> None:
    inner = SourceProbe([0], hang_at=0, close_delay=3)
    source = SourceProbe([1], gap=[0, 2], error=ProbeError())
    async with switch(lambda _: inner, source) as results:
        with pytest.raises(ProbeError):
            await anext(results)
        assert anyio.current_time() == 5
        inner.assert_closed_once()


async def test_an_error_inside_stops_the_items() -> None:
    inner = SourceProbe([0], gap=1, fail_at=1)
    source = SourceProbe([1], hang_at=1)
    async with switch(lambda _: inner, source) as results:
        assert await anext(results) == 0
        with pytest.raises(ProbeError):
            await anext(results)
        await anyio.sleep(1)
        source.assert_closed_once()


@pytest.mark.parametrize("error", [StopIteration(1), StopAsyncIteration(1)])
async def test_a_stop_raised_by_func_is_an_error(error: Exception) -> None:
    def func(_item: int) -> list[int]:
        raise error

    async with switch(func, [1]) as results:
        with pytest.raises(RuntimeError) as caught:
            await anext(results)
    assert caught.value.__cause__ is error


async def test_what_is_no_source_is_an_error() -> None:
    loose: Any = switch
    async with loose(abs, [1]) as results:
        with pytest.raises(TypeError, match="iterable"):
            await anext(results)
    with pytest.raises(TypeError, match="func must be callable, not 5"):
        loose(5, [1])


async def test_each_call_sees_the_context_at_entry() -> None:
    async def func(item: int) -> list[tuple[int, int]]:
        seen = number.get()
        number.set(item)
        await anyio.sleep(0.5)
        return [(item, seen)]

    async def source() -> AsyncIterator[int]:
        for item in (1, 2, 3):
            number.set(99)
            yield item
            await anyio.sleep(1)

    number.set(42)
    async with switch(func, source()) as results:
        assert [result async for result in results] == [(1, 42), (2, 42), (3, 42)]
    assert number.get() == 42


async def test_a_source_of_an_item_may_hold_scopes_and_tasks() -> None:
    async def func(item: int) -> AsyncIterator[int]:
        with anyio.fail_after(100):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(anyio.sleep_forever)
                for _ in range(3):
                    await anyio.sleep(1)
                    yield item
                tasks.cancel_scope.cancel()

    async with switch(func, SourceProbe([1, 2, 3], gap=[0, 2.5, 1.5, 0])) as results:
        assert [result async for result in results] == [1, 1, 2, 3, 3, 3]


@pytest.mark.parametrize("after", [0.5, 1.5, 2.5, 3.5])
async def test_a_cancellation_from_outside_closes_both(after: float) -> None:
    inner: list[SourceProbe[int]] = []

    def func(_item: int) -> SourceProbe[int]:
        inner.append(SourceProbe([1, 2], gap=2, close_delay=1))
        return inner[-1]

    source = SourceProbe([1, 2], gap=1, close_delay=1)
    with anyio.move_on_after(after) as scope:
        async with switch(func, source) as results:
            async for _ in results:
                pass
    assert scope.cancelled_caught
    source.assert_closed_once()
    for probe in inner:
        probe.assert_closed_once()


async def test_an_item_that_gives_nothing_does_not_wake_the_reader() -> None:
    items = SourceProbe([0] * 40 + [1], gap=1)
    async with switch(lambda item: play("x|" if item else "|"), items) as results:
        result = Steps(anext(results))
        assert await result == "x"
        assert anyio.current_time() == 41
    assert result.count <= 2  # it may yield once before it parks


async def test_a_reader_is_cancelled_at_once_while_items_come_that_give_nothing() -> (
    None
):
    scope = anyio.CancelScope()
    items: list[int] = []

    async def source() -> AsyncGenerator[int]:
        for item in range(200):
            await anyio.lowlevel.checkpoint()
            items.append(item)
            yield item

    async def cancel() -> None:
        while len(items) < 100:
            await anyio.lowlevel.checkpoint()
        scope.cancel()

    async def nothing(_item: int) -> AsyncGenerator[int]:
        for item in range(0):
            yield item

    async with switch(nothing, source()) as results, anyio.create_task_group() as tasks:
        tasks.start_soon(cancel)
        with scope:
            await anext(results)
        assert scope.cancelled_caught
        assert len(items) <= 103


def test_a_new_item_makes_what_was_there_void() -> None:
    current = SwitchState[str, str]()
    current.switch("a")
    assert current.busy
    assert current.advance() == ["a"]
    current.put("A")
    assert not current.has_room()
    current.switch("b")
    current.switch("c")
    assert popped(current) == []
    assert current.advance() == ["c"]
    current.put("C")
    current.ended = True
    assert (popped(current), current.exhausted) == (["C"], False)
    assert current.advance() == []
    assert current.exhausted


def test_a_failure_waits_for_what_is_open_and_opens_nothing_more() -> None:
    current = SwitchState[str, str]()
    current.switch("a")
    current.advance()
    current.switch("b")
    error = ValueError()
    current.fail(error)
    assert popped(current) == []
    assert current.advance() == []
    assert not current.exhausted
    assert popped(current) == [repr(error)]
    assert current.exhausted
