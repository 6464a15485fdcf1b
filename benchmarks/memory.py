"""How much memory a call in flight takes, and an open block, beside a bare task.

    python -m benchmarks memory            # measure, and print
    python -m benchmarks memory --write    # and write it into the documentation

Bytes are counted by tracemalloc while everything waits, so they are the same on every
machine; they differ between versions. Seconds are the processor's, in one run.
"""

import argparse
import asyncio
import contextlib
import gc
import json
import platform
import time
import tracemalloc
import warnings
from pathlib import Path

import anyio
import anyio.lowlevel

import aiterkit as ak
from benchmarks import page

KEPT = Path(__file__).parent.parent / "docs" / "performance" / "memory.json"


class Held:
    """Calls that wait until they are let go, and know when all have begun."""

    def __init__(self, number):
        self.number = number
        self.begun = 0
        self.all_begun = anyio.Event()
        self.go = anyio.Event()

    async def call(self, item=None):
        self.begun += 1
        if self.begun == self.number:
            self.all_begun.set()
        await self.go.wait()
        return item

    async def source(self):
        """Be a source that has not given its first item yet."""
        await self.call()
        yield 1


def traced():
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


@contextlib.asynccontextmanager
async def asyncio_tasks(held):
    async with asyncio.TaskGroup() as tasks:
        kept = [tasks.create_task(held.call(n)) for n in range(held.number)]
        yield
        held.go.set()
    del kept


@contextlib.asynccontextmanager
async def anyio_tasks(held):
    async with anyio.create_task_group() as tasks:
        for n in range(held.number):
            tasks.start_soon(held.call, n)
        yield
        held.go.set()


def of_map(operator):
    @contextlib.asynccontextmanager
    async def calls(held):
        async with operator(
            held.call, range(held.number), limit=held.number
        ) as results:
            yield
            held.go.set()
            async for _ in results:
                pass

    return calls


@contextlib.asynccontextmanager
async def collected(held):
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(collect, held)
        yield
        held.go.set()


async def collect(held):
    await ak.concurrent_collect(held.call, range(held.number), limit=held.number)


def groups(make, start):
    """Open so many groups of one task, which waits."""

    @contextlib.asynccontextmanager
    async def opened(held):
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(held.number):
                start(await stack.enter_async_context(make()), held)
            yield
            held.go.set()

    return opened


def blocks(make):
    """Open so many blocks, whose sources wait for their first item."""

    @contextlib.asynccontextmanager
    async def opened(held):
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(held.number):
                await stack.enter_async_context(make(held.source()))
            yield

    return opened


async def echo(item):
    await anyio.lowlevel.checkpoint()
    return item


ANYIO_GROUP = groups(anyio.create_task_group, lambda g, h: g.start_soon(h.call))
CALLS = {
    "asyncio task": asyncio_tasks,
    "anyio task": anyio_tasks,
    "concurrent_map": of_map(ak.concurrent_map),
    "concurrent_map_unordered": of_map(ak.concurrent_map_unordered),
    "concurrent_collect": collected,
}
BLOCKS = {
    "asyncio.TaskGroup, one task": groups(
        asyncio.TaskGroup, lambda g, h: g.create_task(h.call())
    ),
    "anyio task group, one task": ANYIO_GROUP,
    "concurrent_map": blocks(lambda s: ak.concurrent_map(echo, s, limit=10)),
    "concurrent_merge": blocks(lambda s: ak.concurrent_merge(s, buffer=1)),
    "concurrent_buffer": blocks(lambda s: ak.concurrent_buffer(s, 10)),
    "concurrent_batched": blocks(lambda s: ak.concurrent_batched(s, 10, within=1)),
}


async def bytes_each(form, number):
    """Return how many bytes each of *number* takes while all wait."""
    # Once before, so that what is made once for all is there.
    for count in (10, number):
        held = Held(count)
        tracemalloc.start()
        before = traced()
        async with form(held):
            await held.all_begun.wait()
            bytes_taken = traced() - before
        tracemalloc.stop()
    return round(bytes_taken / number)


async def many(number):
    """Have so many calls in flight at once; return seconds and peak bytes for each."""

    async def run():
        held = Held(number)
        async with of_map(ak.concurrent_map)(held):
            await held.all_begun.wait()

    return await measured(run, number)


async def pipeline(stages, number):
    """Send items through so many maps; return seconds and peak bytes for each item."""

    async def run():
        async with contextlib.AsyncExitStack() as stack:
            items = range(number)
            for _ in range(stages):
                block = ak.concurrent_map(echo, items, limit=10)
                items = await stack.enter_async_context(block)
            assert await ak.alen(items) == number

    return await measured(run, number)


async def measured(run, number):
    start = time.process_time()
    await run()
    seconds = time.process_time() - start
    tracemalloc.start()
    before = traced()
    await run()
    peak = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    return {"number": number, "microseconds": seconds / number * 1e6, "peak": peak}


async def everything(backend, scale):
    calls, opened, flight, items = scale
    return {
        "backend": backend,
        "calls": {
            name: await bytes_each(form, calls)
            for name, form in CALLS.items()
            if backend == "asyncio" or not name.startswith("asyncio")
        },
        "blocks": {
            name: await bytes_each(form, opened)
            for name, form in BLOCKS.items()
            if backend == "asyncio" or not name.startswith("asyncio")
        },
        "100,000 calls in flight": await many(flight),
        "10 stages": await pipeline(10, items),
    }


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--smoke", action="store_true", help="a glance")
    parser.add_argument("--write", action="store_true", help="keep the numbers")
    options = parser.parse_args()
    warnings.filterwarnings("ignore", ".* was left before it was read", RuntimeWarning)
    scale = (20, 5, 100, 100) if options.smoke else (500, 100, 100_000, 5_000)
    kept = {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "runs": [
            anyio.run(everything, backend, scale, backend=backend)
            for backend in ("asyncio", "trio")
        ],
    }
    print(json.dumps(kept, indent=1))
    if options.write:
        KEPT.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
        page.write()


if __name__ == "__main__":
    main()
