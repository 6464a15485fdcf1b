"""How a source is opened.

Every operator opens its sources here: the one place that knows that a source
may be sync or async. A sequential operator closes only what it has opened by calling
a function of yours; a concurrent one closes its sources where it reads them.
"""

from collections.abc import AsyncIterable, AsyncIterator, Generator, Iterable, Iterator
from functools import partial
from types import CoroutineType, FunctionType, MethodType
from typing import Any, Generic, TypeGuard, TypeVar

from aiterkit._core.call import is_async_function, needs_await
from aiterkit._core.checks import name_of
from aiterkit._core.types import AnyIterable, special

T = TypeVar("T")

# Declared as nothing in particular, since narrowing by it makes Any unknown to pyright.
_PARTIAL: Any = partial

_RULE = "source must be an iterable, sync or async"


def is_async_iterable(source: AnyIterable[T], /) -> TypeGuard[AsyncIterable[T]]:
    """Tell whether *source* can be read with ``async for``."""
    return special(source, "__aiter__")


def as_iterable(source: AnyIterable[T], /, rule: str = _RULE) -> Iterable[T]:
    """Return *source*, which has no ``__aiter__``, if it can be iterated at all.

    *rule* says who must be, or must give, an iterable; it begins the message.

    Raises:
        TypeError: If it cannot.
    """
    if special(source, "__iter__") or special(source, "__getitem__"):
        return source  # type: ignore[return-value]  # it is no async one
    raise TypeError(_complaint(source, rule))


def _complaint(source: object, rule: str) -> str:
    """Say what is wrong with *source*, and what was likely meant."""
    if isinstance(source, CoroutineType):
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


def open_source(source: AnyIterable[T], /) -> AsyncIterator[T] | Iterator[T]:
    """Return the iterator of *source*, async where it can be both.

    Raises:
        TypeError: If *source* is not iterable.
    """
    if is_async_iterable(source):
        return aiter(source)
    return iter(as_iterable(source))


def is_async(iterator: AsyncIterator[T] | Iterator[T], /) -> bool:
    """Tell whether *iterator*, from `open_source`, is read with ``await``."""
    return special(iterator, "__anext__")


def without_end(error: BaseException, /) -> BaseException:
    """Return *error* of a sync source, unless an async reader took it for the end.

    Then return what an asynchronous generator that holds the loop says (PEP 479).
    """
    if not isinstance(error, StopAsyncIteration):
        return error
    instead = RuntimeError("async generator raised StopAsyncIteration")
    instead.__cause__ = error
    return instead


class Lifted(Generic[T]):
    """A sync source as an async one, with nothing added: it never suspends."""

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
            raise without_end(error) from error

    async def aclose(self) -> None:
        """Close the source if it is a generator.

        Other sync iterators have no close of their own: a file, for example, is its
        own iterator, and its ``close()`` would end more than the iteration.
        """
        iterator: Any = self._iterator
        if isinstance(iterator, Generator):
            iterator.close()


class Opened(Generic[T]):
    """What ``async for`` opens by taking the iterator that is there already.

    A loop over the iterator itself would call its ``__aiter__`` again.
    """

    __slots__ = ("_iterator",)

    def __init__(self, iterator: AsyncIterator[T], /) -> None:
        self._iterator = iterator

    def __aiter__(self) -> AsyncIterator[T]:
        return self._iterator


def as_async(source: AnyIterable[T], /, rule: str = _RULE) -> AsyncIterable[T]:
    """Return *source*, lifted if it is a sync one, for ``async for`` to open.

    Raises:
        TypeError: If *source* is not iterable.
    """
    if is_async_iterable(source):
        return source
    return Lifted(as_iterable(source, rule))


def open_async(source: AnyIterable[T], /, rule: str = _RULE) -> AsyncIterator[T]:
    """Return the async iterator of *source*, lifted if it is a sync one.

    Raises:
        TypeError: If *source* is not iterable.
    """
    if is_async_iterable(source):
        return aiter(source)
    return Lifted(as_iterable(source, rule))


async def close(iterator: AsyncIterator[object], /) -> None:
    """Close *iterator*, from `open_async`, as whoever opened it has to."""
    aclose = getattr(iterator, "aclose", None)
    if aclose is not None:
        result = aclose()
        if needs_await(result, set()):  # not everyone's is async
            await result
