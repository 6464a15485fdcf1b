"""The state of a block, in numbers."""

from dataclasses import dataclass, replace
from typing import TypeVar


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """The state of a block at one moment, as `Results.statistics` returns it.

    All numbers count items of the sources, even where a result holds several of them,
    as a batch or a row does. At every moment ``taken`` is the sum of
    ``waiting``, ``running``, ``delivered`` and ``dropped``.

    Examples:
        >>> async with concurrent_buffer("abcdefg", 4) as letters:
        ...     await anyio.sleep(1)
        ...     await anext(letters)
        ...     print(letters.statistics())
        'a'
        Statistics(taken=4, waiting=3, running=0, delivered=1, dropped=0)

    Attributes:
        taken: How many items have left the sources: for `concurrent_flat_map` and the
            like, the items of the inner sources; for `concurrent_expand`, all items
            that were reached.
        waiting: How many of them wait: for their call, for further items, or for the
            reader.
        running: How many of them are in a call that runs.
        delivered: How many of them the reader has had.
        dropped: How many of them it will never have: they were overtaken, did not
            pass, failed, were cancelled, or were left behind in the block.
    """

    taken: int
    waiting: int
    running: int
    delivered: int
    dropped: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FlatMapStatistics(Statistics):
    """The state of a flat map at one moment: its results, and its inner sources.

    Examples:
        >>> async def pages(site):
        ...     yield f"{site}/1"
        ...     await anyio.sleep(10)
        ...     yield f"{site}/2"
        >>> async with concurrent_flat_map(pages, "abc", limit=2) as results:
        ...     await anyio.sleep(5)
        ...     now = results.statistics()
        ...     print(now.taken, now.opened, now.open)
        2 2 2

    Attributes:
        taken: How many items the inner sources have given.
        waiting: How many of them wait for the reader.
        running: 0, since there is no call for any of them.
        delivered: How many of them the reader has had.
        dropped: How many of them it will never have.
        limit: How many inner sources may be open at once; the tokens of a limiter, at
            present.
        opened: How many inner sources there have been.
        open: How many of these are not yet closed.
        waiting_to_open: How many items of the source wait for theirs to be opened.
    """

    limit: float
    opened: int
    open: int
    waiting_to_open: int


StatisticsT = TypeVar("StatisticsT", bound=Statistics)


def without_reader(now: StatisticsT) -> StatisticsT:
    """Return the same, with what waits counted as dropped: it will not be read."""
    return replace(now, waiting=0, dropped=now.dropped + now.waiting)
