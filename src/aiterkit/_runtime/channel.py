"""Where one reader takes what a block has for it.

Most blocks are an outlet themselves; one with several readers has several.
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Generic, NoReturn, Protocol, TypeVar

from anyio.lowlevel import checkpoint

from aiterkit._runtime.backend import Turns, Waiter, ways_to_wait
from aiterkit._runtime.buffer import Nothing

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class Store(Protocol[R_co]):
    """Where a block keeps what its reader has not had."""

    late: list[BaseException]
    """Errors that the reader will never see."""

    @property
    def ended(self) -> bool:
        """Whether nothing more comes in. It is asked first, and should be cheap."""
        ...

    @property
    def exhausted(self) -> bool:
        """Whether, nothing more coming in, the reader has had all there was."""
        ...

    def pop(self) -> R_co | Nothing:
        """Deliver the next value, or raise the error that ends it, if it is there."""
        ...

    def close(self) -> list[BaseException]:
        """Give up what was not delivered; return the errors among it."""
        ...


class Outlet(ABC, Generic[R]):
    """The side of a block that one reader sees; `Results` stands on it."""

    __slots__ = (
        "__weakref__",
        "being_read",
        "closed",
        "end_wait",
        "incomplete",
        "make_waiter",
        "name",
        "reader",
        "store",
        "turn",
        "turn_trap",
        "turns",
        "waits_for_room",
    )

    store: Store[R]
    name: str
    make_waiter: Callable[[], Waiter]
    end_wait: Callable[[Waiter], None]
    turn: Awaitable[object]
    turn_trap: object
    turns: Turns

    def __init__(self, store: Store[R], *, name: str) -> None:
        self.store = store
        self.name = name
        self.closed: bool = False
        self.being_read: bool = False
        self.incomplete: bool = False
        self.waits_for_room: int = 0  # how many wait to be told that there is room
        self.reader: Waiter | None = None

    def learn_to_wait(self) -> None:
        """Find out which backend runs."""
        ways = ways_to_wait()
        self.make_waiter, self.end_wait = ways.make, ways.end
        self.turn_trap, self.turn = ways.trap, ways.turn
        self.turns = Turns()

    @abstractmethod
    def use_room(self) -> None:
        """Read on, now that the reader has taken a result."""

    def begin_wait(self) -> Awaitable[object]:
        """Return a wait until a result may be ready, or none will ever be.

        The *reader* that waits is this wait, until somebody ends it.
        """
        self.reader = waiter = self.make_waiter()
        return waiter

    def wake_reader(self) -> None:
        """Let the reader look again, if it waits."""
        reader = self.reader
        if reader is not None:
            self.reader = None
            self.end_wait(reader)

    async def tell_incomplete(self) -> NoReturn:
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
