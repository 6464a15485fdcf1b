"""The maps of other packages, called as ours are, and the laws put to all of them.

``python -m tests.testing.peers`` writes the page ``docs/laws.md``. It needs what the
extra ``bench`` installs; a peer that is not there is left out, and named.
"""

import gc
import importlib
import logging
import sys
import warnings
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

import aiterkit
from aiterkit.testing import ConcurrentMapLike, LawReport, check_laws, laws

Func = Callable[[Any], Awaitable[Any]]


@asynccontextmanager
async def aiostream_ordered(
    func: Func, source: Any, /, *, limit: int
) -> AsyncGenerator[Any, None]:
    stream = importlib.import_module("aiostream.stream")
    mapped = stream.map(source, func, ordered=True, task_limit=limit)
    async with mapped.stream() as results:
        yield results


@asynccontextmanager
async def aiostream_unordered(
    func: Func, source: Any, /, *, limit: int
) -> AsyncGenerator[Any, None]:
    stream = importlib.import_module("aiostream.stream")
    mapped = stream.map(source, func, ordered=False, task_limit=limit)
    async with mapped.stream() as results:
        yield results


@asynccontextmanager
async def _streamable(results: Any) -> AsyncGenerator[Any, None]:
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
) -> AsyncGenerator[Any, None]:
    aiometer = importlib.import_module("aiometer")
    items = [item async for item in source]  # it takes a sequence
    async with aiometer.amap(func, items, max_at_once=limit) as results:
        yield results


@dataclass(frozen=True)
class Peer:
    """A map, what it promises about order, where it runs, and what it breaks."""

    package: str
    call: str
    ordered: bool
    like: ConcurrentMapLike
    on_trio: bool = True
    breaks: frozenset[str] = frozenset()

    def __str__(self) -> str:
        return f"{self.package} {self.call}"

    @property
    def version(self) -> str | None:
        """Its version, if it is installed."""
        try:
            return version(self.package)
        except PackageNotFoundError:
            return None

    def check(self, **options: Any) -> LawReport:
        """Put the laws to it."""
        backends: tuple[Literal["asyncio", "trio"], ...] = ("asyncio", "trio")
        # The laws report what it leaves undone; asyncio need not log that too.
        log = logging.getLogger("asyncio")
        log.disabled, before = True, log.disabled
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                report = check_laws(
                    self.like,
                    ordered=self.ordered,
                    name=str(self),
                    backends=backends if self.on_trio else backends[:1],
                    **options,
                )
                gc.collect()
        finally:
            log.disabled = before
        return report


OURS = [
    Peer("aiterkit", "concurrent_map", ordered=True, like=aiterkit.concurrent_map),
    Peer(
        "aiterkit",
        "concurrent_map_unordered",
        ordered=False,
        like=aiterkit.concurrent_map_unordered,
    ),
]

CHECKED = {"aiometer": "1.0.0", "aiostream": "0.8.1", "streamable": "2.0.0"}
"""The versions that ``breaks`` speaks of."""

_AIOSTREAM = frozenset(
    {"one reader", "independence", "lost wait", "nothing out of the blue"}
)
_STREAMABLE = frozenset(
    {
        "one reader",
        "delivery",
        "independence",
        "siblings",
        "ending",
        "lost wait",
        "source closed",
        "nothing left",
        "cleanup",
        "nothing out of the blue",
    }
)

PEERS = [
    Peer(
        "aiostream",
        "stream.map(ordered=True)",
        ordered=True,
        like=aiostream_ordered,
        on_trio=False,
        breaks=_AIOSTREAM,
    ),
    Peer(
        "aiostream",
        "stream.map(ordered=False)",
        ordered=False,
        like=aiostream_unordered,
        on_trio=False,
        breaks=_AIOSTREAM | {"cost by limit"},
    ),
    Peer(
        "streamable",
        "stream().map()",
        ordered=True,
        like=streamable_ordered,
        on_trio=False,
        breaks=_STREAMABLE,
    ),
    Peer(
        "streamable",
        "stream().map(as_completed=True)",
        ordered=False,
        like=streamable_unordered,
        on_trio=False,
        breaks=_STREAMABLE,
    ),
    Peer(
        "aiometer",
        "amap()",
        ordered=False,
        like=aiometer_unordered,
        breaks=frozenset(
            {
                "read-ahead",
                "delivery",
                "source error",
                "body",
                "source closed",
                "nothing left",
                "cleanup",
                "memory",
            }
        ),
    ),
]

_TOP = """\
# Which library keeps which law

`aiterkit.testing.check_laws` checks any map against the promises of a concurrent map,
as long as it can be called as `concurrent_map(func, source, limit=3)`: ours, yours and,
with adapters of a few lines, those of other packages. Each law is a test that can fail.
It runs on virtual time, on asyncio and (where the map supports it) on Trio, under a
number of task schedules. The laws are *our* contract: another package may promise less,
or something else, for good reasons.

This page is the result of one run. `python -m tests.testing.peers` rewrites it.
"""


def page(reports: dict[Peer, LawReport]) -> str:
    """Write what *reports* say as a page of Markdown."""
    python = ".".join(map(str, sys.version_info[:3]))
    versions = [f"{name} {version(name)}" for name in ("anyio", "trio")]
    lines = [_TOP, f"Python {python}, {', '.join(versions)}. The maps:", ""]
    for number, peer in enumerate(reports, 1):
        release = f" {peer.version}" if peer.version and peer not in OURS else ""
        order = "input order" if peer.ordered else "completion order"
        where = "asyncio and Trio" if peer.on_trio else "asyncio only"
        lines.append(
            f"{number}. {peer.package}{release} `{peer.call}`: {order}; {where}"
        )
    numbers = [str(number) for number in range(1, len(reports) + 1)]
    lines += ["", f"| law | {' | '.join(numbers)} |", "|---" * (len(numbers) + 1) + "|"]
    for law in laws():
        cells = [
            "**no**" if law in {broken.law for broken in report.broken} else "yes"
            for report in reports.values()
        ]
        lines.append(f"| {law} | {' | '.join(cells)} |")
    lines += ["", "## The laws", ""]
    unordered = laws(ordered=False)
    for law, sentence in laws().items():
        other = unordered[law]
        also = "" if other == sentence else f" Without input order: {other}"
        lines.append(f"- **{law}**: {sentence}{also}")
    lines += ["", "## What was observed", ""]
    for peer, report in reports.items():
        lines += [f"**{peer.package} `{peer.call}`**", ""]
        seen = {broken.law: broken for broken in reversed(report.broken)}
        lines += [
            f"- {law}: {seen[law].message.splitlines()[0].partition(': ')[2]}"
            for law in laws()
            if law in seen
        ] or ["- All laws hold."]
        lines.append("")
    lines += [
        "The adapters are part of what is observed: aiometer takes a sequence, so its",
        "adapter reads the whole source first; the streamable adapter closes iterators",
        "where they can be closed. In a task group of anyio or Trio, a cancellation",
        "reaches every wait of a task, its cleanup included. That is by design; the",
        "law *cleanup* asks for more.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Check all that are installed, and write the page."""
    reports = {
        peer: peer.check() for peer in [*OURS, *PEERS] if peer in OURS or peer.version
    }
    missing = {peer.package for peer in PEERS if not peer.version}
    for package in sorted(missing):
        sys.stderr.write(f"{package} is not installed, and left out\n")
    target = Path(__file__).parents[2] / "docs" / "laws.md"
    target.write_text(page(reports), encoding="utf-8")


if __name__ == "__main__":
    main()
