"""An asyncio event loop that runs a test again and again, each time as chosen.

A pass of asyncio's own loop asks the operating system for events, moves timers
and copies its queue. Here, a pass is one step of one task, chosen by the run,
and the loop is used for all runs: to make one costs more than a small test.
"""

import asyncio
import heapq
import math
import weakref
from asyncio import futures
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any, cast

from aiterkit.testing._asyncio_loop import VirtualLoop
from aiterkit.testing._choices import MOST_STEPS, Run
from aiterkit.testing._interruptions import Interruption, InterruptionName
from aiterkit.testing._report import History, TaskView
from aiterkit.testing._watch import private

Timers = list[asyncio.TimerHandle]

_NUMBER = "_aiterkit_number"
_WAKE_UP: object = private(futures, "_set_result_unless_cancelled")
_PATIENCE = 0.01


class ExploringLoop(VirtualLoop):
    """An event loop on virtual time whose next step is chosen by a `Run`."""

    def __init__(self) -> None:
        super().__init__()
        self._run: Run | None = None
        self._interruption: Interruption | None = None
        self._current: asyncio.Task[Any] | None = None
        self._groups: list[Timers] = []
        self._sorted = 0
        self._started: list[weakref.ref[asyncio.Task[Any]]] = []
        for name in ("_asyncgens", "_asyncgens_shutdown_called"):
            private(self, name)
        for name in ("_callback", "_run", "_scheduled"):
            private(asyncio.TimerHandle, name)

    def run_once_more(
        self,
        test: Callable[[], Awaitable[object]],
        run: Run,
        interruption: Interruption,
        history: History | None,
    ) -> None:
        """Run *test* as *run* chooses, from time 0 and with nothing left over."""
        self._now = 0.0
        self._history = history
        self._numbered = 0
        self._started.clear()
        self._current = None
        self._sorted = 0
        self._interruption = interruption

        async def explored() -> None:
            self._run = run
            try:
                await interruption.over(test, "asyncio")
            finally:
                # What is left to do is not part of the test.
                self._run = None

        explored.__name__ = name = getattr(test, "__name__", "test")
        self.run_until_complete(self.create_task(self.watch.over(explored), name=name))
        if private(self, "_asyncgens"):
            self.run_until_complete(self.shutdown_asyncgens())
            self._asyncgens_shutdown_called = False
        for timer in private(self, "_scheduled"):
            timer._scheduled = False
        private(self, "_scheduled").clear()
        self._timer_cancelled_count = 0
        self._groups.clear()

    def drain(self) -> None:
        """Run what was left by objects that were collected between two runs."""
        if self._due:
            self._current = self._run = None
            self.run_until_complete(asyncio.sleep(0))

    def create_task(self, *args: Any, **kwargs: Any) -> Any:
        """Start a task, give it its number, and remember it."""
        task = super().create_task(*args, **kwargs)
        self._started.append(weakref.ref(task))
        return task

    def _number(self, task: asyncio.Task[Any]) -> int:
        number: int | None = getattr(task, _NUMBER, None)
        if number is None:
            number = self._numbered
            self._numbered += 1
            setattr(task, _NUMBER, number)
        return number

    def _live(self) -> Iterator[TaskView]:
        for reference in self._started:
            task = reference()
            if task is not None and not task.done():
                yield self._view(task)

    def _unshield(self) -> None:
        watched = {task.number for task in self.watch.tasks()}
        for reference in self._started:
            task = reference()
            if task is not None and self._number(task) in watched:
                task.cancel()

    def _run_once(self) -> None:
        self.take_signals()
        ready = self._due
        if self._called_from_outside:
            self._called_from_outside = False
            if self.watch.failure is None:
                self.watch.outside("another thread")
        timers: Timers = private(self, "_scheduled")
        if timers and timers[0].when() <= self._now:
            self._take_due(timers)
        if not ready and not self._groups and not self._advance(timers):
            return
        self._sort_woken(ready)
        for handle in [each for each in ready if _task_of(each) is None]:
            if not self._run_callback(ready, handle):
                return
        # What these have posted waits until a task has taken a step: one that
        # posts itself anew must let the tasks go on.
        self._take_step(ready)

    def _run_callback(
        self, ready: deque[asyncio.Handle], handle: asyncio.Handle
    ) -> bool:
        """Run a callback that is not a step of a task, or let a task go before it.

        Returns:
            False if a task went first.
        """
        tasks = _runnable(ready)
        chosen = len(tasks)
        if self._run is not None and self._interruption is not None:
            # It counts as what could go on: to let a task go first costs.
            first, can_strike = chosen, self._interruption.can_strike
            chosen = self._run.next_step(first + 1, first, 0, 0, can_strike)
            if chosen < first:
                self._step(ready, tasks[chosen], mark=True)
                return False
            if chosen > first:
                self._sorted = len(ready)
                self._interruption.strike()
        ready.remove(handle)
        self._sorted = len(ready)
        if not handle.cancelled():
            handle._run()
        self._sort_woken(ready)
        return True

    def _sort_woken(self, ready: deque[asyncio.Handle]) -> None:
        """Put tasks that were woken in one step in the order of their numbers."""
        count = len(ready) - self._sorted
        self._sorted = len(ready)
        if count <= 1:
            return
        # Their order may come from a set, and so differ from run to run.
        woken = [ready.pop() for _ in range(count)]
        woken.reverse()
        batch: list[tuple[int, asyncio.Handle]] = []
        for handle in woken:
            task = _task_of(handle)
            if task is not None:
                batch.append((self._number(task), handle))
                continue
            batch.sort(key=_first)
            ready.extend(each for _, each in batch)
            batch.clear()
            ready.append(handle)
        batch.sort(key=_first)
        ready.extend(each for _, each in batch)

    def _take_step(self, ready: deque[asyncio.Handle]) -> None:
        """Let a task take a step, a timer go off, or the interruption strike."""
        if self._groups:
            self._forget_cancelled_timers()
        groups, sleeps = self._groups, self._sleeps
        tasks = _runnable(ready)
        count = len(tasks)
        if not count and not groups:
            return
        run, interruption = self._run, self._interruption
        chosen, mark = count if groups else 0, False
        if run is not None and interruption is not None:
            current = tasks.index(self._current) if self._current in tasks else -1
            before, can_strike = run.preemptions, interruption.can_strike
            chosen = run.next_step(count, current, len(groups), sleeps, can_strike)
            mark = run.preemptions > before
            if run.steps > MOST_STEPS:
                self._run = None
                self.watch.livelock(MOST_STEPS)
                return
        if chosen < count:
            self._step(ready, tasks[chosen], mark=mark)
        elif chosen < count + len(groups):
            self._set_off(groups.pop(chosen - count), mark=mark)
        elif chosen < count + len(groups) + sleeps:
            self._set_off([groups[0].pop(chosen - count - len(groups))], mark=mark)
        elif interruption is not None:  # pragma: no branch - it was an option
            self._sorted = len(ready)
            interruption.strike()

    def _step(
        self, ready: deque[asyncio.Handle], task: asyncio.Task[Any], *, mark: bool
    ) -> None:
        handle = next(each for each in ready if _task_of(each) is task)
        ready.remove(handle)
        self._current = task
        self._sorted = len(ready)
        handle._run()
        if self._history is not None and self.watch.is_on:
            view, ended = self._view(task), task.done()
            self._history.record(view, self._now, ended=ended, mark=mark)

    @property
    def _sleeps(self) -> int:
        """The number of sleeps of which one can end without the others."""
        # Only sleeps are more than one in a group, and they are the first.
        count = len(self._groups[0]) if self._groups else 0
        return count if count > 1 else 0

    def _set_off(self, group: Timers, *, mark: bool) -> None:
        self._current = None
        self._sorted = len(self._due)
        if self._history is not None and self.watch.is_on:
            what = "sleep ends" if _is_sleep(group[0]) else "timer"
            self._history.note("timers", what, self._now, mark=mark)
        for timer in group:
            timer._run()

    def _forget_cancelled_timers(self) -> None:
        for group in self._groups:
            group[:] = [timer for timer in group if not timer.cancelled()]
        self._groups[:] = filter(None, self._groups)

    def _take_due(self, timers: Timers) -> None:
        """Move the timers that are due out of the heap, those of sleeps as one."""
        sleeps: Timers = []
        others: list[Timers] = []
        while timers and timers[0].when() <= self._now:
            timer = heapq.heappop(timers)
            timer._scheduled = False  # type: ignore[attr-defined]
            if timer.cancelled():
                self._timer_cancelled_count -= 1
            elif _is_sleep(timer):
                sleeps.append(timer)
            else:
                others.append([timer])
        if sleeps and self._groups and _is_sleep(self._groups[0][0]):
            self._groups[0].extend(sleeps)
        elif sleeps:
            self._groups.insert(0, sleeps)
        self._groups.extend(others)

    def _advance(self, timers: Timers) -> bool:
        """Jump to the next timer, or do what is left where nothing can go on.

        Returns:
            False if there is still nothing to run.
        """
        while timers and timers[0].cancelled():
            heapq.heappop(timers)._scheduled = False  # type: ignore[attr-defined]
            self._timer_cancelled_count -= 1
        has_timer = bool(timers) and timers[0].when() < math.inf
        run, interruption = self._run, self._interruption
        if (
            run is not None
            and interruption is not None
            and interruption.can_strike
            # Where the test waits for nothing else, there is no choice.
            and (not has_timer or run.choose(2, 2))
        ):
            interruption.strike()
        elif has_timer:
            self._now = max(self._now, timers[0].when())
            self._take_due(timers)
            return True
        elif not self._nothing_to_run():
            # A thread is on its way back, after the end of the test began.
            self._poll(_PATIENCE)
        return bool(self._due)


def _task_of(handle: asyncio.Handle) -> asyncio.Task[Any] | None:
    """Return the task whose step *handle* is; None if it is a plain callback."""
    owner: Any = getattr(handle._callback, "__self__", None)  # type: ignore[attr-defined]
    is_task = isinstance(owner, asyncio.Task)
    return cast("asyncio.Task[Any]", owner) if is_task else None


def _runnable(ready: deque[asyncio.Handle]) -> list[asyncio.Task[Any]]:
    """Return the tasks before the first plain callback."""
    tasks: list[asyncio.Task[Any]] = []
    for handle in ready:
        owner = getattr(handle._callback, "__self__", None)  # type: ignore[attr-defined]
        if not isinstance(owner, asyncio.Task):
            break
        if owner not in tasks:
            tasks.append(owner)
    return tasks


def _is_sleep(timer: asyncio.TimerHandle) -> bool:
    return timer._callback is _WAKE_UP  # type: ignore[attr-defined]


def _first(numbered: tuple[int, asyncio.Handle]) -> int:
    return numbered[0]


def run_all(
    test: Callable[[], Awaitable[object]],
    runs: Iterable[Run],
    interrupt: InterruptionName | None,
    history: History | None,
    after: Callable[[Run, Interruption], None],
    *,
    debug: bool,
) -> None:
    """Make each of *runs*, and call *after* with each that did not fail."""
    loop = ExploringLoop()
    loop.set_debug(debug)
    # Its end cancels what a test that failed has left.
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.get_loop()
        for run in runs:
            loop.drain()
            interruption = Interruption(interrupt, run, history)
            loop.run_once_more(test, run, interruption, history)
            after(run, interruption)
