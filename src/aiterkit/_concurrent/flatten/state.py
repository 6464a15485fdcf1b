"""Which inner sources may be read, and what the reader receives of them.

Two more ways in which sources are combined: by arrival, or one after the other.
Only *limit* inner sources may be read at once, and only as many more may be closed
and not yet drained by the reader; until then the *outer* source is not read on.
"""

from abc import abstractmethod
from collections import deque
from typing import Any

from aiterkit._concurrent.merge.state import ArrivalBuffer, MergeState, Upstream
from aiterkit._runtime.buffer import EMPTY, Empty
from aiterkit._runtime.statistics import FlatMapStatistics


class InnerSource(Upstream):
    """An inner source, and what of it waits for the reader."""

    __slots__ = ("ended", "error", "holds_slot", "is_drained", "items")

    items: deque[Any]  # those that wait for its turn, where sources take turns

    def __init__(self, index: int) -> None:
        super().__init__(index)
        # Whether it is closed, and counts until the reader has taken all of it.
        self.holds_slot: bool = False
        self.ended: bool = False  # it gives no more items
        self.is_drained: bool = False  # the reader has taken all of it
        self.error: BaseException | None = None  # what comes after its items


class FlattenState(MergeState[Any, Any]):
    """How many inner sources there are, and may be.

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
        # Whether one was drained that had kept others from being read, until
        # `take_free_slot`.
        self.has_free_slot: bool = False
        self.undrained: int = 0  # closed, but not yet drained by the reader
        self._dropped = 0  # items that came after the place of an error

    def may_begin(self) -> bool:
        """Tell whether there may be one more inner source."""
        count, limit = self._count, self.limit
        return count < limit and count + self.undrained < 2 * limit

    def begin(self) -> InnerSource:
        """Add one more inner source."""
        inner = InnerSource(self._opened)
        self._opened += 1
        self._count += 1
        self.open[inner] = None
        self.ended = False
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

        To be called whenever the reader has taken an item of one that is closed.
        """
        if inner.holds_slot and self._is_drained(inner):
            inner.holds_slot = False
            if not self.may_begin():
                self.has_free_slot = True
            self.undrained -= 1

    def take_free_slot(self) -> bool:
        """Tell whether a slot was freed for others; each is reported once."""
        had, self.has_free_slot = self.has_free_slot, False
        return had

    def statistics(self) -> FlatMapStatistics:
        held = self.held
        return FlatMapStatistics(
            taken=self.delivered + held + self._dropped,
            waiting=held,
            running=0,
            delivered=self.delivered,
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
        """Tell whether there is a value that the reader may have now."""

    @abstractmethod
    def _is_drained(self, inner: InnerSource) -> bool:
        """Tell whether the reader has taken all of a source that has ended."""


class Interleaved(FlattenState, ArrivalBuffer[Any]):
    """Items of all inner sources as they arrive."""

    @property
    def held(self) -> int:
        return len(self.queue)

    def has_next(self) -> bool:
        return bool(self.queue)

    def _is_drained(self, inner: InnerSource) -> bool:
        return not inner.waiting


class Concatenated(FlattenState):
    """Items of the first inner source, then of the second, and so on."""

    def __init__(self, limit: float, window: int) -> None:
        super().__init__(limit)
        self.window = window
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
        return upstream.waiting < self.window

    def put(self, upstream: Upstream, item: Any) -> bool:
        assert isinstance(upstream, InnerSource)  # noqa: S101 - `begin` made it
        upstream.items.append(item)
        upstream.waiting += 1
        self.ready = self._queue[0] is upstream
        return upstream.waiting < self.window

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
            self.delivered += 1
            head.waiting -= 1
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
