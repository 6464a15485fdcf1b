"""Coroutine functions that read a source and return one thing."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

from aiterkit._core.call import needs_await
from aiterkit._core.source import as_async
from aiterkit._core.types import AnyIterable

T = TypeVar("T")
R = TypeVar("R")
K = TypeVar("K")
V = TypeVar("V")


@overload
async def acollect(source: AnyIterable[T], /) -> list[T]: ...
@overload
async def acollect(source: AnyIterable[T], /, *, into: type[list[Any]]) -> list[T]: ...
@overload
async def acollect(source: AnyIterable[T], /, *, into: type[set[Any]]) -> set[T]: ...
@overload
async def acollect(
    source: AnyIterable[T], /, *, into: type[frozenset[Any]]
) -> frozenset[T]: ...
@overload
async def acollect(
    source: AnyIterable[T], /, *, into: type[tuple[Any, ...]]
) -> tuple[T, ...]: ...
@overload
async def acollect(
    source: AnyIterable[tuple[K, V]], /, *, into: type[dict[Any, Any]]
) -> dict[K, V]: ...
@overload
async def acollect(
    source: AnyIterable[T], /, *, into: Callable[[list[T]], Awaitable[R]]
) -> R: ...
@overload
async def acollect(
    source: AnyIterable[T], /, *, into: Callable[[list[T]], Awaitable[R] | R]
) -> R: ...
async def acollect(
    source: AnyIterable[Any], /, *, into: Callable[[list[Any]], Any] = list
) -> Any:
    """Return the items of *source* as a list, or as what *into* makes of that list.

    Equal to ``[item async for item in source]``, event for event, and then to
    ``into(...)`` of it. The source is opened when the coroutine runs.

    Examples:
        >>> await acollect("abca")
        ['a', 'b', 'c', 'a']
        >>> await acollect(aenumerate("ab"), into=dict)
        {0: 'a', 1: 'b'}

    Args:
        source: Any iterable, sync or async. It is not closed.
        into: Takes the list: ``set``, ``dict``, ``tuple``, or any callable. What it
            returns is awaited if it can be.

    Raises:
        TypeError: If *source* is not iterable.
    """
    items = [item async for item in as_async(source)]
    if into is list:
        return items
    result = into(items)
    return await result if needs_await(result, set()) else result
