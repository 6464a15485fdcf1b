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


class Backend(NamedTuple):
    """How tasks wait on the backend that runs. Each part is paid per item."""

    make_waiter: Callable[[], Waiter]
    """Return a wait for the current task."""

    end_wait: Callable[[Any], None]
    """End a wait that *make_waiter* made. Only the first time counts."""

    turn_trap: object
    """What a task yields to its loop to let others run once."""

    turn: Awaitable[object]
    """The same, to be awaited, again and again."""


class AsyncioTurn(tuple[None]):
    """One turn of asyncio's loop, in which every other task that can run does."""

    __slots__ = ()

    __await__: Any = tuple[None].__iter__  # no function of ours is called


ASYNCIO_TURN = cast("Awaitable[None]", AsyncioTurn((None,)))


class SpinPolicy:
    """Whether a task yields once before it parks.

    Among tasks that are all busy, what is waited for is there after one turn of the
    others, and a turn costs less than a wait that somebody must end. Where it is
    not, the next 1, 3, 7, … 63 waits park at once.
    """

    __slots__ = ("_skip_length", "_to_skip")

    LONGEST_SKIP = 63

    def __init__(self) -> None:
        self._skip_length: int = 0
        self._to_skip: int = 0

    def should_yield(self) -> bool:
        """Decide for one wait."""
        if self._to_skip:
            self._to_skip -= 1
            return False
        return True

    def paid_off(self) -> None:
        """Note that after the last yield the wait was over."""
        self._skip_length = 0

    def wasted(self) -> None:
        """Note that after the last yield there was still nothing."""
        self._skip_length = min(2 * self._skip_length + 1, self.LONGEST_SKIP)
        self._to_skip = self._skip_length


def current_backend() -> Backend:
    """Return how tasks wait on the backend that runs now."""
    cancelled = get_cancelled_exc_class()
    if cancelled is asyncio.CancelledError:
        loop = asyncio.get_running_loop()
        make = partial(asyncio.Future[None], loop=loop)
        return Backend(make, _end_future, None, ASYNCIO_TURN)
    if cancelled.__module__.partition(".")[0] == "trio":
        # Not at the top: Trio need not be installed.
        from aiterkit._runtime.backend_trio import (  # noqa: PLC0415
            TrioTurn,
            TrioWaiter,
            turn_trap,
        )

        trap = turn_trap()
        return Backend(TrioWaiter, TrioWaiter.end, trap, TrioTurn(trap))
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


def repeat_cancel() -> None:
    """Repeat a native cancellation of this task, whose error was caught.

    Trio and anyio tell a task until it has left the cancelled scope, but asyncio
    tells it once. The count of cancellations stays as it is: `asyncio.timeout`
    goes by that.
    """
    task = cast("asyncio.Task[object]", asyncio.current_task())
    task.uncancel()
    task.cancel()
