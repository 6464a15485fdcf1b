"""Whether n calls can run at once: a door that opens when n stand before it."""

from collections.abc import Awaitable, Callable
from typing import Any

import anyio

from aiterkit.testing._virtual import current_watch

_EVER = 1e9


class Barrier:
    """A door that opens when a number of tasks wait for it.

    With a barrier of *limit* parties inside the calls, an operator that cannot
    reach its limit never ends; with one of *limit* + 1, one that passes its
    limit ends. Neither needs a sleep.

    Examples:
        >>> barrier = Barrier(2)
        >>> async def meet() -> None:
        ...     async with anyio.create_task_group() as tasks:
        ...         tasks.start_soon(barrier.wait)
        ...         tasks.start_soon(barrier.wait)
        >>> await meet()
        >>> barrier.is_open
        True

    Args:
        parties: How many must wait for it to open.

    Attributes:
        parties: How many must wait.
        waiting: How many are waiting.
        most_waiting: How many were, at most.
        is_open: Whether it has opened. It stays open.

    Raises:
        ValueError: If *parties* is below 1.
    """

    def __init__(self, parties: int, /) -> None:
        if parties < 1:
            raise ValueError(f"parties must be at least 1, not {parties}")
        self.parties: int = parties
        self.waiting: int = 0
        self.most_waiting: int = 0
        self.is_open: bool = False
        self._opened = anyio.Event()

    async def wait(self, _item: object = None, /) -> None:
        """Wait until enough tasks are here.

        The argument is not used: so ``barrier.wait`` can be the function of
        a map.
        """
        self.waiting += 1
        self.most_waiting = max(self.most_waiting, self.waiting)
        try:
            if self.waiting == self.parties:
                self.is_open = True
                self._opened.set()
            await self._opened.wait()
        finally:
            self.waiting -= 1

    async def assert_never_opens(self, run: Callable[[], Awaitable[Any]], /) -> None:
        """Await *run* for ever, on virtual time, and fail if the door opens.

        Examples:
            >>> barrier = Barrier(2)
            >>> await barrier.assert_never_opens(barrier.wait)
            >>> barrier.most_waiting
            1

        Args:
            run: An async function that makes tasks wait here. It is cancelled.

        Raises:
            AssertionError: If it opened, or if *run* ended.
            RuntimeError: If the event loop is not on virtual time.
        """
        if current_watch() is None:
            raise RuntimeError(
                "assert_never_opens() waits for ever: it needs virtual time"
            )
        with anyio.move_on_after(_EVER) as scope:
            await run()
        if self.is_open:
            raise AssertionError(f"{self.parties} were there at once")
        if not scope.cancelled_caught:
            raise AssertionError("it ended, although the barrier did not open")
