"""A function over the items of a source, several calls at once."""

from collections.abc import Awaitable, Callable, Hashable
from typing import Any, ClassVar, TypeVar

from anyio import CapacityLimiter

from aiterkit._concurrent.map.scope import WorkerPool, checked, checked_keys
from aiterkit._concurrent.map.state import (
    CallQueue,
    CollectedCalls,
    OrderedCalls,
    UnorderedCalls,
)
from aiterkit._concurrent.map.statistics import MapStatistics
from aiterkit._core.checks import check_func
from aiterkit._core.source import open_source
from aiterkit._core.types import AnyIterable
from aiterkit._runtime.results import Results, UnorderedResults
from aiterkit._runtime.scope import ConcurrentOperator

T = TypeVar("T")
R = TypeVar("R")


def _check(
    func: object,
    source: object,
    limit: int | CapacityLimiter,
    buffer: int | None,
    *,
    name: str,
) -> tuple[int | CapacityLimiter, float]:
    """Check all arguments but the source; return what `checked` does."""
    check_func(func, source, usage=f"{name}(func, source, limit=10)")
    return checked(limit, buffer)


async def _run(pool: WorkerPool[Any, Any]) -> None:
    """Run *pool* to the end of its source, or to the first failure."""
    async with pool:
        async for _ in Results(pool):
            pass  # pragma: no cover - it gives no results, and at most one error


class _Map(ConcurrentOperator[WorkerPool[Any, R]]):
    """What the two maps have in common."""

    _make_calls_state: ClassVar[type[CallQueue[Any, Any]]]

    def __init__(
        self,
        func: Callable[[T], Awaitable[R]],
        source: AnyIterable[T],
        /,
        *,
        limit: int | CapacityLimiter,
        buffer: int | None = None,
        key: Callable[[T], Hashable] | None = None,
        per_key: int = 1,
    ) -> None:
        name = type(self).__name__
        limit, window = _check(func, source, limit, buffer, name=name)
        calls: CallQueue[T, R] = self._make_calls_state(window)
        self._scope = WorkerPool(
            func,
            open_source(source),
            calls,
            limit=limit,
            buffer=buffer,
            keys=checked_keys(key, per_key),
            name=name,
        )


class MapResults(Results[R]):
    """Results of a map in input order, with statistics of the map.

    `concurrent_map` and `concurrent_filter` give them. Read them like `Results`.

    Examples:
        >>> async def double(number: int) -> int:
        ...     return number * 2
        >>> async with concurrent_map(double, [1, 2, 3], limit=2) as results:
        ...     async for result in results:
        ...         print(result, "after", results.statistics().delivered)
        2 after 1
        4 after 2
        6 after 3
    """

    __slots__ = ("_pool",)

    def __init__(self, pool: WorkerPool[Any, R]) -> None:
        super().__init__(pool)
        self._pool = pool

    def statistics(self) -> MapStatistics:
        """Return what runs, what waits, and what was delivered."""
        return self._pool.statistics()


class UnorderedMapResults(UnorderedResults[R]):
    """Results of a map in completion order, with statistics of the map.

    `concurrent_map_unordered` and `concurrent_expand` give them. Read them like
    `UnorderedResults`.

    Examples:
        >>> async def double(number: int) -> int:
        ...     return number * 2
        >>> async with concurrent_map_unordered(double, [1, 2], limit=2) as results:
        ...     async for result in results:
        ...         print(result, "after", results.statistics().delivered)
        2 after 1
        4 after 2
    """

    __slots__ = ("_pool",)

    def __init__(self, pool: WorkerPool[Any, R]) -> None:
        super().__init__(pool)
        self._pool = pool

    def statistics(self) -> MapStatistics:
        """Return what runs, what waits, and what was delivered."""
        return self._pool.statistics()


class concurrent_map(_Map[R]):  # noqa: N801 - it is called like a function
    """Call *func* on the items of *source*, up to *limit* at once; input order.

        urls                                     abcd----|
        fetch a                                  ===
        fetch b                                   ===
        fetch c                                     ===
        fetch d                                      ===
        concurrent_map(fetch(3), urls, limit=2)  ---ab-cd|

    The result is an async context manager and nothing else. The calls live in
    its block; the block's value is read with ``async for``. With ``limit=1`` the
    calls run one by one. With any *limit* the results are the same as from `amap`:
    the same values, then the same error.

    Examples:
        >>> import anyio
        >>> async def double(number):
        ...     await anyio.sleep(0.01 / number)  # the last is the first to finish
        ...     return number * 2
        >>> async with concurrent_map(double, [1, 2, 3], limit=3) as results:
        ...     print([result async for result in results])
        [2, 4, 6]

    Guarantees:
        Order: Input order.
        Overlap: Up to *limit* calls, and *limit* whenever that many items are there.
        Read-ahead: At most *limit* + *buffer* items between the source and you.
        Delivery: A result whose turn it is waits only for you.
        Errors: Bare, at the failing item's place; later calls are cancelled.
        Exit: What still runs is cancelled and awaited, then *source* is closed. Their
            cleanup runs in full unless you are interrupted.
        Context: Each call sees a copy of the context at entry, and changes only that.

    Args:
        func: An async function of one item.
        source: Any iterable, sync or async. An async one is read by one task of the
            block, and closed by that task with ``aclose()``. A sync one is read by
            the tasks of the calls, all in one context; a generator is closed.
        limit: How many calls may run at once; at least 1. There is no default. Or
            an `anyio.CapacityLimiter`: each call holds one of its tokens while it
            runs. Several blocks can share it, and it can be resized at any time.
        buffer: How many more items may wait, finished or not yet started, beyond
            the running calls; by default as many as *limit*.
        key: A function of one item. At most *per_key* calls whose items have equal
            keys run at once. No key starves another: a free call goes to the
            earliest of the items read ahead whose key is not busy, so calls with
            equal keys start in input order.
        per_key: How many calls with equal keys may run at once; at least 1.

    Raises:
        TypeError: If *func* cannot be called, *source* is not iterable, or *limit*,
            *buffer* or *per_key* is not an int; if *per_key* is given without *key*;
            at the call.
        ValueError: If *limit* or *per_key* is less than 1 or *buffer* less than 0;
            at the call.
        RuntimeError: If the task entering the block already holds a token of *limit*,
            since the calls could wait for it for ever.
    """

    _make_calls_state = OrderedCalls

    async def __aenter__(self) -> MapResults[R]:
        """Start the work; give the results."""
        return MapResults(await self._open())


class concurrent_map_unordered(_Map[R]):  # noqa: N801 - it is called like a function
    """Call *func* on the items of *source*, up to *limit* at once; completion order.

        urls                                               abcd----|
        fetch a                                            ===
        fetch b                                             ===
        fetch c                                               ===
        fetch d                                                ===
        concurrent_map_unordered(fetch(3), urls, limit=2)  ---ab-cd|

    Like `concurrent_map`, but a slow call does not hold back the results of others.

    Examples:
        >>> import anyio
        >>> async def double(number):
        ...     await anyio.sleep(0.01 / number)  # the last is the first to finish
        ...     return number * 2
        >>> async with concurrent_map_unordered(double, [1, 2, 3], limit=3) as results:
        ...     print([result async for result in results])
        [6, 4, 2]

    Guarantees:
        Order: Completion order.
        Overlap: Up to *limit* calls, and *limit* whenever that many items are there.
        Read-ahead: At most *limit* + *buffer* items between the source and you.
        Delivery: A result waits only for you.
        Errors: Bare, after what had finished before; the other calls are cancelled
            immediately.
        Exit: What still runs is cancelled and awaited, then *source* is closed. Their
            cleanup runs in full unless you are interrupted.
        Context: Each call sees a copy of the context at entry, and changes only that.

    Args:
        func: An async function of one item.
        source: Any iterable, sync or async. An async one is read by one task of the
            block, and closed by that task with ``aclose()``. A sync one is read by
            the tasks of the calls, all in one context; a generator is closed.
        limit: How many calls may run at once; at least 1. There is no default. Or
            an `anyio.CapacityLimiter`: each call holds one of its tokens while it
            runs. Several blocks can share it, and it can be resized at any time.
        buffer: How many more items may wait, finished or not yet started, beyond
            the running calls; by default as many as *limit*.
        key: A function of one item. At most *per_key* calls whose items have equal
            keys run at once. No key starves another: a free call goes to the
            earliest of the items read ahead whose key is not busy, so calls with
            equal keys start in input order.
        per_key: How many calls with equal keys may run at once; at least 1.

    Raises:
        TypeError: If *func* cannot be called, *source* is not iterable, or *limit*,
            *buffer* or *per_key* is not an int; if *per_key* is given without *key*;
            at the call.
        ValueError: If *limit* or *per_key* is less than 1 or *buffer* less than 0;
            at the call.
        RuntimeError: If the task entering the block already holds a token of *limit*,
            since the calls could wait for it for ever.
    """

    _make_calls_state = UnorderedCalls

    async def __aenter__(self) -> UnorderedMapResults[R]:
        """Start the work; give the results."""
        return UnorderedMapResults(await self._open())


async def concurrent_collect(
    func: Callable[[T], Awaitable[R]],
    source: AnyIterable[T],
    /,
    *,
    limit: int | CapacityLimiter,
    buffer: int | None = None,
    key: Callable[[T], Hashable] | None = None,
    per_key: int = 1,
) -> list[R]:
    """Call *func* on the items of *source*, up to *limit* at once, and return a list.

    If no call fails, it equals ``[result async for result in results]`` inside
    ``async with concurrent_map(func, source, limit=limit) as results``. Since there
    is nothing to deliver before the end, it fails fast: the first call to fail, in
    time, ends the others.

    Examples:
        >>> import anyio
        >>> async def double(number):
        ...     await anyio.sleep(0.01)
        ...     return number * 2
        >>> await concurrent_collect(double, [1, 2, 3], limit=3)
        [2, 4, 6]

    Guarantees:
        Order: Input order.
        Overlap: Up to *limit* calls, and *limit* whenever that many items are there.
        Read-ahead: At most *limit* + *buffer* items taken whose calls have not ended.
        Errors: Bare, the first in time; all other calls are cancelled immediately.
        Exit: What still runs is cancelled and awaited, then *source* is closed. Their
            cleanup runs in full unless you are interrupted.
        Context: Each call sees a copy of the context at the call, and changes only
            that.

    Args:
        func: An async function of one item.
        source: Any iterable, sync or async. An async one is read by one task, and
            closed by that task with ``aclose()``. A sync one is read by the tasks of
            the calls, all in one context; a generator is closed.
        limit: How many calls may run at once; at least 1. There is no default. Or
            an `anyio.CapacityLimiter`: each call holds one of its tokens while it
            runs. Several blocks can share it, and it can be resized at any time.
        buffer: How many more items may wait to be started; by default as many as
            *limit*.
        key: A function of one item. At most *per_key* calls whose items have equal
            keys run at once. No key starves another: a free call goes to the
            earliest of the items read ahead whose key is not busy, so calls with
            equal keys start in input order.
        per_key: How many calls with equal keys may run at once; at least 1.

    Returns:
        The results, in the order of their items.

    Raises:
        TypeError: If *func* cannot be called, *source* is not iterable, or *limit*,
            *buffer* or *per_key* is not an int; if *per_key* is given without *key*.
        ValueError: If *limit* or *per_key* is less than 1 or *buffer* less than 0.
        RuntimeError: If the calling task already holds a token of *limit*, since the
            calls could wait for it for ever.
    """
    name = "concurrent_collect"
    limit, window = _check(func, source, limit, buffer, name=name)
    calls = CollectedCalls[T, R](window, keep=True)
    await _run(
        WorkerPool(
            func,
            open_source(source),
            calls,
            limit=limit,
            buffer=buffer,
            keys=checked_keys(key, per_key),
            name=name,
        )
    )
    return calls.values


async def concurrent_for_each(
    func: Callable[[T], Awaitable[object]],
    source: AnyIterable[T],
    /,
    *,
    limit: int | CapacityLimiter,
    buffer: int | None = None,
    key: Callable[[T], Hashable] | None = None,
    per_key: int = 1,
) -> None:
    """Call *func* on the items of *source*, up to *limit* at once, for its effects.

    It is `concurrent_collect` without the list: what *func* returns is dropped.

    Examples:
        >>> import anyio
        >>> async def greet(name):
        ...     await anyio.sleep(0.01)
        ...     print("Hello", name)
        >>> await concurrent_for_each(greet, ["Ann", "Bob"], limit=1)
        Hello Ann
        Hello Bob

    Guarantees:
        Order: Calls start in input order.
        Overlap: Up to *limit* calls, and *limit* whenever that many items are there.
        Read-ahead: At most *limit* + *buffer* items taken whose calls have not ended.
        Errors: Bare, the first in time; all other calls are cancelled immediately.
        Exit: What still runs is cancelled and awaited, then *source* is closed. Their
            cleanup runs in full unless you are interrupted.
        Context: Each call sees a copy of the context at the call, and changes only
            that.

    Args:
        func: An async function of one item.
        source: Any iterable, sync or async. An async one is read by one task, and
            closed by that task with ``aclose()``. A sync one is read by the tasks of
            the calls, all in one context; a generator is closed.
        limit: How many calls may run at once; at least 1. There is no default. Or
            an `anyio.CapacityLimiter`: each call holds one of its tokens while it
            runs. Several blocks can share it, and it can be resized at any time.
        buffer: How many more items may wait to be started; by default as many as
            *limit*.
        key: A function of one item. At most *per_key* calls whose items have equal
            keys run at once. No key starves another: a free call goes to the
            earliest of the items read ahead whose key is not busy, so calls with
            equal keys start in input order.
        per_key: How many calls with equal keys may run at once; at least 1.

    Raises:
        TypeError: If *func* cannot be called, *source* is not iterable, or *limit*,
            *buffer* or *per_key* is not an int; if *per_key* is given without *key*.
        ValueError: If *limit* or *per_key* is less than 1 or *buffer* less than 0.
        RuntimeError: If the calling task already holds a token of *limit*, since the
            calls could wait for it for ever.
    """
    name = "concurrent_for_each"
    limit, window = _check(func, source, limit, buffer, name=name)
    calls = CollectedCalls[T, object](window, keep=False)
    await _run(
        WorkerPool(
            func,
            open_source(source),
            calls,
            limit=limit,
            buffer=buffer,
            keys=checked_keys(key, per_key),
            name=name,
        )
    )
