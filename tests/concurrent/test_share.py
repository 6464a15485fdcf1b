"""Several readers of one source: all of it for each, or a part for each."""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

import anyio
import pytest
from hypothesis import given, settings, strategies as st

import aiterkit as ak
from aiterkit._concurrent.share.state import BroadcastState, PartitionState
from aiterkit.testing import (
    ProbeError,
    SourceProbe,
    SyncSourceProbe,
    explore,
)

from ..helpers import Steps, popped  # noqa: TID252 - tests stand on no path

SourceTask = ak.SharedResults[int]


def broadcast(source: Any, readers: int, *, buffer: int) -> Any:
    return ak.concurrent_broadcast(source, readers, buffer=buffer)


def partition(source: Any, readers: int, *, buffer: int) -> Any:
    return ak.concurrent_partition(
        source, lambda item: item % readers, range(readers), buffer=buffer
    )


both = pytest.mark.parametrize("make", [broadcast, partition])


def share_of(make: Any, number: int, readers: int, count: int) -> list[int]:
    items = range(count)
    return list(items if make is broadcast else items[number::readers])


@both
@pytest.mark.parametrize("readers", [1, 2, 5])
@pytest.mark.parametrize("buffer", [1, 3])
def test_every_reader_gets_its_items_in_order_under_every_schedule(
    make: Any, readers: int, buffer: int
) -> None:
    async def test() -> None:
        got: list[list[int]] = [[] for _ in range(readers)]

        async def read(reader: SourceTask, number: int) -> None:
            async for item in reader:
                got[number].append(item)
                await anyio.sleep(number)

        source = SourceProbe(range(11))
        async with make(source, readers, buffer=buffer) as each:
            async with anyio.create_task_group() as tasks:
                for number, reader in enumerate(each):
                    tasks.start_soon(read, reader, number)
        assert got == [share_of(make, n, readers, 11) for n in range(readers)]
        source.assert_closed_once()
        source.assert_one_reader()
        source.assert_well_used()

    explore(test, schedules=8, seed=1)


@settings(max_examples=30, deadline=None)
@given(
    pauses=st.lists(st.lists(st.integers(0, 3), max_size=6), min_size=1, max_size=4),
    buffer=st.integers(1, 4),
    gap=st.sampled_from([None, 0, 1]),
    make=st.sampled_from([broadcast, partition]),
)
async def test_whatever_the_pace_no_reader_lags_by_more_than_buffer(
    pauses: list[list[int]], buffer: int, gap: float | None, make: Any
) -> None:
    readers = len(pauses)
    got: list[list[int]] = [[] for _ in pauses]
    source = SourceProbe(range(12), gap=gap)

    async def read(reader: SourceTask, number: int) -> None:
        waits = iter(pauses[number])
        async for item in reader:
            got[number].append(item)
            if make is broadcast:
                assert len(source.taken) - min(map(len, got)) <= buffer
            await anyio.sleep(next(waits, 0))

    async with make(source, readers, buffer=buffer) as each:
        async with anyio.create_task_group() as tasks:
            for number, reader in enumerate(each):
                tasks.start_soon(read, reader, number)
    assert got == [share_of(make, n, readers, 12) for n in range(readers)]


@pytest.mark.parametrize("probe", [SourceProbe, SyncSourceProbe])
@pytest.mark.parametrize("buffer", [1, 2, 7])
async def test_the_slowest_reader_holds_the_source_back_after_buffer_items(
    probe: Any, buffer: int
) -> None:
    source = probe(range(40))
    async with broadcast(source, 2, buffer=buffer) as (quick, slow):
        for number in range(buffer):
            assert await anext(quick) == number
        with anyio.move_on_after(5):
            await anext(quick)
        assert len(source.taken) == source.pulls == buffer
        assert await anext(slow) == 0
        assert await anext(quick) == buffer
        await anyio.sleep(5)
        assert source.pulls == buffer + 1


async def test_the_reader_of_a_key_holds_the_source_back_after_buffer_items() -> None:
    source = SourceProbe([1, 1, 1, 2, 2])
    async with ak.concurrent_partition(source, int, [1, 2], buffer=2) as (ones, twos):
        await anyio.sleep(5)
        assert source.taken == [1, 1]
        assert await anext(ones) == 1
        await anyio.sleep(5)
        assert source.taken == [1, 1, 1]
        assert await anext(ones) == 1
        assert await anext(twos) == 2
        assert [item async for item in ones] == [1]
        assert [item async for item in twos] == [2]


@both
def test_a_reader_that_leaves_holds_no_other_back(make: Any) -> None:
    async def test() -> None:
        got: list[int] = []
        source = SourceProbe(range(12))

        async def leave_after(reader: SourceTask, count: int) -> None:
            async with aclosing(reader):
                for _ in range(count):
                    await anext(reader)
                await anyio.sleep(3)

        async def stay(reader: SourceTask) -> None:
            got.extend([item async for item in reader])

        async with make(source, 3, buffer=1) as (first, second, third):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(leave_after, first, 0)
                tasks.start_soon(leave_after, second, 2)
                tasks.start_soon(stay, third)
            with pytest.raises(StopAsyncIteration):
                await anext(first)
            await first.aclose()
        await first.aclose()
        assert got == share_of(make, 2, 3, 12)
        source.assert_closed_once()

    explore(test, schedules=8, seed=1)


@both
async def test_when_all_readers_have_left_the_source_is_closed_at_once(
    make: Any,
) -> None:
    source = SourceProbe(range(12), gap=100)
    async with make(source, 2, buffer=3) as (first, second):
        await anyio.sleep(150)
        await first.aclose()
        source.assert_never_closed()
        await second.aclose()
        await anyio.sleep(1)
        source.assert_closed_once()
        for reader in (first, second):
            with pytest.raises(StopAsyncIteration):
                await anext(reader)
    assert anyio.current_time() == 151


@both
async def test_a_task_that_waits_while_its_reader_leaves_gets_the_end(
    make: Any,
) -> None:
    got: list[object] = []

    async def read(reader: SourceTask) -> None:
        got.append([item async for item in reader])

    async with make(SourceProbe([0], hang_at=0), 2, buffer=1) as (first, _):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read, first)
            await anyio.sleep(1)
            await first.aclose()
    assert got == [[]]


@both
async def test_an_error_reaches_every_reader_after_its_items(make: Any) -> None:
    source = SourceProbe(range(9), fail_at=6)
    seen: list[BaseException] = []
    async with make(source, 3, buffer=9) as readers:
        for number, reader in enumerate(readers):
            got: list[int] = []
            with pytest.raises(ProbeError) as caught:
                async for item in reader:
                    got.append(item)
            assert got == share_of(make, number, 3, 6)
            assert caught.value.__context__ is None
            seen.append(caught.value)
            with pytest.raises(StopAsyncIteration):
                await anext(reader)
    assert len(set(map(id, seen))) == 1


async def test_an_error_that_some_reader_saw_is_not_told_twice() -> None:
    source = SourceProbe([0], fail_at=0)
    with pytest.raises(ProbeError) as caught:
        async with broadcast(source, 2, buffer=1) as (first, _):
            await anext(first)
    assert caught.value.__context__ is None


async def test_a_reader_that_has_left_gets_no_error() -> None:
    async with broadcast(SourceProbe([0], fail_at=0), 2, buffer=1) as (first, second):
        await first.aclose()
        with pytest.raises(ProbeError):
            await anext(second)
        with pytest.raises(StopAsyncIteration):
            await anext(first)


async def test_each_reader_is_read_by_one_task_at_a_time() -> None:
    async def read(reader: SourceTask) -> None:
        await anext(reader)

    async with broadcast(SourceProbe([0], gap=5), 2, buffer=1) as (first, second):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read, first)
            tasks.start_soon(read, second)
            await anyio.sleep(1)
            for reader in (first, second):
                assert aiter(reader) is reader
                with pytest.raises(RuntimeError, match="another task is already"):
                    await anext(reader)


async def test_an_item_wakes_the_reader_of_its_key_alone() -> None:
    source = SourceProbe([1] * 40 + [2, 1], gap=1)
    got: list[int] = []

    async def read(reader: SourceTask) -> None:
        got.extend([item async for item in reader])

    async with ak.concurrent_partition(source, int, [1, 2], buffer=1) as (ones, twos):
        next_two = Steps(anext(twos))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read, ones)
            assert await next_two == 2
            assert anyio.current_time() == 41
    assert next_two.count <= 2  # it may yield once before it parks
    assert got == [1] * 41


async def test_a_reader_that_waits_is_cancelled_while_another_receives() -> None:
    async def source() -> AsyncGenerator[int]:
        for _ in range(200):
            await anyio.lowlevel.checkpoint()
            yield 1

    scope = anyio.CancelScope()
    got: list[int] = []
    before: list[int] = []  # how many the other had received at the cancellation

    async def wait(reader: SourceTask) -> None:
        with scope:
            await anext(reader)
        before.append(len(got))

    async with ak.concurrent_partition(source(), int, [1, 2], buffer=5) as readers:
        ones, twos = readers
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait, twos)
            async for item in ones:
                got.append(item)
                if len(got) == 100:
                    scope.cancel()
    assert len(got) == 200
    assert before[0] <= 102


@both
@pytest.mark.parametrize("fails", [False, True])
async def test_all_readers_that_wait_get_the_end_or_the_error(
    make: Any,
    fails: bool,  # noqa: FBT001
) -> None:
    source: Any = SourceProbe(range(2), gap=5, fail_at=1 if fails else None)
    ends: list[float] = []

    async def read(reader: SourceTask) -> None:
        with anyio.fail_after(20):
            try:
                async for _ in reader:
                    pass
            except ProbeError:
                assert fails
            else:
                assert not fails
        ends.append(anyio.current_time())

    async with make(source, 3, buffer=1) as readers:
        async with anyio.create_task_group() as tasks:
            for reader in readers:
                tasks.start_soon(read, reader)
    assert ends == [10 if fails else 15] * 3


@both
def test_a_reader_that_is_cancelled_as_an_item_comes_loses_nothing(make: Any) -> None:
    async def test() -> None:
        got: list[list[int]] = [[], []]

        async def read(number: int, reader: SourceTask) -> None:
            for seconds in (1, 1, 1):
                with anyio.move_on_after(seconds):
                    got[number].append(await anext(reader))
            with anyio.fail_after(20):
                got[number].extend([item async for item in reader])

        source = SourceProbe(range(6), gap=1)
        async with make(source, 2, buffer=1) as readers:
            async with anyio.create_task_group() as tasks:
                for number, reader in enumerate(readers):
                    tasks.start_soon(read, number, reader)
        assert got == [share_of(make, number, 2, 6) for number in range(2)]
        source.assert_closed_once()

    explore(test, schedules=40, seed=1)


async def test_a_key_that_is_not_known_is_an_error_for_every_reader() -> None:
    source = SourceProbe([1, 3, 2])
    async with ak.concurrent_partition(source, int, [1, 2], buffer=9) as readers:
        got: list[int] = []
        for reader in readers:
            with pytest.raises(ValueError, match="key gave") as caught:
                async for item in reader:
                    got.append(item)
            assert str(caught.value) == "key gave 3 for 3, which is not in keys: 1, 2"
        source.assert_closed_once()
    assert got == [1]
    assert source.taken == [1, 3]


async def test_a_key_that_ends_the_program_does() -> None:
    def key(_item: int) -> int:
        raise KeyboardInterrupt

    source = SourceProbe([1])
    with pytest.raises(KeyboardInterrupt):
        async with ak.concurrent_partition(source, key, [1], buffer=1):
            await anyio.sleep_forever()
    source.assert_closed_once()


LOOSE: Any = ak


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: LOOSE.concurrent_broadcast("a", 0, buffer=1), ValueError, "readers"),
        (lambda: LOOSE.concurrent_broadcast("a", 1, buffer=0), ValueError, "buffer"),
        (lambda: LOOSE.concurrent_broadcast("a", 1.0, buffer=1), TypeError, "readers"),
        (lambda: LOOSE.concurrent_broadcast("a", 1), TypeError, "buffer"),
        (
            lambda: LOOSE.concurrent_partition("a", 1, [1], buffer=1),
            TypeError,
            "key must be callable, not 1",
        ),
        (
            lambda: LOOSE.concurrent_partition("a", int, [], buffer=1),
            ValueError,
            "keys must have at least one key",
        ),
        (
            lambda: LOOSE.concurrent_partition("a", int, [1, True], buffer=1),
            ValueError,
            "keys must have each key once, not",
        ),
        (
            lambda: LOOSE.concurrent_partition("a", int, [1], buffer=0),
            ValueError,
            "buffer must be at least 1, not 0",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_at_the_call(
    make: Callable[[], object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        make()


def test_a_broadcast_has_room_while_no_queue_is_full() -> None:
    copies = BroadcastState[str](2, buffer_size=2)
    first, second = copies.queues
    assert list(copies.share("a")) == [0, 1]
    assert copies.has_room()
    copies.share("b")
    assert not copies.has_room()
    assert popped(first) == ["a", "b"]
    assert not copies.has_room()
    assert second.pop() == "a"
    assert copies.has_room()
    copies.share("c")
    assert not copies.has_room()
    second.leave()
    assert copies.has_room()
    copies.share("d")
    assert (second.exhausted, first.exhausted) == (True, False)
    copies.end()
    assert not first.exhausted
    assert popped(first) == ["c", "d"]
    assert first.exhausted


def test_items_go_to_the_queue_of_their_key_and_the_error_to_all() -> None:
    parts = PartitionState[str](str.islower, [True, False], buffer_size=1)
    lower, upper = parts.queues
    assert list(parts.share("A")) == [1]
    assert not parts.has_room()
    assert (popped(lower), popped(upper)) == ([], ["A"])
    error = ValueError()
    parts.fail(error)
    assert popped(lower) == [repr(error)]
    assert popped(lower) == []
    assert (lower.exhausted, upper.exhausted) == (True, False)
    assert lower.close() == []
    assert parts.close() == [error]
