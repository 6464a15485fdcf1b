"""What does Ctrl-C do to an example?

The same at every moment: whatever runs is cancelled, whatever was finished is kept, and
the exit code is 130. Python by itself raises KeyboardInterrupt at the line that happens
to run, which may be in the middle of a cleanup. This handler only cancels the scope of
the program. A second Ctrl-C ends the program at once, without any cleanup.
"""

import os
import signal
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager

INTERRUPTED = 130  # the exit code that a shell shows for a program ended by Ctrl-C
SHOW_CURSOR = b"\x1b[?25h"  # a progress bar hides it


class CtrlC:
    """Whether Ctrl-C was pressed, and what to cancel for it."""

    def __init__(self) -> None:
        self.was_pressed = False
        self.has_begun = False  # until then, there is nothing to clean up
        self.cancel: Callable[[], object] | None = None

    def press(self, *_: object) -> None:
        """Handle the signal."""
        if self.was_pressed or not self.has_begun:
            os.write(2, SHOW_CURSOR * os.isatty(2) + b"interrupted\n")
            os._exit(INTERRUPTED)
        self.was_pressed = True
        if self.cancel is not None:
            self.cancel()


CTRL_C = CtrlC()


def listen() -> None:
    """Handle Ctrl-C from now on."""
    signal.signal(signal.SIGINT, CTRL_C.press)


@contextmanager
def hidden_from_children() -> Generator[None]:
    """Start processes to which Ctrl-C means nothing, and delay it here meanwhile.

    A terminal sends Ctrl-C to every process of a program. Each of them would print a
    traceback, although the program that started them ends them anyway.
    """
    if sys.platform == "win32":
        yield
        return
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
