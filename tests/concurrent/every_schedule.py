"""Small programs that are run under every schedule, one for each promise.

`programs()` lists them. Continuous integration tries each with at most two
preemptions on both backends (``test_every_schedule.py``); ``nox -s every`` with three,
and writes what it counted to the page ``docs/every-schedule.md``:

    python -m tests.concurrent.every_schedule --preemptions 3

They use the public names alone, so they say what holds, not how.
"""

import argparse
import platform
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, TypeAlias

import anyio
import pytest
from anyio import lowlevel

import aiterkit as ak
from aiterkit.testing import (
    Barrier,
    CallProbe,
    SourceProbe,
    SyncSourceProbe,
    available_backends,
    explore,
    interrupted,
)

Interrupt: TypeAlias = Literal["break", "cancel", "timeout"]
Source: TypeAlias = "SourceProbe[str] | SyncSourceProbe[str]"
Test: TypeAlias = Callable[[], Awaitable[None]]

PAGE = Path(__file__).parents[2] / "docs" / "every-schedule.md"


class Planned(Exception):
    """An error that a program raises on purpose."""


@dataclass(frozen=True)
class Program:
    """A small program, and the promise that it holds an operator to.

    Attributes:
        operator: The public name that it is about.
        promise: What must hold, in a few words.
        test: The program; it fails if the promise is broken.
        interrupt: What strikes it once, at each step in turn.
        fewer: How many preemptions fewer are tried, since more take too long.
    """

    operator: str
    promise: str
    test: Test
    interrupt: Interrupt | None = None
    fewer: int = 0

    @property
    def backends(self) -> tuple[Literal["asyncio", "trio"], ...]:
        """Where it is tried: on Trio, "cancel" is the same as "timeout"."""
        backends = available_backends()
        return backends[:1] if self.interrupt == "cancel" else backends

    def __str__(self) -> str:
        strikes = f", {self.interrupt}" if self.interrupt else ""
        return f"{self.operator}: {self.promise}{strikes}"


def source_of(items: Iterable[str], kind: str = "async", **options: Any) -> Source:
    """Return a probe: async with a pause before each item, async without, or sync."""
    if kind == "sync":
        return SyncSourceProbe(items, **options)
    gap = None if kind == "eager" else 0
    return SourceProbe(items, gap=gap, **options)


def used_well(*sources: Source) -> None:
    """Fail unless each was used well; an async one by one task, and closed once."""
    for source in sources:
        if isinstance(source, SourceProbe):
            source.assert_closed_once()
            source.assert_one_reader()
        source.assert_well_used()


async def read_all(results: AsyncIterator[Any]) -> list[Any]:
    """Return all results; the end must be the end for ever."""
    found = [result async for result in results]
    with pytest.raises(StopAsyncIteration):
        await anext(results)
    return found


def in_order(operator: str, found: list[Any], wanted: Iterable[Any]) -> None:
    """Fail unless *found* is what is wanted, in the order that is promised."""
    if "unordered" in operator:
        found = sorted(found)
    assert found == list(wanted)


# The maps


async def maps(
    operator: str, kind: str, limit: int, buffer: int, items: str = "ab"
) -> None:
    """All results, in order; limit, read-ahead and close as promised."""
    source = source_of(items, kind)
    calls: CallProbe[Any, Any] = CallProbe(str.upper)
    found: list[str] = []
    name = getattr(ak, operator)
    async with name(calls, source, limit=limit, buffer=buffer) as results:
        async for result in results:
            found.append(result)
            assert len(source.taken) - len(found) <= limit + buffer
        with pytest.raises(StopAsyncIteration):
            await anext(results)
    in_order(operator, found, items.upper())
    calls.assert_never_exceeds(limit)
    calls.assert_all_ended()
    used_well(source)


async def maps_reach_the_limit(operator: str, kind: str) -> None:
    """Two calls wait for each other: it would hang if they did not overlap."""
    barrier = Barrier(2)

    async def meet(item: str) -> str:
        await barrier.wait()
        return item

    source = source_of("ab", kind)
    async with getattr(ak, operator)(meet, source, limit=2, buffer=0) as results:
        in_order(operator, await read_all(results), "ab")
    used_well(source)


async def maps_fail_in_a_call(operator: str, failing: str) -> None:
    """What comes before the error is delivered, then the error, and then the end."""

    async def work(item: str) -> str:
        if item in failing:
            await lowlevel.checkpoint()
            raise Planned(item)
        return item

    source = source_of("ab")
    calls: CallProbe[Any, Any] = CallProbe(work, seconds=None)
    found: list[str] = []
    name = getattr(ak, operator)
    async with name(calls, source, limit=2, buffer=0) as results:
        with pytest.raises(Planned) as caught:
            async for result in results:
                found.append(result)
        calls.assert_all_ended()
        with pytest.raises(StopAsyncIteration):
            await anext(results)
    if "unordered" in operator:
        assert set(found) <= set("ab") - set(failing)
        assert str(caught.value) in failing
    else:
        assert found == list("ab"[: "ab".index(failing[0])])
        assert str(caught.value) == failing[0]
    used_well(source)


async def maps_pass_on_an_error_of_the_source(operator: str, kind: str) -> None:
    """It comes bare, after the results of all items before it."""
    error = Planned()
    source = source_of("a", kind, error=error)
    calls: CallProbe[Any, Any] = CallProbe()
    found: list[str] = []
    name = getattr(ak, operator)
    async with name(calls, source, limit=2, buffer=0) as results:
        with pytest.raises(Planned) as caught:
            async for result in results:
                found.append(result)
    assert caught.value is error
    # In the order of completion, the error may come before the result.
    assert found == ["a"] or ("unordered" in operator and not found)
    calls.assert_all_ended()
    used_well(source)


async def maps_are_left(operator: str, kind: str, items: str, limit: int) -> None:
    """However the block is left, calls have ended and the source is closed once."""
    source = source_of(items, kind)
    calls: CallProbe[Any, Any] = CallProbe()
    name = getattr(ak, operator)
    try:
        async with name(calls, source, limit=limit, buffer=0) as results:
            async for _ in results:
                if interrupted():
                    break
    finally:
        calls.assert_all_ended()
        used_well(source)


async def maps_lose_nothing_when_a_wait_times_out(operator: str) -> None:
    """A result that came too late for one wait is received by the next."""
    source = source_of("a", "sync")
    calls: CallProbe[Any, Any] = CallProbe(seconds=1)
    found: list[str] = []
    name = getattr(ak, operator)
    async with name(calls, source, limit=2, buffer=0) as results:
        with anyio.move_on_after(1):
            found.append(await anext(results))
        found += [result async for result in results]
    in_order(operator, found, "a")
    used_well(source)


async def maps_keep_calls_of_one_key_apart() -> None:
    """Calls with equal keys never overlap, and start in order."""
    running: defaultdict[str, int] = defaultdict(int)
    started: list[str] = []

    async def work(item: str) -> str:
        started.append(item)
        running[item[0]] += 1
        assert running[item[0]] == 1
        await lowlevel.checkpoint()
        running[item[0]] -= 1
        return item

    source = SourceProbe(["a1", "a2"])
    async with ak.concurrent_map(
        work, source, limit=2, buffer=0, key=lambda item: item[0]
    ) as results:
        assert await read_all(results) == ["a1", "a2"]
    assert started == ["a1", "a2"]
    used_well(source)


async def collects(limit: int) -> None:
    """All results are there, in input order."""
    source = source_of("ab")
    calls: CallProbe[Any, Any] = CallProbe(str.upper)
    assert await ak.concurrent_collect(calls, source, limit=limit, buffer=0) == [
        "A",
        "B",
    ]
    calls.assert_never_exceeds(limit)
    calls.assert_all_ended()
    used_well(source)


async def collecting_fails(operator: str) -> None:
    """The first error in time is raised; no call runs on."""

    async def fail(item: str) -> str:
        await lowlevel.checkpoint()
        if not failed:
            failed.append(item)
        raise Planned(item)

    failed: list[str] = []
    source = source_of("ab")
    calls: CallProbe[Any, Any] = CallProbe(fail, seconds=None)
    with pytest.raises(Planned) as caught:
        await getattr(ak, operator)(calls, source, limit=2, buffer=0)
    assert [str(caught.value)] == failed
    calls.assert_all_ended()
    used_well(source)


async def filters() -> None:
    """The items that pass, in input order."""

    async def passes(item: str) -> bool:
        if item == "a":
            await lowlevel.checkpoint()
        return item != "a"

    source = source_of("ab")
    async with ak.concurrent_filter(passes, source, limit=2, buffer=0) as results:
        assert await read_all(results) == ["b"]
    used_well(source)


async def expands() -> None:
    """What a call finds is an item too; it ends by itself."""

    async def children(item: str) -> list[str]:
        return ["b"] if item == "a" else []

    found: list[Any] = []
    async with ak.concurrent_expand(children, "a", limit=1, buffer=0) as results:
        found = await read_all(results)
    assert len(found) == 2


# Leaving: what the block cancels is cancelled once, and cleans up in full


async def cleanup_of_calls_runs(operator: str) -> None:
    """A call that is cancelled since you leave may await in its cleanup."""
    seen: list[str] = []
    cleaned: list[str] = []

    async def work(item: str) -> str:
        try:
            await lowlevel.checkpoint()
        except anyio.get_cancelled_exc_class():
            seen.append(item)
            await lowlevel.checkpoint()
            cleaned.append(item)
            raise
        return item

    async with getattr(ak, operator)(work, "ab", limit=2, buffer=0) as results:
        async for _ in results:
            break
    assert cleaned == seen


async def cleanup_of_the_source_runs(open_block: Callable[[Any], Any]) -> None:
    """A source that is cut off in the middle of a read may await in its cleanup."""
    cleaned: list[str] = []

    async def source() -> AsyncIterator[str]:
        try:
            yield "a"
            await anyio.sleep_forever()
        finally:
            await lowlevel.checkpoint()
            cleaned.append("source")

    async with open_block(source()) as results:
        async for _ in results:
            break
    assert cleaned == ["source"]


async def a_call_that_does_not_end_is_ended(operator: str) -> None:
    """What interrupts you while you leave ends the wait for a call's cleanup."""

    async def hang(item: str) -> str:
        try:
            await anyio.sleep_forever()
        finally:
            await anyio.sleep_forever()
        return item

    async with getattr(ak, operator)(hang, "a", limit=1, buffer=0):
        await lowlevel.checkpoint()


async def a_source_that_does_not_end_is_ended(open_block: Callable[[Any], Any]) -> None:
    """What interrupts you while you leave ends the wait for the source's close."""

    async def source() -> AsyncIterator[str]:
        try:
            yield "a"
        finally:
            await anyio.sleep_forever()

    async with open_block(source()) as results:
        async for _ in results:
            break


# Sources within sources, and several sources


async def flat_maps(operator: str, limit: int) -> None:
    """All items of all inner sources, each of which is closed once."""
    inner = {"a": SourceProbe("1"), "b": SourceProbe("2")}
    source = source_of("ab", "sync")
    async with getattr(ak, operator)(inner.get, source, limit=limit) as results:
        in_order(operator, await read_all(results), "12")
    used_well(source, *inner.values())


async def flat_maps_are_left(operator: str) -> None:
    """However the block is left, all sources that were opened are closed."""
    inner = {"a": source_of("1"), "b": source_of("2", "eager")}
    opened: list[str] = []

    def opens(item: str) -> Source:
        opened.append(item)
        return inner[item]

    source = source_of("ab", "sync")
    try:
        async with getattr(ak, operator)(opens, source, limit=2) as results:
            async for _ in results:
                if interrupted():
                    break
    finally:
        used_well(source, *(inner[item] for item in opened))


async def merges() -> None:
    """All items, those of each source in their order."""
    sources = [SourceProbe("ab"), SourceProbe("1")]
    async with ak.concurrent_merge(*sources) as results:
        found = await read_all(results)
    assert sorted(found) == ["1", "a", "b"]
    assert found.index("a") < found.index("b")
    used_well(*sources)


async def merges_fail() -> None:
    """What a source raises is raised, after its items; the others are closed."""
    error = Planned()
    sources = [SourceProbe("a", error=error), SourceProbe("1")]
    found: list[str] = []
    async with ak.concurrent_merge(*sources) as results:
        with pytest.raises(Planned) as caught:
            async for result in results:
                found.append(result)
    assert caught.value is error
    assert "a" in found
    used_well(*sources)


async def several_are_left(operator: str) -> None:
    """However the block is left, all sources are closed."""
    kind = "eager" if operator == "concurrent_zip" else "async"
    sources = [source_of("a", kind), source_of("1", "eager")]
    try:
        async with getattr(ak, operator)(*sources) as results:
            async for _ in results:
                if interrupted():
                    break
    finally:
        used_well(*sources)


async def zips() -> None:
    """A row for each item of the shortest source."""
    sources = [SourceProbe("ab"), SourceProbe("1")]
    async with ak.concurrent_zip(*sources) as results:
        assert await read_all(results) == [("a", "1")]
    used_well(*sources)


async def zips_latest() -> None:
    """The last row has the last item of each source."""
    sources = [SourceProbe("ab"), SourceProbe("1")]
    async with ak.concurrent_zip_latest(*sources) as results:
        assert (await read_all(results))[-1] == ("b", "1")
    used_well(*sources)


async def switches() -> None:
    """What the last item began is read to its end, and all else is closed."""
    inner = {"a": SourceProbe("1"), "b": SourceProbe("2")}
    opened: list[str] = []

    def opens(item: str) -> SourceProbe[str]:
        assert all(inner[each].closes == 1 for each in opened)
        opened.append(item)
        return inner[item]

    source = source_of("ab")
    async with ak.concurrent_switch_map(opens, source) as results:
        found = await read_all(results)
    assert found in (["1", "2"], ["2"])
    used_well(source, *(inner[item] for item in opened))


# One source


async def buffers(size: int) -> None:
    """All items in order, read ahead by no more than was allowed."""
    source = source_of("abc")
    found: list[str] = []
    async with ak.concurrent_buffer(source, size) as results:
        async for item in results:
            found.append(item)
            assert len(source.taken) - len(found) <= size
    assert found == list("abc")
    used_well(source)


async def one_is_left(open_block: Callable[[Any], Any]) -> None:
    """However the block is left, the source is closed."""
    source = source_of("ab")
    try:
        async with open_block(source) as results:
            async for _ in results:
                if interrupted():
                    break
    finally:
        used_well(source)


async def one_fails(open_block: Callable[[Any], Any]) -> None:
    """What the source raises comes bare, after its items, and once."""
    error = Planned()
    source = source_of("a", error=error)
    async with open_block(source) as results:
        with pytest.raises(Planned) as caught:
            async for _ in results:
                pass
        with pytest.raises(StopAsyncIteration):
            await anext(results)
    assert caught.value is error
    used_well(source)


async def batches() -> None:
    """Each item is in one batch, in order, though time is up as one comes."""
    source = SourceProbe("abc", gap=[0, 1, 1])
    async with ak.concurrent_batched(source, 2, within=1) as results:
        found = await read_all(results)
    assert [item for batch in found for item in batch] == ["a", "b", "c"]
    assert all(1 <= len(batch) <= 2 for batch in found)
    used_well(source)


async def gives_the_last(open_block: Callable[[Any], Any]) -> None:
    """Items may be dropped, but never the last, and none comes twice."""
    source = SourceProbe("abc", gap=[0, 1, 0])
    async with open_block(source) as results:
        found = await read_all(results)
    assert found[-1] == "c"
    assert found == sorted(set(found))
    used_well(source)


async def broadcasts() -> None:
    """Each reader has all items, though one waits for the other."""
    source = source_of("ab", "eager")
    found: list[list[str]] = []

    async def read(items: AsyncIterator[str]) -> None:
        found.append([item async for item in items])

    async with ak.concurrent_broadcast(source, 2, buffer=1) as (first, second):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read, first)
            await read(second)
    assert found == [["a", "b"], ["a", "b"]]
    used_well(source)


async def partitions() -> None:
    """Each reader has the items of its key."""
    source = source_of(["a1", "b1"])
    found: list[str] = []

    async def read(key: str, items: AsyncIterator[str]) -> None:
        async for item in items:
            assert item[0] == key
            found.append(item)

    async with ak.concurrent_partition(
        source, lambda item: item[0], "ab", buffer=1
    ) as (first, second):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read, "a", first)
            await read("b", second)
    assert sorted(found) == ["a1", "b1"]
    used_well(source)


# All of them

MAPS = ("concurrent_map", "concurrent_map_unordered")
FLAT_MAPS = ("concurrent_flat_map", "concurrent_flat_map_unordered")
INTERRUPTS: tuple[Interrupt, ...] = ("break", "timeout", "cancel")


def programs() -> Iterator[Program]:
    """Yield all programs."""
    for name in MAPS:
        yield from map_programs(name)
    yield from list_programs()
    for name in FLAT_MAPS:
        yield from flat_map_programs(name)
    yield from programs_of_several_sources()
    yield from programs_of_one_source()
    yield from programs_of_leaving()


def map_programs(name: str) -> Iterator[Program]:
    for kind, limit, buffer in [
        ("sync", 1, 0),
        ("sync", 2, 0),
        ("sync", 1, 1),
        ("sync", 2, 1),
        ("async", 1, 0),
        ("async", 1, 1),
        ("async", 2, 1),
    ]:
        promise = f"all of two items, {kind} source, limit={limit}, buffer={buffer}"
        yield Program(name, promise, partial(maps, name, kind, limit, buffer))
    is_ordered = name == "concurrent_map"
    for kind in ("sync", "eager") if is_ordered else ("sync",):
        test: Test = partial(maps_reach_the_limit, name, kind)
        yield Program(name, f"two calls overlap, {kind} source", test)
    for kind in ("sync", "async"):
        test = partial(maps_pass_on_an_error_of_the_source, name, kind)
        yield Program(name, f"an error of a source that is {kind}", test)
    for failing in ("a", "b", "ab"):
        test = partial(maps_fail_in_a_call, name, failing)
        said = " and ".join(failing)
        yield Program(name, f"an error in the call of {said}", test)
    # The two differ in what they deliver, not in how they are cancelled.
    for interrupt in INTERRUPTS if is_ordered else INTERRUPTS[:1]:
        test = partial(maps_are_left, name, "sync", "ab", 2)
        yield Program(name, "left early, sync source", test, interrupt)
        # Where it can strike at each step, one item makes schedules enough.
        items, limit = ("ab", 1) if interrupt == "break" else ("a", 2)
        test = partial(maps_are_left, name, "async", items, limit)
        # Left out: on asyncio the order in which a scope cancels the tasks of the
        # block comes from sets, so it differs from run to run.
        if interrupt != "timeout":
            yield Program(name, "left early, async source", test, interrupt)
    test = partial(maps_lose_nothing_when_a_wait_times_out, name)
    yield Program(name, "a wait that times out loses nothing", test)
    if is_ordered:
        test = maps_keep_calls_of_one_key_apart
        yield Program(name, "calls of one key stay apart", test)


def list_programs() -> Iterator[Program]:
    for limit in (1, 2):
        promise = f"all of two items, limit={limit}"
        yield Program("concurrent_collect", promise, partial(collects, limit))
    for name in ("concurrent_collect", "concurrent_for_each"):
        promise = "the first error in time is raised"
        yield Program(name, promise, partial(collecting_fails, name))
    yield Program("concurrent_filter", "the items that pass, in order", filters)
    promise = "what a call finds is an item too"
    yield Program("concurrent_expand", promise, expands, fewer=2)


def flat_map_programs(name: str) -> Iterator[Program]:
    for limit in (1, 2):
        promise = f"two inner sources, limit={limit}"
        yield Program(name, promise, partial(flat_maps, name, limit))
    for interrupt in INTERRUPTS:
        test = partial(flat_maps_are_left, name)
        yield Program(name, "left early", test, interrupt)


def programs_of_several_sources() -> Iterator[Program]:
    yield Program("concurrent_merge", "two sources, each in its order", merges)
    yield Program("concurrent_merge", "an error of one source", merges_fail)
    yield Program("concurrent_zip", "as many rows as the shortest has", zips)
    yield Program("concurrent_zip_latest", "ends with the last of each", zips_latest)
    for name in ("concurrent_merge", "concurrent_zip", "concurrent_zip_latest"):
        for interrupt in INTERRUPTS:
            test = partial(several_are_left, name)
            yield Program(name, "left early", test, interrupt)
    yield Program("concurrent_switch_map", "the last item wins", switches)


def programs_of_one_source() -> Iterator[Program]:
    for size in (1, 2):
        promise = f"three items in order, {size} ahead"
        yield Program("concurrent_buffer", promise, partial(buffers, size))
    yield Program("concurrent_batched", "each item is in one batch", batches)
    blocks: dict[str, Callable[[Any], Any]] = {
        "concurrent_latest": ak.concurrent_latest,
        "concurrent_debounce": partial(ak.concurrent_debounce, seconds=1),
        "concurrent_sample": partial(ak.concurrent_sample, seconds=1),
    }
    for name, block in blocks.items():
        test = partial(gives_the_last, block)
        yield Program(name, "the last item is never dropped", test)
    blocks |= {
        "concurrent_buffer": lambda source: ak.concurrent_buffer(source, 1),
        "concurrent_batched": lambda source: ak.concurrent_batched(source, 2, within=1),
    }
    for name, block in blocks.items():
        yield Program(name, "an error of the source", partial(one_fails, block))
        for interrupt in INTERRUPTS:
            yield Program(name, "left early", partial(one_is_left, block), interrupt)
    yield Program("concurrent_broadcast", "two readers have all items", broadcasts)
    yield Program("concurrent_partition", "each reader has its key's items", partitions)


def programs_of_leaving() -> Iterator[Program]:
    for name in MAPS:
        test: Test = partial(cleanup_of_calls_runs, name)
        yield Program(name, "the cleanup of cancelled calls runs in full", test)
        test = partial(a_call_that_does_not_end_is_ended, name)
        yield Program(name, "a cleanup that hangs is ended", test, "timeout")
    blocks: dict[str, Callable[[Any], Any]] = {
        "concurrent_buffer": lambda source: ak.concurrent_buffer(source, 1),
        "concurrent_merge": ak.concurrent_merge,
        "concurrent_latest": ak.concurrent_latest,
    }
    for name, block in blocks.items():
        test = partial(cleanup_of_the_source_runs, block)
        yield Program(name, "the cleanup of a source runs in full", test)
        test = partial(a_source_that_does_not_end_is_ended, block)
        yield Program(name, "a close that hangs is ended", test, "timeout")


# The page

HEAD = """\
# What holds under every schedule

A test that passes has shown one order of steps, and a race hides in another one. So
small programs, a few for each operator, are run under *every* schedule with at most
{preemptions} preemptions, on both backends. Each program checks one promise of [what
you can rely on](guarantees.md).

A preemption is a switch away from a task that could go on. When a task has to wait, any
task may run next, and that costs nothing. Timers that are due at the same time go off
in each order, too. A "break", a "timeout" or a "cancel" strikes once in a run: at each
step in turn, or not at all.

What follows: these programs keep their promises whatever the event loop does, as long
as it takes no more than {preemptions} preemptions. What does not follow: anything about
larger programs, or more preemptions. Those are tested under random schedules.

This page is the result of one run. `nox -s every` writes it again, with three
preemptions. Continuous integration runs the same programs with two. To do the same
with code of your own, see [](testing.md).

Python {python}, anyio {anyio}, trio {trio}. {programs} programs, {schedules:,}
schedules, {rate:,} a second on one core; none failed.
"""

TABLE = """
| program | asyncio | Trio |
|---|---|---|
"""


def titled() -> list[str]:
    """Return the operators that have a program, in order."""
    return list(dict.fromkeys(program.operator for program in programs()))


def counted(program: Program, preemptions: int) -> Iterator[int]:
    """Yield how many schedules *program* has, on each of its backends."""
    for backend in program.backends:
        yield explore(
            program.test,
            schedules="all",
            preemptions=max(0, preemptions - program.fewer),
            interrupt=program.interrupt,
            backends=(backend,),
            max_schedules=10_000_000,
        ).schedules


def write_page(preemptions: int, *, is_shown: bool = True) -> str:
    """Run all programs, and return the page."""
    rows: defaultdict[str, list[str]] = defaultdict(list)
    every = list(programs())
    total = 0
    began = time.process_time()
    for program in every:
        counts = list(counted(program, preemptions))
        total += sum(counts)
        cells = [*(f"{count:,}" for count in counts), "as timeout"]
        strikes = f", {program.interrupt}" if program.interrupt else ""
        less = f" ({program.fewer} preemptions fewer)" if program.fewer else ""
        said = f"{program.promise}{strikes}{less}"
        rows[program.operator].append(f"| {said} | {cells[0]} | {cells[1]} |\n")
        if is_shown:
            sys.stderr.write(f"{program}: {' and '.join(cells[: len(counts)])}\n")
    page = HEAD.format(
        preemptions={2: "two", 3: "three"}.get(preemptions, preemptions),
        python=platform.python_version(),
        anyio=version("anyio"),
        trio=version("trio"),
        programs=len(every),
        schedules=total,
        rate=int(total / (time.process_time() - began)) // 100 * 100,
    )
    for operator, lines in rows.items():
        page += f"\n## `{operator}`\n{TABLE}{''.join(lines)}"
    return page


def main() -> None:
    """Write the page."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--preemptions", type=int, default=3)
    options = parser.parse_args()
    PAGE.write_text(write_page(options.preemptions), encoding="utf-8")


if __name__ == "__main__":
    main()
