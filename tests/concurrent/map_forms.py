"""The same question put to every form of the map, in one way."""

import gc
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import anyio
import pytest

import aiterkit as ak
from aiterkit._runtime.buffer import EMPTY, ResultBuffer
from aiterkit.testing import CallProbe, SourceProbe, SyncSourceProbe, virtual_backend

Func = Callable[[Any], Awaitable[Any]]


class Streaming(Protocol):
    """One of the two maps that are blocks, whatever its types."""

    __name__: str

    def __call__(
        self, func: Func, source: Any, /, *, limit: int, buffer: int | None = None
    ) -> AbstractAsyncContextManager[AsyncIterator[Any]]: ...


def calls(
    func: Callable[[Any], Any] | None = None,
    /,
    *,
    seconds: float | Callable[[Any], float] | None = 0.0,
    cleanup: float = 0.0,
) -> CallProbe[Any, Any]:
    """Return a call probe of anything."""
    return CallProbe(func, seconds=seconds, cleanup=cleanup)


def at_the_tail(error: BaseException) -> list[str]:
    """Return what hangs at the far end of *error*'s context."""
    tail: Any = error
    while tail.__context__ is not None:
        tail = tail.__context__
    assert isinstance(tail, BaseExceptionGroup)
    return sorted(map(repr, tail.exceptions))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]


@contextmanager
def garbage_kept() -> Generator[None]:
    """Let the garbage collector know of new objects alone, and collect none."""
    gc.freeze()
    gc.disable()
    try:
        yield
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
        gc.unfreeze()


@dataclass(frozen=True)
class Form:
    """A form of the map, and what it promises about order."""

    name: str
    ordered: bool
    run: Callable[..., Awaitable[list[Any]]]

    def __str__(self) -> str:
        return self.name


async def _ordered(func: Func, source: Any, **options: Any) -> list[Any]:
    async with ak.concurrent_map(func, source, **options) as results:
        return [result async for result in results]


async def _unordered(func: Func, source: Any, **options: Any) -> list[Any]:
    async with ak.concurrent_map_unordered(func, source, **options) as results:
        return [result async for result in results]


async def _for_each(func: Func, source: Any, **options: Any) -> list[Any]:
    finished: list[Any] = []

    async def note(item: object) -> None:
        finished.append(await func(item))

    await ak.concurrent_for_each(note, source, **options)
    return finished


FORMS = [
    Form("concurrent_map", ordered=True, run=_ordered),
    Form("concurrent_map_unordered", ordered=False, run=_unordered),
    Form("concurrent_collect", ordered=True, run=ak.concurrent_collect),
    Form("concurrent_for_each", ordered=False, run=_for_each),
]

every_form = pytest.mark.parametrize("form", FORMS, ids=str)
fail_fast = pytest.mark.parametrize("form", FORMS[1:], ids=str)
streaming = pytest.mark.parametrize(
    "operator", [ak.concurrent_map, ak.concurrent_map_unordered]
)
any_source = pytest.mark.parametrize("probe", [SourceProbe, SyncSourceProbe])
on_asyncio = pytest.mark.parametrize(
    "anyio_backend", [virtual_backend("asyncio")], ids=["asyncio"]
)


def popped(store: ResultBuffer[Any]) -> list[Any]:
    """All that a reader would get of *store* now, and the ``repr`` of its error."""
    out: list[Any] = []
    try:
        while (value := store.pop()) is not EMPTY:
            out.append(value)
    except Exception as error:  # noqa: BLE001 - whatever it holds
        out.append(repr(error))
    return out


class Thing:
    """What can be told to be gone."""


class Things(AsyncIterator[Thing]):
    """Gives two things, keeps neither, and ends when it may."""

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
