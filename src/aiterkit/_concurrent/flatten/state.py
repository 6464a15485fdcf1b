"""Which inner sources may be read, and what the reader receives.

Two more ways to combine sources: by arrival, or one after the other. At most *limit*
inner sources are read at once. As many more may be closed and not yet drained, which
means that the reader has not received all their items. Beyond that, the *outer* source
is not read.
"""

from abc import abstractmethod
from collections import deque
from typing import Any

from aiterkit._concurrent.merge.state import ArrivalBuffer, MergeState, Upstream
from aiterkit._runtime.buffer import EMPTY, Empty
from aiterkit._runtime.statistics import FlatMapStatistics


class InnerSource(Upstream):
    """An inner source, and its items that wait for the reader."""

    __slots__ = ("ended", "error", "holds_slot", "is_drained", "items")

    items: deque[Any]  # set only by `Concatenated`: those that wait for the reader

    def __init__(self, index: int) -> None:
        super().__init__(index)
        # True from its close until it is drained: meanwhile it counts as `undrained`.
        self.holds_slot: bool = False
        self.ended: bool = False  # once it gives no more items
        self.is_drained: bool = False  # once the reader has received all of it
        self.error: BaseException | None = None  # raised after its items


class FlattenState(MergeState[Any, Any]):
    """How many inner sources there are, and how many there may be.

    At most *limit* are read at once. As many more may be closed and not yet drained.
    """

    def __init__(self, limit: float, *rest: Any) -> None:
        super().__init__(*rest)
        self.outer = self.add()
        self.limit = limit
        # Inner sources that wait to be opened, are read, or are being closed.
        self._count = 0
        # Those that wait to be opened, with their items, by index.
        self.pending: deque[tuple[InnerSource, Any]] = deque()
        # True once a source was drained and so makes room for another, until
        # `take_free_slot` returns it.
        self.has_free_slot: bool = False
        self.undrained: int = 0  # closed, but not yet drained by the reader
        self._dropped = 0  # items that came after the place of an error

    def may_begin(self) -> bool:
        """Return whether there may be one more inner source."""
        count, limit = self._count, self.limit
        return count < limit and count + self.undrained < 2 * limit

    def begin(self) -> InnerSource:
        """Add one more inner source."""
        inner = InnerSource(self._opened)
        self._register(inner)
        self._count += 1
        return inner

    def drop(self, inner: Upstream) -> None:
        """Note that a source which waits to be opened, if it does, never will be."""
        if self.pending and self.pending[0][0] is inner:  # they are stopped in order
            self.on_closed(self.pending.popleft()[0])

    def on_closed(self, inner: InnerSource) -> None:
        """Note that it is closed."""
        self.leave(inner)
        self._count -= 1
        if not self._is_drained(inner):
            inner.holds_slot = True
            self.undrained += 1

    def release(self, inner: InnerSource) -> None:
        """Free its slot, if it is closed and drained.

        Call it whenever the reader has received an item of a closed source.
        """
        if inner.holds_slot and self._is_drained(inner):
            inner.holds_slot = False
            if not self.may_begin():
                self.has_free_slot = True
            self.undrained -= 1

    def take_free_slot(self) -> bool:
        """Return whether a slot was freed; each is reported once."""
        had, self.has_free_slot = self.has_free_slot, False
        return had

    def statistics(self) -> FlatMapStatistics:
        taken, held = self.given, self.held
        return FlatMapStatistics(
            taken=taken,
            waiting=held,
            running=0,
            delivered=taken - held - self._dropped,
            dropped=self._dropped,
            limit=self.limit,
            opened=self._opened - 1 - len(self.pending),  # all but the outer source
            open=self._count - len(self.pending),
            waiting_to_open=len(self.pending),
        )

    @property
    @abstractmethod
    def held(self) -> int:
        """How many items the reader has not received."""

    @abstractmethod
    def has_next(self) -> bool:
        """Return whether there is a value for the reader now."""

    @abstractmethod
    def _is_drained(self, inner: InnerSource) -> bool:
        """Return whether the reader has received all of a source that has ended."""


class Interleaved(FlattenState, ArrivalBuffer[Any]):
    """Items of all inner sources as they arrive."""

    @property
    def held(self) -> int:
        return len(self.queue)

    def has_next(self) -> bool:
        return bool(self.queue)

    def _is_drained(self, inner: InnerSource) -> bool:
        return inner.allowed - inner.given == self.window  # none of its items waits


class Concatenated(FlattenState):
    """Items of the first inner source, then of the second, and so on."""

    def __init__(self, limit: float, window: int) -> None:
        super().__init__(limit)
        self.window = window  # how many items of each source may wait
        # The sources that are not drained, in order; the reader receives the first.
        self._queue: deque[InnerSource] = deque()

    def begin(self) -> InnerSource:
        inner = super().begin()
        inner.items = deque()
        self._queue.append(inner)
        return inner

    @property
    def held(self) -> int:
        return sum(len(inner.items) for inner in self._queue)

    def has_next(self) -> bool:
        return bool(self._queue) and bool(self._queue[0].items)

    def _is_drained(self, inner: InnerSource) -> bool:
        return inner.is_drained

    def is_empty(self) -> bool:
        return not self._queue

    def has_room(self, upstream: Upstream) -> bool:
        assert isinstance(upstream, InnerSource)  # noqa: S101 - `begin` made it
        return len(upstream.items) < self.window

    def put(self, upstream: Upstream, item: Any) -> bool:
        assert isinstance(upstream, InnerSource)  # noqa: S101 - `begin` made it
        upstream.items.append(item)
        upstream.given += 1
        self.ready = self._queue[0] is upstream
        return len(upstream.items) < self.window

    def end(self, upstream: Upstream) -> None:
        self.leave(upstream)
        if isinstance(upstream, InnerSource):
            upstream.ended = True
            self._pass_on()

    def fail(self, upstream: Upstream, error: BaseException) -> None:
        self.leave(upstream)
        if isinstance(upstream, InnerSource):
            failed = upstream
            while self._queue[-1] is not failed:
                self._drop(self._queue.pop())
            self.to_stop.extend(
                other
                for other in self.open
                if other is self.outer or other.index > failed.index
            )
        else:  # in the place of its next item
            failed = InnerSource(self._opened)
            failed.items = deque()
            self._queue.append(failed)
        failed.error = error

    def pop(self) -> Any | Empty:
        if not self._queue:
            return EMPTY
        head = self._queue[0]
        if head.items:
            item = head.items.popleft()
            self.resumable = head
            self._pass_on()
            return item
        if head.error is None or self.open:
            return EMPTY
        self._failure.append(head.error)
        head.error = None
        self._queue.clear()
        return self._raise_when_closed()

    def close(self) -> list[BaseException]:
        while self._queue:
            self._drop(self._queue.pop())
        return super().close()

    def _drop(self, inner: InnerSource) -> None:
        self._dropped += len(inner.items)
        if inner.error is not None:
            self.unseen_errors.append(inner.error)
            inner.error = None

    def _pass_on(self) -> None:
        queue = self._queue
        while queue and queue[0].ended and not queue[0].items:
            inner = queue.popleft()
            inner.is_drained = True
            self.release(inner)
