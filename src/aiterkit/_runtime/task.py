"""A task of a block, which the block cancels once.

What it awaits after that, to clean up, is not cancelled again. So an unshielded
``finally`` runs in full, as it does when a plain loop is left. Only an interruption of
the exit of the block ends that too.
"""

from collections.abc import Callable, Coroutine
from contextvars import Context
from types import TracebackType
from typing import Any, Protocol, Self

from anyio import TaskHandle

from aiterkit._runtime.backend import Backend, Group, Handle, Scope, is_cancelled


class TaskOwner(Protocol):
    """A block, as its tasks see it."""

    tasks: Group
    context: Context
    backend: Backend
    interrupted: bool
    screened: bool
    by_native: dict[Any, "BlockTask"]

    def on_task_started(self, task: "BlockTask", /) -> None:
        """Note that *task* runs."""
        ...

    def on_task_ended(self, task: "BlockTask", /) -> None:
        """Note that it runs no more."""
        ...

    def screen_inner_blocks(self) -> None:
        """Let each block within this one cancel its own tasks."""
        ...


MAX_OWN_CANCELLATIONS = 10
"""How many cancellations by scopes of its own a cancelled task may catch."""


class BlockTask:
    """A task of *owner*, to be entered by the task itself."""

    __slots__ = (
        "_is_cleaning_up",
        "_is_held",
        "_own_cancellations",
        "_owner",
        "_shield",
        "_was_told",
        "cancel_called",
        "cancellations",
        "handle",
        "native",
        "stopped",
    )

    _shield: Scope

    def __init__(self, owner: TaskOwner) -> None:
        self.stopped: bool = False
        """True once it must begin nothing more."""
        self.cancel_called: bool = False  # once its block has cancelled it
        # How many native cancellations had reached it before its block cancelled it.
        self.cancellations: int = 0
        self.handle: Handle | None = None  # once it was started
        self.native: Any = None  # the task of the backend, while it runs
        self._owner = owner
        # True once it only cleans up, so that no cancellation may come any more.
        self._is_cleaning_up = False
        self._was_told = False  # once the cancellation by the block has reached it
        self._is_held = False  # while no cancellation may come
        # How many cancellations by scopes inside it came before that by its block.
        self._own_cancellations = 0

    def start(
        self,
        making: Coroutine[Any, Any, None],
        /,
        *,
        name: str,
        context: Context | None = None,
    ) -> None:
        """Run *making* in a task called *name*."""
        owner = self._owner
        # The outermost scope within the task. It becomes a shield once the one
        # cancellation, which comes from the scope around it, has arrived.
        self._shield = owner.backend.make_scope()
        try:
            owner.on_task_started(self)
            self.handle = owner.tasks.create_task(making, name=name, context=context)
        except BaseException:  # pragma: no cover - Ctrl-C, as for `TaskScope`
            owner.on_task_ended(self)
            raise
        if owner.interrupted:  # pragma: no cover - a task that starts just then
            self.interrupt()

    def __enter__(self) -> Self:
        self._shield.__enter__()
        owner = self._owner
        self.native = owner.backend.current_task()
        owner.by_native[self.native] = self
        if owner.screened:
            self.shield()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None:
        try:
            self._is_cleaning_up = True
            self._shield.__exit__(kind, error, traceback)
        finally:
            self._owner.by_native.pop(self.native, None)
            self.native = None
            self._owner.on_task_ended(self)

    def stop(self) -> None:
        """Begin nothing more; interrupt what the user's code does in this task."""
        self.stopped = True

    def wake(self) -> None:
        """Let it look again, if it waits for another task to end."""

    def is_ending(self) -> bool:
        """Return whether it ends in its next step, which it takes by itself."""
        return False

    def cancel(self) -> None:
        """Cancel one wait of this task. It must be in the user's code."""
        if not self.cancel_called:
            self.cancel_called = True
            self._owner.screen_inner_blocks()
            self.cancellations = self._owner.backend.count_cancellations(self)
            if not self._is_held:
                self.unshield()  # if it was screened
            self._owner.backend.cancel_once(self)

    def hold_back(self) -> None:
        """Hold back a cancellation by the block until `let_come`."""
        if not (self.cancel_called and self._shield.shield):
            self._is_held = True
            self.shield()

    def let_come(self) -> None:
        """Stop holding back; deliver the cancellation that came meanwhile, if any."""
        if self._is_held:
            self._is_held = False
            if self.cancel_called or not self._owner.screened:
                self.unshield()

    def repeat_cancel(self, error: BaseException) -> None:
        """Cancel one more wait if *error* was the cancellation by the block."""
        backend = self._owner.backend
        if self.cancel_called and backend.is_resumed_by_block(self, error):
            self._was_told = False
            self.cancellations = backend.count_cancellations(self)
            self.unshield()

    def is_cancellation(self, error: BaseException) -> bool:
        """Return whether *error* is a cancellation of this task.

        Once its block has cancelled it, every cancellation is: the user's code may have
        sent it again in a native form, as `asyncio.TaskGroup` does since Python 3.13.
        """
        return is_cancelled(error) or (
            self.cancel_called and isinstance(error, self._owner.backend.cancelled)
        )

    def resume(
        self, step: Callable[[Any], Any], resumed_with: Any, coroutine: Any
    ) -> Any:
        """Take a *step* of *coroutine* in this cancelled task.

        If it is resumed by the cancellation of its block, its later waits are shielded.
        If a scope inside the task has cancelled it in the same turn, that scope must
        not see the cancellation of the block, or it would not catch its own. The
        cancellation of the block then comes with the next wait. Code that opens one
        cancelled scope after another has no such wait, so only its first few scopes
        catch theirs.
        """
        by_block: bool | None = None
        if not self._shield.shield:
            backend = self._owner.backend
            if backend.cancel_in_checkpoint is not None:
                trap = backend.cancel_in_checkpoint(resumed_with, coroutine)
                if trap is not None:
                    return trap
            by_block = backend.is_resumed_by_block(self, resumed_with)
            if by_block is not None:
                by_block = self._let_scopes_catch(coroutine, by_block=by_block)
        try:
            return step(resumed_with)
        finally:
            del step, resumed_with  # an error would hold this frame, and be held by it
            if self._is_cleaning_up:
                pass
            elif by_block is False:
                self.cancellations = self._owner.backend.count_cancellations(self)
                self.unshield()
            elif self._was_told:
                self._shield_if_possible(coroutine)

    def _let_scopes_catch(self, coroutine: Any, *, by_block: bool) -> bool | None:
        """Shield a step that raises a cancellation, if it may be shielded.

        Return *by_block* if it is shielded, and None if not.
        """
        self._was_told = self._was_told or by_block
        if not by_block:
            if self._own_cancellations == MAX_OWN_CANCELLATIONS:
                return None
            self._own_cancellations += 1
        self._shield_if_possible(coroutine)
        return by_block if self._shield.shield else None

    def _shield_if_possible(self, coroutine: Any) -> None:
        may_shield = self._owner.backend.may_shield
        if not self._shield.shield and (
            may_shield is None or may_shield(self, coroutine)
        ):
            self.shield()

    def begin_cleanup(self) -> None:
        """Keep the cancellation of the block away from the rest of this task."""
        if self.cancel_called:  # it may not have arrived
            self._is_cleaning_up = True
            self.shield()

    def cancel_at_every_wait(self) -> None:
        """Cancel this wait, and each later one that is not shielded."""
        if self.handle is not None:  # pragma: no branch - Ctrl-C as it was started
            self.handle.cancel()

    def shield(self) -> None:
        """Shield the next waits, unless the exit of the block was interrupted."""
        if not self._owner.interrupted:
            self._shield.shield = True

    def unshield(self) -> None:
        """Let whatever cancels the block reach this task."""
        self._shield.shield = False

    def interrupt(self) -> None:
        """Cancel this task at every wait, however often it was cancelled before."""
        self.stopped = self.cancel_called = True
        self.unshield()
        self.cancel_at_every_wait()

    @property
    def has_ended(self) -> bool:
        """Whether it is not running: it has ended, or it never began."""
        handle = self.handle
        return self.native is None or handle is None or handle.status not in _RUNNING


_RUNNING = (TaskHandle.Status.PENDING, TaskHandle.Status.CANCELLING)
