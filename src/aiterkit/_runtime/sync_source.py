"""How a sync source is read: by the task that needs an item, not by one of its own."""

from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator
from functools import partial
from operator import methodcaller
from typing import Any, Generic, TypeVar, cast

from anyio.lowlevel import checkpoint

from aiterkit._core.source import is_async
from aiterkit._runtime.backend import stands_for_user
from aiterkit._runtime.buffer import EMPTY, Empty
from aiterkit._runtime.errors import is_deliverable, without_stop
from aiterkit._runtime.scope import TaskScope
from aiterkit._runtime.sink import Sink

T = TypeVar("T")

_DICT = dict[str, str]()
_CONTAINERS: list[Iterable[Any]] = [
    *((), [], range(0), "", "\u20ac", b"", set[str]()),
    *(_DICT, _DICT.values(), _DICT.items()),
]
_WITHOUT_CODE = frozenset(type(iter(container)) for container in _CONTAINERS)
"""Iterators that run none of the user's code, and so need no context.

They know how many items are left.
"""

_close = methodcaller("close")  # not a function, which would be protected on Trio


class SyncSource(Generic[T]):
    """A sync source whose items several tasks take.

    All of it runs in one copy of the context at entry, whichever task asks: a
    generator may set a variable in one step, and reset it in another.
    """

    __slots__ = ("_iterator", "_knows_length", "_run", "_scope", "_sink", "next")

    def __init__(self, scope: TaskScope, iterator: Iterator[T], sink: Sink[T]) -> None:
        self._scope = scope
        self._iterator = iterator
        self._sink = sink
        self._knows_length = type(iterator) in _WITHOUT_CODE
        self.next: Callable[[], T]
        """Return the next item; raise what the iterator raises."""
        if self._knows_length:
            self.next = iterator.__next__
            return
        run: Any = scope.context.copy().run
        self._run = run
        call_user = scope.backend.call_user
        call = () if call_user is None else (call_user,)
        self.next = partial(run, *call, next, iterator)

    def may_have_items(self) -> bool:
        """Return whether it may give one more item, as far as this can be known."""
        iterator: Any = self._iterator
        return not self._knows_length or iterator.__length_hint__() > 0

    def pull(self) -> T | Empty:
        """Return the next item; or report to the sink why there is none."""
        try:
            return self.next()
        except BaseException as error:  # noqa: BLE001 - the reader gets it
            self.report(error)
            return EMPTY

    def report(self, error: BaseException) -> None:
        """Report the end of the source to the sink, or its *error*."""
        if isinstance(error, StopIteration):
            self._sink.end()
        elif is_deliverable(error):
            self._sink.fail(without_stop(error))
        else:
            self._scope.abort(error)

    def close(self) -> None:
        """Close it, if it is a generator.

        Other sync iterators have no close of their own: a file, say, is its own
        iterator, and its close() would end more than the iteration.
        """
        iterator: Any = self._iterator
        if self._knows_length or not isinstance(iterator, Generator):
            return
        scope = self._scope
        try:
            try:
                self._run(scope.backend.interruptible(_close), iterator)
            except KeyboardInterrupt as error:
                scope.abort(error)
                self._run(_close, iterator)  # it may have come before this began
        except Exception as error:  # noqa: BLE001 - the exit of the block raises it
            scope.close_errors.append(error)


@stands_for_user
class CheckpointingIterator(AsyncIterator[T]):
    """A sync source as an async one that lets other tasks run before each item.

    Its reader owns it, so it is closed if it is a generator. Other sync iterators have
    no close of their own: a file, say, is its own iterator, and its ``close()`` would
    end more than the iteration.
    """

    __slots__ = ("_iterator",)

    def __init__(self, iterator: Iterator[T]) -> None:
        self._iterator = iterator

    async def __anext__(self) -> T:
        await checkpoint()
        try:
            return next(self._iterator)
        except StopIteration:
            raise StopAsyncIteration from None
        except StopAsyncIteration as error:  # it would read as the end
            raise without_stop(error) from error

    async def aclose(self) -> None:
        iterator: Any = self._iterator
        if isinstance(iterator, Generator):
            iterator.close()


def with_checkpoints(iterator: AsyncIterator[T] | Iterator[T]) -> AsyncIterator[T]:
    """Return *iterator*, made async if it is not, for a `SourceReader` to read."""
    if is_async(iterator):
        return cast("AsyncIterator[T]", iterator)
    return CheckpointingIterator(cast("Iterator[T]", iterator))
