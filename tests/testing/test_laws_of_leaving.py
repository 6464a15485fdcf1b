"""Every operator keeps the laws of leaving: it is put between the source and a map."""

import gc
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Literal

import anyio
import pytest

import aiterkit as ak
from aiterkit._runtime.source_reader import SourceTask
from aiterkit._runtime.task import BlockTask
from aiterkit.testing import ConcurrentMapLike, check_laws

from ..planted import changed, leaves_garbage  # noqa: TID252 - tests stand on no path

Open = Callable[[Any], AbstractAsyncContextManager[Any]]


async def passes(_item: int) -> bool:
    await anyio.sleep(0.5)
    return True


async def echo(item: int) -> int:
    await anyio.sleep(0.5)
    return item


async def leaf(_item: int) -> list[int]:
    await anyio.sleep(0.5)
    return []


def alone(item: int) -> list[int]:
    return [item]


@asynccontextmanager
async def _first_of(block: Any) -> AsyncGenerator[Any]:
    async with block as (first, *others):
        for other in others:
            await other.aclose()
        yield first


OPERATORS: dict[str, Open] = {
    "map": lambda s: ak.concurrent_map(echo, s, limit=2),
    "filter": lambda s: ak.concurrent_filter(passes, s, limit=2),
    "expand": lambda s: ak.concurrent_expand(leaf, s, limit=2),
    "flat_map": lambda s: ak.concurrent_flat_map(alone, s, limit=2),
    "flat_map_unordered": lambda s: ak.concurrent_flat_map_unordered(alone, s, limit=2),
    "merge": lambda s: ak.concurrent_merge(s, [10, 11]),
    "zip": lambda s: ak.concurrent_zip(s, range(99)),
    "zip_latest": lambda s: ak.concurrent_zip_latest(s, [0]),
    "buffer": lambda s: ak.concurrent_buffer(s, 2),
    "buffer of 0": lambda s: ak.concurrent_buffer(s, 0),
    "until": lambda s: ak.concurrent_until(s, anyio.sleep_forever),
    "broadcast": lambda s: _first_of(ak.concurrent_broadcast(s, 2, buffer=2)),
    "partition": lambda s: _first_of(
        ak.concurrent_partition(s, lambda _: 0, [0, 1], buffer=2)
    ),
    "balance": lambda s: _first_of(ak.concurrent_balance(s, 2, buffer=2)),
    "batched": lambda s: ak.concurrent_batched(s, 2, within=1),
    "latest": ak.concurrent_latest,
    "heartbeat": lambda s: ak.concurrent_heartbeat(s, 11, seconds=9),
    "debounce": lambda s: ak.concurrent_debounce(s, seconds=0.1),
    "sample": lambda s: ak.concurrent_sample(s, seconds=0.5),
    "switch_map": lambda s: ak.concurrent_switch_map(alone, s),
}
DROPPING = {"debounce", "sample", "switch_map"}
"""What may drop so much that no call is running when the block is left."""


def number(result: Any) -> int:
    """The item that a result of whatever block was made of."""
    return int(result[0] if isinstance(result, tuple) else result)  # pyright: ignore[reportUnknownArgumentType]


def before_a_map(open_operator: Open) -> ConcurrentMapLike:
    """A map that reads its source through another operator."""

    @asynccontextmanager
    async def like(
        func: Any, source: Any, /, *, limit: int
    ) -> AsyncGenerator[AsyncIterable[Any]]:
        async with (
            open_operator(source) as items,
            ak.concurrent_map(func, ak.amap(number, items), limit=limit) as results,
        ):
            yield results

    return like


@pytest.mark.parametrize("name", OPERATORS)
def test_an_operator_keeps_the_laws_of_leaving(name: str) -> None:
    laws = ["interruption", "nothing out of the blue"]
    if name not in DROPPING:
        laws.append("cleanup")
    report = check_laws(
        before_a_map(OPERATORS[name]), ordered=True, laws=laws, schedules=1, name=name
    )
    report.assert_all_hold()


FAULTS: dict[str, tuple[type[Any], str, str, str]] = {
    "cleanup": (BlockTask, "shield", "self._shield.shield = True", "pass"),
    "interruption": (BlockTask, "interrupt", "self.unshield()", "pass"),
    "nothing out of the blue": (
        SourceTask,
        "stop",
        "if self._is_in_source():",
        "if True:",
    ),
}


@leaves_garbage
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("law", FAULTS)
def test_a_fault_in_our_own_tasks_is_found(
    law: str, backend: Literal["asyncio", "trio"], monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, method, right, wrong = FAULTS[law]
    fault = changed(getattr(owner, method), right, wrong, owner=owner)
    monkeypatch.setattr(owner, method, fault)
    report = check_laws(
        ak.concurrent_map, ordered=True, laws=[law], schedules=1, backends=(backend,)
    )
    gc.collect()
    assert not report.holds
