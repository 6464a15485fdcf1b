"""The maps of other packages, called as ours are, and the laws put to all of them.

``python -m tests.testing.peers`` writes the page ``docs/laws.md``. It needs what the
extra ``bench`` installs; a peer that is not there is left out, and named.
"""

import importlib
import sys
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import aiterkit
from aiterkit.testing import ConcurrentMapLike, LawReport, check_laws, laws

Func = Callable[[Any], Awaitable[Any]]


@asynccontextmanager
async def aiostream_ordered(
    func: Func, source: Any, /, *, limit: int
) -> AsyncIterator[Any]:
    stream = importlib.import_module("aiostream.stream")
    mapped = stream.map(source, func, ordered=True, task_limit=limit)
    async with mapped.stream() as results:
        yield results


@asynccontextmanager
async def aiostream_unordered(
    func: Func, source: Any, /, *, limit: int
) -> AsyncIterator[Any]:
    stream = importlib.import_module("aiostream.stream")
    mapped = stream.map(source, func, ordered=False, task_limit=limit)
    async with mapped.stream() as results:
        yield results


@asynccontextmanager
async def _streamable(results: Any) -> AsyncIterator[Any]:
    iterator = aiter(results)
    try:
        yield iterator
    finally:
        # What can be closed is: its own `async for` would not.
        if close := getattr(iterator, "aclose", None):
            await close()


def streamable_ordered(func: Func, source: Any, /, *, limit: int) -> Any:
    stream = importlib.import_module("streamable").stream
    return _streamable(stream(source).map(func, concurrency=limit))


def streamable_unordered(func: Func, source: Any, /, *, limit: int) -> Any:
    stream = importlib.import_module("streamable").stream
    mapped = stream(source).map(func, concurrency=limit, as_completed=True)
    return _streamable(mapped)


@asynccontextmanager
async def aiometer_unordered(
    func: Func, source: Any, /, *, limit: int
) -> AsyncIterator[Any]:
    aiometer = importlib.import_module("aiometer")
    items = [item async for item in source]  # it takes a sequence
    async with aiometer.amap(func, items, max_at_once=limit) as results:
        yield results


@dataclass(frozen=True)
class Peer:
    """A map, what it promises about order, and where it runs."""

    package: str
    call: str
    ordered: bool
    like: ConcurrentMapLike
    on_trio: bool = True

    def __str__(self) -> str:
        return self.call

    @property
    def version(self) -> str | None:
        """Its version, if it is installed."""
        try:
            return version(self.package)
        except PackageNotFoundError:
            return "" if self.package == "aiterkit" else None

    def check(self, **options: Any) -> LawReport:
        """Put the laws to it."""
        backends = ("asyncio", "trio") if self.on_trio else ("asyncio",)
        with warnings.catch_warnings():
            # What it leaves undone is told by the laws.
            warnings.simplefilter("ignore")
            return check_laws(
                self.like,
                ordered=self.ordered,
                name=self.call,
                backends=options.pop("backends", backends),
                **options,
            )


OURS = [
    Peer("aiterkit", "concurrent_map", ordered=True, like=aiterkit.concurrent_map),
    Peer(
        "aiterkit",
        "concurrent_map_unordered",
        ordered=False,
        like=aiterkit.concurrent_map_unordered,
    ),
]
PEERS = [
    Peer(
        "aiostream",
        "stream.map(ordered=True)",
        ordered=True,
        like=aiostream_ordered,
        on_trio=False,
    ),
    Peer(
        "aiostream",
        "stream.map(ordered=False)",
        ordered=False,
        like=aiostream_unordered,
        on_trio=False,
    ),
    Peer(
        "streamable",
        "stream().map()",
        ordered=True,
        like=streamable_ordered,
        on_trio=False,
    ),
    Peer(
        "streamable",
        "stream().map(as_completed=True)",
        ordered=False,
        like=streamable_unordered,
        on_trio=False,
    ),
    Peer("aiometer", "amap()", ordered=False, like=aiometer_unordered),
]


if __name__ == "__main__":
    for peer in PEERS:
        print(peer.check())
