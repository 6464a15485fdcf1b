"""Operators that look at the clock, still one thing at a time."""

from collections.abc import AsyncGenerator, AsyncIterator
from math import inf
from typing import TypeVar

from aiterkit._core.checks import check_positive
from aiterkit._core.clock import anext_within, now, sleep_until
from aiterkit._core.source import Opened, open_async
from aiterkit._core.types import AnyIterable

T = TypeVar("T")


def atimeout(source: AnyIterable[T], /, seconds: float) -> AsyncGenerator[T, None]:
    """Give the items of *source*, and wait no longer than *seconds* for each.

    The time runs while *source* is waited for, and not while you do something else
    with an item. When it is over, the wait is cancelled: an async generator ends
    by that, another source may be read on.

    Examples:
        >>> [letter async for letter in atimeout("ab", 1.5)]
        ['a', 'b']

    Guarantees:
        No cancel scope is open while you have an item.

    Args:
        source: Any iterable, sync or async. It is not closed.
        seconds: The limit for each wait, more than 0.

    Raises:
        TimeoutError: If *source* gives nothing for so long, when it does.
        TypeError: If *source* is not iterable or *seconds* is no number, at the call.
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
    """Give the items of *source*, at most so many *per_second*.

        source               (abc)-----|
        apaced(source, 0.5)  a-b-c-----|

    An item that comes too soon waits; one that comes late does not, and makes no
    room for others to come sooner. So two items are always at least
    ``1 / per_second`` seconds apart. The first is given at once.

    Examples:
        >>> [letter async for letter in apaced("ab", 1000)]
        ['a', 'b']

    Args:
        source: Any iterable, sync or async. It is not closed.
        per_second: How many items in a second, more than 0.

    Raises:
        TypeError: If *source* is not iterable or *per_second* is no number, at the
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
