"""A blocking function as an async one, which runs elsewhere: `offloaded`."""

from collections.abc import Callable, Coroutine
from functools import partial
from importlib import import_module
from inspect import isasyncgenfunction, iscoroutinefunction
from sys import version_info
from typing import Any, Literal, ParamSpec, Protocol, TypeVar

from anyio import CapacityLimiter

from aiterkit._calls.function import (
    IS_ASYNC,
    check_change,
    dunder_call,
    like,
    options_by_name,
    sync_result,
)
from aiterkit._core.checks import name_of
from aiterkit._core.clock import check_limiter
from aiterkit._core.tokens import check_not_held

P = ParamSpec("P")
R = TypeVar("R")


class Executor(Protocol):
    """What can run calls: a `concurrent.futures.Executor`.

    Described here, since it takes long to load.
    """

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Let it call *fn*."""
        ...

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002 - the standard library's
        """End it."""
        ...


@options_by_name("to", "limiter")
def offloaded(
    func: Callable[P, R],
    /,
    *,
    to: Literal["thread", "process", "interpreter"] | Executor = "thread",
    limiter: CapacityLimiter | None = None,
) -> Callable[P, Coroutine[Any, Any, R]]:
    """Wrap a blocking *func* as an async function that runs it elsewhere.

    In a *thread*, *func* may wait for anything while the event loop goes on, and it
    sees the context variables of its caller. In a *process* or an *interpreter*, it may
    also compute in parallel, because it does not share the interpreter lock. An
    executor of `concurrent.futures` runs it on its own workers: a
    ``ThreadPoolExecutor``, a ``ProcessPoolExecutor`` with an initializer, an
    ``InterpreterPoolExecutor``, one of loky or mpi4py, or a Dask cluster by
    ``client.get_executor(pure=False)``.

    For anything but threads, *func*, its arguments and its result must be picklable; a
    lambda is not, nor is a function decorated with ``@offloaded``. Each new process
    imports the main module, so start the program under
    ``if __name__ == "__main__":``.

    Examples:
        >>> async def main() -> list[int]:
        ...     return await concurrent_collect(offloaded(len), ["a", "bc"], limit=2)
        >>> anyio.run(main)
        [1, 2]
        >>> from concurrent.futures import ThreadPoolExecutor
        >>> with ThreadPoolExecutor(max_workers=1) as pool:
        ...     anyio.run(offloaded(str.upper, to=pool), "a")
        'A'

    Guarantees:
        A cancelled call ends only when *func* has. A process is killed for that. A
        thread or an interpreter cannot be stopped, so the call waits for it and returns
        its result, and the caller's next wait is cancelled; `timed` cannot cut it
        short. A call that waits in an executor's queue is cancelled there; one that the
        executor runs already is waited for like a thread.
        For a call in an executor, no thread is started here, and the executor is never
        shut down here.

    Args:
        func: A sync function.
        to: Where it runs.
        limiter: Bounds how many run at once, together with everything else that uses
            the same limiter; a call beyond that waits. Without one, anyio allows 40
            threads, and as many processes or interpreters as there are processors; an
            executor has a queue of its own. It must not be the *limit* of the operator
            that makes the call, which holds a token already.

    Raises:
        RuntimeError: If *to* is ``"interpreter"`` and this Python has none; by the
            call, if the executor is shut down, or the caller holds a token of
            *limiter*.
        TypeError: If *func* cannot be called or is async, *to* is neither a name nor an
            executor, or *limiter* is not a limiter.
        ValueError: If *to* is another name.
        concurrent.futures.BrokenExecutor: By the call, if a worker of the executor
            died.
        anyio.BrokenWorkerProcess: By the call, if its worker process died.
        pickle.PicklingError: By the call, if something cannot be pickled.
    """
    check_change("offloaded", func)
    if any(map(_is_async, (func, dunder_call(func)))):
        raise TypeError(IS_ASYNC.format(name_of(func)))
    check_limiter(limiter)
    run: Callable[..., Coroutine[Any, Any, R]] = _runner(to)

    async def call(*args: P.args, **options: P.kwargs) -> R:
        check_not_held(limiter, name="offloaded")
        return await run(partial(func, *args, **options), limiter=limiter)

    return like(func, call)


def _is_async(func: object, /) -> bool:
    return iscoroutinefunction(func) or isasyncgenfunction(func)


def _runner(to: object, /) -> Any:
    """Return what runs a function there; its module is loaded only now."""
    if to == "thread":
        return partial(import_module("anyio.to_thread").run_sync, _call)
    if to == "interpreter":
        if version_info < (3, 13):
            raise RuntimeError(
                f"to='interpreter' needs Python 3.13 or newer, "
                f"and this is {version_info.major}.{version_info.minor}"
            )
        return import_module("anyio.to_interpreter").run_sync
    elsewhere = import_module("aiterkit._calls.elsewhere")
    if to == "process":
        return elsewhere.in_process
    if isinstance(to, elsewhere.Executor):
        return elsewhere.in_executor(to)
    raise elsewhere.refused_place(to)


def _call(work: partial[R], /) -> R:
    return sync_result(work, work())  # here, since Trio has a check of its own
