"""The one-slot wait of Trio. Imported only where Trio runs."""

from collections.abc import Callable, Generator
from typing import Any, NoReturn

from trio.lowlevel import (
    Abort,
    Task,
    cancel_shielded_checkpoint,
    current_task,
    reschedule,
    wait_task_rescheduled,
)


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
