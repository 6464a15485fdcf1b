"""A source for each item of a source, several of them read at once."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, TypeVar, cast

from aiterkit._concurrent.flatten.state import ByArrival, Inner, InTurn, Nest
from aiterkit._concurrent.merge.scope import ArrivalInlet, Inlet, Sources
from aiterkit._concurrent.merge.state import Port
from aiterkit._core.call import COROUTINE, needs_await
from aiterkit._core.checks import check_callable, check_count
from aiterkit._core.source import is_async, open_source
from aiterkit._core.types import AnyIterable
from aiterkit._runtime.buffer import NOTHING
from aiterkit._runtime.context import in_context
from aiterkit._runtime.operator import Operator
from aiterkit._runtime.results import Results, UnorderedResults
from aiterkit._runtime.scope import is_cancelled, tellable, without_stop
from aiterkit._runtime.source_reader import (
    Reader,
    Sink,
    SourceReader,
    open_to_read,
)
from aiterkit._runtime.sync_source import SyncSource

T = TypeVar("T")
R = TypeVar("R")


class Flattening(Sources[Any, R]):
    """The block of a flat map: a reader of the outer source, readers of inner ones."""

    def __init__(
        self,
        func: Callable[[Any], Any],
        iterator: AsyncIterator[Any] | Iterator[Any],
        nest: Nest,
        *,
        name: str,
    ) -> None:
        super().__init__([], nest, name=name)
        self.func = func
        self.nest = nest
        self.plain: set[type] = set()
        self.idle: list[InnerReader] = []
        self._iterator = iterator
        self._sync: SyncSource[Any] | None = None
        self._crew: list[InnerReader] = []
        self._inner: dict[Port, InnerReader] = {}
        self._comes: InnerReader | None = None
        self._lingering = 0

    # The block.

    def _start(self) -> None:
        outer = Outer(self, self.nest)
        if is_async(self._iterator):
            iterator = cast("AsyncIterator[Any]", self._iterator)
            reader = SourceReader(self, iterator, outer)
            self._readers[self.nest.outer] = reader
            reader.start(f"{self.name} source")
        else:
            self._sync = SyncSource(self, cast("Iterator[Any]", self._iterator), outer)
            self._bring()

    def _finish(self) -> None:
        super()._finish()
        self._crew.clear()
        self._comes = None
        if self._sync is not None:
            self._sync.close()
            self._sync = None

    def abandon(self) -> None:
        self.idle.clear()
        for reader in self._crew:
            reader.stop_gently()
        super().abandon()

    def use_room(self) -> None:
        nest = self.nest
        inner: Any = nest.freed  # an `Inner`, for it has given an item
        reader = self._inner.get(inner)
        if reader is not None:
            reader.wake()
        else:
            nest.see_off(inner)
        self._count_lingering()
        if nest.vacated:
            self._begin_more()

    def _count_lingering(self) -> None:
        """Have the reader say when it has taken what is left of a closed source."""
        before, self._lingering = self._lingering, self.nest.lingering
        self.waits_for_room += self._lingering - before

    def _begin_more(self) -> None:
        """Have more inner sources read, now that there is room for one."""
        self.nest.vacated = False
        if self._sync is None:
            self.wake_sources()
        else:
            self._bring()

    def settle(self) -> None:
        nest = self.nest
        if nest.void:
            void, nest.void = nest.void, []
            for port in void:
                reader = self._inner.get(port) or self._readers.get(port)
                if reader is None:  # a sync one: nobody waits in it
                    nest.leave(port)
                else:
                    reader.stop()
        if nest.vacated:
            self._begin_more()
        # Not for nothing: on asyncio, who is always being woken is never cancelled.
        if self.reader is not None and (not nest.live or nest.has_next()):
            self.wake_reader()

    # The inner sources.

    def inlet(self, port: Port) -> Inlet[Any]:
        """Return where the items of the source of *port* go."""
        nest = self.nest
        if isinstance(nest, ByArrival):
            return ArrivalInlet(self, port, nest)
        return Inlet(self, port)

    def begin(self, item: Any) -> None:
        """Have the inner source of *item* read, by a task that has none."""
        reader = self.idle.pop() if self.idle else self._hire()
        port = self.nest.begin()
        self._inner[port] = reader
        reader.take(port, item)

    def _hire(self) -> "InnerReader":
        reader = InnerReader(self)
        self._crew.append(reader)
        reader.start(f"{self.name} inner source")
        return reader

    def _bring(self) -> None:
        """Bring a task that has no inner source, to ask a sync outer one.

        It brings the next: so there come no more than are needed.
        """
        if self._comes is None and self._may_pull():
            if self.idle:
                self._comes = self.idle.pop()
                self._comes.wake()
            else:
                self._comes = self._hire()

    def _may_pull(self) -> bool:
        nest = self.nest
        return nest.may_begin() and nest.outer in nest.live and not self._abandoned

    def pull(self, reader: "InnerReader") -> tuple[Inner, Any] | None:
        """Ask a sync outer source for *reader*, if there may be one more."""
        if self._comes is reader:
            self._comes = None
        if self._sync is None or not self._may_pull():
            return None
        item = self._sync.ask()
        if item is NOTHING:
            return None
        port = self.nest.begin()
        self._inner[port] = reader
        self._bring()
        return port, item

    def over(self, port: Inner) -> None:
        """Hear that an inner source is closed."""
        del self._inner[port]
        self.nest.over(port)
        self._count_lingering()
        self.settle()
        self.wake_sources()

    def is_settled(self) -> bool:
        """Tell whether every inner source is closed."""
        return not self._inner


class InnerReader(Reader):
    """A task that reads inner sources, one after the other."""

    __slots__ = ("_next",)

    _block: Flattening[Any]

    def __init__(self, block: Flattening[Any]) -> None:
        super().__init__(block)
        self._next: tuple[Inner, Any] | None = None

    def take(self, port: Inner, item: Any) -> None:
        """Read the source of *item* next."""
        self._next = port, item
        self.wake()

    async def run(self) -> None:
        """Read what there is to read, until the block is left."""
        block = self._block
        in_a_row = 0
        with self._peace:
            while self._next is not None or not self.stopped:
                if self._next is None:
                    self._next = block.pull(self)
                if self._next is None:
                    in_a_row = 0
                    await self._wait_for_more()
                    continue
                (port, item), self._next = self._next, None
                if not self.stopped:
                    # In a copy of the context at entry: none sees what another set.
                    context = block.context.copy()
                    opened = context.run(self._open, port, item)
                    if type(opened) is COROUTINE:
                        opened = await in_context(context, opened)
                    if opened is not None:
                        reading = self._read_and_close(
                            opened, block.inlet(port), in_a_row + 1
                        )
                        in_a_row = await in_context(context, reading)
                        del reading
                    self._peace.shield = False
                    del context, opened
                block.over(port)
                del port, item  # while it waits it keeps nothing alive

    async def _wait_for_more(self) -> None:
        block = self._block
        block.idle.append(self)
        try:
            await self._begin_wait()
        except BaseException as error:  # noqa: BLE001 - this task ends here
            self.stopped = True
            self._raised(error)

    def _open(self, port: Inner, item: Any) -> Any:
        """Return what to read, or a coroutine to get that from, or None: it failed."""
        block = self._block
        self._unheard = False
        try:
            made = block.func(item)
            if type(made) not in block.plain and needs_await(made, block.plain):
                return self._open_awaited(port, made)
            return open_to_read(made)
        except BaseException as error:  # noqa: BLE001 - it is told to the reader
            self._func_raised(port, error)
            return None

    async def _open_awaited(
        self, port: Inner, made: Awaitable[Any]
    ) -> AsyncIterator[Any] | None:
        try:
            return open_to_read(await made)
        except BaseException as error:  # noqa: BLE001 - it is told to the reader
            self._func_raised(port, error)
            return None

    def _func_raised(self, port: Inner, error: BaseException) -> None:
        if is_cancelled(error) or not tellable(error):
            self._raised(error)
        elif self.stopped:
            self._block.nest.late.append(error)
        else:
            self._block.nest.fail(port, without_stop(error))
            self._block.settle()


class Outer(Sink[Any]):
    """Where the items of the outer source go: each becomes a source."""

    __slots__ = ("_block", "_nest")

    def __init__(self, block: Flattening[Any], nest: Nest) -> None:
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

    def over(self) -> None:
        """Hear that it is closed."""
        self._nest.leave(self._nest.outer)
        self._block.settle()


def _check(func: object, limit: int, buffer: int) -> tuple[int, int]:
    check_callable(func)
    limit = check_count(limit, name="limit", least=1)
    return limit, 1 + check_count(buffer, name="buffer", least=0)


class concurrent_flat_map(Operator[Flattening[R]]):  # noqa: N801 - it is called like a function
    """Give the items of ``func(item)`` for each item, *limit* at once; input order.

        x                                                          1--2---3|
        y                                                          -4--5|
        names                                                      ab|
        concurrent_flat_map({"a": x, "b": y}.get, names, limit=2)  1--2---3(45|)

    Input order: all items of the first inner source, then all of the second, and so
    on. Those whose turn is yet to come are read ahead, each by 1 + *buffer* items.
    (Above, the time of ``y`` begins when it is opened, one tick after ``x``.)

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
            *source* are there; unless as many wait already, read and closed, for you
            or for their turn. One counts until it is closed.
        Read-ahead: At most twice *limit* items of *source*, and 1 + *buffer* items of
            each inner source, between them and you.
        Delivery: An item whose turn it is waits for nothing but you.
        Errors: Bare, at the failing source's place; later ones are stopped.
        Exit: What is read is cancelled and awaited, then the inner sources are
            closed, then *source*.
        Context: Each inner source sees a copy of the context at entry.

    Args:
        func: Takes an item; returns any iterable, sync or async, or an awaitable of
            one.
        source: Any iterable, sync or async. An async one is read by one task of the
            block, and closed by that task; so is each inner source, by another task,
            from first to last. A sync one is read by whoever needs an item, all in
            one context; a generator is closed.
        limit: How many inner sources may be read at once; at least 1. There is no
            default.
        buffer: How many items more of each inner source may wait for you, beyond
            the one that came last; at least 0. By default one, so that each
            can go on while an item of it waits.

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
        buffer: int = 1,
    ) -> None:
        nest = InTurn(*_check(func, limit, buffer))
        iterator = open_source(source)
        self._block = Flattening(func, iterator, nest, name="concurrent_flat_map")

    async def __aenter__(self) -> Results[R]:
        """Start to read; give the items."""
        return Results(await self._open())


class concurrent_flat_map_unordered(Operator[Flattening[R]]):  # noqa: N801 - it is called like a function
    """Give the items of ``func(item)`` for each item, *limit* at once; by arrival.

        x                                                                    1--2---3|
        y                                                                    -4--5|
        names                                                                ab|
        concurrent_flat_map_unordered({"a": x, "b": y}.get, names, limit=2)  1-42-5-3|

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
            *source* are there; unless as many wait already, read and closed, for
            you. One counts until it is closed.
        Read-ahead: At most twice *limit* items of *source*, and 1 + *buffer* items of
            each inner source, between them and you.
        Delivery: An item waits for nothing but you, and those that came before it.
        Errors: Bare, after what had arrived before; all other sources are stopped at
            once.
        Exit: What is read is cancelled and awaited, then the inner sources are
            closed, then *source*.
        Context: Each inner source sees a copy of the context at entry.

    Args:
        func: Takes an item; returns any iterable, sync or async, or an awaitable of
            one.
        source: Any iterable, sync or async. An async one is read by one task of the
            block, and closed by that task; so is each inner source, by another task,
            from first to last. A sync one is read by whoever needs an item, all in
            one context; a generator is closed.
        limit: How many inner sources may be read at once; at least 1. There is no
            default.
        buffer: How many items more of each inner source may wait for you, beyond
            the one that came last; at least 0. By default one, so that each
            can go on while an item of it waits.

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
        buffer: int = 1,
    ) -> None:
        nest = ByArrival(*_check(func, limit, buffer))
        iterator = open_source(source)
        name = "concurrent_flat_map_unordered"
        self._block = Flattening(func, iterator, nest, name=name)

    async def __aenter__(self) -> UnorderedResults[R]:
        """Start to read; give the items."""
        return UnorderedResults(await self._open())
