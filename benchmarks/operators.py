"""What merging, buffering and flattening cost for each item, beside the obvious.

The base of every ratio is what one would write by hand: a task for each source and
an `asyncio.Queue`. It has none of the guarantees. Below 1 is faster. All forms of a
row run in turn, in a new order each round, in one process; a cell is the median of
the ratios within the rounds, and the base's lowest time for each item is in
microseconds.

    python -m benchmarks.operators                  # all rows, on asyncio
    python -m benchmarks.operators --uvloop --rows merge
    python -m benchmarks.operators --growth         # flat in the number of items
"""

import argparse
import asyncio
import operator
import statistics
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from importlib.metadata import version
from typing import Any, TypeAlias

import anyio

import aiterkit as ak
from benchmarks.rounds import in_turn

Source: TypeAlias = Callable[[int], AsyncIterator[int]]
Form: TypeAlias = Callable[[Source, int], Awaitable[int]]
"""Read sources of so many items altogether; return how many came."""


# What is read.


async def at_once(items: int) -> AsyncIterator[int]:
    for item in range(items):
        yield item


async def once(items: int) -> AsyncIterator[int]:
    """Suspend before each item, for the shortest time there is."""
    for item in range(items):
        await asyncio.sleep(0)
        yield item


SOURCES: dict[str, Source] = {"at once": at_once, "once": once}
END: Any = object()


# The same work without the guarantees: a task for each source that is read at once,
# which waits until the item before its last was taken, and a reader that waits for an
# item. Most of what this costs is asyncio's own price for such turns.


async def relayed(
    readings: list[Iterator[AsyncIterator[int]]],
) -> AsyncIterator[int]:
    new_wait = asyncio.get_running_loop().create_future
    line: deque[tuple[int, asyncio.Future[None]]] = deque()
    reader: asyncio.Future[None] | None = None
    reading = len(readings)

    async def feed(sources: Iterator[AsyncIterator[int]]) -> None:
        nonlocal reader, reading
        before: asyncio.Future[None] | None = None
        for source in sources:
            async for item in source:
                taken = new_wait()
                line.append((item, taken))
                if reader is not None:
                    reader.set_result(None)
                    reader = None
                if before is not None:
                    await before
                before = taken
        reading -= 1
        if not reading and reader is not None:
            reader.set_result(None)

    async with asyncio.TaskGroup() as tasks:
        for sources in readings:
            tasks.create_task(feed(sources))
        while True:
            if line:
                item, taken = line.popleft()
                taken.set_result(None)
                yield item
            elif reading:
                reader = new_wait()
                await reader
            else:
                return


async def counted(results: AsyncIterator[int]) -> int:
    came = 0
    async for _ in results:
        came += 1
    return came


# Several sources, by arrival.


def several(make: Source, items: int, count: int) -> list[AsyncIterator[int]]:
    return [make(items // count) for _ in range(count)]


async def merge(make: Source, items: int, count: int) -> int:
    came = 0
    async with ak.concurrent_merge(*several(make, items, count)) as results:
        async for _ in results:
            came += 1
    return came


async def merge_by_queue(make: Source, items: int, count: int) -> int:
    queue: asyncio.Queue[int] = asyncio.Queue(1)

    async def feed(source: AsyncIterator[int]) -> None:
        async for item in source:
            await queue.put(item)
        await queue.put(END)

    came, reading = 0, count
    async with asyncio.TaskGroup() as tasks:
        for source in several(make, items, count):
            tasks.create_task(feed(source))
        while reading:
            if await queue.get() is END:
                reading -= 1
            else:
                came += 1
    return came


async def merge_by_relay(make: Source, items: int, count: int) -> int:
    sources = several(make, items, count)
    return await counted(relayed([iter([source]) for source in sources]))


async def merge_of_aiostream(make: Source, items: int, count: int) -> int:
    from aiostream import stream

    came = 0
    async with stream.merge(*several(make, items, count)).stream() as results:
        async for _ in results:
            came += 1
    return came


# One source, read ahead.


async def buffer(make: Source, items: int, size: int) -> int:
    came = 0
    async with ak.concurrent_buffer(make(items), size) as results:
        async for _ in results:
            came += 1
    return came


async def buffer_by_queue(make: Source, items: int, size: int) -> int:
    queue: asyncio.Queue[int] = asyncio.Queue(size)

    async def feed() -> None:
        async for item in make(items):
            await queue.put(item)
        await queue.put(END)

    came = 0
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(feed())
        while await queue.get() is not END:
            came += 1
    return came


# A source of sources, of ten items each.


def inner(make: Source, _item: int) -> AsyncIterator[int]:
    return make(10)


async def flat(make: Source, items: int, limit: int) -> int:
    came = 0
    block = ak.concurrent_flat_map_unordered
    async with block(partial(inner, make), range(items // 10), limit=limit) as results:
        async for _ in results:
            came += 1
    return came


async def flat_by_queue(make: Source, items: int, limit: int) -> int:
    queue: asyncio.Queue[int] = asyncio.Queue(1)
    outer = iter(range(items // 10))

    async def feed() -> None:
        for number in outer:
            async for item in inner(make, number):
                await queue.put(item)
        await queue.put(END)

    came, reading = 0, limit
    async with asyncio.TaskGroup() as tasks:
        for _ in range(limit):
            tasks.create_task(feed())
        while reading:
            if await queue.get() is END:
                reading -= 1
            else:
                came += 1
    return came


async def flat_by_relay(make: Source, items: int, limit: int) -> int:
    sources = map(partial(inner, make), range(items // 10))
    return await counted(relayed([sources] * limit))


async def flat_of_aiostream(make: Source, items: int, limit: int) -> int:
    from aiostream import stream

    outer: Any = stream.iterate(range(items // 10))
    flattened: Any = stream.flatmap(outer, partial(inner, make), task_limit=limit)
    came = 0
    async with flattened.stream() as results:
        async for _ in results:
            came += 1
    return came


def rows(*, alone: bool) -> list[tuple[str, int, dict[str, Any]]]:
    """Return the rows: a name, a number, and the forms, of which the first is base."""
    merges: dict[str, Any] = {"queue": merge_by_queue, "aiterkit": merge}
    merges["relay"] = merge_by_relay
    buffers: dict[str, Any] = {"queue": buffer_by_queue, "aiterkit": buffer}
    flats: dict[str, Any] = {"queue": flat_by_queue, "aiterkit": flat}
    flats["relay"] = flat_by_relay
    try:
        peer = f"aiostream {version('aiostream')}"
    except ImportError:
        print("without aiostream")
    else:
        if not alone:
            merges[peer] = merge_of_aiostream
            flats[peer] = flat_of_aiostream
    return [
        *(("merge", count, merges) for count in (2, 10, 100, 1_000)),
        *(("buffer", size, buffers) for size in (10, 100)),
        *(("flat_map_unordered", limit, flats) for limit in (2, 10, 100)),
    ]


async def measure(
    forms: dict[str, Any],
    make: Source,
    number: int,
    *,
    items: int,
    rounds: int,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Return the seconds of each form in each round, as *clock* tells them."""

    async def run(name: str) -> None:
        came = await forms[name](make, items, number)
        assert came == items, f"{name} gave {came} of {items} items"

    runs = {name: partial(run, name) for name in forms}
    return await in_turn(runs, rounds=rounds, clock=clock)


def items_for(items: int, number: int) -> int:
    """Return so many *items* that each of *number* sources has some."""
    return max(items, items // 100 * number)


async def compare(chosen: argparse.Namespace) -> None:
    for name, number, forms in rows(alone=chosen.alone):
        for read, make in SOURCES.items():
            row = f"{name}, {number}, {read}"
            if not row.startswith(tuple(chosen.rows)):
                continue
            items = items_for(chosen.items, number)
            seconds = await measure(
                forms, make, number, items=items, rounds=chosen.rounds
            )
            base_name, *others = forms
            base = seconds[base_name]
            cells = [f"{base_name} {min(base) / items * 1e6:.2f} us"]
            for form in others:
                ratio = statistics.median(map(operator.truediv, seconds[form], base))
                cells.append(f"{form} {ratio:.2f}")
            print(f"{row:32}", "  ".join(cells), flush=True)


async def growth() -> None:
    """Show that the time for an item does not depend on how many there are."""
    for name, number, form in (
        ("merge", 10, merge),
        ("buffer", 10, buffer),
        ("flat", 10, flat),
    ):
        await form(once, 10_000, number)  # what is made once is no cost of an item
        for items in (10_000, 100_000, 1_000_000):
            start = time.perf_counter()
            await form(once, items, number)
            spent = time.perf_counter() - start
            print(
                f"{name:8} {items:8} items: {spent / items * 1e6:.2f} us an item",
                flush=True,
            )


def main() -> None:
    """Read the command line and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", nargs="+", default=[""], help="those that start so")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--uvloop", action="store_true")
    parser.add_argument("--alone", action="store_true", help="without the peers")
    parser.add_argument("--growth", action="store_true", help="flat in the items")
    chosen = parser.parse_args()
    run = growth if chosen.growth else partial(compare, chosen)
    anyio.run(run, backend_options={"use_uvloop": chosen.uvloop})


if __name__ == "__main__":
    main()
