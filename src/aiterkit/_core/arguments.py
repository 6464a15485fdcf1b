"""How an argument is checked: the error names it, the rule and the value."""

from operator import index
from sys import maxsize


def position(name: str, value: object, /) -> int | None:
    """Return *value* as `itertools.islice` takes it.

    Raises:
        ValueError: If it is neither ``None`` nor an integer from 0 to `sys.maxsize`.
    """
    if value is None:
        return None
    try:
        number = index(value)  # type: ignore[arg-type]  # it is what is asked
    except TypeError:
        number = -1
    if not 0 <= number <= maxsize:
        raise ValueError(
            f"{name} must be None or an integer from 0 to sys.maxsize, not {value!r}"
        )
    return number


def at_least(least: int, name: str, value: int, /) -> int:
    """Return *value* as an `int`, which must be *least* or more.

    Raises:
        TypeError: If it is no integer.
        ValueError: If it is too small.
    """
    number = index(value)
    if number < least:
        raise ValueError(f"{name} must be at least {least}, not {number}")
    return number


def positive(name: str, value: object, /) -> float:
    """Return *value*, which must be a number above 0.

    Raises:
        TypeError: If it is no number.
        ValueError: If it is not above 0.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a number, not {type(value).__name__!r}")
    if not value > 0:  # which NaN is not either
        raise ValueError(f"{name} must be more than 0, not {value!r}")
    return value
