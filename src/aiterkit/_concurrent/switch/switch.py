"""A source per item, of which only the newest is read.

The old one is cancelled and closed before the new one starts, so there is never
more than one of them.
"""

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from inspect import isawaitable
from typing import Any, Generic, TypeVar, cast

from aiterkit._core.checks import check_callable
from aiterkit._core.source import open_source
from aiterkit._core.types import AnyIterable
from aiterkit._runtime.buffer import NOTHING, Nothing, tell
from aiterkit._runtime.operator import Operator
from aiterkit._runtime.results import Results
from aiterkit._runtime.scope import Block, without_stop
from aiterkit._runtime.source_reader import (
    Sink,
    SourceReader,
    open_to_read,
    taking_turns,
)

T = TypeVar("T")
R = TypeVar("R")


class Current(Generic[T, R]):
    """The newest item, and what its source has given and nobody has taken.

    It is *busy* while a source is open, or is to be opened.
    """

    def __init__(self) -> None:
        self.late: list[BaseException] = []
        self.ended: bool = False
        self.busy: bool = False
        self._next: deque[T] = deque(maxlen=1)
        self._results: deque[R] = deque()
        self._failure: list[BaseException] = []  # one at most, to be given away

    def switch(self, item: T) -> None:
        """Book a new *item*: what the one before has given is void."""
        self.busy = True
        self._next.append(item)
        self._results.clear()

    def advance(self) -> list[T]:
        """Hear that no source is open; return the item of the next one, if any."""
        following = list(self._next)
        self._next.clear()
        self.busy = bool(following)
        return following

    def give_up(self) -> None:
        """Open no more sources."""
        self._next.clear()

    def has_room(self) -> bool:
        """Tell whether the open source may be asked for one more result."""
        return not self._results

    def put(self, result: R) -> None:
        """Book a *result* of the open source."""
        self._results.append(result)

    def fail(self, error: BaseException) -> None:
        """Book an *error*, which ends everything."""
        self.ended = True
        self._next.clear()
        self._failure.append(error)

    @property
    def exhausted(self) -> bool:
        over = self.ended and not self.busy
        return over and not self._results and not self._failure

    def pop(self) -> R | Nothing:
        if self._results:
            return self._results.popleft()
        if self._failure and not self.busy:  # all that it ended is over
            tell(self._failure.pop())
        return NOTHING

    def close(self) -> list[BaseException]:
        late, self.late = self.late + self._failure, []
        self._failure.clear()
        return late


class Inner(AsyncIterator[R], Generic[T, R]):
    """The source of one item, which is made when it is first read."""

    __slots__ = ("_func", "_item", "_iterator")

    def __init__(self, func: Callable[[T], Any], item: T) -> None:
        self._func = func
        self._item = item
        self._iterator: AsyncIterator[R] | None = None

    async def __anext__(self) -> R:
        if self._iterator is None:
            try:
                made: Any = self._func(self._item)
                if isawaitable(made):
                    made = await made
                self._iterator = open_to_read(cast("AnyIterable[R]", made))
            except StopAsyncIteration as error:  # it would read as the end
                raise without_stop(error) from error
        return await self._iterator.__anext__()

    async def aclose(self) -> None:
        aclose = getattr(self._iterator, "aclose", None)
        if aclose is not None:
            await aclose()


class Switch(Block[R], Sink[T], Generic[T, R]):
    """The block: a reader for the source of items, one for that of the newest."""

    _outer: SourceReader[T]

    def __init__(
        self,
        func: Callable[[T], Any],
        iterator: AsyncIterator[T] | Iterator[T],
        current: Current[T, R],
        *,
        name: str,
    ) -> None:
        super().__init__(current, name=name)
        self.current = current
        self._func = func
        self._iterator = taking_turns(iterator)
        self._inner: SourceReader[R] | None = None

    # The block.

    def _start(self) -> None:
        self._outer = SourceReader(self, self._iterator, self)
        self._outer.start(f"{self.name} source")

    def abandon(self) -> None:
        current = self.current
        if current.busy or not current.ended:
            self.incomplete = True
        current.give_up()
        self._outer.stop_gently()
        if self._inner is not None:
            self._inner.stop_gently()
        self.wake_reader()

    def use_room(self) -> None:
        assert self._inner is not None  # noqa: S101 - nobody else waits for room
        self._inner.wake()

    def _finish(self) -> None:
        del self._outer  # which holds the block

    # The source of the newest item.

    def _open(self, item: T) -> None:
        inner = Inner[T, R](self._func, item)
        self._inner = reader = SourceReader(self, inner, Outcome(self))
        # A task of its own for each, so that none sees what another has set.
        reader.start(f"{self.name} inner source", self.context)

    def advance(self) -> None:
        """Open the source of the newest item, now that the one before is closed."""
        self._inner = None
        for item in self.current.advance():
            self._open(item)
        if not self.current.busy:
            self._outer.wake()
            self.wake_reader()

    def stop(self) -> None:
        """Read no more of the source of items."""
        self._outer.stop()

    # The source of items.

    def has_room(self) -> bool:
        """Tell that a new item is always welcome."""
        return True

    def give(self, item: T) -> bool:
        """Switch to *item*; tell whether there is room for one more."""
        self.current.switch(item)
        if self._inner is not None:
            self._inner.stop()
        else:
            for newest in self.current.advance():
                self._open(newest)
        return True

    def end(self) -> None:
        """Hear that the source has no more items."""
        self.current.ended = True
        self.wake_reader()

    def fail(self, error: BaseException) -> None:
        """Hear that the source raised *error*, in the place of its next item."""
        self.current.fail(error)
        if self._inner is not None:
            self._inner.stop()
        self.wake_reader()

    def is_settled(self) -> bool:
        """Tell whether no source of an item is open."""
        return not self.current.busy


class Outcome(Sink[R]):
    """Where the results of the newest item's source go."""

    def __init__(self, block: Switch[Any, R]) -> None:
        self._block = block

    def has_room(self) -> bool:
        """Tell whether the source may be asked for one more result."""
        return self._block.current.has_room()

    def give(self, item: R) -> bool:
        """Put a result where the reader finds it."""
        self._block.current.put(item)
        self._block.wake_reader()
        return False

    def end(self) -> None:
        """Hear that the source has no more results; its task tells the rest."""

    def fail(self, error: BaseException) -> None:
        """Hear that the source raised *error*."""
        self._block.current.fail(error)
        self._block.stop()

    def over(self) -> None:
        """Hear that the source is closed."""
        self._block.advance()


class concurrent_switch_map(Operator[Switch[Any, R]]):  # noqa: N801 - it is called like a function
    """Call *func* on each item of *source*, and read what it returns till the next.

        words                                    ab--c-----|
        search a                                 =;
        search b                                  ==
        search c                                     ==
        concurrent_switch_map(search(2), words)  ---b--c---|

    The latest wins: as soon as *source* gives a new item, what *func* returned for
    the one before is cancelled, awaited and closed; only then is *func* called
    again. A result of an older item that you have not taken is dropped. Items that
    are overtaken before their turn are never called.

    Examples:
        >>> async def words():
        ...     for word, seconds in [("t", 0.1), ("to", 5), ("toe", 5)]:
        ...         yield word
        ...         await anyio.sleep(seconds)
        >>> async def search(word):
        ...     await anyio.sleep(1)
        ...     yield f"{word}..."
        ...     yield f"more of {word}"
        >>> async with concurrent_switch_map(search, words()) as results:
        ...     print([result async for result in results])
        ['to...', 'more of to', 'toe...', 'more of toe']

    Guarantees:
        Order: Input order, with gaps.
        Overlap: *source* is read while one call, or what it returned, is read; never
            two of them.
        Read-ahead: *source* is never held back; at most one result lies between the
            newest item's source and you.
        Delivery: A result waits for nothing but you, and not for long: a new item
            drops it.
        Errors: Bare, the first in time, after the result that was there; what else
            runs is cancelled at once.
        Exit: What still runs is cancelled and awaited, then *source* is closed.
        Context: Each call sees a copy of the context at entry, and changes only that.

    Args:
        func: A function of one item. It returns an iterable, sync or async, or an
            awaitable of one. That is closed when it is left.
        source: Any iterable, sync or async. It is read and closed by one task of
            the block: ``aclose()`` of an async iterator, ``close()`` of a sync
            generator.

    Raises:
        TypeError: If *func* cannot be called or *source* is not iterable, at the
            call.
    """

    def __init__(
        self,
        func: Callable[[T], Awaitable[AnyIterable[R]] | AnyIterable[R]],
        source: AnyIterable[T],
        /,
    ) -> None:
        check_callable(func)
        self._block = Switch(
            func, open_source(source), Current[T, R](), name=type(self).__name__
        )

    async def __aenter__(self) -> Results[R]:
        """Start the work; give the results."""
        return Results(await self._open())
