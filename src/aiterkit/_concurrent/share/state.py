"""What each of several readers has yet to receive."""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Hashable, Iterable
from typing import Any, Generic, TypeVar

from aiterkit._core.call import COROUTINE
from aiterkit._core.checks import refuse_coroutine, shortened
from aiterkit._runtime.backend import Wrap
from aiterkit._runtime.buffer import EMPTY, Empty, ResultBuffer
from aiterkit._runtime.errors import raise_to_reader
from aiterkit._runtime.statistics import Statistics

T = TypeVar("T")


class SubscriberQueue(ResultBuffer[T]):
    """What one reader has yet to receive."""

    def __init__(self, state: "SharedState[T]") -> None:
        super().__init__()
        self.left: bool = False  # once this reader receives no more
        self.error_delivered: bool = False  # once it has seen the error of the source
        self._state = state
        self._items: deque[T] = deque()
        self._delivered = 0  # items that this reader has received
        self._dropped = 0  # items that it would have received, had it not left

    @property
    def exhausted(self) -> bool:
        if self.left:
            return True
        error_comes = self._state.error is not None and not self.error_delivered
        return self.ended and not self._items and not error_comes

    def is_empty(self) -> bool:
        return not self._items

    def put(self, item: T) -> None:
        """Store an *item* for this reader, unless it has left."""
        if self.left:
            self._dropped += 1
            return
        self._items.append(item)
        if len(self._items) == self._state.buffer_size:
            self._state.full += 1

    def pop(self) -> T | Empty:
        state = self._state
        if not self._items:
            if state.error is None or self.error_delivered or self.left:
                return EMPTY
            self.error_delivered = True
            raise_to_reader(state.error)
        if len(self._items) == state.buffer_size:
            state.full -= 1
        self._delivered += 1
        return self._items.popleft()

    def statistics(self) -> Statistics:
        """Return how many of this reader's items wait, were delivered or dropped."""
        waiting = len(self._items)
        return Statistics(
            taken=self._delivered + waiting + self._dropped,
            waiting=waiting,
            running=0,
            delivered=self._delivered,
            dropped=self._dropped,
        )

    def leave(self) -> None:
        """Note that this reader receives no more, and so holds no other back."""
        if len(self._items) == self._state.buffer_size:
            self._state.full -= 1
        self.left = self.ended = True
        self._dropped += len(self._items)
        self._items.clear()


class SharedState(ABC, Generic[T]):
    """The queues of all readers, and what they have in common."""

    def __init__(self, readers: int, buffer_size: int) -> None:
        self.buffer_size = buffer_size  # items that may wait for one reader
        self.full: int = 0  # how many queues have no room
        self.ended: bool = False  # once no more items come
        self.error: BaseException | None = None  # raised to each reader after its items
        self.unseen_errors: list[BaseException] = []  # that no reader will see
        self.queues: list[SubscriberQueue[T]] = [
            SubscriberQueue(self) for _ in range(readers)
        ]

    def wrap_functions(self, wrap: Wrap) -> None:
        """Call what *wrap* makes of the functions of the user."""

    def has_room(self) -> bool:
        """Return whether the source may be asked for one more item."""
        return not self.full

    @abstractmethod
    def share(self, item: T) -> Iterable[int]:
        """Put an *item* into the queues of its readers; return their places."""

    def end(self) -> None:
        """Note that no more items come."""
        self.ended = True
        for queue in self.queues:
            queue.ended = True

    def fail(self, error: BaseException) -> None:
        """Store the *error* of the source, after the items of every queue."""
        self.error = error
        self.end()

    @property
    def all_left(self) -> bool:
        """Whether every reader has left."""
        return all(queue.left for queue in self.queues)

    def close(self) -> list[BaseException]:
        """Drop what was not received; return the errors that no reader has seen."""
        error, self.error = self.error, None
        unseen, self.unseen_errors = self.unseen_errors, []
        if error is not None and not all(
            queue.error_delivered for queue in self.queues
        ):
            unseen.append(error)
        self.queues.clear()  # they refer to this state
        return unseen


class BroadcastState(SharedState[T]):
    """Every reader receives every item."""

    def __init__(self, readers: int, buffer_size: int) -> None:
        super().__init__(readers, buffer_size)
        self._places = range(readers)

    def share(self, item: T) -> Iterable[int]:
        for queue in self.queues:
            queue.put(item)
        return self._places


class PartitionState(SharedState[T]):
    """Every item has one reader, chosen by its key."""

    def __init__(
        self, key: Callable[[T], Hashable], keys: list[Hashable], buffer_size: int
    ) -> None:
        super().__init__(len(keys), buffer_size)
        self._key = key
        self._place = {key: place for place, key in enumerate(keys)}

    def wrap_functions(self, wrap: Wrap) -> None:
        self._key = wrap(self._key)

    def share(self, item: T) -> Iterable[int]:
        key: Any = self._key(item)
        if type(key) is COROUTINE:
            refuse_coroutine(key, name="key")
        try:
            place = self._place[key]
        except KeyError:
            known = shortened(list(self._place))[1:-1]
            raise ValueError(
                f"key gave {shortened(key)} for {shortened(item)}, "
                f"which is not in keys: {known}"
            ) from None
        self.queues[place].put(item)
        return (place,)


class BalancedQueue(SubscriberQueue[T]):
    """What one reader receives of the items that are there for all readers."""

    def __init__(self, state: "BalancedState[T]") -> None:
        super().__init__(state)
        self.has_claim: bool = False  # while one of the items is kept for it
        self._balanced = state
        self._items = state.items

    def pop(self) -> T | Empty:
        state = self._balanced
        items = self._items
        if self.has_claim:
            self.has_claim = False
            state.claims -= 1
            state.delivered += 1
            return items.popleft()
        if self.left:
            return EMPTY
        if len(items) > state.claims:
            state.delivered += 1
            return items.popleft()
        if not state.ended or items:
            state.asking[self] = None
        elif state.error is not None and not self.error_delivered:
            self.error_delivered = True
            raise_to_reader(state.error)
        return EMPTY

    def statistics(self) -> Statistics:
        """Return those of all readers together: an item that waits may go to any."""
        state = self._balanced
        waiting = len(self._items)
        return Statistics(
            taken=state.delivered + waiting,
            waiting=waiting,
            running=0,
            delivered=state.delivered,
            dropped=0,
        )

    def leave(self) -> None:
        """Note that this reader receives no more; another one may have its item."""
        self.left = self.ended = True


class BalancedState(SharedState[T]):
    """Every item has one reader: the one that asked first.

    A reader that finds no item is *asking*, in the order in which readers came. The
    next item is kept for the first of them until that reader receives it or stops
    asking. So while any reader is *asking*, each item is kept for one.
    """

    def __init__(self, readers: int, buffer_size: int) -> None:
        super().__init__(0, buffer_size)
        self.items: deque[T] = deque()
        self.claims: int = 0  # how many of the items are kept for a reader
        self.delivered: int = 0  # items that the readers have received
        # The readers that wait and have no item kept for them; a dict for its order.
        self.asking: dict[BalancedQueue[T], None] = {}
        self.readers = [BalancedQueue(self) for _ in range(readers)]
        self.queues.extend(self.readers)

    def has_room(self) -> bool:
        return len(self.items) - self.claims < self.buffer_size or bool(self.asking)

    def share(self, item: T) -> Iterable[int]:
        self.items.append(item)
        return ()  # `call_next` returns the reader for which it is kept

    def call_next(self) -> BalancedQueue[T] | None:
        """Return the reader for which an item is kept from now on, if there is one."""
        if not self.asking or len(self.items) <= self.claims:
            return None
        queue = next(iter(self.asking))
        del self.asking[queue]
        queue.has_claim = True
        self.claims += 1
        return queue

    def withdraw(self, queue: BalancedQueue[T]) -> None:
        """Note that a reader has stopped asking, for now or for ever."""
        self.asking.pop(queue, None)
        if queue.has_claim:
            queue.has_claim = False
            self.claims -= 1

    def close(self) -> list[BaseException]:
        self.asking.clear()  # they refer to this state
        self.readers.clear()
        return super().close()
