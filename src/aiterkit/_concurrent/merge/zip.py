"""Several sources side by side: row by row, or the newest of each."""

from typing import Any, Generic, TypeVar, overload

from aiterkit._concurrent.merge.scope import SourcesScope
from aiterkit._concurrent.merge.state import LatestRow, ZipState
from aiterkit._core.source import hint_at_star, open_source
from aiterkit._core.types import AnyIterable
from aiterkit._runtime.results import Results, UnorderedResults
from aiterkit._runtime.scope import ConcurrentOperator

T = TypeVar("T")
T1 = TypeVar("T1")
T2 = TypeVar("T2")
T3 = TypeVar("T3")
T4 = TypeVar("T4")
T5 = TypeVar("T5")
T6 = TypeVar("T6")
Row = TypeVar("Row")


class concurrent_zip(ConcurrentOperator[SourcesScope[Any, Row]], Generic[Row]):  # noqa: N801 - it is called like a function
    """Give a tuple of the next items of *sources*, waiting for all of them at once.

        words                          a---------b---------|
        digits                         -1------------2-----|
        concurrent_zip(words, digits)  -[a1]---------[b2]--|

    The rows are the same as from `azip`: the shortest source ends it. But a row takes
    only as long as the longest wait, not the sum of the waits.

    Examples:
        >>> async with concurrent_zip("ab", [1, 2]) as results:
        ...     [row async for row in results]
        [('a', 1), ('b', 2)]

    Guarantees:
        Order: Input order.
        Overlap: All of *sources* are waited for at once.
        Read-ahead: At most one item of each source between it and you.
        Delivery: A row waits only for you, and for its items.
        Errors: Bare, and the same as from `azip`: after the rows before, and only if no
            source to the left has ended first. The other sources are stopped.
        Exit: Reads that are under way are cancelled and awaited, then each source is
            closed. Their cleanup runs in full unless you are interrupted.

    Args:
        *sources: Any iterables, sync or async. Each is read by one task of the
            block, and closed by that task: ``aclose()`` of an async iterator,
            ``close()`` of a sync generator.
        strict: Whether sources of different lengths are an error.

    Raises:
        TypeError: If one of *sources* is not iterable, at the call.
        ValueError: If *strict* and one of *sources* ends before another, in the
            place of the row.
    """

    @overload
    def __init__(
        self: "concurrent_zip[tuple[()]]",
        *,
        strict: bool = ...,
    ) -> None: ...
    @overload
    def __init__(
        self: "concurrent_zip[tuple[T1]]",
        source: AnyIterable[T1],
        /,
        *,
        strict: bool = ...,
    ) -> None: ...
    @overload
    def __init__(
        self: "concurrent_zip[tuple[T1, T2]]",
        source1: AnyIterable[T1],
        source2: AnyIterable[T2],
        /,
        *,
        strict: bool = ...,
    ) -> None: ...
    @overload
    def __init__(
        self: "concurrent_zip[tuple[T1, T2, T3]]",
        source1: AnyIterable[T1],
        source2: AnyIterable[T2],
        source3: AnyIterable[T3],
        /,
        *,
        strict: bool = ...,
    ) -> None: ...
    @overload
    def __init__(
        self: "concurrent_zip[tuple[T1, T2, T3, T4]]",
        source1: AnyIterable[T1],
        source2: AnyIterable[T2],
        source3: AnyIterable[T3],
        source4: AnyIterable[T4],
        /,
        *,
        strict: bool = ...,
    ) -> None: ...
    @overload
    def __init__(
        self: "concurrent_zip[tuple[T1, T2, T3, T4, T5]]",
        source1: AnyIterable[T1],
        source2: AnyIterable[T2],
        source3: AnyIterable[T3],
        source4: AnyIterable[T4],
        source5: AnyIterable[T5],
        /,
        *,
        strict: bool = ...,
    ) -> None: ...
    @overload
    def __init__(
        self: "concurrent_zip[tuple[T1, T2, T3, T4, T5, T6]]",
        source1: AnyIterable[T1],
        source2: AnyIterable[T2],
        source3: AnyIterable[T3],
        source4: AnyIterable[T4],
        source5: AnyIterable[T5],
        source6: AnyIterable[T6],
        /,
        *,
        strict: bool = ...,
    ) -> None: ...
    @overload
    def __init__(
        self: "concurrent_zip[tuple[T, ...]]",
        *sources: AnyIterable[T],
        strict: bool = ...,
    ) -> None: ...
    def __init__(self, *sources: AnyIterable[Any], strict: bool = False) -> None:
        hint_at_star(sources, name="concurrent_zip", frames=2)
        iterators = [open_source(source) for source in sources]
        state: Any = ZipState[Any](name="concurrent_zip", strict=strict)
        self._scope = SourcesScope(iterators, state, name="concurrent_zip")

    async def __aenter__(self) -> Results[Row]:
        """Start to read; give the rows."""
        return Results(await self._open())


class concurrent_zip_latest(ConcurrentOperator[SourcesScope[Any, Row]], Generic[Row]):  # noqa: N801 - it is called like a function
    """Give a tuple of the newest item of each of *sources*, whenever one arrives.

        words                                 a------b----------|
        digits                                --1---------2-----|
        concurrent_zip_latest(words, digits)  --[a1]-[b1]-[b2]--|

    The first row comes when every source has given an item; until then, newer
    items take the place of older ones. It ends when all sources have ended, or as
    soon as one has ended without an item, since no row can come then.

    Examples:
        >>> async with concurrent_zip_latest("ab", [1, 2]) as results:
        ...     [row async for row in results]
        [('a', 1), ('b', 1), ('b', 2)]

    Guarantees:
        Order: By arrival.
        Overlap: All of *sources* are read at once.
        Read-ahead: At most one item of each source between it and you, once each
            has given one.
        Delivery: A row waits only for you, and for those that came before it.
        Errors: Bare, after the rows before; the other sources are stopped
            immediately.
        Exit: Reads that are under way are cancelled and awaited, then each source is
            closed. Their cleanup runs in full unless you are interrupted.

    Args:
        *sources: Any iterables, sync or async. Each is read by one task of the
            block, and closed by that task: ``aclose()`` of an async iterator,
            ``close()`` of a sync generator.

    Raises:
        TypeError: If one of *sources* is not iterable, at the call.
    """

    @overload
    def __init__(
        self: "concurrent_zip_latest[tuple[()]]",
    ) -> None: ...
    @overload
    def __init__(
        self: "concurrent_zip_latest[tuple[T1]]",
        source: AnyIterable[T1],
        /,
    ) -> None: ...
    @overload
    def __init__(
        self: "concurrent_zip_latest[tuple[T1, T2]]",
        source1: AnyIterable[T1],
        source2: AnyIterable[T2],
        /,
    ) -> None: ...
    @overload
    def __init__(
        self: "concurrent_zip_latest[tuple[T1, T2, T3]]",
        source1: AnyIterable[T1],
        source2: AnyIterable[T2],
        source3: AnyIterable[T3],
        /,
    ) -> None: ...
    @overload
    def __init__(
        self: "concurrent_zip_latest[tuple[T1, T2, T3, T4]]",
        source1: AnyIterable[T1],
        source2: AnyIterable[T2],
        source3: AnyIterable[T3],
        source4: AnyIterable[T4],
        /,
    ) -> None: ...
    @overload
    def __init__(
        self: "concurrent_zip_latest[tuple[T1, T2, T3, T4, T5]]",
        source1: AnyIterable[T1],
        source2: AnyIterable[T2],
        source3: AnyIterable[T3],
        source4: AnyIterable[T4],
        source5: AnyIterable[T5],
        /,
    ) -> None: ...
    @overload
    def __init__(
        self: "concurrent_zip_latest[tuple[T1, T2, T3, T4, T5, T6]]",
        source1: AnyIterable[T1],
        source2: AnyIterable[T2],
        source3: AnyIterable[T3],
        source4: AnyIterable[T4],
        source5: AnyIterable[T5],
        source6: AnyIterable[T6],
        /,
    ) -> None: ...
    @overload
    def __init__(
        self: "concurrent_zip_latest[tuple[T, ...]]",
        *sources: AnyIterable[T],
    ) -> None: ...
    def __init__(self, *sources: AnyIterable[Any]) -> None:
        hint_at_star(sources, name="concurrent_zip_latest", frames=2)
        iterators = [open_source(source) for source in sources]
        state: Any = LatestRow()
        self._scope = SourcesScope(iterators, state, name="concurrent_zip_latest")

    async def __aenter__(self) -> UnorderedResults[Row]:
        """Start to read; give the rows."""
        return UnorderedResults(await self._open())
