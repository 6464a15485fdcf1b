"""Where several sources meet: what each may read, what the reader gets next.

A junction decides and never waits; the block around it reads the sources and
asks here. Each source comes in by a `Port`. There is a junction for each way in
which sources can meet.
"""

from abc import ABC, abstractmethod
from collections import deque
from typing import Any, Generic, Literal, TypeVar

from aiterkit._runtime.buffer import NOTHING, Nothing, tell

T = TypeVar("T")
R = TypeVar("R")


class Port:
    """One source: its number, and how many of its items wait for the reader."""

    __slots__ = ("index", "waiting")

    def __init__(self, index: int) -> None:
        self.index = index
        self.waiting: int = 0


class Junction(ABC, Generic[T, R]):
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
        "decided",
        "ended",
        "freed",
        "late",
        "live",
        "ready",
        "void",
    )

    def __init__(self) -> None:
        self.live: dict[Port, None] = {}
        self.ended: bool = True
        self.void: list[Port] = []
        self.freed: Port | None = None
        self.late: list[BaseException] = []
        self.decided: bool = False
        self.ready: bool = True
        self._opened: int = 0
        self._failure: list[BaseException] = []  # one at most, to be given away

    def open(self) -> Port:
        """Book one more source."""
        port = Port(self._opened)
        self._opened += 1
        self.live[port] = None
        self.ended = False
        return port

    def leave(self, port: Port) -> None:
        """Book that the source is read no more, for whatever reason."""
        self.live.pop(port, None)
        self.ended = not self.live

    @property
    def exhausted(self) -> bool:
        """Whether the reader has had everything that will ever come."""
        return self.ended and not self._failure and self.is_empty()

    @abstractmethod
    def is_empty(self) -> bool:
        """Tell whether no value waits for the reader."""

    @abstractmethod
    def has_room(self, port: Port) -> bool:
        """Tell whether the source may be asked for one more item."""

    @abstractmethod
    def give(self, port: Port, item: T) -> bool:
        """Book an *item*; tell whether there is room for one more of that source."""

    @abstractmethod
    def end(self, port: Port) -> None:
        """Book that the source has no more items."""

    @abstractmethod
    def fail(self, port: Port, error: BaseException) -> None:
        """Book the *error* of the source, in the place of its next item."""

    @abstractmethod
    def pop(self) -> R | Nothing:
        """Deliver the next value, or raise the error that ends it, if it is there.

        A failure is told only when no source that it made void is read any more.
        """

    def close(self) -> list[BaseException]:
        """Give up what was not delivered; return the errors among it."""
        late, self.late = self.late + self._failure, []
        self._failure.clear()
        return late

    def _decide(self, error: BaseException | None = None) -> None:
        """Let nothing more come but *error*, if there is one."""
        self.decided = self.ready = True
        self.void.extend(self.live)
        if error is not None:
            self._failure.append(error)

    def _tell_failure(self) -> Literal[Nothing.NOTHING]:
        """Raise the failure, if there is one and every source that it voids is over."""
        if self._failure and not self.live:
            tell(self._failure.pop())
        return NOTHING


class Arrivals(Junction[T, T]):
    """Items as they arrive, at most *window* of each source ahead of the reader."""

    __slots__ = ("line", "window")

    def __init__(self, window: int) -> None:
        super().__init__()
        self.window = window
        self.line: deque[tuple[Port, T]] = deque()

    def is_empty(self) -> bool:
        return not self.line

    def has_room(self, port: Port) -> bool:
        return port.waiting < self.window

    def give(self, port: Port, item: T) -> bool:
        self.line.append((port, item))
        port.waiting = waiting = port.waiting + 1
        return waiting < self.window

    def end(self, port: Port) -> None:
        self.leave(port)

    def fail(self, port: Port, error: BaseException) -> None:
        self.leave(port)
        self._decide(error)

    def pop(self) -> T | Nothing:
        if self.line:
            port, item = self.line.popleft()
            port.waiting -= 1
            self.freed = port
            return item
        return self._tell_failure() if self._failure else NOTHING


class Ahead(Arrivals[T]):
    """The items of one source, at most *window* of them ahead of the reader.

    With a *window* of 0, there is room while a reader waits, which is *asked*.
    """

    asked = False

    def has_room(self, port: Port) -> bool:
        return port.waiting < self.window or (self.asked and not port.waiting)


class Latest(Arrivals[Any]):
    """A row of the newest item of each source, whenever one arrives.

    The first row comes when every source has given an item; until then, newer
    items take the place of older ones. If a source ends without one, no row can
    ever come.
    """

    def __init__(self) -> None:
        super().__init__(1)
        self.ready: bool = False
        self._newest: list[Any] = []
        self._missing: set[Port] = set()

    def open(self) -> Port:
        port = super().open()
        self._newest.append(None)  # a place, filled below
        self._missing.add(port)
        return port

    def give(self, port: Port, item: Any) -> bool:
        self._newest[port.index] = item
        if self._missing:
            self._missing.discard(port)
            if self._missing:
                return True
            self.ready = True
        return super().give(port, tuple(self._newest))

    def end(self, port: Port) -> None:
        self.leave(port)
        if port in self._missing:
            self._decide()


class _End:
    """What stands in a row for the end of a source."""


_END = _End()


class Rows(Junction[T, tuple[Any, ...]]):
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
        self._ports: list[Port] = []
        self._void_from = 0

    def open(self) -> Port:
        port = super().open()
        self._ports.append(port)
        self._void_from = self._opened
        self.ready = False
        self._row.append(NOTHING)
        self._missing += 1
        return port

    def is_empty(self) -> bool:
        return self._missing > 0 or not self._row

    def has_room(self, port: Port) -> bool:
        return self._row[port.index] is NOTHING

    def give(self, port: Port, item: T) -> bool:
        self._row[port.index] = item
        self._missing -= 1
        self.ready = not self._missing
        if len(self.live) < self._opened:
            self._judge()
        return False

    def end(self, port: Port) -> None:
        self._lose(port, _END)
        if not self._strict:
            self._void_right_of(port)
        self._judge()

    def fail(self, port: Port, error: BaseException) -> None:
        self._lose(port, _Error(error))
        self._void_right_of(port)
        self._judge()

    def pop(self) -> tuple[Any, ...] | Nothing:
        if self.is_empty():
            return self._tell_failure()
        row = tuple(self._row)
        self._missing = self._opened
        self._row = [NOTHING] * self._opened
        self.ready = False
        return row

    def close(self) -> list[BaseException]:
        for outcome in self._row:
            if isinstance(outcome, _Error):
                self.late.append(outcome.error)
        self._row.clear()
        return super().close()

    def _lose(self, port: Port, outcome: object) -> None:
        self.leave(port)
        self._row[port.index] = outcome

    def _void_right_of(self, port: Port) -> None:
        # Each is looked at once, however many end: those beyond are void already.
        right = self._ports[port.index + 1 : self._void_from]
        self.void.extend(other for other in right if other in self.live)
        self._void_from = min(self._void_from, port.index + 1)

    def _judge(self) -> None:
        """See whether the sources that have answered decide the row."""
        if self.decided:
            return
        row = self._row
        while self._judged < self._opened:
            outcome = row[self._judged]
            if outcome is NOTHING:
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
