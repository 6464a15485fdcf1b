"""How one task waits for another: the cheapest wait that each backend has.

Readers and workers take turns so often that an `anyio.Event` for each turn
would cost more than the turns themselves. So this is the one room that knows
which backend runs.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Protocol

from anyio import CapacityLimiter, Event, get_cancelled_exc_class, get_current_task


class Waiter(Protocol):
    """A wait that happens once: one task waits, anyone may end the wait.

    It is made by the task that will wait, which then waits with no step in
    between. A cancelled wait is over, and ending it again does nothing.
    """

    def set(self) -> None:
        """End the wait. Only the first time counts."""
        ...

    def wait(self) -> Awaitable[object]:
        """Wait until `set`."""
        ...


class AsyncioWaiter:
    """A wait on a bare future."""

    __slots__ = ("_future",)

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._future: asyncio.Future[None] = asyncio.Future(loop=loop)

    def set(self) -> None:
        if not self._future.done():
            self._future.set_result(None)

    def wait(self) -> Awaitable[None]:
        return self._future


def waiter_factory() -> Callable[[], Waiter]:
    """Return what makes a `Waiter` on the backend that runs now."""
    cancelled = get_cancelled_exc_class()
    if cancelled is asyncio.CancelledError:
        return partial(AsyncioWaiter, asyncio.get_running_loop())
    if cancelled.__module__.partition(".")[0] == "trio":
        # Not at the top: Trio need not be installed.
        from aiterkit._concurrent.trio_waiting import TrioWaiter  # noqa: PLC0415

        return TrioWaiter
    return Event  # pragma: no cover - anyio has no third backend yet


def holds_token(limiter: CapacityLimiter) -> bool:
    """Tell whether the current task itself holds a token of *limiter*."""
    borrowers = limiter.statistics().borrowers
    return any(id(borrower) == get_current_task().id for borrower in borrowers)


def cancel_again() -> None:
    """Repeat a native cancellation of this task, whose error was caught.

    Trio and anyio tell a task until it has left the cancelled scope, but asyncio
    tells it once. The count of cancellations stays as it is: `asyncio.timeout`
    goes by that.
    """
    task = asyncio.current_task()
    if task is not None:
        task.uncancel()
        task.cancel()
