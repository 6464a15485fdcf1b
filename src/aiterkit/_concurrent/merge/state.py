"""Where several sources meet: what each may read, what the reader gets next.

A junction decides and never waits; the block around it reads the sources and
asks here. Each source comes in by a `Upstream`. There is a junction for each way in
which sources can meet.
"""

from abc import ABC, abstractmethod
from collections import deque
from typing import Any, Generic, Literal, TypeVar

from aiterkit._runtime.buffer import EMPTY, Empty
from aiterkit._runtime.errors import raise_to_reader

T = TypeVar("T")
R = TypeVar("R")


class Upstream:
    """One source: its number, and how many of its items wait for the reader."""

    __slots__ = ("index", "waiting")

    def __init__(self, index: int) -> None:
        self.index = index
        self.waiting: int = 0


class MergeState(ABC, Generic[T, R]):
    """The books of a block that reads several sources.

    Those that are still read are *live*; it has *ended* when none is. Those that are
    *void* shall be read no more, whatever they would give. The one that was *freed* by
    what the reader took may be read again; so may all, if that is None. A *late* error
    is one that the reader will never see. It is *decided* when nothing that a live
    source might give will reach the reader, and *ready* when a waiting one may go on.
    """

    __slots__ = (
        "_failure",
        "_opened",
        "ended",
        "open",
        "ready",
        "resumable",
        "settled",
        "to_stop",
        "unseen_errors",
    )

    def __init__(self) -> None:
        self.open: dict[Upstream, None] = {}
        self.ended: bool = True
        self.to_stop: list[Upstream] = []
        self.resumable: Upstream | None = None
        self.unseen_errors: list[BaseException] = []
        self.settled: bool = False
        self.ready: bool = True
        self._opened: int = 0
        self._failure: list[BaseException] = []  # one at most, to be given away

    def add(self) -> Upstream:
        """Book one more source."""
        upstream = Upstream(self._opened)
        self._opened += 1
        self.open[upstream] = None
        self.ended = False
        return upstream

    def leave(self, upstream: Upstream) -> None:
        """Book that the source is read no more, for whatever reason."""
        self.open.pop(upstream, None)
        self.ended = not self.open

    @property
    def exhausted(self) -> bool:
        """Whether the reader has had everything that will ever come."""
        return self.ended and not self._failure and self.is_empty()

    @abstractmethod
    def is_empty(self) -> bool:
        """Tell whether no value waits for the reader."""

    @abstractmethod
    def has_room(self, upstream: Upstream) -> bool:
        """Tell whether the source may be asked for one more item."""

    @abstractmethod
    def put(self, upstream: Upstream, item: T) -> bool:
        """Book an *item*; tell whether there is room for one more of that source."""

    @abstractmethod
    def end(self, upstream: Upstream) -> None:
        """Book that the source has no more items."""

    @abstractmethod
    def fail(self, upstream: Upstream, error: BaseException) -> None:
        """Book the *error* of the source, in the place of its next item."""

    @abstractmethod
    def pop(self) -> R | Empty:
        """Deliver the next value, or raise the error that ends it, if it is there.

        A failure is told only when no source that it made void is read any more.
        """

    def close(self) -> list[BaseException]:
        """Give up what was not delivered; return the errors among it."""
        late, self.unseen_errors = self.unseen_errors + self._failure, []
        self._failure.clear()
        return late

    def _decide(self, error: BaseException | None = None) -> None:
        """Let nothing more come but *error*, if there is one."""
        self.settled = self.ready = True
        self.to_stop.extend(self.open)
        if error is not None:
            self._failure.append(error)

    def _tell_failure(self) -> Literal[Empty.EMPTY]:
        """Raise the failure, if there is one and every source that it voids is over."""
        if self._failure and not self.open:
            raise_to_reader(self._failure.pop())
        return EMPTY


class ArrivalBuffer(MergeState[T, T]):
    """Items as they arrive, at most *window* of each source ahead of the reader."""

    __slots__ = ("queue", "window")

    def __init__(self, window: int) -> None:
        super().__init__()
        self.window = window
        self.queue: deque[tuple[Upstream, T]] = deque()

    def is_empty(self) -> bool:
        return not self.queue

    def has_room(self, upstream: Upstream) -> bool:
        return upstream.waiting < self.window

    def put(self, upstream: Upstream, item: T) -> bool:
        self.queue.append((upstream, item))
        upstream.waiting = waiting = upstream.waiting + 1
        return waiting < self.window

    def end(self, upstream: Upstream) -> None:
        self.leave(upstream)

    def fail(self, upstream: Upstream, error: BaseException) -> None:
        self.leave(upstream)
        self._decide(error)

    def pop(self) -> T | Empty:
        if self.queue:
            upstream, item = self.queue.popleft()
            upstream.waiting -= 1
            self.resumable = upstream
            return item
        return self._tell_failure() if self._failure else EMPTY


class ReadAhead(ArrivalBuffer[T]):
    """The items of one source, at most *window* of them ahead of the reader.

    With a *window* of 0, there is room while a reader waits, which is *asked*.
    """

    asked = False

    def has_room(self, upstream: Upstream) -> bool:
        return upstream.waiting < self.window or (self.asked and not upstream.waiting)


class LatestRow(ArrivalBuffer[Any]):
    """A row of the newest item of each source, whenever one arrives.

    The first row comes when every source has given an item; until then, newer
    items take the place of older ones. If a source ends without one, no row can
    ever come.
    """

    def __init__(self) -> None:
        super().__init__(1)
        self.ready: bool = False
        self._newest: list[Any] = []
        self._missing: set[Upstream] = set()

    def add(self) -> Upstream:
        upstream = super().add()
        self._newest.append(None)  # a place, filled below
        self._missing.add(upstream)
        return upstream

    def put(self, upstream: Upstream, item: Any) -> bool:
        self._newest[upstream.index] = item
        if self._missing:
            self._missing.discard(upstream)
            if self._missing:
                return True
            self.ready = True
        return super().put(upstream, tuple(self._newest))

    def end(self, upstream: Upstream) -> None:
        self.leave(upstream)
        if upstream in self._missing:
            self._decide()


class _End:
    """What stands in a row for the end of a source."""


_END = _End()


class ZipState(MergeState[T, tuple[Any, ...]]):
    """A row of the next item of each source, with one wait for all of them.

    What comes of a row is what `azip` makes of it by reading from left to right:
    the first source that has no item for it decides. So a source to the left of
    one that has ended is still waited for.
    """

    def __init__(self, *, name: str, strict: bool) -> None:
        super().__init__()
        self._name = name
        self._strict = strict
        self._row: list[Any] = []
        self._missing = 0
        self._judged = 0
        self._upstreams: list[Upstream] = []
        self._stopped_from = 0

    def add(self) -> Upstream:
        upstream = super().add()
        self._upstreams.append(upstream)
        self._stopped_from = self._opened
        self.ready = False
        self._row.append(EMPTY)
        self._missing += 1
        return upstream

    def is_empty(self) -> bool:
        return self._missing > 0 or not self._row

    def has_room(self, upstream: Upstream) -> bool:
        return self._row[upstream.index] is EMPTY

    def put(self, upstream: Upstream, item: T) -> bool:
        self._row[upstream.index] = item
        self._missing -= 1
        self.ready = not self._missing
        if len(self.open) < self._opened:
            self._judge()
        return False

    def end(self, upstream: Upstream) -> None:
        self._lose(upstream, _END)
        if not self._strict:
            self._stop_right_of(upstream)
        self._judge()

    def fail(self, upstream: Upstream, error: BaseException) -> None:
        self._lose(upstream, _Error(error))
        self._stop_right_of(upstream)
        self._judge()

    def pop(self) -> tuple[Any, ...] | Empty:
        if self.is_empty():
            return self._tell_failure()
        row = tuple(self._row)
        self._missing = self._opened
        self._row = [EMPTY] * self._opened
        self.ready = False
        return row

    def close(self) -> list[BaseException]:
        for outcome in self._row:
            if isinstance(outcome, _Error):
                self.unseen_errors.append(outcome.error)
        self._row.clear()
        return super().close()

    def _lose(self, upstream: Upstream, outcome: object) -> None:
        self.leave(upstream)
        self._row[upstream.index] = outcome

    def _stop_right_of(self, upstream: Upstream) -> None:
        # Each is looked at once, however many end: those beyond are void already.
        right = self._upstreams[upstream.index + 1 : self._stopped_from]
        self.to_stop.extend(other for other in right if other in self.open)
        self._stopped_from = min(self._stopped_from, upstream.index + 1)

    def _judge(self) -> None:
        """See whether the sources that have answered decide the row."""
        if self.settled:
            return
        row = self._row
        while self._judged < self._opened:
            outcome = row[self._judged]
            if outcome is EMPTY:
                return
            if isinstance(outcome, _Error):
                row[self._judged] = _END
                self._decide(outcome.error)
                return
            ended = outcome is _END
            all_ended = self._strict and row[0] is _END
            if ended and not self._strict:
                self._decide()
                return
            if ended != all_ended:
                self._decide(self._unequal("shorter" if ended else "longer"))
                return
            self._judged += 1
        self._decide()

    def _unequal(self, how: str) -> ValueError:
        """Say how the source that is judged compares with those before, as `zip`."""
        number = self._judged
        before = "argument 1" if number == 1 else f"arguments 1-{number}"
        return ValueError(
            f"{self._name}() argument {number + 1} is {how} than {before}"
        )


class _Error:
    """What stands in a row for an error."""

    __slots__ = ("error",)

    def __init__(self, error: BaseException) -> None:
        self.error = error
