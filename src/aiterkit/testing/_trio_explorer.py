"""One Trio run in which a test is run again and again, each time as chosen.

To start and end Trio costs more than a small test, so the main task of one run
makes all runs of the test. What Trio does next is chosen in its queue of
runnable tasks; timers that are due wait beside it until they are chosen too.
"""

import heapq
import math
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any

import trio
from trio import lowlevel
from trio._core._run import GLOBAL_RUN_CONTEXT, Deadlines
from trio.abc import Instrument

from aiterkit.testing._choices import MOST_STEPS, Run
from aiterkit.testing._interruptions import Interruption, InterruptionName
from aiterkit.testing._report import History, TaskView, frames, outside_wait
from aiterkit.testing._trio_clock import VirtualClock
from aiterkit.testing._watch import private

_PATIENCE = 0.01
_OWN = -1

Entry = tuple[float, int, trio.CancelScope]


class _Deadlines(Deadlines):
    """Trio's deadlines; those that are due wait until their turn is chosen."""

    def __init__(self) -> None:
        super().__init__()
        self._added = 0
        self.groups: list[list[Entry]] = []
        private(self, "_heap")

    def add(self, deadline: float, cancel_scope: trio.CancelScope) -> None:
        # Trio orders scopes of one deadline by their address in memory.
        self._added += 1
        heapq.heappush(self._heap, (deadline, self._added, cancel_scope))
        self._active += 1

    def expire(self, now: float) -> bool:
        heap = self._heap
        if heap and heap[0][0] <= now:
            self._take_due(now)
        return bool(self.groups)

    def _take_due(self, now: float) -> None:
        sleeps: list[Entry] = []
        heap = self._heap
        while heap and heap[0][0] <= now:
            entry = heapq.heappop(heap)
            if not self.is_active(entry):
                continue
            if _is_sleep(entry[2]):
                sleeps.append(entry)
            else:
                self.groups.append([entry])
        if sleeps:
            self.groups.insert(0, sleeps)

    @staticmethod
    def is_active(entry: Entry) -> bool:
        """Tell whether the scope of *entry* is still there, with this deadline."""
        registered: float = private(entry[2], "_registered_deadline")
        return registered == entry[0]

    def count_sleeps(self) -> int:
        """Return how many sleeps could end alone."""
        # Only sleeps are more than one in a group.
        count = len(self.groups[0]) if self.groups else 0
        return count if count > 1 else 0

    def prune_groups(self) -> None:
        """Forget those that were left or moved while they waited."""
        for group in self.groups:
            group[:] = filter(self.is_active, group)
        self.groups = [group for group in self.groups if group]

    def set_off(self, group: list[Entry], now: float) -> None:
        """Let Trio itself cancel the scopes of *group*."""
        waiting, self._heap = self._heap, group
        super().expire(now)
        self._heap = waiting

    def forget(self) -> None:
        """Begin a new test."""
        self.groups.clear()
        self._heap.clear()
        self._active = 0


def _is_sleep(scope: trio.CancelScope) -> bool:
    """Return whether *scope* holds exactly one task, and that task only sleeps."""
    status = private(scope, "_cancel_status")
    tasks = private(status, "_tasks")
    if len(tasks) != 1 or private(status, "_children"):
        return False
    (task,) = tasks
    names = [frame.f_code.co_name for frame in frames(task.coro)]
    return "sleep_until" in names and "sleep_forever" in names


class _Line:
    """Trio's queue of runnable tasks, handed out one at a time, as chosen."""

    def __init__(self, clock: "ExploringClock") -> None:
        self._clock = clock
        self.tasks: list[lowlevel.Task] = []
        self.woken: list[lowlevel.Task] = []

    def __len__(self) -> int:
        return len(self.tasks) + len(self.woken) + len(self._clock.deadlines.groups)

    def append(self, task: lowlevel.Task) -> None:
        self.woken.append(task)

    def __iter__(self) -> Iterator[lowlevel.Task]:
        task = self._clock.next_task(self)
        return iter(() if task is None else (task,))

    def clear(self) -> None:
        """Do nothing: what was handed out has left the queue already."""


class _NoWaiting:
    """Trio's I/O manager, which is not asked for events while tasks can run."""

    def __init__(self, manager: Any, line: _Line) -> None:
        self._manager = manager
        self._line = line

    def get_events(self, timeout: float) -> Any:
        return () if len(self._line) else self._manager.get_events(timeout)

    def process_events(self, events: Any) -> None:
        if events:
            self._manager.process_events(events)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._manager, name)


class _Recorder(Instrument):
    """Tells the clock where each step has led to."""

    def __init__(self, clock: "ExploringClock") -> None:
        self._clock = clock

    def after_task_step(self, task: lowlevel.Task) -> None:
        self._clock.record(task)


class ExploringClock(VirtualClock):
    """A clock that jumps, and that lets a `Run` choose the next step."""

    def __init__(self, history: History | None) -> None:
        super().__init__(None, history)
        self.deadlines = _Deadlines()
        self._run: Run | None = None
        self._interruption: Interruption | None = None
        self._current: lowlevel.Task | None = None
        self._is_preempted = False
        self._name = ""

    def start_clock(self) -> None:
        """Put our queue, deadlines and events in the place of Trio's."""
        self._runner = private(GLOBAL_RUN_CONTEXT, "runner")
        for name in ("runq", "deadlines", "io_manager", "waiting_for_idle", "tasks"):
            private(self._runner, name)
        self._line = _Line(self)
        self._runner.runq = self._line
        self._runner.deadlines = self.deadlines
        self._runner.io_manager = _NoWaiting(self._runner.io_manager, self._line)

    async def run_once_more(
        self,
        test: Callable[[], Awaitable[object]],
        run: Run,
        interruption: Interruption,
    ) -> None:
        """Run *test* as *run* chooses, from time 0 and with nothing left over."""
        self._now = 0.0
        self._tasks.clear()
        self._numbered = 0
        self.number(lowlevel.current_task())
        self._current = None
        self._interruption = interruption

        async def explored() -> None:
            self._run = run
            try:
                await interruption.over(test, "trio")
            finally:
                # What is left to do is not part of the test.
                self._run = None

        explored.__name__ = self._name = getattr(test, "__name__", "test")
        await self.watch.over(explored)
        self.deadlines.forget()

    def number(self, task: lowlevel.Task, /) -> int:
        """Return the number of *task*, or -1 if it is Trio's own."""
        number = self._tasks.get(task)
        if number is None:
            number = _OWN
            if not self._is_trios_own(task):
                number = self._numbered
                self._numbered += 1
            self._tasks[task] = number
        return number

    def next_task(self, line: _Line) -> lowlevel.Task | None:
        """Return the task that takes the next step, and take it out of *line*."""
        while True:
            tasks = line.tasks
            if line.woken:
                self._sort_woken(line.woken)
                # Trio's own tasks come first: they are no part of the test.
                own = [task for task in line.woken if self._tasks[task] == _OWN]
                tasks[:0] = own
                tasks.extend(line.woken[len(own) :])
                line.woken.clear()
            deadlines = self.deadlines
            if deadlines.groups:
                deadlines.prune_groups()
            groups = deadlines.groups
            if not tasks and not groups:
                return None
            chosen = self._choose(tasks, len(groups))
            if chosen < len(tasks):
                task = tasks.pop(chosen)
                self._current = task
                return task
            if chosen < len(tasks) + len(groups):
                self._current = None
                self._set_off(groups.pop(chosen - len(tasks)))
            elif chosen < len(tasks) + len(groups) + deadlines.count_sleeps():
                self._current = None
                self._set_off([groups[0].pop(chosen - len(tasks) - len(groups))])
            elif self._interruption is not None:  # pragma: no branch - an option
                self._interruption.strike()

    def _choose(self, tasks: list[lowlevel.Task], groups: int) -> int:
        run = self._run
        if run is None:
            return len(tasks) if groups else 0
        if tasks and self._tasks[tasks[0]] == _OWN:
            return 0
        try:
            current = tasks.index(self._current) if self._current is not None else -1
        except ValueError:
            current = -1
        interruption = self._interruption
        can_strike = interruption is not None and interruption.can_strike
        before = run.preemptions
        sleeps = self.deadlines.count_sleeps()
        chosen = run.next_step(len(tasks), current, groups, sleeps, can_strike)
        self._is_preempted = run.preemptions > before
        if run.steps > MOST_STEPS:
            self._run = None
            self.watch.livelock(MOST_STEPS)
            return 0
        return chosen

    def _sort_woken(self, woken: list[lowlevel.Task]) -> None:
        """Put tasks that were woken in one step in the order in which they started."""
        if len(woken) > 1:
            woken.sort(key=_started)
            for task in woken:
                self.number(task)
            woken.sort(key=self._tasks.__getitem__)
        else:
            self.number(woken[0])

    def _set_off(self, group: list[Entry]) -> None:
        if self._history is not None and self.watch.is_on:
            what = "sleep ends" if _is_sleep(group[0][2]) else "timer"
            self._history.note("timers", what, self._now, mark=self._is_preempted)
        self.deadlines.set_off(group, self._now)

    def record(self, task: lowlevel.Task) -> None:
        """Note where a step of *task* has led to."""
        number = self._tasks.get(task, _OWN)
        if self._history is not None and self.watch.is_on and number != _OWN:
            view = TaskView(number, task.name if number else self._name, task.coro)
            ended = task not in self._runner.tasks
            mark = self._is_preempted
            self._history.record(view, self._now, ended=ended, mark=mark)
            self._is_preempted = False

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Jump to *deadline*, or do what is left where nothing can go on."""
        if self._runner.waiting_for_idle:
            return math.inf
        if private(self._runner.entry_queue, "size")():
            return 0
        if self.watch.failure is None:
            for view in self.watch.tasks():
                if what := outside_wait(view.coro):
                    self.watch.outside(what, view.number)
                    return 0
        interruption = self._interruption
        run = self._run
        if (
            run is not None
            and interruption is not None
            and interruption.can_strike
            # Where the test waits for nothing else, there is no choice.
            and (deadline == math.inf or run.choose(2, 2))
        ):
            interruption.strike()
            return 0
        return super().deadline_to_sleep_time(deadline)

    def _live(self) -> Iterator[TaskView]:
        for task in self._runner.tasks:
            if not self._is_trios_own(task):
                yield self._view(task)


def _started(task: lowlevel.Task) -> int:
    count: int = private(task, "_counter")
    return count


def run_all(
    test: Callable[[], Awaitable[object]],
    runs: Iterable[Run],
    interrupt: InterruptionName | None,
    history: History | None,
    after: Callable[[Run, Interruption], None],
) -> None:
    """Make each of *runs*, and call *after* with each that did not fail."""
    clock = ExploringClock(history)

    async def main() -> None:
        for run in runs:
            interruption = Interruption(interrupt, run, history)
            await clock.run_once_more(test, run, interruption)
            after(run, interruption)

    trio.run(
        main,
        clock=clock,
        instruments=() if history is None else (_Recorder(clock),),
        restrict_keyboard_interrupt_to_checkpoints=True,
        strict_exception_groups=True,
    )
