"""The state of a map, in numbers."""

from dataclasses import dataclass

from aiterkit._runtime.statistics import Statistics


@dataclass(frozen=True, slots=True, kw_only=True)
class MapStatistics(Statistics):
    """The state of a map at one moment, as `MapResults.statistics` returns it.

    ``taken`` is the sum of ``waiting``, ``running``, ``delivered`` and ``dropped``,
    and ``waiting`` that of ``waiting_to_start``, ``waiting_for_key`` and
    ``waiting_for_reader``.

    Examples:
        >>> import anyio
        >>> async def fetch(name: str) -> str:
        ...     await anyio.sleep(0.01)
        ...     return name
        >>> async with concurrent_map(fetch, "abcde", limit=2) as results:
        ...     await anyio.sleep(1)
        ...     now = results.statistics()
        ...     print(now.taken, now.running, now.waiting_for_reader)
        4 0 4

    Attributes:
        taken: How many items have left the source, or were reached by
            `concurrent_expand`.
        waiting: How many of them wait, whatever for.
        running: How many calls run.
        delivered: How many results the reader has had.
        dropped: How many items have no result that will be delivered: they did not
            pass `concurrent_filter`, or their call failed, was cancelled, or will
            never start.
        limit: How many calls may run at once; the tokens of a limiter, at present.
        buffer: How many more items may lie between the source and the reader.
        started: How many calls have begun.
        running_items: The items of the calls that run, in the order of the source.
        waiting_to_start: How many items wait for a free call or a token.
        waiting_for_key: How many items wait for a call with an equal key.
        waiting_for_reader: How many finished results the reader has not had.
    """

    limit: float
    buffer: float
    started: int
    running_items: tuple[object, ...]
    waiting_to_start: int
    waiting_for_key: int
    waiting_for_reader: int
