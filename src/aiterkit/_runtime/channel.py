"""Where one reader takes what a block has for it.

Most blocks are an outlet themselves; one with several readers has several.
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Generic, NoReturn, TypeVar

from anyio.lowlevel import checkpoint

from aiterkit._runtime.backend import SpinPolicy, Waiter, current_backend
from aiterkit._runtime.buffer import ResultBuffer

R = TypeVar("R")


class ResultChannel(ABC, Generic[R]):
    """The side of a block that one reader sees; `Results` stands on it."""

    __slots__ = (
        "__weakref__",
        "buffer",
        "closed",
        "end_wait",
        "incomplete",
        "is_receiving",
        "make_waiter",
        "name",
        "receiver",
        "spin",
        "turn",
        "turn_trap",
        "waiting_producers",
    )

    buffer: ResultBuffer[R]
    name: str
    make_waiter: Callable[[], Waiter]
    end_wait: Callable[[Waiter], None]
    turn: Awaitable[object]
    turn_trap: object
    spin: SpinPolicy

    def __init__(self, buffer: ResultBuffer[R], *, name: str) -> None:
        self.buffer = buffer
        self.name = name
        self.closed: bool = False
        self.is_receiving: bool = False
        self.incomplete: bool = False
        self.waiting_producers: int = 0  # how many wait to be told that there is room
        self.receiver: Waiter | None = None

    def bind_backend(self) -> None:
        """Find out which backend runs."""
        ways = current_backend()
        self.make_waiter, self.end_wait = ways.make, ways.end
        self.turn_trap, self.turn = ways.trap, ways.turn
        self.spin = SpinPolicy()

    @abstractmethod
    def on_taken(self) -> None:
        """Read on, now that the reader has taken a result."""

    def begin_wait(self) -> Awaitable[object]:
        """Return a wait until a result may be ready, or none will ever be.

        The *reader* that waits is this wait, until somebody ends it.
        """
        self.receiver = waiter = self.make_waiter()
        return waiter

    def wake_receiver(self) -> None:
        """Let the reader look again, if it waits."""
        reader = self.receiver
        if reader is not None:
            self.receiver = None
            self.end_wait(reader)

    async def raise_incomplete(self) -> NoReturn:
        """Say that results are missing which will never come.

        Raises:
            RuntimeError: Since the tasks of the block were cancelled over its head.
        """
        await checkpoint()  # perhaps the reader is cancelled too, and woken first
        raise RuntimeError(
            f"{self.name}() was cancelled from outside while its results were read"
        )

    def refuse(self) -> NoReturn:
        """Say why no result can be had by this task now."""
        raise RuntimeError(
            f"the results of {self.name}() can be read only inside its "
            f"'async with' block"
            if self.closed
            else f"another task is already waiting for the next result of {self.name}()"
        )
