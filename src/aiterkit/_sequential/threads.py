"""Operators that read a source which blocks, in threads, one item at a time."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator
from contextvars import Context, copy_context
from threading import Event, Lock
from types import TracebackType
from typing import Any, Generic, TypeVar

from aiterkit._core.clock import Limiter, check_limiter, in_thread
from aiterkit._core.source import as_iterable, is_async_iterable, raise_to_async
from aiterkit._core.tokens import check_not_held

T = TypeVar("T")


def aoffloaded(
    source: Iterable[T], /, *, limiter: Limiter | None = None
) -> AsyncGenerator[T, None]:
    """Give the items of a blocking *source*, reading each of them in a thread.

    Use it for a database cursor, a file on a slow disk, a client without async: the
    event loop goes on while ``next(source)`` blocks a thread. One item is read at a
    time, and only while you wait for it; nothing is read ahead. The call of
    ``iter(source)`` runs in a thread too, when you ask for the first item.

    The thread may change from item to item, so a *source* that is tied to one thread
    (``sqlite3`` without ``check_same_thread=False``) cannot be read like this. Each
    item costs about 50 microseconds more; for many small items, let *source* give lists
    and read them through `aflatten`. For a blocking function, see `offloaded`.

    Examples:
        >>> async def main() -> list[str]:
        ...     return [line async for line in aoffloaded(["a", "b"])]
        >>> anyio.run(main)
        ['a', 'b']

    Guarantees:
        No item is lost. A thread cannot be stopped, so a cancellation waits for the
        item that is being read, and you get it then or when you next ask.
        *source* runs in one copy of the context, taken when you first ask.

    Args:
        source: Any sync iterable. It is not closed; close it yourself, in a thread if
            that blocks.
        limiter: An `anyio.CapacityLimiter`: how many threads may run at once, counting
            everything that uses the same limiter. The default is anyio's own, with 40
            threads.

    Raises:
        TypeError: If *source* is not a sync iterable or *limiter* is not a
            `~anyio.CapacityLimiter`, at the call.
        RuntimeError: If it is read by a call that holds a token of *limiter*.
    """
    if is_async_iterable(source):
        raise TypeError(
            "source must be a sync iterable, not "
            f"{type(source).__name__!r}, which is an async one: use it as it is"
        )
    check_limiter(limiter)
    return _Offloaded(as_iterable(source, "source must be a sync iterable"), limiter)


class _Offloaded(AsyncGenerator[T, None]):
    """An async generator that goes on after a cancellation.

    A generator function cannot: after a cancellation it has ended, and its item is
    lost.
    """

    def __init__(self, source: Iterable[T], limiter: Limiter | None) -> None:
        self._source = source
        self._limiter = limiter
        # Both are None until the first item is read.
        self._iterator: Iterator[T] | None = None
        self._context: Context | None = None
        # A read that was begun and whose item was not given yet.
        self._reading: _ThreadedRead[T] | None = None
        self._is_awaited = False  # while a task waits for the next item
        self._ended = False  # after the end, an error or a close

    def __aiter__(self) -> AsyncIterator[T]:
        return self

    async def __anext__(self) -> T:
        self._check_alone("anext")
        if self._ended:
            raise StopAsyncIteration
        self._is_awaited = True
        try:
            reading = await self._finished()
        finally:
            self._is_awaited = False
        self._reading = None
        # The traceback refers to these frames. A reference back would be a cycle.
        error, reading.error = reading.error, None
        if error is None:
            return reading.item
        self._ended = True
        try:
            if isinstance(error, StopIteration):
                raise StopAsyncIteration from None
            raise_to_async(error)
        finally:
            del error

    async def _finished(self) -> "_ThreadedRead[T]":
        """Read an item, or wait for one that was begun."""
        reading = self._reading
        if reading is None:
            reading = self._reading = _ThreadedRead(self._next)
        elif reading.done.is_set():
            return reading
        check_not_held(self._limiter, name="aoffloaded")
        try:
            await in_thread(reading.run, self._limiter)
        except BaseException:
            if reading.give_up():
                self._reading = None
            else:
                # asyncio cancelled this task directly, which anyio's shield lets pass.
                # The thread still uses the source, which the caller may close next.
                await in_thread(reading.done.wait, is_owed=True)
            raise
        return reading

    def _next(self) -> T:
        """Return the next item; called in a thread."""
        if self._context is None:
            self._context = copy_context()
        return self._context.run(self._next_in_context)

    def _next_in_context(self) -> T:
        if self._iterator is None:
            self._iterator = iter(self._source)
        return next(self._iterator)

    async def asend(self, _value: object, /) -> T:
        """Return the next item; like a generator expression, ignore what is sent."""
        return await self.__anext__()

    async def athrow(
        self,
        kind: Any,
        value: object = None,
        traceback: TracebackType | None = None,
        /,
    ) -> T:
        """End with that error, as a generator expression does."""
        self._check_alone("athrow")
        self._ended = True
        error: Any = kind
        if not isinstance(error, BaseException):
            error = kind() if value is None else value
        raise error if traceback is None else error.with_traceback(traceback)

    async def aclose(self) -> None:
        """End. If a thread is still reading an item, wait for it and drop the item."""
        self._check_alone("aclose")
        self._ended = True
        reading, self._reading = self._reading, None
        if reading is not None and not reading.done.is_set():
            await in_thread(reading.done.wait, is_owed=True)

    def _check_alone(self, name: str) -> None:
        if self._is_awaited:
            raise RuntimeError(f"{name}(): aoffloaded() is already being read")


class _ThreadedRead(Generic[T]):
    """One item that is read in a thread, and the result."""

    item: T

    def __init__(self, read: Callable[[], T]) -> None:
        self._read = read
        self._lock = Lock()
        self._is_begun = False  # once a thread reads it
        self._is_given_up = False  # so that no thread may begin
        self.done = Event()  # set when the item or the error is there
        self.error: BaseException | None = None

    def run(self) -> None:
        """Read the item, unless it was given up; if a thread reads it already, wait."""
        with self._lock:
            if self._is_given_up:
                return
            is_begun, self._is_begun = self._is_begun, True
        if is_begun:
            self.done.wait()
            return
        try:
            self.item = self._read()
        except BaseException as error:  # noqa: BLE001 - it is raised where it is awaited
            self.error = error
        self.done.set()

    def give_up(self) -> bool:
        """Keep any thread from starting the read; return whether that was in time."""
        with self._lock:
            self._is_given_up = not self._is_begun
            return self._is_given_up
