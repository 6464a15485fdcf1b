"""A source that is read until it is to stop, with nothing lost."""

from collections.abc import Awaitable, Callable
from types import CoroutineType
from typing import TypeVar

from aiterkit._concurrent.merge.scope import UntilScope
from aiterkit._concurrent.merge.state import Stoppable
from aiterkit._core.checks import shortened
from aiterkit._core.source import open_source
from aiterkit._core.types import AnyIterable
from aiterkit._runtime.results import Results
from aiterkit._runtime.scope import ConcurrentOperator

T = TypeVar("T")


def check_stop(stop: object) -> None:
    """Refuse a *stop* that cannot be called.

    Raises:
        TypeError: If it cannot be called.
    """
    if callable(stop):
        return
    if isinstance(stop, CoroutineType):
        name = stop.__qualname__
        stop.close()  # or Python would warn that it was never awaited
        raise TypeError(
            f"stop must be an async function without arguments, not a coroutine: "
            f"pass {name}, not {name}()"
        )
    if callable(getattr(stop, "wait", None)):
        raise TypeError(
            "stop must be an async function without arguments: pass the event's "
            "wait, as in event.wait"
        )
    raise TypeError(
        f"stop must be an async function without arguments, not {shortened(stop)}"
    )


class concurrent_until(ConcurrentOperator[UntilScope[T]]):  # noqa: N801 - it is called like a function
    """Give the items of *source* until *stop* returns, and lose none of them.

        source                                        a--b--c--d|
        stop                                          -------|
        concurrent_until(source, lambda: alen(stop))  a--b--c|

    *stop* is called once, when the block is entered. When it returns, *source* is
    asked for no more items, a read that is under way is cancelled, and the results
    end. Every item that *source* has given is given to you, so whatever reads the
    block goes on to the end of what it has: this is how a worker, or a pipeline of
    several blocks, stops gracefully. If *source* ends first, so do the results.

    Put it next to the source, before all other blocks: those read ahead, and finish
    what they have read. *source* is not closed before the block is left, so
    calls that still run can use what it holds, such as the connection on which
    messages are acknowledged.

    Examples:
        >>> async def messages():
        ...     for number in range(100):
        ...         yield number
        ...         await anyio.sleep(1)
        >>> stopping = anyio.Event()
        >>> async with concurrent_until(messages(), stopping.wait) as taken:
        ...     async for number in taken:
        ...         print(number)
        ...         if number == 2:
        ...             stopping.set()
        0
        1
        2

        A deadline for reading, which lets the calls finish:

        >>> from functools import partial
        >>> async def handle(number):
        ...     await anyio.sleep(5)
        ...     handled.append(number)
        >>> handled = []
        >>> async with concurrent_until(messages(), partial(anyio.sleep, 3.5)) as taken:
        ...     await concurrent_for_each(handle, taken, limit=10)
        >>> handled
        [0, 1, 2, 3]

    Guarantees:
        Order: Input order.
        Overlap: *stop* runs beside everything else.
        Read-ahead: None: *source* is asked for an item when you ask for it.
        Delivery: An item waits only for you. Each item that *source* has given
            comes before the end, whenever *stop* returns; so does an item that a read
            gives although it was cancelled.
        Errors: Bare, after the items before it; so is an error of *stop*, which stops
            the reading just as a return does.
        Exit: *stop* is cancelled and awaited, then *source* is closed. Their cleanup
            runs in full unless you are interrupted.

    Args:
        source: Any iterable, sync or async. It is read by one task of the block,
            and closed by that task when the block is left: ``aclose()`` of an async
            iterator, ``close()`` of a sync generator.
        stop: An async function without arguments, such as ``event.wait`` or
            ``partial(anyio.sleep, 60)``. What it returns is ignored.

    Raises:
        TypeError: If *source* is not iterable or *stop* cannot be called; at the
            call. If *stop* is not async, in the place of the end.
    """

    def __init__(
        self, source: AnyIterable[T], stop: Callable[[], Awaitable[object]], /
    ) -> None:
        check_stop(stop)
        self._scope = UntilScope(
            open_source(source), stop, Stoppable[T](), name="concurrent_until"
        )

    async def __aenter__(self) -> Results[T]:
        """Start to read; give the items."""
        return Results(await self._open())
