"""What the tests of the contract run over: blocks, ways out, unsafe sources."""

from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any

import anyio
import pytest

from ...catalogue import ENTRIES  # noqa: TID252 - tests stand on no path
from ...helpers import Boom  # noqa: TID252 - as above

USES = [entry for entry in ENTRIES if entry.kind == "block"]
BY_NAME = {str(entry): entry for entry in USES}
BLOCKS = [entry for entry in USES if not entry.variant]
IN_ORDER = [entry for entry in USES if entry.ahead is not None]
RESULTS = [
    entry
    for entry in ENTRIES
    if entry.kind == "result" and entry.name.startswith("concurrent_")
]

# Each kind of task that reads a source, in each block.
EVERY_READER = [entry for entry in USES if entry.variant in ("", "inner")]

every_use = pytest.mark.parametrize("entry", USES, ids=str)
every_block = pytest.mark.parametrize("entry", BLOCKS, ids=str)
every_use_in_order = pytest.mark.parametrize("entry", IN_ORDER, ids=str)
every_eager_block = pytest.mark.parametrize(
    "entry", [entry for entry in BLOCKS if not entry.lazy], ids=str
)
every_reader = pytest.mark.parametrize("entry", EVERY_READER, ids=str)
every_result = pytest.mark.parametrize("entry", RESULTS, ids=str)


# The ways out.


async def at_the_end(results: AsyncIterator[object]) -> None:
    async for _ in results:
        pass


async def by_break(results: AsyncIterator[object]) -> None:
    async for _ in results:
        break


async def by_an_error(results: AsyncIterator[object]) -> None:
    await anext(results)
    raise Boom("body")


async def without_reading(_results: AsyncIterator[object]) -> None:
    pass


async def without_reading_later(_results: AsyncIterator[object]) -> None:
    await anyio.sleep(2.5)


async def cancelled_while_reading(results: AsyncIterator[object]) -> None:
    with anyio.move_on_after(2.5) as scope:
        async for _ in results:
            pass
    scope.cancel()


EXITS = [
    at_the_end,
    by_break,
    by_an_error,
    without_reading,
    without_reading_later,
    cancelled_while_reading,
]
every_exit = pytest.mark.parametrize("leave", EXITS)


async def by_break_later(results: AsyncIterator[object]) -> None:
    """Take one result, do something for long, and go."""
    async for _ in results:
        await anyio.sleep(5.05)
        break


async def by_an_error_later(results: AsyncIterator[object]) -> None:
    await anext(results)
    await anyio.sleep(5.05)
    raise Boom("body")


# Sources that are unsafe anywhere else: what they hold across a `yield` would
# interrupt the task that reads them. Here, that is a task of the block's own.


async def holding_a_task_group(log: list[str]) -> AsyncGenerator[int]:
    async def tick() -> None:
        while True:
            await anyio.sleep(1)
            log.append("tick")

    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(tick)
            for item in range(9):
                await anyio.sleep(0.75)
                yield item
            tasks.cancel_scope.cancel()
    finally:
        log.append("closed")


async def holding_a_timeout(log: list[str]) -> AsyncGenerator[int]:
    try:
        with anyio.fail_after(1000):
            for item in range(9):
                await anyio.sleep(1)
                yield item
    finally:
        log.append("closed")


async def holding_a_shield(log: list[str]) -> AsyncGenerator[int]:
    try:
        with anyio.CancelScope(shield=True):
            for item in range(9):
                await anyio.sleep(1)
                yield item
    finally:
        log.append("closed")


SCOPED: list[Any] = [holding_a_task_group, holding_a_timeout, holding_a_shield]
