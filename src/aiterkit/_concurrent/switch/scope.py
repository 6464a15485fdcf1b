"""The block of a switch map: a reader of the items, a reader of the newest source."""

from collections.abc import AsyncIterator, Callable, Iterator
from inspect import isawaitable
from typing import Any, Generic, TypeVar, cast

from aiterkit._concurrent.switch.state import SwitchState
from aiterkit._core.call import drop
from aiterkit._core.source import close
from aiterkit._core.types import AnyIterable
from aiterkit._runtime.backend import stands_for_user
from aiterkit._runtime.errors import without_stop
from aiterkit._runtime.scope import ReadScope
from aiterkit._runtime.sink import Sink
from aiterkit._runtime.source_reader import SourceReader, open_result
from aiterkit._runtime.statistics import Statistics
from aiterkit._runtime.sync_source import with_checkpoints

R = TypeVar("R")
T = TypeVar("T")


@stands_for_user
class SwitchedSource(AsyncIterator[R], Generic[T, R]):
    """The source of one item, which is made when it is first read."""

    __slots__ = ("_func", "_item", "_iterator")

    def __init__(self, func: Callable[[T], Any], item: T) -> None:
        self._func = func
        self._item = item
        self._iterator: AsyncIterator[R] | None = None

    async def __anext__(self) -> R:
        if self._iterator is None:
            made: Any = None
            try:
                made = self._func(self._item)
                if isawaitable(made):
                    made = await made
                self._iterator = open_result(cast("AnyIterable[R]", made))
            except StopAsyncIteration as error:  # else it would look like the end
                raise without_stop(error) from error
            finally:
                drop(made)
        return await self._iterator.__anext__()

    async def aclose(self) -> None:
        if self._iterator is not None:
            await close(self._iterator)


class SwitchScope(ReadScope[R], Sink[T], Generic[T, R]):
    """The block: one task reads the items, another the source of the newest item."""

    makes_calls = True

    _outer: SourceReader[T]

    def __init__(
        self,
        func: Callable[[T], Any],
        iterator: AsyncIterator[T] | Iterator[T],
        state: SwitchState[T, R],
        *,
        name: str,
    ) -> None:
        super().__init__(state, name=name)
        self.state = state
        self._func = func
        self._iterator = with_checkpoints(iterator)
        # Reads the source of one item, from its start until that source is closed.
        self._inner: SourceReader[R] | None = None

    # The block.

    def _start(self) -> None:
        self._outer = SourceReader(self, self._iterator, self)
        self._outer.start_reading(f"{self.name} source")

    def abandon(self) -> None:
        state = self.state
        if state.busy or not state.ended:
            self.incomplete = True
        state.give_up()
        self._outer.request_stop()
        if self._inner is not None:
            self._inner.request_stop()
        self.wake_receiver()

    def on_received(self) -> None:
        assert self._inner is not None  # noqa: S101 - only it waits for room
        self._inner.wake()

    def statistics(self) -> Statistics:
        """Return how many items were taken, wait, were delivered or dropped."""
        return self.state.statistics()

    def _finish(self) -> None:
        del self._outer  # it refers to this scope

    # The source of the newest item.

    def _open(self, item: T) -> None:
        inner = SwitchedSource[T, R](self._func, item)
        self._inner = reader = SourceReader(self, inner, InnerSink(self))
        # Each has its own task, so none sees context variables that another has set.
        reader.start_reading(f"{self.name} inner source")

    def advance(self) -> None:
        """Open the source of the newest item, now that the one before is closed."""
        self._inner = None
        for item in self.state.advance():
            self._open(item)
        if not self.state.busy:
            self._outer.wake()
            # Only for the end or an error: on asyncio, a task that is woken again and
            # again sees a cancellation late.
            if self.state.ended:
                self.wake_receiver()

    def stop(self) -> None:
        """Read no more of the source of items."""
        self._outer.stop()

    # The source of items.

    def has_room(self) -> bool:
        """Return True: a new item always takes the place of the one before."""
        return True

    def put(self, item: T) -> bool:
        """Switch to *item*; return whether there is room for one more."""
        self.state.switch(item)
        if self._inner is not None:
            self._inner.stop()
        else:
            for newest in self.state.advance():
                self._open(newest)
        return True

    def end(self) -> None:
        """Note that the source has no more items."""
        self.state.end()
        self.wake_receiver()

    def fail(self, error: BaseException) -> None:
        """Store the *error* of the source, in the place of its next item."""
        self.state.fail(error)
        if self._inner is not None:
            self._inner.stop()
        self.wake_receiver()

    def may_close(self) -> bool:
        """Return whether no source of an item is open."""
        inner = self._inner
        return not self.state.busy or (
            self.may_miss_ends and (inner is None or inner.has_ended)
        )


class InnerSink(Sink[R]):
    """Where the results of the newest item's source go."""

    def __init__(self, scope: SwitchScope[Any, R]) -> None:
        self._scope = scope

    def has_room(self) -> bool:
        """Return whether the source may be asked for one more result."""
        return self._scope.state.has_room()

    def put(self, item: R) -> bool:
        """Store a result, and wake the reader."""
        self._scope.state.put(item)
        self._scope.wake_receiver()
        return False

    def end(self) -> None:
        """Do nothing: what matters is that the source is closed."""

    def fail(self, error: BaseException) -> None:
        """Store the *error* of the source, which ends everything."""
        self._scope.state.fail(error)
        self._scope.stop()

    def on_closed(self) -> None:
        """Open the next source, now that this one is closed."""
        self._scope.advance()
