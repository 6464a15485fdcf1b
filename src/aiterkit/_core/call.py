"""Whether what a function returned has to be awaited.

A sequential operator takes sync and async functions alike, and judges each
call by its result: a lambda, a partial or a callable object does not show what
it returns, and may return both. In an operator this reads ::

    await result
    if type(result) is COROUTINE
    or type(result) not in plain and needs_await(result, plain)
    else result

because a function of our own around each call would cost more than the call. Such an
``await`` stands in a generator expression, which makes it an asynchronous one; mypy and
pyright miss that, hence the ``type: ignore`` there.

The most used operators go two steps further. What was written ``async def`` returns
nothing but coroutines (`is_async_function`), so there the native expression needs no
judgement. And most functions return one type, which is compared before all else ::

    if type(result) is not usual
    and type(result) not in plain
    and (type(result) is COROUTINE or (usual := plain_type(result, plain)) is None)
"""

from collections.abc import Awaitable
from types import CoroutineType, FunctionType, GeneratorType, MethodType, NoneType
from typing import Any, TypeGuard, TypeVar, cast

from aiterkit._core.types import special

R = TypeVar("R")

# Declared as nothing in particular, since narrowing by it makes Any unknown to pyright.
COROUTINE: Any = CoroutineType

# inspect.CO_COROUTINE and its like, without the import of inspect, which is dear.
_COROUTINE_FUNCTION = 0x80
_GENERATOR_BASED_COROUTINE = 0x100


def is_async_function(func: object, /) -> bool:
    """Tell whether *func* is an ``async def``, or a method that is one.

    Then each call returns a coroutine. Any other callable may do so as well.
    """
    if isinstance(func, MethodType):
        func = func.__func__
    return isinstance(func, FunctionType) and bool(
        func.__code__.co_flags & _COROUTINE_FUNCTION
    )


def needs_await(result: object, plain: set[type], /) -> TypeGuard[Awaitable[Any]]:
    """Tell whether ``await`` takes *result*; if its type does not, note it in *plain*.

    It is the type that decides, except for a generator, which is a coroutine
    if its function was decorated with `types.coroutine`. So an operator needs to ask
    but once for a type that cannot be awaited, which is what makes a sync
    function cheap.
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
    """Return a type that cannot be awaited, or ``None`` if ``await`` takes *result*.

    It is the type of *result*, unless that alone does not tell (see `needs_await`).
    """
    if needs_await(result, plain):
        return None
    kind = type(result)
    return kind if kind in plain else NoneType


async def awaiting(awaitable: Awaitable[R], /) -> R:
    """Return *awaitable* as a coroutine, whatever it is."""
    return await awaitable
