"""How arguments are checked: one wording for every operator.

A message names the argument, the rule and the value that broke it.
"""

from operator import index


def check_callable(func: object, /, *, name: str = "func") -> None:
    """Refuse a *func* that cannot be called.

    Raises:
        TypeError: If it cannot be called.
    """
    if not callable(func):
        raise TypeError(f"{name} must be callable, not {func!r}")


def check_count(value: int, /, *, name: str, least: int) -> int:
    """Return *value* as an int that is at least *least*.

    A bool is refused although it is an int: `limit=True` is a mistake.

    Raises:
        TypeError: If *value* is no integer.
        ValueError: If it is less than *least*.
    """
    if isinstance(value, bool):
        raise TypeError(f"{name} must be an int, not {value!r}")
    try:
        count = index(value)
    except TypeError:
        raise TypeError(f"{name} must be an int, not {value!r}") from None
    if count < least:
        raise ValueError(f"{name} must be at least {least}, not {count}")
    return count
