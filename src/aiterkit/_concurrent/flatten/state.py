"""Where the inner sources of a source meet: by arrival, or one after the other.

These are two more junctions: they decide and never wait. Only so many inner sources
may be read at once, and only as many more may wait, closed, until their items have
reached the reader; then the *outer* source is asked for no more.
"""

from abc import abstractmethod
from collections import deque
from typing import Any

from aiterkit._concurrent.merge.state import Arrivals, Junction, Port
from aiterkit._runtime.buffer import NOTHING, Nothing


class Inner(Port):
    """An inner source, and what of it waits for the reader."""

    __slots__ = ("ended", "error", "items", "lingers", "passed")

    items: deque[Any]
    """Those that wait for its turn, if they come in turns."""

    def __init__(self, index: int) -> None:
        super().__init__(index)
        self.lingers: bool = False
        self.ended: bool = False
        self.passed: bool = False
        self.error: BaseException | None = None


class Nest(Junction[Any, Any]):
    """How many inner sources there are, and may be.

    At most *limit* are read at once. Those that are closed, and of which the reader
    has not had everything, are *lingering*: so may as many more. It is *vacated* when
    one has ceased to linger that kept others from being read.
    """

    def __init__(self, limit: int, *rest: Any) -> None:
        super().__init__(*rest)
        self.outer = self.open()
        self._limit = limit
        self._count = 0
        self.vacated: bool = False
        self.lingering: int = 0

    def may_begin(self) -> bool:
        """Tell whether there may be one more inner source."""
        count, limit = self._count, self._limit
        return count < limit and count + self.lingering < 2 * limit

    def begin(self) -> Inner:
        """Book one more inner source."""
        inner = Inner(self._opened)
        self._opened += 1
        self._count += 1
        self.live[inner] = None
        self.ended = False
        return inner

    def over(self, inner: Inner) -> None:
        """Book that it is closed."""
        self.leave(inner)
        self._count -= 1
        if not self._has_passed(inner):
            inner.lingers = True
            self.lingering += 1

    def see_off(self, inner: Inner) -> None:
        """Let it linger no more, if the reader has had all of it.

        To be told whenever the reader has taken an item of one that is closed.
        """
        if inner.lingers and self._has_passed(inner):
            inner.lingers = False
            if not self.may_begin():
                self.vacated = True
            self.lingering -= 1

    @abstractmethod
    def has_next(self) -> bool:
        """Tell whether there is a value that the reader may have now."""

    @abstractmethod
    def _has_passed(self, inner: Inner) -> bool:
        """Tell whether the reader has had all of what has ended."""


class ByArrival(Nest, Arrivals[Any]):
    """Items of all inner sources as they arrive."""

    def has_next(self) -> bool:
        return bool(self.line)

    def _has_passed(self, inner: Inner) -> bool:
        return not inner.waiting


class InTurn(Nest):
    """Items of the first inner source, then of the second, and so on."""

    def __init__(self, limit: int, window: int) -> None:
        super().__init__(limit)
        self.window = window
        self._queue: deque[Inner] = deque()

    def begin(self) -> Inner:
        inner = super().begin()
        inner.items = deque()
        self._queue.append(inner)
        return inner

    def has_next(self) -> bool:
        return bool(self._queue) and bool(self._queue[0].items)

    def _has_passed(self, inner: Inner) -> bool:
        return inner.passed

    def is_empty(self) -> bool:
        return not self._queue

    def has_room(self, port: Port) -> bool:
        return port.waiting < self.window

    def give(self, port: Port, item: Any) -> bool:
        assert isinstance(port, Inner)  # noqa: S101 - `begin` made it
        port.items.append(item)
        port.waiting += 1
        self.ready = self._queue[0] is port
        return port.waiting < self.window

    def end(self, port: Port) -> None:
        self.leave(port)
        if isinstance(port, Inner):
            port.ended = True
            self._pass_on()

    def fail(self, port: Port, error: BaseException) -> None:
        self.leave(port)
        if isinstance(port, Inner):
            failed = port
            while self._queue[-1] is not failed:
                self._drop(self._queue.pop())
            self.void.extend(
                other
                for other in self.live
                if other is self.outer or other.index > failed.index
            )
        else:  # in the place of its next item
            failed = Inner(self._opened)
            failed.items = deque()
            self._queue.append(failed)
        failed.error = error

    def pop(self) -> Any | Nothing:
        if not self._queue:
            return NOTHING
        head = self._queue[0]
        if head.items:
            item = head.items.popleft()
            head.waiting -= 1
            self.freed = head
            self._pass_on()
            return item
        if head.error is None or self.live:
            return NOTHING
        self._failure.append(head.error)
        head.error = None
        self._queue.clear()
        return self._tell_failure()

    def close(self) -> list[BaseException]:
        while self._queue:
            self._drop(self._queue.pop())
        return super().close()

    def _drop(self, inner: Inner) -> None:
        if inner.error is not None:
            self.late.append(inner.error)
            inner.error = None

    def _pass_on(self) -> None:
        queue = self._queue
        while queue and queue[0].ended and not queue[0].items:
            inner = queue.popleft()
            inner.passed = True
            self.see_off(inner)
