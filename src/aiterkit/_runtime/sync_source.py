"""How a sync source is read: by whoever needs an item, without a task of its own."""

from collections.abc import Callable, Generator, Iterable, Iterator
from functools import partial
from typing import Any, Generic, TypeVar, cast

from aiterkit._runtime.buffer import NOTHING, Nothing
from aiterkit._runtime.scope import Block, tellable, without_stop
from aiterkit._runtime.source_reader import Sink

T = TypeVar("T")

_CONTAINERS: list[Iterable[Any]] = [(), [], range(0), "", set[str](), dict[str, str]()]
_WITHOUT_CODE = frozenset(type(iter(container)) for container in _CONTAINERS)
"""Iterators that run nobody's code, and so need no context."""


class SyncSource(Generic[T]):
    """A sync source, of which several tasks take the items.

    All of it runs in one copy of the context at entry, whichever task asks: a
    generator may set a variable in one step, and reset it in another.
    """

    __slots__ = ("_block", "_iterator", "_run", "_sink", "next")

    def __init__(self, block: Block[Any], iterator: Iterator[T], sink: Sink[T]) -> None:
        self._block = block
        self._iterator = iterator
        self._run = block.context.copy().run
        self._sink = sink
        self.next: Callable[[], T] = (
            iterator.__next__
            if type(iterator) in _WITHOUT_CODE
            else cast("Callable[[], T]", partial(self._run, next, iterator))
        )
        """Return the next item; or raise what must be heard."""

    def ask(self) -> T | Nothing:
        """Return the next item; or tell the sink why there is none."""
        try:
            return self.next()
        except BaseException as error:  # noqa: BLE001 - it is told to the reader
            self.hear(error)
            return NOTHING

    def hear(self, error: BaseException) -> None:
        """Tell the sink of the end of the source, or of its *error*."""
        if isinstance(error, StopIteration):
            self._sink.end()
        elif tellable(error):
            self._sink.fail(without_stop(error))
        else:
            self._block.die(error)

    def close(self) -> None:
        """Close it, if it is a generator.

        Other sync iterators have no close of their own: a file, say, is its own
        iterator, and its close() would end more than the iteration.
        """
        iterator: Any = self._iterator
        if not isinstance(iterator, Generator):
            return
        try:
            self._run(iterator.close)
        except Exception as error:  # noqa: BLE001 - the exit of the block raises it
            self._block.unclosed.append(error)
