"""What several sources may be asked for, and what the reader receives of them.

A `MergeState` decides and never waits: the `SourcesScope` around it reads the
sources and asks here. Each source has an `Upstream`. There is a state for each way in
which sources are combined.
"""

from abc import abstractmethod
from collections import deque
from typing import Any, Generic, Literal, TypeVar

from aiterkit._runtime.buffer import EMPTY, Empty, ResultBuffer

T = TypeVar("T")
R = TypeVar("R")


class Upstream:
    """One source: its number, and how many of its items wait for the reader."""

    __slots__ = ("index", "waiting")

    def __init__(self, index: int) -> None:
        self.index = index
        self.waiting: int = 0


class MergeState(ResultBuffer[R], Generic[T, R]):
    """What is known of the sources of one block.

    It has *ended* when no source is open.
    """

    __slots__ = ("_opened", "open", "ready", "resumable", "settled", "to_stop")

    def __init__(self) -> None:
        super().__init__()
        self.ended = True
        # The sources that are read, or are being closed; a dict for its order.
        self.open: dict[Upstream, None] = {}
        # Those that are to be read no more, whatever they would give, until
        # `take_to_stop` has handed them over.
        self.to_stop: list[Upstream] = []
        # The source that may go on since the reader received something of it; None
        # if all may.
        self.resumable: Upstream | None = None
        # Whether nothing that an open source might give will reach the reader.
        self.settled: bool = False
        # Whether a parked reader may go on after the last `put`.
        self.ready: bool = True
        self._opened: int = 0  # how many there have been

    def add(self) -> Upstream:
        """Add one more source."""
        upstream = Upstream(self._opened)
        self._opened += 1
        self.open[upstream] = None
        self.ended = False
        return upstream

    def leave(self, upstream: Upstream) -> None:
        """Note that the source is read no more, for whatever reason."""
        self.open.pop(upstream, None)
        self.ended = not self.open

    def take_to_stop(self) -> list[Upstream]:
        """Return the sources that must be stopped now; each is returned once."""
        to_stop, self.to_stop = self.to_stop, []
        return to_stop

    @property
    def takes_last_read(self) -> bool:
        """Whether a read counts that was under way when its source was stopped."""
        return False

    @abstractmethod
    def has_room(self, upstream: Upstream) -> bool:
        """Tell whether the source may be asked for one more item."""

    @abstractmethod
    def put(self, upstream: Upstream, item: T) -> bool:
        """Store an *item*; tell whether there is room for one more of that source."""

    @abstractmethod
    def end(self, upstream: Upstream) -> None:
        """Note that the source has no more items."""

    @abstractmethod
    def fail(self, upstream: Upstream, error: BaseException) -> None:
        """Store the *error* of the source, in the place of its next item."""

    def _settle(self, error: BaseException | None = None) -> None:
        """Let nothing more come but *error*, if there is one."""
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
        self._settle(error)

    def pop(self) -> T | Empty:
        if self.queue:
            upstream, item = self.queue.popleft()
            upstream.waiting -= 1
            self.resumable = upstream
            return item
        return self._raise_when_closed() if self._failure else EMPTY


class EndingArrivals(ArrivalBuffer[T]):
    """The same, until the first source ends: the first in time, or in their order.

    What the others gave before, and what the reads give that were under way then,
    still comes. The results end when all sources are closed.
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


class ReadAhead(ArrivalBuffer[T]):
    """The items of one source, at most *window* of them ahead of the reader.

    With a *window* of 0, there is room while a reader waits.
    """

    asked = False  # while a reader waits

    def has_room(self, upstream: Upstream) -> bool:
        return upstream.waiting < self.window or (self.asked and not upstream.waiting)


class Stoppable(ReadAhead[T]):
    """The items of one source, until it is stopped.

    What it gave before, and what the read gives that was under way then, still comes.
    """

    def __init__(self) -> None:
        super().__init__(0)

    def has_room(self, upstream: Upstream) -> bool:
        return self.asked and not upstream.waiting

    def stop(self, error: BaseException | None = None) -> None:
        """Ask for no more items; let *error* come in the place of the end."""
        self.to_stop.extend(self.open)
        if error is not None:
            # If the source has ended, so have the results.
            (self._failure if self.open else self.unseen_errors).append(error)

    def fail(self, upstream: Upstream, error: BaseException) -> None:
        self.leave(upstream)
        # If stopping has failed before, that is the error that ends the results.
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
        self._newest: list[Any] = []  # by the index of the source
        # Those that have given nothing yet.
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
            self._settle()


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
        # The next row, by index: EMPTY, an item, _END, or an _Error.
        self._row: list[Any] = []
        self._missing = 0  # how many items the row still needs
        self._judged = 0  # how many places from the left cannot end it any more
        self._upstreams: list[Upstream] = []  # by index
        self._stopped_from = 0  # the index from which on all are to be stopped

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
        # Each is looked at once, however many end: those beyond are stopped already.
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
