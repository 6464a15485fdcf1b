"""What every block of the concurrent side is: tasks, one reader, one way out.

The tasks live between `__aenter__` and `__aexit__` and nowhere else. What they
have for the reader goes through a `ResultBuffer`; what goes wrong is kept here until it
can be told in order.
"""

import contextvars
import warnings
from abc import abstractmethod
from types import TracebackType
from typing import Any, ClassVar, Generic, Self, TypeVar

from anyio import (
    create_task_group,
    get_cancelled_exc_class,
)
from anyio.abc import TaskGroup

from aiterkit._runtime.buffer import ResultBuffer
from aiterkit._runtime.channel import ResultChannel
from aiterkit._runtime.errors import attach_unseen, raise_bare

R = TypeVar("R")


class ReadScope(ResultChannel[R]):
    """The tasks of one block, from entry to exit."""

    __slots__ = ("_fatal", "close_errors", "context", "opened", "tasks")

    context: contextvars.Context
    tasks: TaskGroup

    def __init__(self, buffer: ResultBuffer[R], *, name: str) -> None:
        super().__init__(buffer, name=name)
        self.opened: bool = False
        self.close_errors: list[BaseException] = []
        self._fatal: BaseException | None = None

    def _check_entry(self) -> None:
        """Refuse to be entered, if need be; nothing has been started yet."""

    @abstractmethod
    def _start(self) -> None:
        """Start the first tasks."""

    @abstractmethod
    def abandon(self) -> None:
        """Begin nothing more, and wake whoever waits: the block is left, or cancelled.

        If results are missing then, say so by `incomplete`.
        """

    @abstractmethod
    def _finish(self) -> None:
        """Let go of everything, after the last task; no circle may be left."""

    async def __aenter__(self) -> Self:
        """Start the work."""
        if self.opened:
            raise RuntimeError(f"{self.name}(...) can be entered only once")
        self.opened = True
        self.bind_backend()
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
        """Cancel what runs, await it, close the sources; raise what must be told.

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
            late = self.buffer.close() + self.close_errors
            unclosed = self.close_errors[0] if self.close_errors else None
            self.close_errors = []
            fatal, self._fatal = self._fatal, None
        try:
            if fatal is not None:
                await raise_bare(fatal, late)
            if error is None:
                if unclosed is not None:
                    await raise_bare(unclosed, late)
            elif not isinstance(error, cancelled):
                attach_unseen(error, late)
        finally:  # no circle through the traceback
            del error, fatal, late, traceback, unclosed

    def abort(self, error: BaseException) -> None:
        """Cancel everything, the body too, and leave the block with *error*."""
        if self._fatal is None:
            self._fatal = error
        self.tasks.cancel_scope.cancel()
        self.abandon()


B = TypeVar("B", bound=ReadScope[Any])


class ConcurrentOperator(Generic[B]):
    """The `async with` block of an operator.

    Its `__init__` checks the arguments and makes the *block*; its `__aenter__`
    returns what the block is read by.
    """

    _gives: ClassVar[str] = "results"
    _scope: B | None = None

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

    async def _open(self) -> B:
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
