"""Operators that heed the clock, or the newest item only.

Each is a `Shelf`, which decides by the time that it is told, and a public block.
No task waits for a moment to come: it is the reader who does, if there is one.
So what nobody waits for costs nothing, and a slow reader finds things as they
are when it comes.
"""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from math import floor, inf
from typing import Any, TypeVar

from anyio import current_time

from aiterkit._concurrent.timing.scope import Shelf, Stage
from aiterkit._core.checks import check_callable, check_count, check_positive
from aiterkit._core.source import open_source
from aiterkit._core.types import AnyIterable
from aiterkit._runtime.buffer import NOTHING, Nothing
from aiterkit._runtime.operator import Operator
from aiterkit._runtime.results import Results

T = TypeVar("T")


class Batches(Shelf[T, tuple[T, ...]]):
    """Items that gather until there are enough of them, or for long enough."""

    def __init__(
        self,
        size: int,
        within: float,
        weight: Callable[[T], float] | None,
        max_weight: float,
        *,
        now: Callable[[], float] = current_time,
    ) -> None:
        super().__init__()
        self._size = size
        self._within = within
        self._weight = weight
        self._max_weight = max_weight
        self._now = now
        self._items: list[T] = []
        self._load: float = 0
        self._next: list[T] = []
        self._next_load: float = 0
        self._deadline = inf
        self._next_deadline = inf

    @property
    def due(self) -> float:
        return self._deadline

    def has_room(self) -> bool:
        return not self._is_full()

    def _is_full(self) -> bool:
        return (
            len(self._items) >= self._size
            or self._load >= self._max_weight
            or bool(self._next)
        )

    def take(self, item: T) -> bool:
        load = 0.0 if self._weight is None else self._weight(item)
        now = self._now()
        deadline = now + self._within
        # If a reader waits, it was promised the batch for the deadline: whether it
        # or the source is the first to be woken then must make no difference.
        is_over = self.awaited and now >= self._deadline
        if self._items and (is_over or self._load + load > self._max_weight):
            self._next.append(item)
            self._next_load = load
            self._next_deadline = deadline
            return True
        self._items.append(item)
        self._load += load
        if len(self._items) == 1:
            self._deadline = deadline
            return True
        return self._is_full()

    def is_empty(self) -> bool:
        return not self._items

    def pop_value(self) -> tuple[T, ...] | Nothing:
        if not self._items:
            return NOTHING
        if not (self.ended or self._is_full() or self._now() >= self._deadline):
            return NOTHING
        batch = tuple(self._items)
        self._items, self._next = self._next, []
        self._load, self._next_load = self._next_load, 0
        self._deadline, self._next_deadline = self._next_deadline, inf
        return batch


@dataclass(frozen=True, slots=True)
class NewestStatistics:
    """What became of the items so far, where only the newest are delivered.

    Examples:
        >>> async with concurrent_latest("abc") as newest:
        ...     await anyio.sleep(1)
        ...     print(newest.statistics())
        NewestStatistics(taken=3, delivered=0, dropped=2)

    Attributes:
        taken: How many items the source has given.
        delivered: How many of them the reader has had.
        dropped: How many of them it will never see.
    """

    taken: int
    delivered: int
    dropped: int


class Newest(Shelf[T, T]):
    """The newest item that has settled, and the one that has yet to settle."""

    def __init__(self, *, now: Callable[[], float] = current_time) -> None:
        super().__init__()
        self._now = now
        self._settled: list[T] = []
        self._fresh: list[T] = []
        self._deadline = inf
        self.taken: int = 0
        self.delivered: int = 0

    def start(self) -> None:
        """Hear that the block is entered now."""

    @abstractmethod
    def _settles_at(self, now: float) -> float:
        """Return when an item that came *now* settles, unless a newer one comes."""

    @property
    def due(self) -> float:
        return self._deadline

    @property
    def dropped(self) -> int:
        return self.taken - self.delivered - len(self._settled) - len(self._fresh)

    def has_room(self) -> bool:
        return True

    def take(self, item: T) -> bool:
        now = self._now()
        if now >= self._deadline:
            self._settle()
        self.taken += 1
        is_first = not self._fresh
        self._fresh[:] = (item,)
        self._deadline = self._settles_at(now)
        if now >= self._deadline:
            self._settle()
        return is_first

    def _settle(self) -> None:
        self._settled[:] = (self._fresh.pop(),)
        self._deadline = inf

    def is_empty(self) -> bool:
        return not self._settled and not self._fresh

    def pop_value(self) -> T | Nothing:
        # One that had settled when the source ended is not dropped for the last.
        if self._now() >= self._deadline or (
            self.ended and self._fresh and not self._settled
        ):
            self._settle()
        if not self._settled:
            return NOTHING
        self.delivered += 1
        return self._settled.pop()


class Latest(Newest[T]):
    """Items settle at once."""

    def _settles_at(self, now: float) -> float:
        return now


class Debounced(Newest[T]):
    """Items settle when nothing has come for some time."""

    def __init__(
        self, seconds: float, *, now: Callable[[], float] = current_time
    ) -> None:
        super().__init__(now=now)
        self._seconds = seconds

    def _settles_at(self, now: float) -> float:
        return now + self._seconds


class Sampled(Newest[T]):
    """Items settle at the next beat of a clock."""

    def __init__(
        self, seconds: float, *, now: Callable[[], float] = current_time
    ) -> None:
        super().__init__(now=now)
        self._seconds = seconds
        self._start = inf

    def start(self) -> None:
        self._start = self._now()

    def _settles_at(self, now: float) -> float:
        beats = floor((now - self._start) / self._seconds) + 1
        return self._start + beats * self._seconds


class NewestResults(Results[T]):
    """The newest items, as `concurrent_latest` and its like give them.

    They are `Results` that can tell how many items were dropped.

    Examples:
        >>> async with concurrent_latest("abc") as newest:
        ...     await anyio.sleep(1)
        ...     print([item async for item in newest], newest.statistics().dropped)
        ['c'] 2

    Raises:
        StopAsyncIteration: At the end, and for ever after it or after an error.
        RuntimeError: If it is read outside its block, or by two tasks at once; or
            if the source was cancelled from outside while it is still read.
    """

    __slots__ = ("_shelf",)

    def __init__(self, block: Stage[T, T], shelf: Newest[T]) -> None:
        super().__init__(block)
        self._shelf = shelf

    def __aiter__(self) -> "NewestResults[T]":
        return self

    def statistics(self) -> NewestStatistics:
        """Return how many items were taken, delivered and dropped so far."""
        shelf = self._shelf
        return NewestStatistics(shelf.taken, shelf.delivered, shelf.dropped)


class concurrent_batched(Operator[Stage[Any, tuple[T, ...]]]):  # noqa: N801 - it is called like a function
    """Gather items of *source* into tuples: of *size*, or of what came *within* a time.

        rows                                    ab--c-----(de|)
        concurrent_batched(rows, 2, within=3)   -[ab]--[c]([de]|)

    A batch is given when it is full, or *within* seconds after its first item came,
    whichever is first; what is left at the end is given at once. No batch is empty.
    An item that comes just then begins the next one.
    While you are busy, items go on gathering: a slow reader gets full batches, not
    a queue of small ones. With ``within=math.inf`` the batches are those of
    `abatched`.

    With *weight*, a batch is also full when the next item would bring its weight
    above *max_weight*; that item is the first of the next batch. An item that is
    too heavy by itself makes a batch of its own.

    Examples:
        >>> async with concurrent_batched("abcde", 2, within=10) as batches:
        ...     print([batch async for batch in batches])
        [('a', 'b'), ('c', 'd'), ('e',)]
        >>> words = ["to", "be", "or", "notable"]
        >>> async with concurrent_batched(
        ...     words, 9, within=10, weight=len, max_weight=5
        ... ) as batches:
        ...     print([batch async for batch in batches])
        [('to', 'be'), ('or',), ('notable',)]

    Guarantees:
        Order: Input order; no item is lost, doubled or split from its place.
        Overlap: *source* is read while you do something else.
        Read-ahead: At most *size* items between the source and you; with *weight*,
            one more.
        Delivery: A batch that is full, or whose time is over, waits for nothing
            but you.
        Errors: Bare, after a batch of the items before; so are those of *weight*.
        Exit: *source* is closed. A wait that is cancelled loses nothing.
        Context: *source* and *weight* see a copy of the context at entry.

    Args:
        source: Any iterable, sync or async. It is read and closed by one task of
            the block: ``aclose()`` of an async iterator, ``close()`` of a sync
            generator.
        size: How many items make a batch full; at least 1.
        within: How many seconds after its first item a batch is given at the
            latest; more than 0.
        weight: A plain function that weighs an item.
        max_weight: How much a batch may weigh; more than 0.

    Raises:
        TypeError: If *source* is not iterable, *size* is not an int, *within* or
            *max_weight* is no number, *weight* cannot be called, or only one of
            the last two is given; at the call.
        ValueError: If *size* is less than 1, or *within* or *max_weight* is not
            more than 0; at the call.
    """

    def __init__(
        self,
        source: AnyIterable[T],
        size: int,
        /,
        *,
        within: float,
        weight: Callable[[T], float] | None = None,
        max_weight: float | None = None,
    ) -> None:
        size = check_count(size, name="size", least=1)
        within = check_positive(within, name="within")
        if (weight is None) != (max_weight is None):
            raise TypeError("weight and max_weight go together: give both, or neither")
        if weight is not None:
            check_callable(weight, name="weight")
        limit = (
            inf if max_weight is None else check_positive(max_weight, name="max_weight")
        )
        shelf = Batches(size, within, weight, limit)
        name = type(self).__name__
        self._block = Stage(open_source(source), shelf, name=name)

    async def __aenter__(self) -> Results[tuple[T, ...]]:
        """Start to read; give the batches."""
        return Results(await self._open())


class _Newest(Operator[Stage[T, T]]):
    """What the operators that give the newest item have in common."""

    _shelf: Newest[T]

    def _make(self, source: AnyIterable[T], shelf: Newest[T]) -> None:
        self._shelf = shelf
        name = type(self).__name__
        self._block = Stage(open_source(source), shelf, name=name)

    async def __aenter__(self) -> NewestResults[T]:
        """Start to read; give the newest items."""
        block = await self._open()
        self._shelf.start()
        return NewestResults(block, self._shelf)


class concurrent_latest(_Newest[T]):  # noqa: N801 - it is called like a function
    """Give the newest item of *source*: a slow reader misses the ones between.

        prices                     a-b-c-|
        concurrent_latest(prices)  a-b-c-|

    *source* is read as fast as it gives items. One that comes before the one
    before was taken takes its place. The last one is always given.

    Examples:
        >>> async def prices():
        ...     for price in range(7):
        ...         yield price
        ...         await anyio.sleep(1)
        >>> async with concurrent_latest(prices()) as newest:
        ...     async for price in newest:
        ...         print(price, end=" ")
        ...         await anyio.sleep(2.4)
        ...     print(newest.statistics())
        0 2 4 6 NewestStatistics(taken=7, delivered=4, dropped=3)

    Guarantees:
        Order: Input order, with gaps; `NewestResults.statistics` counts what was
            dropped.
        Overlap: *source* is read while you do something else.
        Read-ahead: *source* is never held back, and at most one item lie between
            it and you.
        Delivery: An item that has settled waits for nothing but you.
        Errors: Bare, after the last item that came before.
        Exit: *source* is closed. A wait that is cancelled loses nothing.
        Context: *source* sees a copy of the context at entry.

    Args:
        source: Any iterable, sync or async. It is read and closed by one task of
            the block: ``aclose()`` of an async iterator, ``close()`` of a sync
            generator.

    Raises:
        TypeError: If *source* is not iterable, at the call.
    """

    def __init__(self, source: AnyIterable[T], /) -> None:
        self._make(source, Latest())


class concurrent_debounce(_Newest[T]):  # noqa: N801 - it is called like a function
    """Give an item of *source* once nothing newer has come for some *seconds*.

        keys                                  abc----d-e|
        concurrent_debounce(keys, seconds=3)  -----c----(e|)

    Of items that follow each other sooner, only the last is given. The end
    settles the last one at once. An item that comes just when the time of the one
    before is over does not stop it. If you are slow, an item that has settled
    gives its place to the next that settles.

    Examples:
        >>> async def keys():
        ...     for key in "to be":
        ...         yield key
        ...         await anyio.sleep(3 if key == "o" else 0.1)
        >>> async with concurrent_debounce(keys(), seconds=1) as settled:
        ...     print([key async for key in settled], settled.statistics().dropped)
        ['o', 'e'] 3

    Guarantees:
        Order: Input order, with gaps; `NewestResults.statistics` counts what was
            dropped.
        Overlap: *source* is read while you do something else.
        Read-ahead: *source* is never held back, and at most two items lie between
            it and you.
        Delivery: An item that has settled waits for nothing but you.
        Errors: Bare, after the last item that came before.
        Exit: *source* is closed. A wait that is cancelled loses nothing.
        Context: *source* sees a copy of the context at entry.

    Args:
        source: Any iterable, sync or async. It is read and closed by one task of
            the block: ``aclose()`` of an async iterator, ``close()`` of a sync
            generator.
        seconds: How long it must be quiet; more than 0.

    Raises:
        TypeError: If *source* is not iterable or *seconds* is no number, at the call.
        ValueError: If *seconds* is not more than 0, at the call.
    """

    def __init__(self, source: AnyIterable[T], /, *, seconds: float) -> None:
        self._make(source, Debounced(check_positive(seconds, name="seconds")))


class concurrent_sample(_Newest[T]):  # noqa: N801 - it is called like a function
    """Give the newest item of *source* every some *seconds*, if there is a new one.

        values                                abc-d-----e|
        concurrent_sample(values, seconds=3)  ---c--d----(e|)

    The beat starts when the block is entered. An item that comes just with a beat
    is given with the next one, and of several between two beats only the last. The
    end gives the last one at once. If you are slow, the item of a beat gives
    its place to that of the next.

    Examples:
        >>> async def values():
        ...     for value in range(9):
        ...         await anyio.sleep(0.3)
        ...         yield value
        >>> async with concurrent_sample(values(), seconds=1) as beats:
        ...     print([value async for value in beats], beats.statistics().dropped)
        [2, 5, 8] 6

    Guarantees:
        Order: Input order, with gaps; `NewestResults.statistics` counts what was
            dropped.
        Overlap: *source* is read while you do something else.
        Read-ahead: *source* is never held back, and at most two items lie between
            it and you.
        Delivery: An item that has settled waits for nothing but you.
        Errors: Bare, after the last item that came before.
        Exit: *source* is closed. A wait that is cancelled loses nothing.
        Context: *source* sees a copy of the context at entry.

    Args:
        source: Any iterable, sync or async. It is read and closed by one task of
            the block: ``aclose()`` of an async iterator, ``close()`` of a sync
            generator.
        seconds: How long a beat is; more than 0.

    Raises:
        TypeError: If *source* is not iterable or *seconds* is no number, at the call.
        ValueError: If *seconds* is not more than 0, at the call.
    """

    def __init__(self, source: AnyIterable[T], /, *, seconds: float) -> None:
        self._make(source, Sampled(check_positive(seconds, name="seconds")))
