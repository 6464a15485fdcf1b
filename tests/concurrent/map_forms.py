"""The same question put to every form of the map, in one way."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from math import inf
from typing import Any, Protocol

import anyio
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


async def _filter(func: Func, source: Any, **options: Any) -> list[Any]:
    async def passes(item: Any) -> bool:
        await func(item)
        return True

    async with ak.concurrent_filter(passes, source, **options) as results:
        return [item async for item in results]


FORMS = [
    Form("concurrent_map", ordered=True, run=_ordered),
    Form("concurrent_map_unordered", ordered=False, run=_unordered),
    Form("concurrent_collect", ordered=True, run=ak.concurrent_collect),
    Form("concurrent_for_each", ordered=False, run=_for_each),
]
# With what takes a key too; of this filter all items pass.
KEYED = [*FORMS, Form("concurrent_filter", ordered=True, run=_filter)]

every_form = pytest.mark.parametrize("form", FORMS, ids=str)
every_keyed_form = pytest.mark.parametrize("form", KEYED, ids=str)
fail_fast = pytest.mark.parametrize("form", FORMS[1:], ids=str)
streaming = pytest.mark.parametrize(
    "operator", [ak.concurrent_map, ak.concurrent_map_unordered]
)


class FairCall:
    """Calls that fail the test when one starts in another's place.

    A call may start before an item that was read earlier only while *per_key* calls
    with the key of that item run, and no more than *per_key* may run in any case.
    """

    def __init__(
        self,
        key: Callable[[Any], Any],
        per_key: int,
        seconds: Callable[[Any], float],
    ) -> None:
        self.key = key
        self.per_key = per_key
        self.seconds = seconds
        self.waiting: list[Any] = []
        self.running: Counter[Any] = Counter()
        self.started: list[Any] = []
        self.times: list[float] = []  # at which they started
        self.most: Counter[Any] = Counter()
        self.faults: list[str] = []

    def note(self, item: Any) -> Any:
        """Return the key of an *item* that has just been read."""
        self.waiting.append(item)
        return self.key(item)

    async def __call__(self, item: Any) -> Any:
        key = self.key(item)
        earlier = self.waiting[: self.waiting.index(item)]
        self.faults += [
            f"{item} started before {other}"
            for other in earlier
            if self.running[self.key(other)] < self.per_key
        ]
        self.waiting.remove(item)
        self.started.append(item)
        self.times.append(anyio.current_time())
        self.running[key] += 1
        self.most[key] = max(self.most[key], self.running[key])
        try:
            await anyio.sleep(self.seconds(item))
        finally:
            self.running[key] -= 1
        return item

    def assert_fair(self) -> None:
        assert not self.faults
        assert max(self.most.values(), default=0) <= self.per_key


def starts_of(
    plan: Sequence[tuple[Any, float]],
    *,
    limit: int,
    per_key: int,
    window: int,
) -> list[tuple[float, int]]:
    """Return when each call would start, if each did so as soon as it may.

    *plan* is the key and the seconds of each. All of the source is there at once, but
    only *window* items from the earliest call on that has not ended are read.
    """
    starts: list[tuple[float, int]] = []
    ends: dict[int, float] = {}
    now = 0.0
    while len(starts) < len(plan):
        left = next(i for i in range(len(plan)) if ends.get(i, inf) > now)
        for index, (key, seconds) in enumerate(plan[: left + window]):
            running = [plan[i][0] for i, end in ends.items() if end > now]
            if (
                index not in ends
                and len(running) < limit
                and running.count(key) < per_key
            ):
                starts.append((now, index))
                ends[index] = now + seconds
        now = min(end for end in ends.values() if end > now)
    return starts
