"""Operators that give something for each item: one in, one or more out."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from itertools import count
from operator import index
from types import CoroutineType
from typing import Any, TypeVar, overload

from aiterkit._core.call import needs_await
from aiterkit._core.source import as_async, as_iterable, is_async_iterable
from aiterkit._core.types import AnyIterable

T = TypeVar("T")
R = TypeVar("R")


@overload
def amap(
    func: Callable[[T], Awaitable[R]], source: AnyIterable[T], /
) -> AsyncGenerator[R, None]: ...
@overload
def amap(
    func: Callable[[T], Awaitable[R] | R], source: AnyIterable[T], /
) -> AsyncGenerator[R, None]: ...
def amap(
    func: Callable[[Any], Any], source: AnyIterable[Any], /
) -> AsyncGenerator[Any, None]:
    """Call *func* on each item of *source*, one at a time, in order.

        source                   a--b--c|
        amap(str.upper, source)  A--B--C|

    Equal to ``(func(item) async for item in source)``, event for event; with an
    async *func*, to ``(await func(item) async for item in source)``. Two calls
    never overlap, and the source waits while a call runs: for calls that
    overlap, see `concurrent_map`.

    Examples:
        >>> [word async for word in amap(str.upper, ["a", "b"])]
        ['A', 'B']

    Args:
        func: Takes an item. What it returns is awaited if it can be.
        source: Any iterable, sync or async. It is not closed.

    Raises:
        TypeError: If *source* is not iterable, at the call.
    """
    plain: set[type] = set()
    if is_async_iterable(source):
        return (
            await result  # type: ignore[await-not-async]  # see needs_await
            if type(result) is CoroutineType
            or (type(result) not in plain and needs_await(result, plain))
            else result
            async for item in source
            for result in (func(item),)
        )
    return (
        await result  # type: ignore[await-not-async]  # see needs_await
        if type(result) is CoroutineType
        or (type(result) not in plain and needs_await(result, plain))
        else result
        for item in as_iterable(source)
        for result in (func(item),)
    )


def aenumerate(
    source: AnyIterable[T], /, start: int = 0
) -> AsyncGenerator[tuple[int, T], None]:
    """Give each item of *source* with its number, as `enumerate` does.

    Examples:
        >>> [pair async for pair in aenumerate("ab", start=1)]
        [(1, 'a'), (2, 'b')]

    Args:
        source: Any iterable, sync or async. It is not closed.
        start: The number of the first item.

    Raises:
        TypeError: If *source* is not iterable or *start* is no integer, at the call.
    """
    numbers = count(index(start))
    return ((next(numbers), item) async for item in as_async(source))
