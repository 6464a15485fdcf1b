"""A bounded head start: how far, when, and for a slow reader."""

import asyncio
import math
from collections.abc import AsyncGenerator
from itertools import count
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given, settings, strategies as st

import aiterkit as ak
from aiterkit._runtime.source_reader import MAX_ITEMS_PER_TURN
from aiterkit.testing import SourceProbe, assert_timeline, explore, play

from ..helpers import Boom, any_source, on_asyncio  # noqa: TID252 - tests stand on no path


@pytest.mark.parametrize("size", [0, 1, 3])
@pytest.mark.parametrize("line", ["|", "a--b|", "(abc|)", "a-(bc)-!", "!"])
async def test_a_prompt_reader_sees_the_source_as_it_is(line: str, size: int) -> None:
    await assert_timeline(ak.concurrent_buffer(play(line), size), line)


async def test_leaving_closes_the_source() -> None:
    source = play("a-b-c---|")
    await assert_timeline(ak.concurrent_buffer(source, 2), "a-b;")
    source.assert_closed_once()


@pytest.mark.parametrize(
    ("size", "seconds"),
    [
        pytest.param(0, 6 * (2 + 3), id="a rendezvous takes turns: the sum"),
        pytest.param(1, 2 + 6 * 3, id="one ahead: the longer of both"),
    ],
)
async def test_source_and_reader_take_their_time_together(
    size: int, seconds: int
) -> None:
    source = SourceProbe(range(6), gap=[2] * 6 + [0])
    async with ak.concurrent_buffer(source, size) as results:
        async for _ in results:
            await anyio.sleep(3)
    assert anyio.current_time() == seconds


@any_source
async def test_a_rendezvous_reads_nothing_that_is_not_asked_for(probe: Any) -> None:
    source = probe(range(9))
    async with ak.concurrent_buffer(source, 0) as results:
        await anyio.sleep(5)
        assert source.pulls == 0
        for asked in range(1, 6):
            await anext(results)
            await anyio.sleep(5)
            assert source.pulls == asked


async def test_what_a_cancelled_wait_has_asked_for_is_kept() -> None:
    source = SourceProbe(range(9), gap=10)
    async with ak.concurrent_buffer(source, 0) as results:
        with anyio.move_on_after(3):
            await anext(results)
        await anyio.sleep(100)
        assert source.taken == [0]
        assert await anext(results) == 0
        await anyio.sleep(100)
        assert source.pulls == 1


async def test_short_waits_for_an_item_that_is_there_get_it() -> None:
    source = SourceProbe(range(99), gap=None)
    got: list[int] = []
    async with ak.concurrent_buffer(source, 0) as results:
        for _ in range(20):
            with anyio.move_on_after(0):
                got.append(await anext(results))
            assert len(source.taken) <= len(got) + 1
            await anyio.lowlevel.checkpoint()
    assert got[:5] == list(range(5))


@pytest.mark.parametrize(
    ("size", "error", "message"),
    [
        (-1, ValueError, "size must be at least 0, not -1"),
        (True, TypeError, "size must be an int, not True"),
        (math.inf, TypeError, "size must be an int, not inf"),
    ],
)
def test_a_bad_size_is_refused_at_the_call(
    size: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as caught:
        ak.concurrent_buffer("ab", size)
    assert str(caught.value) == message


@settings(max_examples=60, deadline=None)
@given(
    gaps=st.lists(st.integers(0, 4), max_size=8),
    pauses=st.lists(st.integers(0, 4), min_size=8, max_size=8),
    size=st.integers(1, 4),
)
async def test_times_are_those_of_a_bounded_queue(
    gaps: list[int], pauses: list[int], size: int
) -> None:
    # An item is asked for when the one before is there and fewer than `size` wait.
    start = anyio.current_time()
    arrived: list[float] = []
    delivered: list[float] = []
    reader = 0.0
    for place, gap in enumerate(gaps):
        free = delivered[place - size] if place >= size else 0.0
        arrived.append(max(arrived[-1] if arrived else 0.0, free) + gap)
        delivered.append(max(reader, arrived[-1]))
        reader = delivered[-1] + pauses[place]
    got: list[float] = []
    source = SourceProbe(range(len(gaps)), gap=[*gaps, 0])
    async with ak.concurrent_buffer(source, size) as results:
        async for item in results:
            got.append(anyio.current_time() - start)
            await anyio.sleep(pauses[item])
    assert got == delivered
    source.assert_closed_once()


@pytest.mark.parametrize("size", [0, 1, 2])
def test_at_no_step_is_the_source_read_too_far(size: int) -> None:
    async def test() -> None:
        delivered = 0

        class Watched(SourceProbe[int]):
            def _note_pull(self) -> bool:
                assert len(self.taken) - delivered < max(1, size)
                return super()._note_pull()

        source = Watched(range(9), gap=None)
        async with ak.concurrent_buffer(source, size) as results:
            async for _ in results:
                delivered += 1
                if delivered % 3 == 0:
                    await anyio.sleep(1)
        assert delivered == 9

    explore(test, schedules=10, seed=1)


@on_asyncio
async def test_a_cancellation_between_two_reads_reaches_the_source() -> None:
    # As a native timeout does that the source holds across its `yield`; and a
    # source that does not suspend is read on only after a turn for other tasks.
    async def source() -> AsyncGenerator[int]:
        task = asyncio.current_task()
        assert task is not None
        for item in range(MAX_ITEMS_PER_TURN):
            if item == MAX_ITEMS_PER_TURN - 1:
                asyncio.get_running_loop().call_soon(task.cancel)
            yield item
        try:
            await asyncio.sleep(5)
        except asyncio.CancelledError:
            task.uncancel()
            raise Boom("interrupted") from None

    got: list[int] = []
    with pytest.raises(Boom, match="interrupted"):
        async with ak.concurrent_buffer(source(), 100) as results:
            async for item in results:
                got.append(item)
    assert got == list(range(MAX_ITEMS_PER_TURN))


@on_asyncio
@pytest.mark.parametrize("times", [1, 2, 3])
async def test_however_often_it_is_cancelled_while_it_waits_it_reaches_the_source(
    times: int,
) -> None:
    tasks: list[asyncio.Task[Any]] = []

    async def source() -> AsyncGenerator[int]:
        task = asyncio.current_task()
        assert task is not None
        tasks.append(task)
        yield 0
        yield 1
        try:
            await asyncio.sleep(5)
        except asyncio.CancelledError:
            while task.uncancel():
                pass
            yield 2

    async with ak.concurrent_buffer(source(), 1) as results:
        assert await anext(results) == 0
        for _ in range(times):
            await anyio.sleep(1)  # the source waits for room
            tasks[0].cancel()
        await anyio.sleep(1)
        assert [item async for item in results] == [1, 2]


async def test_an_endless_source_that_never_suspends_lets_other_tasks_run() -> None:
    async def source() -> AsyncGenerator[int]:
        for item in count():
            yield item

    async with ak.concurrent_buffer(source(), 1_000_000_000) as results:
        assert await anext(results) == 0
        await anyio.lowlevel.checkpoint()
        assert await anext(results) == 1
