"""What tests of several files need: an error, a way to read all, odd sources."""

import asyncio
import gc
import weakref
from collections.abc import AsyncIterator, Awaitable, Generator
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

import anyio
import pytest

from aiterkit._runtime.buffer import EMPTY, ResultBuffer
from aiterkit.testing import SourceProbe, SyncSourceProbe, virtual_backend

T = TypeVar("T")

any_source = pytest.mark.parametrize("probe", [SourceProbe, SyncSourceProbe])
on_asyncio = pytest.mark.parametrize(
    "anyio_backend", [virtual_backend("asyncio")], ids=["asyncio"]
)


class Boom(Exception):
    """What fails in a test."""


async def collect(results: Any) -> tuple[list[Any], BaseException | None]:
    """Return all *results* up to their end or their error, and that error."""
    got: list[Any] = []
    try:
        async for result in results:
            got.append(result)
    except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001
        return got, error
    return got, None


async def collect_repr(results: Any) -> tuple[list[Any], str]:
    """Return the same with the `repr` of the error, or ``""``, to compare two runs."""
    got, error = await collect(results)
    return got, "" if error is None else repr(error)


def at_the_tail(error: BaseException) -> list[str]:
    """Return what hangs at the far end of *error*'s context."""
    tail: Any = error
    while tail.__context__ is not None:
        tail = tail.__context__
    assert isinstance(tail, BaseExceptionGroup)
    return sorted(map(repr, tail.exceptions))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]


def popped(buffer: ResultBuffer[Any]) -> list[Any]:
    """Return all that a reader would get of *buffer* now, then the error's `repr`."""
    out: list[Any] = []
    try:
        while (value := buffer.pop()) is not EMPTY:
            out.append(value)
    except Exception as error:  # noqa: BLE001 - whatever it holds
        out.append(repr(error))
    return out


@contextmanager
def garbage_kept() -> Generator[None]:
    """Let the garbage collector know of new objects alone, and collect none.

    What it does not know stays frozen, as conftest.py has it for all that was imported.
    """
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


class Unclosable(SourceProbe[int]):
    """A source whose `aclose` fails."""

    async def aclose(self) -> None:
        await super().aclose()
        raise Boom("close")


class Closable(Generator[int]):
    """A sync generator that counts how often it is closed, and may fail then."""

    def __init__(self, error: Exception | None = None) -> None:
        self.closes = 0
        self.error = error
        self.items = iter(range(100))

    def send(self, _value: None, /) -> int:
        return next(self.items)

    def throw(self, *_args: Any) -> int:
        raise NotImplementedError

    def close(self) -> None:
        self.closes += 1
        if self.error is not None:
            raise self.error


class Thing:
    """An item that a weak reference can point to."""


class Things(AsyncIterator[Thing]):
    """A source that gives two things, keeps neither, and ends when it may."""

    def __init__(self) -> None:
        self.given: list[weakref.ref[Thing]] = []
        self.may_end = anyio.Event()

    async def __anext__(self) -> Thing:
        if len(self.given) == 2:
            await self.may_end.wait()
            raise StopAsyncIteration
        thing = Thing()
        self.given.append(weakref.ref(thing))
        return thing


class Steps(Generic[T]):
    """Await something, and count how often it is resumed."""

    def __init__(self, awaited: Awaitable[T]) -> None:
        self._awaited = awaited
        self.count = 0

    def __await__(self) -> Generator[Any, Any, T]:
        steps: Any = self._awaited.__await__()
        sent: Any = None
        while True:
            try:
                trap = steps.send(sent)
            except StopIteration as end:
                value: T = end.value
                return value
            sent = yield trap
            self.count += 1
