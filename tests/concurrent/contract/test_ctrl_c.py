"""Ctrl-C at any line of our own code leaves the program, with sources closed."""

import _thread
import asyncio
import gc
import selectors
import signal
import sys
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from types import CodeType
from typing import Any
from weakref import ref

import anyio
import anyio.lowlevel
import pytest

import aiterkit as ak
from aiterkit.testing import SourceProbe

from ...catalogue import Functions  # noqa: TID252 - tests stand on no path
from .cases import BY_NAME, at_the_end, by_break

OWN = ("aiterkit/_runtime/", "aiterkit/_concurrent/")


class Stepwise(Functions):
    """Functions that suspend, for long enough that two calls overlap."""

    async def call(self, item: int) -> int:
        await anyio.lowlevel.checkpoint()
        await anyio.lowlevel.checkpoint()
        return item

    def inner(self, item: int) -> Any:
        return self._listed(item)

    async def _listed(self, item: int) -> list[int]:
        return [await self.call(item)]

    def other(self, _plain: Any, /) -> Any:
        return [1, 2]


NAMES = [
    "concurrent_map",
    "concurrent_map with keys",
    "concurrent_map with a limiter",
    "concurrent_expand",
    "concurrent_flat_map",
    "concurrent_switch_map",
    "concurrent_merge",
    "concurrent_zip",
    "concurrent_buffer",
    "concurrent_batched",
    "concurrent_heartbeat",
]


async def call(item: int) -> int:
    return item


async def listed(item: int) -> list[int]:
    return [0] if item else []


class Computes:
    """Code of the user's that runs for long, and meanwhile Ctrl-C is pressed."""

    def __init__(self) -> None:
        self.begun = self.went_on = 0

    def now(self, result: Any) -> Any:
        self.begun += 1
        if self.begun == 1:
            signal.raise_signal(signal.SIGINT)
            self.went_on += 1
        return result

    async def later(self, result: Any) -> Any:
        await anyio.lowlevel.checkpoint()
        return self.now(result)

    def items(self) -> Any:
        yield 0
        yield self.now(1)

    def closing(self) -> Any:
        try:
            while True:
                yield 1
        finally:
            self.now(None)

    async def async_closing(self) -> AsyncGenerator[Any]:
        try:
            while True:
                yield 1
        finally:
            self.now(None)

    async def async_items(self) -> AsyncGenerator[Any]:
        yield 0
        yield self.now(1)


@asynccontextmanager
async def first_reader(block: Any) -> AsyncGenerator[Any]:
    async with block as readers:
        yield readers[0]


CODE: dict[str, Callable[[Computes], Any]] = {
    "call of a map": lambda c: ak.concurrent_map(c.later, [1], limit=2),
    "function of a map": lambda c: ak.concurrent_map(
        lambda _: Resting(c), [1], limit=2
    ),
    "predicate": lambda c: ak.concurrent_filter(c.later, [1], limit=2),
    "call of an expand": lambda c: ak.concurrent_expand(
        lambda _: c.later([]), [1], limit=2
    ),
    "function of a flat map": lambda c: ak.concurrent_flat_map(
        lambda _: c.now([1]), [1], limit=2
    ),
    "call of a flat map": lambda c: ak.concurrent_flat_map(
        lambda _: c.later([1]), [1], limit=2
    ),
    "inner source": lambda c: ak.concurrent_flat_map(
        lambda _: c.async_items(), [1], limit=2
    ),
    "sync inner source": lambda c: ak.concurrent_flat_map(
        lambda _: c.items(), [1], limit=2
    ),
    "function of a switch map": lambda c: ak.concurrent_switch_map(
        lambda _: c.now([1]), [1]
    ),
    "call of a switch map": lambda c: ak.concurrent_switch_map(
        lambda _: c.later([1]), [1]
    ),
    "source": lambda c: ak.concurrent_buffer(c.async_items(), 1),
    "sync source": lambda c: ak.concurrent_merge(c.items(), [1]),
    "sync source of a map": lambda c: ak.concurrent_map(call, c.items(), limit=1),
    "stop": lambda c: ak.concurrent_until([1], lambda: c.later(None)),
    "key of a map": lambda c: ak.concurrent_map(call, [1], limit=2, key=c.now),
    "key of an expand": lambda c: ak.concurrent_expand(listed, [1], limit=2, key=c.now),
    "key of what an expand reaches": lambda c: ak.concurrent_expand(
        listed, [1], limit=2, key=lambda item: item and c.now(item)
    ),
    "key of a partition": lambda c: first_reader(
        ak.concurrent_partition([1], c.now, [1], buffer=1)
    ),
    "weight": lambda c: ak.concurrent_batched(
        [1], within=1, weight=c.now, max_weight=9
    ),
    "close of a sync source of a map": lambda c: ak.concurrent_map(
        call, c.closing(), limit=1
    ),
    "close of a sync outer source": lambda c: ak.concurrent_flat_map(
        lambda _: [1], c.closing(), limit=1
    ),
    "close of a sync source": lambda c: ak.concurrent_merge(c.closing(), [1]),
    "close of a sync inner source": lambda c: ak.concurrent_flat_map(
        lambda _: c.closing(), [1], limit=1
    ),
    "close of a source": lambda c: ak.concurrent_buffer(c.async_closing(), 1),
    "close of an inner source": lambda c: ak.concurrent_flat_map(
        lambda _: c.async_closing(), [1], limit=1
    ),
}


class Resting:
    """An awaitable that computes when it is made."""

    def __init__(self, computes: Computes) -> None:
        computes.now(None)

    def __await__(self) -> Any:
        return call(1).__await__()


@pytest.mark.parametrize("place", CODE)
def test_on_trio_it_interrupts_what_computes(place: str) -> None:
    computes = Computes()

    async def main() -> None:
        async with CODE[place](computes) as results:
            async for _ in results:
                if place.startswith("close"):
                    break
            else:
                await anyio.sleep_forever()

    with pytest.raises(KeyboardInterrupt):
        run_trio(main)
    assert computes.begun
    assert not computes.went_on


class Interrupt:
    """Sends the signal of Ctrl-C at the *number*-th line of our own code."""

    def __init__(self, number: int) -> None:
        self.left = number

    def __call__(self, frame: Any, event: str, _arg: object) -> Any:
        if event == "call":
            own = any(part in frame.f_code.co_filename for part in OWN)
            return self if own and self.left >= 0 else None
        if event == "line":
            self.left -= 1
            if self.left == 0:
                signal.raise_signal(signal.SIGINT)
        return self


def run_asyncio(main: Any) -> None:
    asyncio.run(main())


def run_trio(main: Any) -> None:
    trio = pytest.importorskip("trio")
    trio.run(main)


def open_one_block(run: Any) -> None:
    """Do what is done once: on Trio, our code is protected from now on."""

    async def main() -> None:
        async with ak.concurrent_buffer([], 1):
            pass

    run(main)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("run", [run_asyncio, run_trio])
def test_it_leaves_bare_and_closes_the_source(name: str, run: Any) -> None:
    lines, step = 1, 7

    open_one_block(run)
    while True:
        source = SourceProbe(range(4))
        interrupt = Interrupt(lines)

        async def main(source: Any = source) -> None:
            async with BY_NAME[name].open(source, Stepwise()) as results:
                async for _ in results:
                    pass

        before = sys.gettrace()
        ended = False
        sys.settrace(interrupt)
        try:
            run(main)
            ended = True
        except KeyboardInterrupt:
            pass
        finally:
            sys.settrace(before)
        assert source.closes == 1 or not source.pulls, f"at line {lines}"
        source.assert_well_used()
        if ended and interrupt.left > 0:
            break
        lines += step
    gc.collect()  # nothing is left that was never awaited
    assert lines > 50


# The tests above interrupt lines. CPython handles a signal only at some instructions:
# at the start of a function, at a backward jump, after a call. Only then does Trio see
# which code it interrupts. So these tests let a signal arrive before each instruction,
# and CPython handles it at the next such point.

arrive: Any = defaultdict[object, None](_thread.interrupt_main).__getitem__
"""Have the signal of Ctrl-C arrive. It is written in C, so nothing handles it here."""


class Thing:
    """What can be referred to."""


class Arrival:
    """A signal of Ctrl-C before the *number*-th instruction of some code."""

    def __init__(self, number: int, is_traced: Callable[[CodeType], bool]) -> None:
        self.left = number
        self._is_traced = is_traced
        self._reference: ref[Thing] | None = None

    def __call__(self, frame: Any, event: str, _arg: object) -> Any:
        if event == "call":
            if not self._is_traced(frame.f_code):
                return None
            frame.f_trace_opcodes, frame.f_trace_lines = True, False
        elif event == "opcode":
            self.left -= 1
            if self.left == 0:
                sys.settrace(None)
                frame.f_trace = None
                thing = Thing()
                self._reference = ref(thing, arrive)
                hash(self._reference)
                # This function ends, the thing is freed, and the signal arrives.
        return self

    def interrupts(self, run: Any, main: Any) -> bool:
        """Run *main*; return whether there was such an instruction."""
        before = sys.gettrace()
        sys._getframe().f_trace_opcodes = True  # else 3.12 traces none anywhere
        sys.settrace(self)
        try:
            run(main)
        except KeyboardInterrupt:
            return True
        finally:
            sys.settrace(before)
        assert self.left > 0, "the signal was lost"
        return False


@pytest.mark.parametrize("leave", [at_the_end, by_break])
def test_on_trio_there_is_no_gap_around_a_block(leave: Any) -> None:
    # The code of the user calls `__aexit__` and then takes its first step. An interrupt
    # between the two would leave the tasks of the block running.
    async def call(item: int) -> int:
        await anyio.lowlevel.checkpoint()
        return item

    def arrive_before(number: int) -> bool:
        sources = [SourceProbe([1]), SourceProbe([1])]

        async def main() -> None:
            for source in sources:
                async with ak.concurrent_map(call, source, limit=2) as results:
                    await leave(results)

        def is_traced(code: CodeType) -> bool:
            return code in (main.__code__, leave.__code__)

        was_interrupted = Arrival(number, is_traced).interrupts(run_trio, main)
        for source in sources:
            assert source.closes == 1 or not source.pulls, f"at instruction {number}"
        return was_interrupted

    open_one_block(run_trio)
    number = 1
    while arrive_before(number):
        number += 1
    assert number > 20


def test_on_trio_the_end_of_a_nursery_calls_no_weak_reference_in_python() -> None:
    # It could run anywhere, and an interrupt inside it would be lost.
    called: list[str] = []

    async def main() -> None:
        async with ak.concurrent_map(call, [1], limit=1) as results:
            await at_the_end(results)
        del results
        gc.collect()

    def note(frame: Any, event: str, _arg: object) -> None:
        if event == "call" and frame.f_code.co_name in ("remove", "_remove"):
            called.append(frame.f_code.co_filename)

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        run_trio(main)
    finally:
        sys.setprofile(before)
    assert not called


@pytest.mark.filterwarnings("ignore:.* was never entered")  # it was interrupted before
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("run", [run_asyncio, run_trio])
def test_a_signal_before_any_instruction_leaves_bare(name: str, run: Any) -> None:
    def is_traced(code: CodeType) -> bool:
        return "/aiterkit/" in code.co_filename or "/anyio/" in code.co_filename

    def arrive_before(number: int) -> bool:
        source = SourceProbe(range(4))

        async def main() -> None:
            async with BY_NAME[name].open(source, Stepwise()) as results:
                await at_the_end(results)

        was_interrupted = Arrival(number, is_traced).interrupts(run, main)
        assert source.closes == 1 or not source.pulls, f"at instruction {number}"
        source.assert_well_used()
        return was_interrupted

    open_one_block(run)
    number, step = 1, 97
    while arrive_before(number):
        number += step
    gc.collect()  # nothing is left that was never awaited
    assert number > 1000


# asyncio protects no code: `asyncio.run` cancels the main task at the first Ctrl-C, but
# the second one, or any under another runner, is raised wherever it comes. If that is
# in our own code, what was counted there is lost.


class NeverIdle(selectors.DefaultSelector):
    """Fails if nothing can run any more, which would be for ever."""

    def select(self, timeout: float | None = None) -> Any:
        assert timeout is not None, "nothing can run any more"
        return super().select(0)


def run_never_idle(main: Any) -> None:
    with asyncio.Runner(
        loop_factory=lambda: asyncio.SelectorEventLoop(NeverIdle())
    ) as runner:
        runner.run(main())


class Raised:
    """Raises KeyboardInterrupt at the *number*-th line of our own code."""

    def __init__(self, number: int) -> None:
        self.left = number
        self.was_in_reader = self.was_in_del = False

    def __call__(self, frame: Any, event: str, _arg: object) -> Any:
        if event == "call":
            own = any(part in frame.f_code.co_filename for part in OWN)
            leaves = frame.f_code.co_name in ("bound", "__aexit__")
            return self if own and not leaves and self.left > 0 else None
        if event == "line":
            self.left -= 1
            if self.left == 0:
                sys.settrace(None)
                task = asyncio.current_task()
                name = "" if task is None else task.get_name()
                self.was_in_reader = "source" in name or "roots" in name
                self.was_in_del = frame.f_code.co_name == "__del__"
                raise KeyboardInterrupt
        return self


@pytest.mark.filterwarnings("ignore")  # it may come before a coroutine has begun
@pytest.mark.parametrize("name", [*NAMES, "concurrent_until"])
def test_on_asyncio_nothing_waits_for_what_it_ended(name: str) -> None:
    # A task that is interrupted itself can close nothing, as in a loop by hand. And a
    # task that is interrupted as it begins to leave a block does not leave it.
    number, step = 1, 17
    while True:
        source = SourceProbe(range(4))
        raised = Raised(number)

        async def main(source: Any = source) -> None:
            async with BY_NAME[name].open(source, Stepwise()) as results:
                await at_the_end(results)

        before = sys.gettrace()
        sys.settrace(raised)
        try:
            run_never_idle(main)
        except KeyboardInterrupt:
            pass
        except BaseExceptionGroup as group:
            # anyio complains of a scope that was half entered, or half left.
            if group.subgroup(RuntimeError) is None:
                raise
        else:
            assert raised.left > 0 or raised.was_in_del, f"at line {number}"
        finally:
            sys.settrace(before)
        if not raised.was_in_reader:
            assert source.closes == 1 or not source.pulls, f"at line {number}"
        if raised.left > 0:
            break
        number += step
    gc.collect()
    assert number > 50


@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited")
@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("name", [*NAMES, "concurrent_until"])
def test_every_task_of_the_loop_may_be_cancelled(name: str, turns: int) -> None:
    # As `asyncio.run` does at its end, even before a task of the block has begun.
    async def main() -> None:
        source = SourceProbe(range(4))
        async with BY_NAME[name].open(source, Stepwise()):
            for _ in range(turns):
                await asyncio.sleep(0)
            for task in asyncio.all_tasks():
                task.cancel()
            await asyncio.Event().wait()

    with pytest.raises(asyncio.CancelledError):
        run_never_idle(main)
    gc.collect()
