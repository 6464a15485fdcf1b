"""How a source is opened.

Every operator opens its sources here: the one place that knows that a source
may be sync or async.
"""

from collections.abc import AsyncIterator, Iterable, Iterator
from typing import TypeVar

from aiterkit._core.types import AnyIterable

T = TypeVar("T")


def open_source(source: AnyIterable[T], /) -> AsyncIterator[T] | Iterator[T]:
    """Return the iterator of *source*, async where it can be both.

    The method is looked up on the type, as ``async for`` does, and an object
    without ``__aiter__`` is left to ``iter()``, which also knows sequences.

    Raises:
        TypeError: If *source* is not iterable.
    """
    if hasattr(type(source), "__aiter__"):
        return aiter(source)  # type: ignore[arg-type]
    if not isinstance(source, Iterable) and not hasattr(type(source), "__getitem__"):
        raise TypeError(
            f"a source must be an iterable or an async iterable, "
            f"not {type(source).__name__!r}"
        )
    return iter(source)


def is_async(iterator: AsyncIterator[T] | Iterator[T], /) -> bool:
    """Tell whether *iterator*, from `open_source`, is read with ``await``."""
    return hasattr(type(iterator), "__anext__")
