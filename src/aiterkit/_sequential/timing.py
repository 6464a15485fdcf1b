"""Operators that use the clock, still one thing at a time."""

from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
)
from functools import partial
from math import inf
from typing import Any, TypeVar, overload

from aiterkit._core.call import needs_await
from aiterkit._core.checks import (
    check_exceptions,
    check_func,
    check_positive,
    check_wait,
    shortened,
)
from aiterkit._core.clock import anext_within, now, sleep, sleep_until
from aiterkit._core.source import Opened, close, is_async_iterable, open_async
from aiterkit._core.types import AnyIterable

T = TypeVar("T")


def atimeout(source: AnyIterable[T], /, seconds: float) -> AsyncGenerator[T, None]:
    """Give the items of *source*, and wait no longer than *seconds* for each.

    The time runs only while you wait for *source*, not while you use an item. When it
    is up, the wait is cancelled. That ends an async generator; other sources can still
    be read.

    Examples:
        >>> [letter async for letter in atimeout("ab", 1.5)]
        ['a', 'b']

    Guarantees:
        No cancel scope is open while you have an item.

    Args:
        source: Any iterable, sync or async. It is not closed.
        seconds: How long to wait for an item, more than 0.

    Raises:
        TimeoutError: If *source* gives nothing for that long, when the time is up.
        TypeError: If *source* is not iterable or *seconds* is not a number, at the
            call.
        ValueError: If *seconds* is not more than 0, at the call.
    """
    seconds = check_positive(seconds, name="seconds")
    return _timeout(open_async(source), seconds)


async def _timeout(
    iterator: AsyncIterator[T], seconds: float
) -> AsyncGenerator[T, None]:
    while True:
        try:
            item = await anext_within(seconds, iterator)
        except StopAsyncIteration:
            return
        yield item


def apaced(source: AnyIterable[T], /, per_second: float) -> AsyncGenerator[T, None]:
    """Give the items of *source*, at most *per_second* of them in a second.

        source               (abc)-----|
        apaced(source, 0.5)  a-b-c-----|

    An item that comes too soon waits. One that comes late is given immediately, and
    those after it may not come any sooner to make up for it: two items are always at
    least ``1 / per_second`` seconds apart. The first item does not wait.

    Examples:
        >>> [letter async for letter in apaced("ab", 1000)]
        ['a', 'b']

    Args:
        source: Any iterable, sync or async. It is not closed.
        per_second: How many items in a second, more than 0.

    Raises:
        TypeError: If *source* is not iterable or *per_second* is not a number, at the
            call.
        ValueError: If *per_second* is not more than 0, at the call.
    """
    gap = 1 / check_positive(per_second, name="per_second")
    return _pace(open_async(source), gap)


async def _pace(iterator: AsyncIterator[T], gap: float) -> AsyncGenerator[T, None]:
    due = -inf
    async for item in Opened(iterator):
        if now() < due:
            await sleep_until(due)
        due = now() + gap
        yield item


@overload
def arestarted(
    open: Callable[[T | None], Awaitable[AnyIterable[T]]],
    /,
    *exceptions: type[Exception],
    waits: Iterable[float] | Callable[[], Iterable[float]],
) -> AsyncGenerator[T, None]: ...
@overload
def arestarted(
    open: Callable[[T | None], AnyIterable[T]],
    /,
    *exceptions: type[Exception],
    waits: Iterable[float] | Callable[[], Iterable[float]],
) -> AsyncGenerator[T, None]: ...
def arestarted(
    open: Callable[[Any], Any],  # noqa: A002 - by position only, and what it does
    /,
    *exceptions: type[Exception],
    waits: Iterable[float] | Callable[[], Iterable[float]],
) -> AsyncGenerator[Any, None]:
    """Give the items of the source that *open* returns, and reopen it when it fails.

        first                                                            a-b!
        again                                                            -c|
        arestarted({None: first, "b": again}.get, Exception, waits=[2])  a-b---c|

    *open* is called with the last item that was given, or ``None`` before the first
    one, and returns a source that continues from there. When *open* or its source
    raises one of *exceptions*, the source is closed; after the next of *waits*, *open*
    is called again. Each item that is given resets *waits*. When they are used up, the
    error is raised.

    Examples:
        >>> async def count(last):
        ...     for number in range(0 if last is None else last + 1, 4):
        ...         if number == 2 and last is None:
        ...             raise ConnectionError("connection lost")
        ...         yield number
        >>> numbers = arestarted(count, ConnectionError, waits=[1, 2, 4])
        >>> [number async for number in numbers]
        [0, 1, 2, 3]

    Guarantees:
        Errors: Bare: one of *exceptions* when *waits* are used up, others immediately.
        Exit: The source that is open is closed. No two are ever open at once.

    Args:
        open: Takes the last item and returns an iterable, sync or async, or an
            awaitable of one. It is not called before you ask for the first item.
        *exceptions: Subclasses of `Exception`, at least one.
        waits: How many seconds to wait before each new attempt: for example a list, or
            a function that returns an iterator, which may be endless:
            ``partial(itertools.repeat, 1)``.

    Raises:
        TypeError: If *open* cannot be called, there are no *exceptions* or one is not a
            subclass of `Exception`, or *waits* holds anything but numbers or is
            an iterator, which cannot start again; at the call. If *open* returns
            something that is not iterable, then.
        ValueError: If one of *waits* is negative.
    """
    usage = "arestarted(open, ConnectionError, TimeoutError, waits=[1, 2, 4])"
    check_func(open, usage=usage, name="open")
    if not exceptions:
        raise TypeError(f"exceptions must be at least one: {usage}")
    check_exceptions(exceptions, usage=usage)
    new_waits = waits if callable(waits) else partial(iter, _checked_waits(waits))
    return _restart(open, exceptions, new_waits)


def _checked_waits(waits: Iterable[float]) -> Iterable[float]:
    if isinstance(waits, Iterator):
        raise TypeError(
            "waits must be a list or a function that returns an iterator, since an "
            f"iterator cannot start again, not {shortened(waits)}"
        )
    if not isinstance(waits, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(
            "waits must be a list or a function that returns an iterator, "
            f"not {shortened(waits)}"
        )
    return [check_wait(wait, name="waits") for wait in waits]


async def _restart(
    open: Callable[[Any], Any],  # noqa: A002 - see above
    exceptions: tuple[type[Exception], ...],
    new_waits: Callable[[], Iterable[float]],
) -> AsyncGenerator[Any, None]:
    last: Any = None
    waits: Iterator[float] | None = None
    while True:
        iterator: AsyncIterator[Any] | None = None
        is_open = True  # so an error comes from the source, and not from the reader
        try:
            try:
                made = open(last)
                if not is_async_iterable(made) and needs_await(made, set()):
                    made = await made
                iterator = open_async(
                    made, "open must return an iterable, sync or async"
                )
                async for item in Opened(iterator):
                    last, waits = item, None
                    is_open = False
                    yield item
                    is_open = True
                is_open = False
                return
            finally:
                if iterator is not None:
                    await close(iterator)
        except exceptions:
            if not is_open:
                raise
            waits = iter(new_waits()) if waits is None else waits
            wait = next(waits, None)
            if wait is None:
                raise
        await sleep(check_wait(wait, name="waits"))
