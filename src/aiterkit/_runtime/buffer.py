"""What a store gives its reader: a value, nothing yet, or an error."""

from enum import Enum, auto
from typing import Final, Protocol, TypeVar


class Empty(Enum):
    """What stands for a value where there is none yet."""

    EMPTY = auto()


EMPTY: Final = Empty.EMPTY


R_co = TypeVar("R_co", covariant=True)


class ResultBuffer(Protocol[R_co]):
    """Where a block keeps what its reader has not had."""

    unseen_errors: list[BaseException]
    """Errors that the reader will never see."""

    @property
    def ended(self) -> bool:
        """Whether nothing more comes in. It is asked first, and should be cheap."""
        ...

    @property
    def exhausted(self) -> bool:
        """Whether, nothing more coming in, the reader has had all there was."""
        ...

    def pop(self) -> R_co | Empty:
        """Deliver the next value, or raise the error that ends it, if it is there."""
        ...

    def close(self) -> list[BaseException]:
        """Give up what was not delivered; return the errors among it."""
        ...
