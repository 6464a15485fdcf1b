"""How tasks wait on Trio, and how they are cancelled. Imported only where it runs."""

import gc
import sys
from collections.abc import Awaitable, Callable, Coroutine, Generator, Hashable
from contextvars import Context
from functools import partial
from math import inf
from types import CodeType, FunctionType, TracebackType
from typing import Any, NoReturn, Self
from weakref import ref

from anyio import TaskHandle
from trio import (
    Cancelled,
    CancelScope,
    Nursery,
    current_effective_deadline,
    current_time,
    open_nursery,
)
from trio.lowlevel import (
    Abort,
    Task,
    cancel_shielded_checkpoint,
    checkpoint,
    checkpoint_if_cancelled,
    current_task,
    disable_ki_protection,
    enable_ki_protection,
    reschedule,
    wait_task_rescheduled,
)

from aiterkit._runtime.backend import STAND_INS, Backend, BoundFunction, Cancellable


def running_backend() -> Backend:
    """Return how tasks wait on Trio."""
    trap = turn_trap()
    return Backend(
        TrioWaiter,
        TrioWaiter.end,
        wait_until,
        current_time,
        trap,
        TrioTurn(trap),
        call_user,
        await_user,
        steps_of_user,
        on_entered,
        current_task,
        TrioGroup,
        CancelScope,
        Cancelled,
        cancel_once,
        count_cancellations,
        is_resumed_by_block,
        cancel_in_checkpoint,
        may_shield,
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
        # `wait_task_rescheduled` parks the task that awaits this waiter.
        return wait_task_rescheduled(self._abort).__await__()  # noqa: ASYNC105

    def end(self) -> None:
        if not self._over:
            self._over = True
            reschedule(self._task)

    def _abort(self, _raise_cancel: Callable[[], NoReturn]) -> Abort:
        # Trio forbids rescheduling a task that a cancellation has woken.
        self._over = True
        return Abort.SUCCEEDED


_BY_BLOCK = "its aiterkit block has stopped it"
# The reason that Trio shows. It distinguishes a cancellation by the block from one by a
# scope inside the task.


class TrioTask:
    """A task in a scope of its own."""

    __slots__ = ("_coro", "_scope", "status")

    def __init__(self, coro: Coroutine[Any, Any, None]) -> None:
        self._coro = coro
        self._scope = CancelScope()
        self.status = TaskHandle.Status.PENDING

    async def run(self) -> None:
        """Run it to its end."""
        try:
            with self._scope:
                await self._coro
        finally:
            self.status = TaskHandle.Status.FINISHED

    def cancel(self) -> None:
        """Cancel it at every wait."""
        self._scope.cancel(_BY_BLOCK)


class TrioGroup:
    """A task group in a nursery of Trio, which costs half as much as one of anyio."""

    __slots__ = ("_manager", "_nursery", "cancel_scope")

    cancel_scope: CancelScope
    _nursery: Nursery

    def __init__(self) -> None:
        self._manager = open_nursery()

    async def __aenter__(self) -> Self:
        self._nursery = await self._manager.__aenter__()
        self.cancel_scope = self._nursery.cancel_scope
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> bool | None:
        return await self._manager.__aexit__(kind, error, traceback)

    def create_task(
        self,
        coro: Coroutine[Any, Any, None],
        *,
        name: object = None,
        context: Context | None = None,
    ) -> TrioTask:
        task = TrioTask(coro)
        start = self._nursery.start_soon
        if context is None:
            start(task.run, name=name)
        else:
            context.run(partial(start, task.run, name=name))
        return task


async def wait_until(waiter: TrioWaiter, due: float) -> None:
    """Wait, but no longer than until *due*."""
    with CancelScope(deadline=due):
        await waiter


# Ctrl-C. Trio raises KeyboardInterrupt between any two lines of unprotected code. In
# our own code that would lose a task or leave a nursery open. So all of it is
# protected, and the interrupt comes at the next wait of the main task. The functions of
# the user that we call are not protected.


# These functions are not protected either, and the call that they begin must not be
# lost. So each does one thing: CPython handles a signal when a function begins, but not
# when an `await` goes on.


@disable_ki_protection
def call_user(function: Callable[[Any], Any], argument: Any) -> Any:
    """Call *function*, and let Ctrl-C interrupt it."""
    return function(argument)


@disable_ki_protection
async def await_user(function: Callable[[], Awaitable[Any]]) -> Any:
    """Await what *function* returns, and let Ctrl-C interrupt each step of it."""
    return await function()


@disable_ki_protection
async def steps_of_user(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Take the steps of *coroutine*, and let Ctrl-C interrupt each.

    If it is interrupted before the first, the caller has to close *coroutine*.
    """
    return await coroutine


def _protect_own_code() -> None:
    spared = {call_user, await_user, steps_of_user, *STAND_INS}
    for name, module in tuple(sys.modules.items()):
        if name.startswith(("aiterkit._runtime.", "aiterkit._concurrent.")):
            for value in tuple(vars(module).values()):
                where = getattr(value, "__module__", None)
                if where in (name, "aiterkit") and not _is_spared(value, spared):
                    _protect(value)


def _is_spared(value: Any, spared: set[object]) -> bool:
    return isinstance(value, Hashable) and value in spared


def _protect(value: Any) -> None:
    if isinstance(value, type):
        for member in tuple(vars(value).values()):
            _protect_member(member)
    elif isinstance(value, FunctionType):
        enable_ki_protection(value)


def _protect_member(member: Any) -> None:
    if isinstance(member, property):
        member = member.fget
    elif isinstance(member, BoundFunction):
        enable_ki_protection(member.bind(None))  # all bound functions share a code
        member = member.method
    if isinstance(member, FunctionType):
        enable_ki_protection(member)


_protect_own_code()

_own_nurseries: set[ref[Nursery]] = set()
# The nurseries of open blocks. A cancellation of the task that holds them passes. A
# `WeakSet` would run Python code when a nursery is freed. Errors in such code are
# ignored, so a Ctrl-C there would be lost.


def on_entered() -> None:
    """Note the nursery that was opened last as one of ours."""
    nursery = current_task().child_nurseries[-1]
    _own_nurseries.add(ref(nursery, _own_nurseries.discard))


def cancel_once(task: Cancellable) -> None:
    """Cancel one wait of *task*."""
    task.cancel_at_every_wait()


def count_cancellations(_task: Cancellable) -> int:
    """Count nothing: a cancellation of Trio names its source itself."""
    return 0


def is_resumed_by_block(task: Cancellable, sent: Any) -> bool | None:
    """Return whether *sent* is the cancellation of a task by its block.

    A task that waits for a nursery to end is not cancelled itself. Instead, the nursery
    raises what the tasks in it have raised.
    """
    error = getattr(sent, "error", sent)
    if isinstance(error, Cancelled):
        return error.reason == _BY_BLOCK
    nurseries = task.native.child_nurseries
    raised = getattr(nurseries[-1], "_pending_excs", ()) if nurseries else ()
    return any(map(_is_by_block, raised)) or None


def _is_by_block(error: BaseException) -> bool:
    if isinstance(error, Cancelled) and error.reason == _BY_BLOCK:
        return True
    # anyio raises a new cancellation from a group of them.
    in_group: Any = getattr(error.__cause__ or error, "exceptions", ())
    return any(map(_is_by_block, in_group))


def may_shield(task: Cancellable, coroutine: Any) -> bool:
    """Return whether *task* may be shielded from its next wait on.

    Not while it holds a nursery. Behind a shield, the nursery would take the
    cancellation for its own and swallow it, and the task would go on as if the nursery
    had ended well. So there Trio cancels every wait until the nursery is left. Nor may
    it be shielded once `checkpoint_if_cancelled` has decided to raise a cancellation.
    """
    return all(
        ref(nursery) in _own_nurseries for nursery in task.native.child_nurseries
    ) and not _is_in(coroutine, checkpoint_if_cancelled.__code__)


def _be_cancelled(_raise_cancel: Callable[[], NoReturn]) -> Abort:
    return Abort.SUCCEEDED


def wait_trap() -> object:
    """Return what a task yields to wait until it is cancelled."""
    waiting = wait_task_rescheduled(_be_cancelled)  # noqa: ASYNC105 - as above
    trap = waiting.send(None)
    waiting.close()
    return trap


_wait_trap = wait_trap()


def cancel_in_checkpoint(sent: Any, coroutine: Any) -> object | None:
    """Return what a task yields so that a checkpoint raises its cancellation.

    After its turn, a checkpoint of a cancelled task waits in a cancelled scope of its
    own. Behind a shield, that scope would take the cancellation for its own and swallow
    it. So the task waits here instead, before the checkpoint opens that scope.
    """
    if (
        isinstance(getattr(sent, "error", None), Cancelled)
        or current_effective_deadline() > -inf
        or not _is_in(coroutine, checkpoint.__code__)
    ):
        return None
    return _wait_trap


def _is_in(coroutine: Any, code: CodeType) -> bool:
    """Return whether *coroutine* is suspended in a function with this *code*."""
    while coroutine is not None:
        if getattr(coroutine, "cr_code", None) is code:
            return True
        coroutine = _awaited_by(coroutine)
    return False


def _awaited_by(awaitable: Any) -> Any:
    for name in ("cr_await", "gi_yieldfrom", "ag_await"):
        if hasattr(awaitable, name):
            return getattr(awaitable, name)
    # The `asend()` of an async generator, for example, does not expose the generator.
    referents: list[Any] = gc.get_referents(awaitable)
    return next(filter(_can_be_awaited, referents), None)


def _can_be_awaited(thing: Any) -> bool:
    return hasattr(thing, "throw") or hasattr(thing, "athrow")
