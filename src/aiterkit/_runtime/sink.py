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
        """Tell whether the source may be asked for one more item."""

    @abstractmethod
    def put(self, item: T_contra) -> bool:
        """Take an *item*; tell whether there is room for one more."""

    @abstractmethod
    def end(self) -> None:
        """Note that the source has no more items."""

    @abstractmethod
    def fail(self, error: BaseException) -> None:
        """Note that the source raised *error*, in the place of its next item."""

    def takes_last_read(self) -> bool:
        """Tell whether a read counts that was under way when the source was stopped."""
        return False

    def on_stopped(self) -> None:
        """Note that the source, which was stopped, will give nothing more."""

    def may_close(self) -> bool:
        """Tell whether the source, which is read no more, may be closed."""
        return True

    def on_closed(self) -> None:
        """Note that the source is closed."""


class GuardedSink(Sink[T_contra]):
    """A sink that runs a function of the user's on each item.

    What that raises counts as an error of the source, in the item's place, and the
    source is read no more.
    """

    __slots__ = ()

    @abstractmethod
    def accept(self, item: T_contra) -> None:
        """Take an *item*. This may run a function of the user's."""

    @abstractmethod
    def stop_reading(self) -> None:
        """Read no more of the source. The read is not under way now."""

    def put(self, item: T_contra) -> bool:
        """Take an *item*; tell whether there is room for one more."""
        try:
            self.accept(item)
        except BaseException as error:
            if not is_deliverable(error):
                raise
            self.fail(without_stop(error))
            self.stop_reading()
        return self.has_room()
