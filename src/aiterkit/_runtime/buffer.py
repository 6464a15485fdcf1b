"""What a store gives its reader: a value, nothing yet, or an error."""

from enum import Enum, auto
from typing import Final, NoReturn


class Nothing(Enum):
    """What stands for a value where there is none yet."""

    NOTHING = auto()


NOTHING: Final = Nothing.NOTHING


def tell(error: BaseException) -> NoReturn:
    """Raise *error* to the reader, with no circle through its traceback.

    Who calls this must not hold the error either.
    """
    try:
        raise error
    finally:
        del error
