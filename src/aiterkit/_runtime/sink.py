"""Where the items of one source go."""

from abc import ABC, abstractmethod
from typing import Generic, TypeVar

T_contra = TypeVar("T_contra", contravariant=True)


class Sink(ABC, Generic[T_contra]):
    """Where the items of one source go. It decides, and never waits."""

    __slots__ = ()

    @abstractmethod
    def has_room(self) -> bool:
        """Tell whether the source may be asked for one more item."""

    @abstractmethod
    def put(self, item: T_contra) -> bool:
        """Take an *item*; tell whether there is room for one more."""

    @abstractmethod
    def end(self) -> None:
        """Hear that the source has no more items."""

    @abstractmethod
    def fail(self, error: BaseException) -> None:
        """Hear that the source raised *error*, in the place of its next item."""

    def may_close(self) -> bool:
        """Tell whether the source, of which no more is read, may be closed."""
        return True

    def on_closed(self) -> None:
        """Hear that the source is closed."""
