"""What a sequential operator costs, beside its native form and beside its peers.

    python benchmarks/sequential.py [--rounds 500] [--items 300] [row ...]

All forms of a row run in turn in one process, round after round, each time in another
order, over an async source that never suspends. Rounds are many and short, so that some
fall between what else the machine does. A cell is the median of the form's time
divided by the native form's in the same round, and behind it the best time divided by
the best. Cells compare within a row only.
"""

import argparse
import asyncio
import gc
import operator
import random
import statistics
import time
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias

import aiterkit as ak

Source: TypeAlias = Callable[[], AsyncIterator[Any]]
Form: TypeAlias = Callable[[Source], Awaitable[object]]
Row: TypeAlias = dict[str, Form]
MANY = 10**9


class Thing:
    """A result whose type is not built in."""


THING = Thing()


def plain(item: int) -> int:
    return item


async def later(item: int) -> int:
    return item


def thing(_: int) -> Thing:
    return THING


def odd(item: int) -> int:
    return item & 1


async def odd_later(item: int) -> int:
    return item & 1


def positive(item: int) -> bool:
    return item >= 0


async def pair_later(one: int, _: int) -> int:
    return one


async def read(items: AsyncIterable[object]) -> None:
    async for _ in items:
        pass


def each(make: Callable[[Source], Any]) -> Form:
    """Read all that *make* makes."""
    return lambda source: read(make(source))


async def in_step(branches: Any) -> None:
    for branch in branches:
        await read(branch)


def pairs(source: AsyncIterator[Any]) -> AsyncIterator[tuple[Any, Any]]:
    return ((item, item) async for item in source)


# What a person would write without a library.


async def zip_by_hand(one: Any, other: Any) -> AsyncIterator[tuple[Any, Any]]:
    while True:
        try:
            row = (await anext(one), await anext(other))
        except StopAsyncIteration:
            return
        yield row


async def chain_by_hand(*sources: Any) -> AsyncIterator[Any]:
    for source in sources:
        async for item in source:
            yield item


async def slice_by_hand(source: Any, stop: int) -> AsyncIterator[Any]:
    left = stop
    async for item in source:
        yield item
        left -= 1
        if not left:
            return


async def batch_by_hand(source: Any, size: int) -> AsyncIterator[tuple[Any, ...]]:
    batch: list[Any] = []
    async for item in source:
        batch.append(item)
        if len(batch) == size:
            yield tuple(batch)
            batch = []
    if batch:
        yield tuple(batch)


async def enumerate_by_hand(source: Any) -> AsyncIterator[tuple[int, Any]]:
    number = 0
    async for item in source:
        yield number, item
        number += 1


async def pairwise_by_hand(source: Any) -> AsyncIterator[tuple[Any, Any]]:
    before = await anext(source)
    async for item in source:
        yield before, item
        before = item


async def take_by_hand(func: Any, source: Any) -> AsyncIterator[Any]:
    async for item in source:
        if not func(item):
            return
        yield item


async def accumulate_by_hand(func: Any, source: Any) -> AsyncIterator[Any]:
    total = await anext(source)
    yield total
    async for item in source:
        total = func(total, item)
        yield total


async def sum_by_hand(source: Any) -> int:
    total = 0
    async for item in source:
        total += item
    return total


async def max_by_hand(func: Any, source: Any) -> Any:
    best = await anext(source)
    mark = func(best)
    async for item in source:
        other = func(item)
        if other > mark:
            best, mark = item, other
    return best


async def one_by_one(items: list[Any]) -> AsyncIterator[Any]:
    for item in items:
        yield item


async def tee_by_hand(source: Any) -> None:
    items = [item async for item in source]
    await in_step([one_by_one(items), one_by_one(items)])


async def collect_natively(source: Source) -> object:
    return [item async for item in source()]


ROWS: dict[str, Row] = {
    "amap, plain": {
        "native": each(lambda s: (plain(x) async for x in s())),
        "aiterkit": each(lambda s: ak.amap(plain, s())),
    },
    "amap, plain, own type": {
        "native": each(lambda s: (thing(x) async for x in s())),
        "aiterkit": each(lambda s: ak.amap(thing, s())),
    },
    "amap, async": {
        "native": each(lambda s: (await later(x) async for x in s())),
        "aiterkit": each(lambda s: ak.amap(later, s())),
    },
    "astarmap, async": {
        "native": each(lambda s: (await pair_later(*x) async for x in pairs(s()))),
        "aiterkit": each(lambda s: ak.astarmap(pair_later, pairs(s()))),
    },
    "afilter, plain": {
        "native": each(lambda s: (x async for x in s() if odd(x))),
        "aiterkit": each(lambda s: ak.afilter(odd, s())),
    },
    "afilter, async": {
        "native": each(lambda s: (x async for x in s() if await odd_later(x))),
        "aiterkit": each(lambda s: ak.afilter(odd_later, s())),
    },
    "acollect": {
        "native": collect_natively,
        "aiterkit": lambda s: ak.acollect(s()),
    },
    "aenumerate": {
        "native": each(lambda s: enumerate_by_hand(s())),
        "aiterkit": each(lambda s: ak.aenumerate(s())),
    },
    "azip of 2": {
        "native": each(lambda s: zip_by_hand(s(), s())),
        "aiterkit": each(lambda s: ak.azip(s(), s())),
    },
    "azip of 3": {
        "native": each(lambda s: zip_by_hand(zip_by_hand(s(), s()), s())),
        "aiterkit": each(lambda s: ak.azip(s(), s(), s())),
    },
    "achain of 2": {
        "native": each(lambda s: chain_by_hand(s(), s())),
        "aiterkit": each(lambda s: ak.achain(s(), s())),
    },
    "aislice": {
        "native": each(lambda s: slice_by_hand(s(), MANY)),
        "aiterkit": each(lambda s: ak.aislice(s(), MANY)),
    },
    "abatched of 100": {
        "native": each(lambda s: batch_by_hand(s(), 100)),
        "aiterkit": each(lambda s: ak.abatched(s(), 100)),
    },
    "apairwise": {
        "native": each(lambda s: pairwise_by_hand(s())),
        "aiterkit": each(lambda s: ak.apairwise(s())),
    },
    "atakewhile, plain": {
        "native": each(lambda s: take_by_hand(positive, s())),
        "aiterkit": each(lambda s: ak.atakewhile(positive, s())),
    },
    "aaccumulate, plain": {
        "native": each(lambda s: accumulate_by_hand(operator.add, s())),
        "aiterkit": each(lambda s: ak.aaccumulate(s())),
    },
    "asum": {
        "native": lambda s: sum_by_hand(s()),
        "aiterkit": lambda s: ak.asum(s()),
    },
    "amax by key": {
        "native": lambda s: max_by_hand(operator.neg, s()),
        "aiterkit": lambda s: ak.amax(s(), key=operator.neg),
    },
    "atee in 2": {
        "native": lambda s: tee_by_hand(s()),
        "aiterkit": lambda s: in_step(ak.atee(s())),
    },
}


def asyncstdlib() -> Row:
    import asyncstdlib as a

    return {
        "amap, plain": each(lambda s: a.map(plain, s())),
        "amap, plain, own type": each(lambda s: a.map(thing, s())),
        "amap, async": each(lambda s: a.map(later, s())),
        "astarmap, async": each(lambda s: a.starmap(pair_later, pairs(s()))),
        "afilter, plain": each(lambda s: a.filter(odd, s())),
        "afilter, async": each(lambda s: a.filter(odd_later, s())),
        "acollect": lambda s: a.list(s()),
        "aenumerate": each(lambda s: a.enumerate(s())),
        "azip of 2": each(lambda s: a.zip(s(), s())),
        "azip of 3": each(lambda s: a.zip(s(), s(), s())),
        "achain of 2": each(lambda s: a.chain(s(), s())),
        "aislice": each(lambda s: a.islice(s(), MANY)),
        "abatched of 100": each(lambda s: a.batched(s(), 100)),
        "apairwise": each(lambda s: a.pairwise(s())),
        "atakewhile, plain": each(lambda s: a.takewhile(positive, s())),
        "aaccumulate, plain": each(lambda s: a.accumulate(s())),
        "asum": lambda s: a.sum(s()),
        "amax by key": lambda s: a.max(s(), key=operator.neg),
        "atee in 2": lambda s: in_step(a.tee(s())),
    }


def aioitertools() -> Row:
    import aioitertools as a
    import aioitertools.more_itertools as more

    return {
        "amap, plain": each(lambda s: a.map(plain, s())),
        "amap, plain, own type": each(lambda s: a.map(thing, s())),
        "amap, async": each(lambda s: a.map(later, s())),
        "astarmap, async": each(lambda s: a.starmap(pair_later, pairs(s()))),
        "acollect": lambda s: a.list(s()),
        "aenumerate": each(lambda s: a.enumerate(s())),
        "azip of 2": each(lambda s: a.zip(s(), s())),
        "azip of 3": each(lambda s: a.zip(s(), s(), s())),
        "achain of 2": each(lambda s: a.chain(s(), s())),
        "aislice": each(lambda s: a.islice(s(), MANY)),
        "abatched of 100": each(lambda s: more.chunked(s(), 100)),
        "atakewhile, plain": each(lambda s: a.takewhile(positive, s())),
        "aaccumulate, plain": each(lambda s: a.accumulate(s())),
        "asum": lambda s: a.sum(s()),
        "atee in 2": lambda s: in_step(a.tee(s())),
    }


def anyio() -> Row:
    from anyio import itertools as a

    async def positive_later(item: int) -> bool:
        return item >= 0

    async def added(one: int, other: int) -> int:
        return one + other

    return {
        "astarmap, async": each(lambda s: a.starmap(pair_later, pairs(s()))),
        "azip of 2": each(lambda s: a.zip_longest(s(), s())),
        "azip of 3": each(lambda s: a.zip_longest(s(), s(), s())),
        "achain of 2": each(lambda s: a.chain(s(), s())),
        "aislice": each(lambda s: a.islice(s(), MANY)),
        "abatched of 100": each(lambda s: a.batched(s(), 100)),
        "apairwise": each(lambda s: a.pairwise(s())),
        "atakewhile, plain": each(lambda s: a.takewhile(positive_later, s())),
        "aaccumulate, plain": each(lambda s: a.accumulate(s(), added)),
        "atee in 2": lambda s: in_step(a.tee(s())),
    }


def streamable() -> Row:
    from streamable import stream

    return {
        "amap, plain": each(lambda s: stream(s()).map(plain)),
        "amap, plain, own type": each(lambda s: stream(s()).map(thing)),
        "amap, async": each(lambda s: stream(s()).map(later)),
        "afilter, plain": each(lambda s: stream(s()).filter(odd)),
        "afilter, async": each(lambda s: stream(s()).filter(odd_later)),
        "achain of 2": each(lambda s: stream(s()) + stream(s())),
        "aislice": each(lambda s: stream(s()).take(MANY)),
        "abatched of 100": each(lambda s: stream(s()).group(100)),
    }


def aiostream() -> Row:
    from aiostream import stream

    async def within(made: Any) -> None:
        async with made.stream() as items:
            await read(items)

    return {
        "amap, plain": lambda s: within(stream.map(s(), plain)),
        "amap, plain, own type": lambda s: within(stream.map(s(), thing)),
        "amap, async": lambda s: within(stream.map(s(), later, task_limit=1)),
        "afilter, plain": lambda s: within(stream.filter(s(), odd)),
        "aenumerate": lambda s: within(stream.enumerate(s())),
        "azip of 2": lambda s: within(stream.zip(s(), s())),
        "achain of 2": lambda s: within(stream.chain(s(), s())),
        "aislice": lambda s: within(stream.take(s(), MANY)),
        "abatched of 100": lambda s: within(stream.chunks(s(), 100)),
    }


def add_peers() -> None:
    """Add those peers that are installed, each where it has the operation."""
    for peer in (asyncstdlib, aioitertools, anyio, streamable, aiostream):
        try:
            found = peer()
        except ImportError as error:
            print(f"without {error.name}")
            continue
        for row, form in found.items():
            ROWS[row][peer.__name__] = form


async def measure(row: Row, items: int, rounds: int) -> dict[str, list[float]]:
    """Return the seconds of each form in each round."""

    async def source() -> AsyncIterator[int]:
        for item in range(items):
            yield item

    gc.collect()
    forms = list(row.items())
    seconds: dict[str, list[float]] = {name: [] for name in row}
    for _ in range(rounds):
        random.shuffle(forms)
        for name, form in forms:
            start = time.perf_counter()
            await form(source)
            seconds[name].append(time.perf_counter() - start)
    return seconds


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="*", help="only those whose name starts so")
    parser.add_argument("--rounds", type=int, default=500)
    parser.add_argument("--items", type=int, default=300)
    parser.add_argument("--alone", action="store_true", help="without the peers")
    chosen = parser.parse_args()
    if not chosen.alone:
        add_peers()
    gc.disable()
    for name, row in ROWS.items():
        if chosen.rows and not name.startswith(tuple(chosen.rows)):
            continue
        seconds = await measure(row, chosen.items, chosen.rounds)
        native = seconds.pop("native")
        cells = [f"native {min(native) / chosen.items * 1e9:4.0f} ns"]
        for form, times in seconds.items():
            ratio = statistics.median(map(operator.truediv, times, native))
            cells.append(f"{form} {ratio:.2f} ({min(times) / min(native):.2f})")
        print(f"{name:22} ", "   ".join(cells), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
