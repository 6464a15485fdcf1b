"""What all wrappers have in common: which function they wrap, and how they look.

What comes out has the name, the docstring and the parameters of what went in. It
is an async function in the eyes of `inspect` too, so it can be used wherever
one can, on both sides, and wrapped again.
"""

from collections.abc import Callable
from functools import partial, update_wrapper, wraps
from inspect import isasyncgenfunction
from types import CoroutineType
from typing import Any, TypeVar, cast

from aiterkit._core.call import needs_await
from aiterkit._core.checks import check_func, name_of, shortened

R = TypeVar("R")
F = TypeVar("F", bound=Callable[..., Any])


def options_by_name(*names: str) -> Callable[[F], F]:
    """Answer a call with positional options or no function by its correction."""

    def decorate(change: F) -> F:
        name = change.__name__

        @wraps(change)
        def checked(*args: Any, **options: Any) -> Any:
            if len(args) == 1:
                return change(*args, **options)
            given = dict(zip(names, args[1:], strict=False)) | options
            usage = [
                "func",
                *(f"{key}={shortened(value)}" for key, value in given.items()),
            ]
            raise TypeError(
                f"{name}() takes a function, and options by their names: "
                f"{name}({', '.join(usage)})"
            )

        return cast("F", checked)

    return decorate


def is_awaitable(result: object, /) -> bool:
    return type(result) is CoroutineType or needs_await(result, set())


async def result_of(result: Any, /) -> Any:
    return await result if is_awaitable(result) else result


def check_change(change: str, func: object, /) -> None:
    """Refuse a *func* that the wrapper called *change* cannot take."""
    check_func(func, usage=f"{change}(func)")


def is_async_generator(func: Callable[..., Any], /) -> bool:
    """Return whether *func*, a partial or an object, is an async generator function."""
    return isasyncgenfunction(func) or isasyncgenfunction(dunder_call(func))


IS_ASYNC = "offloaded() takes a sync function, and {} is async: use it as it is"


def sync_result(func: Callable[..., Any], result: R, /) -> R:
    """Return *result* of a sync *func*, unless it is a coroutine.

    Raises:
        TypeError: If it is one. It is closed, or Python would also warn of it.
    """
    if isinstance(result, CoroutineType):
        result.close()
        raise TypeError(IS_ASYNC.format(name_of(func)))
    return result


def unwrapped(func: Callable[..., Any], /) -> Any:
    while isinstance(func, partial):
        func = func.func
    return func


def dunder_call(func: Callable[..., Any], /) -> Any:
    """Return what a call of a callable object calls."""
    return type(unwrapped(func)).__call__


def like(func: Callable[..., Any], call: F, /) -> F:
    """Give *call* the name, the docstring and the signature of *func*."""
    named = unwrapped(func)
    if hasattr(named, "__name__"):
        update_wrapper(call, named)
    else:  # an object: what it holds is its own business
        look = ("__module__", "__name__", "__qualname__", "__doc__")
        kind = cast("Any", type(named))
        update_wrapper(call, kind, assigned=look, updated=())
    call.__dict__["__wrapped__"] = func  # all of it: a partial has another signature
    return call
