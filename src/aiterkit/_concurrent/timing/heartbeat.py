"""A source that is never silent for long."""

from typing import Generic, TypeVar

from aiterkit._concurrent.timing.scope import HeartbeatScope
from aiterkit._concurrent.timing.state import Heartbeats
from aiterkit._core.checks import check_positive
from aiterkit._core.source import open_source
from aiterkit._core.types import AnyIterable
from aiterkit._runtime.results import Results
from aiterkit._runtime.scope import ConcurrentOperator

T = TypeVar("T")
B = TypeVar("B")


class concurrent_heartbeat(  # noqa: N801 - it is called like a function
    ConcurrentOperator[HeartbeatScope[T, B]], Generic[T, B]
):
    """Give the items of *source*, and *beat* whenever nothing came for some *seconds*.

        events                                        a-b-------c-|
        concurrent_heartbeat(events, "*", seconds=3)  a-b--*--*-c-|

    The time starts again with each item and each *beat* that you receive, and when
    the block is entered. So you never wait longer than *seconds*: a connection can be
    kept alive, or a silence noticed, while you still wait for the same item. A timeout
    around each read would cancel the read and lose what it may have taken already;
    here, no read is cancelled.

    A *beat* is given only to a reader that waits. If you come back after a long time,
    you get an item or one *beat* immediately; those that you missed are not made up
    for. An item that comes exactly when a *beat* is due is given after it.

    Examples:
        >>> async def events():
        ...     yield "data: started"
        ...     await anyio.sleep(50)
        ...     yield "data: finished"
        >>> async with concurrent_heartbeat(events(), ": ping", seconds=20) as lines:
        ...     async for line in lines:
        ...         print(line)
        data: started
        : ping
        : ping
        data: finished

    Guarantees:
        Order: Input order; each *beat* when it is due.
        Overlap: *source* is read while you do something else.
        Read-ahead: At most one item between *source* and you.
        Delivery: An item waits only for you. While *source* is read, you wait
            for at most *seconds*.
        Errors: Bare, after the item before it.
        Exit: A read that is under way is cancelled and awaited, then *source* is
            closed. Their cleanup runs in full unless you are interrupted. Before that,
            no read is cancelled.
        Context: *source* sees a copy of the context at entry.

    Args:
        source: Any iterable, sync or async. It is read and closed by one task of
            the block: ``aclose()`` of an async iterator, ``close()`` of a sync
            generator.
        beat: What is given when nothing came; the same object each time.
        seconds: How long it may be silent; more than 0.

    Raises:
        TypeError: If *source* is not iterable or *seconds* is not a number; at the
            call.
        ValueError: If *seconds* is not more than 0, at the call.
    """

    def __init__(self, source: AnyIterable[T], beat: B, /, *, seconds: float) -> None:
        timed = Heartbeats[T, B](beat, check_positive(seconds, name="seconds"))
        self._scope = HeartbeatScope(
            open_source(source), timed, name="concurrent_heartbeat"
        )

    async def __aenter__(self) -> Results[T | B]:
        """Start to read; give the items and the beats."""
        return Results(await self._open())
