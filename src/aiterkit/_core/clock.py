"""The few things of an event loop that a sequential operator may need.

All else of the sequential wing runs without one, so anyio is imported where it is
first used. Nothing here can start a task.
"""
# ruff: noqa: PLC0415 - see above

from collections.abc import AsyncIterator
from typing import Protocol, TypeVar

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
