"""The few things of an event loop that a sequential operator may need.

All else of the sequential wing runs without one, so anyio is imported where it is
first used. Nothing here can start a task.
"""
# ruff: noqa: PLC0415 - see above

from collections.abc import AsyncIterator, Callable
from typing import Protocol, TypeVar, cast

from aiterkit._core.checks import shortened

T = TypeVar("T")


class Event(Protocol):
    """What one task sets and others wait for."""

    def set(self) -> None:
        """Let them go on."""

    async def wait(self) -> None:
        """Wait until it is set."""


def new_event() -> Event:
    """Return an event of the running backend."""
    import anyio

    return anyio.Event()


async def anext_within(seconds: float, iterator: AsyncIterator[T]) -> T:
    """Return the next item, unless it takes longer than *seconds*.

    Raises:
        TimeoutError: If it does.
    """
    import anyio

    with anyio.move_on_after(seconds):
        return await anext(iterator)
    raise TimeoutError(f"source gave nothing for {seconds} seconds")


class Limiter(Protocol):
    """What bounds how many threads run at once: an `anyio.CapacityLimiter`."""

    @property
    def total_tokens(self) -> float:
        """How many may run at once."""
        ...

    @property
    def borrowed_tokens(self) -> int:
        """How many run."""
        ...


def check_limiter(limiter: object, /) -> None:
    """Refuse what is neither ``None`` nor an `anyio.CapacityLimiter`.

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

    A scope that is cancelled before it has begun ends the call; one that is cancelled
    later waits for the end of *func*. If it *is_owed*, it is called in any case.
    """
    import anyio.to_thread

    known = cast("anyio.CapacityLimiter | None", limiter)
    with anyio.CancelScope(shield=is_owed):
        await anyio.to_thread.run_sync(func, limiter=known)


def now() -> float:
    """Return the time of the running backend's clock."""
    import anyio

    return anyio.current_time()


async def sleep(seconds: float) -> None:
    """Wait for so many *seconds* on that clock."""
    import anyio

    await anyio.sleep(seconds)


async def sleep_until(deadline: float) -> None:
    """Wait for *deadline* on that clock."""
    import anyio

    await anyio.sleep_until(deadline)
