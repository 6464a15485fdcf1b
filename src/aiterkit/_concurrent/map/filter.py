"""The items of a source that pass a test, several tests at once."""

from collections.abc import Awaitable, Callable, Hashable
from functools import wraps
from inspect import isawaitable
from typing import Any, Generic, Protocol, TypeGuard, TypeVar, overload

from anyio import CapacityLimiter

from aiterkit._concurrent.map.map import MapResults
from aiterkit._concurrent.map.scope import WorkerPool, checked, checked_keys
from aiterkit._concurrent.map.state import FilteredCalls
from aiterkit._core.checks import check_func
from aiterkit._core.source import open_source
from aiterkit._core.types import AnyIterable, TypeIs
from aiterkit._runtime.scope import ConcurrentOperator

S = TypeVar("S")
T = TypeVar("T")
R = TypeVar("R")
T_contra = TypeVar("T_contra", contravariant=True)
R_co = TypeVar("R_co", covariant=True)


# As `Callable[[T], Awaitable[TypeGuard[R]]]` either would be an `Awaitable[bool]`
# to mypy, which would then take every predicate for one and infer nothing.
class _Guard(Protocol[T_contra, R_co]):
    """An async function that returns a `TypeGuard`."""

    async def __call__(self, item: T_contra, /) -> TypeGuard[R_co]: ...


class _Is(Protocol[T_contra, R]):
    """An async function that returns a `TypeIs`."""

    async def __call__(self, item: T_contra, /) -> TypeIs[R]: ...  # type: ignore[narrowed-type-not-subtype]  # no variable can be bound to another


class concurrent_filter(ConcurrentOperator[WorkerPool[Any, T]], Generic[T]):  # noqa: N801 - it is called like a function
    """Give the items of *source* that pass, up to *limit* tests at once; input order.

        urls                                        abcd----|
        alive a                                     ===
        alive b                                      ===
        alive c                                        ===
        alive d                                         ===
        concurrent_filter(alive(3), urls, limit=2)  ---ab-cd|

    The results are the same as from `afilter`: the same items, then the same error.

    Examples:
        >>> import anyio
        >>> async def is_odd(number):
        ...     await anyio.sleep(0.01 / number)
        ...     return number % 2
        >>> async with concurrent_filter(is_odd, [1, 2, 3], limit=3) as results:
        ...     [number async for number in results]
        [1, 3]

    Guarantees:
        Order: Input order.
        Overlap: Up to *limit* calls, and *limit* whenever that many items are there.
        Read-ahead: At most *limit* + *buffer* items between the source and you; an
            item that did not pass counts only until its turn has come.
        Delivery: An item whose turn it is waits only for you.
        Errors: Bare, at the failing item's place; later calls are cancelled.
        Exit: What still runs is cancelled and awaited, then *source* is closed. Their
            cleanup runs in full unless you are interrupted.
        Context: Each call sees a copy of the context at entry, and changes only that.

    Args:
        predicate: An async function of one item. What it returns is tested for
            truth once. If that is a ``TypeGuard`` or a ``TypeIs``, type checkers
            narrow the results (mypy does not: it has no async type guards).
        source: Any iterable, sync or async. An async one is read by one task of the
            block, and closed by that task with ``aclose()``. A sync one is read by
            the tasks of the calls, all in one context; a generator is closed.
        limit: How many calls may run at once; at least 1. There is no default. Or an
            `anyio.CapacityLimiter`, as for `concurrent_map`.
        buffer: How many more items may wait, tested or not, beyond the running
            calls; by default as many as *limit*.
        key: A function of one item. At most *per_key* calls whose items have equal
            keys run at once. No key starves another: a free call goes to the
            earliest of the items read ahead whose key is not busy, so calls with
            equal keys start in input order.
        per_key: How many calls with equal keys may run at once; at least 1.

    Raises:
        TypeError: If *predicate* cannot be called (``None`` cannot), *source* is not
            iterable, or *limit*, *buffer* or *per_key* is not an int; if *per_key*
            is given without *key*; at the call.
        ValueError: If *limit* or *per_key* is less than 1 or *buffer* less than 0;
            at the call.
    """

    @overload
    def __init__(
        self: "concurrent_filter[R]",
        predicate: _Guard[S, R],
        source: AnyIterable[S],
        /,
        *,
        limit: int | CapacityLimiter,
        buffer: int | None = None,
        key: Callable[[S], Hashable] | None = None,
        per_key: int = 1,
    ) -> None: ...
    @overload
    def __init__(
        self: "concurrent_filter[R]",
        predicate: _Is[S, R],
        source: AnyIterable[S],
        /,
        *,
        limit: int | CapacityLimiter,
        buffer: int | None = None,
        key: Callable[[S], Hashable] | None = None,
        per_key: int = 1,
    ) -> None: ...
    @overload
    def __init__(
        self: "concurrent_filter[S]",
        predicate: Callable[[S], Awaitable[object]],
        source: AnyIterable[S],
        /,
        *,
        limit: int | CapacityLimiter,
        buffer: int | None = None,
        key: Callable[[S], Hashable] | None = None,
        per_key: int = 1,
    ) -> None: ...
    def __init__(
        self,
        predicate: Callable[[Any], Awaitable[object]],
        source: AnyIterable[Any],
        /,
        *,
        limit: int | CapacityLimiter,
        buffer: int | None = None,
        key: Callable[[Any], Hashable] | None = None,
        per_key: int = 1,
    ) -> None:
        if predicate is None:
            raise TypeError(
                "predicate must be an async function, not None; to test the items "
                "themselves, which takes no calls, use afilter(None, source)"
            )
        usage = "concurrent_filter(predicate, source, limit=10)"
        check_func(predicate, source, usage=usage, name="predicate")
        limit, window = checked(limit, buffer)
        self._scope = WorkerPool(
            _deciding(predicate),
            open_source(source),
            FilteredCalls[Any](window),
            limit=limit,
            buffer=buffer,
            keys=checked_keys(key, per_key),
            name="concurrent_filter",
        )

    async def __aenter__(self) -> MapResults[T]:
        """Start the work; give the items that pass."""
        return MapResults(await self._open())


def _deciding(
    predicate: Callable[[T], Awaitable[object]],
) -> Callable[[T], Awaitable[Any]]:
    """Return *predicate* with its answer tested for truth, which may fail too."""

    @wraps(predicate)
    async def decide(item: T) -> bool:
        answer = predicate(item)
        if not isawaitable(answer):
            raise TypeError(
                f"concurrent_filter() needs an async function; for a sync one use "
                f"afilter(), or offloaded(predicate) to run it in threads (predicate "
                f"returned {type(answer).__name__!r}, which cannot be awaited)"
            )
        return bool(await answer)

    return decide
