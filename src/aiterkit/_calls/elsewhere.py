"""How a call runs in an executor or a worker process, and what its failures mean.

The function runs there as it is, so a worker needs nothing of ours. This module is
loaded only when it is needed.
"""

import re
import sys
from collections.abc import Callable, Coroutine
from concurrent.futures import (
    BrokenExecutor,
    CancelledError,
    Executor,
    Future,
    ThreadPoolExecutor,
)
from contextlib import suppress
from functools import partial
from math import inf
from pickle import PicklingError, dumps
from traceback import walk_tb
from typing import Any, cast

from anyio import (
    BrokenWorkerProcess,
    CancelScope,
    CapacityLimiter,
    Event,
    current_effective_deadline,
    get_cancelled_exc_class,
    to_process,
)
from anyio.abc import Process
from anyio.lowlevel import checkpoint_if_cancelled, current_token

from aiterkit._calls.function import sync_result
from aiterkit._core.checks import name_of, shortened

Run = Callable[..., Coroutine[Any, Any, Any]]
"""Runs a partial of a user's function, as `anyio.to_thread.run_sync` does."""


def in_executor(executor: Executor, /) -> Run:
    """Return what runs a function in *executor*."""

    async def run(work: partial[Any], /, *, limiter: CapacityLimiter | None) -> Any:
        if limiter is None:
            return await _run_in(executor, work)
        async with limiter:
            return await _run_in(executor, work)

    return run


def refused_place(to: Any, /) -> Exception:
    """Return why *to* is no place to run in, and what was probably meant."""
    hint = ""
    if isinstance(to, type) and issubclass(to, Executor):
        hint = f": make one, {to.__name__}()"
    elif hasattr(cast("object", to), "get_executor"):  # Dask's client
        hint = ": use client.get_executor(pure=False)"
    kind = ValueError if isinstance(to, str) else TypeError
    return kind(
        f"to must be 'thread', 'process', 'interpreter' or a "
        f"concurrent.futures.Executor, not {shortened(cast('object', to))}{hint}"
    )


async def _run_in(executor: Executor, work: partial[Any], /) -> Any:
    await checkpoint_if_cancelled()
    # Options go into a partial, since Dask would take workers= and others for its own.
    # Arguments are passed as they are, so that Dask replaces its futures among them.
    func = partial(work.func, **work.keywords) if work.keywords else work.func
    try:
        future = executor.submit(func, *work.args)
    except Exception as error:
        raise _not_taken(error, work) from error
    try:
        await _wait_for(future)
        return sync_result(work, future.result())
    except CancelledError as error:  # of the future, which is no cancellation here
        raise RuntimeError(_CANCELLED.format(name_of(work))) from error
    except Exception as error:
        if (explained := _explained(error, work, executor)) is None:
            raise
        raise explained from error
    finally:
        # Otherwise it and the traceback of its error, which holds this frame, form a
        # cycle.
        del future


async def _wait_for(future: Future[Any], /) -> None:
    """Return when *future* is done; cancel it if the caller is cancelled.

    A call that runs already cannot be cancelled, so this waits for it. A cancel scope
    then interrupts the next wait of the caller by itself. asyncio's ``Task.cancel``
    interrupts only once, so its cancellation is raised here.
    """
    done = Event()
    loop = cast("Any", current_token().native_token)  # of asyncio or of Trio
    wake = getattr(loop, "run_sync_soon", None) or loop.call_soon_threadsafe

    def notify(_: Future[Any]) -> None:
        # After Ctrl-C, the event loop may have ended before the call.
        with suppress(RuntimeError):
            wake(done.set)

    # A callback starts no thread. A thread that waited for the future would be one per
    # call, and would hang if the executor's own thread waited for the event loop.
    future.add_done_callback(notify)
    interrupted: BaseException | None = None
    try:
        try:
            await done.wait()
        except get_cancelled_exc_class() as error:
            if future.cancel():
                raise
            if current_effective_deadline() != -inf:
                interrupted = error
        while not done.is_set():
            try:
                with CancelScope(shield=True):
                    await done.wait()
            except get_cancelled_exc_class() as error:
                interrupted = error
        if interrupted is not None:
            raise interrupted
    finally:
        interrupted = None  # else it and its traceback form a cycle


async def in_process(work: partial[Any], /, *, limiter: CapacityLimiter | None) -> Any:
    """Run a function in one of the worker processes of anyio."""
    if "__main__" not in sys.modules:
        # A worker has no `__main__` while it imports the program's under another name.
        raise RuntimeError(_NO_GUARD)
    try:
        return await to_process.run_sync(work, limiter=limiter, cancellable=True)
    except BrokenWorkerProcess as error:
        await _close_process(error)
        raise _worker_broke(error, work) from error
    except _UNPICKLABLE as error:
        if not _cannot_be_sent(error, work):
            raise
        raise _unsent(error, work) from error


# What pickle raises for an object that it cannot pickle. A function may raise it too.
_UNPICKLABLE = PicklingError, TypeError, AttributeError

_GUARD = 'start the program under if __name__ == "__main__":'
_NO_GUARD = (
    f"a worker process imports the main module, and that must not start the program "
    f"again: {_GUARD}"
)
_NOT_STARTED = (
    "{}() was not called, because its worker process could not import the main module "
    "({})"
)
_DIED = (
    "{}() has no result, because its worker process ended in the middle of the call. "
    "Other calls are not affected, and the next one starts a new process"
)
_CANCELLED = (
    "{}() has no result, because its executor cancelled the call. Keep the executor "
    "and its client open until all calls have ended; with Dask, use "
    "client.get_executor(pure=False), or equal calls are one and are cancelled together"
)
_BROKEN = (
    "{}() has no result, because its executor is broken ({}): a worker died, could not "
    "start, or returned what cannot be unpickled. Make a new executor, since a broken "
    f"one runs no more calls; with processes, {_GUARD}"
)
_NOT_TAKEN = (
    "{}() was not called, because its executor takes no more calls ({}). Keep the "
    "executor open until all calls have ended"
)
_UNSENT = (
    "{}() was not called, because it or one of its arguments cannot be pickled ({}). "
    "Define the function at the top level of a module, without a decorator; pass plain "
    "data, and open files, locks and connections in the function itself"
)
_UNRETURNED = (
    "{}() has no result, because what it returned or raised cannot be pickled ({}). "
    "Return plain data, and raise exceptions that hold plain data"
)


async def _close_process(error: BrokenWorkerProcess, /) -> None:
    """Close a process that could not start, which anyio kills and then forgets.

    Otherwise asyncio closes it after the event loop has ended, and the last line that
    the user sees is "Event loop is closed".
    """
    for frame, _ in walk_tb(error.__traceback__):
        process = frame.f_locals.get("process")
        if isinstance(process, Process):
            with CancelScope(shield=True):
                await process.aclose()


def _worker_broke(error: BrokenWorkerProcess, work: partial[Any], /) -> Exception:
    if error.__cause__ is None or not str(error).startswith("Error during worker"):
        return BrokenWorkerProcess(_DIED.format(name_of(work)))
    reason = _reason(error.__cause__)
    return BrokenWorkerProcess(_NOT_STARTED.format(name_of(work), reason))


def _not_taken(error: Exception, work: partial[Any], /) -> Exception:
    """Return an error that says why the executor refused the call with *error*."""
    if isinstance(error, BrokenExecutor):
        return _broken(error, work)
    if isinstance(error, _UNPICKLABLE):  # Dask raises it at once
        return _unsent(error, work)
    return RuntimeError(_NOT_TAKEN.format(name_of(work), _reason(error)))


def _explained(
    error: Exception, work: partial[Any], executor: Executor, /
) -> Exception | None:
    """Return a clearer error if *error* comes from the executor, and None if not.

    It is of the same class of the standard library, so ``except`` catches both.
    """
    if isinstance(error, BrokenExecutor):
        return _broken(error, work)
    if not isinstance(error, _UNPICKLABLE) or type(executor) is ThreadPoolExecutor:
        return None
    # The frame in which it was raised: one that sends a task, one that sends a result,
    # or the one that calls the function.
    place = _FIRST_FRAME.search(str(error.__cause__))
    if place and place[1] == "_sendback_result":
        return PicklingError(_UNRETURNED.format(name_of(work), _reason(error)))
    if place[1] == "_feed" if place else _cannot_be_sent(error, work):
        return _unsent(error, work)
    return None


_FIRST_FRAME = re.compile(r'^  File ".*", line \d+, in (\w+)', re.MULTILINE)


def _cannot_be_sent(error: Exception, work: partial[Any], /) -> bool:
    """Return whether *error* comes from pickling *work*, not from the function.

    If it was, pickling it again raises the same.
    """
    if not re.search(r"pickl|seriali[sz]", str(error), re.IGNORECASE):
        return False
    try:
        dumps((work.func, work.args, work.keywords))
    except Exception as again:  # noqa: BLE001 - whatever a user's __reduce__ raises
        return type(again) is type(error) and str(again) == str(error)
    return False


def _broken(error: BrokenExecutor, work: partial[Any], /) -> Exception:
    kinds = (
        kind for kind in type(error).__mro__ if kind.__module__[:10] == "concurrent"
    )
    text = _BROKEN.format(name_of(work), _reason(error.__cause__ or error))
    return cast("Exception", next(kinds)(text))


def _unsent(error: Exception, work: partial[Any], /) -> Exception:
    return PicklingError(_UNSENT.format(name_of(work), _reason(error)))


def _reason(error: BaseException, /) -> str:
    """Return what *error* says in one line, which is the last of a remote traceback."""
    lines = [line for line in str(error).splitlines() if line.strip(" '\"")]
    if not lines:
        return _cut(repr(error))
    line = lines[-1] if "Traceback" in str(error) else lines[0]
    return _cut(line.removesuffix("."))


def _cut(text: str, /) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."


_LONGEST = 200  # characters
