"""Operators that read several sources, or one several times."""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, TypeVar, overload

from aiterkit._core.source import Opened, open_async
from aiterkit._core.types import AnyIterable

T = TypeVar("T")
T1 = TypeVar("T1")
T2 = TypeVar("T2")
T3 = TypeVar("T3")
T4 = TypeVar("T4")
T5 = TypeVar("T5")
T6 = TypeVar("T6")


def achain(*sources: AnyIterable[T]) -> AsyncGenerator[T, None]:
    """Give the items of each of *sources*, one source after the other.

        first                  a--b|
        second                 c--d|
        achain(first, second)  a--bc--d|

    The twin of `itertools.chain`, but for all *sources* being opened at the call.
    For a source of sources, see `aflatten`.

    Examples:
        >>> [letter async for letter in achain("ab", "cd")]
        ['a', 'b', 'c', 'd']

    Args:
        *sources: Any iterables, sync or async. They are not closed.

    Raises:
        TypeError: If one of *sources* is not iterable, at the call.
    """
    opened = [Opened(open_async(source)) for source in sources]
    return (item for source in opened async for item in source)


@overload
def azip(*, strict: bool = ...) -> AsyncGenerator[tuple[()], None]: ...
@overload
def azip(
    source: AnyIterable[T1], /, *, strict: bool = ...
) -> AsyncGenerator[tuple[T1], None]: ...
@overload
def azip(
    source1: AnyIterable[T1], source2: AnyIterable[T2], /, *, strict: bool = ...
) -> AsyncGenerator[tuple[T1, T2], None]: ...
@overload
def azip(
    source1: AnyIterable[T1],
    source2: AnyIterable[T2],
    source3: AnyIterable[T3],
    /,
    *,
    strict: bool = ...,
) -> AsyncGenerator[tuple[T1, T2, T3], None]: ...
@overload
def azip(
    source1: AnyIterable[T1],
    source2: AnyIterable[T2],
    source3: AnyIterable[T3],
    source4: AnyIterable[T4],
    /,
    *,
    strict: bool = ...,
) -> AsyncGenerator[tuple[T1, T2, T3, T4], None]: ...
@overload
def azip(
    source1: AnyIterable[T1],
    source2: AnyIterable[T2],
    source3: AnyIterable[T3],
    source4: AnyIterable[T4],
    source5: AnyIterable[T5],
    /,
    *,
    strict: bool = ...,
) -> AsyncGenerator[tuple[T1, T2, T3, T4, T5], None]: ...
@overload
def azip(
    source1: AnyIterable[T1],
    source2: AnyIterable[T2],
    source3: AnyIterable[T3],
    source4: AnyIterable[T4],
    source5: AnyIterable[T5],
    source6: AnyIterable[T6],
    /,
    *,
    strict: bool = ...,
) -> AsyncGenerator[tuple[T1, T2, T3, T4, T5, T6], None]: ...
@overload
def azip(
    *sources: AnyIterable[T], strict: bool = ...
) -> AsyncGenerator[tuple[T, ...], None]: ...
def azip(
    *sources: AnyIterable[Any], strict: bool = False
) -> AsyncGenerator[tuple[Any, ...], None]:
    """Give a tuple of the first items of *sources*, then of the second, and so on.

    The twin of `zip`: the sources are read one after the other, from left to
    right, and the shortest one ends it. They are never waited for together: a row
    takes the sum of their waits. For one wait per row, see `concurrent_zip`.

    Examples:
        >>> [pair async for pair in azip("ab", [1, 2])]
        [('a', 1), ('b', 2)]

    Args:
        *sources: Any iterables, sync or async. They are not closed.
        strict: Whether sources of different lengths are an error.

    Raises:
        TypeError: If one of *sources* is not iterable, at the call.
        ValueError: If *strict* and one of *sources* ends before another, when it does.
    """
    iterators = [open_async(source) for source in sources]
    if strict:
        return _zip_strict(iterators)
    if len(iterators) == 2:  # noqa: PLR2004 - by far the most common, so made fast
        return _zip_two(*iterators)
    return _zip(iterators)


async def _zip_two(
    first: AsyncIterator[T1], second: AsyncIterator[T2]
) -> AsyncGenerator[tuple[T1, T2], None]:
    async for item in Opened(first):
        try:
            pair = (item, await anext(second))
        except StopAsyncIteration:
            return
        yield pair


async def _zip(
    iterators: list[AsyncIterator[T]],
) -> AsyncGenerator[tuple[T, ...], None]:
    while iterators:
        try:
            row = tuple([await anext(iterator) for iterator in iterators])
        except StopAsyncIteration:
            return
        yield row


async def _zip_strict(
    iterators: list[AsyncIterator[T]],
) -> AsyncGenerator[tuple[T, ...], None]:
    row: list[T] = []
    while iterators:
        row = []
        for iterator in iterators:
            try:
                row.append(await anext(iterator))
            except StopAsyncIteration:
                break
        if len(row) < len(iterators):
            break
        yield tuple(row)
    else:
        return
    if row:
        raise ValueError(f"azip() {_compared(len(row), 'shorter')}")
    for number, iterator in enumerate(iterators[1:], 1):
        try:
            await anext(iterator)
        except StopAsyncIteration:
            continue
        raise ValueError(f"azip() {_compared(number, 'longer')}")


def _compared(number: int, how: str) -> str:
    """Say how source *number*, from 0, compares with those before, as `zip` does."""
    before = "argument 1" if number == 1 else f"arguments 1-{number}"
    return f"argument {number + 1} is {how} than {before}"
