"""How tasks wait on asyncio, and how they are cancelled. Loaded only where it runs."""

from asyncio import (
    AbstractEventLoop,
    CancelledError,
    Future,
    InvalidStateError,
    Task,
    current_task,
    get_running_loop,
)
from collections.abc import Awaitable, Callable
from functools import cache, partial
from typing import Any, cast

from anyio import create_task_group

from aiterkit._runtime.backend import (
    Backend,
    Cancellable,
    Group,
    Scope,
    cancelled_scope,
)


class AsyncioTurn(tuple[None]):
    """One turn of asyncio's loop, in which every other task that can run does."""

    __slots__ = ()

    __await__: Any = tuple[None].__iter__  # no function of ours is called


ASYNCIO_TURN = cast("Awaitable[None]", AsyncioTurn((None,)))


def running_backend() -> Backend:
    """Return how tasks wait on the loop that runs now."""
    loop = get_running_loop()
    make_group, make_scope = _classes()
    return Backend(
        # Not `Future[None]`, which would store its type in each future.
        partial(cast("type[Future[None]]", Future), loop=loop),
        _end_future,
        partial(_wait_until, loop),
        loop.time,
        None,
        ASYNCIO_TURN,
        None,
        None,
        None,
        _nothing,
        partial(current_task, loop),  # else each call would look up the loop
        make_group,
        make_scope,
        CancelledError,
        _cancel_once,
        _count_cancellations,
        _is_resumed_by_block,
        None,
        None,
    )


@cache
def _classes() -> tuple[Callable[[], Group], Callable[[], Scope]]:
    """Return anyio's classes for this backend, which it looks up at every call."""
    group = create_task_group()
    return type(group), type(group.cancel_scope)


def _nothing() -> None:
    pass


def _end_future(future: Future[None]) -> None:
    if not future.done():
        try:  # noqa: SIM105 - paid per wait
            future.set_result(None)
        except InvalidStateError:
            pass  # just here, Ctrl-C has cancelled the task that waits


async def _wait_until(
    loop: AbstractEventLoop, future: Future[None], due: float
) -> None:
    timer = loop.call_at(due, _end_future, future)
    try:
        await future
    finally:
        timer.cancel()


# A task counts the cancellations sent to it. By that count `asyncio.timeout` and anyio
# recognise their own; so do we.


def _cancel_once(task: Cancellable) -> None:
    native: Task[object] = task.native
    task.cancel_at_every_wait()
    if native.cancelling() > task.cancellations:
        task.shield()
    # Else it comes later: the task is about to run, or in a shield of its own.


def _count_cancellations(task: Cancellable) -> int:
    native: Task[object] = task.native
    return native.cancelling()


def _is_resumed_by_block(task: Cancellable, error: object) -> bool:
    # The count is not enough: a scope inside the task may have raised it since. anyio
    # names the scope in the error; the scope of a task has no public name.
    own: Any = getattr(task.handle, "_cancel_scope", None)
    if own is None:
        return bool(task.native.cancelling() > task.cancellations)
    return cancelled_scope(cast("BaseException", error)) == f"{id(own):x}"
