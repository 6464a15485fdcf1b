"""Several readers of one source, of which each item goes to the one that asks first."""

import heapq
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import anyio
import pytest
from hypothesis import given, settings, strategies as st

import aiterkit as ak
from aiterkit._concurrent.share.state import BalancedState
from aiterkit._runtime.buffer import EMPTY
from aiterkit.testing import ProbeError, SourceProbe, SyncSourceProbe, explore

balance = ak.concurrent_balance
Reader = ak.SharedResults[int]


@pytest.mark.parametrize("readers", [1, 2, 5])
@pytest.mark.parametrize("buffer", [0, 1, 3])
def test_each_item_goes_to_one_reader_in_order_under_every_schedule(
    readers: int, buffer: int
) -> None:
    async def test() -> None:
        got: list[list[int]] = [[] for _ in range(readers)]

        async def read(reader: Reader, number: int) -> None:
            async for item in reader:
                got[number].append(item)
                await anyio.sleep(number)

        source = SourceProbe(range(11))
        async with balance(source, readers, buffer=buffer) as each:
            async with anyio.create_task_group() as tasks:
                for number, reader in enumerate(each):
                    tasks.start_soon(read, reader, number)
        assert sorted(item for part in got for item in part) == list(range(11))
        assert all(part == sorted(part) for part in got)
        source.assert_closed_once()
        source.assert_one_reader()
        source.assert_well_used()

    explore(test, schedules=10, seed=1)


@settings(max_examples=50, deadline=None)
@given(
    gaps=st.lists(st.integers(0, 3), max_size=12),
    pauses=st.lists(st.integers(1, 5), min_size=1, max_size=4),
    buffer=st.integers(0, 3),
)
async def test_whatever_the_pace_an_item_goes_to_the_reader_that_asked_first(
    gaps: list[int], pauses: list[int], buffer: int
) -> None:
    # No two readers ask at the same time: each takes a little longer than the last,
    # by times of which none is a multiple of another.
    extra = (0.01, 0.01618, 0.027183, 0.031416)
    paces = [pause + extra[number] for number, pause in enumerate(pauses)]
    asks = [(0.001 * number, number) for number in range(len(paces))]
    heapq.heapify(asks)
    expected: list[tuple[int, int]] = []
    came: list[float] = []
    taken: list[float] = []
    for item, gap in enumerate(gaps):
        asked, number = heapq.heappop(asks)
        # It is read when the one before is there, and there is room or a reader asks.
        room = asked
        if buffer:
            room = taken[item - buffer] if item >= buffer else 0.0
        came.append(max([room, *came[-1:]]) + gap)
        taken.append(max(asked, came[-1]))
        expected.append((item, number))
        heapq.heappush(asks, (taken[-1] + paces[number], number))
    got: list[tuple[int, int]] = []

    async def read(reader: Reader, number: int) -> None:
        await anyio.sleep(0.001 * number)
        async for item in reader:
            got.append((item, number))
            await anyio.sleep(paces[number])

    async with balance(
        SourceProbe(range(len(gaps)), gap=[*gaps, 0]), len(paces), buffer=buffer
    ) as each:
        async with anyio.create_task_group() as tasks:
            for number, reader in enumerate(each):
                tasks.start_soon(read, reader, number)
    assert got == expected


@pytest.mark.parametrize("probe", [SourceProbe, SyncSourceProbe])
@pytest.mark.parametrize("buffer", [0, 1, 3])
async def test_no_more_than_buffer_items_are_read_before_a_reader_asks(
    probe: Any, buffer: int
) -> None:
    source = probe(range(20))
    async with balance(source, 2, buffer=buffer) as readers:
        for number in range(9):
            await anyio.sleep(5)
            assert source.pulls == len(source.taken) == number + buffer
            assert await anext(readers[number % 2]) == number


@pytest.mark.parametrize("buffer", [0, 2])
def test_readers_that_wait_are_served_in_the_order_in_which_they_asked(
    buffer: int,
) -> None:
    async def test() -> None:
        served: list[int] = []

        async def read(reader: Reader, number: int) -> None:
            await anyio.sleep(number)
            await anext(reader)
            served.append(number)

        source = SourceProbe(range(9), gap=[10, 1, 1, 1, 1])
        async with balance(source, 4, buffer=buffer) as readers:
            async with anyio.create_task_group() as tasks:
                for number, reader in zip([2, 0, 3, 1], readers, strict=True):
                    tasks.start_soon(read, reader, number)
        assert served == [0, 1, 2, 3]

    explore(test, schedules=10, seed=1)


@pytest.mark.parametrize("buffer", [0, 1])
@pytest.mark.parametrize("strategy", ["random", "pct"])
def test_what_a_reader_that_gives_up_was_to_receive_goes_to_another(
    buffer: int, strategy: Any
) -> None:
    async def test() -> None:
        got: list[int] = []

        async def read(reader: Reader) -> None:
            async for item in reader:
                got.append(item)

        async def give_up(reader: Reader) -> None:
            async with aclosing(reader):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(read, reader)
                    await anyio.sleep(2)
                    tasks.cancel_scope.cancel()

        source = SourceProbe(range(6), gap=1)
        async with balance(source, 3, buffer=buffer) as (first, second, third):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(give_up, first)
                tasks.start_soon(give_up, second)
                tasks.start_soon(read, third)
        assert sorted(got) == list(range(6))

    explore(test, schedules=25, strategy=strategy, seed=1)


async def test_a_reader_that_gave_up_waiting_has_nothing_kept_for_it() -> None:
    source = SourceProbe([0, 1], gap=5)
    async with balance(source, 2, buffer=1) as (first, second):
        with anyio.move_on_after(1):
            await anext(first)
        with anyio.fail_after(20):
            assert [item async for item in second] == [0, 1]


def test_each_reader_gets_the_end_under_every_schedule() -> None:
    async def test() -> None:
        got: list[int] = []

        async def read(reader: Reader) -> None:
            got.extend([item async for item in reader])

        # The end is there before the reader has taken the item that is kept for it.
        async def source() -> AsyncGenerator[int]:
            await anyio.sleep(1)
            yield 0

        async with balance(source(), 2, buffer=1) as readers:
            async with anyio.create_task_group() as tasks:
                for reader in readers:
                    tasks.start_soon(read, reader)
        assert got == [0]

    explore(test, schedules=20, seed=1)


async def test_a_reader_gets_the_end_when_the_last_item_was_received() -> None:
    # Until then, another may give it up.
    got: list[int] = []

    async def read(reader: Reader) -> None:
        got.extend([item async for item in reader])

    async with balance(SourceProbe([0], gap=[1, 1]), 2, buffer=1) as (first, second):
        with anyio.move_on_after(1):
            await anext(first)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read, second)
            tasks.start_soon(read, first)
        for reader in (first, second):
            with pytest.raises(StopAsyncIteration):
                await anext(reader)
    assert got == [0]


async def test_a_reader_that_leaves_keeps_nothing_back() -> None:
    source = SourceProbe(range(6))
    async with balance(source, 2, buffer=2) as (first, second):
        assert await anext(first) == 0
        await first.aclose()
        with pytest.raises(StopAsyncIteration):
            await anext(first)
        assert [item async for item in second] == [1, 2, 3, 4, 5]
        await first.aclose()


async def test_a_task_that_waits_while_its_reader_leaves_gets_the_end() -> None:
    got: list[list[int]] = []

    async def read(reader: Reader) -> None:
        got.append([item async for item in reader])

    async with balance(SourceProbe([0, 1], gap=5), 2, buffer=1) as (first, second):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read, first)
            await anyio.sleep(1)
            tasks.start_soon(read, second)
            await anyio.sleep(1)
            await first.aclose()
    assert got == [[], [0, 1]]


async def test_when_all_readers_have_left_the_source_is_closed_at_once() -> None:
    source = SourceProbe(range(12), gap=100)
    async with balance(source, 2, buffer=3) as (first, second):
        await first.aclose()
        source.assert_never_closed()
        await second.aclose()
        await anyio.sleep(1)
        source.assert_closed_once()
    assert anyio.current_time() == 1


async def test_an_error_reaches_every_reader_after_all_items() -> None:
    source = SourceProbe(range(9), fail_at=4)
    async with balance(source, 3, buffer=9) as readers:
        assert [await anext(readers[n % 3]) for n in range(4)] == [0, 1, 2, 3]
        for reader in readers:
            with pytest.raises(ProbeError) as caught:
                await anext(reader)
            assert caught.value.__context__ is None
            with pytest.raises(StopAsyncIteration):
                await anext(reader)


LOOSE: Any = ak


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        (("a", 0), {"buffer": 1}, ValueError, "readers must be at least 1, not 0"),
        (("a", 1), {"buffer": -1}, ValueError, "buffer must be at least 0, not -1"),
        (("a", 1.0), {"buffer": 1}, TypeError, "readers must be an int, not 1.0"),
        (("a", 1), {"buffer": True}, TypeError, "buffer must be an int, not True"),
        (("a", 1), {}, TypeError, "buffer"),
        ((3, 1), {"buffer": 1}, TypeError, "source must be an iterable"),
    ],
)
def test_what_makes_no_sense_is_refused_at_the_call(
    arguments: Any, options: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        LOOSE.concurrent_balance(*arguments, **options)


def test_an_item_is_kept_for_the_first_reader_that_asks() -> None:
    state = BalancedState[str](3, buffer_size=1)
    first, second, third = state.readers
    assert second.pop() is first.pop() is second.pop()  # nothing is there
    state.share("a")
    assert state.call_next() is second
    assert state.call_next() is None
    assert third.pop() is EMPTY
    assert state.has_room()
    state.share("b")
    assert state.call_next() is first
    state.withdraw(first)
    assert state.call_next() is third
    state.share("c")
    assert state.call_next() is None
    assert not state.has_room()
    state.end()
    assert [third.pop(), second.pop()] == ["a", "b"]
    assert not first.exhausted
    assert first.pop() == "c"
    assert first.exhausted
    assert state.close() == []
