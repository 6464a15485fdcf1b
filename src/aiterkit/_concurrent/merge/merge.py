"""Several sources as one, by arrival."""

from typing import Any, Literal, TypeVar

from aiterkit._concurrent.merge.scope import MergeScope
from aiterkit._concurrent.merge.state import ArrivalBuffer, EndingArrivals
from aiterkit._core.checks import check_count, shortened
from aiterkit._core.source import hint_at_star, open_source
from aiterkit._core.types import AnyIterable
from aiterkit._runtime.results import UnorderedResults
from aiterkit._runtime.scope import ConcurrentOperator

T = TypeVar("T")


def check_until(until: Any) -> None:
    """Refuse an *until* that names no end.

    Raises:
        TypeError: If it is not a string.
        ValueError: If it is none of the three.
    """
    if isinstance(until, str):
        if until in ("all", "any", "first"):
            return
        kind: type[Exception] = ValueError
        hint = ""
    else:
        kind = TypeError
        hint = ": to end at an event, use concurrent_until" if callable(until) else ""
    raise kind(f"until must be 'all', 'any' or 'first', not {shortened(until)}{hint}")


class concurrent_merge(ConcurrentOperator[MergeScope[T]]):  # noqa: N801 - it is called like a function
    """Give the items of all *sources* as they arrive.

        first                            a---b---c|
        second                           --x---y|
        concurrent_merge(first, second)  a-x-b-y-c|

    It is fair: a source that always has an item ready starves no other one, since
    none is read further ahead of you than its *buffer* allows.

    It ends when all of *sources* have ended. With ``until="any"`` it ends with the
    source that ends first; with ``until="first"``, with the first of *sources*, which
    the others only accompany. The others are then asked for no more items, a
    read that is under way is cancelled, and they are closed.

        messages                                          a---b---c|
        pings                                             --p---p---p---p
        concurrent_merge(messages, pings, until="first")  a-p-b-p-c|

    Examples:
        >>> async with concurrent_merge("abc", [1, 2, 3]) as results:
        ...     [item async for item in results]
        ['a', 1, 'b', 2, 'c', 3]
        >>> async def ticks():
        ...     while True:
        ...         await anyio.sleep(1)
        ...         yield "tick"
        >>> async def job():
        ...     await anyio.sleep(2.5)
        ...     yield "done"
        >>> async with concurrent_merge(ticks(), job(), until="any") as results:
        ...     [item async for item in results]
        ['tick', 'tick', 'done']

    Guarantees:
        Order: By arrival; the items of one source keep their order.
        Overlap: All of *sources* are read at once.
        Read-ahead: At most 1 + *buffer* items of each source between it and you.
        Delivery: An item waits only for you, and for those that came before it. Each
            item that a source has given comes before the end, whatever *until* is;
            so does an item that a read gives although it was cancelled.
        Errors: Bare, after what had arrived before; the other sources are
            stopped immediately.
        Exit: Reads that are under way are cancelled and awaited, then each source is
            closed; where *until* ends it early, before the results end. Their cleanup
            runs in full unless you are interrupted.

    Args:
        *sources: Any iterables, sync or async. Each is read by one task of the
            block, and closed by that task: ``aclose()`` of an async iterator,
            ``close()`` of a sync generator.
        buffer: How many more items of each source may wait for you, beyond the
            one that came last; at least 0. By default one, so that a source can
            go on while an item of it waits.
        until: Which end ends the results: that of the last source to end (``"all"``),
            of the first source to end (``"any"``), or of the first source that is
            given (``"first"``).

    Raises:
        TypeError: If one of *sources* is not iterable, *buffer* is not an int, or
            *until* is not a string; at the call.
        ValueError: If *buffer* is less than 0, or *until* is another string; at the
            call.
    """

    def __init__(
        self,
        *sources: AnyIterable[T],
        buffer: int = 1,
        until: Literal["all", "any", "first"] = "all",
    ) -> None:
        window = 1 + check_count(buffer, name="buffer", least=0)
        check_until(until)
        hint_at_star(sources, name="concurrent_merge", frames=2)
        arrivals = (
            ArrivalBuffer[T](window)
            if until == "all"
            else EndingArrivals[T](window, any_ends_it=until == "any")
        )
        iterators = [open_source(source) for source in sources]
        self._scope = MergeScope(iterators, arrivals, name="concurrent_merge")

    async def __aenter__(self) -> UnorderedResults[T]:
        """Start to read; give the items."""
        return UnorderedResults(await self._open())
