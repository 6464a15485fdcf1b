"""How tasks wait on Trio, and how they are cancelled. Imported only where it runs."""

from collections.abc import Callable, Generator
from typing import Any, NoReturn
from weakref import WeakSet

from trio import Cancelled, Nursery
from trio.lowlevel import (
    Abort,
    Task,
    cancel_shielded_checkpoint,
    current_task,
    reschedule,
    wait_task_rescheduled,
)

from aiterkit._runtime.backend import Cancellable

__all__ = [
    "TrioTurn",
    "TrioWaiter",
    "cancel_once",
    "current_task",
    "on_entered",
    "on_resumed",
    "turn_trap",
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
        # It is awaited by who awaits this.
        return wait_task_rescheduled(self._abort).__await__()  # noqa: ASYNC105

    def end(self) -> None:
        if not self._over:
            self._over = True
            reschedule(self._task)

    def _abort(self, _raise_cancel: Callable[[], NoReturn]) -> Abort:
        # Trio forbids to reschedule a task that a cancellation woke already.
        self._over = True
        return Abort.SUCCEEDED


own_nurseries: WeakSet[Nursery] = WeakSet()
"""Those of open blocks. They let a cancellation of who holds them pass."""


def on_entered() -> None:
    """Note the nursery that was opened last as one of ours."""
    own_nurseries.add(current_task().child_nurseries[-1])


def cancel_once(task: Cancellable) -> None:
    """Cancel one wait of *task*."""
    task.cancel_at_every_wait()


def on_resumed(task: Cancellable, sent: Any) -> None:
    """Shield *task*, if what is *sent* to it is its cancellation.

    Not if a scope of its own has cancelled it at the same time, nor if it holds a
    nursery: either would take the cancellation for its own and swallow it, where the
    shield hides the one from outside; and the task would go on as if nothing had
    happened. Then Trio cancels every wait, until that is left.
    """
    error = getattr(sent, "error", None)
    if not isinstance(error, Cancelled) or error.source != "explicit":
        return
    if all(nursery in own_nurseries for nursery in task.native.child_nurseries):
        task.shield()
