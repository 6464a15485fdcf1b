"""Operators that leave items out."""

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Hashable
from sys import maxsize
from types import NoneType
from typing import Any, TypeGuard, TypeVar, overload

from aiterkit._core.call import (
    COROUTINE,
    is_async_function,
    needs_await,
    plain_type,
)
from aiterkit._core.checks import check_count, check_func, check_position
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
H = TypeVar("H", bound=Hashable)


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
        TypeError: If *predicate* cannot be called or *source* is not iterable, at the
            call.
    """
    if predicate is None:
        return (item async for item in as_async(source) if item)
    check_func(predicate, source, usage="afilter(predicate, source)", name="predicate")
    if is_async_function(predicate) and is_async_iterable(source):
        return (
            item
            async for item in source
            if await predicate(item)  # type: ignore[await-not-async]  # see needs_await
        )
    plain: set[type] = set()
    usual: type | None = NoneType
    if is_async_iterable(source):
        return (
            item
            async for item in source
            for result in (predicate(item),)
            if (
                await result  # type: ignore[await-not-async]  # see needs_await
                if type(result) is not usual
                and type(result) not in plain
                and (
                    type(result) is COROUTINE
                    or (usual := plain_type(result, plain)) is None
                )
                else result
            )
        )
    return (
        item
        for item in as_iterable(source)
        for result in (predicate(item),)
        if (
            await result  # type: ignore[await-not-async]  # see needs_await
            if type(result) is not usual
            and type(result) not in plain
            and (
                type(result) is COROUTINE
                or (usual := plain_type(result, plain)) is None
            )
            else result
        )
    )


def afilterfalse(
    predicate: Callable[[T], object] | None, source: AnyIterable[T], /
) -> AsyncGenerator[T, None]:
    """Give the items of *source* for which *predicate* is false, one at a time.

        source                             1--a--2|
        afilterfalse(str.isdigit, source)  ---a---|

    Equal to ``(item async for item in source if not predicate(item))``, event for
    event; with an async *predicate*, ``if not await predicate(item)``; with
    ``None``, ``if not item``. The twin of `itertools.filterfalse`.

    Examples:
        >>> [word async for word in afilterfalse(str.isdigit, ["1", "a", "2"])]
        ['a']

    Args:
        predicate: Takes an item; its result is awaited if it can be, and tested
            for truth once. ``None`` tests the item itself.
        source: Any iterable, sync or async. It is not closed.

    Raises:
        TypeError: If *predicate* cannot be called or *source* is not iterable, at the
            call.
    """
    if predicate is None:
        return (item async for item in as_async(source) if not item)
    check_func(
        predicate, source, usage="afilterfalse(predicate, source)", name="predicate"
    )
    judge: Callable[[T], Any] = predicate
    plain: set[type] = set()
    return (
        item
        async for item in as_async(source)
        for result in (judge(item),)
        if not (
            await result  # type: ignore[await-not-async]  # see needs_await
            if type(result) is COROUTINE
            or (type(result) not in plain and needs_await(result, plain))
            else result
        )
    )


def acompress(
    data: AnyIterable[T], selectors: AnyIterable[object], /
) -> AsyncGenerator[T, None]:
    """Give the items of *data* whose partner in *selectors* is true.

    The twin of `itertools.compress`: in each step *data* is read first, then
    *selectors*, and the shorter one ends it.

    Examples:
        >>> [letter async for letter in acompress("abc", [1, 0, 1])]
        ['a', 'c']

    Args:
        data: Any iterable, sync or async. It is not closed.
        selectors: Another one; each of its items is tested for truth once.

    Raises:
        TypeError: If *data* or *selectors* is not iterable, at the call.
    """
    return _compress(open_async(data), open_async(selectors))


async def _compress(
    data: AsyncIterator[T], selectors: AsyncIterator[object]
) -> AsyncGenerator[T, None]:
    async for item in Opened(data):
        try:
            selector = await anext(selectors)
        except StopAsyncIteration:
            return
        if selector:
            yield item


def atakewhile(
    predicate: Callable[[T], object], source: AnyIterable[T], /
) -> AsyncGenerator[T, None]:
    """Give the items of *source* up to the first for which *predicate* is false.

        source                           1--2--a--3|
        atakewhile(str.isdigit, source)  1--2--|

    The twin of `itertools.takewhile`: the item that ends it has been read and is not
    given. To get that one too, see `atakewhile_inclusive`.

    Examples:
        >>> [word async for word in atakewhile(str.isdigit, ["1", "a", "2"])]
        ['1']

    Args:
        predicate: Takes an item; its result is awaited if it can be, and tested
            for truth once.
        source: Any iterable, sync or async. It is not closed.

    Raises:
        TypeError: If *predicate* cannot be called or *source* is not iterable, at the
            call.
    """
    check_func(
        predicate, source, usage="atakewhile(predicate, source)", name="predicate"
    )
    return _take_while(predicate, open_async(source))


async def _take_while(
    predicate: Callable[[T], Any], iterator: AsyncIterator[T]
) -> AsyncGenerator[T, None]:
    plain: set[type] = set()
    async for item in Opened(iterator):
        result = predicate(item)
        if type(result) is COROUTINE or (
            type(result) not in plain and needs_await(result, plain)
        ):
            result = await result
        if not result:
            return
        yield item


def atakewhile_inclusive(
    predicate: Callable[[T], object], source: AnyIterable[T], /
) -> AsyncGenerator[T, None]:
    """Give the items up to and including the first for which *predicate* is false.

        source                                     1--2--a--3|
        atakewhile_inclusive(str.isdigit, source)  1--2--(a|)

    The twin of `more_itertools.takewhile_inclusive`: unlike `atakewhile`, no item is
    read that is not given. *predicate* is called when the next item is asked for.

    Examples:
        >>> [word async for word in atakewhile_inclusive(str.isdigit, ["1", "a", "2"])]
        ['1', 'a']

    Args:
        predicate: Takes an item; its result is awaited if it can be, and tested
            for truth once.
        source: Any iterable, sync or async. It is not closed.

    Raises:
        TypeError: If *predicate* cannot be called or *source* is not iterable, at the
            call.
    """
    check_func(
        predicate,
        source,
        usage="atakewhile_inclusive(predicate, source)",
        name="predicate",
    )
    return _take_while_inclusive(predicate, open_async(source))


async def _take_while_inclusive(
    predicate: Callable[[T], Any], iterator: AsyncIterator[T]
) -> AsyncGenerator[T, None]:
    plain: set[type] = set()
    async for item in Opened(iterator):
        yield item
        result = predicate(item)
        if type(result) is COROUTINE or (
            type(result) not in plain and needs_await(result, plain)
        ):
            result = await result
        if not result:
            return


def adropwhile(
    predicate: Callable[[T], object], source: AnyIterable[T], /
) -> AsyncGenerator[T, None]:
    """Give the items of *source* from the first for which *predicate* is false.

        source                           1--2--a--3|
        adropwhile(str.isdigit, source)  ------a--3|

    The twin of `itertools.dropwhile`: from that item on, *predicate* is not called.

    Examples:
        >>> [word async for word in adropwhile(str.isdigit, ["1", "a", "2"])]
        ['a', '2']

    Args:
        predicate: Takes an item; its result is awaited if it can be, and tested
            for truth once.
        source: Any iterable, sync or async. It is not closed.

    Raises:
        TypeError: If *predicate* cannot be called or *source* is not iterable, at the
            call.
    """
    check_func(
        predicate, source, usage="adropwhile(predicate, source)", name="predicate"
    )
    return _drop_while(predicate, open_async(source))


async def _drop_while(
    predicate: Callable[[T], Any], iterator: AsyncIterator[T]
) -> AsyncGenerator[T, None]:
    plain: set[type] = set()
    async for item in Opened(iterator):
        result = predicate(item)
        if type(result) is COROUTINE or (
            type(result) not in plain and needs_await(result, plain)
        ):
            result = await result
        if not result:
            yield item
            break
    else:
        return
    async for item in Opened(iterator):
        yield item


@overload
def aunique(source: AnyIterable[H], /, key: None = None) -> AsyncGenerator[H, None]: ...
@overload
def aunique(
    source: AnyIterable[T], /, key: Callable[[T], Awaitable[Hashable] | Hashable]
) -> AsyncGenerator[T, None]: ...
def aunique(
    source: AnyIterable[Any], /, key: Callable[[Any], Any] | None = None
) -> AsyncGenerator[Any, None]:
    """Give each item of *source* the first time it occurs.

        source           a--b--a--c|
        aunique(source)  a--b-----c|

    The twin of `more_itertools.unique_everseen`. It remembers every different item,
    or every different key, so give an endless source a *key* with few values.

    Examples:
        >>> [letter async for letter in aunique("abac")]
        ['a', 'b', 'c']
        >>> [word async for word in aunique(["a", "A", "b"], key=str.lower)]
        ['a', 'b']

    Args:
        source: Any iterable of hashable items, sync or async. It is not closed.
        key: Takes an item and returns what is compared, which must be hashable. It is
            awaited if it can be. ``None`` takes the item itself.

    Raises:
        TypeError: If *source* is not iterable or *key* cannot be called, at the call.
            If an item or its key is not hashable, then.
    """
    if key is not None:
        check_func(key, source, usage="aunique(source, key)", name="key")
    return _unique(open_async(source), key)


async def _unique(
    iterator: AsyncIterator[T], key: Callable[[T], Any] | None
) -> AsyncGenerator[T, None]:
    seen: set[Any] = set()
    plain: set[type] = set()
    async for item in Opened(iterator):
        mark: Any = item
        if key is not None:
            mark = key(item)
            if type(mark) is COROUTINE or (
                type(mark) not in plain and needs_await(mark, plain)
            ):
                mark = await mark
        if mark not in seen:
            seen.add(mark)
            yield item


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
    """Give every *step*-th item of *source*, from *start* up to *stop*.

        source              a--b--c--d|
        aislice(source, 2)  a--(b|)

    The twin of `itertools.islice`. No item from *stop* on is read, so you can go on
    reading the source from there.

    Examples:
        >>> [letter async for letter in aislice("abcde", 2)]
        ['a', 'b']
        >>> [letter async for letter in aislice("abcde", 1, None, 2)]
        ['b', 'd']

    Args:
        source: Any iterable, sync or async. It is not closed.
        start: How many items to skip; ``None`` is 0.
        stop: The position to stop before; ``None`` is the end of the source.
        step: The distance from one item to the next; ``None`` is 1.

    Raises:
        TypeError: If *source* is not iterable, at the call.
        ValueError: If a bound is neither ``None`` nor an int from 0 (*step*: from 1),
            at the call.
    """
    if not 1 <= len(bounds) <= 3:  # noqa: PLR2004 - as slice() takes them
        raise TypeError(f"aislice() takes 1 to 3 bounds, not {len(bounds)}")
    first, last, *rest = (0, *bounds) if len(bounds) == 1 else bounds
    start = check_position(first, name="start", optional=True) or 0
    stop = check_position(last, name="stop", optional=True)
    step = rest[0] if rest else None
    step = check_position(step, name="step", least=1, optional=True)
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
    # Like its twin, it skips *start* items even if *stop* comes before them.
    end = max(start, stop)
    if not end:
        return
    here = 0
    wanted = start
    async for item in Opened(iterator):
        if here == wanted:
            yield item
            wanted += step
        here += 1
        if here == end:
            return


def atail(n: int, source: AnyIterable[T], /) -> AsyncGenerator[T, None]:
    """Give the last *n* items of *source*.

        source            a--b--c|
        atail(2, source)  -------(bc|)

    The twin of `more_itertools.tail`: when you ask for the first item, *source* is read
    to its end, and no more than *n* items are held. For one item, see `alast`.

    Examples:
        >>> [letter async for letter in atail(2, "abc")]
        ['b', 'c']

    Args:
        n: How many; if there are fewer, all of them are given.
        source: Any iterable, sync or async. It is not closed.

    Raises:
        TypeError: If *source* is not iterable or *n* is not an int, at the call.
        ValueError: If *n* is negative, at the call.
    """
    n = check_count(n, name="n", least=0)
    return _tail(n, open_async(source))


async def _tail(n: int, iterator: AsyncIterator[T]) -> AsyncGenerator[T, None]:
    last: deque[T] = deque(maxlen=n)
    async for item in Opened(iterator):
        last.append(item)
    while last:
        yield last.popleft()
