"""What a sequential operator may need from an event loop.

The rest of the sequential wing runs without one, so anyio is imported where it is first
used. Nothing here can start a task.
"""
# ruff: noqa: PLC0415 - see above

from collections.abc import AsyncIterator, Callable
from typing import Protocol, TypeVar, cast

from aiterkit._core.checks import shortened

T = TypeVar("T")


class Event(Protocol):
    """Something that one task sets and others wait for."""

    def set(self) -> None:
        """Wake those that wait."""

    async def wait(self) -> None:
        """Wait until it is set."""


def new_event() -> Event:
    """Return an event for the running event loop."""
    import anyio

    return anyio.Event()


async def anext_within(seconds: float, iterator: AsyncIterator[T]) -> T:
    """Return the next item.

    Raises:
        TimeoutError: If it takes longer than *seconds*.
    """
    import anyio

    with anyio.move_on_after(seconds):
        return await anext(iterator)
    raise TimeoutError(f"source gave nothing for {seconds} seconds")


class Limiter(Protocol):
    """What limits how many threads run at once: an `anyio.CapacityLimiter`.

    Described here, since the sequential wing does not import anyio for a type.
    """

    @property
    def total_tokens(self) -> float:
        """How many may run at once."""
        ...

    @property
    def borrowed_tokens(self) -> int:
        """How many are running."""
        ...


def check_limiter(limiter: object, /) -> None:
    """Check that *limiter* is ``None`` or an `anyio.CapacityLimiter`.

    Raises:
        TypeError: If it is something else.
    """
    import anyio

    if limiter is not None and not isinstance(limiter, anyio.CapacityLimiter):
        raise TypeError(
            f"limiter must be an anyio.CapacityLimiter, not {shortened(limiter)}: "
            f"CapacityLimiter({shortened(limiter)})"
        )


async def in_thread(
    func: Callable[[], object],
    limiter: Limiter | None = None,
    /,
    *,
    is_owed: bool = False,
) -> None:
    """Call *func* in a thread.

    If a scope is cancelled before *func* has begun, it is not called; if later, the
    cancellation waits until *func* has returned. If it *is_owed*, it is always called.
    """
    import anyio.to_thread

    known = cast("anyio.CapacityLimiter | None", limiter)
    with anyio.CancelScope(shield=is_owed):
        await anyio.to_thread.run_sync(func, limiter=known)


def now() -> float:
    """Return the time of the event loop's clock."""
    import anyio

    return anyio.current_time()


async def sleep(seconds: float) -> None:
    """Wait that many *seconds* of that clock."""
    import anyio

    await anyio.sleep(seconds)


async def sleep_until(deadline: float) -> None:
    """Wait until *deadline* on that clock."""
    import anyio

    await anyio.sleep_until(deadline)
