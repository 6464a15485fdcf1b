"""What waits for a reader: results, then the end or one error."""

from abc import ABC, abstractmethod
from enum import Enum, auto
from typing import Final, Generic, Literal, TypeVar

from aiterkit._runtime.errors import raise_to_reader

R = TypeVar("R")


class Empty(Enum):
    """The type of `EMPTY`, which `pop` returns while no result is there."""

    EMPTY = auto()


EMPTY: Final = Empty.EMPTY


class ResultBuffer(ABC, Generic[R]):
    """What one reader has yet to receive.

    It decides and never waits: the scope around it starts the tasks, waits, and
    asks here.
    """

    __slots__ = ("_failure", "ended", "unseen_errors")

    def __init__(self) -> None:
        # True once nothing more comes in. Every wait checks it first, so it is a plain
        # attribute.
        self.ended: bool = False
        # Errors that the reader will never see. The error that leaves the block gets
        # them as its context.
        self.unseen_errors: list[BaseException] = []
        # The error that ends the results, until it is raised: one at most. It is in a
        # list so that it can be popped: an object that still held it when it is raised
        # would be part of a reference cycle through its traceback.
        self._failure: list[BaseException] = []

    @property
    def exhausted(self) -> bool:
        """Whether the reader has received everything that will ever come."""
        return self.ended and not self._failure and self.is_empty()

    @abstractmethod
    def is_empty(self) -> bool:
        """Return whether no result waits for the reader."""

    @abstractmethod
    def pop(self) -> R | Empty:
        """Return the next result, or raise the error that ends them, if it is there."""

    def close(self) -> list[BaseException]:
        """Drop what was not received; return the errors that no reader has seen."""
        unseen, self.unseen_errors = self.unseen_errors + self._failure, []
        self._failure.clear()
        return unseen

    def _raise_failure(self) -> Literal[Empty.EMPTY]:
        """Raise the error that ends the results, if there is one."""
        if self._failure:
            raise_to_reader(self._failure.pop())
        return EMPTY
