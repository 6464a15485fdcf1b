"""Operators that leave items out."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from operator import index
from sys import maxsize
from types import CoroutineType
from typing import Any, TypeGuard, TypeVar, overload

from aiterkit._core.call import needs_await
from aiterkit._core.source import (
    Opened,
    as_async,
    as_iterable,
    is_async_iterable,
    open_async,
)
from aiterkit._core.types import AnyIterable, TypeIs

S = TypeVar("S")
T = TypeVar("T")


@overload
def afilter(
    predicate: None, source: AnyIterable[T | None], /
) -> AsyncGenerator[T, None]: ...
@overload
def afilter(
    predicate: Callable[[S], TypeGuard[T]], source: AnyIterable[S], /
) -> AsyncGenerator[T, None]: ...
@overload
def afilter(
    predicate: Callable[[S], TypeIs[T]], source: AnyIterable[S], /
) -> AsyncGenerator[T, None]: ...
@overload
def afilter(
    predicate: Callable[[T], object], source: AnyIterable[T], /
) -> AsyncGenerator[T, None]: ...
def afilter(
    predicate: Callable[[Any], Any] | None, source: AnyIterable[Any], /
) -> AsyncGenerator[Any, None]:
    """Give the items of *source* for which *predicate* is true, one at a time.

        source                        1--a--2|
        afilter(str.isdigit, source)  1-----2|

    Equal to ``(item async for item in source if predicate(item))``, event for
    event; with an async *predicate*, ``if await predicate(item)``; with ``None``,
    ``if item``.

    Examples:
        >>> [word async for word in afilter(str.isdigit, ["1", "a", "2"])]
        ['1', '2']
        >>> [word async for word in afilter(None, ["a", "", "b"])]
        ['a', 'b']

    Args:
        predicate: Takes an item; its result is awaited if it can be, and tested
            for truth once. ``None`` tests the item itself.
        source: Any iterable, sync or async. It is not closed.

    Raises:
        TypeError: If *source* is not iterable, at the call.
    """
    if predicate is None:
        return (item async for item in as_async(source) if item)
    plain: set[type] = set()
    if is_async_iterable(source):
        return (
            item
            async for item in source
            for result in (predicate(item),)
            if (
                await result  # type: ignore[await-not-async]  # see needs_await
                if type(result) is CoroutineType
                or (type(result) not in plain and needs_await(result, plain))
                else result
            )
        )
    return (
        item
        for item in as_iterable(source)
        for result in (predicate(item),)
        if (
            await result  # type: ignore[await-not-async]  # see needs_await
            if type(result) is CoroutineType
            or (type(result) not in plain and needs_await(result, plain))
            else result
        )
    )


def _position(name: str, value: object) -> int | None:
    """Return *value* as `itertools.islice` takes it.

    Raises:
        ValueError: If it is neither ``None`` nor an integer from 0 to `sys.maxsize`.
    """
    if value is None:
        return None
    try:
        number = index(value)  # type: ignore[arg-type]  # it is what is asked
    except TypeError:
        number = -1
    if not 0 <= number <= maxsize:
        raise ValueError(
            f"{name} must be None or an integer from 0 to sys.maxsize, not {value!r}"
        )
    return number


@overload
def aislice(source: AnyIterable[T], stop: int | None, /) -> AsyncGenerator[T, None]: ...
@overload
def aislice(
    source: AnyIterable[T],
    start: int | None,
    stop: int | None,
    step: int | None = ...,
    /,
) -> AsyncGenerator[T, None]: ...
def aislice(source: AnyIterable[T], /, *bounds: int | None) -> AsyncGenerator[T, None]:  # noqa: D417
    """Give the items of *source* from *start* up to *stop*, each *step*-th.

        source              a--b--c--d|
        aislice(source, 2)  a--(b|)

    The twin of `itertools.islice`. No item beyond *stop* is read, so the source
    can be read on from there.

    Examples:
        >>> [letter async for letter in aislice("abcde", 2)]
        ['a', 'b']
        >>> [letter async for letter in aislice("abcde", 1, None, 2)]
        ['b', 'd']

    Args:
        source: Any iterable, sync or async. It is not closed.
        start: How many items to pass over; ``None`` is 0.
        stop: Where to end; ``None`` is the end of the source.
        step: How far it is from one item to the next; ``None`` is 1.

    Raises:
        TypeError: If *source* is not iterable, at the call.
        ValueError: If a bound is not ``None`` or an integer of at least 0 (*step*:
            1), at the call.
    """
    if not 1 <= len(bounds) <= 3:  # noqa: PLR2004 - as slice() takes them
        raise TypeError(f"aislice() takes 1 to 3 bounds, not {len(bounds)}")
    first, last, *rest = (0, *bounds) if len(bounds) == 1 else bounds
    start = _position("start", first) or 0
    stop = _position("stop", last)
    step = _position("step", rest[0]) if rest else None
    if step == 0:
        raise ValueError("step must be at least 1, not 0")
    iterator = open_async(source)
    if start == 0 and stop is not None and step in {None, 1}:
        return _head(iterator, stop)
    return _slice(iterator, start, maxsize if stop is None else stop, step or 1)


async def _head(iterator: AsyncIterator[T], stop: int) -> AsyncGenerator[T, None]:
    if not stop:
        return
    left = stop
    async for item in Opened(iterator):
        yield item
        left -= 1
        if not left:
            return


async def _slice(
    iterator: AsyncIterator[T], start: int, stop: int, step: int
) -> AsyncGenerator[T, None]:
    # Like its twin, it passes over *start* items even where *stop* comes before.
    end = max(start, stop)
    if not end:
        return
    position = 0
    wanted = start
    async for item in Opened(iterator):
        if position == wanted:
            yield item
            wanted += step
        position += 1
        if position == end:
            return
