"""Operators that turn items into something else: one in, one or more out."""

from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from types import NoneType
from typing import Any, Generic, TypeVar, TypeVarTuple, overload

from aiterkit._core.call import (
    COROUTINE,
    is_async_function,
    needs_await,
    plain_type,
)
from aiterkit._core.checks import check_count, check_func, check_int
from aiterkit._core.source import (
    RESULT_RULE,
    Opened,
    as_async,
    as_iterable,
    is_async_iterable,
    open_async,
)
from aiterkit._core.types import AnyIterable
from aiterkit._sequential.lengths import check_lengths

T = TypeVar("T")
T1 = TypeVar("T1")
T2 = TypeVar("T2")
T3 = TypeVar("T3")
Ts = TypeVarTuple("Ts")
R = TypeVar("R")
K = TypeVar("K")
F = TypeVar("F")


@overload
def amap(
    func: Callable[[T], Awaitable[R]],
    source: AnyIterable[T],
    /,
    *,
    strict: bool = ...,
) -> AsyncGenerator[R, None]: ...
@overload
def amap(
    func: Callable[[T], Awaitable[R] | R],
    source: AnyIterable[T],
    /,
    *,
    strict: bool = ...,
) -> AsyncGenerator[R, None]: ...
@overload
def amap(
    func: Callable[[T1, T2], Awaitable[R]],
    source1: AnyIterable[T1],
    source2: AnyIterable[T2],
    /,
    *,
    strict: bool = ...,
) -> AsyncGenerator[R, None]: ...
@overload
def amap(
    func: Callable[[T1, T2], Awaitable[R] | R],
    source1: AnyIterable[T1],
    source2: AnyIterable[T2],
    /,
    *,
    strict: bool = ...,
) -> AsyncGenerator[R, None]: ...
@overload
def amap(
    func: Callable[[T1, T2, T3], Awaitable[R]],
    source1: AnyIterable[T1],
    source2: AnyIterable[T2],
    source3: AnyIterable[T3],
    /,
    *,
    strict: bool = ...,
) -> AsyncGenerator[R, None]: ...
@overload
def amap(
    func: Callable[[T1, T2, T3], Awaitable[R] | R],
    source1: AnyIterable[T1],
    source2: AnyIterable[T2],
    source3: AnyIterable[T3],
    /,
    *,
    strict: bool = ...,
) -> AsyncGenerator[R, None]: ...
@overload
def amap(
    func: Callable[..., Awaitable[R]],
    source1: AnyIterable[Any],
    source2: AnyIterable[Any],
    source3: AnyIterable[Any],
    source4: AnyIterable[Any],
    /,
    *more: AnyIterable[Any],
    strict: bool = ...,
) -> AsyncGenerator[R, None]: ...
@overload
def amap(
    func: Callable[..., Awaitable[R] | R],
    source1: AnyIterable[Any],
    source2: AnyIterable[Any],
    source3: AnyIterable[Any],
    source4: AnyIterable[Any],
    /,
    *more: AnyIterable[Any],
    strict: bool = ...,
) -> AsyncGenerator[R, None]: ...
def amap(
    func: Callable[..., Any],
    source: AnyIterable[Any],
    /,
    *more: AnyIterable[Any],
    strict: bool = False,
) -> AsyncGenerator[Any, None]:
    """Call *func* on each item of *source*, one at a time, in order.

        source                   a--b--c|
        amap(str.upper, source)  A--B--C|

    Equal to ``(func(item) async for item in source)``, event for event; with an
    async *func*, to ``(await func(item) async for item in source)``. Two calls
    never overlap, and the source waits while a call runs: for calls that
    overlap, see `concurrent_map`.

    With *more* sources, *func* takes one item from each, as in `map`: they are read
    one after the other, and the shortest one ends it.

    Examples:
        >>> [word async for word in amap(str.upper, ["a", "b"])]
        ['A', 'B']
        >>> [number async for number in amap(pow, [2, 3], [5, 2])]
        [32, 9]

    Args:
        func: Takes an item. What it returns is awaited if it can be.
        source: Any iterable, sync or async. It is not closed.
        *more: Further sources; *func* then takes one item from each.
        strict: Whether sources of different lengths are an error, as in `map` since
            Python 3.14.

    Raises:
        TypeError: If *func* cannot be called or a source is not iterable, at the call.
        ValueError: If *strict* and a source ends before another, when it does.
    """
    check_func(func, source, usage="amap(func, source)")
    if more:
        iterators = [open_async(each) for each in (source, *more)]
        return _map_strict(iterators, func) if strict else _map(iterators, func)
    if is_async_function(func) and is_async_iterable(source):
        return (
            await func(item)  # type: ignore[await-not-async]  # see needs_await
            async for item in source
        )
    plain: set[type] = set()
    usual: type | None = NoneType
    if is_async_iterable(source):
        return (
            await result  # type: ignore[await-not-async]  # see needs_await
            if type(result) is not usual
            and type(result) not in plain
            and (
                type(result) is COROUTINE
                or (usual := plain_type(result, plain)) is None
            )
            else result
            async for item in source
            for result in (func(item),)
        )
    return (
        await result  # type: ignore[await-not-async]  # see needs_await
        if type(result) is not usual
        and type(result) not in plain
        and (type(result) is COROUTINE or (usual := plain_type(result, plain)) is None)
        else result
        for item in as_iterable(source)
        for result in (func(item),)
    )


async def _map(
    iterators: list[AsyncIterator[Any]], func: Callable[..., Any]
) -> AsyncGenerator[Any, None]:
    plain: set[type] = set()
    while True:
        try:
            items = [await anext(iterator) for iterator in iterators]
        except StopAsyncIteration:
            return
        result = func(*items)
        if type(result) is COROUTINE or (
            type(result) not in plain and needs_await(result, plain)
        ):
            result = await result
        yield result


async def _map_strict(
    iterators: list[AsyncIterator[Any]], func: Callable[..., Any]
) -> AsyncGenerator[Any, None]:
    plain: set[type] = set()
    while True:
        row: list[Any] = []
        for iterator in iterators:
            try:
                row.append(await anext(iterator))
            except StopAsyncIteration:
                await check_lengths(iterators, len(row), operator="amap")
                return
        result = func(*row)
        if type(result) is COROUTINE or (
            type(result) not in plain and needs_await(result, plain)
        ):
            result = await result
        yield result


@overload
def astarmap(
    func: Callable[[*Ts], Awaitable[R]],
    source: AnyIterable[tuple[*Ts]],
    /,
) -> AsyncGenerator[R, None]: ...
@overload
def astarmap(
    func: Callable[[*Ts], Awaitable[R] | R],
    source: AnyIterable[tuple[*Ts]],
    /,
) -> AsyncGenerator[R, None]: ...
def astarmap(
    func: Callable[..., Any], source: AnyIterable[tuple[Any, ...]], /
) -> AsyncGenerator[Any, None]:
    """Call *func* with each item of *source* as its arguments, as `itertools.starmap`.

    Equal to ``(func(*item) async for item in source)``, event for event; with an
    async *func*, to ``(await func(*item) async for item in source)``.

    Examples:
        >>> [number async for number in astarmap(pow, [(2, 5), (3, 2)])]
        [32, 9]

    Args:
        func: Takes the parts of an item as its arguments. What it returns is awaited
            if it can be.
        source: Any iterable of tuples, sync or async. It is not closed.

    Raises:
        TypeError: If *func* cannot be called or *source* is not iterable, at the call.
    """
    check_func(func, source, usage="astarmap(func, source)")
    if is_async_function(func):
        return (
            await func(*item)  # type: ignore[await-not-async]  # see needs_await
            async for item in as_async(source)
        )
    plain: set[type] = set()
    return (
        await result  # type: ignore[await-not-async]  # see needs_await
        if type(result) is COROUTINE
        or (type(result) not in plain and needs_await(result, plain))
        else result
        async for item in as_async(source)
        for result in (func(*item),)
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
        TypeError: If *source* is not iterable or *start* is not an int, at the call.
    """
    number = check_int(start, name="start") - 1
    return ((number := number + 1, item) async for item in as_async(source))


@overload
def aaccumulate(
    source: AnyIterable[T], /, func: None = None, *, initial: T | None = None
) -> AsyncGenerator[T, None]: ...
@overload
def aaccumulate(
    source: AnyIterable[T],
    /,
    func: Callable[[T, T], Awaitable[T] | T],
    *,
    initial: None = None,
) -> AsyncGenerator[T, None]: ...
@overload
def aaccumulate(
    source: AnyIterable[T],
    /,
    func: Callable[[R, T], Awaitable[R] | R],
    *,
    initial: R,
) -> AsyncGenerator[R, None]: ...
def aaccumulate(
    source: AnyIterable[Any],
    /,
    func: Callable[[Any, Any], Any] | None = None,
    *,
    initial: Any = None,
) -> AsyncGenerator[Any, None]:
    """Give the running result of *func* over the items, like `itertools.accumulate`.

    Examples:
        >>> [total async for total in aaccumulate([1, 2, 3])]
        [1, 3, 6]
        >>> [top async for top in aaccumulate([3, 1, 4], max, initial=2)]
        [2, 3, 3, 4]

    Args:
        source: Any iterable, sync or async. It is not closed.
        func: Takes the result so far and an item. What it returns is awaited if it
            can be. ``None`` adds them.
        initial: The first result. If it is ``None``, the first item is.

    Raises:
        TypeError: If *source* is not iterable or *func* cannot be called, at the call.
    """
    if func is None:
        return _add_up(open_async(source), initial)
    check_func(func, source, usage="aaccumulate(source, func)")
    return _accumulate(open_async(source), func, initial)


async def _add_up(
    iterator: AsyncIterator[Any], total: Any
) -> AsyncGenerator[Any, None]:
    if total is None:
        try:
            total = await anext(iterator)
        except StopAsyncIteration:
            return
    yield total
    async for item in Opened(iterator):
        total = total + item
        yield total


async def _accumulate(
    iterator: AsyncIterator[Any], func: Callable[[Any, Any], Any], total: Any
) -> AsyncGenerator[Any, None]:
    plain: set[type] = set()
    if total is None:
        try:
            total = await anext(iterator)
        except StopAsyncIteration:
            return
    yield total
    async for item in Opened(iterator):
        total = func(total, item)
        if type(total) is COROUTINE or (
            type(total) not in plain and needs_await(total, plain)
        ):
            total = await total
        yield total


def apairwise(source: AnyIterable[T], /) -> AsyncGenerator[tuple[T, T], None]:
    """Give each item of *source* together with the next, as `itertools.pairwise` does.

    Examples:
        >>> [pair async for pair in apairwise("abc")]
        [('a', 'b'), ('b', 'c')]

    Args:
        source: Any iterable, sync or async. It is not closed.

    Raises:
        TypeError: If *source* is not iterable, at the call.
    """
    return _pairwise(open_async(source))


async def _pairwise(iterator: AsyncIterator[T]) -> AsyncGenerator[tuple[T, T], None]:
    try:
        before = await anext(iterator)
    except StopAsyncIteration:
        return
    async for item in Opened(iterator):
        pair = (before, item)
        before = item
        yield pair


def abatched(
    source: AnyIterable[T], /, n: int, *, strict: bool = False
) -> AsyncGenerator[tuple[T, ...], None]:
    """Give the items of *source* in tuples of *n*, as `itertools.batched` does.

    The last tuple may be shorter. To limit also how long a batch may take, see
    `concurrent_batched`.

    Examples:
        >>> [batch async for batch in abatched("abcde", 2)]
        [('a', 'b'), ('c', 'd'), ('e',)]

    Args:
        source: Any iterable, sync or async. It is not closed.
        n: How many items each tuple has.
        strict: Whether a shorter last tuple is an error.

    Raises:
        TypeError: If *source* is not iterable or *n* is not an int, at the call.
        ValueError: If *n* is less than 1, at the call. If *strict* and the last tuple
            is shorter, when *source* has ended.
    """
    n = check_count(n, name="n", least=1)
    return _batched(open_async(source), n, strict)


async def _batched(
    iterator: AsyncIterator[T],
    n: int,
    strict: bool,  # noqa: FBT001 - an option no longer, here
) -> AsyncGenerator[tuple[T, ...], None]:
    batch: list[T] = []
    async for item in Opened(iterator):
        batch.append(item)
        if len(batch) == n:
            full = tuple(batch)
            batch.clear()
            yield full
    if batch:
        if strict:
            raise ValueError(f"abatched(): incomplete batch of {len(batch)}, not {n}")
        yield tuple(batch)


@overload
def awindowed(
    source: AnyIterable[T], /, n: int, *, step: int = 1
) -> AsyncGenerator[tuple[T | None, ...], None]: ...
@overload
def awindowed(
    source: AnyIterable[T], /, n: int, fillvalue: F, step: int = 1
) -> AsyncGenerator[tuple[T | F, ...], None]: ...
def awindowed(
    source: AnyIterable[Any], /, n: int, fillvalue: Any = None, step: int = 1
) -> AsyncGenerator[tuple[Any, ...], None]:
    """Give a window of *n* items that moves over *source* by *step*.

    The twin of `more_itertools.windowed`: where the last window lacks items, it is
    filled up with *fillvalue*.

    Examples:
        >>> [window async for window in awindowed("abcd", 3)]
        [('a', 'b', 'c'), ('b', 'c', 'd')]
        >>> [window async for window in awindowed("abcd", 3, "-", step=2)]
        [('a', 'b', 'c'), ('c', 'd', '-')]

    Args:
        source: Any iterable, sync or async. It is not closed.
        n: How many items a window has.
        fillvalue: What takes the place of a missing item.
        step: How many items the window moves at a time.

    Raises:
        TypeError: If *source* is not iterable, or *n* or *step* is not an int, at the
            call.
        ValueError: If *n* or *step* is less than 1, at the call.
    """
    n = check_count(n, name="n", least=1)
    step = check_count(step, name="step", least=1)
    return _windowed(open_async(source), n, fillvalue, step)


async def _windowed(
    iterator: AsyncIterator[Any], n: int, fillvalue: Any, step: int
) -> AsyncGenerator[tuple[Any, ...], None]:
    window: deque[Any] = deque(maxlen=n)
    wanted = n
    async for item in Opened(iterator):
        window.append(item)
        wanted -= 1
        if not wanted:
            yield tuple(window)
            wanted = step
    # A window that has no new item is not given: not the first one of an empty
    # source, nor the next one if *source* ended among the items that *step* skips.
    if window and wanted < (n if len(window) < n else min(n, step)):
        window.extend([fillvalue] * wanted)
        yield tuple(window)


@overload
def agroupby(
    source: AnyIterable[T], /, key: None = None
) -> AsyncGenerator[tuple[T, AsyncGenerator[T, None]], None]: ...
@overload
def agroupby(
    source: AnyIterable[T], /, key: Callable[[T], Awaitable[K]]
) -> AsyncGenerator[tuple[K, AsyncGenerator[T, None]], None]: ...
@overload
def agroupby(
    source: AnyIterable[T], /, key: Callable[[T], Awaitable[K] | K]
) -> AsyncGenerator[tuple[K, AsyncGenerator[T, None]], None]: ...
def agroupby(
    source: AnyIterable[Any], /, key: Callable[[Any], Any] | None = None
) -> AsyncGenerator[tuple[Any, AsyncGenerator[Any, None]], None]:
    """Give each run of items with equal keys: the key, and a generator of the items.

    The twin of `itertools.groupby`, with its rules: the groups share the source, so
    moving on to the next group ends the previous one.

    Examples:
        >>> async for size, words in agroupby(["ab", "cd", "e"], key=len):
        ...     print(size, await acollect(words))
        2 ['ab', 'cd']
        1 ['e']

    Args:
        source: Any iterable, sync or async. It is not closed.
        key: Takes an item. What it returns is awaited if it can be. ``None`` takes
            the item itself.

    Raises:
        TypeError: If *source* is not iterable or *key* cannot be called, at the call.
    """
    if key is not None:
        check_func(key, source, usage="agroupby(source, key)", name="key")
    return _Groups(open_async(source), key).groups()


class _Groups(Generic[T]):
    """The state that all groups of a source share: how far it has been read."""

    def __init__(
        self, iterator: AsyncIterator[T], key: Callable[[T], Any] | None
    ) -> None:
        self._iterator = iterator
        self._key = key
        self._plain: set[type] = set()
        self._item: list[T] = []  # the item that was read and not yet given, if any
        self._item_key: Any = None  # of the item that was read last
        self._ended = False  # once the source has ended
        self._group: object = None  # identifies the only group that may read

    async def _step(self) -> bool:
        """Read an item; return whether there was one."""
        if self._ended:
            return False
        try:
            item = await anext(self._iterator)
        except StopAsyncIteration:
            self._ended = True
            return False
        key: Any = item
        if self._key is not None:
            key = self._key(item)
            if type(key) is COROUTINE or (
                type(key) not in self._plain and needs_await(key, self._plain)
            ):
                key = await key
        self._item_key = key
        self._item = [item]
        return True

    async def groups(self) -> AsyncGenerator[tuple[Any, AsyncGenerator[T, None]], None]:
        if not await self._step():
            return
        while True:
            key = self._item_key
            self._group = token = object()
            yield key, self._items(key, token)
            self._group = None
            # Items that the group has given are compared already.
            while not self._item or _same(key, self._item_key):
                if not await self._step():
                    return

    async def _items(self, key: Any, token: object) -> AsyncGenerator[T, None]:
        while self._group is token:
            if not (self._item or await self._step()):
                return
            if not _same(key, self._item_key):
                return
            yield self._item.pop()


def _same(key: object, other: object) -> bool:
    """Compare as containers do, so that a NaN equals itself."""
    return key is other or bool(key == other)


@overload
def aflat_map(
    func: Callable[[T], Awaitable[AnyIterable[R]]], source: AnyIterable[T], /
) -> AsyncGenerator[R, None]: ...
@overload
def aflat_map(
    func: Callable[[T], AnyIterable[R]], source: AnyIterable[T], /
) -> AsyncGenerator[R, None]: ...
def aflat_map(
    func: Callable[[Any], Any], source: AnyIterable[Any], /
) -> AsyncGenerator[Any, None]:
    """Give the items of the sources that *func* returns, one source after another.

    Equal to ``(y async for x in source async for y in func(x))``, event for event.
    For inner sources that are read together, see `concurrent_flat_map`.

    Examples:
        >>> [letter async for letter in aflat_map(str.upper, ["ab", "c"])]
        ['A', 'B', 'C']

    Args:
        func: Takes an item and returns an iterable, sync or async, or an awaitable
            of one.
        source: Any iterable, sync or async. It is not closed, nor are the inner ones.

    Raises:
        TypeError: If *func* cannot be called or *source* is not iterable, at the call.
            If *func* returns something that is not iterable, then.
    """
    check_func(func, source, usage="aflat_map(func, source)")
    plain: set[type] = set()
    return (
        item
        async for outer in as_async(source)
        for result in (func(outer),)
        async for item in as_async(
            await result  # type: ignore[await-not-async]  # see needs_await
            if not is_async_iterable(result) and needs_await(result, plain)
            else result,
            RESULT_RULE,
        )
    )


def aflatten(source: AnyIterable[AnyIterable[T]], /) -> AsyncGenerator[T, None]:
    """Give the items of each source in *source*, one source after another.

    Equal to ``(y async for x in source async for y in x)``, event for event; the
    twin of `itertools.chain.from_iterable`.

    Examples:
        >>> [letter async for letter in aflatten(["ab", "c"])]
        ['a', 'b', 'c']

    Args:
        source: Any iterable of iterables; each of them may be sync or async. It is
            not closed, nor are the inner ones.

    Raises:
        TypeError: If *source* is not iterable, at the call. If one of its items is not
            iterable, then.
    """
    return (
        item
        async for inner in as_async(source)
        async for item in as_async(
            inner, "each item of source must be an iterable, sync or async"
        )
    )
