"""One source for several readers: each has all of it, or each has its part.

What every reader has yet to take lies in a lane of its own. The source is read on
while no lane is full, so the slowest reader holds it back.
"""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncIterator, Callable, Hashable, Iterable, Iterator
from typing import Generic, TypeVar

from aiterkit._core.checks import check_callable, check_count, shortened
from aiterkit._core.source import open_source
from aiterkit._core.types import AnyIterable
from aiterkit._runtime.buffer import NOTHING, Nothing, tell
from aiterkit._runtime.channel import Outlet
from aiterkit._runtime.operator import Operator
from aiterkit._runtime.results import Results
from aiterkit._runtime.scope import Block, tellable, without_stop
from aiterkit._runtime.source_reader import Sink, SourceReader, taking_turns

T = TypeVar("T")


class Lane(Generic[T]):
    """What one reader has yet to take."""

    def __init__(self, lanes: "Lanes[T]") -> None:
        self.late: list[BaseException] = []
        self.left: bool = False
        self.was_told: bool = False
        self._lanes = lanes
        self._items: deque[T] = deque()

    @property
    def ended(self) -> bool:
        return self.left or self._lanes.ended

    @property
    def exhausted(self) -> bool:
        untold = self._lanes.error is not None and not self.was_told
        return self.left or (self.ended and not self._items and not untold)

    def put(self, item: T) -> None:
        """Book an *item* for this reader, unless it has left."""
        if self.left:
            return
        self._items.append(item)
        if len(self._items) == self._lanes.buffer:
            self._lanes.full += 1

    def pop(self) -> T | Nothing:
        lanes = self._lanes
        if not self._items:
            if lanes.error is None or self.was_told or self.left:
                return NOTHING
            self.was_told = True
            tell(lanes.error)
        if len(self._items) == lanes.buffer:
            lanes.full -= 1
        return self._items.popleft()

    def leave(self) -> None:
        """Book that this reader takes no more: it holds nobody back."""
        if len(self._items) == self._lanes.buffer:
            self._lanes.full -= 1
        self.left = True
        self._items.clear()

    def close(self) -> list[BaseException]:
        """Give up what was not delivered; the error is told by `Lanes`."""
        self._items.clear()
        return []


class Lanes(ABC, Generic[T]):
    """The lanes of all readers, and what they have in common."""

    def __init__(self, readers: int, buffer: int) -> None:
        self.buffer = buffer
        self.full: int = 0
        self.ended: bool = False
        self.error: BaseException | None = None
        self.late: list[BaseException] = []
        self.lanes: list[Lane[T]] = [Lane(self) for _ in range(readers)]

    @property
    def exhausted(self) -> bool:
        return all(lane.exhausted for lane in self.lanes)

    def pop(self) -> Nothing:
        """Deliver nothing: it is the lanes that do."""
        return NOTHING

    def has_room(self) -> bool:
        """Tell whether the source may be asked for one more item."""
        return not self.full

    @abstractmethod
    def share(self, item: T) -> None:
        """Put an *item* where it belongs."""

    def fail(self, error: BaseException) -> None:
        """Book the *error* of the source, after the items of every lane."""
        self.ended = True
        self.error = error

    def close(self) -> list[BaseException]:
        error, self.error = self.error, None
        late, self.late = self.late, []
        if error is not None and not all(lane.was_told for lane in self.lanes):
            late.append(error)
        self.lanes.clear()  # which hold these books
        return late


class Copies(Lanes[T]):
    """Every reader has every item."""

    def share(self, item: T) -> None:
        for lane in self.lanes:
            lane.put(item)


class Parts(Lanes[T]):
    """Every item has one reader, which is told by its key."""

    def __init__(
        self, key: Callable[[T], Hashable], keys: list[Hashable], buffer: int
    ) -> None:
        super().__init__(len(keys), buffer)
        self._key = key
        self._place = {key: place for place, key in enumerate(keys)}

    def share(self, item: T) -> None:
        key = self._key(item)
        try:
            place = self._place[key]
        except KeyError:
            known = shortened(list(self._place))[1:-1]
            raise ValueError(
                f"key gave {shortened(key)} for {shortened(item)}, "
                f"which is none of keys: {known}"
            ) from None
        self.lanes[place].put(item)


class Branch(Outlet[T]):
    """Where one of several readers takes what is in its lane."""

    def __init__(self, block: "Fan[T]", lane: Lane[T]) -> None:
        super().__init__(lane, name=block.name)
        self.lane = lane
        self.waits_for_room = 1  # the block knows whether it does
        self._block = block

    def use_room(self) -> None:
        if self._block.waits_for_room:
            self._block.use_room()

    def leave(self) -> None:
        """Take no more. The last one to leave stops the source."""
        if not self.closed and not self.lane.left:
            self.lane.leave()
            self.wake_reader()
            self._block.hear_of_leaving()


class Fan(Block[T], Sink[T]):
    """A source that is read into lanes, and a reader for each."""

    _source: SourceReader[T]

    def __init__(
        self,
        iterator: AsyncIterator[T] | Iterator[T],
        lanes: Lanes[T],
        *,
        name: str,
    ) -> None:
        super().__init__(lanes, name=name)
        self.branches: list[Branch[T]] = []
        self._lanes = lanes
        self._iterator = taking_turns(iterator)

    # The block.

    def _start(self) -> None:
        for lane in self._lanes.lanes:
            branch = Branch(self, lane)
            branch.learn_to_wait()
            self.branches.append(branch)
        self._source = SourceReader(self, self._iterator, self)
        self._source.start(f"{self.name} source")

    def abandon(self) -> None:
        for branch in self.branches:
            branch.closed = self.closed
            branch.incomplete = not self._lanes.ended
        self._source.stop_gently()
        self._wake_readers()

    def use_room(self) -> None:
        self._source.wake()

    def _finish(self) -> None:
        del self._source  # which holds the block
        self.branches.clear()  # and so do these

    def _wake_readers(self) -> None:
        for branch in self.branches:
            branch.wake_reader()

    def hear_of_leaving(self) -> None:
        """Read on, if it was this reader who held the source back; or no more."""
        if all(lane.left for lane in self._lanes.lanes):
            self._lanes.ended = True
            self._source.stop()
        else:
            self.use_room()

    # The source.

    def has_room(self) -> bool:
        """Tell whether the source may be asked for one more item."""
        return self._lanes.has_room()

    def give(self, item: T) -> bool:
        """Put an *item* into its lanes; tell whether there is room for one more."""
        try:
            self._lanes.share(item)
        except BaseException as error:
            if not tellable(error):
                raise
            self.fail(without_stop(error))
            self._source.stop_gently()
        else:
            self._wake_readers()
        return self._lanes.has_room()

    def end(self) -> None:
        """Hear that the source has no more items."""
        self._lanes.ended = True
        self._wake_readers()

    def fail(self, error: BaseException) -> None:
        """Hear that the source raised *error*, in the place of its next item."""
        self._lanes.fail(error)
        self._wake_readers()


class SharedResults(Results[T]):
    """What one of several readers gets, who may leave before the others.

    It is read as `Results` are. `aclose` says that this reader takes no more, so
    that the others need not wait for it.

    Examples:
        >>> from contextlib import aclosing
        >>> async def first(reader: SharedResults[str]) -> None:
        ...     async with aclosing(reader):
        ...         async for letter in reader:
        ...             print("first", letter)
        ...             break
        >>> async def all_of(reader: SharedResults[str]) -> None:
        ...     print("all", [letter async for letter in reader])
        >>> async with concurrent_broadcast("abcd", 2, buffer=1) as (one, two):
        ...     await first(one)
        ...     await all_of(two)
        first a
        all ['a', 'b', 'c', 'd']

    Raises:
        StopAsyncIteration: At the end, and for ever after it, after an error or
            after `aclose`.
        RuntimeError: If it is read outside its block, or by two tasks at once; or
            if the source was cancelled from outside while it is still read.
    """

    __slots__ = ("_branch",)

    def __init__(self, branch: Branch[T]) -> None:
        super().__init__(branch)
        self._branch = branch

    def __aiter__(self) -> "SharedResults[T]":
        return self

    async def aclose(self) -> None:
        """Leave: take no more, and hold nobody back.

        A task that waits for the next item is told the end. When the last reader
        has left, the source is closed.
        """
        self._branch.leave()


class _Shared(Operator[Fan[T]]):
    """What the operators with several readers have in common."""

    _gives = "readers"

    async def __aenter__(self) -> tuple[SharedResults[T], ...]:
        """Start to read; give the readers."""
        block = await self._open()
        return tuple(SharedResults(branch) for branch in block.branches)


class concurrent_broadcast(_Shared[T]):  # noqa: N801 - it is called like a function
    """Give every item of *source* to every one of several *readers*.

    The block's value is a tuple of readers, each to be read by a task of its own
    with ``async for``, or by one task that takes them in turn. The slowest holds
    *source* back after *buffer* items: nothing piles up behind it. A reader that
    breaks off must say so, by `SharedResults.aclose` or `contextlib.aclosing`,
    or the others will wait for it.

    Examples:
        >>> async def total(reader):
        ...     print("total", sum([number async for number in reader]))
        >>> async def largest(reader):
        ...     print("largest", max([number async for number in reader]))
        >>> async def both(one, two):
        ...     async with anyio.create_task_group() as tasks:
        ...         tasks.start_soon(total, one)
        ...         await anyio.sleep(1)
        ...         tasks.start_soon(largest, two)
        >>> async with concurrent_broadcast([3, 1, 2], 2, buffer=1) as readers:
        ...     await both(*readers)
        total 6
        largest 3

    Guarantees:
        Order: Input order, for every reader.
        Overlap: *source* is read while you do something else.
        Read-ahead: At most *buffer* items between *source* and the slowest reader.
        Delivery: An item waits for nothing but its reader.
        Errors: Bare, to every reader, after all items before.
        Exit: *source* is closed. A wait that is cancelled loses nothing.
        Context: *source* sees a copy of the context at entry.

    Args:
        source: Any iterable, sync or async. It is read and closed by one task of
            the block: ``aclose()`` of an async iterator, ``close()`` of a sync
            generator.
        readers: How many readers there are; at least 1.
        buffer: How many items may wait for the slowest reader; at least 1.

    Raises:
        TypeError: If *source* is not iterable, or *readers* or *buffer* is not an
            int; at the call.
        ValueError: If *readers* or *buffer* is less than 1; at the call.
    """

    def __init__(self, source: AnyIterable[T], readers: int, /, *, buffer: int) -> None:
        readers = check_count(readers, name="readers", least=1)
        buffer = check_count(buffer, name="buffer", least=1)
        lanes = Copies[T](readers, buffer)
        self._block = Fan(open_source(source), lanes, name=type(self).__name__)


class concurrent_partition(_Shared[T]):  # noqa: N801 - it is called like a function
    """Share out *source*: every item goes to the reader of its *key*.

    There is a reader for each of *keys*, in that order. Every item goes to one of
    them; a key that is none of *keys* is an error. Each reader is to be read by a
    task of its own. One that is slow holds *source* back after *buffer* items, and
    so the others too; one that leaves, by `SharedResults.aclose` or
    `contextlib.aclosing`, does not, and its items are dropped from then on.

    Examples:
        >>> async def show(name, reader):
        ...     print(name, [number async for number in reader])
        >>> def is_odd(number):
        ...     return number % 2 == 1
        >>> async def both(odd, even):
        ...     async with anyio.create_task_group() as tasks:
        ...         tasks.start_soon(show, "odd", odd)
        ...         await anyio.sleep(1)
        ...         tasks.start_soon(show, "even", even)
        >>> async with concurrent_partition(
        ...     range(7), is_odd, [True, False], buffer=9
        ... ) as readers:
        ...     await both(*readers)
        odd [1, 3, 5]
        even [0, 2, 4, 6]

    Guarantees:
        Order: Input order, for every reader.
        Overlap: *source* is read while you do something else.
        Read-ahead: At most *buffer* items between *source* and each reader.
        Delivery: An item waits for nothing but its reader.
        Errors: Bare, to every reader, after all its items; so are those of *key*.
        Exit: *source* is closed. A wait that is cancelled loses nothing.
        Context: *source* and *key* see a copy of the context at entry.

    Args:
        source: Any iterable, sync or async. It is read and closed by one task of
            the block: ``aclose()`` of an async iterator, ``close()`` of a sync
            generator.
        key: A plain function that gives the key of an item.
        keys: The keys, each once; what they are is what `dict` takes.
        buffer: How many items may wait for a reader; at least 1.

    Raises:
        TypeError: If *source* or *keys* is not iterable, *key* cannot be called, or
            *buffer* is not an int; at the call.
        ValueError: If *buffer* is less than 1, or *keys* is empty or has one key
            twice; at the call. If *key* gives none of *keys*, to every reader.
    """

    def __init__(
        self,
        source: AnyIterable[T],
        key: Callable[[T], Hashable],
        keys: Iterable[Hashable],
        /,
        *,
        buffer: int,
    ) -> None:
        check_callable(key, name="key")
        buffer = check_count(buffer, name="buffer", least=1)
        known = list(keys)
        if not known:
            raise ValueError("keys must have at least one key")
        if len(set(known)) < len(known):
            raise ValueError(f"keys must have each key once, not {shortened(known)}")
        lanes = Parts(key, known, buffer)
        self._block = Fan(open_source(source), lanes, name=type(self).__name__)
