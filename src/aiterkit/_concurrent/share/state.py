"""What each of several readers has yet to take."""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from aiterkit._runtime.buffer import EMPTY, Empty
from aiterkit._runtime.errors import raise_to_reader

T = TypeVar("T")


class SubscriberQueue(Generic[T]):
    """What one reader has yet to take."""

    def __init__(self, state: "SharedState[T]") -> None:
        self.unseen_errors: list[BaseException] = []
        self.left: bool = False
        self.error_delivered: bool = False
        self._state = state
        self._items: deque[T] = deque()

    @property
    def ended(self) -> bool:
        return self.left or self._state.ended

    @property
    def exhausted(self) -> bool:
        untold = self._state.error is not None and not self.error_delivered
        return self.left or (self.ended and not self._items and not untold)

    def put(self, item: T) -> None:
        """Book an *item* for this reader, unless it has left."""
        if self.left:
            return
        self._items.append(item)
        if len(self._items) == self._state.buffer:
            self._state.full += 1

    def pop(self) -> T | Empty:
        state = self._state
        if not self._items:
            if state.error is None or self.error_delivered or self.left:
                return EMPTY
            self.error_delivered = True
            raise_to_reader(state.error)
        if len(self._items) == state.buffer:
            state.full -= 1
        return self._items.popleft()

    def leave(self) -> None:
        """Book that this reader takes no more: it holds nobody back."""
        if len(self._items) == self._state.buffer:
            self._state.full -= 1
        self.left = True
        self._items.clear()

    def close(self) -> list[BaseException]:
        """Give up what was not delivered; the error is told by `SharedState`."""
        self._items.clear()
        return []


class SharedState(ABC, Generic[T]):
    """The lanes of all readers, and what they have in common."""

    def __init__(self, readers: int, buffer: int) -> None:
        self.buffer = buffer
        self.full: int = 0
        self.ended: bool = False
        self.error: BaseException | None = None
        self.unseen_errors: list[BaseException] = []
        self.queues: list[SubscriberQueue[T]] = [
            SubscriberQueue(self) for _ in range(readers)
        ]

    @property
    def exhausted(self) -> bool:
        return all(queue.exhausted for queue in self.queues)

    def pop(self) -> Empty:
        """Deliver nothing: it is the lanes that do."""
        return EMPTY

    def has_room(self) -> bool:
        """Tell whether the source may be asked for one more item."""
        return not self.full

    @abstractmethod
    def share(self, item: T) -> None:
        """Put an *item* where it belongs."""

    def fail(self, error: BaseException) -> None:
        """Book the *error* of the source, after the items of every lane."""
        self.ended = True
        self.error = error

    def close(self) -> list[BaseException]:
        error, self.error = self.error, None
        late, self.unseen_errors = self.unseen_errors, []
        if error is not None and not all(
            queue.error_delivered for queue in self.queues
        ):
            late.append(error)
        self.queues.clear()  # which hold these books
        return late


class BroadcastState(SharedState[T]):
    """Every reader has every item."""

    def share(self, item: T) -> None:
        for queue in self.queues:
            queue.put(item)


class PartitionState(SharedState[T]):
    """Every item has one reader, which is told by its key."""

    def __init__(
        self, key: Callable[[T], Hashable], keys: list[Hashable], buffer: int
    ) -> None:
        super().__init__(len(keys), buffer)
        self._key = key
        self._place = {key: place for place, key in enumerate(keys)}

    def share(self, item: T) -> None:
        key = self._key(item)
        try:
            place = self._place[key]
        except KeyError:
            known = ", ".join(map(repr, self._place))
            raise ValueError(
                f"key gave {key!r} for {item!r}, which is none of keys: {known}"
            ) from None
        self.queues[place].put(item)
