"""Which sources may be asked for an item, and what the reader receives.

A `MergeState` decides and never waits: the `SourcesScope` around it reads the
sources and asks here. Each source has an `Upstream`. There is a state for each way in
which sources are combined.
"""

from abc import abstractmethod
from collections import deque
from typing import Any, Generic, Literal, TypeVar

from aiterkit._runtime.buffer import EMPTY, Empty, ResultBuffer
from aiterkit._runtime.statistics import Statistics

T = TypeVar("T")
R = TypeVar("R")


class Upstream:
    """One source: its number, and how many items it has given and may give."""

    __slots__ = ("allowed", "given", "index")

    def __init__(self, index: int) -> None:
        self.index = index  # its place among the sources, from 0
        # How many items, or rows made of one, it has put before the reader so far. A
        # zip counts its rows instead.
        self.given: int = 0
        # How many that may be by now: those that the reader has received, and as many
        # more as may wait for it. Set only by `ArrivalBuffer`.
        self.allowed: int = 0


class MergeState(ResultBuffer[R], Generic[T, R]):
    """The sources of one block, and what the reader has yet to receive.

    It has *ended* when no source is open.
    """

    __slots__ = (
        "_given_before",
        "_opened",
        "open",
        "ready",
        "resumable",
        "settled",
        "to_stop",
    )

    def __init__(self) -> None:
        super().__init__()
        self.ended = True
        # The sources that are being read or closed; a dict for its order.
        self.open: dict[Upstream, None] = {}
        # The sources that must be stopped, until `take_to_stop` returns them.
        self.to_stop: list[Upstream] = []
        # The source of the item that the reader received last, which may go on; None
        # if all sources may.
        self.resumable: Upstream | None = None
        # True once no further item of an open source can reach the reader.
        self.settled: bool = False
        # Whether a parked reader may go on after the last `put`.
        self.ready: bool = True
        self._opened: int = 0  # how many sources there have been
        self._given_before: int = 0  # items of the sources that are not open any more

    def add(self) -> Upstream:
        """Add one more source."""
        upstream = Upstream(self._opened)
        self._register(upstream)
        return upstream

    def _register(self, upstream: Upstream) -> None:
        self._opened += 1
        self.open[upstream] = None
        self.ended = False

    def leave(self, upstream: Upstream) -> None:
        """Note that the source is not read any more, whatever the reason."""
        if upstream in self.open:
            del self.open[upstream]
            self._given_before += upstream.given
        self.ended = not self.open

    @property
    def given(self) -> int:
        """How many items all sources have given, where each source counts its own."""
        return self._given_before + sum(upstream.given for upstream in self.open)

    def take_to_stop(self) -> list[Upstream]:
        """Return the sources that must be stopped now; each is returned once."""
        to_stop, self.to_stop = self.to_stop, []
        return to_stop

    @property
    def takes_last_read(self) -> bool:
        """Whether a read that was under way at the stop of its source counts."""
        return False

    @abstractmethod
    def has_room(self, upstream: Upstream) -> bool:
        """Return whether the source may be asked for one more item."""

    @abstractmethod
    def put(self, upstream: Upstream, item: T) -> bool:
        """Store an *item*; return whether there is room for one more of that source."""

    @abstractmethod
    def end(self, upstream: Upstream) -> None:
        """Note that the source has no more items."""

    @abstractmethod
    def fail(self, upstream: Upstream, error: BaseException) -> None:
        """Store the *error* of the source, in the place of its next item."""

    @abstractmethod
    def statistics(self) -> Statistics:
        """Return how many items were taken, wait, were delivered or dropped."""

    def _settle(self, error: BaseException | None = None) -> None:
        """Let no more results come; end them with *error*, if there is one."""
        self.settled = self.ready = True
        self.to_stop.extend(self.open)
        if error is not None:
            self._failure.append(error)

    def _raise_when_closed(self) -> Literal[Empty.EMPTY]:
        """Raise the failure, if there is one and every source it ends is closed."""
        return EMPTY if self.open else self._raise_failure()


class ArrivalBuffer(MergeState[T, T]):
    """Items as they arrive, at most *window* of each source ahead of the reader."""

    __slots__ = ("queue", "window")

    def __init__(self, window: int) -> None:
        super().__init__()
        self.window = window
        self.queue: deque[tuple[Upstream, T]] = deque()

    def _register(self, upstream: Upstream) -> None:
        super()._register(upstream)
        upstream.allowed = self.window

    def is_empty(self) -> bool:
        return not self.queue

    def has_room(self, upstream: Upstream) -> bool:
        return upstream.given < upstream.allowed

    def put(self, upstream: Upstream, item: T) -> bool:
        self.queue.append((upstream, item))
        upstream.given = given = upstream.given + 1
        return given < upstream.allowed

    def end(self, upstream: Upstream) -> None:
        self.leave(upstream)

    def fail(self, upstream: Upstream, error: BaseException) -> None:
        self.leave(upstream)
        self._settle(error)

    def pop(self) -> T | Empty:
        if self.queue:
            upstream, item = self.queue.popleft()
            upstream.allowed += 1
            self.resumable = upstream
            return item
        return self._raise_when_closed() if self._failure else EMPTY

    @property
    def delivered(self) -> int:
        """How many results the reader has received."""
        return self.given - len(self.queue)

    def statistics(self) -> Statistics:
        return Statistics(
            taken=self.given,
            waiting=len(self.queue),
            running=0,
            delivered=self.delivered,
            dropped=0,
        )


class EndingArrivals(ArrivalBuffer[T]):
    """The same, until the first source ends: the first in time, or in their order.

    What the others gave before still comes, and so does what their reads under way
    at that moment give. The results end when all sources are closed.
    """

    __slots__ = ("_any_ends_it",)

    def __init__(self, window: int, *, any_ends_it: bool) -> None:
        super().__init__(window)
        self._any_ends_it = any_ends_it

    @property
    def takes_last_read(self) -> bool:
        return self.settled and not self._failure

    def end(self, upstream: Upstream) -> None:
        # It leaves when it is closed.
        if not self.settled and (self._any_ends_it or upstream.index == 0):
            self.settled = True
            self.to_stop.extend(other for other in self.open if other is not upstream)


class OnDemand(ArrivalBuffer[T]):
    """The items of one source, each of them read when the reader asks for it."""

    def __init__(self) -> None:
        super().__init__(0)
        # True until an item has come, even if the wait that asked for it is cancelled.
        # Otherwise a reader that keeps giving up too soon would never get an item.
        self.asked: bool = False

    def has_room(self, upstream: Upstream) -> bool:  # noqa: ARG002 - there is but one
        return self.asked

    def put(self, upstream: Upstream, item: T) -> bool:
        self.asked = False
        return super().put(upstream, item)


class Stoppable(OnDemand[T]):
    """The items of one source, until it is stopped.

    The items before that still come, and so does the item of a read under way then.
    """

    def stop(self, error: BaseException | None = None) -> None:
        """Ask for no more items; let *error*, if any, take the place of the end."""
        self.to_stop.extend(self.open)
        if error is not None:
            # If the source has ended, so have the results: no reader sees the error.
            (self._failure if self.open else self.unseen_errors).append(error)

    def fail(self, upstream: Upstream, error: BaseException) -> None:
        self.leave(upstream)
        # If `stop` has failed before, its error ends the results, and not this one.
        (self.unseen_errors if self._failure else self._failure).append(error)


class LatestRow(ArrivalBuffer[Any]):
    """A row of the newest item of each source, whenever one arrives.

    The first row comes when every source has given an item; until then, newer
    items take the place of older ones. If a source ends without one, no row can
    ever come.
    """

    def __init__(self) -> None:
        super().__init__(1)
        self.ready: bool = False
        self._overtaken = 0  # items that were dropped before the first row
        self._newest: list[Any] = []  # by the index of the source
        # The sources that have given no item yet.
        self._missing: set[Upstream] = set()

    def add(self) -> Upstream:
        upstream = super().add()
        self._newest.append(None)  # a place, filled below
        self._missing.add(upstream)
        return upstream

    def put(self, upstream: Upstream, item: Any) -> bool:
        self._newest[upstream.index] = item
        if self._missing:
            if upstream in self._missing:
                self._missing.discard(upstream)
            else:
                self._overtaken += 1
            if self._missing:
                return True
            self.ready = True
        return super().put(upstream, tuple(self._newest))

    def end(self, upstream: Upstream) -> None:
        self.leave(upstream)
        if upstream in self._missing:
            self._settle()

    def statistics(self) -> Statistics:
        # The first row holds an item of every source; each row after it, one more.
        first = self._opened - len(self._missing)
        delivered = self.delivered + (first - 1 if self.delivered else 0)
        taken = first + self._overtaken
        if not self._missing:
            taken += max(self.delivered + len(self.queue) - 1, 0)
        dropped = self._overtaken
        if self._missing and self.settled:
            dropped = taken
        return Statistics(
            taken=taken,
            waiting=taken - dropped - delivered,
            running=0,
            delivered=delivered,
            dropped=dropped,
        )


class _End:
    """Takes the place of an item in a row when its source has ended."""


_END = _End()


class ZipState(MergeState[T, tuple[Any, ...]]):
    """A row of the next item of each source, with one wait for all of them.

    A row ends as in `azip`, which reads from left to right: the first source that has
    no item for it decides. So if a source has ended, those to its left are still
    waited for.
    """

    def __init__(self, *, name: str, strict: bool) -> None:
        super().__init__()
        self._name = name
        self._strict = strict
        self._delivered = 0  # rows that the reader has received
        # The next row, by index: EMPTY, an item, _END, or an _Error.
        self._row: list[Any] = []
        self._missing = 0  # how many items the row still needs
        self._judged = 0  # how many places from the left can no longer end the rows
        self._upstreams: list[Upstream] = []  # by index
        self._stopped_from = 0  # every source from this index on is to be stopped
        self._dropped = 0  # items of a row that was left behind

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
            return self._raise_when_closed()
        row = tuple(self._row)
        self._delivered += 1
        self._missing = self._opened
        self._row = [EMPTY] * self._opened
        self.ready = False
        return row

    def statistics(self) -> Statistics:
        delivered = self._delivered * self._opened
        dropped, waiting = self._dropped, self._held
        if self.settled:  # the row will never be whole
            dropped, waiting = dropped + waiting, 0
        return Statistics(
            taken=delivered + waiting + dropped,
            waiting=waiting,
            running=0,
            delivered=delivered,
            dropped=dropped,
        )

    @property
    def _held(self) -> int:
        """How many items are in the row."""
        return sum(
            outcome is not EMPTY
            and outcome is not _END
            and not isinstance(outcome, _Error)
            for outcome in self._row
        )

    def close(self) -> list[BaseException]:
        self._dropped += self._held
        for outcome in self._row:
            if isinstance(outcome, _Error):
                self.unseen_errors.append(outcome.error)
        self._row.clear()
        return super().close()

    def _lose(self, upstream: Upstream, outcome: object) -> None:
        self.leave(upstream)
        self._row[upstream.index] = outcome

    def _stop_right_of(self, upstream: Upstream) -> None:
        # Sources from `_stopped_from` on are stopped already: each is visited once.
        right = self._upstreams[upstream.index + 1 : self._stopped_from]
        self.to_stop.extend(other for other in right if other in self.open)
        self._stopped_from = min(self._stopped_from, upstream.index + 1)

    def _judge(self) -> None:
        """End the rows, if the sources that have answered decide that they end."""
        if self.settled:
            return
        row = self._row
        while self._judged < self._opened:
            outcome = row[self._judged]
            if outcome is EMPTY:
                return
            if isinstance(outcome, _Error):
                row[self._judged] = _END
                self._settle(outcome.error)
                return
            ended = outcome is _END
            all_ended = self._strict and row[0] is _END
            if ended and not self._strict:
                self._settle()
                return
            if ended != all_ended:
                self._settle(self._unequal("shorter" if ended else "longer"))
                return
            self._judged += 1
        self._settle()

    def _unequal(self, how: str) -> ValueError:
        """Return the error of `zip` for the source that is longer or shorter."""
        number = self._judged
        before = "argument 1" if number == 1 else f"arguments 1-{number}"
        return ValueError(
            f"{self._name}() argument {number + 1} is {how} than {before}"
        )


class _Error:
    """Takes the place of an item in a row when its source has failed."""

    __slots__ = ("error",)

    def __init__(self, error: BaseException) -> None:
        self.error = error
