"""The block of an operator with one source, one reader and no calls between them.

A `TimedBuffer` decides; this module waits.
"""

from collections.abc import AsyncIterator, Awaitable, Iterator
from math import inf
from typing import Any, Generic, TypeVar

from anyio import get_cancelled_exc_class

from aiterkit._concurrent.timing.state import Heartbeats, TimedBuffer
from aiterkit._runtime.backend import Waiter
from aiterkit._runtime.scope import ReadScope
from aiterkit._runtime.sink import GuardedSink
from aiterkit._runtime.source_reader import SourceReader
from aiterkit._runtime.statistics import Statistics
from aiterkit._runtime.sync_source import with_checkpoints
from aiterkit._runtime.task import BlockTask

T = TypeVar("T")
R = TypeVar("R")
B = TypeVar("B")


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


class HeartbeatScope(SingleSourceScope[T, T | B], Generic[T, B]):
    """A source whose reader waits no longer than until a beat is due.

    Nearly every wait of the reader ends with an item, long before a beat is due. A
    deadline for each wait would cost about as much as the wait. So one task sets a
    deadline, and checks only when it expires whether an item has postponed the beat.
    """

    _timer: "BeatTimer"

    def __init__(
        self,
        iterator: AsyncIterator[T] | Iterator[T],
        beats: Heartbeats[T, B],
        *,
        name: str,
    ) -> None:
        super().__init__(iterator, beats, name=name)

    def _start(self) -> None:
        super()._start()
        self._timer = timer = BeatTimer(self)
        timer.start(
            self._time_beats(timer), name=f"{self.name} timer", context=self.context
        )

    def _finish(self) -> None:
        super()._finish()
        del self._timer  # which holds the block too

    async def _wait_until_due(self) -> None:
        timed = self.timed
        timed.is_awaited = True
        self._timer.wake_if_idle()
        self.receiver = waiter = self.make_waiter()
        try:
            await waiter
        finally:
            timed.is_awaited = False

    async def _time_beats(self, timer: "BeatTimer") -> None:
        timed, wait_until, now = self.timed, self.backend.wait_until, self.backend.now
        with timer:
            try:
                while not timer.stopped:
                    due = timed.due
                    if now() < due < inf:
                        await wait_until(timer.begin_wait(), due)
                    else:
                        # A busy reader needs no beat, so none is timed until it waits
                        # again.
                        self.wake_receiver()
                        timer.is_idle = True
                        await timer.begin_wait()
            except get_cancelled_exc_class():
                if not timer.stopped:
                    self.abandon()  # or the reader would wait without an end


class BeatTimer(BlockTask):
    """The task that wakes the reader when a beat is due."""

    __slots__ = ("_scope", "_waiter", "is_idle")

    def __init__(self, scope: HeartbeatScope[Any, Any]) -> None:
        super().__init__(scope)
        self.is_idle: bool = False  # while it waits for the next wait of the reader
        self._scope = scope
        self._waiter: Waiter | None = None  # its latest wait

    def begin_wait(self) -> Waiter:
        """Return a wait, which `wake_if_idle` and `stop` can end."""
        self._waiter = waiter = self._scope.make_waiter()
        return waiter

    def wake_if_idle(self) -> None:
        """Let it time the next beat, if it times none."""
        if self.is_idle:
            self.is_idle = False
            self._wake()

    def stop(self) -> None:
        """End it: no code of the user runs in it."""
        super().stop()
        self._wake()

    def is_ending(self) -> bool:
        """Return whether it was stopped."""
        return self.stopped

    def _wake(self) -> None:
        if self._waiter is not None:
            self._scope.end_wait(self._waiter)
