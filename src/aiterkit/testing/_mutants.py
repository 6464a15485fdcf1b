"""Concurrent maps with one fault each, to show that the laws find them.

There is one plain map, which keeps every law, and a set of faults that can be
switched on in it, one at a time. It is written to be read, not to be fast.
"""

import contextvars
import importlib
import types
from collections import deque
from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Generator,
)
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import anyio
from anyio.abc import TaskGroup

from aiterkit.testing._law_kit import is_on_asyncio


@dataclass(frozen=True, slots=True)
class Mutant:
    """A concurrent map with one fault, and the laws that must find it.

    It is called as any concurrent map is, so `check_laws` can be run on it.

    Examples:
        >>> mutant = mutants()[0]
        >>> print(mutant.name, "-", mutant.sentence, "-", *mutant.dies_by)
        limit ignored - Every call starts at once. - overlap
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
    """Return the mutants: concurrent maps with one fault each.

    Laws are worth as much as the faults that they find. `check_laws` must find every
    one of these; so must your own tests, if they take the map as an argument.

    Examples:
        >>> sorted(mutant.name for mutant in mutants() if "order" in mutant.dies_by)
        ['oldest finished first', 'wrong-order heap']
    """
    return tuple(
        Mutant(name, sentence, tuple(dies_by), ordered=name not in _UNORDERED)
        for name, (sentence, *dies_by) in _FAULTS.items()
    )


_FAULTS: dict[str, tuple[str, ...]] = {
    "limit ignored": ("Every call starts at once.", "overlap"),
    "early release": (
        "A cancelled call no longer counts, though it has not ended.",
        "overlap",
    ),
    "limit unreachable": ("One call fewer than the limit runs.", "attainability"),
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
        "Of two errors, the first in time is raised.",
        "error in place",
    ),
    "error wrapped": ("An error comes in an exception group.", "error bare"),
    "source error as end": ("A source that fails has ended.", "source error"),
    "sibling not awaited": (
        "The error is raised while cancelled calls still clean up.",
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
    "runs to the end": ("The exit waits for what it should cancel.", "nothing left"),
    "cancelled at every wait": (
        "What the exit cancels is cancelled again while it cleans up.",
        "cleanup",
    ),
    "exit shielded": ("A cancellation of the exit is put off.", "interruption"),
    "shield kept": (
        "An exit that is cancelled waits for cleanup all the same.",
        "interruption",
    ),
    "source closed elsewhere": (
        "The source is closed by the task that leaves.",
        "nothing out of the blue",
    ),
    "cancelled at its yield": (
        "The task of the source is cancelled though it does not read.",
        "nothing out of the blue",
    ),
    "context leaked": (
        "A call sees what the one before it has set.",
        "context",
    ),
    "quadratic": ("Each result looks at all items so far.", "cost by item"),
    "polls every call": ("Each result looks at all running calls.", "cost by limit"),
    "keeps everything": ("Results are kept after their delivery.", "memory"),
}

_UNORDERED = {"oldest finished first", "sibling not awaited", "polls every call"}


class _MapTask:
    """A task of the block, which the block cancels once.

    What it awaits after that, to clean up, is not cancelled again, unless the exit of
    the block is interrupted.
    """

    def __init__(self, *, shields: bool) -> None:
        self.stopped = False
        self.in_user_code = False
        self.scope = anyio.CancelScope()
        # Within that one, and around all of the user's scopes.
        self.inner_scope = anyio.CancelScope()
        self._shields = shields

    def stop(self) -> None:
        """Begin nothing more; cancel the user's code, if this task is in it."""
        self.stopped = True
        if self.in_user_code:
            self.scope.cancel()

    def interrupt(self) -> None:
        """Cancel this wait and each one after it."""
        self._shields = self.inner_scope.shield = False
        self.scope.cancel()

    def shield(self) -> None:
        """Keep the cancellation from the waits to come."""
        self.inner_scope.shield = self._shields

    @types.coroutine
    def run(self, awaitable: Awaitable[Any]) -> Generator[Any, Any, Any]:
        """Await the user's code, and shield it once it has been cancelled.

        Each step passes through here, so the cancellation is seen before that code
        sees it: asyncio throws it in, Trio sends it in a box.
        """
        steps: Any = awaitable.__await__()
        step, value = steps.send, None
        self.in_user_code = True
        try:
            while True:
                trap = step(value)
                try:
                    step, value = steps.send, (yield trap)
                except BaseException as error:  # noqa: BLE001 - it goes to the user's
                    step, value = steps.throw, error
                sent = getattr(value, "error", value)
                if isinstance(sent, anyio.get_cancelled_exc_class()):
                    self._on_cancelled()
        except StopIteration as stop:
            return stop.value
        finally:
            self.in_user_code = False

    def _on_cancelled(self) -> None:
        if self.scope.cancel_called and not _is_in_nursery():
            self.shield()


def _is_in_nursery() -> bool:
    """Return whether the task holds one of the user's task groups, on Trio.

    Behind a shield that would take the cancellation for its own, and swallow it.
    """
    if is_on_asyncio():
        return False
    trio = importlib.import_module("trio")
    return bool(trio.lowlevel.current_task().child_nurseries)


class _PlainCall:
    """An item, its call, and what became of it."""

    def __init__(self, item: object, index: int, task: _MapTask) -> None:
        self.item = item
        self.index = index
        self.task = task
        self.released = False
        self.done = False
        self.result: object = None
        self.error: Exception | None = None

    def is_done(self) -> bool:
        return self.done


class PlainMap:
    """A concurrent map that keeps all laws, unless it is made with a *fault*.

    One task reads the source within a window of twice the limit. Each call is a
    task. ``line`` has the results in the order in which they go out.
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
        self._queue: deque[_PlainCall] = deque()
        self._running: set[_PlainCall] = set()
        self._used = 0
        self._line: deque[_PlainCall] = deque()
        self._all: list[_PlainCall] = []
        self._readers = 2 if fault == "two readers" else 1
        self._ended = False
        self._waiting = False
        # In the order of their start: that of a set differs from run to run.
        self._tasks: dict[_MapTask, None] = {}
        self._group: TaskGroup
        self._context: contextvars.Context
        self._changed: anyio.Event

    async def __aenter__(self) -> Self:
        self._context = contextvars.copy_context()
        self._changed = anyio.Event()
        self._group = anyio.create_task_group()
        await self._group.__aenter__()
        for _ in range(self._readers):
            task = self._new_task()
            self._start(task, self._read, task)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None:
        if self._fault != "runs to the end":
            self._end()
        try:
            with anyio.CancelScope(shield=self._fault == "exit shielded"):
                await self._wait_for_tasks()
        except BaseException:
            if self._fault != "shield kept":
                for task in self._tasks:
                    task.interrupt()
            with anyio.CancelScope(shield=True):
                await self._wait_for_tasks()
            raise
        finally:
            if self._fault == "source closed elsewhere":
                await self._aclose()
            await self._group.__aexit__(None, None, None)

    def _end(self) -> None:
        """Begin nothing more, and stop what runs."""
        self._ended = True
        self._queue.clear()
        for task in self._tasks:
            if self._fault == "cancelled at its yield":
                task.scope.cancel()
            task.stop()
        self._notify()

    async def _wait_for_tasks(self) -> None:
        while self._tasks:
            await self._changed.wait()

    def _notify(self) -> None:
        """Wake all that wait for a change: the source's reader, and the results'."""
        changed, self._changed = self._changed, anyio.Event()
        changed.set()

    # The tasks.

    def _new_task(self) -> _MapTask:
        return _MapTask(shields=self._fault != "cancelled at every wait")

    def _start(
        self, task: _MapTask, func: Callable[..., Awaitable[None]], *args: Any
    ) -> None:
        self._tasks[task] = None
        start = self._group.start_soon
        if self._fault == "context leaked":
            start(self._run, task, func, *args)
        else:
            # A task inherits the context of the one that starts it, and that may be
            # the task of another call.
            self._context.run(start, self._run, task, func, *args)

    async def _run(
        self, task: _MapTask, func: Callable[..., Awaitable[None]], *args: Any
    ) -> None:
        try:
            with task.scope, task.inner_scope:
                await func(*args)
        finally:
            # The exit waits for this, even if the whole block was cancelled.
            del self._tasks[task]
            self._notify()

    # The source.

    async def _read(self, task: _MapTask) -> None:
        try:
            await self._read_all(task)
        finally:
            # The shield is one that was there before the source was read: a
            # generator may hold a scope across its yield.
            task.shield()
            await self._close()

    async def _close(self) -> None:
        self._readers -= 1
        if self._fault == "source closed early":
            await self._aclose()
        with anyio.CancelScope(shield=True):
            while self._running:
                await self._changed.wait()
        if self._readers or self._fault in {
            "source not closed",
            "source closed early",
            "source closed elsewhere",
        }:
            return
        await self._aclose()
        if self._fault == "source closed twice":
            await self._aclose()

    async def _aclose(self) -> None:
        source: Any = self._source
        await source.aclose()

    async def _read_all(self, task: _MapTask) -> None:
        window = 2 * self._limit
        while not self._ended:
            if self._between >= window and self._fault != "window ignored":
                await self._changed.wait()
                continue
            try:
                item = await task.run(anext(self._source))
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
        self._notify()

    def _take(self, item: object) -> None:
        self._add(item)
        if self._fault == "duplicate at limit 1" and self._limit == self._taken == 1:
            self._add(item)
        self._start_calls()

    def _add(self, item: object) -> None:
        call = _PlainCall(item, self._taken, self._new_task())
        self._taken += 1
        self._between += 1
        self._queue.append(call)
        if self._ordered:
            self._line.append(call)
        if self._fault in {"quadratic", "keeps everything"}:
            self._all.append(call)

    def _fail_source(self, error: Exception) -> None:
        call = _PlainCall(None, self._taken, self._new_task())
        call.error = error
        call.done = True
        self._line.append(call)
        if not self._ordered:
            self._stop_calls(after=-1)
        self._notify()

    # The calls.

    def _start_calls(self) -> None:
        if self._fault == "idle unless read" and not self._waiting:
            return
        while self._queue and self._may_start():
            call = self._queue.popleft()
            self._used += 1
            self._running.add(call)
            self._start(call.task, self._make, call)

    def _may_start(self) -> bool:
        if self._fault == "limit ignored":
            return True
        if self._fault == "limit unreachable":
            return self._used < max(1, self._limit - 1)
        return self._used < self._limit

    async def _make(self, call: _PlainCall) -> None:
        try:
            if not call.task.stopped:
                try:
                    call.result = await call.task.run(self._func(call.item))
                except Exception as error:
                    call.error = error
                    if self._fault == "body interrupted":
                        raise
                call.done = True
        finally:
            self._running.discard(call)
            if not call.released:
                self._used -= 1
            self._notify()
        call.item = None
        if call.done and not call.task.stopped:
            self._finish(call)
        self._start_calls()
        self._notify()

    def _finish(self, call: _PlainCall) -> None:
        if call.error is not None and self._fault == "error swallowed":
            self._between -= 1
            self._line.remove(call)
            return
        if call.error is not None:
            stop_all = not self._ordered or self._fault == "first error wins"
            self._stop_calls(after=-1 if stop_all else call.index, but=call)
        if not self._ordered:
            self._line.append(call)
        if self._fault == "quadratic":
            all(other.is_done() or True for other in self._all)
        if self._fault == "polls every call":
            all(other.is_done() or True for other in self._running)

    def _stop_calls(self, *, after: int, but: _PlainCall | None = None) -> None:
        """Read no more, and cancel the calls of the items *after* that one."""
        self._ended = True
        stopped = [c for c in self._running if c.index > after and c is not but]
        for call in stopped:
            call.task.stop()
            if self._fault == "early release":
                call.released = True
                self._used -= 1
        if self._fault == "early release":
            self._start_calls()
        self._queue = deque(c for c in self._queue if c.index <= after)
        if self._ordered:
            self._line = deque(c for c in self._line if c.index <= after or c is but)

    # The results.

    def __aiter__(self) -> "PlainMap":
        return self

    async def __anext__(self) -> Any:
        self._waiting = True
        self._start_calls()
        try:
            while (call := self._ready()) is None:
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
        return self._deliver(call)

    def _ready(self) -> _PlainCall | None:
        """Return what is to go out next, if it can."""
        line = self._line
        if self._fault == "fill before deliver":
            done = sum(call.done for call in line)
            if done < 2 * self._limit and not self._ended:
                return None
        if self._fault in {"wrong-order heap", "oldest finished first"}:
            done_ones = [call for call in line if call.done]
            return min(done_ones, key=lambda call: call.index, default=None)
        if not line or not line[0].done:
            return None
        if line[0].error is None or self._fault == "sibling not awaited":
            return line[0]
        # What still runs now was cancelled, and is awaited before that is raised.
        return None if self._running else line[0]

    def _is_over(self) -> bool:
        if self._fault == "lost tail":
            return self._ended
        return self._ended and not self._line and not self._running and not self._queue

    def _deliver(self, call: _PlainCall) -> object:
        self._line.remove(call)
        self._between -= 1
        self._notify()
        if call.error is None:
            return call.result
        self._line.clear()
        self._queue.clear()
        if self._fault == "error wrapped":
            raise ExceptionGroup("a call failed", [call.error])
        raise call.error
