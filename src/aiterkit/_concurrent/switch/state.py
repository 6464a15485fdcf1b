"""The newest item, and what its source has given."""

from collections import deque
from typing import Generic, TypeVar

from aiterkit._runtime.buffer import EMPTY, Empty, ResultBuffer
from aiterkit._runtime.statistics import FlatMapStatistics

R = TypeVar("R")
T = TypeVar("T")


class SwitchState(ResultBuffer[R], Generic[T, R]):
    """The newest item, and what the reader has yet to receive of its source."""

    def __init__(self) -> None:
        super().__init__()
        self.busy: bool = False  # while a source is open, or is to be opened
        self._next: deque[T] = deque(maxlen=1)  # the item whose source opens next
        self._results: deque[R] = deque()  # of the open source: one at most
        self._opened = 0  # sources that were opened
        self._open = False  # while one of them is open
        self._delivered = 0  # results that the reader has received
        self._dropped = 0  # results of sources that were no longer the newest

    def switch(self, item: T) -> None:
        """Make *item* the newest: the results of the one before are dropped."""
        self.busy = True
        self._next.append(item)
        self._dropped += len(self._results)
        self._results.clear()

    def advance(self) -> list[T]:
        """Return the item whose source is to be opened, if any; no source is open."""
        following = list(self._next)
        self._next.clear()
        self.busy = self._open = bool(following)
        self._opened += len(following)
        return following

    def give_up(self) -> None:
        """Open no more sources."""
        self._next.clear()

    def has_room(self) -> bool:
        """Return whether the open source may be asked for one more result."""
        return not self._results

    def put(self, result: R) -> None:
        """Store a *result* of the open source."""
        self._results.append(result)

    def end(self) -> None:
        """Note that no more items come."""
        self.ended = True

    def fail(self, error: BaseException) -> None:
        """Store an *error*, which ends everything."""
        self.ended = True
        self._next.clear()
        self._failure.append(error)

    def statistics(self) -> FlatMapStatistics:
        """Return how many results were taken, wait, were delivered or dropped."""
        held = len(self._results)
        return FlatMapStatistics(
            taken=self._delivered + held + self._dropped,
            waiting=held,
            running=0,
            delivered=self._delivered,
            dropped=self._dropped,
            limit=1,
            opened=self._opened,
            open=int(self._open),
            waiting_to_open=len(self._next),
        )

    def is_empty(self) -> bool:
        return not self._results and not self.busy

    def pop(self) -> R | Empty:
        if self._results:
            self._delivered += 1
            return self._results.popleft()
        # An error is raised only when the source that it ended is closed.
        return EMPTY if self.busy else self._raise_failure()
