"""What was taken, what is finished, what the reader gets next.

A ledger decides and never waits: the engine around it starts the tasks, waits
at the edges and asks here. There is a ledger for each promise about order.
"""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Hashable
from math import inf
from typing import Any, Generic, TypeVar

from aiterkit._runtime.buffer import EMPTY, Empty
from aiterkit._runtime.errors import raise_to_reader

T = TypeVar("T")
R = TypeVar("R")


class Call(Generic[T, R]):
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


class CallQueue(ABC, Generic[T, R]):
    """The books of one block.

    *taken* items have left the source, and *delivered* have reached the reader;
    between source and reader lie at most *window*. Those whose call has ended, or
    will never begin, are *settled*, and all others *outstanding*. A *late* error is
    one that the reader will never see.
    """

    __slots__ = (
        "_queue",
        "delivered",
        "ended",
        "failed",
        "settled",
        "taken",
        "unseen_errors",
        "window",
    )

    window: float

    finishing_makes_room = False
    """Whether a finished call is delivered by that alone."""

    notify_always = True
    """Whether all that finishes must be heard of, and not only what is waited for."""

    def __init__(self, window: float) -> None:
        self.window = window
        self.taken: int = 0
        self.delivered: int = 0
        self.settled: int = 0
        self.ended: bool = False
        self.failed: Call[T, R] | None = None
        self.unseen_errors: list[BaseException] = []
        self._queue: deque[Call[T, R]] = deque()

    @property
    def outstanding(self) -> int:
        """How many calls have not ended, begun or not."""
        return self.taken - self.settled

    @property
    @abstractmethod
    def exhausted(self) -> bool:
        """Whether the reader has had everything that will ever come."""

    @abstractmethod
    def take(self, item: T) -> Call[T, R]:
        """Book an *item* that has just left the source."""

    def finish(self, call: Call[T, R], value: R) -> bool:
        """Book the *value* of a call; tell whether a waiting reader may go on."""
        call.value = value
        call.state = FINISHED
        self.settled += 1
        return self.on_finished(call)

    @abstractmethod
    def on_finished(self, call: Call[T, R]) -> bool:
        """Hear that a call has finished; tell whether a waiting reader may go on."""

    @abstractmethod
    def ends(self, failed: Call[T, R], other: Call[T, R]) -> bool:
        """Tell whether the failure of one call makes *other* void."""

    @abstractmethod
    def _enqueue_failure(self, failed: Call[T, R]) -> None:
        """Put *failed* where the reader finds it, as the last thing to come."""

    def fail(self, call: Call[T, R], error: BaseException) -> Call[T, R]:
        """Book the *error* of a call; return the failure that the reader comes to see.

        No more items are taken, and what that failure `voids` is to be cancelled.
        """
        self.ended = True
        self.settled += 1
        if self.failed is not None and not self.ends(call, self.failed):
            call.state = FINISHED
            self.unseen_errors.append(error)
            return self.failed
        call.error = error
        call.state = FAILED
        self.failed = call
        self._enqueue_failure(call)
        return call

    def fail_source(self, error: BaseException) -> Call[T, R]:
        """Book the *error* of the source, in the place of its next item."""
        call: Call[T, R] = Call()
        call.index = self.taken
        self.settled -= 1  # it was not taken
        return self.fail(call, error)

    @property
    def held(self) -> int:
        """How many finished results the reader has not had."""
        return sum(call.state == FINISHED for call in self._queue)

    def drop(self, count: int = 1) -> None:
        """Book that *count* calls ended, or will never begin, to no effect."""
        self.settled += count

    @abstractmethod
    def pop(self) -> R | Empty:
        """Deliver the next value, or raise the error that ends it, if it is there.

        A failure is told only when every call that it made void is over.
        """

    def close(self) -> list[BaseException]:
        """Give up what was not delivered; return the errors among it."""
        while self._queue:
            self._discard(self._queue.pop())
        late, self.unseen_errors = self.unseen_errors, []
        return late

    def _discard(self, call: Call[T, R]) -> None:
        if call.state == FAILED:
            self.unseen_errors.append(call.take_error())


class OrderedCalls(CallQueue[T, R]):
    """Results in the order of their items; an error in the place of its item."""

    __slots__ = ()

    notify_always = False

    @property
    def exhausted(self) -> bool:
        return self.ended and not self._queue

    def take(self, item: T) -> Call[T, R]:
        call: Call[T, R] = Call()
        call.index = self.taken
        call.item = item
        call.state = PENDING
        self.taken += 1
        self._queue.append(call)
        return call

    def on_finished(self, call: Call[T, R]) -> bool:
        # A void call that finished all the same is no longer in line, but it may
        # have been the last that the failure waited for. (The line holds that.)
        return self._queue[0] is call or self.taken == self.settled

    def pop(self) -> R | Empty:
        line = self._queue
        if line:
            state = line[0].state
            if state == FINISHED:
                self.delivered += 1
                return line.popleft().value
            if state == FAILED and not self.outstanding:
                raise_to_reader(line.popleft().take_error())
        return EMPTY

    def ends(self, failed: Call[T, R], other: Call[T, R]) -> bool:
        return other.index > failed.index

    def _enqueue_failure(self, failed: Call[T, R]) -> None:
        if failed.index == self.taken:  # the source's own: it has no item
            self._queue.append(failed)
        while self._queue[-1] is not failed:
            self._discard(self._queue.pop())


class UnorderedCalls(CallQueue[T, R]):
    """Results as their calls finish, up to the first error in time."""

    __slots__ = ()

    @property
    def exhausted(self) -> bool:
        settled = self.outstanding == 0 or self.failed is not None
        return self.ended and settled and not self._queue

    def take(self, item: T) -> Call[T, R]:
        call: Call[T, R] = Call()
        call.index = self.taken
        call.item = item
        call.state = PENDING
        self.taken += 1
        return call

    def on_finished(self, call: Call[T, R]) -> bool:
        if self.failed is not None:
            return not self.outstanding
        self._queue.append(call)
        return True

    def pop(self) -> R | Empty:
        line = self._queue
        if line:
            if line[0].state == FINISHED:
                self.delivered += 1
                return line.popleft().value
            if not self.outstanding:
                raise_to_reader(line.popleft().take_error())
        return EMPTY

    def ends(self, failed: Call[T, R], other: Call[T, R]) -> bool:
        return other is not failed and not other.state

    def _enqueue_failure(self, failed: Call[T, R]) -> None:
        self._queue.append(failed)


class CollectedCalls(UnorderedCalls[T, R]):
    """Nothing before the end, where *values* are complete, or the first error."""

    finishing_makes_room = True

    def __init__(self, window: float, *, keep: bool) -> None:
        super().__init__(window)
        self._keep = keep
        self.values: list[R] = []

    def take(self, item: T) -> Call[T, R]:
        call = super().take(item)
        if self._keep:
            self.values.append(None)  # type: ignore[arg-type]  # a place, filled below
        return call

    def on_finished(self, call: Call[T, R]) -> bool:
        self.delivered += 1
        if self._keep:
            self.values[call.index] = call.value
        return self.ended and not self.outstanding


REJECTED = FAILED + 1
"""The state of an item that did not pass; it waits for nothing but its turn."""


class FilteredCalls(OrderedCalls[T, Any]):
    """The items whose call said yes, in input order.

    An item that did not pass leaves the line by itself when its turn comes, so a
    finished call may make room with no reader.
    """

    __slots__ = ()

    finishing_makes_room = True
    notify_always = True

    def on_finished(self, call: Call[T, Any]) -> bool:
        may_go_on = super().on_finished(call)
        if not call.value:
            call.state = REJECTED
        call.value = call.item
        self._skip()
        line = self._queue
        return not self.outstanding or (
            may_go_on and bool(line) and line[0].state != PENDING
        )

    def pop(self) -> Any | Empty:
        value = super().pop()
        self._skip()
        return value

    def _skip(self) -> None:
        line = self._queue
        while line and line[0].state == REJECTED:
            line.popleft()
            self.delivered += 1


class Frontier(Generic[T]):
    """What was reached and has yet to be visited."""

    def __init__(
        self, key: Callable[[T], Hashable] | None, max_waiting: float = inf
    ) -> None:
        self.waiting: deque[T] = deque()
        self.visiting: int = 0
        self.reached: int = 0
        self.roots_ended: bool = False
        self.is_hungry: bool = False
        self._key = key
        self._seen: set[Hashable] = set()
        self._max_waiting = max_waiting

    @property
    def is_over(self) -> bool:
        """Whether nothing more will ever be reached."""
        return self.roots_ended and not self.visiting and not self.waiting

    def add(self, item: T) -> None:
        """Book an *item* that was reached, unless its key was seen before."""
        if self._key is not None:
            mark = self._key(item)
            if mark in self._seen:
                return
            self._seen.add(mark)
        if len(self.waiting) >= self._max_waiting:
            raise RuntimeError(
                f"more than {self._max_waiting} items wait to be visited, which is "
                f"the max_waiting of concurrent_expand()"
            )
        self.reached += 1
        self.waiting.append(item)

    def visit(self) -> T:
        """Give the item that has waited longest; its visit begins."""
        self.is_hungry = False
        self.visiting += 1
        return self.waiting.popleft()
