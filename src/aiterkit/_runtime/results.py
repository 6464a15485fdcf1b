"""What a block gives its reader."""

from collections.abc import AsyncIterator
from typing import Generic, TypeVar

from aiterkit._runtime.buffer import NOTHING
from aiterkit._runtime.channel import Outlet

R = TypeVar("R")


class _Reading(Generic[R]):
    """Reading, one result at a time, from any task, while the block is open."""

    __slots__ = ("__weakref__", "_block")

    def __init__(self, block: Outlet[R]) -> None:
        self._block = block

    async def __anext__(self) -> R:
        block = self._block
        store = block.store
        if block.being_read or block.closed:
            block.refuse()
        took_turn = False
        while (value := store.pop()) is NOTHING:
            if block.incomplete:
                await block.tell_incomplete()
            if store.ended and store.exhausted:
                raise StopAsyncIteration
            turns = block.turns
            if took_turn:
                turns.was_in_vain()
            took_turn = not turns.left_out or turns.leave_out()
            block.being_read = True
            try:
                await (block.turn if took_turn else block.begin_wait())
            finally:
                block.being_read = False
                block.reader = None
            if block.closed:
                block.refuse()
        # From here on nothing is awaited: a cancelled reader loses nothing.
        if took_turn:
            block.turns.in_vain = 0
        if block.waits_for_room:
            block.use_room()
        return value


class Results(_Reading[R], AsyncIterator[R]):
    """Results in input order, as `concurrent_map` gives them.

    To be read inside the block, by one task at a time, which may be any task. A
    wait that is cancelled loses nothing.

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

    def __aiter__(self) -> "Results[R]":
        return self


class UnorderedResults(_Reading[R], AsyncIterator[R]):
    """Results in the order of completion, as `concurrent_map_unordered` gives them.

    To be read inside the block, by one task at a time, which may be any task. A
    wait that is cancelled loses nothing.

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

    def __aiter__(self) -> "UnorderedResults[R]":
        return self
