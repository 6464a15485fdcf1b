"""Which item is given when. The clock decides; no code here waits."""

from abc import abstractmethod
from collections import deque
from collections.abc import Callable
from math import floor, inf
from typing import Any, Generic, TypeVar

from aiterkit._core.call import COROUTINE
from aiterkit._core.checks import refuse_coroutine
from aiterkit._runtime.backend import Wrap
from aiterkit._runtime.buffer import EMPTY, Empty, ResultBuffer
from aiterkit._runtime.statistics import Statistics

R = TypeVar("R")
T = TypeVar("T")
B = TypeVar("B")


class TimedBuffer(ResultBuffer[R], Generic[T, R]):
    """The items between one source and its reader; then the end, or an error."""

    ended: bool
    _now: Callable[[], float]

    def __init__(self) -> None:
        super().__init__()
        self.is_awaited: bool = False  # while a reader waits
        self.delivered: int = 0  # items that the reader has received

    @property
    @abstractmethod
    def held(self) -> int:
        """How many items the reader has not received, and may."""

    @property
    def dropped(self) -> int:
        """How many items the reader will never receive."""
        return 0

    def statistics(self) -> Statistics:
        """Return how many items were taken, wait, were delivered or dropped."""
        held, dropped = self.held, self.dropped
        return Statistics(
            taken=self.delivered + held + dropped,
            waiting=held,
            running=0,
            delivered=self.delivered,
            dropped=dropped,
        )

    def start(self, now: Callable[[], float]) -> None:
        """Note that the block is entered, where *now* tells the time."""
        self._now = now

    def wrap_functions(self, wrap: Wrap) -> None:
        """Call what *wrap* makes of the functions of the user."""

    @property
    @abstractmethod
    def due(self) -> float:
        """When there will be a result, if the source gives nothing before."""

    @abstractmethod
    def has_room(self) -> bool:
        """Return whether the source may be asked for one more item."""

    @abstractmethod
    def take(self, item: T) -> bool:
        """Store an *item*; return whether a waiting reader must look again."""

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
        # How long a batch with one item waits if no other comes.
        self._shortest = within if quiet is None else min(within, quiet)
        # The batch that is being filled: its items, their weight, its deadline, and the
        # latest one that *quiet* may move that to.
        self._items: list[T] = []
        self._load: float = 0
        self._deadline = inf
        self._latest = inf
        # At most one item, which was too much for that batch; its weight and its time.
        self._next: list[T] = []
        self._next_load: float = 0
        self._next_began = inf

    def wrap_functions(self, wrap: Wrap) -> None:
        if self._weight is not None:
            self._weight = wrap(self._weight)

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
        load: Any = 0.0 if self._weight is None else self._weight(item)
        if type(load) is COROUTINE:
            refuse_coroutine(load, name="weight")
        now = self._now()
        # A waiting reader was promised the batch for the deadline. If an item comes at
        # that moment, it must not matter whether the reader or the source runs first.
        # With ``within=0``, the first item wakes the reader; those that come before it
        # runs join the batch.
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

    @property
    def held(self) -> int:
        return len(self._items) + len(self._next)

    def is_empty(self) -> bool:
        return not self._items

    def pop_value(self) -> tuple[T, ...] | Empty:
        if not self._items:
            return EMPTY
        if not (self.ended or self._is_full() or self._now() >= self._deadline):
            return EMPTY
        batch = tuple(self._items)
        self.delivered += len(batch)
        self._items, self._next = self._next, []
        self._load, self._next_load = self._next_load, 0
        began, self._next_began = self._next_began, inf
        self._deadline = began + self._shortest
        self._latest = began + self._within
        return batch


class Newest(TimedBuffer[T, T]):
    """The newest items: of those that the reader did not take in time, a few."""

    def __init__(self) -> None:
        super().__init__()
        self._taken = 0  # items that the source has given

    @property
    def dropped(self) -> int:
        return self._taken - self.delivered - self.held

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
    def held(self) -> int:
        return len(self._items)

    def take(self, item: T) -> bool:
        self._taken += 1
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
    """The newest item that has settled, and a newer one that has not."""

    def __init__(self) -> None:
        super().__init__()
        self._settled: list[T] = []  # for the reader: one item at most
        self._fresh: list[T] = []  # yet to settle: one item at most
        self._deadline = inf  # when the fresh item settles

    @abstractmethod
    def _settles_at(self, now: float) -> float:
        """Return when an item that came *now* settles, unless a newer one comes."""

    @property
    def due(self) -> float:
        return self._deadline

    @property
    def held(self) -> int:
        return len(self._settled) + len(self._fresh)

    def take(self, item: T) -> bool:
        now = self._now()
        if now >= self._deadline:
            self._settle()
        self._taken += 1
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
        # At the end, an item that has settled comes first, and then the last item.
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
        self._item: list[T] = []  # for the reader: one item at most
        self._deadline = inf  # when the next beat is due
        # True once a beat was due, while a reader waited, at the moment when an item or
        # the end came. That reader was promised the beat, so it must not matter
        # whether the reader or the source runs first.
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

    @property
    def held(self) -> int:
        return len(self._item)

    def is_empty(self) -> bool:
        return not self._item and not self._owes_beat

    def pop_value(self) -> T | B | Empty:
        now = self._now()
        if self._owes_beat:
            self._owes_beat = False
        elif self._item:
            self._deadline = now + self._seconds
            self.delivered += 1
            return self._item.pop()
        elif self.ended or now < self._deadline:
            return EMPTY
        self._deadline = now + self._seconds
        return self._beat
