"""What a newer operator or option costs for each item, beside the nearest older one.

The two do as nearly the same work as they can, and read equally far ahead. They run in
turn, in a new order each round, in one process; the ratio is the median of those within
the rounds, and the older one's lowest time for each item is in microseconds. The goal
is 1.10 or less. A key costs more than that where nothing suspends, in a map as well.

    python -m benchmarks.nearest                    # all rows, on both backends
    python -m benchmarks.nearest --backends trio --rows heartbeat
"""

import argparse
import asyncio
import operator
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Any, TypeAlias

import anyio

import aiterkit as ak
from benchmarks.rounds import in_turn

Source: TypeAlias = Callable[[int], AsyncIterator[int]]
Form: TypeAlias = Callable[[Source, int], Awaitable[int]]
"""Read a source of so many items; return how many came."""

HOUR = 3600.0
QUICK = 1e12


async def turn() -> None:
    """Suspend for the shortest time there is."""
    await asyncio.sleep(0)


async def turn_on_trio() -> None:
    """Do the same on Trio."""
    from trio.lowlevel import cancel_shielded_checkpoint

    await cancel_shielded_checkpoint()


TURNS: dict[str, Callable[[], Awaitable[None]]] = {
    "asyncio": turn,
    "trio": turn_on_trio,
}


def sources_of(suspend: Callable[[], Awaitable[None]]) -> dict[str, Source]:
    """Return what is read, by how it gives its items."""

    async def at_once(items: int) -> AsyncIterator[int]:
        for item in range(items):
            yield item

    async def once(items: int) -> AsyncIterator[int]:
        for item in range(items):
            await suspend()
            yield item

    return {"at once": at_once, "once": once}


# What reads it.


def single(block: Callable[[Any], AbstractAsyncContextManager[Any]]) -> Form:
    """Return what reads the results of a *block*."""

    async def read(make: Source, items: int) -> int:
        came = 0
        async with block(make(items)) as results:
            async for _ in results:
                came += 1
        return came

    return read


def batches(block: Callable[[Any], AbstractAsyncContextManager[Any]]) -> Form:
    """Return what reads the batches of a *block*."""

    async def read(make: Source, items: int) -> int:
        came = 0
        async with block(make(items)) as results:
            async for batch in results:
                came += len(batch)
        return came

    return read


def newest(block: Callable[[Any], AbstractAsyncContextManager[Any]]) -> Form:
    """Return what reads a *block* that drops items, and counts those too."""

    async def read(make: Source, items: int) -> int:
        async with block(make(items)) as results:
            async for _ in results:
                pass
            return int(results.statistics().taken)

    return read


def shared(block: Callable[[Any], AbstractAsyncContextManager[Any]]) -> Form:
    """Return what has a task for each of the readers of a *block*."""

    async def read(make: Source, items: int) -> int:
        came = 0

        async def count(reader: AsyncIterator[Any]) -> None:
            nonlocal came
            async for _ in reader:
                came += 1

        async with block(make(items)) as readers, anyio.create_task_group() as tasks:
            for reader in readers:
                tasks.start_soon(count, reader)
        return came

    return read


def several(
    block: Callable[..., AbstractAsyncContextManager[Any]],
    suspend: Callable[[], Awaitable[None]],
) -> Form:
    """Return what reads ten sources by a *block*, of which the first ends last."""

    async def longest(source: AsyncIterator[int]) -> AsyncIterator[int]:
        async for item in source:
            yield item
        for _ in range(100):
            await suspend()

    async def read(make: Source, items: int) -> int:
        came = 0
        first, *others = (make(items // 10) for _ in range(10))
        async with block(longest(first), *others) as results:
            async for _ in results:
                came += 1
        return came

    return read


def key(item: int) -> int:
    """Return one of so many keys that no call waits for another."""
    return item % 100


def key_of_two(item: int) -> int:
    """Return the key of one of two readers."""
    return item % 2


def key_of_four(item: int) -> int:
    """Return the key of one of four readers."""
    return item % 4


def rows(suspend: Callable[[], Awaitable[None]]) -> dict[str, tuple[Form, Form]]:
    """Return the older and the newer form of each row."""

    async def call(item: int) -> int:
        await suspend()
        return item

    async def accept(_item: int) -> bool:
        await suspend()
        return True

    def weigh(_item: int) -> float:
        return 1.0

    calls = partial(ak.concurrent_map, call, limit=10)
    checks = partial(ak.concurrent_filter, accept, limit=10)
    paced = ak.paced(call, per_second=QUICK)
    priced = ak.paced(call, per_second=QUICK, burst=10, cost=weigh)
    batched, latest = ak.concurrent_batched, ak.concurrent_latest
    partition, balance = ak.concurrent_partition, ak.concurrent_balance
    merge = ak.concurrent_merge
    return {
        "until, buffer of 0": (
            single(lambda source: ak.concurrent_buffer(source, 0)),
            single(lambda source: ak.concurrent_until(source, anyio.sleep_forever)),
        ),
        "heartbeat, batched by 1": (
            batches(lambda source: batched(source, 1, within=HOUR)),
            single(lambda source: ak.concurrent_heartbeat(source, 0, seconds=HOUR)),
        ),
        "balance, partition": (
            shared(lambda source: partition(source, key_of_two, range(2), buffer=10)),
            shared(lambda source: balance(source, 2, buffer=20)),
        ),
        "balance, partition by 4": (
            shared(lambda source: partition(source, key_of_four, range(4), buffer=10)),
            shared(lambda source: balance(source, 4, buffer=40)),
        ),
        "batched, quiet=": (
            batches(lambda source: batched(source, 10, within=HOUR)),
            batches(lambda source: batched(source, 10, quiet=HOUR)),
        ),
        "latest, 3": (newest(latest), newest(lambda source: latest(source, 3))),
        "merge, until=": (
            several(merge, suspend),
            several(partial(merge, until="first"), suspend),
        ),
        "map, per_key=": (
            single(lambda source: calls(source, key=key)),
            single(lambda source: calls(source, key=key, per_key=2)),
        ),
        "filter, key=": (single(checks), single(lambda s: checks(s, key=key))),
        # Not newer, but what `key` itself costs.
        "map, key=": (single(calls), single(lambda s: calls(s, key=key))),
        "map of paced, cost=": (
            single(lambda source: ak.concurrent_map(paced, source, limit=10)),
            single(lambda source: ak.concurrent_map(priced, source, limit=10)),
        ),
    }


async def measure(
    forms: tuple[Form, Form], make: Source, *, items: int, rounds: int
) -> tuple[float, float]:
    """Return the seconds of the older one, and the ratio of the newer one to it."""

    async def run(form: Form) -> None:
        came = await form(make, items)
        assert came == items, f"{came} of {items} items came"

    runs: dict[str, Callable[[], Awaitable[object]]] = {
        name: partial(run, form)
        for name, form in zip(("older", "newer"), forms, strict=True)
    }
    for start in runs.values():
        await start()  # what is made once is no cost of an item
    seconds = await in_turn(runs, rounds=rounds, clock=time.process_time)
    older, newer = seconds["older"], seconds["newer"]
    return min(older), statistics.median(map(operator.truediv, newer, older))


async def compare(chosen: argparse.Namespace, backend: str) -> None:
    suspend = TURNS[backend]
    for name, forms in rows(suspend).items():
        for read, make in sources_of(suspend).items():
            row = f"{name}, {read}"
            if row.startswith(tuple(chosen.rows)):
                older, ratio = await measure(
                    forms, make, items=chosen.items, rounds=chosen.rounds
                )
                per_item = older / chosen.items * 1e6
                print(
                    f"{backend:8} {row:32} {per_item:6.2f} us {ratio:5.2f}", flush=True
                )


def main() -> None:
    """Read the command line and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", nargs="+", default=[""], help="those that start so")
    parser.add_argument("--backends", nargs="+", default=list(TURNS), choices=TURNS)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--items", type=int, default=10_000)
    chosen = parser.parse_args()
    for backend in chosen.backends:
        anyio.run(compare, chosen, backend, backend=backend)


if __name__ == "__main__":
    main()
