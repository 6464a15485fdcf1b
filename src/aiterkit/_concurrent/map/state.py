"""What was taken, what is finished, what the reader gets next.

A ledger decides and never waits: the engine around it starts the tasks, waits
at the edges and asks here. There is a ledger for each promise about order.
"""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Hashable
from typing import Generic, TypeVar

from aiterkit._runtime.buffer import NOTHING, Nothing, tell

T = TypeVar("T")
R = TypeVar("R")


class Slot(Generic[T, R]):
    """One item on its way: taken, then called, then finished or failed.

    There is one for each item, so it has no `__init__` to be called: `take` sets
    what is known at first, and *value* or *error* comes with its state.
    """

    __slots__ = ("error", "index", "item", "key", "state", "value")

    index: int
    item: T
    key: Hashable
    state: int
    value: R
    error: BaseException

    def take_error(self) -> BaseException:
        """Give the error away.

        Its traceback leads to frames that hold the slot: a slot that went on
        holding the error would close a circle.
        """
        error = self.error
        del self.error
        return error


PENDING = 0
FINISHED = 1
FAILED = 2


class Ledger(ABC, Generic[T, R]):
    """The books of one block.

    *taken* items have left the source, and *delivered* have reached the reader;
    between source and reader lie at most *window*. Those whose call has ended, or
    will never begin, are *settled*, and all others *outstanding*. A *late* error is
    one that the reader will never see.
    """

    __slots__ = (
        "_line",
        "delivered",
        "ended",
        "failed",
        "late",
        "settled",
        "taken",
        "window",
    )

    window: float

    finishing_makes_room = False
    """Whether a finished call is delivered by that alone."""

    heeds_all = True
    """Whether all that finishes must be heard of, and not only what is waited for."""

    def __init__(self, window: float) -> None:
        self.window = window
        self.taken: int = 0
        self.delivered: int = 0
        self.settled: int = 0
        self.ended: bool = False
        self.failed: Slot[T, R] | None = None
        self.late: list[BaseException] = []
        self._line: deque[Slot[T, R]] = deque()

    @property
    def outstanding(self) -> int:
        """How many calls have not ended, begun or not."""
        return self.taken - self.settled

    @property
    @abstractmethod
    def exhausted(self) -> bool:
        """Whether the reader has had everything that will ever come."""

    @abstractmethod
    def take(self, item: T) -> Slot[T, R]:
        """Book an *item* that has just left the source."""

    def finish(self, slot: Slot[T, R], value: R) -> bool:
        """Book the *value* of a call; tell whether a waiting reader may go on."""
        slot.value = value
        slot.state = FINISHED
        self.settled += 1
        return self.hear_of(slot)

    @abstractmethod
    def hear_of(self, slot: Slot[T, R]) -> bool:
        """Hear that a call has finished; tell whether a waiting reader may go on."""

    @abstractmethod
    def voids(self, failed: Slot[T, R], other: Slot[T, R]) -> bool:
        """Tell whether the failure of one call makes *other* void."""

    @abstractmethod
    def _line_up(self, failed: Slot[T, R]) -> None:
        """Put *failed* where the reader finds it, as the last thing to come."""

    def fail(self, slot: Slot[T, R], error: BaseException) -> Slot[T, R]:
        """Book the *error* of a call; return the failure that the reader comes to see.

        No more items are taken, and what that failure `voids` is to be cancelled.
        """
        self.ended = True
        self.settled += 1
        if self.failed is not None and not self.voids(slot, self.failed):
            slot.state = FINISHED
            self.late.append(error)
            return self.failed
        slot.error = error
        slot.state = FAILED
        self.failed = slot
        self._line_up(slot)
        return slot

    def fail_source(self, error: BaseException) -> Slot[T, R]:
        """Book the *error* of the source, in the place of its next item."""
        slot: Slot[T, R] = Slot()
        slot.index = self.taken
        self.settled -= 1  # it was not taken
        return self.fail(slot, error)

    @property
    def held(self) -> int:
        """How many finished results the reader has not had."""
        return sum(slot.state == FINISHED for slot in self._line)

    def drop(self, count: int = 1) -> None:
        """Book that *count* calls ended, or will never begin, to no effect."""
        self.settled += count

    @abstractmethod
    def pop(self) -> R | Nothing:
        """Deliver the next value, or raise the error that ends it, if it is there.

        A failure is told only when every call that it made void is over.
        """

    def close(self) -> list[BaseException]:
        """Give up what was not delivered; return the errors among it."""
        while self._line:
            self._void(self._line.pop())
        late, self.late = self.late, []
        return late

    def _void(self, slot: Slot[T, R]) -> None:
        if slot.state == FAILED:
            self.late.append(slot.take_error())


class InputOrder(Ledger[T, R]):
    """Results in the order of their items; an error in the place of its item."""

    __slots__ = ()

    heeds_all = False

    @property
    def exhausted(self) -> bool:
        return self.ended and not self._line

    def take(self, item: T) -> Slot[T, R]:
        slot: Slot[T, R] = Slot()
        slot.index = self.taken
        slot.item = item
        slot.state = PENDING
        self.taken += 1
        self._line.append(slot)
        return slot

    def hear_of(self, slot: Slot[T, R]) -> bool:
        # A void call that finished all the same is no longer in line, but it may
        # have been the last that the failure waited for. (The line holds that.)
        return self._line[0] is slot or self.taken == self.settled

    def pop(self) -> R | Nothing:
        line = self._line
        if line:
            state = line[0].state
            if state == FINISHED:
                self.delivered += 1
                return line.popleft().value
            if state == FAILED and not self.outstanding:
                tell(line.popleft().take_error())
        return NOTHING

    def voids(self, failed: Slot[T, R], other: Slot[T, R]) -> bool:
        return other.index > failed.index

    def _line_up(self, failed: Slot[T, R]) -> None:
        if failed.index == self.taken:  # the source's own: it has no item
            self._line.append(failed)
        while self._line[-1] is not failed:
            self._void(self._line.pop())


class CompletionOrder(Ledger[T, R]):
    """Results as their calls finish, up to the first error in time."""

    __slots__ = ()

    @property
    def exhausted(self) -> bool:
        settled = self.outstanding == 0 or self.failed is not None
        return self.ended and settled and not self._line

    def take(self, item: T) -> Slot[T, R]:
        slot: Slot[T, R] = Slot()
        slot.index = self.taken
        slot.item = item
        slot.state = PENDING
        self.taken += 1
        return slot

    def hear_of(self, slot: Slot[T, R]) -> bool:
        if self.failed is not None:
            return not self.outstanding
        self._line.append(slot)
        return True

    def pop(self) -> R | Nothing:
        line = self._line
        if line:
            if line[0].state == FINISHED:
                self.delivered += 1
                return line.popleft().value
            if not self.outstanding:
                tell(line.popleft().take_error())
        return NOTHING

    def voids(self, failed: Slot[T, R], other: Slot[T, R]) -> bool:
        return other is not failed and not other.state

    def _line_up(self, failed: Slot[T, R]) -> None:
        self._line.append(failed)


class AtTheEnd(CompletionOrder[T, R]):
    """Nothing before the end, where *values* are complete, or the first error."""

    finishing_makes_room = True

    def __init__(self, window: float, *, keep: bool) -> None:
        super().__init__(window)
        self._keep = keep
        self.values: list[R] = []

    def take(self, item: T) -> Slot[T, R]:
        slot = super().take(item)
        if self._keep:
            self.values.append(None)  # type: ignore[arg-type]  # a place, filled below
        return slot

    def hear_of(self, slot: Slot[T, R]) -> bool:
        self.delivered += 1
        if self._keep:
            self.values[slot.index] = slot.value
        return self.ended and not self.outstanding
