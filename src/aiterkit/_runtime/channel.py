"""Where one reader receives the results of a block."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from typing import Generic, NoReturn, TypeVar

from anyio.lowlevel import checkpoint

from aiterkit._runtime.backend import Backend, SpinPolicy, Waiter
from aiterkit._runtime.buffer import ResultBuffer
from aiterkit._runtime.statistics import Statistics

R = TypeVar("R")


class ResultChannel(ABC, Generic[R]):
    """The side of a block that one reader sees; `Results` stands on it.

    Most scopes are a channel themselves; one with several readers has several.
    """

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
        "waiting_producers",
        "wants_room",
        "was_read",
    )

    make_waiter: Callable[[], Waiter]
    end_wait: Callable[[Waiter], None]
    turn: Awaitable[object]
    spin: SpinPolicy

    def __init__(self, buffer: ResultBuffer[R], *, name: str) -> None:
        self.buffer: ResultBuffer[R] = buffer
        self.name: str = name  # of the operator, for messages
        self.closed: bool = False  # once the block is being left
        self.incomplete: bool = False  # once results are missing that never come
        self.was_read: bool = False  # once a reader has asked for a result
        self.is_receiving: bool = False  # while a task is inside `__anext__`
        # The wait of that task, while it is parked. The task that ends the wait sets
        # this to None, so that no other ends it again.
        self.receiver: Waiter | None = None
        # How many tasks are parked until the reader has received something.
        self.waiting_producers: int = 0
        # Whether `on_received` is to be called although no task is parked: the tasks
        # that read a sync source are parked as idle workers, or have ended.
        self.wants_room: bool = False

    def bind_backend(self, backend: Backend) -> None:
        """Wait in the way of *backend*, which runs now."""
        self.make_waiter, self.end_wait = backend.make_waiter, backend.end_wait
        self.turn = backend.turn
        self.spin = SpinPolicy()

    @abstractmethod
    def on_received(self) -> None:
        """Read on: the reader has received a result, so there may be room."""

    def on_wait_failed(self) -> None:
        """Note that the wait of the reader was cancelled: it does not look again."""

    def begin_wait(self) -> Awaitable[object]:
        """Return a wait until a result may be there, or none will ever be."""
        self.receiver = waiter = self.make_waiter()
        return waiter

    def wake_receiver(self) -> None:
        """Let the reader look again, if it is parked."""
        receiver = self.receiver
        if receiver is not None:
            self.end_wait(receiver)
            self.receiver = None

    def describe(self) -> str:
        """Return the state of the block, for the repr of its results."""
        return f"{self.name}, {'left' if self.closed else 'open'}"

    @abstractmethod
    def statistics(self) -> Statistics:
        """Return how many items were taken, wait, run, were delivered or dropped."""

    async def raise_incomplete(self) -> NoReturn:
        """Raise an error: results are missing that will never come.

        Raises:
            RuntimeError: Since the tasks of the block were cancelled from outside.
        """
        await checkpoint()  # perhaps the reader is cancelled too, and woken first
        raise RuntimeError(
            f"{self.name}() was cancelled from outside while its results were read"
        )

    def refuse(self) -> NoReturn:
        """Raise an error that says why this task cannot receive a result now."""
        raise RuntimeError(
            f"the results of {self.name}() can be read only inside its "
            f"'async with' block"
            if self.closed
            else f"another task is already waiting for the next result of {self.name}()"
        )
