"""A source for each item of a source, several of them read at once."""

from collections.abc import Awaitable, Callable
from math import inf
from typing import TypeVar

from anyio import CapacityLimiter

from aiterkit._concurrent.flatten.scope import FlattenScope
from aiterkit._concurrent.flatten.state import (
    Concatenated,
    Interleaved,
)
from aiterkit._core.checks import check_count, check_func
from aiterkit._core.source import open_source
from aiterkit._core.types import AnyIterable
from aiterkit._runtime.results import FlatMapResults, UnorderedFlatMapResults
from aiterkit._runtime.scope import ConcurrentOperator

T = TypeVar("T")
R = TypeVar("R")


def _check(
    name: str,
    func: object,
    source: object,
    limit: int | CapacityLimiter,
    buffer: int,
) -> tuple[CapacityLimiter | None, float, int]:
    """Check all arguments but the source; return a limiter, limit and window."""
    check_func(func, source, usage=f"{name}(func, source, limit=10)")
    window = 1 + check_count(buffer, name="buffer", least=0)
    if isinstance(limit, CapacityLimiter):
        return limit, inf, window  # until the block is entered
    return None, check_count(limit, name="limit", least=1, or_limiter=True), window


class concurrent_flat_map(ConcurrentOperator[FlattenScope[R]]):  # noqa: N801 - it is called like a function
    """Give the items of ``func(item)`` for each item, *limit* at once; input order.

        x                                                          1--2---3|
        y                                                          -4--5|
        names                                                      ab|
        concurrent_flat_map({"a": x, "b": y}.get, names, limit=2)  1--2---3(45|)

    Input order: all items of the first inner source, then all of the second, and so
    on. The sources whose turn is yet to come are read ahead, each by 1 + *buffer*
    items.
    (Above, the time of ``y`` begins when it is opened, one tick after ``x``.)

    Examples:
        >>> import anyio
        >>> async def pages(site):
        ...     for number in range(2):
        ...         await anyio.sleep(0.01)
        ...         yield f"{site}/{number}"
        >>> async with concurrent_flat_map(pages, ["a", "b"], limit=2) as results:
        ...     [page async for page in results]
        ['a/0', 'a/1', 'b/0', 'b/1']

    Guarantees:
        Order: Input order; the items of one inner source keep theirs.
        Overlap: Up to *limit* inner sources, and *limit* whenever that many items of
            *source* are there, except while more than *limit* others, read and
            closed, still have items for you. Each counts until it is closed.
        Read-ahead: At most twice *limit* items of *source*, and 1 + *buffer* items of
            each inner source, between them and you.
        Delivery: An item whose turn it is waits only for you.
        Errors: Bare, at the failing source's place; later ones are stopped.
        Exit: What is read is cancelled and awaited, then the inner sources are closed,
            then *source*. Their cleanup runs in full unless you are interrupted.
        Context: Each inner source sees a copy of the context at entry.

    Args:
        func: Takes an item; returns any iterable, sync or async, or an awaitable of
            one.
        source: Any iterable, sync or async. An async one is read by one task of the
            block, and closed by that task; so is each inner source, by another task,
            from first to last. A sync one is read by the tasks that need an item, in
            one context; a generator is closed.
        limit: How many inner sources may be read at once; at least 1. There is no
            default. Or an `anyio.CapacityLimiter`, of which each inner source holds a
            token from before *func* is called until it is closed, also while it waits
            for you. So do not make calls on the results with the same limiter: they
            could wait for ever.
        buffer: How many more items of each inner source may wait for you, beyond
            the one that came last; at least 0. By default one, so that each
            can go on while an item of it waits.

    Raises:
        TypeError: If *func* cannot be called, *source* is not iterable, or *limit*
            or *buffer* is not an int; at the call.
        ValueError: If *limit* is less than 1 or *buffer* less than 0; at the call.
        RuntimeError: If the task entering the block already holds a token of *limit*,
            since the inner sources could wait for it for ever.
    """

    def __init__(
        self,
        func: Callable[[T], AnyIterable[R] | Awaitable[AnyIterable[R]]],
        source: AnyIterable[T],
        /,
        *,
        limit: int | CapacityLimiter,
        buffer: int = 1,
    ) -> None:
        name = "concurrent_flat_map"
        limiter, most, window = _check(name, func, source, limit, buffer)
        state = Concatenated(most, window)
        self._scope = FlattenScope(
            func, open_source(source), state, limiter=limiter, name=name
        )

    async def __aenter__(self) -> FlatMapResults[R]:
        """Start to read; give the items."""
        return FlatMapResults(await self._open())


class concurrent_flat_map_unordered(ConcurrentOperator[FlattenScope[R]]):  # noqa: N801 - it is called like a function
    """Give the items of ``func(item)`` for each item, *limit* at once; by arrival.

        x                                                                    1--2---3|
        y                                                                    -4--5|
        names                                                                ab|
        concurrent_flat_map_unordered({"a": x, "b": y}.get, names, limit=2)  1-42-5-3|

    Like `concurrent_flat_map`, but a slow inner source does not hold back the others.

    Examples:
        >>> import anyio
        >>> async def pages(site):
        ...     for number in range(2):
        ...         await anyio.sleep(0.01)
        ...         yield f"{site}/{number}"
        >>> async with concurrent_flat_map_unordered(pages, "ab", limit=2) as results:
        ...     sorted([page async for page in results])
        ['a/0', 'a/1', 'b/0', 'b/1']

    Guarantees:
        Order: By arrival; the items of one inner source keep their order.
        Overlap: Up to *limit* inner sources, and *limit* whenever that many items of
            *source* are there, except while more than *limit* others, read and
            closed, still have items for you. Each counts until it is closed.
        Read-ahead: At most twice *limit* items of *source*, and 1 + *buffer* items of
            each inner source, between them and you.
        Delivery: An item waits only for you, and for those that came before it.
        Errors: Bare, after what had arrived before; all other sources are stopped
            immediately.
        Exit: What is read is cancelled and awaited, then the inner sources are closed,
            then *source*. Their cleanup runs in full unless you are interrupted.
        Context: Each inner source sees a copy of the context at entry.

    Args:
        func: Takes an item; returns any iterable, sync or async, or an awaitable of
            one.
        source: Any iterable, sync or async. An async one is read by one task of the
            block, and closed by that task; so is each inner source, by another task,
            from first to last. A sync one is read by the tasks that need an item, in
            one context; a generator is closed.
        limit: How many inner sources may be read at once; at least 1. There is no
            default. Or an `anyio.CapacityLimiter`, of which each inner source holds a
            token from before *func* is called until it is closed, also while it waits
            for you. So do not make calls on the results with the same limiter: they
            could wait for ever.
        buffer: How many more items of each inner source may wait for you, beyond
            the one that came last; at least 0. By default one, so that each
            can go on while an item of it waits.

    Raises:
        TypeError: If *func* cannot be called, *source* is not iterable, or *limit*
            or *buffer* is not an int; at the call.
        ValueError: If *limit* is less than 1 or *buffer* less than 0; at the call.
        RuntimeError: If the task entering the block already holds a token of *limit*,
            since the inner sources could wait for it for ever.
    """

    def __init__(
        self,
        func: Callable[[T], AnyIterable[R] | Awaitable[AnyIterable[R]]],
        source: AnyIterable[T],
        /,
        *,
        limit: int | CapacityLimiter,
        buffer: int = 1,
    ) -> None:
        name = "concurrent_flat_map_unordered"
        limiter, most, window = _check(name, func, source, limit, buffer)
        state = Interleaved(most, window)
        self._scope = FlattenScope(
            func, open_source(source), state, limiter=limiter, name=name
        )

    async def __aenter__(self) -> UnorderedFlatMapResults[R]:
        """Start to read; give the items."""
        return UnorderedFlatMapResults(await self._open())
