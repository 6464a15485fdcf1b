"""The state of a map, in numbers."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MapStatistics:
    """The state of a map at one moment, as `MapResults.statistics` returns it.

    Until something fails, ``taken`` is the sum of ``delivered``,
    ``waiting_for_reader``, ``running``, ``waiting_to_start`` and
    ``waiting_for_key``.

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
        limit: How many calls may run at once; the tokens of a limiter, at present.
        buffer: How many items more may lie between the source and the reader.
        taken: How many items have left the source.
        started: How many calls have begun.
        running: How many calls run.
        running_items: What they were called with, in the order of the source.
        waiting_to_start: How many items wait for a free call or a token.
        waiting_for_key: How many items wait for a call with an equal key.
        waiting_for_reader: How many finished results the reader has not had.
        delivered: How many results the reader has had.
    """

    limit: float
    buffer: float
    taken: int
    started: int
    running: int
    running_items: tuple[object, ...]
    waiting_to_start: int
    waiting_for_key: int
    waiting_for_reader: int
    delivered: int
