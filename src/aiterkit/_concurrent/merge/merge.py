"""Several sources as one, by arrival."""

from typing import TypeVar

from aiterkit._concurrent.merge.scope import MergeScope
from aiterkit._concurrent.merge.state import ArrivalBuffer
from aiterkit._core.checks import check_count
from aiterkit._core.source import hint_at_star, open_source
from aiterkit._core.types import AnyIterable
from aiterkit._runtime.results import UnorderedResults
from aiterkit._runtime.scope import ConcurrentOperator

T = TypeVar("T")


class concurrent_merge(ConcurrentOperator[MergeScope[T]]):  # noqa: N801 - it is called like a function
    """Give the items of all *sources* as they arrive.

        first                            a---b---c|
        second                           --x---y|
        concurrent_merge(first, second)  a-x-b-y-c|

    It is fair: a source that always has an item ready starves no other one, since
    none is read further ahead of you than its *buffer* allows. It ends when all of
    *sources* have ended.

    Examples:
        >>> async with concurrent_merge("abc", [1, 2, 3]) as results:
        ...     [item async for item in results]
        ['a', 1, 'b', 2, 'c', 3]

    Guarantees:
        Order: By arrival; the items of one source keep their order.
        Overlap: All of *sources* are read at once.
        Read-ahead: At most 1 + *buffer* items of each source between it and you.
        Delivery: An item waits only for you, and those that came before it.
        Errors: Bare, after what had arrived before; the other sources are
            stopped at once.
        Exit: Reads that are under way are cancelled and awaited, then each source is
            closed. Their cleanup runs in full unless you are interrupted.

    Args:
        *sources: Any iterables, sync or async. Each is read by one task of the
            block, and closed by that task: ``aclose()`` of an async iterator,
            ``close()`` of a sync generator.
        buffer: How many items more of each source may wait for you, beyond the
            one that came last; at least 0. By default one, so that a source can
            go on while an item of it waits.

    Raises:
        TypeError: If one of *sources* is not iterable or *buffer* is not an int; at
            the call.
        ValueError: If *buffer* is less than 0; at the call.
    """

    def __init__(self, *sources: AnyIterable[T], buffer: int = 1) -> None:
        window = 1 + check_count(buffer, name="buffer", least=0)
        hint_at_star(sources, name="concurrent_merge", frames=2)
        iterators = [open_source(source) for source in sources]
        self._scope = MergeScope(
            iterators, ArrivalBuffer[T](window), name="concurrent_merge"
        )

    async def __aenter__(self) -> UnorderedResults[T]:
        """Start to read; give the items."""
        return UnorderedResults(await self._open())
