"""Sources and functions that clean up, and a log of what has cleaned up in full.

They do so in a ``finally`` that is *not* shielded, as people write it. The probes of
`aiterkit.testing` do that too; here, all that is run writes into one log.
"""

from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import anyio
import anyio.lowlevel
import pytest

import aiterkit as ak

from ...catalogue import Functions  # noqa: TID252 - tests stand on no path
from ...helpers import Boom  # noqa: TID252 - as above
from .cases import USES

End = Literal["ends", "fails"]


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


@dataclass
class Work(Functions):
    """Functions that take long, and clean up."""

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

    def other(self, _plain: Any, /) -> Any:
        """A source that gives an item now and then."""
        return self.kind(self.log, "other", 0.5, 99, "ends")


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

SUBJECTS = [
    entry
    for entry in USES
    if not entry.variant or entry.lazy or entry.variant.startswith("with ")
]
every_subject = pytest.mark.parametrize("subject", SUBJECTS, ids=str)
every_subject_with_functions = pytest.mark.parametrize(
    "subject", [each for each in SUBJECTS if each.with_functions is not None], ids=str
)
every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
every_moment = pytest.mark.parametrize("moment", MOMENTS, ids=str)
