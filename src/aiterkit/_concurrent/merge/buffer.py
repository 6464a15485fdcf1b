"""A source that is read ahead of its reader, by at most so many items."""

from typing import TypeVar

from aiterkit._concurrent.merge.scope import MergeScope, Rendezvous, SourcesScope
from aiterkit._concurrent.merge.state import ArrivalBuffer, OnDemand
from aiterkit._core.checks import check_count
from aiterkit._core.source import open_source
from aiterkit._core.types import AnyIterable
from aiterkit._runtime.results import Results
from aiterkit._runtime.scope import ConcurrentOperator

T = TypeVar("T")


class concurrent_buffer(ConcurrentOperator[SourcesScope[T, T]]):  # noqa: N801 - it is called like a function
    """Read *source* ahead of you, by at most *size* items.

        source                        abcdef----|
        concurrent_buffer(source, 2)  abcdef----|

    The source and you work at the same time instead of taking turns. With a *size*
    of 0 there is no head start: the source is asked for an item when you ask for it.

    One task reads *source* from its first item to its last and closes it. So this
    is also the way to use an asynchronous generator that holds a task group, a
    timeout or a cancel scope across its ``yield``: what it holds interrupts that
    task, and never yours.

    Examples:
        >>> import anyio
        >>> async def ticks():
        ...     with anyio.fail_after(60):  # across the yield, and yet safe
        ...         for number in range(3):
        ...             await anyio.sleep(0.01)
        ...             yield number
        >>> async with concurrent_buffer(ticks(), 2) as results:
        ...     async for number in results:
        ...         if number == 1:
        ...             break
        >>> number
        1

    Guarantees:
        Order: Input order.
        Overlap: *source* is read while you do something else.
        Read-ahead: At most *size* items between the source and you.
        Delivery: An item waits only for you.
        Errors: Bare, after the items before it.
        Exit: A read that is under way is cancelled and awaited, then *source* is
            closed. Their cleanup runs in full unless you are interrupted.

    Args:
        source: Any iterable, sync or async. It is read by one task of the block,
            and closed by that task: ``aclose()`` of an async iterator, ``close()``
            of a sync generator.
        size: How many items may be read and not yet given to you; at least 0. If a
            wait of yours is cancelled, the item that it asked for may still be read;
            your next wait gets it.

    Raises:
        TypeError: If *source* is not iterable or *size* is not an int; at the call.
        ValueError: If *size* is less than 0; at the call.
    """

    def __init__(self, source: AnyIterable[T], /, size: int) -> None:
        size = check_count(size, name="size", least=0)
        iterator = open_source(source)
        self._scope = (
            MergeScope([iterator], ArrivalBuffer[T](size), name="concurrent_buffer")
            if size
            else Rendezvous(iterator, OnDemand[T](), name="concurrent_buffer")
        )

    async def __aenter__(self) -> Results[T]:
        """Start to read; give the items."""
        return Results(await self._open())
