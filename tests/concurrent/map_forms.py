"""The same question put to every form of the map, in one way."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol

import pytest

import aiterkit as ak
from aiterkit.testing import CallProbe

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
