"""How a source is opened.

Every operator opens its sources here, the one place that knows that a source may be
sync or async. A sequential operator closes a source only if it got it by calling a
function (`arestarted`); a concurrent one closes its sources where it reads them.
"""

import warnings
from collections.abc import AsyncIterable, AsyncIterator, Generator, Iterable, Iterator
from functools import partial
from types import CoroutineType, FunctionType, MethodType
from typing import Any, Generic, NoReturn, TypeGuard, TypeVar

from aiterkit._core.call import COROUTINE, is_async_function, needs_await
from aiterkit._core.checks import name_of
from aiterkit._core.types import AnyIterable, special

T = TypeVar("T")

# Typed as Any, since narrowing by the real type turns Any into Unknown for pyright.
_PARTIAL: Any = partial

_RULE = "source must be an iterable, sync or async"
RESULT_RULE = "func must return an iterable, sync or async"
"""The rule for what a function of a flat map or a switch map returns."""


def is_async_iterable(source: AnyIterable[T], /) -> TypeGuard[AsyncIterable[T]]:
    """Return whether *source* can be read with ``async for``."""
    return special(source, "__aiter__")


def as_iterable(source: AnyIterable[T], /, rule: str = _RULE) -> Iterable[T]:
    """Return *source*, which has no ``__aiter__``, if it is a sync iterable.

    *rule* begins the message: it names the argument and says what it must be.

    Raises:
        TypeError: If *source* is not iterable.
    """
    if special(source, "__iter__") or special(source, "__getitem__"):
        return source  # type: ignore[return-value]  # it is no async one
    raise TypeError(_complaint(source, rule))


def _complaint(source: object, rule: str) -> str:
    """Return the message for a *source* that is not iterable, and what was meant."""
    if isinstance(source, CoroutineType):
        source.close()  # or Python would also warn that it was never awaited
        return f"{rule}; await {source.__name__}() to get one"
    if isinstance(source, FunctionType | MethodType | _PARTIAL):
        func: object = source
        name = name_of(func)
        call = f"{name}()" if name.isidentifier() else "it"  # a lambda has no name
        do = "await" if is_async_function(func) else "call"
        return f"{rule}; {do} {call} to get one"
    if special(source, "__aenter__"):
        name = type(source).__name__
        block = "..." if name.startswith("_") else f"{name}(...)"
        return f"{rule}; enter it: async with {block} as results"
    return f"{rule}, not {type(source).__name__!r}"


def open_source(
    source: AnyIterable[T], /, rule: str = _RULE
) -> AsyncIterator[T] | Iterator[T]:
    """Return the iterator of *source*, the async one if it has both.

    Raises:
        TypeError: If *source* is not iterable.
    """
    if is_async_iterable(source):
        return aiter(source)
    return iter(as_iterable(source, rule))


def hint_at_star(
    sources: tuple[AnyIterable[Any], ...], /, *, name: str, frames: int = 1
) -> None:
    """Warn of *sources* that were given to *name* as one list of sources.

    The frame of the user's call is *frames* above the frame of this function.

    ``concurrent_merge([first, second])`` is legal, and gives the two sources as items.
    """
    if len(sources) != 1 or not isinstance(sources[0], list | tuple):
        return
    items: Any = sources[0]
    if items and all(map(is_async_iterable, items)):
        warnings.warn(
            f"{name}() was given one list of sources, so its items are those sources; "
            f"to combine them, give each as an argument: {name}(*sources)",
            RuntimeWarning,
            stacklevel=2 + frames,
        )


def is_async(iterator: AsyncIterator[T] | Iterator[T], /) -> bool:
    """Return whether *iterator*, from `open_source`, is an async one."""
    return special(iterator, "__anext__")


def raise_to_async(error: BaseException, /) -> NoReturn:
    """Raise the *error* of a sync source in a form that cannot be taken for the end.

    A `StopAsyncIteration` becomes the error that an async generator with the same loop
    inside would raise (PEP 479).
    """
    try:
        if isinstance(error, StopAsyncIteration):
            raise RuntimeError(  # noqa: TRY004 - as a generator does
                "async generator raised StopAsyncIteration"
            ) from error
        raise error
    finally:
        del error  # its traceback refers to this frame


class Lifted(Generic[T]):
    """A sync source as an async one that never suspends."""

    __slots__ = ("_iterator",)

    def __init__(self, source: Iterable[T], /) -> None:
        self._iterator = iter(source)

    def __aiter__(self) -> AsyncIterator[T]:
        return self

    async def __anext__(self) -> T:
        try:
            return next(self._iterator)
        except StopIteration:
            raise StopAsyncIteration from None
        except StopAsyncIteration as error:
            raise_to_async(error)

    async def aclose(self) -> None:
        """Close the source if it is a generator.

        Other sync iterators have no ``close()`` for the iteration alone: a file, for
        example, is its own iterator, and closing it would do more than end the loop.
        """
        iterator: Any = self._iterator
        if isinstance(iterator, Generator):
            iterator.close()


class Opened(Generic[T]):
    """An iterator that ``async for`` can read without opening it again.

    A loop over the iterator itself would call its ``__aiter__`` a second time.
    """

    __slots__ = ("_iterator",)

    def __init__(self, iterator: AsyncIterator[T], /) -> None:
        self._iterator = iterator

    def __aiter__(self) -> AsyncIterator[T]:
        return self._iterator


def as_async(source: AnyIterable[T], /, rule: str = _RULE) -> AsyncIterable[T]:
    """Return *source* as something for ``async for``, lifted if it is sync.

    Raises:
        TypeError: If *source* is not iterable.
    """
    if is_async_iterable(source):
        return source
    return Lifted(as_iterable(source, rule))


def open_async(source: AnyIterable[T], /, rule: str = _RULE) -> AsyncIterator[T]:
    """Return the async iterator of *source*, lifted if it is sync.

    Raises:
        TypeError: If *source* is not iterable.
    """
    if is_async_iterable(source):
        return aiter(source)
    return Lifted(as_iterable(source, rule))


async def close(iterator: AsyncIterator[object], /) -> None:
    """Close *iterator*, which is from `open_async`."""
    aclose = getattr(iterator, "aclose", None)
    if aclose is not None:
        result = aclose()
        # Some are plain methods. A flat map closes many sources, so it asks fast.
        if type(result) is COROUTINE or needs_await(result, set()):
            await result
