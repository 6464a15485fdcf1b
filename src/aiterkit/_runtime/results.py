"""What a block gives its reader: results, one at a time."""

from collections.abc import AsyncIterator
from typing import Generic, Self, TypeVar, cast

from aiterkit._runtime.buffer import EMPTY
from aiterkit._runtime.channel import ResultChannel
from aiterkit._runtime.statistics import (
    FlatMapStatistics,
    Statistics,
    without_reader,
)

R = TypeVar("R")


class _Reading(Generic[R]):
    """Reading, one result at a time, from any task, while the block is open."""

    __slots__ = ("__weakref__", "_channel")

    def __init__(self, channel: ResultChannel[R]) -> None:
        self._channel = channel

    def __aiter__(self) -> Self:
        return self

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._channel.describe()}>"

    def statistics(self) -> Statistics:
        """Return how many items were taken, wait, run, were delivered or dropped."""
        channel = self._channel
        now = channel.statistics()
        return without_reader(now) if channel.closed else now

    async def __anext__(self) -> R:  # noqa: C901 - each function call is paid per item
        channel = self._channel
        channel.was_read = True
        buffer = channel.buffer
        if channel.is_receiving or channel.closed:
            channel.refuse()
        value = buffer.pop()
        if value is EMPTY:
            spin = channel.spin
            while True:
                if channel.incomplete:
                    await channel.raise_incomplete()
                if buffer.ended and buffer.exhausted:
                    raise StopAsyncIteration
                yields = spin.is_eager or spin.should_yield()
                channel.is_receiving = True
                try:
                    await (channel.turn if yields else channel.begin_wait())
                except BaseException:
                    channel.on_wait_failed()
                    raise
                finally:
                    channel.is_receiving = False
                    channel.receiver = None
                if channel.closed:
                    channel.refuse()
                value = buffer.pop()
                if value is not EMPTY:
                    if not spin.is_eager and yields:
                        spin.paid_off()
                    break
                if yields:
                    spin.wasted()
        # From the last `pop` on nothing is awaited: a cancelled reader loses nothing.
        if channel.waiting_producers or channel.wants_room:
            channel.on_received()
        return value


class Results(_Reading[R], AsyncIterator[R]):
    """Results in input order, as `concurrent_map` gives them.

    Read them inside the block, from any task, but from one task at a time. A wait that
    is cancelled loses nothing.

    Examples:
        >>> import anyio
        >>> async def pages(names: Results[str]) -> list[str]:
        ...     return [name + ".html" async for name in names]
        >>> async def fetch(name: str) -> str:
        ...     await anyio.sleep(0.01)
        ...     return name
        >>> async with concurrent_map(fetch, ["index"], limit=1) as results:
        ...     await pages(results)
        ['index.html']

    Raises:
        StopAsyncIteration: At the end, and for ever after it or after an error.
        RuntimeError: If it is read outside its block, or by two tasks at once; or
            if the calls were cancelled from outside while it is still read.
    """

    __slots__ = ()


class UnorderedResults(_Reading[R], AsyncIterator[R]):
    """Results in completion order, or in order of arrival.

    `concurrent_map_unordered` and `concurrent_merge` give them, for example. Read them
    inside the block, from any task, but from one task at a time. A wait that is
    cancelled loses nothing.

    Examples:
        >>> import anyio
        >>> async def pages(names: UnorderedResults[str]) -> list[str]:
        ...     return [name + ".html" async for name in names]
        >>> async def fetch(name: str) -> str:
        ...     await anyio.sleep(0.01)
        ...     return name
        >>> async with concurrent_map_unordered(fetch, ["index"], limit=1) as results:
        ...     await pages(results)
        ['index.html']

    Raises:
        StopAsyncIteration: At the end, and for ever after it or after an error.
        RuntimeError: If it is read outside its block, or by two tasks at once; or
            if the calls were cancelled from outside while it is still read.
    """

    __slots__ = ()


class FlatMapResults(Results[R]):
    """Results of a flat map in input order, with statistics of the flat map.

    `concurrent_flat_map` and `concurrent_switch_map` give them. Read them like
    `Results`.

    Examples:
        >>> async with concurrent_flat_map(range, [2, 2], limit=1) as results:
        ...     async for result in results:
        ...         print(result, "of source", results.statistics().opened)
        0 of source 1
        1 of source 1
        0 of source 2
        1 of source 2

    Raises:
        StopAsyncIteration: At the end, and for ever after it or after an error.
        RuntimeError: If it is read outside its block, or by two tasks at once; or
            if the sources were cancelled from outside while it is still read.
    """

    __slots__ = ()

    def statistics(self) -> FlatMapStatistics:
        """Return what was taken, waits and was delivered, and from how many sources."""
        return cast("FlatMapStatistics", super().statistics())


class UnorderedFlatMapResults(UnorderedResults[R]):
    """Results of a flat map by arrival, with statistics of the flat map.

    `concurrent_flat_map_unordered` gives them. Read them like `UnorderedResults`.

    Examples:
        >>> async with concurrent_flat_map_unordered(range, [2, 2], limit=1) as results:
        ...     print(len([result async for result in results]))
        ...     print(results.statistics().opened)
        4
        2

    Raises:
        StopAsyncIteration: At the end, and for ever after it or after an error.
        RuntimeError: If it is read outside its block, or by two tasks at once; or
            if the sources were cancelled from outside while it is still read.
    """

    __slots__ = ()

    def statistics(self) -> FlatMapStatistics:
        """Return what was taken, waits and was delivered, and from how many sources."""
        return cast("FlatMapStatistics", super().statistics())
