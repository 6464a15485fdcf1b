"""A call whose error is a result: `captured`, and the two outcomes it gives."""

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Generic, ParamSpec, TypeVar, overload

from aiterkit._calls.function import check_func, like, result_of

P = ParamSpec("P")
R = TypeVar("R")
E = TypeVar("E", bound=Exception)
R_co = TypeVar("R_co", covariant=True)
E_co = TypeVar("E_co", bound=Exception, covariant=True)


# The slots of both outcomes are written out: those that `dataclass` makes break
# `Ok[int](1)` of a frozen class (https://github.com/python/cpython/issues/116669).


@dataclass(frozen=True)
class Ok(Generic[R_co]):
    """What a captured call returned.

    Examples:
        >>> match await captured(int)("3"):
        ...     case Ok(number):
        ...         print(number)
        3

    Attributes:
        value: The result.
    """

    __slots__ = ("value",)

    value: R_co

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.value,)


@dataclass(frozen=True, init=False)
class Err(Generic[E_co]):
    """What a captured call raised, and which call it was.

    Examples:
        >>> async for outcome in amap(captured(int), ["1", "x"]):
        ...     match outcome:
        ...         case Ok(number):
        ...             print(number)
        ...         case Err(error, [text]):
        ...             print(text, "failed:", error)
        1
        x failed: invalid literal for int() with base 10: 'x'

    Attributes:
        error: The exception, with its traceback.
        args: The positional arguments of the call: in a map, the item alone.
    """

    __slots__ = ("args", "error")

    error: E_co
    args: tuple[object, ...]

    def __init__(self, error: E_co, args: tuple[object, ...] = ()) -> None:
        object.__setattr__(self, "error", error)
        object.__setattr__(self, "args", args)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.error, self.args)


@overload
def captured(
    func: Callable[P, Awaitable[R]], /
) -> Callable[P, Coroutine[Any, Any, Ok[R] | Err[Exception]]]: ...
@overload
def captured(
    func: Callable[P, Awaitable[R]], exception: type[E], /, *exceptions: type[E]
) -> Callable[P, Coroutine[Any, Any, Ok[R] | Err[E]]]: ...
@overload
def captured(
    func: Callable[P, Awaitable[R] | R], /
) -> Callable[P, Coroutine[Any, Any, Ok[R] | Err[Exception]]]: ...
@overload
def captured(
    func: Callable[P, Awaitable[R] | R], exception: type[E], /, *exceptions: type[E]
) -> Callable[P, Coroutine[Any, Any, Ok[R] | Err[E]]]: ...
def captured(
    func: Callable[..., Any], /, *exceptions: type[Exception]
) -> Callable[..., Coroutine[Any, Any, Any]]:
    """Return *func* as one that returns `Ok` or `Err` and does not raise.

    For a map that goes on when a call fails. The error is returned as the result
    of its call, in its place, so no other call is cancelled for it.

    Examples:
        >>> async def fetch(url):
        ...     if url == "b":
        ...         raise ValueError("no such page")
        ...     return url.upper()
        >>> for outcome in await concurrent_collect(captured(fetch), "abc", limit=2):
        ...     print(outcome)
        Ok(value='A')
        Err(error=ValueError('no such page'), args=('b',))
        Ok(value='C')

    Guarantees:
        Cancellation is never captured; nor are `KeyboardInterrupt`, `SystemExit`
        and all else that is no `Exception`.

    Args:
        func: Any function; what it returns is awaited if it can be. The one
            returned is async in any case, but a *func* that blocks still does: see
            `offloaded`.
        *exceptions: What is captured, by default every `Exception`. Others are raised.

    Raises:
        TypeError: If *func* cannot be called, or one of the *exceptions* is no
            class of `Exception`.
    """
    check_func("captured", func)
    kinds = tuple(_check_exception(kind) for kind in exceptions) or (Exception,)

    async def call(*args: Any, **options: Any) -> Ok[Any] | Err[Exception]:
        try:
            return Ok(await result_of(func(*args, **options)))
        except kinds as error:
            return Err(error, args)

    return like(func, call)


def _check_exception(kind: Any, /) -> type[Exception]:
    if isinstance(kind, tuple):
        raise TypeError(
            "exceptions must be given one by one: captured(func, KeyError, OSError)"
        )
    if isinstance(kind, type) and issubclass(kind, Exception):
        return kind
    if isinstance(kind, type) and issubclass(kind, BaseException):
        raise TypeError(
            f"exceptions must be classes of Exception, which {kind.__name__} is "
            f"not: what ends a task or the program is never captured"
        )
    raise TypeError(f"exceptions must be classes of exceptions, not {kind!r}")
