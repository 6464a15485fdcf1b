"""Coroutine functions that read a source and return one thing.

They open the source when they run, as a comprehension in a coroutine does.
"""

import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from heapq import heapify, heapreplace
from math import isfinite
from operator import gt, lt
from struct import calcsize
from typing import Any, Literal, Protocol, TypeGuard, TypeVar, overload

from aiterkit._core.call import COROUTINE, needs_await
from aiterkit._core.checks import (
    check_callable,
    check_func,
    check_int,
    check_position,
)
from aiterkit._core.source import Opened, as_async, open_async
from aiterkit._core.types import AnyIterable, TypeIs
from aiterkit._sequential.ordering import Comparable, Reversed

S = TypeVar("S")
T = TypeVar("T")
R = TypeVar("R")
D = TypeVar("D")
K = TypeVar("K")
V = TypeVar("V")


class Addable(Protocol):
    """What `sum` can add, to something of its kind."""

    def __add__(self, other: Any, /) -> Any: ...


class AddableToZero(Addable, Protocol):
    """What `sum` can add, to 0 at first."""

    def __radd__(self, other: Any, /) -> Any: ...


C = TypeVar("C", bound=Comparable)

_MISSING: Any = object()


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
    ``into(...)`` of it.

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
        TypeError: If *source* is not iterable or *into* cannot be called.
    """
    check_callable(into, name="into")
    items = [item async for item in as_async(source)]
    if into is list:
        return items
    result = into(items)
    return await result if needs_await(result, set()) else result


@overload
async def areduce(
    func: Callable[[T, T], Awaitable[T] | T], source: AnyIterable[T], /
) -> T: ...
@overload
async def areduce(
    func: Callable[[R, T], Awaitable[R] | R], source: AnyIterable[T], /, initial: R
) -> R: ...
async def areduce(
    func: Callable[[Any, Any], Any],
    source: AnyIterable[Any],
    /,
    initial: Any = _MISSING,
) -> Any:
    """Return what *func* makes of all items, two at a time, as `functools.reduce` does.

    Examples:
        >>> await areduce(max, [3, 1, 4])
        4
        >>> await areduce(pow, [2, 3], 2)
        64

    Args:
        func: Takes the result so far and an item. What it returns is awaited if it
            can be.
        source: Any iterable, sync or async. It is not closed.
        initial: The first result; without it, the first item is.

    Raises:
        TypeError: If *func* cannot be called, *source* is not iterable, or it is empty
            and there is no *initial*.
    """
    check_func(func, source, usage="areduce(func, source)")
    iterator = open_async(source)
    plain: set[type] = set()
    total = initial
    if total is _MISSING:
        total = await anext(iterator, _MISSING)
        if total is _MISSING:
            raise TypeError("areduce() of an empty source needs an initial value")
    async for item in Opened(iterator):
        total = func(total, item)
        if type(total) is COROUTINE or (
            type(total) not in plain and needs_await(total, plain)
        ):
            total = await total
    return total


A0 = TypeVar("A0", bound=AddableToZero)
A = TypeVar("A", bound=Addable)
A2 = TypeVar("A2", bound=Addable)


@overload
async def asum(source: AnyIterable[bool], /, start: int = 0) -> int: ...
@overload
async def asum(source: AnyIterable[A0], /) -> A0 | Literal[0]: ...
@overload
async def asum(source: AnyIterable[A], /, start: A2) -> A | A2: ...
async def asum(source: AnyIterable[Any], /, start: Any = 0) -> Any:
    """Return the sum of *start* and the items, as `sum` does.

    Examples:
        >>> await asum([1, 2, 3])
        6

    Args:
        source: Any iterable, sync or async. It is not closed.
        start: What the items are added to.

    Raises:
        TypeError: If *source* is not iterable, or *start* is a string or bytes.
    """
    if isinstance(start, str | bytes | bytearray):
        raise TypeError(f"asum() can't sum {type(start).__name__}; join() them instead")
    iterator = open_async(source)
    total, ended = start, False
    if _COMPENSATES:
        if type(total) is int:
            total, ended = await _add_ints(iterator, total)
        if type(total) is float and not ended:
            total, ended = await _add_floats(iterator, total)
        if _COMPENSATES_ALL and not ended:  # pragma: no cover - 3.14
            total, ended = await _add_complexes(iterator, total)
    if not ended:
        async for item in Opened(iterator):
            total = total + item
    return total


# Since Python 3.12 sum() makes up for what rounding loses in a run of floats: the one
# after leading integers that fit into C's long, which has 32 bits on Windows.
_COMPENSATES = sys.version_info >= (3, 12)

# Since Python 3.14 it does so for complex numbers too, and for integers among them.
_COMPENSATES_ALL = sys.version_info >= (3, 14)

_LONG = 2 ** (8 * calcsize("l") - 1)


async def _add_ints(iterator: AsyncIterator[Any], total: Any) -> tuple[Any, bool]:
    """Add up the leading integers and one more item; return whether that was all."""
    async for item in Opened(iterator):
        total = total + item
        if not (
            (type(item) is int or type(item) is bool)
            and -_LONG <= item < _LONG
            and -_LONG <= total < _LONG
        ):
            return total, False
    return total, True


async def _add_floats(iterator: AsyncIterator[Any], total: float) -> tuple[Any, bool]:
    """Add up the leading floats and one more item; return whether that was all."""
    lost = 0.0
    async for item in Opened(iterator):
        if type(item) is float:
            total, lost = _plus(total, lost, item)
        elif _COMPENSATES_ALL and isinstance(item, int):  # pragma: no cover - 3.14
            total, lost = _plus(total, lost, int.__float__(item))
        elif isinstance(item, int) and -_LONG <= item < _LONG:
            total += float(item)
        else:
            return _with(total, lost) + item, False
    return _with(total, lost), True


async def _add_complexes(  # pragma: no cover - 3.14
    iterator: AsyncIterator[Any], total: Any
) -> tuple[Any, bool]:
    """Add up the leading complex numbers, if there are any, and one more item."""
    if type(total) is not complex:
        return total, False
    real, imag, lost_real, lost_imag = total.real, total.imag, 0.0, 0.0
    async for item in Opened(iterator):
        if type(item) is complex:
            real, lost_real = _plus(real, lost_real, item.real)
            imag, lost_imag = _plus(imag, lost_imag, item.imag)
        elif isinstance(item, int):
            real, lost_real = _plus(real, lost_real, int.__float__(item))
        elif isinstance(item, float):
            real, lost_real = _plus(real, lost_real, float.__float__(item))
        else:
            return complex(_with(real, lost_real), _with(imag, lost_imag)) + item, False
    return complex(_with(real, lost_real), _with(imag, lost_imag)), True


def _plus(total: float, lost: float, item: float) -> tuple[float, float]:
    """Add *item* to *total*, and to *lost* what that loses by rounding."""
    rounded = total + item
    if abs(total) >= abs(item):
        return rounded, lost + ((total - rounded) + item)
    return rounded, lost + ((item - rounded) + total)


def _with(total: float, lost: float) -> float:
    """Return *total* with what was *lost*, unless that would add a NaN or a sign."""
    return total + lost if lost and isfinite(lost) else total


async def _extreme(
    source: AnyIterable[Any],
    better: Callable[[Any, Any], object],
    key: Callable[[Any], Any] | None,
    default: Any,
    name: str,
) -> Any:
    if key is not None:
        check_func(key, source, usage=f"{name}(source, key=key)", name="key")
    plain: set[type] = set()
    best = best_mark = _MISSING
    async for item in as_async(source):
        mark = item
        if key is not None:
            mark = key(item)
            if type(mark) is COROUTINE or (
                type(mark) not in plain and needs_await(mark, plain)
            ):
                mark = await mark
        if best_mark is _MISSING or better(mark, best_mark):
            best, best_mark = item, mark
    if best_mark is not _MISSING:
        return best
    if default is _MISSING:
        raise ValueError(f"{name}() of an empty source needs a default")
    return default


@overload
async def amin(source: AnyIterable[C], /, *, key: None = None) -> C: ...
@overload
async def amin(
    source: AnyIterable[T], /, *, key: Callable[[T], Awaitable[Comparable] | Comparable]
) -> T: ...
@overload
async def amin(source: AnyIterable[C], /, *, key: None = None, default: D) -> C | D: ...
@overload
async def amin(
    source: AnyIterable[T],
    /,
    *,
    key: Callable[[T], Awaitable[Comparable] | Comparable],
    default: D,
) -> T | D: ...
async def amin(
    source: AnyIterable[Any],
    /,
    *,
    key: Callable[[Any], Any] | None = None,
    default: Any = _MISSING,
) -> Any:
    """Return the smallest item of *source*, the first of equal ones, as `min` does.

    Examples:
        >>> await amin([3, 1, 2])
        1
        >>> await amin(["bb", "a"], key=len)
        'a'

    Args:
        source: Any iterable, sync or async. It is not closed.
        key: Takes an item and returns what is compared. It is awaited if it can be.
            ``None`` takes the item itself.
        default: What to return if there is no item.

    Raises:
        TypeError: If *source* is not iterable or *key* cannot be called.
        ValueError: If there is no item and no *default*.
    """
    return await _extreme(source, lt, key, default, "amin")


@overload
async def amax(source: AnyIterable[C], /, *, key: None = None) -> C: ...
@overload
async def amax(
    source: AnyIterable[T], /, *, key: Callable[[T], Awaitable[Comparable] | Comparable]
) -> T: ...
@overload
async def amax(source: AnyIterable[C], /, *, key: None = None, default: D) -> C | D: ...
@overload
async def amax(
    source: AnyIterable[T],
    /,
    *,
    key: Callable[[T], Awaitable[Comparable] | Comparable],
    default: D,
) -> T | D: ...
async def amax(
    source: AnyIterable[Any],
    /,
    *,
    key: Callable[[Any], Any] | None = None,
    default: Any = _MISSING,
) -> Any:
    """Return the largest item of *source*, the first of equal ones, as `max` does.

    Examples:
        >>> await amax([3, 1, 2])
        3
        >>> await amax([], default=0)
        0

    Args:
        source: Any iterable, sync or async. It is not closed.
        key: Takes an item and returns what is compared. It is awaited if it can be.
            ``None`` takes the item itself.
        default: What to return if there is no item.

    Raises:
        TypeError: If *source* is not iterable or *key* cannot be called.
        ValueError: If there is no item and no *default*.
    """
    return await _extreme(source, gt, key, default, "amax")


async def aall(source: AnyIterable[object], /) -> bool:
    """Return whether all items of *source* are true, as `all` does.

    It stops reading at the first one that is not.

    Examples:
        >>> await aall([1, 0, 2])
        False

    Args:
        source: Any iterable, sync or async. It is not closed.

    Raises:
        TypeError: If *source* is not iterable.
    """
    async for item in as_async(source):
        if not item:
            return False
    return True


async def aany(source: AnyIterable[object], /) -> bool:
    """Return whether any item of *source* is true, as `any` does.

    It stops reading at the first one that is.

    Examples:
        >>> await aany([0, 1, 2])
        True

    Args:
        source: Any iterable, sync or async. It is not closed.

    Raises:
        TypeError: If *source* is not iterable.
    """
    async for item in as_async(source):
        if item:
            return True
    return False


@overload
async def asorted(
    source: AnyIterable[C], /, *, key: None = None, reverse: bool = ...
) -> list[C]: ...
@overload
async def asorted(
    source: AnyIterable[T],
    /,
    *,
    key: Callable[[T], Awaitable[Comparable] | Comparable],
    reverse: bool = ...,
) -> list[T]: ...
async def asorted(
    source: AnyIterable[Any],
    /,
    *,
    key: Callable[[Any], Any] | None = None,
    reverse: bool = False,
) -> list[Any]:
    """Return the items of *source* as a sorted list, as `sorted` does.

    Examples:
        >>> await asorted([3, 1, 2])
        [1, 2, 3]
        >>> await asorted(["bb", "a"], key=len, reverse=True)
        ['bb', 'a']

    Args:
        source: Any iterable, sync or async. It is not closed.
        key: Takes an item and returns what is compared. It is awaited if it can be.
            ``None`` takes the item itself.
        reverse: Whether the largest comes first.

    Raises:
        TypeError: If *source* is not iterable or *key* cannot be called.
    """
    if key is not None:
        check_func(key, source, usage="asorted(source, key=key)", name="key")
    items = [item async for item in as_async(source)]
    if key is None:
        items.sort(reverse=reverse)
        return items
    plain: set[type] = set()
    marks: list[Any] = []
    for item in items:
        mark = key(item)
        if type(mark) is COROUTINE or (
            type(mark) not in plain and needs_await(mark, plain)
        ):
            mark = await mark
        marks.append(mark)
    places = sorted(range(len(items)), key=marks.__getitem__, reverse=reverse)
    return [items[place] for place in places]


@overload
async def anlargest(n: int, source: AnyIterable[C], /, key: None = None) -> list[C]: ...
@overload
async def anlargest(
    n: int,
    source: AnyIterable[T],
    /,
    key: Callable[[T], Awaitable[Comparable] | Comparable],
) -> list[T]: ...
async def anlargest(
    n: int, source: AnyIterable[Any], /, key: Callable[[Any], Any] | None = None
) -> list[Any]:
    """Return the *n* largest items of *source*, the largest first.

    The twin of `heapq.nlargest`: what it returns is the beginning of
    ``asorted(source, key=key, reverse=True)``, but it holds no more than *n* items.

    Examples:
        >>> await anlargest(2, [3, 1, 4, 2])
        [4, 3]
        >>> await anlargest(1, ["bb", "a", "cc"], key=len)
        ['bb']

    Args:
        n: How many; if there are fewer, all of them are returned.
        source: Any iterable, sync or async. It is not closed. If *n* is 0 or less, it
            is not read.
        key: Takes an item and returns what is compared. It is awaited if it can be.
            ``None`` takes the item itself.

    Raises:
        TypeError: If *source* is not iterable, *n* is not an int or *key* cannot be
            called.
    """
    return await _best(n, source, key, "anlargest")


@overload
async def ansmallest(
    n: int, source: AnyIterable[C], /, key: None = None
) -> list[C]: ...
@overload
async def ansmallest(
    n: int,
    source: AnyIterable[T],
    /,
    key: Callable[[T], Awaitable[Comparable] | Comparable],
) -> list[T]: ...
async def ansmallest(
    n: int, source: AnyIterable[Any], /, key: Callable[[Any], Any] | None = None
) -> list[Any]:
    """Return the *n* smallest items of *source*, the smallest first.

    The twin of `heapq.nsmallest`: what it returns is the beginning of
    ``asorted(source, key=key)``, but it holds no more than *n* items.

    Examples:
        >>> await ansmallest(2, [3, 1, 4, 2])
        [1, 2]
        >>> await ansmallest(1, ["bb", "a", "cc"], key=len)
        ['a']

    Args:
        n: How many; if there are fewer, all of them are returned.
        source: Any iterable, sync or async. It is not closed. If *n* is 0 or less, it
            is not read.
        key: Takes an item and returns what is compared. It is awaited if it can be.
            ``None`` takes the item itself.

    Raises:
        TypeError: If *source* is not iterable, *n* is not an int or *key* cannot be
            called.
    """
    return await _best(n, source, key, "ansmallest")


async def _best(
    n: int, source: AnyIterable[Any], key: Callable[[Any], Any] | None, operator: str
) -> list[Any]:
    n = check_int(n, name="n")
    if key is not None:
        check_func(key, source, usage=f"{operator}(n, source, key)", name="key")
    iterator = open_async(source)
    if n < 1:
        return []
    smallest = operator == "ansmallest"
    plain: set[type] = set()
    # The one to drop next comes first. Of equal ones, it is the one that came last.
    heap: list[tuple[Any, int, Any]] = []
    order = 0
    async for item in Opened(iterator):
        mark = item
        if key is not None:
            mark = key(item)
            if type(mark) is COROUTINE or (
                type(mark) not in plain and needs_await(mark, plain)
            ):
                mark = await mark
        if smallest:
            mark = Reversed(mark)
        if order > -n:
            heap.append((mark, order, item))
            order -= 1
            if order == -n:
                heapify(heap)
        elif heap[0][0] < mark:
            heapreplace(heap, (mark, order, item))
            order -= 1
    heap.sort(reverse=True)
    return [item for _, _, item in heap]


@overload
async def afirst(source: AnyIterable[T], /) -> T: ...
@overload
async def afirst(source: AnyIterable[T], /, default: D) -> T | D: ...
async def afirst(source: AnyIterable[Any], /, default: Any = _MISSING) -> Any:
    """Return the first item of *source*, as `more_itertools.first` does.

    It reads no further item.

    Examples:
        >>> await afirst("abc")
        'a'

    Args:
        source: Any iterable, sync or async. It is not closed.
        default: What to return if there is no item.

    Raises:
        TypeError: If *source* is not iterable.
        ValueError: If there is no item and no *default*.
    """
    async for item in as_async(source):
        return item
    if default is _MISSING:
        raise ValueError("afirst() of an empty source needs a default")
    return default


@overload
async def alast(source: AnyIterable[T], /) -> T: ...
@overload
async def alast(source: AnyIterable[T], /, default: D) -> T | D: ...
async def alast(source: AnyIterable[Any], /, default: Any = _MISSING) -> Any:
    """Return the last item of *source*, as `more_itertools.last` does.

    Examples:
        >>> await alast("abc")
        'c'

    Args:
        source: Any iterable, sync or async. It is not closed.
        default: What to return if there is no item.

    Raises:
        TypeError: If *source* is not iterable.
        ValueError: If there is no item and no *default*.
    """
    found = default
    async for item in as_async(source):
        found = item
    if found is _MISSING:
        raise ValueError("alast() of an empty source needs a default")
    return found


@overload
async def anth(source: AnyIterable[T], /, n: int, default: None = None) -> T | None: ...
@overload
async def anth(source: AnyIterable[T], /, n: int, default: D) -> T | D: ...
async def anth(source: AnyIterable[Any], /, n: int, default: Any = None) -> Any:
    """Return item *n* of *source*, counted from 0, as `more_itertools.nth` does.

    It reads no further item.

    Examples:
        >>> await anth("abc", 1)
        'b'

    Args:
        source: Any iterable, sync or async. It is not closed.
        n: Which item, from 0.
        default: What to return if there are not that many items.

    Raises:
        TypeError: If *source* is not iterable.
        ValueError: If *n* is not an int from 0.
    """
    left = check_position(n, name="n")
    async for item in as_async(source):
        if not left:
            return item
        left -= 1
    return default


@overload
async def afind(
    predicate: None, source: AnyIterable[T | None], /, default: None = None
) -> T | None: ...
@overload
async def afind(
    predicate: None, source: AnyIterable[T | None], /, default: D
) -> T | D: ...
@overload
async def afind(
    predicate: Callable[[S], TypeGuard[T]], source: AnyIterable[S], /
) -> T | None: ...
@overload
async def afind(
    predicate: Callable[[S], TypeGuard[T]], source: AnyIterable[S], /, default: D
) -> T | D: ...
@overload
async def afind(
    predicate: Callable[[S], TypeIs[T]], source: AnyIterable[S], /
) -> T | None: ...
@overload
async def afind(
    predicate: Callable[[S], TypeIs[T]], source: AnyIterable[S], /, default: D
) -> T | D: ...
@overload
async def afind(
    predicate: Callable[[T], object], source: AnyIterable[T], /, default: None = None
) -> T | None: ...
@overload
async def afind(
    predicate: Callable[[T], object], source: AnyIterable[T], /, default: D
) -> T | D: ...
async def afind(
    predicate: Callable[[Any], Any] | None,
    source: AnyIterable[Any],
    /,
    default: Any = None,
) -> Any:
    """Return the first item of *source* for which *predicate* is true.

    The twin of `more_itertools.first_true`, with the arguments of `afilter`. It
    reads no further than the item that it returns.

    Examples:
        >>> await afind(str.isdigit, ["a", "1", "2"])
        '1'

    Args:
        predicate: Takes an item; its result is awaited if it can be, and tested
            for truth once. ``None`` tests the item itself.
        source: Any iterable, sync or async. It is not closed.
        default: What to return if there is none.

    Raises:
        TypeError: If *predicate* cannot be called or *source* is not iterable.
    """
    if predicate is not None:
        check_func(
            predicate, source, usage="afind(predicate, source)", name="predicate"
        )
    plain: set[type] = set()
    async for item in as_async(source):
        result = item
        if predicate is not None:
            result = predicate(item)
            if type(result) is COROUTINE or (
                type(result) not in plain and needs_await(result, plain)
            ):
                result = await result
        if result:
            return item
    return default


async def alen(source: AnyIterable[object], /) -> int:
    """Return how many items *source* gives, as `more_itertools.ilen` does.

    Examples:
        >>> await alen("abc")
        3

    Args:
        source: Any iterable, sync or async. It is not closed.

    Raises:
        TypeError: If *source* is not iterable.
    """
    count = 0
    async for _ in as_async(source):
        count += 1
    return count
