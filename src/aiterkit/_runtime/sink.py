"""Where the items of one source go."""

from abc import ABC, abstractmethod
from typing import Generic, TypeVar

from aiterkit._runtime.errors import is_deliverable, without_stop

T_contra = TypeVar("T_contra", contravariant=True)


class Sink(ABC, Generic[T_contra]):
    """Where the items of one source go. It decides, and never waits."""

    __slots__ = ()

    @abstractmethod
    def has_room(self) -> bool:
        """Return whether the source may be asked for one more item."""

    @abstractmethod
    def put(self, item: T_contra) -> bool:
        """Take an *item*; return whether there is room for one more."""

    @abstractmethod
    def end(self) -> None:
        """Note that the source has no more items."""

    @abstractmethod
    def fail(self, error: BaseException) -> None:
        """Note that the source raised *error*, in the place of its next item."""

    def takes_last_read(self) -> bool:
        """Return whether to keep the item of a read that was under way at the stop."""
        return False

    def on_stopped(self) -> None:
        """Note that the source was stopped and will give nothing more."""

    def may_close(self) -> bool:
        """Return whether the source may be closed now. It is not read any more."""
        return True

    def on_closed(self) -> None:
        """Note that the source is closed."""


class GuardedSink(Sink[T_contra]):
    """A sink that runs a function of the user on each item.

    An error of that function counts as an error of the source, in the place of the
    item, and the source is not read any more.
    """

    __slots__ = ()

    @abstractmethod
    def accept(self, item: T_contra) -> None:
        """Take an *item*. This may run a function of the user."""

    @abstractmethod
    def stop_reading(self) -> None:
        """Read no more of the source. The read is not under way now."""

    def put(self, item: T_contra) -> bool:
        """Take an *item*; return whether there is room for one more."""
        try:
            self.accept(item)
        except BaseException as error:
            if not is_deliverable(error):
                raise
            self.fail(without_stop(error))
            self.stop_reading()
        return self.has_room()
