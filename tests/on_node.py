"""What asyncio needs where there is no socket: under Pyodide on Node.

A loop on virtual time never waits for a file descriptor, so the pipe by which a thread
or a signal would wake it can be a dummy.
"""

import asyncio
import inspect
import sys
from asyncio import events, selector_events
from types import FrameType
from typing import Any, NoReturn

import pytest


class NoSocket:
    """An end of that pipe: nothing ever comes through."""

    def close(self) -> None:
        """Do nothing."""

    def fileno(self) -> int:
        """Return a number that no file has."""
        return 1000

    def setblocking(self, _flag: bool, /) -> None:  # noqa: FBT001 - socket's
        """Do nothing."""

    def send(self, data: bytes) -> int:
        """Take *data*, and lose it."""
        return len(data)

    def recv(self, _size: int) -> bytes:
        """Have nothing."""
        raise BlockingIOError


def _make(loop: Any) -> None:
    loop._ssock = loop._csock = NoSocket()
    loop._internal_fds += 1


def _close(loop: Any) -> None:
    loop._ssock = loop._csock = None
    loop._internal_fds -= 1


def _no_real_loop() -> NoReturn:
    # What was to run would warn, in a later test, that it was never awaited.
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        for value in tuple(frame.f_locals.values()):
            if (
                inspect.iscoroutine(value)
                and inspect.getcoroutinestate(value) == inspect.CORO_CREATED
            ):
                value.close()
        frame = frame.f_back
    # To start one fails here, and leaves behind what makes all later tests fail.
    pytest.skip("an event loop that waits for real does not run on Node")


def pytest_configure() -> None:
    """Let event loops be made and run."""
    # Pyodide runs a loop of its own around everything; within one, no other may run.
    asyncio._set_running_loop(None)
    loops: Any = selector_events.BaseSelectorEventLoop
    loops._make_self_pipe = _make
    loops._close_self_pipe = _close
    events.new_event_loop = asyncio.new_event_loop = _no_real_loop
