"""What every block is: tasks that live from its entry to its exit, and one way out."""

import contextvars
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from types import TracebackType
from typing import Any, ClassVar, Generic, Self, TypeVar

from anyio import create_task_group, get_cancelled_exc_class
from anyio.abc import TaskGroup

from aiterkit._runtime.backend import Backend, Waiter, current_backend
from aiterkit._runtime.buffer import ResultBuffer
from aiterkit._runtime.channel import ResultChannel
from aiterkit._runtime.errors import attach_unseen, raise_bare

R = TypeVar("R")


class TaskScope(ABC):
    """The tasks of one block, from entry to exit.

    The tasks run between `__aenter__` and `__aexit__` and nowhere else. Errors
    that no reader will see are kept here until the block is left.
    """

    context: contextvars.Context
    tasks: TaskGroup
    make_waiter: Callable[[], Waiter]
    end_wait: Callable[[Waiter], None]
    turn_trap: object

    def __init__(self, *, name: str) -> None:
        self.name: str = name  # of the operator, for messages
        self.opened: bool = False  # once the block has been entered
        self.closed: bool = False  # once the block is being left
        # How many source tasks are parked until there is room.
        self.waiting_producers: int = 0
        # What closing the sources raised. The first leaves the block, if nothing
        # else does.
        self.close_errors: list[BaseException] = []
        # What must end the program, such as KeyboardInterrupt; it leaves the block
        # before all else.
        self._fatal: BaseException | None = None

    def bind_backend(self, backend: Backend) -> None:
        """Wait in the way of *backend*, which runs now."""
        self.make_waiter, self.end_wait = backend.make_waiter, backend.end_wait
        self.turn_trap = backend.turn_trap

    def _check_entry(self) -> None:  # noqa: B027 - most have nothing to check
        """Refuse to be entered, if need be; nothing has been started yet."""

    @abstractmethod
    def _start(self) -> None:
        """Start the first tasks."""

    @abstractmethod
    def abandon(self) -> None:
        """Begin nothing more, and wake every wait: the block is left, or cancelled.

        If a reader misses results by that, its channel is `incomplete`.
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
        self.bind_backend(current_backend())
        self.context = contextvars.copy_context()
        self._check_entry()
        self.tasks = create_task_group()
        await self.tasks.__aenter__()
        self._start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None:
        """Cancel the tasks, await them, close the sources; raise what went wrong.

        The *error* that leaves the block already is never masked: only what must
        end the program outranks it.
        """
        cancelled = get_cancelled_exc_class()
        self.closed = True
        self.abandon()
        self.tasks.cancel_scope.cancel()
        try:
            await self.tasks.__aexit__(None, None, None)
        except cancelled:
            if error is None and self._fatal is None:
                raise
        finally:
            self._finish()
            unseen = self.take_unseen() + self.close_errors
            close_error = self.close_errors[0] if self.close_errors else None
            self.close_errors = []
            fatal, self._fatal = self._fatal, None
        try:
            if fatal is not None:
                await raise_bare(fatal, unseen)
            if error is None:
                if close_error is not None:
                    await raise_bare(close_error, unseen)
            elif not isinstance(error, cancelled):
                attach_unseen(error, unseen)
        finally:  # no reference cycle through the traceback
            del error, fatal, unseen, traceback, close_error

    def abort(self, error: BaseException) -> None:
        """Cancel everything, the body too, and leave the block with *error*."""
        if self._fatal is None:
            self._fatal = error
        self.tasks.cancel_scope.cancel()
        self.abandon()


class ReadScope(TaskScope, ResultChannel[R]):
    """A block with one reader: the tasks, and the channel that they fill."""

    def __init__(self, buffer: ResultBuffer[R], *, name: str) -> None:
        TaskScope.__init__(self, name=name)
        channel: Any = ResultChannel  # pyright cannot tell of which results
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


ScopeT = TypeVar("ScopeT", bound=TaskScope)


class ConcurrentOperator(Generic[ScopeT]):
    """The public `async with` block of an operator: entered once, and nothing else.

    Its `__init__` checks the arguments and makes the scope; its `__aenter__`
    returns what the block is read by.
    """

    _gives: ClassVar[str] = "results"
    _scope: ScopeT | None = None

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

    async def _open(self) -> ScopeT:
        scope = self._scope
        assert scope is not None  # noqa: S101 - __init__ made it
        return await scope.__aenter__()

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
