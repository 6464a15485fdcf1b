"""What every block of the concurrent side is: tasks, one reader, one way out.

The tasks live between `__aenter__` and `__aexit__` and nowhere else. What they
have for the reader goes through a `Store`; what goes wrong is kept here until it
can be told in order.
"""

import contextvars
from abc import abstractmethod
from asyncio import CancelledError
from math import inf
from types import TracebackType
from typing import Self, TypeVar

from anyio import (
    create_task_group,
    current_effective_deadline,
    get_cancelled_exc_class,
)
from anyio.abc import TaskGroup
from anyio.lowlevel import cancel_shielded_checkpoint

from aiterkit._runtime.channel import Outlet, Store

R = TypeVar("R")


class Block(Outlet[R]):
    """The tasks of one block, from entry to exit."""

    __slots__ = ("_fatal", "context", "opened", "tasks", "unclosed")

    context: contextvars.Context
    tasks: TaskGroup

    def __init__(self, store: Store[R], *, name: str) -> None:
        super().__init__(store, name=name)
        self.opened: bool = False
        self.unclosed: list[BaseException] = []
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
        self.learn_to_wait()
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
            late = self.store.close() + self.unclosed
            unclosed = self.unclosed[0] if self.unclosed else None
            self.unclosed = []
            fatal, self._fatal = self._fatal, None
        try:
            if fatal is not None:
                await _raise_bare(fatal, late)
            if error is None:
                if unclosed is not None:
                    await _raise_bare(unclosed, late)
            elif not isinstance(error, cancelled):
                _attach(error, late)
        finally:  # no circle through the traceback
            del error, fatal, late, traceback, unclosed

    def die(self, error: BaseException) -> None:
        """Cancel everything, the body too, and leave the block with *error*."""
        if self._fatal is None:
            self._fatal = error
        self.tasks.cancel_scope.cancel()
        self.abandon()


def tellable(error: BaseException) -> bool:
    """Tell whether a reader may be told of *error*; others end the program.

    A `CancelledError` out of the blue is an error like any other.
    """
    return isinstance(error, Exception | CancelledError)


def is_cancelled(error: BaseException) -> bool:
    """Tell a cancellation that was asked for from a `CancelledError` out of the blue.

    On asyncio anybody may raise one, by awaiting what was cancelled elsewhere.
    """
    if not isinstance(error, get_cancelled_exc_class()):
        return False
    return current_effective_deadline() == -inf


def answers_cancellation(error: BaseException) -> bool:
    """Tell whether *error* was raised while a cancellation was being handled."""
    cancelled = get_cancelled_exc_class()
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        if isinstance(cause, cancelled):
            return True
        seen.add(id(cause))
        cause = cause.__context__
    return False


def without_stop(error: BaseException) -> BaseException:
    """Return *error* as an async generator lets it out (PEP 479)."""
    if not isinstance(error, StopIteration | StopAsyncIteration):
        return error
    told = RuntimeError(f"async generator raised {type(error).__name__}")
    told.__cause__ = told.__context__ = error
    return told


def _attach(error: BaseException, late: list[BaseException]) -> None:
    """Hang the *late* errors on the far end of *error*'s context."""
    tail, seen = error, {id(error)}
    while tail.__context__ is not None and id(tail.__context__) not in seen:
        tail = tail.__context__
        seen.add(id(tail))
    rest = [other for other in late if id(other) not in seen]
    if rest and tail.__context__ is None:
        tail.__context__ = BaseExceptionGroup("other calls failed too", rest)


async def _raise_bare(error: BaseException, late: list[BaseException]) -> None:
    """Raise *error* with no more context than it had, but for the *late* ones."""
    # If this task was last resumed by a cancellation, CPython would chain that to
    # whatever leaves the awaiting frames now. So let it be resumed once more.
    await cancel_shielded_checkpoint()
    _attach(error, late)
    context = error.__context__
    try:
        raise error
    finally:
        error.__context__ = context
        del error, context
