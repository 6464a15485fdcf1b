"""The block of an operator that reads several sources: a task for each.

What comes of their items is decided in a `Junction`; here it is only waited for.
"""

from collections.abc import AsyncIterator, Iterator
from typing import Any, Generic, TypeVar

from aiterkit._concurrent.merge.state import Arrivals, Junction, Port
from aiterkit._runtime.scope import Block
from aiterkit._runtime.source_reader import Sink, SourceReader, taking_turns

T = TypeVar("T")
R = TypeVar("R")


class Sources(Block[R], Generic[T, R]):
    """Sources that are read into a junction, and a reader who takes from it."""

    def __init__(
        self,
        iterators: list[AsyncIterator[T] | Iterator[T]],
        junction: Junction[T, R],
        *,
        name: str,
    ) -> None:
        super().__init__(junction, name=name)
        self.junction = junction
        self._iterators = iterators
        self._readers: dict[Port, SourceReader[T]] = {}
        self._abandoned = False

    def _start(self) -> None:
        # All are booked before the first is read: what comes of an item may
        # depend on how many there are.
        for iterator in self._iterators:
            port = self.junction.open()
            reader = SourceReader(self, taking_turns(iterator), self.inlet(port))
            self._readers[port] = reader
        self._iterators = []
        for reader in self._readers.values():
            reader.start(f"{self.name} source")

    def inlet(self, port: Port) -> "Inlet[T]":
        """Return where the items of the source of *port* go."""
        return Inlet(self, port)

    def abandon(self) -> None:
        if self._abandoned:  # or each of many readers would tell all the others
            return
        self._abandoned = True
        if self.junction.live and not self.junction.decided:
            self.incomplete = True
        for reader in self._readers.values():
            reader.stop_gently()
        self.wake_reader()

    def use_room(self) -> None:
        port = self.junction.freed
        if port is None:
            self.wake_sources()
        else:
            self._readers[port].wake()

    def wake_sources(self) -> None:
        """Let every source that waits for room look again."""
        for reader in self._readers.values():
            reader.wake()

    def _finish(self) -> None:
        self._readers.clear()

    def settle(self) -> None:
        """Do what was decided when a source ended or failed."""
        void, self.junction.void = self.junction.void, []
        for port in void:
            self._readers[port].stop()
        if self.junction.decided or not self.junction.live:
            self.wake_reader()


class Merging(Sources[T, T]):
    """Sources whose items the reader gets as they arrive."""

    def __init__(
        self,
        iterators: list[AsyncIterator[T] | Iterator[T]],
        arrivals: Arrivals[T],
        *,
        name: str,
    ) -> None:
        super().__init__(iterators, arrivals, name=name)
        self._arrivals = arrivals

    def inlet(self, port: Port) -> "Inlet[T]":
        """Return where the items of the source of *port* go."""
        return ArrivalInlet(self, port, self._arrivals)


class Inlet(Sink[T]):
    """Where the items of one source go: through its port."""

    __slots__ = ("_block", "_junction", "_port")

    def __init__(self, block: Sources[T, Any], port: Port) -> None:
        self._block = block
        self._junction = block.junction
        self._port = port

    def has_room(self) -> bool:
        """Tell whether the source may be asked for one more item."""
        return self._junction.has_room(self._port)

    def give(self, item: T) -> bool:
        """Pass an *item* on; tell whether there is room for one more."""
        junction, block = self._junction, self._block
        room = junction.give(self._port, item)
        if block.reader is not None and junction.ready:
            block.wake_reader()
        if junction.void:
            block.settle()
        return room

    def end(self) -> None:
        """Hear that the source has no more items."""
        self._junction.end(self._port)
        self._block.settle()

    def fail(self, error: BaseException) -> None:
        """Hear that the source raised *error*, in the place of its next item."""
        self._junction.fail(self._port, error)
        self._block.settle()

    def over(self) -> None:
        """Hear that the source is closed."""
        self._junction.leave(self._port)
        self._block.settle()


class ArrivalInlet(Inlet[T]):
    """The same for `Arrivals`, but for the calls: each is paid per item."""

    __slots__ = ("_append", "_window")

    def __init__(
        self, block: Sources[T, Any], port: Port, arrivals: Arrivals[T]
    ) -> None:
        super().__init__(block, port)
        self._append = arrivals.line.append
        self._window = arrivals.window

    def has_room(self) -> bool:
        """Tell whether the source may be asked for one more item."""
        return self._port.waiting < self._window

    def give(self, item: T) -> bool:
        """Pass an *item* on; tell whether there is room for one more."""
        port, block = self._port, self._block
        self._append((port, item))
        port.waiting = waiting = port.waiting + 1
        reader = block.reader
        if reader is not None:
            block.reader = None
            block.end_wait(reader)
        return waiting < self._window
