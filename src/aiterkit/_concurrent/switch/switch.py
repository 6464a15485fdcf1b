"""One source per item; only the source of the newest item is read.

The source before is cancelled and closed before the new one starts, so there is
never more than one of them.
"""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from aiterkit._concurrent.switch.scope import SwitchScope
from aiterkit._concurrent.switch.state import SwitchState
from aiterkit._core.checks import check_func
from aiterkit._core.source import open_source
from aiterkit._core.types import AnyIterable
from aiterkit._runtime.results import FlatMapResults
from aiterkit._runtime.scope import ConcurrentOperator

T = TypeVar("T")
R = TypeVar("R")


class concurrent_switch_map(ConcurrentOperator[SwitchScope[Any, R]]):  # noqa: N801 - it is called like a function
    """Call *func* on each item of *source*, and read its result until the next one.

        words                                    ab--c-----|
        search a                                 =;
        search b                                  ==
        search c                                     ==
        concurrent_switch_map(search(2), words)  ---b--c---|

    The latest wins: as soon as *source* gives a new item, what *func* returned for
    the one before is cancelled, awaited and closed; only then is *func* called
    again. A result of an older item that you have not taken is dropped. Items that
    are overtaken before their turn are never called.

    Examples:
        >>> async def words():
        ...     for word, seconds in [("t", 0.1), ("to", 5), ("toe", 5)]:
        ...         yield word
        ...         await anyio.sleep(seconds)
        >>> async def search(word):
        ...     await anyio.sleep(1)
        ...     yield f"{word}..."
        ...     yield f"more of {word}"
        >>> async with concurrent_switch_map(search, words()) as results:
        ...     print([result async for result in results])
        ['to...', 'more of to', 'toe...', 'more of toe']

    Guarantees:
        Order: Input order, with gaps.
        Overlap: *source* is read while a call runs, or while what it returned is read;
            never two of these at once.
        Read-ahead: *source* is never held back; at most one result lies between the
            newest item's source and you.
        Delivery: A result waits only for you, and not for long: a new item
            drops it.
        Errors: Bare, the first in time, after the result that was there; what else
            runs is cancelled immediately.
        Exit: What still runs is cancelled and awaited, then *source* is closed. Their
            cleanup runs in full unless you are interrupted.
        Context: Each call sees a copy of the context at entry, and changes only that.

    Args:
        func: A function of one item. It returns an iterable, sync or async, or an
            awaitable of one. The iterable is closed when it is left.
        source: Any iterable, sync or async. It is read and closed by one task of
            the block: ``aclose()`` of an async iterator, ``close()`` of a sync
            generator.

    Raises:
        TypeError: If *func* cannot be called or *source* is not iterable, at the
            call.
    """

    def __init__(
        self,
        func: Callable[[T], Awaitable[AnyIterable[R]] | AnyIterable[R]],
        source: AnyIterable[T],
        /,
    ) -> None:
        check_func(func, source, usage="concurrent_switch_map(func, source)")
        self._scope = SwitchScope(
            func, open_source(source), SwitchState[T, R](), name=type(self).__name__
        )

    async def __aenter__(self) -> FlatMapResults[R]:
        """Start the work; give the results."""
        return FlatMapResults(await self._open())
