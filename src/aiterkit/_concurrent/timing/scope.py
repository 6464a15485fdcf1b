"""The block of an operator with one source, one reader and no calls between them.

What it does with the items is decided by its `Shelf`, which never waits.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Iterator
from math import inf
from typing import Generic, TypeVar

from anyio import CancelScope

from aiterkit._runtime.buffer import NOTHING, Nothing, tell
from aiterkit._runtime.scope import Block, tellable, without_stop
from aiterkit._runtime.source_reader import Sink, SourceReader, taking_turns

T = TypeVar("T")
R = TypeVar("R")


class Shelf(ABC, Generic[T, R]):
    """What lies between a source and its reader; then the end, or an error."""

    def __init__(self) -> None:
        self.ended: bool = False
        self.awaited: bool = False
        self.late: list[BaseException] = []
        self._failure: list[BaseException] = []  # one at most, to be given away

    @property
    @abstractmethod
    def due(self) -> float:
        """The time at which there is something to deliver, if nothing happens."""

    @abstractmethod
    def has_room(self) -> bool:
        """Tell whether the source may be asked for one more item."""

    @abstractmethod
    def take(self, item: T) -> bool:
        """Book an *item*; tell whether a waiting reader must look again."""

    @abstractmethod
    def pop_value(self) -> R | Nothing:
        """Deliver what is ready; all that is left, once the source has ended."""

    @abstractmethod
    def is_empty(self) -> bool:
        """Tell whether there is nothing more to deliver."""

    def fail(self, error: BaseException) -> None:
        """Book the *error* of the source, in the place of its next item."""
        self.ended = True
        self._failure.append(error)

    @property
    def exhausted(self) -> bool:
        return self.ended and not self._failure and self.is_empty()

    def pop(self) -> R | Nothing:
        value = self.pop_value()
        if value is NOTHING and self._failure and self.is_empty():
            tell(self._failure.pop())
        return value

    def close(self) -> list[BaseException]:
        late, self.late = self.late + self._failure, []
        self._failure.clear()
        return late


class Stage(Block[R], Sink[T], Generic[T, R]):
    """A source that is read onto a shelf, and a reader who takes from it."""

    _source: SourceReader[T]

    def __init__(
        self,
        iterator: AsyncIterator[T] | Iterator[T],
        shelf: Shelf[T, R],
        *,
        name: str,
    ) -> None:
        super().__init__(shelf, name=name)
        self.shelf = shelf
        self._iterator = taking_turns(iterator)

    # The block.

    def _start(self) -> None:
        self._source = SourceReader(self, self._iterator, self)
        self._source.start(f"{self.name} source")

    def abandon(self) -> None:
        if not self.shelf.ended:
            self.incomplete = True
        self._source.stop_gently()
        self.wake_reader()

    def use_room(self) -> None:
        self._source.wake()

    def _finish(self) -> None:
        del self._source  # which holds the block

    def begin_wait(self) -> Awaitable[object]:
        return self._wait_until_due()

    async def _wait_until_due(self) -> None:
        shelf = self.shelf
        due = shelf.due
        shelf.awaited = True
        try:
            if due == inf:
                await super().begin_wait()
            else:
                with CancelScope(deadline=due):
                    await super().begin_wait()
        finally:
            shelf.awaited = False

    # The source.

    def has_room(self) -> bool:
        """Tell whether the source may be asked for one more item."""
        return self.shelf.has_room()

    def give(self, item: T) -> bool:
        """Put an *item* on the shelf; tell whether there is room for one more."""
        try:
            if self.shelf.take(item):
                self.wake_reader()
        except BaseException as error:
            if not tellable(error):
                raise
            # What a function of the user's raises is told like an error of the
            # source, in the item's place; and the source is read no more.
            self.fail(without_stop(error))
            self._source.stop_gently()
        return self.shelf.has_room()

    def end(self) -> None:
        """Hear that the source has no more items."""
        self.shelf.ended = True
        self.wake_reader()

    def fail(self, error: BaseException) -> None:
        """Hear that the source raised *error*, in the place of its next item."""
        self.shelf.fail(error)
        self.wake_reader()
