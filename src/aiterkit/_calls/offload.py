"""A blocking function as an async one, which runs elsewhere: `offloaded`."""

from collections.abc import Callable, Coroutine
from functools import partial
from importlib import import_module
from inspect import iscoroutinefunction
from sys import version_info
from types import CoroutineType
from typing import Any, Literal, ParamSpec, TypeVar

from anyio import CapacityLimiter

from aiterkit._calls.function import (
    check_func,
    dunder_call,
    like,
    name_of,
    options_by_name,
)

P = ParamSpec("P")
R = TypeVar("R")


@options_by_name("to", "limiter")
def offloaded(
    func: Callable[P, R],
    /,
    *,
    to: Literal["thread", "process", "interpreter"] = "thread",
    limiter: CapacityLimiter | None = None,
) -> Callable[P, Coroutine[Any, Any, R]]:
    """Return a blocking *func* as an async one, which runs it elsewhere.

    In a *thread*, it may wait for what it likes while the event loop goes on, and
    sees the context variables of its caller. In a *process* or an *interpreter*
    it may also compute in parallel, for it does not share the lock of this one; then
    *func*, its arguments and its result must be such as `pickle` can send, which a
    lambda is not, nor a function whose name was given to what `offloaded` returns.

    Examples:
        >>> async def main() -> list[int]:
        ...     return await concurrent_collect(offloaded(len), ["a", "bc"], limit=2)
        >>> anyio.run(main)
        [1, 2]

    Guarantees:
        A cancelled call ends only when *func* has. A process is killed for that. A
        thread or an interpreter cannot be stopped, so it is waited for, its result
        is returned, and the caller's next wait is the one that is cancelled; `timed`
        cannot cut it short.

    Args:
        func: A sync function.
        to: Where it runs.
        limiter: Bounds how many run at once, together with all else that has the same
            limiter; a call beyond that waits. By default, those of anyio: 40
            threads, and as many processes or interpreters as there are processors.

    Raises:
        RuntimeError: If *to* is ``"interpreter"`` and this Python has none.
        TypeError: If *func* cannot be called or is async, or *limiter* is no
            limiter.
        ValueError: If *to* is something else.
    """
    check_func("offloaded", func)
    if iscoroutinefunction(func) or iscoroutinefunction(dunder_call(func)):
        raise TypeError(_IS_ASYNC.format(name_of(func)))
    if limiter is not None and not isinstance(limiter, CapacityLimiter):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(
            f"limiter must be an anyio.CapacityLimiter, not {limiter!r}: "
            f"CapacityLimiter({limiter!r})"
        )
    run = _runner(to)

    async def call(*args: P.args, **options: P.kwargs) -> R:
        result: R = await run(partial(func, *args, **options), limiter=limiter)
        return result

    return like(func, call)


_IS_ASYNC = "offloaded() takes a sync function, and {} is async: use it as it is"


def _runner(to: str) -> Callable[..., Coroutine[Any, Any, Any]]:
    """Return what runs a function there, of a module that is loaded only now."""
    if to not in {"thread", "process", "interpreter"}:
        raise ValueError(f"to must be 'thread', 'process' or 'interpreter', not {to!r}")
    if to == "interpreter" and version_info < (3, 13):
        raise RuntimeError(
            f"to='interpreter' needs Python 3.13 or newer, "
            f"and this is {version_info.major}.{version_info.minor}"
        )
    run = import_module(f"anyio.to_{to}").run_sync
    if to == "thread":
        return partial(run, _block)
    return partial(run, cancellable=True) if to == "process" else partial(run)


def _block(work: partial[R], /) -> R:
    """Do *work* in a thread, the one place from where a coroutine could come back."""
    result = work()
    if isinstance(result, CoroutineType):
        result.close()  # or it would be said that nobody awaited it
        raise TypeError(_IS_ASYNC.format(name_of(work)))
    return result
