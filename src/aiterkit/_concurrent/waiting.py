"""How one task waits for another: the cheapest wait that each backend has.

Readers and workers take turns so often that an `anyio.Event` for each turn
would cost more than the turns themselves. So this is the one room that knows
which backend runs.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, NamedTuple, TypeAlias, cast

from anyio import CapacityLimiter, get_cancelled_exc_class, get_current_task

Waiter: TypeAlias = Awaitable[object]
"""A wait that happens once: one task awaits it, anyone may end it.

It is made by the task that will wait, which then waits with no step in between. A
cancelled wait is over, and ending it again does nothing.
"""


class WaysToWait(NamedTuple):
    """How tasks wait on one backend: two plain functions, each paid per item."""

    make: Callable[[], Waiter]
    """Return a wait for the current task."""

    end: Callable[[Any], None]
    """End a wait that *make* made. Only the first time counts."""


def ways_to_wait() -> WaysToWait:
    """Return how tasks wait on the backend that runs now."""
    cancelled = get_cancelled_exc_class()
    if cancelled is asyncio.CancelledError:
        loop = asyncio.get_running_loop()
        return WaysToWait(partial(asyncio.Future, loop=loop), _end_future)
    if cancelled.__module__.partition(".")[0] == "trio":
        # Not at the top: Trio need not be installed.
        from aiterkit._concurrent.trio_waiting import TrioWaiter  # noqa: PLC0415

        return WaysToWait(TrioWaiter, TrioWaiter.end)
    raise NotImplementedError(  # pragma: no cover - anyio has no third backend yet
        "aiterkit runs on asyncio and on Trio"
    )


def _end_future(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


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
    task = cast("asyncio.Task[object]", asyncio.current_task())
    task.uncancel()
    task.cancel()
