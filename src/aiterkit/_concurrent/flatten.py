"""A source for each item of a source, several of them read at once."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from inspect import isawaitable
from typing import Any, TypeVar

from anyio import CancelScope

from aiterkit._concurrent.block import is_cancelled, tellable, without_stop
from aiterkit._concurrent.junction import Port
from aiterkit._concurrent.nest import ByArrival, InTurn
from aiterkit._concurrent.operator import Operator
from aiterkit._concurrent.results import Results, UnorderedResults
from aiterkit._concurrent.source_reader import SourceReader, taking_turns
from aiterkit._concurrent.sources import Inlet, Sources
from aiterkit._core.checks import check_callable, check_count
from aiterkit._core.source import open_source
from aiterkit._core.types import AnyIterable

T = TypeVar("T")
R = TypeVar("R")


class Opening:
    """An inner source that is not there yet: the call that makes it."""

    def __init__(self) -> None:
        self.scope = CancelScope()
        self.stopped: bool = False

    def stop(self) -> None:
        """Interrupt the call."""
        self.stopped = True
        self.scope.cancel()

    def stop_gently(self) -> None:
        """Read nothing of what it makes, for the block is being cancelled."""
        self.stopped = True

    def wake(self) -> None:
        """Do nothing: it waits for no room."""


class Flattening(Sources[Any, R]):
    """The block of a flat map: an outer source, and a task for each inner one."""

    _outer: SourceReader[Any]

    def __init__(
        self,
        func: Callable[[Any], Any],
        iterator: AsyncIterator[Any] | Iterator[Any],
        nest: ByArrival | InTurn,
        *,
        name: str,
    ) -> None:
        super().__init__([], nest, name=name)
        self._func = func
        self._iterator = iterator
        self._nest = nest
        self._inner: dict[Port, SourceReader[Any] | Opening] = {}

    # The block.

    def _start(self) -> None:
        iterator = taking_turns(self._iterator)
        self._outer = SourceReader(self, iterator, Outer(self, self._nest))
        self._readers[self._nest.outer] = self._outer
        self.tasks.start_soon(self._read, self._nest.outer, name=f"{self.name} source")

    def _finish(self) -> None:
        super()._finish()
        del self._outer  # which holds the block

    def abandon(self) -> None:
        for inner in self._inner.values():
            inner.stop_gently()
        super().abandon()

    def use_room(self) -> None:
        for port in self._nest.freed:
            if port in self._inner:
                self._inner[port].wake()
        if self._outer.waits and self._nest.may_begin():
            self._outer.wake()
        self.waits_for_room = True

    def settle(self) -> None:
        void, self._nest.void = self._nest.void, []
        for port in void:
            reader = self._inner.get(port) or self._readers[port]
            reader.stop()
        self.wake_reader()

    # The inner sources.

    def begin(self, item: Any) -> None:
        """Start the task of an inner source."""
        port = self._nest.begin()
        self._inner[port] = opening = Opening()
        # In a copy of the context at entry, and not of the outer source's task.
        start = partial(self.tasks.start_soon, name=f"{self.name} inner source")
        read = partial(self._read_inner, port, opening, item)
        self.context.copy().run(start, read)

    async def _read_inner(self, port: Port, opening: Opening, item: Any) -> None:
        reader: SourceReader[Any] | None = None
        with opening.scope:
            try:
                made = self._func(item)
                if isawaitable(made):
                    made = await made
                iterator = taking_turns(open_source(made))
            except BaseException as error:  # noqa: BLE001 - this task ends here
                self._func_raised(port, opening, error)
            else:
                reader = SourceReader(self, iterator, Inlet(self, port))
                reader.stopped = opening.stopped
                self._inner[port] = reader
        if reader is not None:
            await reader.run()
        del self._inner[port]
        self._nest.over(port)
        self.settle()
        self.wake_sources()
        self.waits_for_room = True  # another inner source may

    def _func_raised(self, port: Port, opening: Opening, error: BaseException) -> None:
        if is_cancelled(error):
            if not opening.scope.cancel_called:
                self.abandon()
        elif not tellable(error):
            self.die(error)
        elif opening.stopped:
            self._nest.late.append(error)
        else:
            self._nest.fail(port, without_stop(error))
            self.settle()

    def is_settled(self) -> bool:
        """Tell whether every inner source is closed."""
        return not self._inner


class Outer:
    """Where the items of the outer source go: each becomes a source."""

    __slots__ = ("_block", "_nest")

    def __init__(self, block: Flattening[Any], nest: ByArrival | InTurn) -> None:
        self._block = block
        self._nest = nest

    def has_room(self) -> bool:
        """Tell whether there may be one more inner source."""
        return self._nest.may_begin()

    def give(self, item: Any) -> bool:
        """Begin an inner source; tell whether there may be one more."""
        self._block.begin(item)
        return self._nest.may_begin()

    def end(self) -> None:
        """Hear that there are no more inner sources."""
        self._nest.end(self._nest.outer)
        self._block.settle()

    def fail(self, error: BaseException) -> None:
        """Hear that the outer source raised *error*, in the place of its next item."""
        self._nest.fail(self._nest.outer, error)
        self._block.settle()

    def is_settled(self) -> bool:
        """Tell whether it may be closed: every inner source is."""
        return self._block.is_settled()


def _check(func: object, limit: int, buffer: int) -> tuple[int, int]:
    check_callable(func)
    limit = check_count(limit, name="limit", least=1)
    return limit, 1 + check_count(buffer, name="buffer", least=0)


class concurrent_flat_map(Operator[Flattening[R]]):  # noqa: N801 - it is called like a function
    """Give the items of ``func(item)`` for each item, *limit* at once; input order.

    Input order: all items of the first inner source, then all of the second, and so
    on. Those whose turn is yet to come are read ahead, each by 1 + *buffer* items.

    Examples:
        >>> import anyio
        >>> async def pages(site):
        ...     for number in range(2):
        ...         await anyio.sleep(0.01)
        ...         yield f"{site}/{number}"
        >>> async with concurrent_flat_map(pages, ["a", "b"], limit=2) as results:
        ...     [page async for page in results]
        ['a/0', 'a/1', 'b/0', 'b/1']

    Guarantees:
        Order: Input order; the items of one inner source keep theirs.
        Overlap: Up to *limit* inner sources, and *limit* whenever that many items of
            *source* are there. One counts until it is closed and its items have
            reached you.
        Read-ahead: At most *limit* items of *source*, and 1 + *buffer* items of each
            inner source, between them and you.
        Delivery: An item whose turn it is waits for nothing but you.
        Errors: Bare, at the failing source's place; later ones are stopped.
        Exit: What is read is cancelled and awaited, then the inner sources are
            closed, then *source*.
        Context: Each inner source sees a copy of the context at entry.

    Args:
        func: Takes an item; returns any iterable, sync or async, or an awaitable of
            one.
        source: Any iterable, sync or async. It is read by one task of the block,
            and closed by that task; so is each inner source, by a task of its own.
        limit: How many inner sources may be read at once; at least 1. There is no
            default.
        buffer: How many items more of each inner source may wait for you, beyond
            the one that came last; at least 0.

    Raises:
        TypeError: If *func* cannot be called, *source* is not iterable, or *limit*
            or *buffer* is not an int; at the call.
        ValueError: If *limit* is less than 1 or *buffer* less than 0; at the call.
    """

    def __init__(
        self,
        func: Callable[[T], AnyIterable[R] | Awaitable[AnyIterable[R]]],
        source: AnyIterable[T],
        /,
        *,
        limit: int,
        buffer: int = 0,
    ) -> None:
        nest = InTurn(*_check(func, limit, buffer))
        iterator = open_source(source)
        self._block = Flattening(func, iterator, nest, name="concurrent_flat_map")

    async def __aenter__(self) -> Results[R]:
        """Start to read; give the items."""
        return Results(await self._open())


class concurrent_flat_map_unordered(Operator[Flattening[R]]):  # noqa: N801 - it is called like a function
    """Give the items of ``func(item)`` for each item, *limit* at once; by arrival.

    As `concurrent_flat_map`, but a slow inner source holds back no other one.

    Examples:
        >>> import anyio
        >>> async def pages(site):
        ...     for number in range(2):
        ...         await anyio.sleep(0.01)
        ...         yield f"{site}/{number}"
        >>> async with concurrent_flat_map_unordered(pages, "ab", limit=2) as results:
        ...     sorted([page async for page in results])
        ['a/0', 'a/1', 'b/0', 'b/1']

    Guarantees:
        Order: By arrival; the items of one inner source keep their order.
        Overlap: Up to *limit* inner sources, and *limit* whenever that many items of
            *source* are there. One counts until it is closed and its items have
            reached you.
        Read-ahead: At most *limit* items of *source*, and 1 + *buffer* items of each
            inner source, between them and you.
        Delivery: An item waits for nothing but you, and those that came before it.
        Errors: Bare, after what had arrived before; all other sources are stopped at
            once.
        Exit: What is read is cancelled and awaited, then the inner sources are
            closed, then *source*.
        Context: Each inner source sees a copy of the context at entry.

    Args:
        func: Takes an item; returns any iterable, sync or async, or an awaitable of
            one.
        source: Any iterable, sync or async. It is read by one task of the block,
            and closed by that task; so is each inner source, by a task of its own.
        limit: How many inner sources may be read at once; at least 1. There is no
            default.
        buffer: How many items more of each inner source may wait for you, beyond
            the one that came last; at least 0.

    Raises:
        TypeError: If *func* cannot be called, *source* is not iterable, or *limit*
            or *buffer* is not an int; at the call.
        ValueError: If *limit* is less than 1 or *buffer* less than 0; at the call.
    """

    def __init__(
        self,
        func: Callable[[T], AnyIterable[R] | Awaitable[AnyIterable[R]]],
        source: AnyIterable[T],
        /,
        *,
        limit: int,
        buffer: int = 0,
    ) -> None:
        nest = ByArrival(*_check(func, limit, buffer))
        iterator = open_source(source)
        name = "concurrent_flat_map_unordered"
        self._block = Flattening(func, iterator, nest, name=name)

    async def __aenter__(self) -> UnorderedResults[R]:
        """Start to read; give the items."""
        return UnorderedResults(await self._open())
