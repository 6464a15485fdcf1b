"""Every public operator, and how it is used over a source of small integers.

The tests of closing, leaving and leaking run over all of it. A block may be there
several times, each time used in another way.
"""

from collections.abc import AsyncGenerator, AsyncIterable, Callable
from dataclasses import dataclass
from typing import Any, Literal, Self

import anyio

import aiterkit as ak


class Functions:
    """What a test gives the operators besides the source; here, it does nothing."""

    async def call(self, item: int) -> int:
        return item

    async def passes(self, item: int) -> bool:
        await self.call(item)
        return True

    async def expand(self, item: int) -> list[int]:
        await self.call(item)
        return []

    def inner(self, item: int) -> Any:
        """The source that a flat map reads for *item*."""
        return [item]

    def other(self, plain: Any, /) -> Any:
        """The source beside the one that is tested; without a better one, *plain*."""
        return plain


class OnlyCalls(Functions):
    """Functions that all do what `call` does, the sources among them too."""

    async def inner(self, item: int) -> AsyncGenerator[int]:
        yield await self.call(item)

    def other(self, _plain: Any, /) -> AsyncGenerator[int]:
        return self.inner(0)


def _first(row: Any) -> Any:
    return row[0]


def _same(result: Any) -> Any:
    return result


@dataclass(frozen=True)
class Entry:
    """One use of one public name."""

    name: str
    kind: Literal["operator", "result", "block"]
    """Read with ``async for``, awaited, or entered with ``async with``."""
    use: Callable[[Any], Any]
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
    variant: str = ""
    """What is special about this use, if the name is there several times."""
    ahead: int | None = None
    """How many items lie between the source and the reader of a block, at most.

    None if a block gives something else than the items of its source, in order.
    """
    back: Callable[[Any], Any] = _same
    """The item that a result was made of."""
    inner: bool = False
    """Whether the source is one that a function returns, which opens it later."""
    runs: Literal["nothing", "calls", "sources"] = "nothing"
    """What the functions of a test make a block run beside the source."""
    with_functions: Callable[[Any, Functions], Any] | None = None

    def __str__(self) -> str:
        return f"{self.name} {self.variant}".rstrip()

    def open(self, source: Any, functions: Functions) -> Any:
        """Return a block over *source* that uses *functions*, if it uses any."""
        if self.with_functions is None:
            return self.use(source)
        return self.with_functions(source, functions)


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


class FirstReader:
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


async def _find(source: AsyncIterable[int]) -> int | None:
    return await ak.afind(lambda n: n > 9, source)


def _nothing(_result: object) -> list[int]:
    return []


async def _echo(item: int) -> int:
    return item


def _block(name: str, use: Callable[[Any], Any], **more: Any) -> Entry:
    return Entry(name, "block", use, closes=True, loop=True, **more)


def _using(name: str, use: Callable[[Any, Functions], Any], **more: Any) -> Entry:
    """Return the entry of a block that runs functions, or reads another source."""
    return _block(name, lambda s: use(s, Functions()), with_functions=use, **more)


def _calling(name: str, use: Callable[[Any, Functions], Any], **more: Any) -> Entry:
    return _using(name, use, runs="calls", **more)


def _flattening(name: str, use: Callable[[Any, Functions], Any], **more: Any) -> Entry:
    return _using(name, use, runs="sources", **more)


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
    Entry("afind", "result", _find),
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
        lambda s: FirstReader(ak.concurrent_balance(s, 2, buffer=5)),
        ahead=5,
    ),
    _block("concurrent_batched", lambda s: ak.concurrent_batched(s, 2, within=1)),
    _block(
        "concurrent_batched",
        lambda s: ak.concurrent_batched(s, quiet=0.25),
        variant="when quiet",
    ),
    _block(
        "concurrent_broadcast",
        lambda s: FirstReader(ak.concurrent_broadcast(s, 2, buffer=5)),
        ahead=5,
    ),
    _block("concurrent_buffer", lambda s: ak.concurrent_buffer(s, 2), ahead=2),
    _block(
        "concurrent_buffer",
        lambda s: ak.concurrent_buffer(s, 0),
        variant="of 0",
        ahead=1,
        lazy=True,
    ),
    Entry(
        "concurrent_collect",
        "result",
        lambda s: ak.concurrent_collect(_echo, s, limit=2),
        closes=True,
    ),
    _block("concurrent_debounce", lambda s: ak.concurrent_debounce(s, seconds=0.5)),
    _calling(
        "concurrent_expand",
        lambda s, f: ak.concurrent_expand(f.expand, s, limit=3),
    ),
    _calling(
        "concurrent_expand",
        lambda s, f: ak.concurrent_expand(f.call, s, limit=3, follow=_nothing),
        variant="with follow",
    ),
    _calling(
        "concurrent_filter",
        lambda s, f: ak.concurrent_filter(f.passes, s, limit=3),
        ahead=6,
    ),
    _flattening(
        "concurrent_flat_map",
        lambda s, f: ak.concurrent_flat_map(f.inner, s, limit=2),
        ahead=4,
    ),
    _flattening(
        "concurrent_flat_map",
        lambda s, f: ak.concurrent_flat_map(f.inner, s, limit=anyio.CapacityLimiter(2)),
        variant="with a limiter",
        ahead=4,
    ),
    _block(
        "concurrent_flat_map",
        lambda s: ak.concurrent_flat_map(lambda _: s, "a", limit=1),
        variant="inner",
        ahead=2,
        inner=True,
    ),
    _block(
        "concurrent_flat_map",
        lambda s: ak.concurrent_flat_map(lambda _: s, "a", limit=1, buffer=0),
        variant="inner of 0",
        ahead=1,
        inner=True,
    ),
    _flattening(
        "concurrent_flat_map_unordered",
        lambda s, f: ak.concurrent_flat_map_unordered(f.inner, s, limit=2),
    ),
    _block(
        "concurrent_flat_map_unordered",
        lambda s: ak.concurrent_flat_map_unordered(lambda n: [n], s, limit=1),
        variant="one by one",
        ahead=2,
    ),
    _block(
        "concurrent_flat_map_unordered",
        lambda s: ak.concurrent_flat_map_unordered(lambda _: s, "a", limit=1),
        variant="inner",
        ahead=2,
        inner=True,
    ),
    _block(
        "concurrent_flat_map_unordered",
        lambda s: ak.concurrent_flat_map_unordered(lambda _: s, "a", limit=1, buffer=0),
        variant="inner of 0",
        ahead=1,
        inner=True,
    ),
    Entry(
        "concurrent_for_each",
        "result",
        lambda s: ak.concurrent_for_each(_echo, s, limit=2),
        closes=True,
    ),
    _block(
        "concurrent_heartbeat",
        lambda s: ak.concurrent_heartbeat(s, 0, seconds=1000),
        ahead=1,
    ),
    _block("concurrent_latest", ak.concurrent_latest),
    _block("concurrent_latest", lambda s: ak.concurrent_latest(s, 3), variant="of 3"),
    _calling(
        "concurrent_map",
        lambda s, f: ak.concurrent_map(f.call, s, limit=3),
        ahead=6,
    ),
    _calling(
        "concurrent_map",
        lambda s, f: ak.concurrent_map(f.call, s, limit=3, key=lambda n: n % 2),
        variant="with keys",
        ahead=6,
    ),
    _calling(
        "concurrent_map",
        lambda s, f: ak.concurrent_map(f.call, s, limit=anyio.CapacityLimiter(3)),
        variant="with a limiter",
        ahead=6,
    ),
    _calling(
        "concurrent_map_unordered",
        lambda s, f: ak.concurrent_map_unordered(f.call, s, limit=3),
        ahead=6,
    ),
    _using(
        "concurrent_merge",
        lambda s, f: ak.concurrent_merge(s, f.other(())),
        ahead=2,
    ),
    _using(
        "concurrent_merge",
        lambda s, f: ak.concurrent_merge(s, f.other(()), until="first"),
        variant="until the first",
        ahead=2,
    ),
    _block(
        "concurrent_merge",
        lambda s: ak.concurrent_merge(s, buffer=0),
        variant="of 0",
        ahead=1,
    ),
    _block(
        "concurrent_merge",
        lambda s: ak.concurrent_merge(s, buffer=2),
        variant="buffered",
        ahead=3,
    ),
    _block(
        "concurrent_partition",
        lambda s: FirstReader(
            ak.concurrent_partition(s, lambda _: 0, [0, 1], buffer=5)
        ),
        ahead=5,
    ),
    _block("concurrent_sample", lambda s: ak.concurrent_sample(s, seconds=0.5)),
    _flattening(
        "concurrent_switch_map",
        lambda s, f: ak.concurrent_switch_map(f.inner, s),
    ),
    _block(
        "concurrent_until",
        lambda s: ak.concurrent_until(s, anyio.sleep_forever),
        ahead=1,
        lazy=True,
    ),
    _using(
        "concurrent_zip",
        lambda s, f: ak.concurrent_zip(s, f.other(range(99))),
        ahead=1,
        back=_first,
    ),
    _using(
        "concurrent_zip_latest",
        lambda s, f: ak.concurrent_zip_latest(s, f.other(range(1))),
    ),
    _block(
        "concurrent_zip_latest",
        ak.concurrent_zip_latest,
        variant="of one",
        ahead=1,
        back=_first,
    ),
)
