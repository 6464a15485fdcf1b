"""What is given when: decided by the time that is passed in, never by waiting."""

from abc import abstractmethod
from collections import deque
from collections.abc import Callable
from math import floor, inf
from typing import Generic, TypeVar

from aiterkit._runtime.buffer import EMPTY, Empty, ResultBuffer

R = TypeVar("R")
T = TypeVar("T")
B = TypeVar("B")


class TimedBuffer(ResultBuffer[R], Generic[T, R]):
    """What lies between one source and its reader; then the end, or an error."""

    ended: bool
    _now: Callable[[], float]

    def __init__(self) -> None:
        super().__init__()
        self.is_awaited: bool = False  # while a reader waits

    def start(self, now: Callable[[], float]) -> None:
        """Note that the block is entered, where *now* tells the time."""
        self._now = now

    @property
    @abstractmethod
    def due(self) -> float:
        """The time at which there is something to deliver, if nothing happens."""

    @abstractmethod
    def has_room(self) -> bool:
        """Tell whether the source may be asked for one more item."""

    @abstractmethod
    def take(self, item: T) -> bool:
        """Store an *item*; tell whether a waiting reader must look again."""

    @abstractmethod
    def pop_value(self) -> R | Empty:
        """Return what is ready; once the source has ended, all that is left."""

    def end(self) -> None:
        """Note that the source has no more items."""
        self.ended = True

    def fail(self, error: BaseException) -> None:
        """Store the *error* of the source, in the place of its next item."""
        self.ended = True
        self._failure.append(error)

    def pop(self) -> R | Empty:
        value = self.pop_value()
        if value is EMPTY and self._failure and self.is_empty():
            return self._raise_failure()
        return value


class Batches(TimedBuffer[T, tuple[T, ...]]):
    """Items that gather until there are enough of them, or for long enough."""

    def __init__(
        self,
        size: float,
        within: float,
        quiet: float | None,
        weight: Callable[[T], float] | None,
        max_weight: float,
    ) -> None:
        super().__init__()
        self._size = size
        self._within = within
        self._quiet = quiet
        self._weight = weight
        self._max_weight = max_weight
        # How long a batch waits whose first item is the last to come.
        self._shortest = within if quiet is None else min(within, quiet)
        # The batch that gathers: its items, its weight, when it is over, and when it is
        # over though it is never quiet.
        self._items: list[T] = []
        self._load: float = 0
        self._deadline = inf
        self._latest = inf
        # One item at most that belongs to the next batch, its weight, and its time.
        self._next: list[T] = []
        self._next_load: float = 0
        self._next_began = inf

    @property
    def due(self) -> float:
        return self._deadline

    def has_room(self) -> bool:
        return not self._is_full()

    def _is_full(self) -> bool:
        return (
            len(self._items) >= self._size
            or self._load >= self._max_weight
            or bool(self._next)
        )

    def take(self, item: T) -> bool:
        load = 0.0 if self._weight is None else self._weight(item)
        now = self._now()
        # If a reader waits, it was promised the batch for the deadline: whether it
        # or the source is the first to be woken then must make no difference. Within
        # no time the first item wakes it, and what comes before it is resumed joins.
        is_over = self.is_awaited and now >= self._deadline and self._shortest > 0
        if self._items and (is_over or self._load + load > self._max_weight):
            self._next.append(item)
            self._next_load = load
            self._next_began = now
            return True
        self._items.append(item)
        self._load += load
        if len(self._items) == 1:
            self._deadline = now + self._shortest
            self._latest = now + self._within
            return True
        # A batch that is over stays so, until somebody asks for it.
        if self._quiet is not None and now < self._deadline:
            due = now + self._quiet
            self._deadline = due if due < self._latest else self._latest  # noqa: FURB136 - a call is paid per item
        return self._is_full()

    def is_empty(self) -> bool:
        return not self._items

    def pop_value(self) -> tuple[T, ...] | Empty:
        if not self._items:
            return EMPTY
        if not (self.ended or self._is_full() or self._now() >= self._deadline):
            return EMPTY
        batch = tuple(self._items)
        self._items, self._next = self._next, []
        self._load, self._next_load = self._next_load, 0
        began, self._next_began = self._next_began, inf
        self._deadline = began + self._shortest
        self._latest = began + self._within
        return batch


class Newest(TimedBuffer[T, T]):
    """The newest items, and how many were dropped for them."""

    def __init__(self) -> None:
        super().__init__()
        self.taken: int = 0  # items that the source has given
        self.delivered: int = 0  # items that the reader has received

    @property
    @abstractmethod
    def dropped(self) -> int:
        """How many items the reader will never see."""

    def has_room(self) -> bool:
        return True


class Latest(Newest[T]):
    """The newest items, at most *size* of them."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self._items: deque[T] = deque(maxlen=size)

    @property
    def due(self) -> float:
        return inf

    @property
    def dropped(self) -> int:
        return self.taken - self.delivered - len(self._items)

    def take(self, item: T) -> bool:
        self.taken += 1
        self._items.append(item)
        return True

    def is_empty(self) -> bool:
        return not self._items

    def pop_value(self) -> T | Empty:
        if not self._items:
            return EMPTY
        self.delivered += 1
        return self._items.popleft()


class Settling(Newest[T]):
    """The newest item that has settled, and the one that has yet to settle."""

    def __init__(self) -> None:
        super().__init__()
        self._settled: list[T] = []  # what the reader may have: one at most
        self._fresh: list[T] = []  # what has yet to settle: one at most
        self._deadline = inf  # when the fresh one settles

    @abstractmethod
    def _settles_at(self, now: float) -> float:
        """Return when an item that came *now* settles, unless a newer one comes."""

    @property
    def due(self) -> float:
        return self._deadline

    @property
    def dropped(self) -> int:
        return self.taken - self.delivered - len(self._settled) - len(self._fresh)

    def take(self, item: T) -> bool:
        now = self._now()
        if now >= self._deadline:
            self._settle()
        self.taken += 1
        is_first = not self._fresh
        self._fresh[:] = (item,)
        self._deadline = self._settles_at(now)
        return is_first

    def _settle(self) -> None:
        self._settled[:] = (self._fresh.pop(),)
        self._deadline = inf

    def is_empty(self) -> bool:
        return not self._settled and not self._fresh

    def pop_value(self) -> T | Empty:
        # One that had settled when the source ended is not dropped for the last.
        if self._now() >= self._deadline or (
            self.ended and self._fresh and not self._settled
        ):
            self._settle()
        if not self._settled:
            return EMPTY
        self.delivered += 1
        return self._settled.pop()


class Debounced(Settling[T]):
    """Items settle when nothing has come for some time."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds

    def _settles_at(self, now: float) -> float:
        return now + self._seconds


class Sampled(Settling[T]):
    """Items settle at the next beat of a clock."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self._seconds = seconds
        self._start = inf

    def start(self, now: Callable[[], float]) -> None:
        super().start(now)
        self._start = now()

    def _settles_at(self, now: float) -> float:
        beats = floor((now - self._start) / self._seconds) + 1
        return self._start + beats * self._seconds


class Heartbeats(TimedBuffer[T, T | B], Generic[T, B]):
    """Items, and a beat whenever the reader received nothing for some time."""

    def __init__(self, beat: B, seconds: float) -> None:
        super().__init__()
        self._beat = beat
        self._seconds = seconds
        self._item: list[T] = []  # what the reader may have: one at most
        self._deadline = inf  # when the next beat is due
        # Whether a beat came due just before an item or the end, while a reader
        # waited. It was promised the beat for that time: whether it or the source is
        # the first to be woken must make no difference.
        self._owes_beat = False

    def start(self, now: Callable[[], float]) -> None:
        super().start(now)
        self._deadline = now() + self._seconds

    @property
    def due(self) -> float:
        return inf if self.ended else self._deadline

    def has_room(self) -> bool:
        return not self._item

    def take(self, item: T) -> bool:
        self._check_beat()
        self._item.append(item)
        return True

    def end(self) -> None:
        self._check_beat()
        super().end()

    def fail(self, error: BaseException) -> None:
        self._check_beat()
        super().fail(error)

    def _check_beat(self) -> None:
        if self.is_awaited and self._now() >= self._deadline:
            self._owes_beat = True

    def is_empty(self) -> bool:
        return not self._item and not self._owes_beat

    def pop_value(self) -> T | B | Empty:
        now = self._now()
        if self._owes_beat:
            self._owes_beat = False
        elif self._item:
            self._deadline = now + self._seconds
            return self._item.pop()
        elif self.ended or now < self._deadline:
            return EMPTY
        self._deadline = now + self._seconds
        return self._beat
