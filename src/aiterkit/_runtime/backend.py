"""How one task waits for another: the cheapest wait that each backend has.

Readers and workers take turns so often that an `anyio.Event` for each turn
would cost more than the turns themselves. So this is the one room that knows
which backend runs.
"""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, NamedTuple, Protocol, TypeAlias, cast

from anyio import CapacityLimiter, get_cancelled_exc_class, get_current_task

Waiter: TypeAlias = Awaitable[object]
"""A wait that happens once: one task awaits it, anyone may end it.

It is made by the task that will wait, which then waits with no step in between. A
cancelled wait is over, and ending it again does nothing.
"""


class Cancellable(Protocol):
    """A task that its block cancels at most once."""

    native: Any
    """The backend's own task; None until it has begun."""

    cancellations: int
    """How many cancellations had reached it before that of its block."""

    def cancel_at_every_wait(self) -> None:
        """Cancel it as anyio does: this wait, and each one after it."""
        ...

    def shield(self) -> None:
        """Let its next waits be."""
        ...


class Backend(NamedTuple):
    """How tasks wait on the backend that runs, and how they are cancelled."""

    make_waiter: Callable[[], Waiter]
    """Return a wait for the current task."""

    end_wait: Callable[[Any], None]
    """End a wait that *make_waiter* made. Only the first time counts."""

    wait_until: Callable[[Any, float], Awaitable[object]]
    """Await a wait that *make_waiter* made, at most until a time on its clock.

    A cancel scope of anyio does this as well, and costs more than the wait.
    """

    turn_trap: object
    """What a task yields to its loop to let others run once."""

    turn: Awaitable[object]
    """The same, to be awaited, again and again."""

    call_user: Callable[..., Any] | None
    """Call a function of the user's with arguments, so that Ctrl-C can interrupt it.

    On Trio our own code is protected from that; what it calls would be so as well. None
    where there is no such protection.
    """

    steps_of_user: Callable[[Any], Any] | None
    """The same for the steps of a coroutine, which it returns."""

    on_entered: Callable[[], None]
    """Note that the current task has entered the task group of a block."""

    current_task: Callable[[], object]
    """Return the task that runs now."""

    cancel_once: Callable[[Cancellable], None]
    """Cancel one wait of a task, and no other after it."""

    now: Callable[[], float]
    """Return the time of the clock that runs, as `anyio.current_time` does.

    That looks for the clock each time, which is paid per item.
    """

    count_cancellations: Callable[[Cancellable], int]
    """Count the native cancellations that have reached a task."""

    is_resumed_by_block: Callable[[Cancellable, object], bool | None]
    """Tell whether a task that was cancelled once is resumed by that cancellation.

    It gets what the task is resumed with: an error on asyncio, and what Trio sends.
    False means that a scope of the task's own has cancelled it, in the same turn; and
    None that nothing was cancelled, or that no shield may be raised.
    """


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
        return Backend(
            make,
            _end_future,
            partial(_wait_until, loop),
            None,
            ASYNCIO_TURN,
            None,
            None,
            _nothing,
            asyncio.current_task,
            _cancel_once,
            loop.time,
            _count_cancellations,
            _is_resumed_by_block,
        )
    if cancelled.__module__.partition(".")[0] == "trio":
        # Not at the top: Trio need not be installed.
        from aiterkit._runtime import backend_trio as trio  # noqa: PLC0415

        trap = trio.turn_trap()
        return Backend(
            trio.TrioWaiter,
            trio.TrioWaiter.end,
            trio.wait_until,
            trap,
            trio.TrioTurn(trap),
            trio.call_user,
            trio.steps_of_user,
            trio.on_entered,
            trio.current_task,
            trio.cancel_once,
            trio.current_time,
            trio.count_cancellations,
            trio.is_resumed_by_block,
        )
    raise NotImplementedError(  # pragma: no cover - anyio has no third backend yet
        "aiterkit runs on asyncio and on Trio"
    )


def _nothing() -> None:
    pass


def _end_future(future: asyncio.Future[None]) -> None:
    if not future.done():
        try:  # noqa: SIM105 - paid per wait
            future.set_result(None)
        except asyncio.InvalidStateError:
            pass  # just here, Ctrl-C has cancelled the task that waits


async def _wait_until(
    loop: asyncio.AbstractEventLoop, future: asyncio.Future[None], due: float
) -> None:
    timer = loop.call_at(due, _end_future, future)
    try:
        await future
    finally:
        timer.cancel()


def holds_token(limiter: CapacityLimiter) -> bool:
    """Tell whether the current task itself holds a token of *limiter*."""
    borrowers = limiter.statistics().borrowers
    return any(id(borrower) == get_current_task().id for borrower in borrowers)


# Cancelling, on asyncio. A task counts the cancellations that it was sent, which is how
# `asyncio.timeout` and anyio know theirs; so do we.


def _cancel_once(task: Cancellable) -> None:
    native: asyncio.Task[object] = task.native
    task.cancel_at_every_wait()
    if native.cancelling() > task.cancellations:
        task.shield()
    # Else it comes later: the task is about to run, or in a shield of its own.


def _count_cancellations(task: Cancellable) -> int:
    native: asyncio.Task[object] = task.native
    return native.cancelling()


def _is_resumed_by_block(task: Cancellable, _error: object) -> bool:
    return bool(task.native.cancelling() > task.cancellations)


def is_cancelled(error: BaseException) -> bool:
    """Tell a cancellation of this task from a `CancelledError` that is an error.

    On asyncio anybody may raise one: by awaiting what was cancelled elsewhere, or by
    cancelling the task that calls.
    """
    if not isinstance(error, get_cancelled_exc_class()):
        return False
    if not isinstance(error, asyncio.CancelledError):
        return True  # Trio raises its own for no other reason
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0 and not is_native_cancel(error)


def is_native_cancel(error: BaseException) -> bool:
    """Tell an `asyncio.Task.cancel` from the cancellation of an anyio cancel scope.

    A scope cancels at every wait until it is left, but a task is cancelled once.
    """
    if not isinstance(error, asyncio.CancelledError):
        return False
    reason = error.args[0] if error.args else None
    return not (isinstance(reason, str) and reason.startswith(_BY_SCOPE))


_BY_SCOPE = ("Cancelled via cancel scope ", "Cancelled by cancel scope ")


def repeat_cancel(error: BaseException) -> None:
    """Repeat a native cancellation of this task, whose *error* was caught.

    The count of cancellations stays as it is: `asyncio.timeout` goes by that. What
    cancels at every wait needs no repetition, and repeated it might outlive its scope.
    """
    if not is_native_cancel(error):
        return
    task = cast("asyncio.Task[object]", asyncio.current_task())
    task.uncancel()
    task.cancel(*error.args[:1])
