"""One source for several readers: each has all of it, or each has its part.

What every reader has yet to take lies in a queue of its own. The source is read on
while no queue is full, so the slowest reader holds it back.
"""

from collections.abc import Callable, Hashable, Iterable
from typing import TypeVar

from aiterkit._concurrent.share.scope import BalanceScope, ShareScope, Subscription
from aiterkit._concurrent.share.state import (
    BalancedState,
    BroadcastState,
    PartitionState,
)
from aiterkit._core.checks import check_count, check_func, shortened
from aiterkit._core.source import open_source
from aiterkit._core.types import AnyIterable
from aiterkit._runtime.results import Results
from aiterkit._runtime.scope import ConcurrentOperator

T = TypeVar("T")


class SharedResults(Results[T]):
    """Results for one of several readers, which may leave before the others.

    `concurrent_broadcast`, `concurrent_partition` and `concurrent_balance` give a tuple
    of them. Read each like `Results`. After `aclose` this reader receives no more, so
    the others need not wait for it.

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

    def __init__(self, subscription: Subscription[T]) -> None:
        super().__init__(subscription)
        self._branch = subscription

    async def aclose(self) -> None:
        """Leave: receive no more, and hold no other reader back.

        A task that waits for the next item gets the end. When the last reader
        has left, the source is closed.
        """
        self._branch.leave()


class _Shared(ConcurrentOperator[ShareScope[T]]):
    """What the operators with several readers have in common."""

    _gives = "readers"

    async def __aenter__(self) -> tuple[SharedResults[T], ...]:
        """Start to read; give the readers."""
        scope = await self._open()
        return tuple(
            SharedResults(subscription) for subscription in scope.subscriptions
        )


class concurrent_balance(_Shared[T]):  # noqa: N801 - it is called like a function
    """Share out *source* among *readers*: each item goes to the one that asks first.

    The block's value is a tuple of readers, each to be read by a task of its own. A
    quick one gets more items than a slow one, and none waits while there is an item.
    Readers that wait are served in the order in which they asked. So each reader can
    be a worker with something of its own, such as a connection.

    A reader may leave before the others, by `SharedResults.aclose` or
    `contextlib.aclosing`. What it has received is its own; the rest is there for the
    others. A reader that merely stops asking does not hold up the others.

    Examples:
        >>> async def work(name, seconds, jobs):
        ...     async for job in jobs:
        ...         print(name, job)
        ...         await anyio.sleep(seconds)
        >>> async def both(quick, slow):
        ...     async with anyio.create_task_group() as tasks:
        ...         tasks.start_soon(work, "quick", 1, quick)
        ...         await anyio.sleep(0.1)
        ...         tasks.start_soon(work, "slow", 2.5, slow)
        >>> async with concurrent_balance("abcde", 2, buffer=1) as readers:
        ...     await both(*readers)
        quick a
        slow b
        quick c
        quick d
        slow e

    Guarantees:
        Order: Input order, for every reader. Readers that wait are served in the
            order in which they asked.
        Overlap: *source* is read while you do something else.
        Read-ahead: At most *buffer* items for which no reader has asked yet.
        Delivery: Each item is given to one reader, as long as one reads. An item
            waits only for a reader that asks. A wait that is cancelled loses
            nothing: the item goes to another reader, or to the same one later.
        Errors: Bare, to every reader, after all items.
        Exit: *source* is closed. Its cleanup runs in full unless you are interrupted.
        Context: *source* sees a copy of the context at entry.

    Args:
        source: Any iterable, sync or async. It is read and closed by one task of
            the block: ``aclose()`` of an async iterator, ``close()`` of a sync
            generator.
        readers: How many readers there are; at least 1.
        buffer: How many items may wait until a reader asks; at least 0. With 0,
            *source* is asked for an item when a reader asks.

    Raises:
        TypeError: If *source* is not iterable, or *readers* or *buffer* is not an
            int; at the call.
        ValueError: If *readers* is less than 1 or *buffer* less than 0; at the call.
    """

    def __init__(self, source: AnyIterable[T], readers: int, /, *, buffer: int) -> None:
        readers = check_count(readers, name="readers", least=1)
        buffer = check_count(buffer, name="buffer", least=0)
        state = BalancedState[T](readers, buffer)
        self._scope = BalanceScope(
            open_source(source), state, name="concurrent_balance"
        )


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
        Delivery: An item waits only for its reader.
        Errors: Bare, to every reader, after all items before it.
        Exit: *source* is closed. Its cleanup runs in full unless you are interrupted. A
            wait that is cancelled loses nothing.
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
        state = BroadcastState[T](readers, buffer)
        self._scope = ShareScope(open_source(source), state, name=type(self).__name__)


class concurrent_partition(_Shared[T]):  # noqa: N801 - it is called like a function
    """Share out *source*: every item goes to the reader of its *key*.

    There is a reader for each of *keys*, in that order. Every item goes to one of
    them; a key that is not in *keys* is an error. Each reader is to be read by a
    task of its own. A slow one holds back *source*, and so the others, after *buffer*
    items. One that leaves, by `SharedResults.aclose` or `contextlib.aclosing`, does
    not: its items are dropped from then on.

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
        Delivery: An item waits only for its reader.
        Errors: Bare, to every reader, after all its items; so are those of *key*.
        Exit: *source* is closed. Its cleanup runs in full unless you are interrupted. A
            wait that is cancelled loses nothing.
        Context: *source* and *key* see a copy of the context at entry.

    Args:
        source: Any iterable, sync or async. It is read and closed by one task of
            the block: ``aclose()`` of an async iterator, ``close()`` of a sync
            generator.
        key: A plain function that gives the key of an item.
        keys: The keys, each once; they must be hashable.
        buffer: How many items may wait for a reader; at least 1.

    Raises:
        TypeError: If *source* or *keys* is not iterable, *key* cannot be called, or
            *buffer* is not an int; at the call.
        ValueError: If *buffer* is less than 1, or *keys* is empty or has one key
            twice; at the call. If *key* gives a key that is not in *keys*, to every
            reader.
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
        usage = "concurrent_partition(source, key, [1, 2], buffer=100)"
        check_func(key, source, usage=usage, name="key")
        buffer = check_count(buffer, name="buffer", least=1)
        try:
            iterator = iter(keys)
        except TypeError:
            shown = shortened(keys)
            raise TypeError(f"keys must be an iterable of keys, not {shown}") from None
        known = list(iterator)
        if not known:
            raise ValueError("keys must have at least one key")
        if len(set(known)) < len(known):
            raise ValueError(f"keys must have each key once, not {shortened(known)}")
        state = PartitionState(key, known, buffer)
        self._scope = ShareScope(open_source(source), state, name=type(self).__name__)
