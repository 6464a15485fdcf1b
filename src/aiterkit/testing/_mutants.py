"""Concurrent maps with one fault each, so that the laws can be seen to bite.

There is one plain map, which keeps every law, and a set of faults that can be
switched on in it, one at a time. It is written to be read, not to be fast.
"""

import contextvars
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import anyio
from anyio.abc import TaskGroup


@dataclass(frozen=True, slots=True)
class Mutant:
    """A concurrent map with one fault, and the laws that must find it.

    It is called as any concurrent map is, so `check_laws` can be run on it.

    Examples:
        >>> mutant = mutants()[0]
        >>> print(mutant.name, "-", mutant.sentence, "-", *mutant.dies_by)
        limit ignored - Each item gets its call at once. - overlap
        >>> report = check_laws(mutant, ordered=True, laws=mutant.dies_by, seed=1)
        >>> report.holds
        False

    Attributes:
        name: What is wrong with it, in two or three words.
        sentence: What it does.
        dies_by: The names of the laws that find it out, whatever the backend.
        ordered: Whether its results come in input order, but for its fault.
    """

    name: str
    sentence: str
    dies_by: tuple[str, ...]
    ordered: bool = True

    def __call__(
        self,
        func: Callable[[Any], Awaitable[Any]],
        source: AsyncIterable[Any],
        /,
        *,
        limit: int,
    ) -> "PlainMap":
        """Return the block of one run."""
        return PlainMap(
            func, source, limit=limit, ordered=self.ordered, fault=self.name
        )


def mutants() -> tuple[Mutant, ...]:
    """Return the mutants: in each of them, one thing is wrong.

    A set of laws is worth as much as it finds. `check_laws` must find every one
    of these; and so must your own tests, if you give them a map as an argument.

    Examples:
        >>> sorted(mutant.name for mutant in mutants() if "order" in mutant.dies_by)
        ['oldest finished first', 'wrong-order heap']
    """
    return tuple(
        Mutant(name, sentence, tuple(dies_by), ordered=name not in _UNORDERED)
        for name, (sentence, *dies_by) in _FAULTS.items()
    )


_FAULTS: dict[str, tuple[str, ...]] = {
    "limit ignored": ("Each item gets its call at once.", "overlap"),
    "early slot release": (
        "A slot is free when its call is cancelled, not when that has ended.",
        "overlap",
    ),
    "limit unreachable": ("One slot is never used.", "attainability"),
    "window ignored": ("The source is read as fast as it gives.", "read-ahead"),
    "two readers": ("Two tasks read the source.", "one reader"),
    "pull after the end": ("It asks a source that has ended.", "one reader"),
    "fill before deliver": (
        "Results are held back until the window is full.",
        "delivery",
    ),
    "idle unless read": ("Calls start only while the reader waits.", "independence"),
    "wrong-order heap": (
        "The first in order of those that are there goes out, gap or no gap.",
        "order",
    ),
    "oldest finished first": (
        "Of those that have finished, the oldest item goes out first.",
        "order",
    ),
    "duplicate at limit 1": ("The first item is called twice.", "one by one"),
    "lost tail": ("What runs when the source ends is forgotten.", "completeness"),
    "error swallowed": ("An item that fails is left out.", "error in place"),
    "first error wins": (
        "Of two errors, the first in time is told.",
        "error in place",
    ),
    "error wrapped": ("An error comes in an exception group.", "error bare"),
    "source error as end": ("A source that fails has ended.", "source error"),
    "sibling not awaited": (
        "The error is told while cancelled calls still clean up.",
        "siblings",
    ),
    "body interrupted": ("A call that fails cancels the block.", "body"),
    "no second end": ("After the end, the next wait never returns.", "ending"),
    "wait loses a result": (
        "A wait that is cancelled takes a result with it.",
        "lost wait",
    ),
    "source not closed": ("Nobody closes the source.", "source closed"),
    "source closed twice": (
        "The source is closed at its end, and at the exit.",
        "source closed",
    ),
    "source closed early": (
        "The source is closed while calls still run.",
        "source closed",
    ),
    "runs to the end": ("The exit waits for what it should cancel.", "cleanup"),
    "context leaked": (
        "A call sees what the one before it has set.",
        "context",
    ),
    "quadratic": ("Each result looks at all items so far.", "cost by item"),
    "polls every call": ("Each result looks at all running calls.", "cost by limit"),
    "keeps everything": ("Results are kept after their delivery.", "memory"),
}

_UNORDERED = {"oldest finished first", "sibling not awaited", "polls every call"}


class _Slot:
    """An item, its call, and what became of it."""

    def __init__(self, item: object, index: int) -> None:
        self.item = item
        self.index = index
        self.scope = anyio.CancelScope()
        self.released = False
        self.done = False
        self.void = False
        self.result: object = None
        self.error: Exception | None = None

    def is_done(self) -> bool:
        return self.done


class PlainMap:
    """A concurrent map that keeps all laws, unless it is told to have a *fault*.

    One task reads the source within a window of twice the limit. Each call is a
    task. In ``line`` stand the results in the order in which they go out.
    """

    def __init__(
        self,
        func: Callable[[Any], Awaitable[Any]],
        source: AsyncIterable[Any],
        /,
        *,
        limit: int,
        ordered: bool = True,
        fault: str = "",
    ) -> None:
        self._func = func
        self._source: AsyncIterator[Any] = aiter(source)
        self._limit = limit
        self._ordered = ordered
        self._fault = fault
        self._between = 0  # the source and the reader
        self._taken = 0
        self._queue: deque[_Slot] = deque()
        self._running: set[_Slot] = set()
        self._used = 0
        self._line: deque[_Slot] = deque()
        self._all: list[_Slot] = []
        self._readers = 2 if fault == "two readers" else 1
        self._ended = False
        self._waiting = False
        self._tasks: TaskGroup
        self._context: contextvars.Context
        self._changed: anyio.Event

    async def __aenter__(self) -> Self:
        self._context = contextvars.copy_context()
        self._changed = anyio.Event()
        self._tasks = anyio.create_task_group()
        await self._tasks.__aenter__()
        for _ in range(self._readers):
            self._tasks.start_soon(self._read)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None:
        if self._fault != "runs to the end":
            self._tasks.cancel_scope.cancel()
        self._limit_window_to_nothing()
        await self._tasks.__aexit__(None, None, None)

    def _limit_window_to_nothing(self) -> None:
        if self._fault != "runs to the end":
            self._ended = True
            self._queue.clear()
        self._tell()

    def _tell(self) -> None:
        """Wake whoever waits for a change: the source's reader, and the results'."""
        changed, self._changed = self._changed, anyio.Event()
        changed.set()

    # The source.

    async def _read(self) -> None:
        with anyio.CancelScope() as scope:
            try:
                await self._read_all()
            finally:
                # The scope is the one that was open while the source was read: a
                # generator may hold another across its yield.
                scope.shield = True
                await self._close()

    async def _close(self) -> None:
        self._readers -= 1
        closer: Any = self._source
        if self._fault == "source closed early":
            await closer.aclose()
        while self._running:
            await self._changed.wait()
        if self._readers or self._fault in {"source not closed", "source closed early"}:
            return
        await closer.aclose()
        if self._fault == "source closed twice":
            await closer.aclose()

    async def _read_all(self) -> None:
        window = 2 * self._limit
        while not self._ended:
            if self._between >= window and self._fault != "window ignored":
                await self._changed.wait()
                continue
            try:
                item = await anext(self._source)
            except StopAsyncIteration:
                break
            except Exception as error:  # noqa: BLE001 - the reader gets it
                if self._fault != "source error as end":
                    self._fail_source(error)
                break
            if not self._ended:
                self._take(item)
        if self._fault == "pull after the end":
            await anext(self._source, None)
        self._ended = True
        self._tell()

    def _take(self, item: object) -> None:
        self._add(item)
        if self._fault == "duplicate at limit 1" and self._limit == self._taken == 1:
            self._add(item)
        self._start_calls()

    def _add(self, item: object) -> None:
        slot = _Slot(item, self._taken)
        self._taken += 1
        self._between += 1
        self._queue.append(slot)
        if self._ordered:
            self._line.append(slot)
        if self._fault in {"quadratic", "keeps everything"}:
            self._all.append(slot)

    def _fail_source(self, error: Exception) -> None:
        slot = _Slot(None, self._taken)
        slot.error = error
        slot.done = True
        self._line.append(slot)
        if not self._ordered:
            self._stop_calls(after=-1)
        self._tell()

    # The calls.

    def _start_calls(self) -> None:
        if self._fault == "idle unless read" and not self._waiting:
            return
        while self._queue and self._has_slot():
            slot = self._queue.popleft()
            self._used += 1
            self._running.add(slot)
            if self._fault == "context leaked":
                self._tasks.start_soon(self._call, slot)
            else:
                # A task inherits the context of whoever starts it, and that may
                # be another call.
                self._context.run(self._tasks.start_soon, self._call, slot)

    def _has_slot(self) -> bool:
        if self._fault == "limit ignored":
            return True
        if self._fault == "limit unreachable":
            return self._used < max(1, self._limit - 1)
        return self._used < self._limit

    async def _call(self, slot: _Slot) -> None:
        try:
            with slot.scope:
                try:
                    slot.result = await self._func(slot.item)
                except Exception as error:
                    slot.error = error
                    if self._fault == "body interrupted":
                        raise
                slot.done = True
        finally:
            self._running.discard(slot)
            if not slot.released:
                self._used -= 1
            # Whoever waits for the last call to end must hear of it, even if that
            # is a cancellation of the whole block.
            self._tell()
        slot.item = None
        if slot.done and not slot.void:
            self._finish(slot)
        self._start_calls()
        self._tell()

    def _finish(self, slot: _Slot) -> None:
        if slot.error is not None and self._fault == "error swallowed":
            self._between -= 1
            self._line.remove(slot)
            return
        if slot.error is not None:
            stop_all = not self._ordered or self._fault == "first error wins"
            self._stop_calls(after=-1 if stop_all else slot.index, but=slot)
        if not self._ordered:
            self._line.append(slot)
        if self._fault == "quadratic":
            all(other.is_done() or True for other in self._all)
        if self._fault == "polls every call":
            all(other.is_done() or True for other in self._running)

    def _stop_calls(self, *, after: int, but: _Slot | None = None) -> None:
        """Read no more, and cancel the calls of the items *after* that one."""
        self._ended = True
        stopped = [s for s in self._running if s.index > after and s is not but]
        for slot in stopped:
            slot.void = True
            slot.scope.cancel()
            if self._fault == "early slot release":
                slot.released = True
                self._used -= 1
        if self._fault == "early slot release":
            self._start_calls()
        self._queue = deque(s for s in self._queue if s.index <= after)
        if self._ordered:
            self._line = deque(s for s in self._line if s.index <= after or s is but)

    # The results.

    def __aiter__(self) -> "PlainMap":
        return self

    async def __anext__(self) -> Any:
        self._waiting = True
        self._start_calls()
        try:
            while (slot := self._ready()) is None:
                if self._is_over():
                    if self._fault == "no second end":
                        self._ended = False
                    raise StopAsyncIteration
                await self._changed.wait()
        except anyio.get_cancelled_exc_class():
            if self._fault == "wait loses a result" and self._line:
                self._line.popleft()
            raise
        finally:
            self._waiting = False
        return self._deliver(slot)

    def _ready(self) -> _Slot | None:
        """Return what is to go out next, if it can."""
        line = self._line
        if self._fault == "fill before deliver":
            done = sum(slot.done for slot in line)
            if done < 2 * self._limit and not self._ended:
                return None
        if self._fault in {"wrong-order heap", "oldest finished first"}:
            done_ones = [slot for slot in line if slot.done]
            return min(done_ones, key=lambda slot: slot.index, default=None)
        if not line or not line[0].done:
            return None
        if line[0].error is None or self._fault == "sibling not awaited":
            return line[0]
        # What still runs now was cancelled, and is awaited before that is told.
        return None if self._running else line[0]

    def _is_over(self) -> bool:
        if self._fault == "lost tail":
            return self._ended
        return self._ended and not self._line and not self._running and not self._queue

    def _deliver(self, slot: _Slot) -> object:
        self._line.remove(slot)
        self._between -= 1
        self._tell()
        if slot.error is None:
            return slot.result
        self._line.clear()
        self._queue.clear()
        if self._fault == "error wrapped":
            raise ExceptionGroup("a call failed", [slot.error])
        raise slot.error
