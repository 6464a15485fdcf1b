"""Every operator, what it runs of the user's code, and every way out of it.

What is run cleans up in a ``finally`` that is *not* shielded, as people write it.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import anyio
import anyio.lowlevel

import aiterkit as ak

End = Literal["ends", "fails"]


class Boom(Exception):
    """What fails here."""


@dataclass
class Log:
    """What was begun, what began to clean up, and what has cleaned up in full."""

    cleanup: float = 1.0
    """How many seconds a cleanup takes; it may be infinite."""
    begun: list[str] = field(default_factory=list[str])
    ended: list[str] = field(default_factory=list[str])
    cut: list[str] = field(default_factory=list[str])

    async def clean_up(self, what: str) -> None:
        """Clean up, in several waits of several kinds."""
        self.begun.append(what)
        try:
            await anyio.sleep(self.cleanup / 2)
            await anyio.lowlevel.checkpoint()
            await anyio.lowlevel.checkpoint_if_cancelled()
            await anyio.sleep(self.cleanup / 2)
        except BaseException:
            self.cut.append(what)
            raise
        self.ended.append(what)

    def assert_all_cleaned_up(self, *, but: str = "") -> None:
        """Fail unless each cleanup that was begun has ended, *but* one."""
        assert not self.cut, self.cut
        assert sorted({*self.begun} - {but}) == sorted({*self.ended} - {but})


async def generator(
    log: Log, name: str, pace: float, items: float, end: End
) -> AsyncGenerator[int]:
    """A source as people write it."""
    number = 0
    try:
        while number < items:
            await anyio.sleep(pace)
            yield number
            number += 1
        if end == "fails":
            raise Boom(name)
    finally:
        await log.clean_up(name)


class Source:
    """A source that is a class: it cleans up a cancelled read, and its close."""

    def __init__(
        self, log: Log, name: str, pace: float, items: float, end: End
    ) -> None:
        self.log, self.name, self.pace = log, name, pace
        self.items, self.end = items, end
        self.number = 0

    def __aiter__(self) -> "Source":
        return self

    async def __anext__(self) -> int:
        done = False
        try:
            await anyio.sleep(self.pace)
            done = True
        finally:
            if not done:
                await self.log.clean_up(f"a read of {self.name}")
        if self.number < self.items:
            self.number += 1
            return self.number - 1
        if self.end == "fails":
            raise Boom(self.name)
        raise StopAsyncIteration

    async def aclose(self) -> None:
        await self.log.clean_up(self.name)


async def holding_a_block(
    log: Log, name: str, pace: float, items: float, end: End
) -> AsyncGenerator[int]:
    """A generator that holds a block, with calls that run and clean up."""

    async def call(item: int) -> int:
        try:
            await anyio.sleep(pace if item < 3 else 1000)
        finally:
            if item >= 3:
                await log.clean_up(f"call {item} within {name}")
        return item

    inner = generator(log, f"source within {name}", pace, items, end)
    try:
        async with ak.concurrent_map_unordered(call, inner, limit=3) as results:
            async for result in results:
                yield result
    finally:
        await log.clean_up(name)


async def holding_a_timeout(
    log: Log, name: str, pace: float, items: float, end: End
) -> AsyncGenerator[int]:
    """A generator that holds a timeout across its ``yield``."""
    with anyio.fail_after(1e6):
        async for item in (source := generator(log, name, pace, items, end)):
            yield item
        await source.aclose()


Kind = Callable[[Log, str, float, float, End], Any]
KINDS: list[Kind] = [generator, Source, holding_a_block]


@dataclass(frozen=True)
class Subject:
    """One operator, over a source, and over calls or inner sources if it has any."""

    name: str
    open: Callable[[Any, "Work"], AbstractAsyncContextManager[Any]]
    calls: Literal["nothing", "calls", "sources"] = "nothing"

    def __str__(self) -> str:
        return self.name


@dataclass
class Work:
    """What the user's functions do."""

    log: Log
    fail: bool = False
    kind: Kind = generator
    is_short: bool = False

    async def call(self, item: int) -> int:
        """The first returns at once, or fails a little later; the others take long."""
        if self.is_short:
            await anyio.sleep(0.05)
            return item
        if item == 0 and not self.fail:
            return item
        try:
            await anyio.sleep(0.25 if self.fail and item == 0 else 500)
            if self.fail:
                raise Boom("call")
        finally:
            if item:
                await self.log.clean_up(f"call {item}")
        return item

    def inner(self, item: int) -> Any:
        """A source that gives one item, and then takes long."""
        if self.fail and item >= 1:
            raise Boom("call")
        if self.is_short:
            return [item]
        return self.kind(self.log, f"inner source {item}", 0.125, 99, "ends")

    async def expand(self, item: int) -> list[int]:
        await self.call(item)
        return []

    async def passes(self, item: int) -> bool:
        await self.call(item)
        return True


@asynccontextmanager
async def _first_of(block: Any) -> AsyncGenerator[Any]:
    async with block as (first, *others):
        for other in others:
            await other.aclose()
        yield first


SUBJECTS = [
    Subject(
        "concurrent_map",
        lambda s, w: ak.concurrent_map(w.call, s, limit=3),
        "calls",
    ),
    Subject(
        "concurrent_map_unordered",
        lambda s, w: ak.concurrent_map_unordered(w.call, s, limit=3),
        "calls",
    ),
    Subject(
        "concurrent_map with keys",
        lambda s, w: ak.concurrent_map(w.call, s, limit=3, key=lambda n: n % 5),
        "calls",
    ),
    Subject(
        "concurrent_map with a limiter",
        lambda s, w: ak.concurrent_map(w.call, s, limit=anyio.CapacityLimiter(3)),
        "calls",
    ),
    Subject(
        "concurrent_filter",
        lambda s, w: ak.concurrent_filter(w.passes, s, limit=3),
        "calls",
    ),
    Subject(
        "concurrent_expand",
        lambda s, w: ak.concurrent_expand(w.expand, s, limit=3),
        "calls",
    ),
    Subject(
        "concurrent_flat_map",
        lambda s, w: ak.concurrent_flat_map(w.inner, s, limit=2),
        "sources",
    ),
    Subject(
        "concurrent_flat_map_unordered",
        lambda s, w: ak.concurrent_flat_map_unordered(w.inner, s, limit=2),
        "sources",
    ),
    Subject(
        "concurrent_switch_map",
        lambda s, w: ak.concurrent_switch_map(w.inner, s),
        "sources",
    ),
    Subject(
        "concurrent_merge",
        lambda s, w: ak.concurrent_merge(s, w.kind(w.log, "other", 0.5, 99, "ends")),
    ),
    Subject(
        "concurrent_merge until the first ends",
        lambda s, w: ak.concurrent_merge(
            s, w.kind(w.log, "other", 0.5, 99, "ends"), until="first"
        ),
    ),
    Subject(
        "concurrent_zip",
        lambda s, w: ak.concurrent_zip(s, w.kind(w.log, "other", 0.5, 99, "ends")),
    ),
    Subject(
        "concurrent_zip_latest",
        lambda s, w: ak.concurrent_zip_latest(
            s, w.kind(w.log, "other", 0.5, 99, "ends")
        ),
    ),
    Subject("concurrent_buffer", lambda s, _: ak.concurrent_buffer(s, 2)),
    Subject("concurrent_buffer of 0", lambda s, _: ak.concurrent_buffer(s, 0)),
    Subject(
        "concurrent_batched", lambda s, _: ak.concurrent_batched(s, 2, within=0.25)
    ),
    Subject(
        "concurrent_batched when quiet",
        lambda s, _: ak.concurrent_batched(s, quiet=0.25),
    ),
    Subject("concurrent_latest", lambda s, _: ak.concurrent_latest(s)),
    Subject("concurrent_latest of 3", lambda s, _: ak.concurrent_latest(s, 3)),
    Subject("concurrent_debounce", lambda s, _: ak.concurrent_debounce(s, seconds=0.1)),
    Subject("concurrent_sample", lambda s, _: ak.concurrent_sample(s, seconds=0.25)),
    Subject(
        "concurrent_broadcast",
        lambda s, _: _first_of(ak.concurrent_broadcast(s, 2, buffer=2)),
    ),
    Subject(
        "concurrent_partition",
        lambda s, _: _first_of(
            ak.concurrent_partition(s, lambda _: 0, [0, 1], buffer=2)
        ),
    ),
]


@dataclass(frozen=True)
class Waiting:
    """How fast the source is: where it is suspended when the block is left."""

    name: str
    pace: float

    def __str__(self) -> str:
        return self.name


AT_ITS_YIELD = Waiting("at its yield", 0.01)
IN_A_READ = Waiting("in a read", 0.4)
MOMENTS = [AT_ITS_YIELD, IN_A_READ]


async def by_break(results: AsyncIterator[Any]) -> None:
    """Take one result, do something, and go."""
    async for _ in results:
        await anyio.sleep(5.05)
        break


async def by_return_unread(_results: AsyncIterator[Any]) -> None:
    """Go without a look at the results."""
    await anyio.sleep(0.7)


async def by_an_error(results: AsyncIterator[Any]) -> None:
    """Fail after the first result."""
    await anext(results)
    await anyio.sleep(5.05)
    raise Boom("body")


async def by_the_end(results: AsyncIterator[Any]) -> None:
    """Read for as long as there is something."""
    async for _ in results:
        pass
