"""An asyncio event loop on virtual time, whose task steps can be reordered.

Everything happens in the selector: the loop calls it once per pass, before it
runs what is ready. That is the moment to move the clock, to notice a deadlock,
and to hold back all task steps but the one that the strategy picked. So the
loop's own code runs unchanged, and three private attributes are all we need.
"""

import asyncio
import math
import selectors
import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, cast
from weakref import WeakKeyDictionary

from aiterkit.testing._report import History, TaskView, outside_wait
from aiterkit.testing._strategies import Strategy
from aiterkit.testing._watch import VirtualTimeError, Watch, private

_PATIENCE = 0.01


class _Selector(selectors.DefaultSelector):
    """Asks the loop what to do instead of the operating system."""

    loop: "VirtualLoop"

    def select(
        self, timeout: float | None = None
    ) -> list[tuple[selectors.SelectorKey, int]]:
        self.loop.take_signals()
        if self.loop.prepare_pass(timeout):
            return []
        # A thread is on its way back, after the end of the test began.
        return super().select(_PATIENCE)

    def register(
        self, fileobj: Any, events: int, data: Any = None
    ) -> selectors.SelectorKey:
        if self.loop.is_running():
            raise VirtualTimeError(
                "the test waits for real I/O, which runs on real time"
            )
        return super().register(fileobj, events, data)


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps to the next timer when all tasks wait.

    Args:
        strategy: Picks which task takes the next step; None leaves asyncio's
            own order. Callbacks that are not task steps keep their order.
        history: Where steps are recorded.
    """

    def __init__(
        self, strategy: Strategy | None = None, history: History | None = None
    ) -> None:
        self._now = 0.0
        self._strategy = strategy
        self._history = history
        self._held: deque[asyncio.Handle] = deque()
        self._numbers: WeakKeyDictionary[asyncio.Task[Any], int] = WeakKeyDictionary()
        self._numbered = 0
        self._stepping: asyncio.Task[Any] | None = None
        self._called_from_outside = False
        self._handles_signals = False
        self._made_by = threading.get_ident()
        self.watch = Watch(self._live, self._unshield)
        selector = _Selector()
        selector.loop = self
        super().__init__(selector)
        self._due: deque[asyncio.Handle] = private(self, "_ready")
        for name in ("_scheduled", "_clock_resolution", "_thread_id"):
            private(self, name)

    def time(self) -> float:
        """Return the virtual time, in seconds since the loop was made."""
        return self._now

    def create_task(self, *args: Any, **kwargs: Any) -> Any:
        """Start a task, and give it its number."""
        task = super().create_task(*args, **kwargs)
        self._number(task)
        return task

    # The signatures of the following two need type variable tuples.
    def run_in_executor(  # type: ignore[override]
        self, *_args: Any
    ) -> Any:
        """Refuse: a thread or a process runs on real time."""
        raise VirtualTimeError(
            "run_in_executor() was called, but threads and processes run on real time"
        )

    def add_signal_handler(  # type: ignore[override]
        self, *args: Any
    ) -> None:
        """Add the handler, and poll for signals in each pass from now on.

        Signals arrive through a socket of the loop, which nothing else reads.
        """
        super().add_signal_handler(*args)
        self._handles_signals = True

    def take_signals(self) -> None:
        """Schedule the handlers of the signals that have arrived."""
        if self._handles_signals:
            self._poll(0)

    def _poll(self, seconds: float) -> None:
        """Process events of the operating system; wait *seconds* at most for one."""
        selector = private(self, "_selector")
        events = selectors.DefaultSelector.select(selector, seconds)
        private(self, "_process_events")(events)

    def call_soon_threadsafe(  # type: ignore[override]
        self, *args: Any, **kwargs: Any
    ) -> Any:
        """Schedule a call, and remember if another thread asked for it."""
        # A loop that is stopped has no thread. Then it is the thread that made the
        # loop which closes generators that were left unread.
        own = private(self, "_thread_id") or self._made_by
        if threading.get_ident() != own:
            self._called_from_outside = True
        return super().call_soon_threadsafe(*args, **kwargs)

    def prepare_pass(self, timeout: float | None, /) -> bool:
        """Decide what the coming pass of the loop runs, and at which time.

        Returns:
            False if the pass must wait for a thread.
        """
        if self._called_from_outside:
            self._called_from_outside = False
            if self.watch.failure is None:
                self.watch.outside("another thread")
        if self._strategy is not None:
            self.finish_step()
            self._hold_back(self._strategy)
        if self._due or timeout == 0:
            return True
        timers: list[asyncio.TimerHandle] = private(self, "_scheduled")
        if timers and timers[0].when() < math.inf:
            self._now = max(self._now, timers[0].when())
            # Timers that are due within the clock's resolution go off too:
            # none but those that are due now, as on Trio; and, however large
            # the time has grown, those at least.
            self._clock_resolution = math.ulp(self._now)
            return True
        return self._nothing_to_run()

    def _nothing_to_run(self) -> bool:
        for task in self.watch.tasks():
            if what := outside_wait(task.coro):
                if self.watch.failure is not None:
                    return False
                self.watch.outside(what, task.number)
                return True
        self.watch.deadlock()
        return True

    def _hold_back(self, strategy: Strategy) -> None:
        """Leave due only what may run now: plain callbacks, or one task step."""
        self._held.extend(self._due)
        self._due.clear()
        # Plain callbacks never overtake a task step nor each other: asyncio
        # promises their order, and anyio's cancellation, which posts itself
        # anew on each pass, would otherwise starve the tasks it cancels.
        while self._held and self._task_of(self._held[0]) is None:
            self._due.append(self._held.popleft())
        if self._due or not self._held:
            return
        first: dict[int, asyncio.Handle] = {}
        for handle in self._held:
            task = self._task_of(handle)
            if task is None:
                break
            first.setdefault(self._number(task), handle)
        # In the order of their numbers: the order in which several tasks were
        # woken may come from a set, which differs from run to run.
        numbers = sorted(first)
        number = numbers[strategy.pick(numbers) if len(numbers) > 1 else 0]
        handle = first[number]
        self._held.remove(handle)
        self._due.append(handle)
        self._stepping = self._task_of(handle)
        if self._history is not None and self.watch.is_on:
            self._history.chose(number)

    def finish_step(self) -> None:
        """Record where the step that was picked has led to."""
        task, self._stepping = self._stepping, None
        if task is not None and self._history is not None and self.watch.is_on:
            self._history.record(self._view(task), self._now, ended=task.done())

    def _task_of(self, handle: asyncio.Handle) -> asyncio.Task[Any] | None:
        callback: Callable[..., object] | None = private(handle, "_callback")
        owner: Any = getattr(callback, "__self__", None)
        is_task = isinstance(owner, asyncio.Task)
        return cast("asyncio.Task[Any]", owner) if is_task else None

    def _number(self, task: asyncio.Task[Any]) -> int:
        if task not in self._numbers:
            self._numbers[task] = self._numbered
            self._numbered += 1
        return self._numbers[task]

    def _view(self, task: asyncio.Task[Any]) -> TaskView:
        return TaskView(self._number(task), task.get_name(), task.get_coro())

    def _unshield(self) -> None:
        watched = {task.number for task in self.watch.tasks()}
        for task in asyncio.all_tasks(self):
            # Shields of anyio hold back anyio's own cancellation only.
            if self._number(task) in watched:
                task.cancel()

    def _live(self) -> Iterator[TaskView]:
        for task in asyncio.all_tasks(self):
            yield self._view(task)
