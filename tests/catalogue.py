"""Every public operator, and how it is used over a source of small integers.

The tests of closing, leaving and leaking run over all of it.
"""

from collections.abc import AsyncIterable, Callable
from dataclasses import dataclass
from typing import Any, Literal, Self

import anyio

import aiterkit as ak


@dataclass(frozen=True)
class Entry:
    """One public name."""

    name: str
    kind: Literal["operator", "result", "block"]
    """Read with ``async for``, awaited, or entered with ``async with``."""
    use: Callable[[AsyncIterable[int]], Any]
    closes: bool = False
    """Whether it closes its source when it is left."""
    loop: bool = False
    """Whether it needs a running event loop."""
    reads_all: bool = False
    """Whether an operator reads its source to the end before it gives anything."""
    threads: bool = False
    """Whether it uses threads, which virtual time has none of: its tests are apart."""
    lazy: bool = False
    """Whether a block asks its source for nothing before it is read itself."""


class _Made:
    """Items of another kind, made of those of *source* without a generator."""

    def __init__(self, source: AsyncIterable[int]) -> None:
        self.iterator = aiter(source)

    def __aiter__(self) -> Self:
        return self


class _Zeros(_Made):
    async def __anext__(self) -> int:
        return 0 * await anext(self.iterator)


class _Pairs(_Made):
    async def __anext__(self) -> tuple[int, int]:
        return (await anext(self.iterator), 0)


class _FirstReader:
    """A block with several readers as one with the first of them alone."""

    def __init__(self, block: Any) -> None:
        self.block = block

    async def __aenter__(self) -> Any:
        first, *others = await self.block.__aenter__()
        for other in others:
            await other.aclose()
        return first

    async def __aexit__(self, *error: object) -> None:
        await self.block.__aexit__(*error)


async def _leaf(_item: int) -> list[int]:
    return []


async def _echo(item: int) -> int:
    return item


def _block(
    name: str, use: Callable[[AsyncIterable[int]], Any], *, lazy: bool = False
) -> Entry:
    return Entry(name, "block", use, closes=True, loop=True, lazy=lazy)


async def _yes(_item: int) -> bool:
    return True


ENTRIES = (
    Entry("aaccumulate", "operator", ak.aaccumulate),
    Entry("aall", "result", ak.aall),
    Entry("aany", "result", lambda s: ak.aany(_Zeros(s))),
    Entry("abatched", "operator", lambda s: ak.abatched(s, 1)),
    Entry("achain", "operator", lambda s: ak.achain(s, [9])),
    Entry("acollect", "result", ak.acollect),
    Entry("acompress", "operator", lambda s: ak.acompress(s, [1] * 99)),
    Entry("acycle", "operator", ak.acycle),
    Entry("adropwhile", "operator", lambda s: ak.adropwhile(lambda n: n > 9, s)),
    Entry("aenumerate", "operator", ak.aenumerate),
    Entry("afilter", "operator", lambda s: ak.afilter(None, s)),
    Entry("afilterfalse", "operator", lambda s: ak.afilterfalse(lambda n: n > 9, s)),
    Entry("afind", "result", lambda s: ak.afind(lambda n: n > 9, s)),
    Entry("afirst", "result", ak.afirst),
    Entry("aflat_map", "operator", lambda s: ak.aflat_map(lambda n: [n, n], s)),
    Entry("aflatten", "operator", lambda s: ak.aflatten([s])),
    Entry("agroupby", "operator", ak.agroupby),
    Entry("aislice", "operator", lambda s: ak.aislice(s, 0, None, 1)),
    Entry("alast", "result", ak.alast),
    Entry("alen", "result", ak.alen),
    Entry("amap", "operator", lambda s: ak.amap(str, s)),
    Entry("amax", "result", ak.amax),
    Entry("amerge", "operator", lambda s: ak.amerge(s, [9])),
    Entry("amin", "result", ak.amin),
    Entry("anlargest", "result", lambda s: ak.anlargest(2, s)),
    Entry("ansmallest", "result", lambda s: ak.ansmallest(2, s)),
    Entry("anth", "result", lambda s: ak.anth(s, 9)),
    Entry(
        "aoffloaded", "operator", lambda _: ak.aoffloaded([1]), loop=True, threads=True
    ),
    Entry("apaced", "operator", lambda s: ak.apaced(s, 1), loop=True),
    Entry("apairwise", "operator", ak.apairwise),
    Entry("areduce", "result", lambda s: ak.areduce(max, s)),
    Entry(
        "arestarted",
        "operator",
        lambda s: ak.arestarted(lambda _: s, TimeoutError, waits=[]),
        closes=True,
    ),
    Entry("asorted", "result", ak.asorted),
    Entry("astarmap", "operator", lambda s: ak.astarmap(max, _Pairs(s))),
    Entry("asum", "result", ak.asum),
    Entry("atail", "operator", lambda s: ak.atail(2, s), reads_all=True),
    Entry(
        "atakewhile_inclusive",
        "operator",
        lambda s: ak.atakewhile_inclusive(lambda n: n < 9, s),
    ),
    Entry("atakewhile", "operator", lambda s: ak.atakewhile(lambda n: n < 9, s)),
    Entry("atee", "operator", lambda s: ak.atee(s)[0]),
    Entry("atimeout", "operator", lambda s: ak.atimeout(s, 99), loop=True),
    Entry("aunique", "operator", ak.aunique),
    Entry("awindowed", "operator", lambda s: ak.awindowed(s, 1)),
    Entry("azip", "operator", lambda s: ak.azip(s, [1] * 99)),
    Entry("azip_longest", "operator", lambda s: ak.azip_longest(s, [1])),
    _block(
        "concurrent_balance",
        lambda s: _FirstReader(ak.concurrent_balance(s, 2, buffer=5)),
    ),
    _block("concurrent_batched", lambda s: ak.concurrent_batched(s, 2, within=1)),
    _block(
        "concurrent_broadcast",
        lambda s: _FirstReader(ak.concurrent_broadcast(s, 2, buffer=5)),
    ),
    Entry(
        "concurrent_collect",
        "result",
        lambda s: ak.concurrent_collect(_echo, s, limit=2),
        closes=True,
    ),
    _block("concurrent_debounce", lambda s: ak.concurrent_debounce(s, seconds=0.5)),
    _block("concurrent_expand", lambda s: ak.concurrent_expand(_leaf, s, limit=2)),
    Entry(
        "concurrent_for_each",
        "result",
        lambda s: ak.concurrent_for_each(_echo, s, limit=2),
        closes=True,
    ),
    _block("concurrent_latest", ak.concurrent_latest),
    _block("concurrent_map", lambda s: ak.concurrent_map(_echo, s, limit=2)),
    _block(
        "concurrent_map_unordered",
        lambda s: ak.concurrent_map_unordered(_echo, s, limit=2),
    ),
    _block(
        "concurrent_partition",
        lambda s: _FirstReader(
            ak.concurrent_partition(s, lambda _: 0, [0, 1], buffer=5)
        ),
    ),
    _block(
        "concurrent_heartbeat",
        lambda s: ak.concurrent_heartbeat(s, 0, seconds=1000),
    ),
    _block("concurrent_sample", lambda s: ak.concurrent_sample(s, seconds=0.5)),
    _block("concurrent_buffer", lambda s: ak.concurrent_buffer(s, 2)),
    _block(
        "concurrent_until",
        lambda s: ak.concurrent_until(s, anyio.sleep_forever),
        lazy=True,
    ),
    _block("concurrent_merge", lambda s: ak.concurrent_merge(s, buffer=1)),
    _block("concurrent_zip", lambda s: ak.concurrent_zip(s, range(99))),
    _block("concurrent_zip_latest", lambda s: ak.concurrent_zip_latest(s, range(1))),
    _block("concurrent_filter", lambda s: ak.concurrent_filter(_yes, s, limit=2)),
    _block(
        "concurrent_switch_map",
        lambda s: ak.concurrent_switch_map(lambda item: [item], s),
    ),
    _block(
        "concurrent_flat_map",
        lambda s: ak.concurrent_flat_map(lambda n: [n], s, limit=2),
    ),
    _block(
        "concurrent_flat_map_unordered",
        lambda s: ak.concurrent_flat_map_unordered(lambda n: [n], s, limit=2),
    ),
)
