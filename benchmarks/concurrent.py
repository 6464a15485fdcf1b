"""What a concurrent map costs for each item, beside what else one could write.

The base of every ratio is a hand-written pipeline: a feeder, a bounded
`asyncio.Queue`, workers, a second bounded queue. It has none of the guarantees.
Below 1 is faster. All forms of a row run in turn, in a new order each round, in
one process; a cell is the median of the ratios within the rounds, and the base's
lowest time for each item is in microseconds.

    python -m benchmarks.concurrent                     # all rows on asyncio
    python -m benchmarks.concurrent --backend uvloop --rows "once, async"
    python -m benchmarks.concurrent --backend trio
    python -m benchmarks.concurrent --growth            # items, limits and memory
    python -m benchmarks.concurrent --keys              # what `key` costs
"""

import argparse
import asyncio
import contextlib
import functools
import gc
import operator
import statistics
import time
import tracemalloc
import types
from collections import deque
from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Generator,
    Iterable,
    Iterator,
)
from contextvars import copy_context
from importlib.metadata import version
from typing import Any, TypeAlias, cast

import anyio
import anyio.lowlevel

import aiterkit as ak
from benchmarks.rounds import in_turn

Func: TypeAlias = Callable[[int], Awaitable[int]]
Source: TypeAlias = Iterable[int] | AsyncIterable[int]
Form: TypeAlias = Callable[[Func, Source, int], Awaitable[object]]


# What is called.


async def at_once(item: int) -> int:
    return item


async def once(item: int) -> int:
    """Suspend once, for the shortest time there is."""
    await _turn()
    return item


async def a_millisecond(item: int) -> int:
    await anyio.sleep(0.001)
    return item


async def asyncio_turn() -> None:
    await asyncio.sleep(0)


_turn: Callable[[], Awaitable[object]] = asyncio_turn


@contextlib.contextmanager
def turning(turn: Callable[[], Awaitable[object]]) -> Iterator[None]:
    """Let `once` suspend in the way that is the backend's own."""
    global _turn  # noqa: PLW0603 - the backend is known only at run time
    before, _turn = _turn, turn
    try:
        yield
    finally:
        _turn = before


FUNCS: dict[str, Func] = {
    "at once": at_once,
    "once": once,
    "1 ms": a_millisecond,
}


async def counted(items: int) -> AsyncIterator[int]:
    for item in range(items):
        yield item


SOURCES: dict[str, Callable[[int], Source]] = {"async": counted, "sync": range}


# Ours.


async def ordered(func: Func, source: Source, limit: int) -> None:
    async with ak.concurrent_map(func, source, limit=limit) as results:
        async for _ in results:
            pass


async def unordered(func: Func, source: Source, limit: int) -> None:
    async with ak.concurrent_map_unordered(func, source, limit=limit) as results:
        async for _ in results:
            pass


async def collect(func: Func, source: Source, limit: int) -> None:
    await ak.concurrent_collect(func, source, limit=limit)


# What one would write by hand.


async def _listed(source: Source) -> list[int]:
    if isinstance(source, AsyncIterable):
        return [item async for item in source]
    return list(source)


async def queues(func: Func, source: Source, limit: int) -> None:
    todo: asyncio.Queue[int | None] = asyncio.Queue(limit)
    done: asyncio.Queue[int | None] = asyncio.Queue(limit)

    async def feed() -> None:
        if isinstance(source, AsyncIterable):
            async for item in source:
                await todo.put(item)
        else:
            for item in source:
                await todo.put(item)
        for _ in range(limit):
            await todo.put(None)

    async def work() -> None:
        while (item := await todo.get()) is not None:
            await done.put(await func(item))
        await done.put(None)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(feed())
        for _ in range(limit):
            tasks.create_task(work())
        working = limit
        while working:
            working -= await done.get() is None


async def relay(  # noqa: PLR0915 - one piece, as one would write it for speed
    func: Func, source: Source, limit: int
) -> None:
    """The same work, written plainly: read ahead, call, and give in input order.

    A task for the source, one for each call at once, a context for each call, and a
    reader. There are no errors here, nothing is closed and nothing is checked.
    """
    items = source if isinstance(source, AsyncIterable) else _each(source)
    new_wait = asyncio.get_running_loop().create_future
    line: deque[_Place] = deque()
    inbox: deque[_Place] = deque()
    idle: list[asyncio.Future[None]] = []
    feeder: asyncio.Future[None] | None = None
    reader: asyncio.Future[None] | None = None
    workers = 0
    ended = False

    async def feed() -> None:
        nonlocal feeder, reader, workers, ended
        async for item in items:
            place = _Place(item)
            line.append(place)
            inbox.append(place)
            if idle:
                idle.pop().set_result(None)
            elif workers < limit:
                workers += 1
                tasks.create_task(work())
            while len(line) >= 2 * limit:
                feeder = new_wait()
                await feeder
        ended = True
        for waiting in idle:
            waiting.set_result(None)
        if reader is not None:
            reader.set_result(None)
            reader = None

    @types.coroutine
    def call_all() -> Generator[Any, Any, None]:
        nonlocal reader
        while inbox or not ended:
            if not inbox:
                waiting = new_wait()
                idle.append(waiting)
                yield from waiting
                continue
            place = inbox.popleft()
            run = copy_context().run
            send = run(cast("Any", func), place.item).send
            try:
                trap = run(send, None)
                while True:
                    trap = run(send, (yield trap))
            except StopIteration as stop:
                place.result = stop.value
            place.is_done = True
            if reader is not None and line[0] is place:
                reader.set_result(None)
                reader = None

    async def work() -> None:
        await call_all()

    async def results() -> AsyncIterator[int]:
        nonlocal feeder, reader
        while line or not ended:
            if not line or not line[0].is_done:
                reader = new_wait()
                await reader
                continue
            place = line.popleft()
            if feeder is not None:
                feeder.set_result(None)
                feeder = None
            yield place.result

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(feed())
        async for _ in results():
            pass


class _Place:
    """Where an item waits for its call, and then its result for the reader."""

    __slots__ = ("is_done", "item", "result")

    def __init__(self, item: int) -> None:
        self.item = item
        self.result = item
        self.is_done = False


async def _each(source: Iterable[int]) -> AsyncIterator[int]:
    for item in source:
        yield item


async def gathered(func: Func, source: Source, limit: int) -> None:
    semaphore = asyncio.Semaphore(limit)

    async def call(item: int) -> int:
        async with semaphore:
            return await func(item)

    await asyncio.gather(*[call(item) for item in await _listed(source)])


async def pool(func: Func, source: Source, limit: int) -> None:
    """Workers over one shared iterator into a list: no streaming, no order."""
    items = iter(await _listed(source))
    results: list[int] = []

    async def work() -> None:
        for item in items:
            results.append(await func(item))  # noqa: PERF401 - many workers, one list

    async with anyio.create_task_group() as tasks:
        for _ in range(limit):
            tasks.start_soon(work)


async def loop(func: Func, source: Source, _limit: int) -> list[int]:
    if isinstance(source, AsyncIterable):
        return [await func(item) async for item in source]
    return [await func(item) for item in source]


# The peers, each as its documentation says.


def aiostream_forms() -> dict[str, Form]:
    from aiostream import stream

    async def in_order(func: Func, source: Source, limit: int) -> None:
        many: Any = stream.map(stream.iterate(source), func, task_limit=limit)
        async with many.stream() as results:
            async for _ in results:
                pass

    return {f"aiostream {version('aiostream')}": in_order}


def aiometer_forms() -> dict[str, Form]:
    import aiometer

    async def as_completed(func: Func, source: Source, limit: int) -> None:
        items = await _listed(source)
        async with aiometer.amap(func, items, max_at_once=limit) as results:
            async for _ in results:
                pass

    return {f"aiometer {version('aiometer')}": as_completed}


def streamable_forms() -> dict[str, Form]:
    from streamable import stream

    async def in_order(func: Func, source: Source, limit: int) -> None:
        many: Any = stream(source).map(func, concurrency=limit)
        async for _ in many:
            pass

    return {f"streamable {version('streamable')}": in_order}


def forms_for(backend: str, *, alone: bool) -> dict[str, Form]:
    forms: dict[str, Form] = {
        "ordered": ordered,
        "unordered": unordered,
        "collect": collect,
        "pool": pool,
    }
    if backend != "trio":
        forms |= {"queues": queues, "relay": relay, "gather": gathered}
    peers = [aiometer_forms]
    if backend != "trio":
        peers += [aiostream_forms, streamable_forms]
    for peer in [] if alone else peers:
        try:
            forms |= peer()
        except ImportError as error:
            print(f"without {error.name}")
    return forms


async def measure(
    forms: dict[str, Form],
    func: Func,
    make: Callable[[int], Source],
    *,
    limit: int,
    items: int,
    rounds: int,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Return the seconds of each form in each round, as *clock* tells them."""

    def run(form: Form) -> Awaitable[object]:
        return form(func, make(items), limit)

    runs = {name: functools.partial(run, form) for name, form in forms.items()}
    return await in_turn(runs, rounds=rounds, clock=clock)


def items_for(called: str, limit: int, items: int) -> int:
    """Return so many *items* that calls which sleep end in a few seconds."""
    return items if called != "1 ms" else min(items, 1_000 * limit)


async def compare(backend: str, chosen: argparse.Namespace) -> None:
    forms = forms_for(backend, alone=chosen.alone)
    base_name = "pool" if backend == "trio" else "queues"
    print(f"{backend}; the base is {base_name}")
    for called, func in FUNCS.items():
        for read, make in SOURCES.items():
            row = f"{called}, {read}"
            if not row.startswith(tuple(chosen.rows)):
                continue
            for limit in chosen.limits:
                entered = dict(forms)
                if limit == 1:
                    entered["loop"] = loop
                items = items_for(called, limit, chosen.items)
                seconds = await measure(
                    entered,
                    func,
                    make,
                    limit=limit,
                    items=items,
                    rounds=chosen.rounds,
                )
                base = seconds.pop(base_name)
                cells = [f"{base_name} {min(base) / items * 1e6:.2f} us"]
                for name, times in seconds.items():
                    ratio = statistics.median(map(operator.truediv, times, base))
                    cells.append(f"{name} {ratio:.2f}")
                print(f"{row:14} {limit:5}  ", "  ".join(cells), flush=True)


def keyed(distinct: int) -> Form:
    """Return the ordered map with a key of so many values."""

    async def form(func: Func, source: Source, limit: int) -> None:
        async with ak.concurrent_map(
            func, source, limit=limit, key=lambda item: item % distinct
        ) as results:
            async for _ in results:
                pass

    return form


async def keys(chosen: argparse.Namespace) -> None:
    """Show what a key costs; with fewer keys than *limit*, fewer calls can overlap."""
    forms = {"no key": ordered}
    forms |= {f"{count:,} keys": keyed(count) for count in (1, 10, 10_000)}
    for limit in chosen.limits:
        seconds = await measure(
            forms, once, counted, limit=limit, items=20_000, rounds=chosen.rounds
        )
        base = seconds.pop("no key")
        cells = [f"no key {min(base) / 20_000 * 1e6:.2f} us"]
        for name, times in seconds.items():
            ratio = statistics.median(map(operator.truediv, times, base))
            cells.append(f"{name} {ratio:.2f}")
        print(f"once, async    {limit:5}  ", "  ".join(cells), flush=True)


async def growth() -> None:
    """Show that time and memory for an item depend on neither items nor limit."""
    for limit in (10, 100, 1_000, 10_000):
        start = time.perf_counter()
        await ordered(once, counted(40_000), limit)
        spent = time.perf_counter() - start
        print(f"limit {limit:6}: {spent / 40_000 * 1e6:.2f} us an item", flush=True)
    for items in (10_000, 100_000, 1_000_000):
        start = time.perf_counter()
        await ordered(once, counted(items), 100)
        spent = time.perf_counter() - start
        print(f"items {items:8}: {spent / items * 1e6:.2f} us an item", flush=True)
    for items in (10_000, 1_000_000):
        gc.collect()
        tracemalloc.start()
        await ordered(at_once, counted(items), 100)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        print(f"items {items:8}: a peak of {peak / 1024:.0f} KiB", flush=True)


def main() -> None:
    """Read the command line and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", nargs="+", default=[""], help="those that start so")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument(
        "--limits", type=int, nargs="+", default=[1, 10, 100, 1_000], metavar="N"
    )
    parser.add_argument(
        "--backend", choices=["asyncio", "uvloop", "trio"], default="asyncio"
    )
    parser.add_argument("--alone", action="store_true", help="without the peers")
    parser.add_argument("--growth", action="store_true", help="items, limits, memory")
    parser.add_argument("--keys", action="store_true", help="what a key costs")
    chosen = parser.parse_args()
    options: dict[str, Any] = {"backend": "asyncio"}
    turn: Callable[[], Awaitable[object]] = asyncio_turn
    if chosen.backend == "uvloop":
        options["backend_options"] = {"use_uvloop": True}
    elif chosen.backend == "trio":
        options["backend"] = "trio"
        turn = anyio.lowlevel.checkpoint
    run: Callable[[], Awaitable[None]]
    if chosen.growth:
        run = growth
    elif chosen.keys:
        run = functools.partial(keys, chosen)
    else:
        run = functools.partial(compare, chosen.backend, chosen)
    with turning(turn):
        anyio.run(run, **options)


if __name__ == "__main__":
    main()
