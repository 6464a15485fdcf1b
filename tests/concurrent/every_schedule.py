"""Small programs that are run under every schedule, one for each promise.

`programs()` lists them. Continuous integration tries each with at most two
preemptions on both backends (``test_every_schedule.py``); ``nox -s every`` with three,
and writes what it counted to the page ``docs/every-schedule.md``:

    python -m tests.concurrent.every_schedule --preemptions 3

They use the public names alone, so they say what holds, not how.
"""

import argparse
import json
import platform
import shlex
import sys
import time
from collections import defaultdict
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
)
from contextlib import asynccontextmanager
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
    ScheduleError,
    SourceProbe,
    SyncSourceProbe,
    TooManySchedulesError,
    available_backends,
    explore,
    interrupted,
)

Interrupt: TypeAlias = Literal["break", "cancel", "timeout"]
Source: TypeAlias = "SourceProbe[str] | SyncSourceProbe[str]"
Backend: TypeAlias = Literal["asyncio", "trio"]
Test: TypeAlias = Callable[[], Awaitable[None]]

COMMAND = "python -m tests.concurrent.every_schedule"

MOST = 20_000
"""How many schedules of a program are run with three preemptions, at most."""

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
    def backends(self) -> tuple[Backend, ...]:
        """Where it is tried: on Trio, "cancel" is the same as "timeout"."""
        backends = available_backends()
        return backends[:1] if self.interrupt == "cancel" else backends

    @property
    def label(self) -> str:
        """What the page calls it, below the name of the operator."""
        strikes = f", {self.interrupt}" if self.interrupt else ""
        many = "preemption" if self.fewer == 1 else "preemptions"
        less = f" ({self.fewer} {many} fewer)" if self.fewer else ""
        return f"{self.promise}{strikes}{less}"

    def explored(self, backend: Backend, preemptions: int, most: int) -> int:
        """Run it under every schedule; return how many there were.

        Raises:
            ScheduleError: If it fails; a note has the command that replays it.
            TooManySchedulesError: If there are more than *most*.
        """
        try:
            return explore(
                self.test,
                schedules="all",
                preemptions=max(0, preemptions - self.fewer),
                interrupt=self.interrupt,
                backends=(backend,),
                max_schedules=most,
                progress=False,
            ).schedules
        except ScheduleError as error:
            words = ["--replay", str(self), str(error.replay)]
            error.add_note(f"replay it with: {COMMAND} {shlex.join(words)}")
            raise

    def __str__(self) -> str:
        return f"{self.operator}: {self.label}"


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


async def turns(item: str) -> None:
    """Suspend: twice for "a", so that the call of the next item begins meanwhile."""
    await lowlevel.checkpoint()
    if item == "a":
        await lowlevel.checkpoint()


async def shout(item: str) -> str:
    """Return the letter in upper case, after some turns."""
    await turns(item)
    return item.upper()


async def maps(
    operator: str, kind: str, limit: int, buffer: int, items: str = "ab"
) -> None:
    """All results, in order; limit, read-ahead and close as promised."""
    source = source_of(items, kind)
    calls: CallProbe[Any, Any] = CallProbe(shout, seconds=None)
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
            await turns(item)
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
    calls: CallProbe[Any, Any] = CallProbe(shout, seconds=None)
    found: list[str] = []
    name = getattr(ak, operator)
    async with name(calls, source, limit=2, buffer=0) as results:
        with pytest.raises(Planned) as caught:
            async for result in results:
                found.append(result)
    assert caught.value is error
    # In the order of completion, the error may come before the result.
    assert found == ["A"] or ("unordered" in operator and not found)
    calls.assert_all_ended()
    used_well(source)


async def maps_are_left(operator: str, kind: str, items: str, limit: int) -> None:
    """However the block is left, calls have ended and the source is closed once."""
    source = source_of(items, kind)
    calls: CallProbe[Any, Any] = CallProbe(shout, seconds=None)
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


async def collects(kind: str, limit: int, buffer: int) -> None:
    """All results are there, in input order."""
    source = source_of("ab", kind)
    calls: CallProbe[Any, Any] = CallProbe(shout, seconds=None)
    found = await ak.concurrent_collect(calls, source, limit=limit, buffer=buffer)
    assert found == ["A", "B"]
    calls.assert_never_exceeds(limit)
    calls.assert_all_ended()
    used_well(source)


async def collecting_fails(operator: str) -> None:
    """The first error in time is raised; no call runs on."""

    async def fail(item: str) -> str:
        await turns(item)
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


async def collecting_is_interrupted(operator: str) -> None:
    """However the wait ends, calls have ended and the source is closed once."""
    source = source_of("a")
    calls: CallProbe[Any, Any] = CallProbe()
    try:
        await getattr(ak, operator)(calls, source, limit=2, buffer=0)
    finally:
        calls.assert_all_ended()
        used_well(source)


async def filters(kind: str, limit: int) -> None:
    """The items that pass, in input order."""

    async def passes(item: str) -> bool:
        if item == "a":
            await turns(item)
        return item != "a"

    source = source_of("ab", kind)
    async with ak.concurrent_filter(passes, source, limit=limit, buffer=0) as results:
        assert await read_all(results) == ["b"]
    used_well(source)


async def expands(chain: str, limit: int) -> None:
    """What a call finds is an item too; it ends by itself."""

    async def children(item: str) -> str:
        return chain[chain.index(item) + 1 :][:1]

    calls: CallProbe[Any, Any] = CallProbe(children, seconds=None)
    source = source_of("a", "sync")
    async with ak.concurrent_expand(calls, source, limit=limit, buffer=0) as results:
        assert await read_all(results) == list(chain)
    calls.assert_never_exceeds(limit)
    calls.assert_all_ended()
    used_well(source)


async def expanding_fails() -> None:
    """What a call raises comes bare, and then the end."""

    async def fail(item: str) -> str:
        raise Planned(item)

    source = source_of("a", "sync")
    async with ak.concurrent_expand(fail, source, limit=1, buffer=0) as results:
        with pytest.raises(Planned):
            await anext(results)
        with pytest.raises(StopAsyncIteration):
            await anext(results)
    used_well(source)


def expand_to_nothing(source: Any) -> Any:
    """Open a block in which no item leads to another."""

    async def no_children(item: str) -> str:
        return item[1:]

    return ak.concurrent_expand(no_children, source, limit=1, buffer=0)


# Leaving: what the block cancels is cancelled once, and cleans up in full


async def cleanup_of_calls_runs(operator: str) -> None:
    """A call that is cancelled since you leave may await in its cleanup."""
    seen: list[str] = []
    cleaned: list[str] = []

    async def work(item: str) -> str:
        try:
            await turns(item)
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


async def flat_maps_fail(operator: str, failing: str) -> None:
    """The error comes bare, and all sources that were opened are closed."""
    error = Planned()
    inner = {"a": source_of("1", error=error if failing == "inner" else None)}
    opened: list[str] = []

    async def opens(item: str) -> Source:
        if failing == "func":
            raise error
        opened.append(item)
        return inner[item]

    source = source_of("a", "async", error=error if failing == "outer" else None)
    found: list[str] = []
    async with getattr(ak, operator)(opens, source, limit=2) as results:
        with pytest.raises(Planned) as caught:
            async for result in results:
                found.append(result)
        with pytest.raises(StopAsyncIteration):
            await anext(results)
    assert caught.value is error
    if failing == "inner":
        assert found == ["1"]
    used_well(source, *(inner[item] for item in opened))


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


async def several_fail(operator: str) -> None:
    """What a source raises is raised, after its items; the others are closed."""
    error = Planned()
    sources = [SourceProbe("a", error=error), SourceProbe("1")]
    found: list[Any] = []
    async with getattr(ak, operator)(*sources) as results:
        with pytest.raises(Planned) as caught:
            async for result in results:
                found.append(result)
        with pytest.raises(StopAsyncIteration):
            await anext(results)
    assert caught.value is error
    if operator == "concurrent_merge":
        assert "a" in found
    if operator == "concurrent_zip":
        assert found == [("a", "1")]
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


async def stops(kind: str, **options: Any) -> None:
    """Each item that the source gave is delivered, and then the end."""
    source = source_of("ab", kind, **options)
    async with ak.concurrent_until(source, lowlevel.checkpoint) as results:
        assert await read_all(results) == source.taken
    used_well(source)


async def stops_never(kind: str) -> None:
    """All items, where the source ends first."""
    source = source_of("ab", kind)
    async with ak.concurrent_until(source, anyio.sleep_forever) as results:
        assert await read_all(results) == ["a", "b"]
    used_well(source)


async def stopping_fails() -> None:
    """What *stop* raises comes after each item that the source gave."""
    error = Planned()

    async def stop() -> None:
        await lowlevel.checkpoint()
        raise error

    source = source_of("ab")
    found: list[str] = []
    raised: list[Planned] = []
    async with ak.concurrent_until(source, stop) as results:
        try:
            async for item in results:
                found.append(item)
        except Planned as caught:
            raised.append(caught)
        with pytest.raises(StopAsyncIteration):
            await anext(results)
    assert raised == [error] or found == ["a", "b"]
    assert found == source.taken
    used_well(source)


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


async def switching_fails(failing: str) -> None:
    """The error comes bare, and both sources are closed."""
    error = Planned()
    inner = source_of("1", error=error if failing == "inner" else None)
    opened: list[Source] = []

    def opens(_: str) -> Source:
        if failing == "func":
            raise error
        opened.append(inner)
        return inner

    source = source_of("a", error=error if failing == "outer" else None)
    async with ak.concurrent_switch_map(opens, source) as results:
        with pytest.raises(Planned) as caught:
            async for _ in results:
                pass
        with pytest.raises(StopAsyncIteration):
            await anext(results)
    assert caught.value is error
    used_well(source, *opened)


async def switching_is_left() -> None:
    """However the block is left, all sources that were opened are closed."""
    inner = source_of("1", "eager")
    opened: list[Source] = []

    def opens(_: str) -> Source:
        opened.append(inner)
        return inner

    source = source_of("a", "eager")
    try:
        async with ak.concurrent_switch_map(opens, source) as results:
            async for _ in results:
                if interrupted():
                    break
    finally:
        used_well(source, *opened)


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


async def one_is_left(open_block: Callable[[Any], Any], items: str = "ab") -> None:
    """However the block is left, the source is closed."""
    source = source_of(items)
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


async def beats() -> None:
    """All items in order, though a beat is due as one comes."""
    source = SourceProbe("abc", gap=[0, 1, 0])
    async with ak.concurrent_heartbeat(source, "*", seconds=1) as results:
        found = await read_all(results)
    assert [item for item in found if item != "*"] == ["a", "b", "c"]
    used_well(source)


# One source, several readers


def first_of(open_block: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return what opens a block of several readers, and gives the first alone."""

    @asynccontextmanager
    async def open_it(source: Source) -> AsyncGenerator[AsyncIterator[str]]:
        async with open_block(source) as readers:
            yield readers[0]

    return open_it


async def read_by_two(
    open_block: Callable[[Any], Any], source: Source
) -> list[list[str]]:
    """Return what each of two readers gets; an error of the source as "!"."""
    found: list[list[str]] = [[], []]

    async def read(number: int, items: AsyncIterator[str]) -> None:
        try:
            async for item in items:
                found[number].append(item)
        except Planned:
            found[number].append("!")
        with pytest.raises(StopAsyncIteration):
            await anext(items)

    async with open_block(source) as (first, second):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read, 0, first)
            await read(1, second)
    used_well(source)
    return found


async def shared_fail(open_block: Callable[[Any], Any]) -> None:
    """What the source raises reaches each reader, and then the end."""
    found = await read_by_two(open_block, source_of("", "eager", error=Planned()))
    assert found == [["!"], ["!"]]


async def broadcasts(items: str, kind: str) -> None:
    """Each reader has all items, though one waits for the other."""
    found = await read_by_two(
        lambda source: ak.concurrent_broadcast(source, 2, buffer=1),
        source_of(items, kind),
    )
    assert found == [list(items), list(items)]


async def balances(kind: str, buffer: int) -> None:
    """Each item goes to one reader, and each gets its items in order."""
    found = await read_by_two(
        lambda source: ak.concurrent_balance(source, 2, buffer=buffer),
        source_of("ab", kind),
    )
    assert sorted(found[0] + found[1]) == ["a", "b"]
    assert all(items == sorted(items) for items in found)


async def balances_what_a_reader_did_not_take(buffer: int, *, leaves: bool) -> None:
    """An item is not lost with a reader that gives up as it comes."""
    source = SourceProbe("a", gap=1)
    found: list[str] = []
    async with ak.concurrent_balance(source, 2, buffer=buffer) as (first, second):
        with anyio.move_on_after(1):
            found.append(await anext(first))
        if leaves:
            await first.aclose()
        found += [item async for item in second]
    assert found == ["a"]
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

UNORDERED = "concurrent_map_unordered"
MAPS = ("concurrent_map", UNORDERED)
FLAT_MAPS = ("concurrent_flat_map", "concurrent_flat_map_unordered")
INTERRUPTS: tuple[Interrupt, ...] = ("break", "timeout", "cancel")
FAILING = {"func": "the function", "inner": "an inner source", "outer": "the source"}


def programs() -> Iterator[Program]:
    """Yield all programs."""
    for name in MAPS:
        yield from map_programs(name)
    yield from list_programs()
    for name in FLAT_MAPS:
        yield from flat_map_programs(name)
    yield from programs_of_several_sources()
    yield from programs_of_one_source()
    yield from programs_of_several_readers()
    yield from programs_of_leaving()


def map_programs(name: str) -> Iterator[Program]:
    for kind, limit, buffer in [
        ("sync", 1, 0),
        ("sync", 2, 0),
        ("sync", 1, 1),
        ("sync", 2, 1),
        ("async", 1, 0),
        ("async", 2, 0),
        ("async", 1, 1),
        ("async", 2, 1),
    ]:
        promise = f"all of two items, {kind} source, limit={limit}, buffer={buffer}"
        test: Test = partial(maps, name, kind, limit, buffer)
        # It has some 24,000 schedules, and differs little from the ordered map.
        fewer = int((name, kind, limit, buffer) == (UNORDERED, "async", 2, 0))
        yield Program(name, promise, test, None, fewer)
    is_ordered = name != UNORDERED
    for kind in ("sync", "eager") if is_ordered else ("sync",):
        test = partial(maps_reach_the_limit, name, kind)
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
        yield Program(name, "left early, async source", test, interrupt)
    test = partial(maps_lose_nothing_when_a_wait_times_out, name)
    yield Program(name, "a wait that times out loses nothing", test)
    if is_ordered:
        test = maps_keep_calls_of_one_key_apart
        yield Program(name, "calls of one key stay apart", test)


def list_programs() -> Iterator[Program]:
    name = "concurrent_collect"
    for kind, limit, buffer in [
        ("sync", 1, 0),
        ("sync", 2, 0),
        ("sync", 2, 1),
        ("async", 1, 0),
        ("async", 2, 0),
        ("async", 2, 1),
    ]:
        promise = f"all of two items, {kind} source, limit={limit}, buffer={buffer}"
        yield Program(name, promise, partial(collects, kind, limit, buffer))
    for name in ("concurrent_collect", "concurrent_for_each"):
        test: Test = partial(collecting_fails, name)
        yield Program(name, "the first error in time is raised", test)
        for interrupt in INTERRUPTS[1:]:
            test = partial(collecting_is_interrupted, name)
            yield Program(name, "interrupted", test, interrupt)
    name = "concurrent_filter"
    for kind, limit in [("sync", 1), ("sync", 2), ("async", 1), ("async", 2)]:
        promise = f"the items that pass, in order, {kind} source, limit={limit}"
        yield Program(name, promise, partial(filters, kind, limit))
    yield from expand_programs()


def expand_programs() -> Iterator[Program]:
    # It has many tasks, so a second item or a second call makes far more schedules.
    name = "concurrent_expand"
    for tree, limit, fewer in [("a", 1, 0), ("a", 2, 2), ("ab", 1, 2)]:
        items = "one item" if tree == "a" else "an item and what its call finds"
        test: Test = partial(expands, tree, limit)
        yield Program(
            name, f"ends by itself, {items}, limit={limit}", test, None, fewer
        )
    yield Program(name, "an error in a call", expanding_fails)
    test = partial(one_is_left, expand_to_nothing, "a")
    for interrupt in INTERRUPTS:
        yield Program(name, "left early", test, interrupt, fewer=2)


def flat_map_programs(name: str) -> Iterator[Program]:
    for limit in (1, 2):
        promise = f"two inner sources, limit={limit}"
        yield Program(name, promise, partial(flat_maps, name, limit))
    for failing, said in FAILING.items():
        test: Test = partial(flat_maps_fail, name, failing)
        yield Program(name, f"an error of {said}", test)
    for interrupt in INTERRUPTS:
        test = partial(flat_maps_are_left, name)
        yield Program(name, "left early", test, interrupt)


def programs_of_several_sources() -> Iterator[Program]:
    yield Program("concurrent_merge", "two sources, each in its order", merges)
    yield Program("concurrent_zip", "as many rows as the shortest has", zips)
    yield Program("concurrent_zip_latest", "ends with the last of each", zips_latest)
    for name in ("concurrent_merge", "concurrent_zip", "concurrent_zip_latest"):
        test: Test = partial(several_fail, name)
        yield Program(name, "an error of one source", test)
        test = partial(several_are_left, name)
        for interrupt in INTERRUPTS:
            fewer = int((name, interrupt) == ("concurrent_zip", "timeout"))
            yield Program(name, "left early", test, interrupt, fewer)
    name = "concurrent_switch_map"
    yield Program(name, "the last item wins", switches)
    for failing, said in FAILING.items():
        test = partial(switching_fails, failing)
        yield Program(name, f"an error of {said}", test)
    for interrupt in INTERRUPTS:
        yield Program(name, "left early", switching_is_left, interrupt)


def programs_of_one_source() -> Iterator[Program]:
    for size in (1, 2):
        promise = f"three items in order, {size} ahead"
        yield Program("concurrent_buffer", promise, partial(buffers, size))
    yield Program("concurrent_batched", "each item is in one batch", batches)
    name = "concurrent_heartbeat"  # it has a task more than most, too
    yield Program(name, "all items, in order", beats, fewer=1)
    name = "concurrent_until"
    for kind in ("sync", "async"):
        promise = f"what was read is delivered, {kind} source"
        yield Program(name, promise, partial(stops, kind))
    promise = "what a cancelled read gives all the same is delivered"
    test: Test = partial(stops, "async", ignore_cancel_once=True)
    yield Program(name, promise, test)
    for kind in ("sync", "async"):
        promise = f"all of two items if it is never stopped, {kind} source"
        yield Program(name, promise, partial(stops_never, kind))
    yield Program(name, "an error of what stops it", stopping_fails)
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
        "concurrent_heartbeat": lambda source: ak.concurrent_heartbeat(
            source, "*", seconds=1
        ),
        "concurrent_until": lambda source: ak.concurrent_until(
            source, anyio.sleep_forever
        ),
    }
    for name, block in blocks.items():
        test = partial(one_fails, block)
        yield Program(name, "an error of the source", test)
        # These have a task more than the others, and so far more schedules.
        is_until = name == "concurrent_until"
        many = {"concurrent_until": {"timeout"}}
        many["concurrent_heartbeat"] = {"timeout", "cancel"}
        test = partial(one_is_left, block, "a" if is_until else "ab")
        for interrupt in INTERRUPTS:
            fewer = int(interrupt in many.get(name, ()))
            yield Program(name, "left early", test, interrupt, fewer)


def programs_of_several_readers() -> Iterator[Program]:
    blocks: dict[str, Callable[[Any], Any]] = {
        "concurrent_broadcast": lambda source: ak.concurrent_broadcast(
            source, 2, buffer=2
        ),
        "concurrent_partition": lambda source: ak.concurrent_partition(
            source, str, "ab", buffer=1
        ),
        "concurrent_balance": lambda source: ak.concurrent_balance(source, 2, buffer=1),
    }
    for items, kind in [("a", "sync"), ("ab", "eager")]:
        promise = f"two readers have all items, {kind} source"
        test: Test = partial(broadcasts, items, kind)
        yield Program("concurrent_broadcast", promise, test)
    yield Program("concurrent_partition", "each reader has its key's items", partitions)
    name = "concurrent_balance"
    for kind, buffer in [("sync", 0), ("sync", 1), ("eager", 0), ("async", 1)]:
        promise = f"each item goes to one of two, {kind} source, buffer={buffer}"
        yield Program(name, promise, partial(balances, kind, buffer))
    for buffer in (0, 1):
        test = partial(balances_what_a_reader_did_not_take, buffer, leaves=False)
        promise = f"a wait that times out loses nothing, buffer={buffer}"
        yield Program(name, promise, test)
    test = partial(balances_what_a_reader_did_not_take, 1, leaves=True)
    yield Program(name, "a reader that leaves loses nothing", test)
    for name, block in blocks.items():
        test = partial(shared_fail, block)
        yield Program(name, "an error of the source reaches both", test)
        for interrupt in INTERRUPTS:
            test = partial(one_is_left, first_of(block), "a")
            yield Program(name, "left early", test, interrupt)


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

A test that passes shows that one order of steps works. A race hides in another order.
So aiterkit has small programs, a few for each operator, and runs each of them under
*every* schedule with a limited number of preemptions, on both backends. Each program
checks one promise of [what you can rely on](guarantees.md).

A *preemption* is a switch away from a task that could go on. When a task has to wait,
any task may run next, and that is no preemption. Timers that are due at the same time
go off in each order. A program that is marked "break", "timeout" or "cancel" is also
interrupted once in each run: at each step in turn, or not at all.

The columns "asyncio, 2" and "Trio, 2" show how many schedules there are with at most
two preemptions. Continuous integration runs all of them for every change. The other two
columns are for at most {preemptions} preemptions: `nox -s every` runs these schedules
when it writes this page. It runs at most {most:,} for each program and backend, so
"{most:,} of more" means that there are more, which were not run. This is so for {cut}
of the {cells} numbers. Some programs have so many schedules that they are run with one
or two preemptions fewer, as the tables say. On Trio, "cancel" is the same as "timeout".

Within these limits, each program keeps its promise whatever the event loop does. This
says nothing about larger programs, or about more preemptions: those are tested with
random schedules.

This page was written by a run with {versions}. It had
{programs} programs and {schedules:,} schedules, {rate:,} a second on one core. None of
them failed. To test code of your own in this way, see [](testing.md).
"""

TABLE = """
| program | asyncio, 2 | Trio, 2 | asyncio, {preemptions} | Trio, {preemptions} |
|---|---|---|---|---|
"""

CI_PREEMPTIONS = 2
CI_MOST = 100_000


def versions() -> str:
    """Return what the number of schedules depends on."""
    python = ".".join(platform.python_version_tuple()[:2])
    return f"Python {python}, anyio {version('anyio')} and Trio {version('trio')}"


def titled() -> list[str]:
    """Return the operators that have a program, in order."""
    return list(dict.fromkeys(program.operator for program in programs()))


class Counts:
    """How many schedules there are, as far as it was counted.

    Args:
        path: Where the counts are kept, so that a run which was cut off can go on.
        most: How many schedules are run at most.
    """

    def __init__(self, path: Path | None, most: int) -> None:
        self._path = path
        self._most = most
        self._known: dict[str, tuple[int, bool, float]] = {}
        if path is not None and path.exists():
            self._known = json.loads(path.read_text(encoding="utf-8"))

    def count(self, program: Program, backend: Backend, preemptions: int) -> str:
        """Return how many schedules *program* has, run now if they are not known."""
        name = f"{program} on {backend}, {preemptions}"
        most = self._most if preemptions > CI_PREEMPTIONS else CI_MOST
        made, is_all, _ = self._known.get(name, (0, False, 0))
        if not is_all and made < most:
            began = time.process_time()
            is_all = True
            try:
                made = program.explored(backend, preemptions, most)
            except TooManySchedulesError as error:
                made, is_all = error.schedules, False
            self._known[name] = made, is_all, time.process_time() - began
            sys.stderr.write(f"{name}: {made:,}{'' if is_all else ' of more'}\n")
            if self._path is not None:
                self._path.write_text(json.dumps(self._known), encoding="utf-8")
        return f"{made:,}" if is_all else f"{made:,} of more"

    def total(self) -> tuple[int, float]:
        """Return how many schedules were run, and in how many seconds."""
        made, _, seconds = zip(*self._known.values(), strict=True)
        return sum(made), sum(seconds)


def write_page(preemptions: int, most: int, counts: Counts) -> str:
    """Run all programs, and return the page."""
    rows: defaultdict[str, list[str]] = defaultdict(list)
    bounds = (CI_PREEMPTIONS, preemptions)
    every = list(programs())
    deep: list[str] = []
    # The smaller numbers first: what fails there fails soon.
    for program in every:
        for backend in program.backends:
            counts.count(program, backend, CI_PREEMPTIONS)
    for program in every:
        cells: list[str] = []
        for bound in bounds:
            found = [counts.count(program, each, bound) for each in program.backends]
            if bound == preemptions:
                deep += found
            cells += [*found, "as timeout"][:2]
        rows[program.operator].append(f"| {program.label} | {' | '.join(cells)} |\n")
    schedules, seconds = counts.total()
    word = {3: "three"}.get(preemptions, str(preemptions))
    page = HEAD.format(
        preemptions=word,
        most=most,
        cut=sum(" of more" in cell for cell in deep),
        cells=len(deep),
        versions=versions(),
        programs=len(every),
        schedules=schedules,
        rate=int(schedules / seconds) // 100 * 100,
    )
    for operator, lines in rows.items():
        table = TABLE.format(preemptions=preemptions)
        page += f"\n## `{operator}`\n{table}{''.join(lines)}"
    return page


def read_page() -> dict[str, list[str]]:
    """Return the numbers of the page, by operator and label."""
    found: dict[str, list[str]] = {}
    operator = ""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            operator = line.strip("# `")
        elif operator and line.startswith("| ") and not line.startswith("| program"):
            label, *cells = line.strip("| ").split(" | ")
            found[f"{operator}: {label}"] = cells
    return found


def main(arguments: list[str] | None = None) -> None:
    """Run all programs, and write the page; or run one of them once."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--preemptions", type=int, default=3)
    parser.add_argument("--most", type=int, default=MOST, help="schedules per program")
    parser.add_argument("--keep", type=Path, help="a file of counts, to go on from")
    words = ("PROGRAM", "SCHEDULE")
    parser.add_argument("--replay", nargs=2, metavar=words, help="run one schedule")
    options = parser.parse_args(arguments)
    if options.replay:
        name, schedule = options.replay
        (program,) = (each for each in programs() if str(each) == name)
        explore(program.test, replay=schedule)
        sys.stdout.write("It holds under this schedule.\n")
        return
    counts = Counts(options.keep, options.most)
    page = write_page(options.preemptions, options.most, counts)
    PAGE.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
