"""Whatever a function of the user's raises, of any kind, ends the block with it."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Any

import anyio
import pytest

import aiterkit as ak
from aiterkit.testing import SourceProbe


async def echo(item: int) -> int:
    await anyio.sleep(0.1)
    return item


async def none(_item: int) -> list[int]:
    return []


class Fragile:
    """A key whose hash fails the second time."""

    def __init__(self, error: BaseException) -> None:
        self.error = error
        self.asked = 0

    def __hash__(self) -> int:
        self.asked += 1
        if self.asked > 2:
            raise self.error
        return 1

    def __eq__(self, other: object) -> bool:
        return self is other


Fail = Callable[[Any], Any]
PLACES: dict[str, Callable[[Any, Fail], Any]] = {
    "key of a map": lambda s, f: ak.concurrent_map(echo, s, limit=2, key=f),
    "key of an unordered map": lambda s, f: ak.concurrent_map_unordered(
        echo, s, limit=1, key=f
    ),
    "key of an expand": lambda s, f: ak.concurrent_expand(none, s, limit=2, key=f),
    "func of a map": lambda s, f: ak.concurrent_map(f, s, limit=2),
    "func of an expand": lambda s, f: ak.concurrent_expand(f, s, limit=2),
    "predicate": lambda s, f: ak.concurrent_filter(f, s, limit=2),
    "func of a flat map": lambda s, f: ak.concurrent_flat_map(f, s, limit=2),
    "func of an unordered flat map": lambda s, f: ak.concurrent_flat_map_unordered(
        f, s, limit=2
    ),
    "func of a switch map": lambda s, f: ak.concurrent_switch_map(f, s),
    "weight": lambda s, f: ak.concurrent_batched(
        s, 2, within=1, weight=f, max_weight=3
    ),
}
KINDS: list[Callable[[], BaseException]] = [
    ValueError,
    KeyboardInterrupt,
    SystemExit,
    GeneratorExit,
    asyncio.CancelledError,
]


def sources() -> list[Callable[[], Any]]:
    async def generator() -> AsyncGenerator[int]:
        for item in range(9):
            await anyio.sleep(0.01)
            yield item

    return [lambda: range(9), generator]


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("source", sources(), ids=["sync", "async"])
async def test_it_leaves_the_block(place: str, kind: Any, source: Any) -> None:
    error = kind()

    def fail(item: int) -> Any:
        if item in (2, 8):
            raise error
        return echo(item) if place in ("func of a map", "predicate") else none(item)

    def key(item: int) -> int:
        if item in (2, 8):
            raise error
        return item

    func = key if place.startswith(("key", "weight")) else fail
    with pytest.raises(kind) as caught:
        async with PLACES[place](source(), func) as results:
            async for _ in results:
                pass
    assert caught.value is error


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
async def test_so_does_that_of_a_partition(kind: Any) -> None:
    error = kind()

    def key(item: int) -> int:
        if item in (2, 8):
            raise error
        return 0

    source = SourceProbe(range(9))
    with pytest.raises(kind) as caught:
        async with ak.concurrent_partition(source, key, [0], buffer=9) as (only,):
            async for _ in only:
                pass
    assert caught.value is error
    source.assert_closed_once()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
async def test_a_key_whose_hash_fails_later_ends_the_block(kind: Any) -> None:
    error = kind()
    source = SourceProbe(range(9))
    with pytest.raises(kind) as caught:
        async with ak.concurrent_map(
            echo, source, limit=2, key=lambda _: Fragile(error)
        ) as results:
            async for _ in results:
                pass
    assert caught.value is error
    source.assert_closed_once()
