"""The base of every block: tasks that run from its entry to its exit; one way out."""

import contextvars
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, ClassVar, Generic, NoReturn, Self, TypeVar

from anyio import CancelScope, get_cancelled_exc_class

from aiterkit._runtime.backend import (
    Backend,
    Group,
    Waiter,
    current_backend,
    in_one_step,
    is_native_cancel,
    repeat_cancel,
)
from aiterkit._runtime.buffer import ResultBuffer
from aiterkit._runtime.channel import ResultChannel
from aiterkit._runtime.errors import attach_unseen, first_fatal, raise_bare
from aiterkit._runtime.presentation import BlockSignature, explaining
from aiterkit._runtime.task import BlockTask

R = TypeVar("R")

# What is known, inside a task of a block, about that block: its tasks, and the open
# blocks in them. The block itself would be in a cycle with its context.
_Around = tuple[dict[Any, BlockTask], "dict[TaskScope, None]"]
_around: contextvars.ContextVar[_Around] = contextvars.ContextVar(
    "the tasks of the block around this one, and the open blocks in them"
)


class TaskScope(ABC):
    """The tasks of one block, from entry to exit.

    The tasks run between `__aenter__` and `__aexit__` only. Errors that no reader will
    see are kept here until the block is left.
    """

    backend: Backend
    makes_calls: ClassVar[bool] = False
    """Whether it calls a function of the user on each item."""

    context: contextvars.Context
    tasks: Group
    make_waiter: Callable[[], Waiter]
    end_wait: Callable[[Waiter], None]
    turn_trap: object

    def __init__(self, *, name: str) -> None:
        self.name: str = name  # of the operator, for messages
        self.opened: bool = False  # once the block has been entered
        self.closed: bool = False  # once the block is being left
        self.was_read: bool = False  # once a reader has asked for a result
        # How many source tasks are parked until there is room.
        self.waiting_producers: int = 0
        # What closing the sources raised. The exit raises the first of these, unless
        # another error leaves the block.
        self.close_errors: list[BaseException] = []
        # True once the exit, while it waited for the tasks, was cancelled itself.
        self.interrupted: bool = False
        self._running: dict[BlockTask, None] = {}  # in the order of their start
        # The tasks that have begun, by their tasks of the backend.
        self.by_native: dict[Any, BlockTask] = {}
        # The wait of the task that leaves the block, while it waits for the last task.
        self._leaver: Waiter | None = None
        # An error that must end the program, such as KeyboardInterrupt. The exit raises
        # it before any other.
        self._fatal: BaseException | None = None
        # True once a block around this one has cancelled the task that holds this one.
        self.screened: bool = False
        # The open blocks that were entered by tasks of this one; a dict for its order.
        self._inner_blocks: dict[TaskScope, None] = {}
        # The tasks of the block around this one, and the open blocks in them, of which
        # this is one.
        self._around: _Around | None = None

    def bind_backend(self, backend: Backend) -> None:
        """Wait in the way of *backend*, which runs now."""
        self.backend = backend
        self.make_waiter, self.end_wait = backend.make_waiter, backend.end_wait
        self.turn_trap = backend.turn_trap

    def _check_entry(self) -> None:  # noqa: B027 - most have nothing to check
        """Raise an error if the block must not be entered; nothing is started yet."""

    @abstractmethod
    def _start(self) -> None:
        """Start the first tasks."""

    @abstractmethod
    def abandon(self) -> None:
        """Begin nothing more, and end every wait: the block is left, or cancelled.

        If a reader then misses results, its channel becomes `incomplete`.
        """

    @abstractmethod
    def add_unseen(self, error: BaseException) -> None:
        """Keep an *error* that no reader will see."""

    @abstractmethod
    def take_unseen(self) -> list[BaseException]:
        """Return the errors that no reader has seen, at the end."""

    @abstractmethod
    def _finish(self) -> None:
        """Release everything after the last task. No reference cycle may be left."""

    async def __aenter__(self) -> Self:
        """Start the work."""
        if self.opened:
            raise RuntimeError(f"{self.name}(...) can be entered only once")
        self.opened = True
        backend = current_backend()
        self.bind_backend(backend)
        self.context = contextvars.copy_context()
        self._check_entry()
        self.tasks = backend.make_group()
        await self.tasks.__aenter__()
        self._entered_by = backend.current_task()
        backend.on_entered()
        self._around = _around.get(None)
        if self._around is not None:
            self._around[1][self] = None
        self.context.run(_around.set, (self.by_native, self._inner_blocks))
        self._start()
        return self

    async def __aexit__(  # noqa: C901, PLR0912 - the whole way out, in its order
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None:
        """Cancel the tasks, await them, close the sources; raise what went wrong.

        Each task is cancelled once, so its cleanup runs in full, as if it were in a
        ``finally`` here. As there, a cancellation of this task ends it.

        An *error* that is leaving the block already is masked only by one that must end
        the program.
        """
        cancelled = self.backend.cancelled
        interruption: BaseException | None = None
        self.closed = True
        self.abandon()
        if self._running:
            self._stop_tasks()
        if self.backend.current_task() is not self._entered_by:
            await self._leave_elsewhere()
        try:
            # Those that end in their next step are left to the group, which waits too.
            if self._running and not all(task.is_ending() for task in self._running):
                interruption = await self._wait_for_tasks()
            try:
                await self._leave_group()
            except cancelled as raised:
                if interruption is None:
                    interruption = raised
            except BaseExceptionGroup as group:  # pragma: no cover - see below
                # Only Ctrl-C comes out of a task. It is tested at every line, by a
                # trace function, which takes the place of the one of coverage.
                self._fatal = self._fatal or first_fatal(group)
        finally:
            if self._running:  # pragma: no cover - Ctrl-C, as above, came in this code
                self.tasks.cancel_scope.cancel()
                self._interrupt()
                self._stop_tasks()
            unseen = self._release()
            close_error = self.close_errors[0] if self.close_errors else None
            self.close_errors = []
            fatal, self._fatal = self._fatal, None
        try:
            if interruption is not None and not isinstance(interruption, cancelled):
                fatal = fatal or interruption  # pragma: no cover - Ctrl-C, as above
            if fatal is not None:
                await raise_bare(fatal, unseen)
            if error is None:
                if interruption is not None:
                    raise interruption
                if close_error is not None:
                    await raise_bare(close_error, unseen)
            elif not isinstance(error, cancelled):
                attach_unseen(error, unseen)
                if interruption is not None:
                    self._repeat(interruption)
        finally:  # no reference cycle through the traceback
            del error, fatal, unseen, traceback, close_error, interruption

    async def _leave_group(self) -> None:
        """Leave the group, which takes about a turn.

        Meanwhile, a cancellation by the block around this one is held back, since the
        group might take it for its own.
        """
        holder = self._holder()
        if holder is not None:
            holder.hold_back()
        try:
            await self.tasks.__aexit__(None, None, None)
        finally:
            if holder is not None:
                holder.let_come()

    def _holder(self) -> BlockTask | None:
        """Return the task that entered this block, if it is one of the block around."""
        return None if self._around is None else self._around[0].get(self._entered_by)

    def _repeat(self, interruption: BaseException) -> None:
        """Deliver an *interruption* again later, since an error takes its place now.

        A cancellation by a scope comes at every wait by itself. One by the block around
        this one comes only once, like a native one.
        """
        repeat_cancel(interruption)
        holder = self._holder()
        if holder is not None:
            holder.repeat_cancel(interruption)

    async def _leave_elsewhere(self) -> NoReturn:
        """Clean up, and raise an error, since this is the wrong task.

        The task group of the block belongs to the task that entered it, and stays
        open there: no other task may close it.
        """
        try:
            await self._wait_for_tasks()
        finally:
            self._release()
        if self._fatal is not None:  # pragma: no cover - Ctrl-C, as above
            raise self._fatal
        raise RuntimeError(
            f"{self.name}() was entered by one task and left by another. An async "
            f"generator that yields inside the block is closed by another task if its "
            f"reader breaks off: make it an @asynccontextmanager that yields the "
            f"results, or read it within contextlib.aclosing(). For start and stop "
            f"methods, let one task of your own enter and leave the block"
        )

    def _release(self) -> list[BaseException]:
        """Release everything after the last task; return what no reader has seen."""
        self._finish()
        if self._around is not None:
            self._around[1].pop(self, None)
        return self.take_unseen() + self.close_errors

    @property
    def may_miss_ends(self) -> bool:
        """Whether the counts of what is running may be wrong.

        A task that was interrupted in our own code may not have reported its end. From
        now on, ask the tasks as well.
        """
        return self.closed or self._fatal is not None

    def _stop_tasks(self) -> None:
        """Cancel once each task that runs the user's code."""
        for task in tuple(self._running):
            task.stop()

    async def _wait_for_tasks(self) -> BaseException | None:
        """Wait for all tasks; return what interrupted that, if anything did."""
        first: BaseException | None = None
        group = self.tasks.cancel_scope
        while self._running:
            try:
                await (self._wait_shielded() if self.interrupted else self._wait())
            except BaseException as error:  # noqa: BLE001 - it is raised when all is over
                if (  # pragma: no branch - Ctrl-C, as above
                    not group.cancel_called or is_native_cancel(error)
                ):
                    first = _weightier(first, error)
                self._interrupt()
                if group.cancel_called:  # pragma: no branch - Ctrl-C, as above
                    # A task was interrupted before it said that it ended. Let those
                    # that wait for it look again.
                    self._stop_tasks()
                    break
            finally:
                self._leaver = None
        try:
            return first
        finally:
            del first

    def _wait(self) -> Waiter:
        self._leaver = waiter = self.make_waiter()
        return waiter

    async def _wait_shielded(self) -> None:
        """Wait in a shield: a cancelled scope would cancel each further wait."""
        with CancelScope(shield=True):
            await self._wait()

    def _interrupt(self) -> None:
        """Cancel all tasks as the backend does: at every wait, until they end.

        The scope of the group would not do. anyio counts the cancellations of a task by
        that scope and by one around it together, and subtracts both from the count of
        the task that leaves: a native cancellation of that task would be lost.
        """
        if not self.interrupted:
            self.interrupted = True
            for task in tuple(self._running):
                task.interrupt()
                if task.native is None:  # asyncio may have cancelled it for good
                    del self._running[task]

    def on_task_started(self, task: BlockTask, /) -> None:
        """Note that *task* runs."""
        self._running[task] = None

    def on_task_ended(self, task: BlockTask, /) -> None:
        """Note that it runs no more."""
        self._running.pop(task, None)
        if not self._running:
            if self._leaver is not None:
                self.end_wait(self._leaver)
            elif self._fatal is not None and not self.closed:
                self.tasks.cancel_scope.cancel()
        elif self.waiting_producers and self.tasks.cancel_scope.cancel_called:
            for other in tuple(self._running):  # pragma: no cover - Ctrl-C, as above
                other.wake()  # it may wait for one that never said that it ended

    def screen_inner_blocks(self) -> None:
        """Let each block within this one cancel its own tasks.

        A task that is cancelled may hold such a block. It then leaves that block, which
        cancels the tasks within once. They must not be cancelled from here as well.
        """
        for block in self._inner_blocks:
            block.screen()

    def screen(self) -> None:
        """Shield the tasks: the task that leaves this block cancels them."""
        self.screened = True
        for task in self._running:
            task.shield()

    def abort(self, error: BaseException) -> None:
        """Cancel everything, the body last, and leave the block with *error*."""
        if self._fatal is None:
            self._fatal = error
        self.abandon()
        self._stop_tasks()
        if not self._running and not self.closed:  # pragma: no cover - Ctrl-C, as above
            self.tasks.cancel_scope.cancel()


class ReadScope(TaskScope, ResultChannel[R]):
    """A block with one reader: the tasks, and the channel that they fill."""

    def __init__(self, buffer: ResultBuffer[R], *, name: str) -> None:
        TaskScope.__init__(self, name=name)
        channel: Any = ResultChannel  # pyright cannot infer the type of the results
        channel.__init__(self, buffer, name=name)

    def bind_backend(self, backend: Backend) -> None:
        """Wait in the way of *backend*, which runs now."""
        TaskScope.bind_backend(self, backend)
        channel: Any = ResultChannel
        channel.bind_backend(self, backend)

    def add_unseen(self, error: BaseException) -> None:
        """Keep an *error* that the reader will not see."""
        self.buffer.unseen_errors.append(error)

    def take_unseen(self) -> list[BaseException]:
        """Return the errors that the reader has not seen, at the end."""
        return self.buffer.close()


def _weightier(first: BaseException | None, other: BaseException) -> BaseException:
    """Return which of two interruptions is to be raised.

    An error that is no cancellation comes first, since it ends the program. A native
    cancellation comes before one by a scope, which is repeated at the next wait.
    """
    if first is None or not isinstance(other, get_cancelled_exc_class()):
        return other
    if is_native_cancel(other) and not is_native_cancel(first):
        return other if isinstance(first, get_cancelled_exc_class()) else first
    return first


ScopeT = TypeVar("ScopeT", bound=TaskScope)


class ConcurrentOperator(Generic[ScopeT]):
    """The public `async with` block of an operator: entered once, and nothing else.

    Its `__init__` checks the arguments and makes the scope; its `__aenter__`
    returns what the reader uses.
    """

    __signature__: ClassVar[Any] = BlockSignature()
    _gives: ClassVar[str] = "results"
    _scope: ScopeT | None = None

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "__init__" in cls.__dict__:
            init: Any = cls.__init__
            type.__setattr__(cls, "__init__", explaining(init))

    def __repr__(self) -> str:
        scope = self._scope
        if scope is None:
            state = "not made"
        elif not scope.opened:
            state = "not entered"
        else:
            state = "left" if scope.closed else "open"
        return f"<{type(self).__name__}: {state}>"

    def __del__(self) -> None:
        scope = self._scope
        if scope is not None and not scope.opened:
            name = scope.name
            warnings.warn(
                f"{name}(...) was never entered: "
                f"use 'async with {name}(...) as {self._gives}'",
                RuntimeWarning,
                stacklevel=2,
                source=self,
            )

    def _open(self) -> Coroutine[Any, Any, ScopeT]:
        scope = self._scope
        assert scope is not None  # noqa: S101 - __init__ made it
        return scope.__aenter__()

    @in_one_step
    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None:
        scope = self._scope
        assert scope is not None  # noqa: S101 - __init__ made it
        await scope.__aexit__(kind, error, traceback)
        if kind is None and scope.makes_calls and not scope.was_read:
            warnings.warn(
                f"{scope.name}(...) was left before it was read, so it made only "
                f"some of its calls, if any; for calls without results use "
                f"'await concurrent_for_each(...)'",
                RuntimeWarning,
                stacklevel=2,
                source=self,
            )
