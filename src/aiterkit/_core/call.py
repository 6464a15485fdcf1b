"""Whether what a function returned has to be awaited.

A sequential operator takes sync and async functions alike, and judges each
call by its result: a lambda, a partial or a callable object does not show what
it returns, and may return both. In an operator this reads ::

    await result
    if type(result) is COROUTINE
    or type(result) not in plain and needs_await(result, plain)
    else result

because a function of our own around each call would cost more than the call. The
two tests may be asked in either order, and the first one that is true is the cheaper
one, so the most used operators have both orders and choose by `looks_async`.
Such an ``await`` stands in a generator expression, which makes it an asynchronous
one; mypy and pyright miss that, hence the ``type: ignore`` there.
"""

from collections.abc import Awaitable
from types import CoroutineType, FunctionType, GeneratorType, MethodType
from typing import Any, TypeGuard, cast

from aiterkit._core.source import special

# Declared as nothing in particular, since narrowing by it makes Any unknown to pyright.
COROUTINE: Any = CoroutineType

# inspect.CO_COROUTINE and its like, without the import of inspect, which is dear.
_COROUTINE_FUNCTION = 0x80
_GENERATOR_BASED_COROUTINE = 0x100


def looks_async(func: object, /) -> bool:
    """Guess whether *func* returns coroutines, to be fast; never to be right."""
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
