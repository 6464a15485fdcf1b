"""A Trio clock that jumps, and a run queue whose order can be chosen.

Trio asks its clock how long to sleep just when no task can run. That is the
moment to jump, or to notice a deadlock. And it takes all runnable tasks from
its queue at once and shuffles them: a queue that hands out one task at a time
leaves it nothing to shuffle. (Seeding the shuffle is not enough: tasks of one
batch can then change places, but a task can never be left out for a while.)
"""

import math
from collections import deque
from collections.abc import Iterator
from typing import NoReturn

from trio import lowlevel
from trio._core._run import GLOBAL_RUN_CONTEXT
from trio.abc import Clock, Instrument

from aiterkit.testing._report import History, TaskView, outside_wait
from aiterkit.testing._strategies import Strategy
from aiterkit.testing._watch import DeadlockError, Watch, private

_PATIENCE = 0.01


class _RunQueue:
    """Trio's queue of runnable tasks, handed out one at a time."""

    def __init__(self, clock: "VirtualClock") -> None:
        self._clock = clock
        self._line: deque[lowlevel.Task] = deque()
        self._woken: list[lowlevel.Task] = []

    def __len__(self) -> int:
        return len(self._line) + len(self._woken)

    def append(self, task: lowlevel.Task) -> None:
        self._woken.append(task)

    def __iter__(self) -> Iterator[lowlevel.Task]:
        # Trio keeps waiting tasks in sets, so tasks that were woken together
        # come in an order that differs from run to run: put them in ours.
        self._woken.sort(key=self._clock.number)
        self._line.extend(self._woken)
        self._woken.clear()
        if self._line:
            index = self._clock.pick(self._line)
            task = self._line[index]
            del self._line[index]
            yield task

    def clear(self) -> None:
        """Do nothing: what was handed out has left the queue already."""


class VirtualClock(Clock, Instrument):
    """A clock that jumps to the next deadline when all tasks wait.

    It serves one run at a time, as both its clock and one of its instruments.

    Args:
        strategy: Picks which task takes the next step; None: first come,
            first served. Either way the order is the same in each run.
        history: Where steps are recorded.
    """

    def __init__(
        self, strategy: Strategy | None = None, history: History | None = None
    ) -> None:
        self._now = 0.0
        self._strategy = strategy
        self._history = history
        self._tasks: dict[lowlevel.Task, int] = {}
        self._numbered = 0
        self.watch = Watch(self._live, self._unshield)

    def before_run(self) -> None:
        """Put our queue in the place of Trio's, and begin at 0.

        With Hypothesis, anyio starts a run for each example, all with one clock.
        """
        self._now = 0.0
        self._tasks.clear()
        self._numbered = 0
        self._runner = private(GLOBAL_RUN_CONTEXT, "runner")
        for name in ("runq", "waiting_for_idle", "main_task"):
            private(self._runner, name)
        self._runner.runq = _RunQueue(self)

    def start_clock(self) -> None:
        """Do nothing: time starts at 0."""

    def current_time(self) -> float:
        """Return the virtual time, in seconds since the run began."""
        return self._now

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Jump to *deadline*, since no task can run before it."""
        if self._runner.waiting_for_idle:
            return math.inf  # wait_all_tasks_blocked() comes before any jump
        if lowlevel.current_statistics().run_sync_soon_queue_size:
            return 0
        if deadline < math.inf:
            self._now = max(self._now, deadline)
            return 0
        if self.watch.failure is not None and any(
            outside_wait(task.coro) for task in self.watch.tasks()
        ):
            return _PATIENCE  # a thread is on its way back
        try:
            self.watch.deadlock()
        except DeadlockError as error:
            self._throw(error)
        return 0

    def _throw(self, error: DeadlockError) -> None:
        """Raise *error* where the main task waits: raised here, it wrecks Trio."""

        def raise_it() -> NoReturn:
            raise error

        private(self._runner.main_task, "_attempt_abort")(raise_it)

    def number(self, task: lowlevel.Task, /) -> int:
        """Return the number of *task*: tasks are counted as they start."""
        if task not in self._tasks:
            self._tasks[task] = self._numbered
            self._numbered += 1
        return self._tasks[task]

    def pick(self, line: deque[lowlevel.Task], /) -> int:
        """Return the index of the task to run."""
        if self._strategy is None:
            return 0
        index = 0
        if len(line) > 1:
            index = self._strategy.pick([self.number(task) for task in line])
        if self._history is not None and self.watch.is_on:
            self._history.chose(self.number(line[index]))
        return index

    def task_spawned(self, task: lowlevel.Task) -> None:
        """Number *task*."""
        self.number(task)

    def after_task_step(self, task: lowlevel.Task) -> None:
        """Record where the step has led to."""
        if task not in self._tasks or not self._is_watched(task):
            return
        if self._history is not None:
            self._history.record(self._view(task), self._now, ended=False)
        if self.watch.failure is None and (what := outside_wait(task.coro)):
            self.watch.outside(what, self.number(task))

    def task_exited(self, task: lowlevel.Task) -> None:
        """Forget *task*."""
        if self._history is not None and self._is_watched(task):
            self._history.record(self._view(task), self._now, ended=True)
        del self._tasks[task]

    def _view(self, task: lowlevel.Task) -> TaskView:
        return TaskView(self.number(task), task.name, task.coro)

    def _unshield(self) -> None:
        for task in list(self._tasks):
            status = private(task, "_cancel_status")
            while status is not None:
                private(status, "_scope").shield = False
                status = private(status, "_parent")

    def _live(self) -> Iterator[TaskView]:
        for task in self._tasks:
            if not self._is_trios_own(task):
                yield self._view(task)

    def _is_watched(self, task: lowlevel.Task) -> bool:
        return self.watch.is_on and not self._is_trios_own(task)

    def _is_trios_own(self, task: lowlevel.Task) -> bool:
        """Tell whether *task* is the root, or what wakes the loop from threads."""
        root = lowlevel.current_root_task()
        return task is root or (
            root is not None and task.parent_nursery is root.child_nurseries[0]
        )
