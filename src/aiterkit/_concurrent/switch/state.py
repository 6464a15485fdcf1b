"""The newest item, and what its source has given."""

from collections import deque
from typing import Generic, TypeVar

from aiterkit._runtime.buffer import EMPTY, Empty
from aiterkit._runtime.errors import raise_to_reader

R = TypeVar("R")
T = TypeVar("T")


class SwitchState(Generic[T, R]):
    """The newest item, and what its source has given and nobody has taken.

    It is *busy* while a source is open, or is to be opened.
    """

    def __init__(self) -> None:
        self.unseen_errors: list[BaseException] = []
        self.ended: bool = False
        self.busy: bool = False
        self._next: deque[T] = deque(maxlen=1)
        self._results: deque[R] = deque()
        self._failure: list[BaseException] = []  # one at most, to be given away

    def switch(self, item: T) -> None:
        """Book a new *item*: what the one before has given is void."""
        self.busy = True
        self._next.append(item)
        self._results.clear()

    def advance(self) -> list[T]:
        """Hear that no source is open; return the item of the next one, if any."""
        following = list(self._next)
        self._next.clear()
        self.busy = bool(following)
        return following

    def give_up(self) -> None:
        """Open no more sources."""
        self._next.clear()

    def has_room(self) -> bool:
        """Tell whether the open source may be asked for one more result."""
        return not self._results

    def put(self, result: R) -> None:
        """Book a *result* of the open source."""
        self._results.append(result)

    def fail(self, error: BaseException) -> None:
        """Book an *error*, which ends everything."""
        self.ended = True
        self._next.clear()
        self._failure.append(error)

    @property
    def exhausted(self) -> bool:
        over = self.ended and not self.busy
        return over and not self._results and not self._failure

    def pop(self) -> R | Empty:
        if self._results:
            return self._results.popleft()
        if self._failure and not self.busy:  # all that it ended is over
            raise_to_reader(self._failure.pop())
        return EMPTY

    def close(self) -> list[BaseException]:
        late, self.unseen_errors = self.unseen_errors + self._failure, []
        self._failure.clear()
        return late
