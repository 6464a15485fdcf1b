"""Which calls there are, which have finished, and what the reader receives next.

A `CallQueue` decides and never waits: the `WorkerPool` around it starts the tasks,
waits, and asks here. There is a queue for each promise about order.
"""

from abc import abstractmethod
from collections import deque
from collections.abc import Callable, Hashable, Iterator
from math import inf
from typing import Any, Generic, TypeVar

from aiterkit._core.call import COROUTINE
from aiterkit._core.checks import refuse_coroutine
from aiterkit._runtime.backend import Wrap
from aiterkit._runtime.buffer import EMPTY, Empty, ResultBuffer
from aiterkit._runtime.errors import raise_to_reader

T = TypeVar("T")
R = TypeVar("R")


class Call(Generic[T, R]):
    """One call, from the moment its item is taken until its result is received.

    There is one for each item. It has no `__init__`, which would be one more function
    call per item: `CallQueue.take` sets the first attributes; *value* or *error*
    comes with its state.
    """

    __slots__ = ("error", "index", "item", "key", "state", "value")

    index: int  # its place in the input
    item: T
    key: Hashable  # set only where the map has a `key=`
    state: int  # PENDING, FINISHED or FAILED
    value: R  # once it is FINISHED
    error: BaseException  # once it is FAILED, until `take_error`

    def take_error(self) -> BaseException:
        """Return the error and keep no reference to it.

        Its traceback refers to frames that hold the call: a call that kept the
        error would be part of a reference cycle.
        """
        error = self.error
        del self.error
        return error


PENDING = 0
FINISHED = 1
FAILED = 2


class CallQueue(ResultBuffer[R], Generic[T, R]):
    """The calls of one map.

    Between the source and the reader lie at most *window* items.
    """

    __slots__ = ("_queue", "delivered", "failed", "settled", "taken", "window")

    finishing_makes_room = False
    """Whether a finished call may make room although the reader received nothing."""

    notify_always = True
    """Whether `on_finished` must see each call; or only while a task waits."""

    def __init__(self, window: float) -> None:
        super().__init__()
        self.window: float = window
        self.taken: int = 0  # items that have left the source
        # Results that the reader has received, and items that did not pass: what makes
        # room for others.
        self.delivered: int = 0
        self.settled: int = 0  # calls that have ended, or will never begin
        self.failed: Call[T, R] | None = None  # the failure that the reader will see
        # What the reader receives next, from the left. Which calls are in it
        # depends on the order.
        self._queue: deque[Call[T, R]] = deque()

    @property
    def outstanding(self) -> int:
        """How many calls have not ended, begun or not."""
        return self.taken - self.settled

    def is_empty(self) -> bool:
        return not self._queue

    @abstractmethod
    def take(self, item: T) -> Call[T, R]:
        """Make the call of an *item* that has just left the source."""

    def finish(self, call: Call[T, R], value: R) -> bool:
        """Store the *value* of a call; return whether a waiting reader may go on.

        `WorkerPool` inlines this; a test compares the two.
        """
        call.value = value
        call.state = FINISHED
        self.settled += 1
        return self.on_finished(call)

    @abstractmethod
    def on_finished(self, call: Call[T, R]) -> bool:
        """Place a finished call; return whether a waiting reader may go on."""

    @abstractmethod
    def ends(self, failed: Call[T, R], other: Call[T, R]) -> bool:
        """Return whether the failure of one call ends *other*."""

    @abstractmethod
    def _enqueue_failure(self, failed: Call[T, R]) -> None:
        """Put *failed* where the reader finds it, as the last thing to come."""

    def fail(self, call: Call[T, R], error: BaseException) -> Call[T, R]:
        """Store the *error* of a call; return the failure that the reader will see.

        No more items are taken, and the calls that this failure `ends` are to be
        cancelled.
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
        """Store the *error* of the source, in the place of its next item."""
        call: Call[T, R] = Call()
        call.index = self.taken
        self.settled -= 1  # it was not taken
        return self.fail(call, error)

    @property
    def received(self) -> int:
        """How many results the reader has had; what did not pass is none."""
        return self.delivered

    @property
    def held(self) -> int:
        """How many finished results the reader has not received."""
        return sum(call.state == FINISHED for call in self._queue)

    def drop(self, count: int = 1) -> None:
        """Note that *count* calls ended, or will never begin, without a result."""
        self.settled += count

    def close(self) -> list[BaseException]:
        while self._queue:
            self._discard(self._queue.pop())
        return super().close()

    def _discard(self, call: Call[T, R]) -> None:
        if call.state == FAILED:
            self.unseen_errors.append(call.take_error())


class OrderedCalls(CallQueue[T, R]):
    """Results in the order of their items; an error in the place of its item.

    All calls that were taken and not received are in the queue.
    """

    __slots__ = ()

    notify_always = False

    def take(self, item: T) -> Call[T, R]:
        call: Call[T, R] = Call()
        call.index = self.taken
        call.item = item
        call.state = PENDING
        self.taken += 1
        self._queue.append(call)
        return call

    def on_finished(self, call: Call[T, R]) -> bool:
        # A failure has removed from the queue each call that it ended. Such a call may
        # still finish, as the last one that the failure waited for. (The queue is not
        # empty then: it holds the failure.)
        return self._queue[0] is call or self.taken == self.settled

    def pop(self) -> R | Empty:
        queue = self._queue
        if queue:
            state = queue[0].state
            if state == FINISHED:
                self.delivered += 1
                return queue.popleft().value
            # An error is raised only when every call that it ended is over.
            if state == FAILED and not self.outstanding:
                raise_to_reader(queue.popleft().take_error())
        return EMPTY

    def ends(self, failed: Call[T, R], other: Call[T, R]) -> bool:
        return other.index > failed.index

    def _enqueue_failure(self, failed: Call[T, R]) -> None:
        if failed.index == self.taken:  # an error of the source, which has no item
            self._queue.append(failed)
        while self._queue[-1] is not failed:
            self._discard(self._queue.pop())


class UnorderedCalls(CallQueue[T, R]):
    """Results as their calls finish, up to the first error in time.

    Only calls that have finished are in the queue, and the failure.
    """

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
        queue = self._queue
        if queue:
            if queue[0].state == FINISHED:
                self.delivered += 1
                return queue.popleft().value
            # An error is raised only when every call that it ended is over.
            if not self.outstanding:
                raise_to_reader(queue.popleft().take_error())
        return EMPTY

    def ends(self, failed: Call[T, R], other: Call[T, R]) -> bool:
        return other is not failed and not other.state

    def _enqueue_failure(self, failed: Call[T, R]) -> None:
        self._queue.append(failed)


class CollectedCalls(UnorderedCalls[T, R]):
    """Nothing before the end; then all *values* at once, or the first error."""

    finishing_makes_room = True

    def __init__(self, window: float, *, keep: bool) -> None:
        super().__init__(window)
        self._keep = keep  # the results; or only count the calls
        self.values: list[R] = []  # by index

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
"""The state of an item that did not pass. At the head of the queue it is removed."""


class FilteredCalls(OrderedCalls[T, Any]):
    """The items whose call returned something true, in input order.

    An item that did not pass leaves the queue by itself once it is at its head. So a
    finished call may make room although the reader received nothing.
    """

    __slots__ = ("_skipped",)

    finishing_makes_room = True
    notify_always = True

    def __init__(self, window: float) -> None:
        super().__init__(window)
        self._skipped = 0  # items that did not pass, and have left the queue

    @property
    def received(self) -> int:
        return self.delivered - self._skipped

    def on_finished(self, call: Call[T, Any]) -> bool:
        may_go_on = super().on_finished(call)
        if not call.value:
            call.state = REJECTED
        call.value = call.item
        self._skip_rejected()
        queue = self._queue
        return not self.outstanding or (
            may_go_on and bool(queue) and queue[0].state != PENDING
        )

    def pop(self) -> Any | Empty:
        value = super().pop()
        self._skip_rejected()
        return value

    def _skip_rejected(self) -> None:
        queue = self._queue
        while queue and queue[0].state == REJECTED:
            queue.popleft()
            self.delivered += 1
            self._skipped += 1


class _KeyLine(Generic[T, R]):
    """The calls of one key that have not ended."""

    __slots__ = ("started", "waiting")

    def __init__(self) -> None:
        self.started: int = 1  # those that run, or need only a free call to run
        self.waiting: deque[Call[T, R]] = deque()  # the others, by index


class KeyQueue(Generic[T, R]):
    """The calls that wait because *per_key* calls with an equal key have started."""

    def __init__(self, key: Callable[[T], Hashable], per_key: int) -> None:
        self._key = key
        self._per_key = per_key
        # By key, while a call with that key is running.
        self._lines: dict[Hashable, _KeyLine[T, R]] = {}

    def wrap_functions(self, wrap: Wrap) -> None:
        """Call what *wrap* makes of the functions of the user."""
        self._key = wrap(self._key)

    @property
    def waiting(self) -> int:
        """How many calls wait."""
        return sum(len(line.waiting) for line in self._lines.values())

    def may_start(self, call: Call[T, R]) -> bool:
        """Return whether a new *call* may start; if not, it waits here.

        It raises what the key function of the user raises, or the hash of the key.
        """
        key: Any = self._key(call.item)
        if type(key) is COROUTINE:
            refuse_coroutine(key, name="key")
        call.key = key
        line = self._lines.get(key)
        if line is None:
            self._lines[key] = _KeyLine()
        elif line.started < self._per_key:
            line.started += 1
        else:
            line.waiting.append(call)
            return False
        return True

    def release(self, ended: Call[T, R]) -> Call[T, R] | None:
        """Note that a call has *ended*; return the one that may start in its place."""
        line = self._lines.get(ended.key)
        if line is None:  # the block is being left
            return None
        if line.waiting:
            return line.waiting.popleft()
        line.started -= 1
        if not line.started:  # else the keys of an endless source would pile up
            del self._lines[ended.key]
        return None

    def queues(self) -> Iterator[deque[Call[T, R]]]:
        """Return the queue of each key."""
        return (line.waiting for line in self._lines.values())

    def clear(self) -> None:
        """Forget all calls."""
        self._lines.clear()


class Frontier(Generic[T]):
    """The items that an expansion has reached, and those that it has yet to visit."""

    def __init__(
        self, key: Callable[[T], Hashable] | None, max_waiting: float = inf
    ) -> None:
        self.waiting: deque[T] = deque()  # reached, and not yet visited
        self.visiting: int = 0  # calls that have begun and not ended
        self.reached: int = 0  # all items so far, each key once
        self.roots_ended: bool = False  # once no more roots come
        # Whether a worker waits for an item. A root is read then, if no item waits.
        self.is_hungry: bool = False
        self._key = key
        self._seen: set[Hashable] = set()  # the keys of all items so far
        self._max_waiting = max_waiting

    def wrap_functions(self, wrap: Wrap) -> None:
        """Call what *wrap* makes of the functions of the user."""
        if self._key is not None:
            self._key = wrap(self._key)

    @property
    def is_over(self) -> bool:
        """Whether nothing more will ever be reached."""
        return self.roots_ended and not self.visiting and not self.waiting

    def add(self, item: T) -> None:
        """Add an *item* that was reached, unless its key was seen before."""
        if self._key is not None:
            mark: Any = self._key(item)
            if type(mark) is COROUTINE:
                refuse_coroutine(mark, name="key")
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
        """Return the item that has waited longest; its visit begins."""
        self.is_hungry = False
        self.visiting += 1
        return self.waiting.popleft()
