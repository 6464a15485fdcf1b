"""What a block gives its reader."""

from collections.abc import AsyncIterator
from typing import Generic, TypeVar

from aiterkit._runtime.buffer import EMPTY
from aiterkit._runtime.channel import ResultChannel

R = TypeVar("R")


class _Reading(Generic[R]):
    """Reading, one result at a time, from any task, while the block is open."""

    __slots__ = ("__weakref__", "_scope")

    def __init__(self, scope: ResultChannel[R]) -> None:
        self._scope = scope

    async def __anext__(self) -> R:
        scope = self._scope
        buffer = scope.buffer
        if scope.is_receiving or scope.closed:
            scope.refuse()
        yielded = False
        while (value := buffer.pop()) is EMPTY:
            if scope.incomplete:
                await scope.raise_incomplete()
            if buffer.ended and buffer.exhausted:
                raise StopAsyncIteration
            spin = scope.spin
            if yielded:
                spin.wasted()
            yielded = not spin.to_skip or spin.skip()
            scope.is_receiving = True
            try:
                await (scope.turn if yielded else scope.begin_wait())
            finally:
                scope.is_receiving = False
                scope.receiver = None
            if scope.closed:
                scope.refuse()
        # From here on nothing is awaited: a cancelled reader loses nothing.
        if yielded:
            scope.spin.skip_length = 0
        if scope.waiting_producers:
            scope.on_taken()
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
