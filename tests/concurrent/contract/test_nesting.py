"""A source that holds a block, a pipeline or a task group is stopped like any other.

At any pace of the reader, it causes no cancellation that no code asked for.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import anyio
import pytest

import aiterkit as ak
from aiterkit.testing import explore, run_in_virtual_time

from ...catalogue import FirstReader  # noqa: TID252 - tests stand on no path
from ...helpers import Boom  # noqa: TID252 - tests stand on no path

PACES = [0, 0.0004, 0.003]
RUNS = [
    *((pace, "break") for pace in PACES),
    (0, "error"),
    (0.0004, "deadline"),
    (0.0004, "end"),
]


async def call(item: int) -> int:
    """The first are quick; then they run for long."""
    await anyio.sleep(0.001 if item < 2 else 30)
    return item


async def quick(item: int) -> int:
    await anyio.sleep(0.0005 if item else 0)
    return item


async def leaf(item: int) -> list[int]:
    await call(item)
    return []


async def passes(item: int) -> bool:
    await call(item)
    return True


async def few(item: int) -> AsyncGenerator[int]:
    for _ in range(3):
        await anyio.sleep(0.001 if item < 2 else 30)
        yield item


async def ticks() -> AsyncGenerator[int]:
    for item in range(6):
        await anyio.sleep(0.001)
        yield item


Open = Callable[[Any], Any]
BLOCKS: dict[str, Open] = {
    "map": lambda s: ak.concurrent_map(call, s, limit=2),
    "map of one": lambda s: ak.concurrent_map(call, s, limit=1, buffer=0),
    "map_unordered": lambda s: ak.concurrent_map_unordered(call, s, limit=2),
    "filter": lambda s: ak.concurrent_filter(passes, s, limit=2),
    "expand": lambda s: ak.concurrent_expand(leaf, s, limit=2),
    "flat_map": lambda s: ak.concurrent_flat_map(few, s, limit=2),
    "flat_map_unordered": lambda s: ak.concurrent_flat_map_unordered(few, s, limit=2),
    "switch_map": lambda s: ak.concurrent_switch_map(few, s),
    "merge": lambda s: ak.concurrent_merge(s, ticks()),
    "zip": lambda s: ak.concurrent_zip(s, range(3)),
    "zip_latest": lambda s: ak.concurrent_zip_latest(s, range(3)),
    "buffer": lambda s: ak.concurrent_buffer(s, 1),
    "batched": lambda s: ak.concurrent_batched(s, 2, within=0.001),
    "latest": ak.concurrent_latest,
    "debounce": lambda s: ak.concurrent_debounce(s, seconds=0.0005),
    "sample": lambda s: ak.concurrent_sample(s, seconds=0.001),
    "broadcast": lambda s: FirstReader(ak.concurrent_broadcast(s, 2, buffer=1)),
    "partition": lambda s: FirstReader(
        ak.concurrent_partition(s, lambda _: 0, [0, 1], buffer=1)
    ),
}


def number(result: Any) -> int:
    """The item that a result of whatever block was made of."""
    while isinstance(result, tuple):
        result = result[0]  # pyright: ignore[reportUnknownVariableType]
    return int(result or 0)  # pyright: ignore[reportUnknownArgumentType]


async def holding(block: Open) -> AsyncGenerator[int]:
    async with block(ticks()) as results:
        async for result in results:
            yield number(result)


async def holding_a_pipeline() -> AsyncGenerator[int]:
    async with (
        ak.concurrent_map(quick, ticks(), limit=2) as first,
        ak.concurrent_map_unordered(call, first, limit=2) as second,
        ak.concurrent_buffer(second, 1) as third,
    ):
        async for item in third:
            yield item


async def holding_a_task_group() -> AsyncGenerator[int]:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(partial(ak.concurrent_for_each, call, ticks(), limit=2))
        for item in range(4):
            await anyio.sleep(0.0007)
            yield item
        tasks.cancel_scope.cancel()


INNER: dict[str, Callable[[], Any]] = {
    **{name: partial(holding, block) for name, block in BLOCKS.items()},
    "a pipeline": holding_a_pipeline,
    "a task group": holding_a_task_group,
}


async def use(outer: Open, source: Any, pace: float, exit_: str) -> None:
    """Read two results at a *pace*, and leave."""
    try:
        with anyio.move_on_after(0.0055 if exit_ == "deadline" else 60):
            async with outer(source) as results:
                await read(results, pace, exit_)
    except Boom:
        assert exit_ == "error"


async def read(results: AsyncIterator[Any], pace: float, exit_: str) -> None:
    count = 0
    with anyio.move_on_after(0.01):
        async for _ in results:
            await anyio.sleep(pace)
            count += 1
            if exit_ != "end" and count == 2:
                break
    if exit_ == "error":
        raise Boom
    if exit_ == "deadline":
        await anyio.sleep(1)


@pytest.mark.parametrize("inner", INNER)
@pytest.mark.parametrize("outer", BLOCKS)
def test_no_cancellation_comes_out_of_the_blue(outer: str, inner: str) -> None:
    async def main() -> None:
        for pace, exit_ in RUNS:
            await use(BLOCKS[outer], INNER[inner](), pace, exit_)

    for backend in ("asyncio", "trio"):
        run_in_virtual_time(main, backend=backend)


@pytest.mark.parametrize("inner", ["map", "merge", "a pipeline", "a task group"])
@pytest.mark.parametrize("outer", ["map of one", "flat_map", "switch_map", "zip"])
def test_nor_under_any_schedule(outer: str, inner: str) -> None:
    for pace in PACES:

        async def main(pace: float = pace) -> None:
            await use(BLOCKS[outer], INNER[inner](), pace, "break")

        explore(main, schedules=12, seed=1)


async def test_inner_sources_that_hold_blocks_may_be_overtaken() -> None:
    async with AsyncExitStack() as stack:
        results = await stack.enter_async_context(
            ak.concurrent_switch_map(lambda _: holding_a_pipeline(), ticks())
        )
        with anyio.move_on_after(0.5):
            async for _ in results:
                pass
