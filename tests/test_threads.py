"""Several event loops, each in a thread of its own, at the same time.

A block belongs to the loop that entered it, and shares nothing with the blocks of other
loops; so threads need no lock, with or without a global interpreter lock.
"""

import sys
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import anyio
import anyio.lowlevel
import pytest

import aiterkit as ak

LOOPS = 4
ITEMS = 300


async def numbers() -> AsyncIterator[int]:
    for number in range(ITEMS):
        if number % 10 == 0:
            await anyio.lowlevel.checkpoint()
        yield number


async def double(number: int) -> int:
    await anyio.lowlevel.checkpoint()
    return 2 * number


async def mapped() -> list[int]:
    return await ak.concurrent_collect(double, numbers(), limit=7)


async def merged() -> list[int]:
    async with ak.concurrent_merge(numbers(), numbers(), buffer=3) as results:
        return sorted([number async for number in results])[::2]


async def shared() -> list[int]:
    async with ak.concurrent_broadcast(numbers(), 2, buffer=5) as (first, second):
        return [left + right async for left, right in ak.azip(first, second)]


async def sequential() -> list[int]:
    return await ak.acollect(ak.amap(double, numbers()))


def at_once(backend: Literal["asyncio", "trio"], main: Callable[[], object]) -> object:
    """Run *main* in several threads, each with a loop, and return what each gave."""
    gate = threading.Barrier(LOOPS)

    def run(_: int) -> object:
        gate.wait()
        return anyio.run(main, backend=backend)  # type: ignore[arg-type] # any coroutine

    # Threads are switched so often that steps of different loops are mixed.
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(LOOPS) as threads:
            return list(threads.map(run, range(LOOPS)))
    finally:
        sys.setswitchinterval(interval)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("main", [mapped, shared, sequential])
def test_loops_in_several_threads_do_not_disturb_each_other(
    backend: Literal["asyncio", "trio"], main: Callable[[], object]
) -> None:
    expected = [2 * number for number in range(ITEMS)]
    assert at_once(backend, main) == [expected] * LOOPS


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_merges_in_several_threads_do_not_disturb_each_other(
    backend: Literal["asyncio", "trio"],
) -> None:
    assert at_once(backend, merged) == [list(range(ITEMS))] * LOOPS


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_one_function_can_be_paced_and_timed_on_several_loops(
    backend: Literal["asyncio", "trio"],
) -> None:
    call = ak.timed(ak.paced(double, per_second=1_000_000, burst=ITEMS), 60)

    async def main() -> list[int]:
        return await ak.concurrent_collect(call, range(ITEMS), limit=7)

    expected = [2 * number for number in range(ITEMS)]
    assert at_once(backend, main) == [expected] * LOOPS
