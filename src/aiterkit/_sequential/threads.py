"""Operators that read a source which blocks, in threads, one item at a time."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable, Iterator
from contextvars import Context, copy_context
from threading import Event, Lock
from types import TracebackType
from typing import Any, Generic, TypeVar

from aiterkit._core.clock import Limiter, check_limiter, in_thread
from aiterkit._core.source import as_iterable, is_async_iterable, without_end

T = TypeVar("T")


def aoffloaded(
    source: Iterable[T], /, *, limiter: Limiter | None = None
) -> AsyncGenerator[T, None]:
    """Give the items of a blocking *source*, each of which a thread waits for.

    For a database cursor, a file on a slow disk, a client library without async: the
    event loop goes on while ``next(source)`` runs in a thread. One item is read at a
    time, and only while you wait for it, so nothing is read ahead. *source* is opened
    by ``iter()`` in a thread too, when you ask for the first item.

    The threads may differ from item to item. A *source* that belongs to one thread
    (``sqlite3`` without ``check_same_thread=False``) cannot be read that way. Each item
    costs some 50 microseconds more: for many small ones, let *source* give lists of
    them and read it through `aflatten`. For a function, see `offloaded`.

    Examples:
        >>> async def main() -> list[str]:
        ...     return [line async for line in aoffloaded(["a", "b"])]
        >>> anyio.run(main)
        ['a', 'b']

    Guarantees:
        Nothing is lost. A thread cannot be stopped, so a cancellation waits for the
        item that is being read, which is given to you then or when you next ask.
        *source* sees one copy of the context, that of your first request.

    Args:
        source: Any sync iterable. It is not closed: do so yourself when you are done,
            in a thread if that blocks.
        limiter: An `anyio.CapacityLimiter` for how many threads run at once, together
            with all else that has the same one; an item beyond that waits. By default
            that of anyio, which has 40.

    Raises:
        TypeError: If *source* is not a sync iterable or *limiter* is no limiter, at the
            call.
    """
    if is_async_iterable(source):
        raise TypeError(
            "source must be a sync iterable, not "
            f"{type(source).__name__!r}, which is an async one: use it as it is"
        )
    check_limiter(limiter)
    return _Offloaded(as_iterable(source, "source must be a sync iterable"), limiter)


class _Offloaded(AsyncGenerator[T, None]):
    """No generator function, since one that was cancelled would have ended."""

    def __init__(self, source: Iterable[T], limiter: Limiter | None) -> None:
        self._source = source
        self._limiter = limiter
        self._iterator: Iterator[T] | None = None
        self._context: Context | None = None
        self._reading: _Reading[T] | None = None  # what was begun and is not given yet
        self._is_awaited = False
        self._ended = False

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
        # Its traceback knows these frames, which should not know it: a cycle.
        error, reading.error = reading.error, None
        if error is None:
            return reading.item
        self._ended = True
        try:
            if isinstance(error, StopIteration):
                raise StopAsyncIteration from None
            raise without_end(error)
        finally:
            del error

    async def _finished(self) -> "_Reading[T]":
        """Read an item, or go on with what was begun."""
        reading = self._reading
        if reading is None:
            reading = self._reading = _Reading(self._next)
        elif reading.done.is_set():
            return reading
        try:
            await in_thread(reading.run, self._limiter)
        except BaseException:
            if reading.give_up():
                self._reading = None
            else:
                # Cancelled by asyncio itself, which no shield of anyio's holds back.
                # The thread still uses the source, which might be closed next.
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
        """Return the next item, as a generator expression does whatever is sent."""
        return await self.__anext__()

    async def athrow(
        self,
        kind: Any,
        value: object = None,
        traceback: TracebackType | None = None,
        /,
    ) -> T:
        """End by that error, as a generator expression does."""
        self._check_alone("athrow")
        self._ended = True
        error: Any = kind
        if not isinstance(error, BaseException):
            error = kind() if value is None else value
        raise error if traceback is None else error.with_traceback(traceback)

    async def aclose(self) -> None:
        """End. What a thread still reads is waited for, and dropped."""
        self._check_alone("aclose")
        self._ended = True
        reading, self._reading = self._reading, None
        if reading is not None and not reading.done.is_set():
            await in_thread(reading.done.wait, is_owed=True)

    def _check_alone(self, name: str) -> None:
        if self._is_awaited:
            raise RuntimeError(f"{name}(): aoffloaded() is already being read")


class _Reading(Generic[T]):
    """One item that is read in a thread, and what has come of it."""

    item: T

    def __init__(self, read: Callable[[], T]) -> None:
        self._read = read
        self._lock = Lock()
        self._is_begun = False
        self._is_given_up = False
        self.done = Event()
        self.error: BaseException | None = None

    def run(self) -> None:
        """Read it, unless it was given up; or wait for the thread that reads it."""
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
        """Let no thread begin with it, and tell whether none had."""
        with self._lock:
            self._is_given_up = not self._is_begun
            return self._is_given_up
