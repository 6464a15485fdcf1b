"""Where one reader takes what a block has for it.

Most blocks are an outlet themselves; one with several readers has several.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Generic, NoReturn, Protocol, TypeVar

from anyio.lowlevel import checkpoint

from aiterkit._concurrent.waiting import Waiter, ways_to_wait

R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)


class Delivery(Protocol[R_co]):
    """One thing for the reader: a value, or the error that ends it."""

    @property
    def value(self) -> R_co:
        """The value, unless it is an error."""
        ...

    @property
    def state(self) -> int:
        """Whether it is a value or an error: `FINISHED` or `FAILED`."""
        ...

    def take_error(self) -> BaseException:
        """Give the error away."""
        ...


class Store(Protocol[R_co]):
    """Where a block keeps what its reader has not had."""

    late: list[BaseException]
    """Errors that the reader will never see."""

    @property
    def exhausted(self) -> bool:
        """Whether the reader has had everything that will ever come."""
        ...

    def pop(self) -> Delivery[R_co] | None:
        """Deliver what comes next, if it is there already."""
        ...

    def close(self) -> list[BaseException]:
        """Give up what was not delivered; return the errors among it."""
        ...


class Outlet(ABC, Generic[R]):
    """The side of a block that one reader sees; `Results` stands on it."""

    make_waiter: Callable[[], Waiter]
    end_wait: Callable[[Waiter], None]

    def __init__(self, store: Store[R], *, name: str) -> None:
        self.store = store
        self.name = name
        self.closed: bool = False
        self.being_read: bool = False
        self.incomplete: bool = False
        self.waits_for_room: bool = True
        self._reader: Waiter | None = None

    def _learn_to_wait(self) -> None:
        """Find out which backend runs."""
        self.make_waiter, self.end_wait = ways_to_wait()

    @abstractmethod
    def use_room(self) -> None:
        """Read on, now that the reader has taken a result."""

    async def wait(self) -> None:
        """Wait until a result may be ready, or none will ever be.

        Raises:
            RuntimeError: If results are missing that will never come, since the
                tasks of the block were cancelled over its head.
        """
        if self.incomplete:
            await checkpoint()  # perhaps the reader is cancelled too, and woken first
            raise RuntimeError(
                f"{self.name}() was cancelled from outside while its results were read"
            )
        self.being_read = True
        self._reader = waiter = self.make_waiter()
        try:
            await waiter
        finally:
            self._reader = None
            self.being_read = False
        if self.closed:
            self.refuse()

    def wake_reader(self) -> None:
        """Let the reader look again, if it waits."""
        reader, self._reader = self._reader, None
        if reader is not None:
            self.end_wait(reader)

    def refuse(self) -> NoReturn:
        """Say why no result can be had by this task now."""
        raise RuntimeError(
            f"the results of {self.name}() can be read only inside its "
            f"'async with' block"
            if self.closed
            else f"another task is already waiting for the next result of {self.name}()"
        )
