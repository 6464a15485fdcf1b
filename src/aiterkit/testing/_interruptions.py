"""An interruption that strikes once in a run, at a step that the run chooses."""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Literal, TypeAlias

import anyio

from aiterkit.testing._choices import Run
from aiterkit.testing._report import History

InterruptionName: TypeAlias = Literal["cancel", "timeout", "break"]
"""What `explore` can interrupt a test with."""


class Interruption:
    """What may strike during one run.

    Args:
        kind: What strikes; None: nothing.
        run: Chooses when.
        history: Where a break is recorded.
    """

    def __init__(
        self, kind: InterruptionName | None, run: Run, history: History | None
    ) -> None:
        self._kind = kind
        self._run = run
        self._history = history
        self._strike: Callable[[], object] = bool
        self.can_strike = False
        self.has_struck = False
        self.was_asked = False

    def _arm(self, strike: Callable[[], object]) -> None:
        self._strike = strike
        self.can_strike = True

    def strike(self) -> None:
        """Interrupt the test; called by the loop, between two steps."""
        self.can_strike = False
        self.has_struck = True
        if self._history is not None:
            self._history.note("interruption", str(self._kind))
        self._strike()

    def asks(self) -> bool:
        """Tell the test whether it has been interrupted; a break strikes here."""
        self.was_asked = True
        if self._kind == "break" and not self.has_struck:
            self.has_struck = bool(self._run.choose(2, 2))
            if self.has_struck and self._history is not None:
                self._history.note("interruption", "break")
        return self.has_struck

    async def over(self, test: Callable[[], Awaitable[object]], backend: str) -> None:
        """Await *test*, which may be interrupted meanwhile."""
        token = _current.set(self)
        try:
            if self._kind == "cancel" and backend == "asyncio":
                await self._cancelling(test)
            elif self._kind in {"cancel", "timeout"}:
                with anyio.CancelScope() as scope:
                    self._arm(scope.cancel)
                    await test()
            else:
                await test()
        finally:
            self.can_strike = False
            _current.reset(token)

    async def _cancelling(self, test: Callable[[], Awaitable[object]]) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - this runs in a task
        self._arm(task.cancel)
        try:
            await test()
        except asyncio.CancelledError:
            if not self.has_struck:
                raise
            task.uncancel()
        else:
            if self.has_struck:
                raise AssertionError(
                    "the test was cancelled by task.cancel(), but it returned as if "
                    "nothing had happened: its CancelledError was lost"
                )


_current: ContextVar[Interruption | None] = ContextVar("interruption", default=None)


def interrupted() -> bool:
    """Tell whether `explore` has interrupted the test that is running.

    With ``interrupt="break"`` this is where it strikes: once in each run, it
    returns True where it returned False in the run before, and from then on.
    With ``"cancel"`` or ``"timeout"`` it tells whether the cancellation has been
    sent. Outside `explore`, nothing strikes.

    Examples:
        >>> async def leave_early() -> None:
        ...     source = SourceProbe("abc")
        ...     async with concurrent_map(anyio.sleep, source, limit=2) as results:
        ...         async for _ in results:
        ...             if interrupted():
        ...                 break
        ...     source.assert_closed_once()
        >>> interrupted()
        False
    """
    interruption = _current.get()
    return interruption is not None and interruption.asks()
