"""Whether the result of a call must be awaited.

A sequential operator takes sync and async functions alike, and looks at the result of
each call: a lambda, a partial or a callable object does not show what it returns, and
may return now this and now that. In an operator this reads ::

    await result
    if type(result) is COROUTINE
    or type(result) not in plain and needs_await(result, plain)
    else result

because a helper function around each call would cost more than the call itself. An
``await`` in a generator expression makes it an asynchronous one. mypy and pyright do
not know that, hence the ``type: ignore`` there.

The most used operators go two steps further. A function defined with ``async def``
always returns a coroutine (`is_async_function`), so nothing needs to be tested. And
most functions return one type, which is compared first ::

    if type(result) is not usual
    and type(result) not in plain
    and (type(result) is COROUTINE or (usual := plain_type(result, plain)) is None)
"""

from collections.abc import Awaitable
from functools import partial
from types import CoroutineType, FunctionType, GeneratorType, MethodType, NoneType
from typing import Any, TypeGuard, TypeVar, cast

from aiterkit._core.types import special

R = TypeVar("R")

# Typed as Any, since narrowing by the real type turns Any into Unknown for pyright.
COROUTINE: Any = CoroutineType

# inspect.CO_COROUTINE and inspect.CO_ITERABLE_COROUTINE: importing inspect is slow.
_COROUTINE_FUNCTION = 0x80
_GENERATOR_BASED_COROUTINE = 0x100


def is_async_function(func: object, /) -> bool:
    """Return whether *func* is an ``async def`` function, or bound to one.

    Then each call returns a coroutine, and runs no code of the user. Other callables
    may return one, too.
    """
    if type(func) is partial:  # a subclass may do more
        func = func.func
    if isinstance(func, MethodType):
        func = func.__func__
    return isinstance(func, FunctionType) and bool(
        func.__code__.co_flags & _COROUTINE_FUNCTION
    )


def needs_await(result: object, plain: set[type], /) -> TypeGuard[Awaitable[Any]]:
    """Return whether *result* can be awaited; if not, add its type to *plain*.

    The type decides, except for a generator, which is a coroutine if its function was
    decorated with `types.coroutine`. So an operator asks only once for each type that
    cannot be awaited, which keeps sync functions fast.
    """
    kind = type(result)
    if kind is GeneratorType:
        code = cast("GeneratorType[Any, Any, Any]", result).gi_code
        return bool(code.co_flags & _GENERATOR_BASED_COROUTINE)
    if special(result, "__await__"):
        return True
    plain.add(kind)
    return False


def plain_type(result: object, plain: set[type], /) -> type | None:
    """Return a type that cannot be awaited, or ``None`` if *result* can be awaited.

    It is the type of *result*, unless the type alone does not decide (see
    `needs_await`).
    """
    if needs_await(result, plain):
        return None
    kind = type(result)
    return kind if kind in plain else NoneType


def drop(made: object, /) -> None:
    """Close *made* if it is a coroutine that Ctrl-C kept from beginning.

    The collector would say that it was never awaited.
    """
    if type(made) is COROUTINE:
        cast("CoroutineType[Any, Any, Any]", made).close()


async def awaiting(awaitable: Awaitable[R], /) -> R:
    """Wrap any *awaitable* in a coroutine."""
    return await awaitable
