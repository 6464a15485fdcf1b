"""A soak: a million items through three stages, left in every way; is all flat?

    python -m benchmarks soak            # asyncio, uvloop and Trio, in some minutes
    python -m benchmarks soak --items 100_000 --loops trio --seed 7
    python -m benchmarks soak --write    # and write the figures into the page
    python -m benchmarks soak --redraw   # write it from the figures that are there

Each round sends some items through three operators, chosen at random, and ends in one
of many ways: at the end, by a break, an error, a deadline, a cancellation or Ctrl-C.
After it, no source may be open and no call may run. At intervals, what the process
holds is counted; if that grows, it fails.
"""

import argparse
import asyncio
import collections
import contextlib
import gc
import importlib.util
import json
import logging
import os
import platform
import random
import signal
import sys
import time
import types
from pathlib import Path

import anyio
import anyio.lowlevel

import aiterkit as ak

DOCS = Path(__file__).parent.parent / "docs"
KEPT = DOCS / "performance" / "soak.json"
PAGE = DOCS / "guarantees.md"

LOOPS = {
    "asyncio": {"backend": "asyncio"},
    "uvloop": {"backend": "asyncio", "backend_options": {"use_uvloop": True}},
    "trio": {"backend": "trio"},
}
ROUNDS_PER_RUN = 400
"""How many rounds an event loop runs, unless Ctrl-C ends it earlier."""

MORE_OBJECTS = 0.01
MORE_MEMORY = 0.05
"""How much more of them there may be at the end than after the warm-up."""


class BoomError(Exception):
    """What fails here."""


class Tally:
    """What was done, and what is open now."""

    def __init__(self):
        self.items = 0
        self.rounds = 0
        self.ends = collections.Counter()
        self.open_sources = 0
        self.running_calls = 0
        self.points = []
        self.complaints = []

    def check(self, after):
        if self.open_sources or self.running_calls:
            raise AssertionError(
                f"after {after}, in round {self.rounds}: {self.open_sources} sources "
                f"are open and {self.running_calls} calls run"
            )


class Strike:
    """What happens once, in the source, in a call or in the body."""

    def __init__(self, where, at, do):
        self.where, self.left, self.do = where, at, do
        self.has_struck = False

    def __call__(self, where):
        if where == self.where:
            self.left -= 1
            if self.left == 0:
                self.has_struck = True
                self.do()


def fail():
    raise BoomError


def interrupt():
    raise KeyboardInterrupt


def send_ctrl_c():
    signal.raise_signal(signal.SIGINT)


class Round:
    """Some items, three stages between them and the reader, and what strikes."""

    def __init__(self, rng, tally, strike, items, naps):
        self.rng, self.tally, self.strike = rng, tally, strike
        self.items = items
        self.naps = naps
        self.pace = rng.choice(["at once", "once", "once", "now and then"])

    async def wait(self, number):
        if self.pace == "once":
            await anyio.lowlevel.checkpoint()
        elif self.pace == "now and then" and number % 50 == 0:
            await anyio.sleep(self.naps)

    async def call(self, item):
        tally = self.tally
        tally.running_calls += 1
        try:
            self.strike("a call")
            await self.wait(item)
        except anyio.get_cancelled_exc_class():
            await anyio.lowlevel.checkpoint()  # a cleanup without a shield
            raise
        finally:
            tally.running_calls -= 1
        return item

    async def passes(self, item):
        return await self.call(item) >= 0

    async def alone(self, item):
        return [await self.call(item)]

    def inner(self, item):
        return [item]

    async def rows(self):
        tally = self.tally
        tally.open_sources += 1
        try:
            for item in range(self.items):
                self.strike("the source")
                tally.items += 1
                await self.wait(item + 1)
                yield item
        finally:
            tally.open_sources -= 1
            await anyio.lowlevel.checkpoint()

    def sync_rows(self):
        tally = self.tally
        tally.open_sources += 1
        try:
            for item in range(self.items):
                self.strike("the source")
                tally.items += 1
                yield item
        finally:
            tally.open_sources -= 1

    async def holding(self):
        """Hold a block across the ``yield``."""
        async with ak.concurrent_buffer(self.rows(), 2) as items:
            async for item in items:
                yield item

    def source(self):
        return self.rng.choice([self.rows, self.rows, self.sync_rows, self.holding])()

    def stage(self, source):
        limit = self.rng.choice([1, 2, 10, 50])
        return self.rng.choice(STAGES)(self, source, limit)

    async def read(self, breaks):
        """Read all, or up to where it *breaks*; check that all came."""
        count = total = 0
        async with (
            self.stage(self.source()) as first,
            self.stage(first) as second,
            self.stage(second) as third,
        ):
            async for item in third:
                count += 1
                total += item
                self.strike("the body")
                if count == breaks:
                    return
        right = (self.items, self.items * (self.items - 1) // 2)
        if (count, total) != right:
            raise AssertionError(f"of {self.items} items, {count} came")


@contextlib.asynccontextmanager
async def only_one(block):
    async with block as (reader,):
        yield reader


STAGES = [
    lambda r, s, n: ak.concurrent_map(r.call, s, limit=n),
    lambda r, s, n: ak.concurrent_map(r.call, s, limit=n, key=lambda i: i % 7),
    lambda r, s, n: ak.concurrent_map_unordered(r.call, s, limit=n),
    lambda r, s, n: ak.concurrent_map(r.call, s, limit=anyio.CapacityLimiter(n)),
    lambda r, s, n: ak.concurrent_filter(r.passes, s, limit=n),
    lambda r, s, n: ak.concurrent_flat_map(r.inner, s, limit=n),
    lambda r, s, n: ak.concurrent_flat_map_unordered(r.alone, s, limit=n),
    lambda _, s, n: ak.concurrent_buffer(s, n),
    lambda _, s, __: ak.concurrent_merge(s, []),
    lambda _, s, __: ak.concurrent_until(s, anyio.sleep_forever),
    lambda _, s, n: only_one(ak.concurrent_broadcast(s, 1, buffer=n)),
]


# The ways out. Each returns how it ended.


async def to_the_end(rng, tally, items, naps):
    await Round(rng, tally, Strike("", 0, fail), items, naps).read(breaks=0)
    return "the end"


async def by_break(rng, tally, items, naps):
    breaks = rng.randint(1, items)
    await Round(rng, tally, Strike("", 0, fail), items, naps).read(breaks)
    return "a break"


async def by_error(rng, tally, items, naps):
    strike = some_strike(rng, items, fail)
    try:
        await Round(rng, tally, strike, items, naps).read(breaks=0)
    except BoomError:
        return f"an error in {strike.where}"
    if strike.has_struck:
        raise AssertionError("an error was lost")
    return "the end"  # no stage made a call


async def by_deadline(rng, tally, items, naps):
    with anyio.move_on_after(rng.uniform(0, 3 * naps)) as scope:
        await Round(rng, tally, Strike("", 0, fail), items, naps).read(breaks=0)
    return "a deadline" if scope.cancelled_caught else "the end"


async def by_scope(rng, tally, items, naps):
    with anyio.CancelScope() as scope:
        strike = some_strike(rng, items, scope.cancel)
        await Round(rng, tally, strike, items, naps).read(breaks=0)
    return "a cancelled scope" if scope.cancelled_caught else "the end"


async def by_native_timeout(rng, tally, items, naps):
    if not is_on_asyncio():
        return await by_deadline(rng, tally, items, naps)
    try:
        async with asyncio.timeout(rng.uniform(0, 3 * naps)):
            await Round(rng, tally, Strike("", 0, fail), items, naps).read(breaks=0)
    except TimeoutError:
        return "asyncio.timeout"
    return "the end"


async def by_native_cancel(rng, tally, items, naps):
    if not is_on_asyncio():
        return await by_scope(rng, tally, items, naps)
    strike = some_strike(rng, items, bool)
    reading = Round(rng, tally, strike, items, naps).read(breaks=0)
    task = asyncio.ensure_future(reading)
    strike.do = task.cancel
    await asyncio.wait([task])
    if task.cancelled():
        return "task.cancel()"
    task.result()
    if strike.has_struck:
        raise AssertionError("task.cancel() was lost")
    return "the end"


async def by_ctrl_c(rng, tally, items, naps):
    strike = some_strike(rng, items, rng.choice([interrupt, send_ctrl_c]))
    tally.interruption = strike
    await Round(rng, tally, strike, items, naps).read(breaks=0)
    await anyio.lowlevel.checkpoint()
    if strike.has_struck:
        raise AssertionError("Ctrl-C was lost")
    return "the end"  # no stage made a call


def some_strike(rng, items, do):
    where = rng.choice(["the source", "a call", "the body"])
    return Strike(where, rng.randint(1, items), do)


def is_on_asyncio():
    return anyio.get_cancelled_exc_class() is asyncio.CancelledError


WAYS = {
    to_the_end: 20,
    by_break: 20,
    by_error: 20,
    by_deadline: 10,
    by_scope: 10,
    by_native_timeout: 10,
    by_native_cancel: 10,
    by_ctrl_c: 5,
}


# What the process holds.


def point(tally, tasks):
    gc.collect()
    objects = gc.get_objects()
    generators = [
        each
        for each in objects
        if isinstance(each, types.AsyncGeneratorType) and each.ag_frame is not None
    ]
    return {
        "items": tally.items,
        "tasks": tasks,
        "generators": len(generators),
        "files": open_files(),
        "objects": len(objects),
        "memory": resident(),
    }


def open_files():
    try:
        return len(list(Path("/dev/fd").iterdir()))
    except OSError:
        return 0


def resident():
    """Return the resident memory in bytes; 0 where nobody tells."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def living_tasks():
    if is_on_asyncio():
        return len(asyncio.all_tasks())
    import trio

    return trio.lowlevel.current_statistics().tasks_living


def soaked():
    """Return the module that writes the page."""
    spec = importlib.util.spec_from_file_location("soaked", DOCS / "_ext/soaked.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def judged(points):
    """Say what is not flat in *points*, if anything."""
    first, last = soaked().warm(points), points[-1]
    found = [
        f"{name}: {[p[name] for p in points]}"
        for name in ("tasks", "generators", "files")
        if len({p[name] for p in points}) > 1
    ]
    found += [
        f"{name}: {first[name]:,} after the warm-up, {last[name]:,} at the end"
        for name, more in (("objects", MORE_OBJECTS), ("memory", MORE_MEMORY))
        if last[name] > (1 + more) * first[name]
    ]
    return found


# The soak.


async def rounds(rng, tally, options):
    ways, weights = list(WAYS), list(WAYS.values())
    for _ in range(ROUNDS_PER_RUN):
        if tally.items >= options.items:
            return
        if tally.items >= len(tally.points) * options.items / options.points:
            await anyio.lowlevel.checkpoint()
            tally.points.append(point(tally, living_tasks()))
            show(tally.points[-1])
        (way,) = rng.choices(ways, weights)
        tally.rounds += 1
        items = int(10 ** rng.uniform(0, options.longest))
        try:
            ended = await way(rng, tally, items, options.naps)
        except (KeyboardInterrupt, asyncio.CancelledError):
            raise
        except BaseException as error:
            error.add_note(f"round {tally.rounds}, {way.__name__}, {items} items")
            raise
        tally.ends[ended] += 1
        tally.check(ended)


def soak(loop, options):
    rng, tally = random.Random(options.seed), Tally()
    log = logging.getLogger("asyncio")
    handler = logging.Handler()
    handler.emit = lambda record: tally.complaints.append(record.getMessage())
    log.addHandler(handler)
    hook = sys.unraisablehook
    sys.unraisablehook = lambda args: tally.complaints.append(repr(args.exc_value))
    start = time.monotonic()
    try:
        while tally.items < options.items:
            tally.interruption = None
            try:
                anyio.run(rounds, rng, tally, options, **LOOPS[loop])
            except KeyboardInterrupt:
                if tally.interruption is None or not tally.interruption.has_struck:
                    raise  # it is a real one
                tally.ends["Ctrl-C"] += 1
                tally.check("Ctrl-C")
    finally:
        sys.unraisablehook = hook
        log.removeHandler(handler)
    anyio.run(finish, tally, **LOOPS[loop])
    return tally, time.monotonic() - start


async def finish(tally):
    tally.points.append(point(tally, living_tasks()))
    show(tally.points[-1])


def enable_ctrl_c():
    """Let Ctrl-C interrupt, as it does in a terminal.

    A program that a shell starts in the background ignores it.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def show(point):
    print(
        f"{point['items']:>11,} items  {point['tasks']:>3} tasks"
        f"  {point['generators']:>3} generators  {point['files']:>3} files"
        f"  {point['objects']:>8,} objects  {point['memory'] / 2**20:>6.1f} MiB",
        flush=True,
    )


def is_there(loop):
    return loop == "asyncio" or importlib.util.find_spec(loop) is not None


def page(kept):
    return soaked().filled(PAGE.read_text(encoding="utf-8"), kept)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--items", type=int, default=1_000_000, help="for each loop")
    parser.add_argument("--loops", nargs="+", choices=LOOPS, default=list(LOOPS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--points", type=int, default=20, help="how often to count")
    parser.add_argument("--naps", type=float, default=0.003, help="seconds of a wait")
    parser.add_argument("--longest", type=float, default=3.5, help="round: 10 to that")
    parser.add_argument("--smoke", action="store_true", help="a glance")
    parser.add_argument("--write", action="store_true", help="keep the figures")
    parser.add_argument("--redraw", action="store_true", help="measure nothing")
    options = parser.parse_args()
    if options.redraw:
        PAGE.write_text(page(json.loads(KEPT.read_text())), encoding="utf-8")
        return
    if options.smoke:
        options.items, options.points, options.longest = 2_000, 3, 2
    enable_ctrl_c()
    kept = {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "seed": options.seed,
        "runs": [],
    }
    for loop in filter(is_there, options.loops):
        print(f"{loop}:", flush=True)
        tally, seconds = soak(loop, options)
        print(f"{tally.rounds:,} rounds in {seconds:.0f} s:", dict(tally.ends))
        found = judged(tally.points)
        if options.smoke:  # it has not warmed up
            found = [each for each in found if "warm-up" not in each]
        found += tally.complaints
        if found:
            sys.exit(f"{loop}: it is not flat:\n" + "\n".join(found))
        kept["runs"].append(
            {
                "loop": loop,
                "seconds": round(seconds),
                "rounds": tally.rounds,
                "ends": dict(sorted(tally.ends.items())),
                "points": tally.points,
            }
        )
    if options.write:
        KEPT.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
        PAGE.write_text(page(kept), encoding="utf-8")


if __name__ == "__main__":
    main()
