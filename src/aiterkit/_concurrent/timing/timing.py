"""Operators that go by the clock, or give only the newest item.

Each has a `TimedBuffer`, which decides by the clock, and a public block. Only the
reader waits for a moment to come; no task does. So a moment that no reader waits for
costs nothing, and a slow reader gets what is there when it asks.
"""

from collections.abc import Callable
from math import inf
from typing import Any, TypeVar, overload

from aiterkit._concurrent.timing.scope import SingleSourceScope
from aiterkit._concurrent.timing.state import (
    Batches,
    Debounced,
    Latest,
    Newest,
    Sampled,
)
from aiterkit._core.checks import check_callable, check_count, check_positive
from aiterkit._core.source import open_source
from aiterkit._core.types import AnyIterable
from aiterkit._runtime.results import Results
from aiterkit._runtime.scope import ConcurrentOperator

T = TypeVar("T")


class concurrent_batched(ConcurrentOperator[SingleSourceScope[Any, tuple[T, ...]]]):  # noqa: N801 - it is called like a function
    """Gather items of *source* into tuples, by number, by time or by weight.

        rows                                    ab--c-----(de|)
        concurrent_batched(rows, 2, within=3)   -[ab]--[c]([de]|)

    A batch is given when it has *size* items, or *within* seconds after its first
    item came, whichever is first; what is left at the end is given immediately. No
    batch is empty. An item that comes exactly at the deadline begins the next one.
    While you are busy, items go on gathering: a slow reader gets full batches, not
    a queue of small ones. With ``within=math.inf`` the batches are the same as from
    `abatched`. With ``within=0`` no batch waits for more items: it is one item at
    least, and all that came while you were busy.

    With *quiet*, a batch is also given when nothing has come for that many seconds,
    so items that follow each other closely stay together:

        events                               ab-c------d-e-|
        concurrent_batched(events, quiet=3)  ------[abc]---([de]|)

    Without *size*, batches go by time alone. Then nothing bounds how many items
    gather while you are busy: give a *size*, or a weight, if *source* may be faster
    than you for long.

    With *weight*, a batch is also full when the next item would bring its weight
    above *max_weight*; that item is the first of the next batch. An item that is
    too heavy by itself makes a batch of its own.

    Examples:
        >>> async with concurrent_batched("abcde", 2, within=10) as batches:
        ...     print([batch async for batch in batches])
        [('a', 'b'), ('c', 'd'), ('e',)]
        >>> words = ["to", "be", "or", "notable"]
        >>> async with concurrent_batched(
        ...     words, within=10, weight=len, max_weight=5
        ... ) as batches:
        ...     print([batch async for batch in batches])
        [('to', 'be'), ('or',), ('notable',)]
        >>> async def rows():
        ...     for row in range(6):
        ...         yield row
        ...         await anyio.sleep(0.1)
        >>> async with concurrent_batched(rows(), 100, within=0) as batches:
        ...     async for batch in batches:
        ...         print(batch)
        ...         await anyio.sleep(0.22)  # write them
        (0,)
        (1, 2)
        (3, 4)
        (5,)

        Changes of files: each burst as one batch, no later than a minute after its
        first change:

        >>> async def changes():
        ...     for path in ("a.py", "b.py", "c.py"):
        ...         yield path
        ...     await anyio.sleep(5)
        ...     yield "d.py"
        >>> async with concurrent_batched(changes(), quiet=0.2, within=60) as bursts:
        ...     print([burst async for burst in bursts])
        [('a.py', 'b.py', 'c.py'), ('d.py',)]

    Guarantees:
        Order: Input order; no item is lost, doubled or moved.
        Overlap: *source* is read while you do something else.
        Read-ahead: At most *size* items between the source and you; with *weight*,
            one more. Without *size*, items that weigh *max_weight* together, and one
            more; without either, all that came while you were busy.
        Delivery: A batch that is full, or whose time is over, waits for nothing
            but you; until you ask, further items join it as long as it is not full.
            With ``within=0``, all that *source* has given when you ask comes together;
            if that is nothing, its next item, with those that come before you resume.
        Errors: Bare, after a batch of the items before; so are those of *weight*.
        Exit: *source* is closed. Its cleanup runs in full unless you are interrupted. A
            wait that is cancelled loses nothing.
        Context: *source* and *weight* see a copy of the context at entry.

    Args:
        source: Any iterable, sync or async. It is read and closed by one task of
            the block: ``aclose()`` of an async iterator, ``close()`` of a sync
            generator.
        size: How many items make a batch full; at least 1. Without it, batches are
            never full by number.
        within: How many seconds after its first item a batch is given at the
            latest; at least 0.
        quiet: How many seconds after its last item a batch is given at the latest;
            more than 0. At least one of *within* and *quiet* must be given.
        weight: A plain function that weighs an item.
        max_weight: How much a batch may weigh; more than 0.

    Raises:
        TypeError: If *source* is not iterable, *size* is not an int, *within*,
            *quiet* or *max_weight* is not a number, *weight* cannot be called, only
            one of *weight* and *max_weight* is given, or neither *within* nor *quiet*
            is; at the call.
        ValueError: If *size* is less than 1, *within* less than 0, or *quiet* or
            *max_weight* not more than 0; at the call.
    """

    @overload
    def __init__(
        self,
        source: AnyIterable[T],
        size: int | None = ...,
        /,
        *,
        within: float,
        quiet: float | None = ...,
        weight: Callable[[T], float] | None = ...,
        max_weight: float | None = ...,
    ) -> None: ...
    @overload
    def __init__(
        self,
        source: AnyIterable[T],
        size: int | None = ...,
        /,
        *,
        within: float | None = ...,
        quiet: float,
        weight: Callable[[T], float] | None = ...,
        max_weight: float | None = ...,
    ) -> None: ...
    def __init__(
        self,
        source: AnyIterable[T],
        size: int | None = None,
        /,
        *,
        within: float | None = None,
        quiet: float | None = None,
        weight: Callable[[T], float] | None = None,
        max_weight: float | None = None,
    ) -> None:
        most = inf if size is None else check_count(size, name="size", least=1)
        if within is None and quiet is None:
            raise TypeError(
                "concurrent_batched() needs within= or quiet=: "
                "concurrent_batched(source, within=1); for batches by number alone, "
                "abatched(source, size)"
            )
        longest = (
            inf
            if within is None
            else check_positive(within, name="within", or_zero=True)
        )
        if (weight is None) != (max_weight is None):
            raise TypeError("weight and max_weight go together: give both, or neither")
        if weight is not None:
            check_callable(weight, name="weight")
        limit = (
            inf if max_weight is None else check_positive(max_weight, name="max_weight")
        )
        if quiet is not None:
            quiet = check_positive(quiet, name="quiet")
        timed = Batches(most, longest, quiet, weight, limit)
        name = type(self).__name__
        self._scope = SingleSourceScope(open_source(source), timed, name=name)

    async def __aenter__(self) -> Results[tuple[T, ...]]:
        """Start to read; give the batches."""
        return Results(await self._open())


class _NewestOperator(ConcurrentOperator[SingleSourceScope[T, T]]):
    """What the operators that give the newest item have in common."""

    def _make(self, source: AnyIterable[T], timed: Newest[T]) -> None:
        name = type(self).__name__
        self._scope = SingleSourceScope(open_source(source), timed, name=name)

    async def __aenter__(self) -> Results[T]:
        """Start to read; give the newest items."""
        return Results(await self._open())


class concurrent_latest(_NewestOperator[T]):  # noqa: N801 - it is called like a function
    """Give the newest items of *source*: a slow reader misses the ones between.

        prices                     a-b-c-|
        concurrent_latest(prices)  a-b-c-|

    *source* is read as fast as it gives items. The newest *size* of them wait for
    you, and are given the oldest first; one that comes when *size* items wait takes
    the place of the oldest. So the last *size* items are always given.

    Examples:
        >>> async def prices():
        ...     for price in range(7):
        ...         yield price
        ...         await anyio.sleep(1)
        >>> async with concurrent_latest(prices()) as newest:
        ...     async for price in newest:
        ...         print(price, end=" ")
        ...         await anyio.sleep(2.4)
        ...     print(newest.statistics().dropped)
        0 2 4 6 3
        >>> async with concurrent_latest(range(100), 3) as newest:
        ...     await anyio.sleep(1)
        ...     print([number async for number in newest])
        [97, 98, 99]

    Guarantees:
        Order: Input order, with gaps; `Results.statistics` counts what was
            dropped.
        Overlap: *source* is read while you do something else.
        Read-ahead: *source* is never held back, and at most *size* items lie between
            it and you.
        Delivery: An item waits only for you, and for those that came before it.
        Errors: Bare, after the last items that came before.
        Exit: *source* is closed. Its cleanup runs in full unless you are interrupted. A
            wait that is cancelled loses nothing.
        Context: *source* sees a copy of the context at entry.

    Args:
        source: Any iterable, sync or async. It is read and closed by one task of
            the block: ``aclose()`` of an async iterator, ``close()`` of a sync
            generator.
        size: How many items may wait for you; at least 1.

    Raises:
        TypeError: If *source* is not iterable or *size* is not an int; at the call.
        ValueError: If *size* is less than 1, at the call.
    """

    def __init__(self, source: AnyIterable[T], /, size: int = 1) -> None:
        self._make(source, Latest(check_count(size, name="size", least=1)))


class concurrent_debounce(_NewestOperator[T]):  # noqa: N801 - it is called like a function
    """Give an item of *source* once nothing newer has come for so many *seconds*.

        keys                                  abc----d-e|
        concurrent_debounce(keys, seconds=3)  -----c----(e|)

    An item settles when that time is over, or when *source* ends. If a newer
    one comes sooner, the older one is dropped; one that comes exactly when the time
    is over does not stop it. If you are slow, the next item that settles takes the
    place of the one before.

    Examples:
        >>> async def keys():
        ...     for key in "to be":
        ...         yield key
        ...         await anyio.sleep(3 if key == "o" else 0.1)
        >>> async with concurrent_debounce(keys(), seconds=1) as settled:
        ...     print([key async for key in settled], settled.statistics().dropped)
        ['o', 'e'] 3

    Guarantees:
        Order: Input order, with gaps; `Results.statistics` counts what was
            dropped.
        Overlap: *source* is read while you do something else.
        Read-ahead: *source* is never held back, and at most two items lie between
            it and you.
        Delivery: An item that has settled waits only for you.
        Errors: Bare, after the last item that came before.
        Exit: *source* is closed. Its cleanup runs in full unless you are interrupted. A
            wait that is cancelled loses nothing.
        Context: *source* sees a copy of the context at entry.

    Args:
        source: Any iterable, sync or async. It is read and closed by one task of
            the block: ``aclose()`` of an async iterator, ``close()`` of a sync
            generator.
        seconds: How long it must be quiet; more than 0.

    Raises:
        TypeError: If *source* is not iterable or *seconds* is not a number; at the
            call.
        ValueError: If *seconds* is not more than 0, at the call.
    """

    def __init__(self, source: AnyIterable[T], /, *, seconds: float) -> None:
        self._make(source, Debounced(check_positive(seconds, name="seconds")))


class concurrent_sample(_NewestOperator[T]):  # noqa: N801 - it is called like a function
    """Give the newest item of *source* at a fixed interval, if there is a new one.

        values                                abc-d-----e|
        concurrent_sample(values, seconds=3)  ---c--d----(e|)

    A beat comes every *seconds* seconds, counted from the entry of the block. Of
    several items between two beats, only the last is given; one that comes exactly on
    a beat counts for the next. When *source* ends, the last one is given immediately.
    If you are slow, the item of the next beat takes the place of the one before.

    Examples:
        >>> async def values():
        ...     for value in range(9):
        ...         await anyio.sleep(0.3)
        ...         yield value
        >>> async with concurrent_sample(values(), seconds=1) as beats:
        ...     print([value async for value in beats], beats.statistics().dropped)
        [2, 5, 8] 6

    Guarantees:
        Order: Input order, with gaps; `Results.statistics` counts what was
            dropped.
        Overlap: *source* is read while you do something else.
        Read-ahead: *source* is never held back, and at most two items lie between
            it and you.
        Delivery: An item whose beat has come waits only for you.
        Errors: Bare, after the last item that came before.
        Exit: *source* is closed. Its cleanup runs in full unless you are interrupted. A
            wait that is cancelled loses nothing.
        Context: *source* sees a copy of the context at entry.

    Args:
        source: Any iterable, sync or async. It is read and closed by one task of
            the block: ``aclose()`` of an async iterator, ``close()`` of a sync
            generator.
        seconds: How long the interval is; more than 0.

    Raises:
        TypeError: If *source* is not iterable or *seconds* is not a number; at the
            call.
        ValueError: If *seconds* is not more than 0, at the call.
    """

    def __init__(self, source: AnyIterable[T], /, *, seconds: float) -> None:
        self._make(source, Sampled(check_positive(seconds, name="seconds")))
