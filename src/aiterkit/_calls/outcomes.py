"""A call whose error is a result: `captured`, and the two outcomes it gives."""

import sys
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
)
from contextlib import aclosing
from dataclasses import dataclass
from types import AsyncGeneratorType
from typing import Any, Concatenate, Generic, NoReturn, ParamSpec, cast, overload

from aiterkit._calls.function import (
    check_change,
    is_async_generator,
    like,
    result_of,
)
from aiterkit._core.checks import check_exceptions, name_of

if sys.version_info >= (3, 13):  # pragma: no cover - each Python takes one of both
    from typing import TypeVar
else:  # pragma: no cover - anyio itself needs typing_extensions there
    from typing_extensions import TypeVar

P = ParamSpec("P")
R = TypeVar("R")
I = TypeVar("I")  # noqa: E741 - of an item
E = TypeVar("E", bound=Exception, default=Exception)
R_co = TypeVar("R_co", covariant=True)
E_co = TypeVar("E_co", bound=Exception, covariant=True)
I_co = TypeVar("I_co", covariant=True, default=Any)


class _Outcome(Generic[I_co]):
    """What both outcomes have in common: the arguments of their call."""

    __slots__ = ()

    args: tuple[object, ...]

    @property
    def item(self) -> I_co:
        """Return the first positional argument of the call, in a map the item.

        Raises:
            AttributeError: If the call had none.
        """
        if not self.args:
            raise AttributeError(
                f"this {type(self).__name__} has no item, because its call had no "
                f"positional argument"
            )
        item: Any = self.args[0]
        return item  # type: ignore[no-any-return]  # it is what was captured

    def __bool__(self) -> NoReturn:
        name = type(self).__name__
        raise TypeError(
            f"an outcome is neither true nor false, and this one is an {name}: use "
            f"`match` with `case Ok(value)` and `case Err(error)`, or "
            f"isinstance(outcome, Ok)"
        )


# The slots of both outcomes are written out: those that `dataclass` makes break
# `Ok[int](1)` of a frozen class (https://github.com/python/cpython/issues/116669).


@dataclass(frozen=True, init=False, eq=False)
class Ok(_Outcome[I_co], Generic[R_co, I_co]):
    """What a captured call returned, and which call it was.

    ``Ok[R, I]`` has a *value* of type R and an *item* of type I; ``Ok[R]`` does not
    say what the item is. Outcomes are equal if their values or errors are.

    Examples:
        >>> match await captured(int)("3"):
        ...     case Ok(number):
        ...         print(number)
        3

    Attributes:
        value: The result.
        args: The positional arguments of the call.
        item: The first of them: in a map, the item.
    """

    __slots__ = ("args", "value")

    value: R_co
    args: tuple[object, ...]

    def __init__(self, value: R_co, args: tuple[object, ...] = ()) -> None:
        object.__setattr__(self, "value", value)
        object.__setattr__(self, "args", args)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Ok):
            return NotImplemented
        return (self.value,) == (cast("Any", other).value,)

    def __hash__(self) -> int:
        return hash((Ok, self.value))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.value, self.args)


@dataclass(frozen=True, init=False, eq=False)
class Err(_Outcome[I_co], Generic[E_co, I_co]):
    """What a captured call raised, and which call it was.

    ``Err[E, I]`` has an *error* of type E and an *item* of type I; ``Err[E]`` does not
    say what the item is.

    Examples:
        >>> async for outcome in amap(captured(int), ["1", "x"]):
        ...     match outcome:
        ...         case Ok(number):
        ...             print(number)
        ...         case Err(error):
        ...             print(outcome.item, "failed:", error)
        1
        x failed: invalid literal for int() with base 10: 'x'

    Attributes:
        error: The exception, with its traceback.
        args: The positional arguments of the call.
        item: The first of them: in a map, the item.
    """

    __slots__ = ("args", "error")

    error: E_co
    args: tuple[object, ...]

    def __init__(self, error: E_co, args: tuple[object, ...] = ()) -> None:
        object.__setattr__(self, "error", error)
        object.__setattr__(self, "args", args)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Err):
            return NotImplemented
        return (self.error,) == (cast("Any", other).error,)

    def __hash__(self) -> int:
        return hash((Err, self.error))

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.error, self.args)


# What is called with an item, and what is called with nothing: a parameter
# specification alone would match both, but would not give the item a type.
@overload
def captured(
    func: Callable[Concatenate[I, P], Awaitable[R]], /, *exceptions: type[E]
) -> Callable[Concatenate[I, P], Coroutine[Any, Any, Ok[R, I] | Err[E, I]]]: ...
@overload
def captured(
    func: Callable[[], Awaitable[R]], /, *exceptions: type[E]
) -> Callable[[], Coroutine[Any, Any, Ok[R] | Err[E]]]: ...
# What returns an `AsyncIterator` matches the last overloads too, as what returns an R.
@overload
def captured(  # type: ignore[overload-overlap]  # the first that matches is right
    func: Callable[Concatenate[I, P], AsyncIterator[R]], /, *exceptions: type[E]
) -> Callable[Concatenate[I, P], AsyncGenerator[Ok[R, I] | Err[E, I]]]: ...
@overload
def captured(  # type: ignore[overload-overlap]  # pyright: ignore[reportOverlappingOverload]
    func: Callable[[], AsyncIterator[R]], /, *exceptions: type[E]
) -> Callable[[], AsyncGenerator[Ok[R] | Err[E]]]: ...
@overload
def captured(
    func: Callable[Concatenate[I, P], Awaitable[R] | R], /, *exceptions: type[E]
) -> Callable[Concatenate[I, P], Coroutine[Any, Any, Ok[R, I] | Err[E, I]]]: ...
@overload
def captured(
    func: Callable[[], Awaitable[R] | R], /, *exceptions: type[E]
) -> Callable[[], Coroutine[Any, Any, Ok[R] | Err[E]]]: ...
def captured(func: Callable[..., Any], /, *exceptions: type[Exception]) -> Any:
    """Wrap *func* so that it returns `Ok` or `Err` instead of raising.

    With it, a map goes on when a call fails: the error is the result of that call, in
    its place, so no other call is cancelled for it.

    An async generator function becomes one that gives `Ok` for each item and, if it
    fails, `Err` at the end: `concurrent_flat_map` then goes on with the other sources.

    Examples:
        >>> async def fetch(url):
        ...     if url == "b":
        ...         raise ValueError("no such page")
        ...     return url.upper()
        >>> for outcome in await concurrent_collect(captured(fetch), "abc", limit=2):
        ...     match outcome:
        ...         case Ok(page):
        ...             print(page)
        ...         case Err(error):
        ...             print(outcome.item, "failed:", error)
        A
        b failed: no such page
        C

    Guarantees:
        Cancellation is never captured; nor are `KeyboardInterrupt`, `SystemExit` and
        anything else that is not an `Exception`.

    Args:
        func: Any function; what it returns is awaited if it can be. The wrapper is
            async in any case, but a *func* that blocks still does: see `offloaded`.
        *exceptions: What is captured, by default every `Exception`. Others are raised.

    Raises:
        TypeError: If *func* cannot be called, or one of the *exceptions* is not a
            subclass of `Exception`; and by the call, if *func* returns an async
            generator without being an async generator function itself.
    """
    check_change("captured", func)
    _refuse_exception(func)
    usage = "captured(func, KeyError, OSError)"
    kinds = check_exceptions(exceptions, usage=usage) or (Exception,)

    if is_async_generator(func):

        async def items(
            *args: Any, **options: Any
        ) -> AsyncGenerator[Ok[Any] | Err[Exception]]:
            async with aclosing(func(*args, **options)) as source:
                failure: Err[Exception] | None = None
                while failure is None:
                    # Around the source alone: what the reader throws in at the `yield`
                    # is not an error of the source.
                    try:
                        item = await anext(source)
                    except StopAsyncIteration:
                        return
                    except kinds as error:
                        failure = Err(error, args)
                    else:
                        yield Ok(item, args)
                yield failure

        return like(func, items)

    async def call(*args: Any, **options: Any) -> Ok[Any] | Err[Exception]:
        try:
            value = await result_of(func(*args, **options))
        except kinds as error:
            return Err(error, args)
        if isinstance(value, AsyncGeneratorType):
            raise TypeError(
                f"captured() takes an async generator function itself, not a function "
                f"that returns an async generator, as {name_of(func)}() does"
            )
        return Ok(value, args)

    return like(func, call)


def _refuse_exception(func: object, /) -> None:
    """Refuse an exception as *func*, as in ``@captured(OSError)``."""
    if isinstance(func, type) and issubclass(func, BaseException):
        raise TypeError(f"func comes first: captured(func, {func.__name__})")
