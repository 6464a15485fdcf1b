"""The block of an operator with one source, one reader and no calls between them.

A `TimedBuffer` decides; this module waits.
"""

from collections.abc import AsyncIterator, Awaitable, Iterator
from math import inf
from typing import Generic, TypeVar

from aiterkit._concurrent.timing.state import TimedBuffer
from aiterkit._runtime.scope import ReadScope
from aiterkit._runtime.sink import GuardedSink
from aiterkit._runtime.source_reader import SourceReader
from aiterkit._runtime.statistics import Statistics
from aiterkit._runtime.sync_source import with_checkpoints

T = TypeVar("T")
R = TypeVar("R")


class SingleSourceScope(ReadScope[R], GuardedSink[T], Generic[T, R]):
    """A source that is read into a buffer, and a reader that takes from it."""

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
        self.timed.start(self.backend.now)
        self.timed.wrap_functions(self.backend.interruptible)
        self._source = SourceReader(self, self._iterator, self)
        self._source.start_reading(f"{self.name} source")

    def abandon(self) -> None:
        if not self.timed.ended:
            self.incomplete = True
        self._source.request_stop()
        self.wake_receiver()

    def on_received(self) -> None:
        self._source.wake()

    def _finish(self) -> None:
        del self._source  # which holds the block

    def statistics(self) -> Statistics:
        """Return how many items were taken, wait, were delivered or dropped."""
        return self.timed.statistics()

    def begin_wait(self) -> Awaitable[object]:
        return self._wait_until_due()

    async def _wait_until_due(self) -> None:
        timed = self.timed
        due = timed.due
        timed.is_awaited = True
        self.receiver = waiter = self.make_waiter()
        try:
            if due == inf:
                await waiter
            else:
                await self.backend.wait_until(waiter, due)
        finally:
            timed.is_awaited = False

    # The source.

    def has_room(self) -> bool:
        """Return whether the source may be asked for one more item."""
        return self.timed.has_room()

    def accept(self, item: T) -> None:
        """Store an *item*."""
        if self.timed.take(item):
            self.wake_receiver()

    def stop_reading(self) -> None:
        """Read no more, after an error of a function of the user."""
        self._source.request_stop()

    def end(self) -> None:
        """Note that the source has no more items."""
        self.timed.end()
        self.wake_receiver()

    def fail(self, error: BaseException) -> None:
        """Store the *error* of the source, in the place of its next item."""
        self.timed.fail(error)
        self.wake_receiver()
