"""How tasks wait on Trio, and how they are cancelled. Imported only where it runs."""

import sys
import types
from collections.abc import Callable, Generator
from types import FunctionType
from typing import Any, NoReturn
from weakref import WeakSet

from trio import Cancelled, CancelScope, Nursery, current_time
from trio.lowlevel import (
    Abort,
    Task,
    cancel_shielded_checkpoint,
    current_task,
    disable_ki_protection,
    enable_ki_protection,
    reschedule,
    wait_task_rescheduled,
)

from aiterkit._runtime.backend import Cancellable

__all__ = [
    "TrioTurn",
    "TrioWaiter",
    "call_user",
    "cancel_once",
    "count_cancellations",
    "current_task",
    "current_time",
    "is_resumed_by_block",
    "on_entered",
    "steps_of_user",
    "turn_trap",
    "wait_until",
]


def turn_trap() -> object:
    """Return what Trio's own checkpoint yields to its loop, the same each time."""
    checkpoint = cancel_shielded_checkpoint()  # noqa: ASYNC105 - one step of it is made
    trap = checkpoint.send(None)
    checkpoint.close()
    return trap


class TrioTurn:
    """One turn of Trio's loop, in which most other tasks that can run do."""

    __slots__ = ("_trap",)

    def __init__(self, trap: object) -> None:
        self._trap = trap

    def __await__(self) -> Generator[Any, Any, object]:
        return (yield self._trap)


class TrioWaiter:
    """A wait that parks the task itself."""

    __slots__ = ("_over", "_task")

    def __init__(self) -> None:
        self._over = False
        self._task: Task = current_task()

    def __await__(self) -> Generator[Any, Any, object]:
        # The task that awaits this awaits it.
        return wait_task_rescheduled(self._abort).__await__()  # noqa: ASYNC105

    def end(self) -> None:
        if not self._over:
            self._over = True
            reschedule(self._task)

    def _abort(self, _raise_cancel: Callable[[], NoReturn]) -> Abort:
        # Trio forbids to reschedule a task that a cancellation woke already.
        self._over = True
        return Abort.SUCCEEDED


async def wait_until(waiter: TrioWaiter, due: float) -> None:
    """Wait, but no longer than until *due*."""
    with CancelScope(deadline=due):
        await waiter


# Ctrl-C. Trio raises KeyboardInterrupt between any two lines of code that is not
# protected. In our own that would lose a task or leave a nursery open. So all of it is
# protected, and the interrupt comes where the main task waits next; and what we call
# of the user's is not.


@disable_ki_protection
def call_user(function: Callable[..., Any], *args: Any) -> Any:
    """Call *function*, and let Ctrl-C interrupt it."""
    try:
        return function(*args)
    finally:
        del function, args  # an error would hold this frame, and be held by it


@disable_ki_protection
@types.coroutine
def steps_of_user(steps: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
    """Take *steps*, and let Ctrl-C interrupt each."""
    try:
        return (yield from steps)
    finally:
        steps.close()  # if it was interrupted before the first


def _protect_own_code() -> None:
    own = (call_user, steps_of_user)
    for name, module in tuple(sys.modules.items()):
        if name.startswith(("aiterkit._runtime.", "aiterkit._concurrent.")):
            for value in tuple(vars(module).values()):
                where = getattr(value, "__module__", None)
                if where in (name, "aiterkit") and value not in own:
                    _protect(value)


def _protect(value: Any) -> None:
    if isinstance(value, type):
        for member in tuple(vars(value).values()):
            function = member.fget if isinstance(member, property) else member
            if isinstance(function, FunctionType):
                enable_ki_protection(function)
    elif isinstance(value, FunctionType):
        enable_ki_protection(value)


_protect_own_code()

own_nurseries: WeakSet[Nursery] = WeakSet()
"""Those of open blocks. They let a cancellation of the task that holds them pass."""


def on_entered() -> None:
    """Note the nursery that was opened last as one of ours."""
    own_nurseries.add(current_task().child_nurseries[-1])


def cancel_once(task: Cancellable) -> None:
    """Cancel one wait of *task*."""
    task.cancel_at_every_wait()


def count_cancellations(_task: Cancellable) -> int:
    """Count nothing: Trio says by itself who has cancelled."""
    return 0


def is_resumed_by_block(task: Cancellable, sent: Any) -> bool | None:
    """Tell whether *sent* is the cancellation of *task* by its block.

    Not where the task holds a nursery. That takes each cancellation for its own and
    swallows it, where a shield hides the one from outside; and the task would go on
    as if the nursery had ended well. So there Trio cancels every wait, until it is
    left.
    """
    error = getattr(sent, "error", None)
    if not isinstance(error, Cancelled):
        return None
    if any(nursery not in own_nurseries for nursery in task.native.child_nurseries):
        return None
    return error.source == "explicit"
