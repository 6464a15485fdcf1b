"""Which errors a reader may see, and how they are raised."""

from typing import Any, NoReturn, cast

from anyio import get_cancelled_exc_class
from anyio.lowlevel import cancel_shielded_checkpoint

from aiterkit._runtime.backend import asyncio_cancelled, repeat_cancel


def is_deliverable(error: BaseException) -> bool:
    """Return whether a reader may get *error*; others end the program.

    An `asyncio.CancelledError` that cancels no task of ours is an error like any other.
    """
    return isinstance(error, (Exception, asyncio_cancelled()))


def without_cancelled(error: BaseException) -> BaseException | None:
    """Return what is left of a group without the cancellations in it, if anything.

    A task group that was cancelled raises both those and the errors of its cleanup.
    """
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        return group.split(get_cancelled_exc_class())[1]
    return error


# As the interpreter sees it: a class may have a `__context__` of its own that raises.
_context: Any = BaseException.__context__


def is_from_cancellation(error: BaseException) -> bool:
    """Return whether *error* was raised while a cancellation was being handled."""
    cancelled = get_cancelled_exc_class()
    seen: set[int] = set()
    causes: list[BaseException | None] = [error]
    while causes:
        cause = causes.pop()
        if isinstance(cause, cancelled):
            return True
        if cause is not None and id(cause) not in seen:
            seen.add(id(cause))
            causes.append(_context.__get__(cause))
            if isinstance(cause, BaseExceptionGroup):  # of a task group in the source
                group = cast("BaseExceptionGroup[BaseException]", cause)
                causes.extend(group.exceptions)
    return False


def first_fatal(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return what must end the program, out of a *group*; or else the group."""
    fatal = group.split(Exception)[1]
    if fatal is None:
        return group
    first = fatal.exceptions[0]
    if isinstance(first, BaseExceptionGroup):
        return first_fatal(cast("BaseExceptionGroup[BaseException]", first))
    return first


def without_stop(error: BaseException) -> BaseException:
    """Return *error* as an async generator lets it out (PEP 479)."""
    if not isinstance(error, StopIteration | StopAsyncIteration):
        return error
    shown = RuntimeError(f"async generator raised {type(error).__name__}")
    shown.__cause__ = shown.__context__ = error
    return shown


def attach_unseen(error: BaseException, unseen: list[BaseException]) -> None:
    """Chain the *unseen* errors to the far end of *error*'s context."""
    tail, seen = error, {id(error)}
    while (cause := _context.__get__(tail)) is not None and id(cause) not in seen:
        tail = cause
        seen.add(id(tail))
    rest = [other for other in unseen if id(other) not in seen]
    if rest and cause is None:
        _context.__set__(tail, BaseExceptionGroup("other calls failed too", rest))


async def raise_bare(error: BaseException, unseen: list[BaseException]) -> None:
    """Raise *error* with no more context than it had, but for the *unseen* ones."""
    # If this task was last resumed by a cancellation, CPython would make that the
    # context of every error that leaves the awaiting frames. So resume it once more.
    try:
        await cancel_shielded_checkpoint()
    except asyncio_cancelled() as cancelled:  # a native one, which passes a shield
        repeat_cancel(cancelled)
    attach_unseen(error, unseen)
    context = _context.__get__(error)
    try:
        raise error
    finally:
        _context.__set__(error, context)
        del error, context


def raise_to_reader(error: BaseException) -> NoReturn:
    """Raise *error* to the reader, with no reference cycle through its traceback.

    The caller must not hold the error either.
    """
    try:
        raise error
    finally:
        del error
