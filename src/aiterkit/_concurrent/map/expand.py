"""A function whose results lead to more items for it: crawls, paginations, trees.

A map in completion order makes the calls. Its source is the frontier: the items that
were reached and have yet to be visited. It ends when no item waits there, no call runs
that could add one, and the roots have ended.
"""

from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Hashable,
    Iterable,
    Iterator,
)
from functools import partial
from inspect import isawaitable
from math import inf
from typing import Any, Generic, TypeVar, overload

from anyio import CapacityLimiter

from aiterkit._concurrent.map.map import UnorderedMapResults
from aiterkit._concurrent.map.scope import WorkerPool, checked
from aiterkit._concurrent.map.state import Call, Frontier, UnorderedCalls
from aiterkit._core.call import COROUTINE, drop
from aiterkit._core.checks import (
    check_callable,
    check_count,
    check_func,
    name_of,
    refuse_coroutine,
    shortened,
)
from aiterkit._core.source import open_source
from aiterkit._core.types import AnyIterable
from aiterkit._runtime.backend import Waiter, stands_for_user
from aiterkit._runtime.errors import is_deliverable, without_stop
from aiterkit._runtime.scope import ConcurrentOperator
from aiterkit._runtime.sink import Sink
from aiterkit._runtime.source_reader import SourceReader
from aiterkit._runtime.sync_source import with_checkpoints

T = TypeVar("T")
R = TypeVar("R")
S = TypeVar("S")

NAME = "concurrent_expand"


class FrontierSource(AsyncIterator[T]):
    """The frontier as the source of a map."""

    ask_for_root: Callable[[], None]
    make_waiter: Callable[[], Waiter]
    end_wait: Callable[[Waiter], None]

    def __init__(self, frontier: Frontier[T]) -> None:
        self._frontier = frontier
        self._waiter: Waiter | None = None  # while a worker waits for an item

    async def __anext__(self) -> T:
        frontier = self._frontier
        while not frontier.waiting:
            if frontier.is_over:
                raise StopAsyncIteration
            frontier.is_hungry = True
            self._waiter = waiter = self.make_waiter()
            self.ask_for_root()
            await waiter
        return frontier.visit()

    def wake(self) -> None:
        """Let it look again, if it waits."""
        if self._waiter is not None:
            self.end_wait(self._waiter)
            self._waiter = None


@stands_for_user
async def _visit(
    func: Callable[[T], Awaitable[Any]],
    follow: Callable[[Any], Iterable[T]] | None,
    frontier: Frontier[T],
    feed: FrontierSource[T],
    item: T,
) -> Any:
    """Call *func* on *item*, and add the items it leads to to the frontier."""
    made: Any = None
    try:
        made = func(item)
        if not isawaitable(made):
            raise TypeError(_no_awaitable(func, made))
        result: Any = await made
        for reached in _items_of(result, follow):
            frontier.add(reached)
            feed.wake()
    finally:
        frontier.visiting -= 1
        feed.wake()
        drop(made)
    return item if follow is None else result


def _no_awaitable(func: object, made: object) -> str:
    """Return the message for a *func* that *made* what cannot be awaited."""
    if isinstance(made, AsyncGenerator):
        return (
            f"{NAME}() needs a func that returns its items together; for an async "
            f"generator function use lambda item: acollect({name_of(func)}(item))"
        )
    return (
        f"{NAME}() needs an async function; for a sync one use offloaded(func) to run "
        f"it in threads (func returned {type(made).__name__!r}, which cannot be "
        f"awaited)"
    )


def _items_of(result: Any, follow: Callable[[Any], Iterable[T]] | None) -> Iterator[T]:
    """Return the items to which *result* leads."""
    items: Any = result if follow is None else follow(result)
    try:
        return iter(items)
    except TypeError:
        if follow is not None:
            if type(items) is COROUTINE:
                refuse_coroutine(items, name="follow")
            raise TypeError(
                f"follow must return an iterable of items, not {shortened(items)}"
            ) from None
        raise TypeError(
            f"{NAME}() needs a func that returns an iterable of items, not "
            f"{shortened(result)}; for results of another kind, give follow=, a "
            f"function that returns the items to which a result leads"
        ) from None


class ExpandScope(WorkerPool[T, R]):
    """The block: a map over the frontier, and a reader of the roots."""

    _roots: SourceReader[T]

    def __init__(
        self,
        func: Callable[[T], Awaitable[Any]],
        roots: AsyncIterator[T] | Iterator[T],
        frontier: Frontier[T],
        *,
        follow: Callable[[Any], Iterable[T]] | None,
        limit: int | CapacityLimiter,
        buffer: int | None,
        window: float,
    ) -> None:
        self.frontier = frontier
        self._user_func = func
        self._feed = FrontierSource(frontier)
        self._root_iterator = with_checkpoints(roots)
        super().__init__(
            partial(_visit, func, follow, frontier, self._feed),
            self._feed,
            UnorderedCalls(window),
            limit=limit,
            buffer=buffer,
            name=NAME,
        )

    @property
    def user_func(self) -> Callable[..., Any]:
        return self._user_func

    def _start(self) -> None:
        self.frontier.wrap_functions(self.backend.interruptible)
        self._feed.make_waiter = self.make_waiter
        self._feed.end_wait = self.end_wait
        self._roots = SourceReader(self, self._root_iterator, RootsSink(self))
        self._feed.ask_for_root = self._roots.wake
        self._roots.start_reading(f"{self.name} roots")
        super()._start()

    def abandon(self) -> None:
        self._roots.request_stop()
        super().abandon()

    def _finish(self) -> None:
        super()._finish()
        del self._roots, self._feed.ask_for_root  # which hold the block

    def _wake_source(self) -> None:
        super()._wake_source()
        if self.may_close():  # for another reason, the feed wakes them
            self._roots.wake()

    def root(self, item: T) -> None:
        """Put a root into the frontier."""
        self.frontier.add(item)
        self._feed.wake()

    def end_roots(self) -> None:
        """Note that there are no more roots."""
        self.frontier.roots_ended = True
        self._feed.wake()

    def _break_off(self, failed: Call[T, R]) -> None:
        super()._break_off(failed)
        self._roots.stop()

    @property
    def _taken(self) -> int:
        """How many items were reached."""
        return self.frontier.reached

    @property
    def _unread(self) -> int:
        """How many of them wait in the frontier."""
        return len(self.frontier.waiting)


class RootsSink(Sink[T]):
    """Where the roots go: one is asked for when there is nothing else to visit."""

    def __init__(self, scope: ExpandScope[T, Any]) -> None:
        self._scope = scope

    def has_room(self) -> bool:
        """Return whether a worker waits and there is nothing else for it."""
        frontier = self._scope.frontier
        return frontier.is_hungry and not frontier.waiting

    def put(self, item: T) -> bool:
        """Put a root into the frontier."""
        try:
            self._scope.root(item)
        except BaseException as error:
            if not is_deliverable(error):
                raise
            self._scope.fail(without_stop(error))
        return self.has_room()

    def end(self) -> None:
        """Note that there are no more roots."""
        self._scope.end_roots()

    def fail(self, error: BaseException) -> None:
        """Store the *error* of the source of the roots."""
        self._scope.fail(error)

    def may_close(self) -> bool:
        """Return whether every call is over."""
        return self._scope.may_close()


class concurrent_expand(ConcurrentOperator[ExpandScope[Any, R]], Generic[R]):  # noqa: N801 - it is called like a function
    """Call *func* on *roots*, on the items that it reaches from there, and so on.

        roots                                                 [ab]|
        concurrent_expand(fetch(5), roots, limit=2, key=str)  -----[ab]-(ab|)

    *func* returns the items that are reached from one: the children of a node, the
    parts of a folder. Each item reached, roots included, has one call and is delivered
    once, when its call is over. It ends by itself: when nothing waits and no call runs
    that could reach more. Items reached and not yet visited wait in the frontier, and
    the first reached is the first visited; further roots are read when it is empty.

    With *follow*, *func* returns a result of any kind, which is delivered, and *follow*
    returns the items to which it leads: the links of a page, the next page of a list.
    So *func* can be what `captured`, `paced` or `offloaded` makes of a function.

    With *key*, an item whose key was seen before is dropped, so cycles end.

    Examples:
        >>> tree = {"a": "bc", "b": "d", "c": "", "d": ""}
        >>> async def children(node):
        ...     await anyio.sleep(1)
        ...     return tree[node]
        >>> async with concurrent_expand(children, "a", limit=4) as nodes:
        ...     print([node async for node in nodes])
        ['a', 'b', 'c', 'd']

        Results that lead to items:

        >>> pages = {1: ("one", [2]), 2: ("two", [3, 1]), 3: ("three", [])}
        >>> async def fetch(number):
        ...     await anyio.sleep(1)
        ...     return pages[number]
        >>> def links(page):
        ...     return page[1]
        >>> async with concurrent_expand(
        ...     fetch, [1], limit=4, follow=links, key=int
        ... ) as found:
        ...     print([text async for text, _ in found])
        ['one', 'two', 'three']

    Guarantees:
        Order: Completion order; calls start in the order in which items were
            reached.
        Overlap: Up to *limit* calls, and *limit* whenever that many items are there.
        Read-ahead: At most *limit* + *buffer* items between the frontier and you,
            and at most one root in the frontier.
        Delivery: An item whose call is over, or its result, waits only for you.
        Errors: Bare, after what had finished before; the other calls are cancelled
            immediately. So are errors of *roots*, *key* and *follow*, and of the
            iterables that *func* and *follow* return.
        Exit: What still runs is cancelled and awaited, then *roots* is closed. Their
            cleanup runs in full unless you are interrupted.
        Context: Each call sees a copy of the context at entry, and changes only that.
        Cost: The frontier grows with what is reached, up to *max_waiting*; with
            *key*, all keys are kept.

    Args:
        func: An async function of one item. It returns an iterable of items; with
            *follow*, anything.
        roots: Any iterable, sync or async. It is read and closed by one task of
            the block: ``aclose()`` of an async iterator, ``close()`` of a sync
            generator.
        limit: How many calls may run at once; at least 1. There is no default. Or
            an `anyio.CapacityLimiter`: each call holds one of its tokens while it
            runs. Several blocks can share it, and it can be resized at any time.
        buffer: How many more items may wait, finished or not yet started, beyond
            the running calls; by default as many as *limit*.
        follow: A plain function that gives an iterable of the items to which a result
            leads. With it, results are delivered instead of items.
        key: A plain function that gives the key of an item.
        max_waiting: How many items may wait in the frontier; one more is an error.
            By default there is no bound.

    Raises:
        TypeError: If *func*, *follow* or *key* cannot be called, *roots* is not
            iterable, or *limit*, *buffer* or *max_waiting* is not an int; at the call.
            If *func* is not async, or what it or *follow* returns is not iterable, to
            the reader.
        ValueError: If *limit* or *max_waiting* is less than 1 or *buffer* less than
            0; at the call.
        RuntimeError: If more than *max_waiting* items wait, to the reader. If the
            task entering the block already holds a token of *limit*, since the calls
            could wait for it for ever.
    """

    @overload
    def __init__(
        self: "concurrent_expand[T]",
        func: Callable[[T], Awaitable[Iterable[T]]],
        roots: AnyIterable[T],
        /,
        *,
        limit: int | CapacityLimiter,
        buffer: int | None = None,
        key: Callable[[T], Hashable] | None = None,
        max_waiting: int | None = None,
    ) -> None: ...
    @overload
    def __init__(
        self: "concurrent_expand[S]",
        func: Callable[[T], Awaitable[S]],
        roots: AnyIterable[T],
        /,
        *,
        limit: int | CapacityLimiter,
        buffer: int | None = None,
        follow: Callable[[S], Iterable[T]],
        key: Callable[[T], Hashable] | None = None,
        max_waiting: int | None = None,
    ) -> None: ...
    def __init__(
        self,
        func: Callable[[Any], Awaitable[Any]],
        roots: AnyIterable[Any],
        /,
        *,
        limit: int | CapacityLimiter,
        buffer: int | None = None,
        follow: Callable[[Any], Iterable[Any]] | None = None,
        key: Callable[[Any], Hashable] | None = None,
        max_waiting: int | None = None,
    ) -> None:
        check_func(func, roots, usage="concurrent_expand(func, roots, limit=10)")
        if follow is not None:
            check_callable(follow, name="follow")
        if key is not None:
            check_callable(key, name="key")
        limit, window = checked(limit, buffer)
        most: float = inf
        if max_waiting is not None:
            most = check_count(max_waiting, name="max_waiting", least=1)
        frontier = Frontier(key, most)
        self._scope = ExpandScope(
            func,
            open_source(roots, "roots must be an iterable, sync or async"),
            frontier,
            follow=follow,
            limit=limit,
            buffer=buffer,
            window=window,
        )

    async def __aenter__(self) -> UnorderedMapResults[R]:
        """Start the work; give the items, or the results."""
        return UnorderedMapResults(await self._open())
