"""The block of an operator with one source, one reader and no calls between them.

What it does with the items is decided by its `TimedBuffer`, which never waits.
"""

from collections.abc import AsyncIterator, Awaitable, Iterator
from math import inf
from typing import Generic, TypeVar

from anyio import CancelScope

from aiterkit._concurrent.timing.state import TimedBuffer
from aiterkit._runtime.errors import is_deliverable, without_stop
from aiterkit._runtime.scope import ReadScope
from aiterkit._runtime.sink import Sink
from aiterkit._runtime.source_reader import SourceReader
from aiterkit._runtime.sync_source import with_checkpoints

T = TypeVar("T")
R = TypeVar("R")


class SingleSourceScope(ReadScope[R], Sink[T], Generic[T, R]):
    """A source that is read onto a shelf, and a reader who takes from it."""

    _source: SourceReader[T]

    def __init__(
        self,
        iterator: AsyncIterator[T] | Iterator[T],
        timed: TimedBuffer[T, R],
        *,
        name: str,
    ) -> None:
        super().__init__(timed, name=name)
        self.timed = timed
        self._iterator = with_checkpoints(iterator)

    # The block.

    def _start(self) -> None:
        self._source = SourceReader(self, self._iterator, self)
        self._source.start(f"{self.name} source")

    def abandon(self) -> None:
        if not self.timed.ended:
            self.incomplete = True
        self._source.request_stop()
        self.wake_receiver()

    def on_taken(self) -> None:
        self._source.wake()

    def _finish(self) -> None:
        del self._source  # which holds the block

    def begin_wait(self) -> Awaitable[object]:
        return self._wait_until_due()

    async def _wait_until_due(self) -> None:
        timed = self.timed
        due = timed.due
        timed.is_awaited = True
        try:
            if due == inf:
                await super().begin_wait()
            else:
                with CancelScope(deadline=due):
                    await super().begin_wait()
        finally:
            timed.is_awaited = False

    # The source.

    def has_room(self) -> bool:
        """Tell whether the source may be asked for one more item."""
        return self.timed.has_room()

    def put(self, item: T) -> bool:
        """Put an *item* on the shelf; tell whether there is room for one more."""
        try:
            if self.timed.take(item):
                self.wake_receiver()
        except BaseException as error:
            if not is_deliverable(error):
                raise
            # What a function of the user's raises is told like an error of the
            # source, in the item's place; and the source is read no more.
            self.fail(without_stop(error))
            self._source.request_stop()
        return self.timed.has_room()

    def end(self) -> None:
        """Hear that the source has no more items."""
        self.timed.ended = True
        self.wake_receiver()

    def fail(self, error: BaseException) -> None:
        """Hear that the source raised *error*, in the place of its next item."""
        self.timed.fail(error)
        self.wake_receiver()
