"""How arguments are checked: one wording for every operator.

A message names the argument, the rule and the value that broke it, and for a likely
mistake what to write instead. Each check takes the value first and the rest by name.
"""

from functools import partial
from operator import index
from reprlib import Repr
from sys import maxsize
from types import CoroutineType
from typing import Any, Literal, NoReturn, cast, overload

from aiterkit._core.types import special

_MOST = 200

_NO_SOURCE: Any = object()

_repr = Repr()
_repr.maxstring = _repr.maxother = _MOST


def shortened(value: object, /) -> str:
    """Return the repr of *value*, shortened to at most 200 characters.

    Messages show every value through this: a list of 100,000 URLs would fill the screen
    and hide what is wrong.
    """
    try:
        text = _repr.repr(value)
    except Exception:  # noqa: BLE001 - it would hide the error that is to be raised
        text = object.__repr__(value)  # for example of an int that is too long to print
    half = _MOST // 2
    return text if len(text) <= _MOST else f"{text[: half - 2]}...{text[1 - half :]}"


def name_of(func: object, /) -> str:
    """Return the name of *func* for a message; it may be a partial or an object."""
    while isinstance(func, partial):
        func = func.func
    name = getattr(func, "__name__", None)
    return name if isinstance(name, str) else type(func).__name__


def check_callable(func: object, /, *, name: str = "func") -> None:
    """Check that *func* can be called.

    Raises:
        TypeError: If it cannot be called.
    """
    if not callable(func):
        raise TypeError(f"{name} must be callable, not {shortened(func)}")


def refuse_coroutine(result: Any, /, *, name: str) -> NoReturn:
    """Refuse the *result* of the function *name*, which should be a sync one.

    The caller tests the type of each result itself, which saves a call for each item:
    `type(result) is COROUTINE`.

    Raises:
        TypeError: Always.
    """
    result.close()  # or Python would also warn that it was never awaited
    raise TypeError(f"{name} must be a sync function, but it returned a coroutine")


def check_func(
    func: object, source: object = _NO_SOURCE, /, *, usage: str, name: str = "func"
) -> None:
    """Check that *func* can be called; if not, name the likely mistake.

    *usage* shows the correct call, such as ``amap(func, source)``, in which *name* is
    the argument to check.

    Raises:
        TypeError: If *func* cannot be called.
    """
    if callable(func):
        return
    operator = usage.partition("(")[0]
    if isinstance(func, CoroutineType):
        called = func.__name__
        func.close()  # or Python would also warn that it was never awaited
        before, _, after = usage.rpartition(name)
        raise TypeError(
            f"{operator}() takes the function, not a call of it: "
            f"{before}{called}{after}, not {before}{called}(...){after}"
        )
    if _is_iterable(func) and _looks_like_func(source):
        if usage.startswith(f"{operator}({name}"):
            raise TypeError(f"{name} comes first: {usage}")
        raise TypeError(f"source comes before {name}: {usage}")
    check_callable(func, name=name)


def _looks_like_func(value: object, /) -> bool:
    if value is None or isinstance(value, CoroutineType):
        return True
    return callable(value) and not _is_iterable(value)


def _is_iterable(value: Any, /) -> bool:
    return any(
        special(value, method) for method in ("__aiter__", "__iter__", "__getitem__")
    )


def check_int(value: Any, /, *, name: str, or_limiter: bool = False) -> int:
    """Return *value* as an int.

    A bool is refused, although it is an int: ``limit=True`` is a mistake.

    Raises:
        TypeError: If *value* is not an int.
    """
    if not isinstance(value, bool):
        try:
            return index(value)
        except TypeError:
            pass
    wanted = "an int or an anyio.CapacityLimiter" if or_limiter else "an int"
    raise TypeError(f"{name} must be {wanted}, not {shortened(value)}")


def check_count(
    value: Any, /, *, name: str, least: int, or_limiter: bool = False
) -> int:
    """Return *value* as an int that is at least *least*.

    Args:
        value: What was given.
        name: What the argument is called.
        least: The smallest value that is allowed.
        or_limiter: Whether the message should say that an `anyio.CapacityLimiter`,
            which *value* is not, is allowed as well.

    Raises:
        TypeError: If *value* is not an int.
        ValueError: If it is less than *least*.
    """
    is_plain = type(value) is int  # as it nearly always is
    count = value if is_plain else check_int(value, name=name, or_limiter=or_limiter)
    if count < least:
        raise ValueError(f"{name} must be at least {least}, not {shortened(count)}")
    return count


@overload
def check_position(value: Any, /, *, name: str) -> int: ...
@overload
def check_position(
    value: Any, /, *, name: str, least: int = 0, optional: Literal[True]
) -> int | None: ...
def check_position(
    value: Any, /, *, name: str, least: int = 0, optional: bool = False
) -> int | None:
    """Return *value* as an int that can be a position, or ``None`` if *optional*.

    Raises:
        ValueError: If it is neither; as in `itertools.islice`, also for other types.
    """
    if value is None and optional:
        return None
    try:
        number = check_int(value, name=name)
    except TypeError:
        number = -1
    if least <= number <= maxsize:
        return number
    wanted = "None or an int" if optional else "an int"
    raise ValueError(
        f"{name} must be {wanted} from {least} to sys.maxsize, not {shortened(value)}"
    )


def check_exceptions(
    kinds: tuple[Any, ...], /, *, usage: str
) -> tuple[type[Exception], ...]:
    """Return *kinds*, each of which must be a subclass of `Exception`.

    Raises:
        TypeError: If one is not.
    """
    for kind in kinds:
        if isinstance(kind, tuple):
            raise TypeError(f"exceptions must be given one by one: {usage}")
        is_class = isinstance(kind, type)
        if not (is_class and issubclass(kind, BaseException)):
            shown = shortened(cast("object", kind))
            raise TypeError(f"exceptions must be exception classes, not {shown}")
        if not issubclass(kind, Exception):
            raise TypeError(
                f"exceptions must be subclasses of Exception, which {kind.__name__} "
                "is not: what ends a task or the program is never caught"
            )
    return kinds


def check_wait(value: Any, /, *, name: str) -> float:
    """Return *value*, which must be a number of seconds, 0 or more.

    Raises:
        TypeError: If it is not a number.
        ValueError: If it is negative or NaN.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be numbers of seconds, not {shortened(value)}")
    if not value >= 0:  # which NaN is not
        raise ValueError(f"{name} must be at least 0 seconds, not {shortened(value)}")
    return value


def check_positive(value: Any, /, *, name: str, or_zero: bool = False) -> float:
    """Return *value*, which must be a number above 0, or also 0 if *or_zero*.

    Raises:
        TypeError: If it is not a number.
        ValueError: If it is less.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a number, not {shortened(value)}")
    if or_zero and not value >= 0:
        raise ValueError(f"{name} must be at least 0, not {shortened(value)}")
    if not or_zero and not value > 0:  # which NaN is not
        raise ValueError(f"{name} must be more than 0, not {shortened(value)}")
    return value
