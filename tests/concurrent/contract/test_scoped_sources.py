"""A source may hold a scope or tasks across its ``yield``, which end it alone."""

from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any

import anyio
import pytest

from ...catalogue import Entry  # noqa: TID252 - tests stand on no path
from ...helpers import Boom  # noqa: TID252 - as above
from .cases import (
    SCOPED,
    at_the_end,
    every_exit,
    every_reader,
    every_result,
    every_use_in_order,
    without_reading,
)


@every_exit
@every_reader
async def test_it_is_safe_on_every_way_out(leave: Any, entry: Entry) -> None:
    for make in SCOPED:
        log: list[str] = []
        with suppress(Boom):
            async with entry.use(make(log)) as results:
                await leave(results)
                await anyio.sleep(3)  # the body goes on undisturbed
        if leave is not without_reading and not entry.lazy:
            assert log.count("closed") == 1
        assert log[-1:] in (["closed"], [])
        await anyio.sleep(10)
        assert log[-1:] in (["closed"], [])


@every_use_in_order
async def test_it_bears_a_timeout_around_one_wait(entry: Entry) -> None:
    for make in SCOPED:
        log: list[str] = []
        got: list[int] = []
        async with entry.use(make(log)) as results:
            while True:
                with anyio.move_on_after(0.4):
                    try:
                        got.append(entry.back(await anext(results)))
                    except StopAsyncIteration:
                        break
        assert got == list(range(9))
        assert log[-1] == "closed"


@every_reader
@pytest.mark.parametrize("after", [0.5, 3])
async def test_it_bears_a_cancellation_from_outside(entry: Entry, after: float) -> None:
    for make in SCOPED:
        log: list[str] = []
        with anyio.move_on_after(after) as scope:
            async with entry.use(make(log)) as results:
                await at_the_end(results)
        assert scope.cancelled_caught
        assert log[-1] == "closed"
        await anyio.sleep(10)
        assert log[-1] == "closed"


@every_result
async def test_what_is_awaited_bears_it_too(entry: Entry) -> None:
    for make in SCOPED:
        log: list[str] = []
        await entry.use(make(log))
        assert log[-1] == "closed"
        with anyio.move_on_after(2.5):
            await entry.use(make(log))
        assert log[-1] == "closed"
        await anyio.sleep(10)
        assert log[-1] == "closed"


@every_reader
async def test_a_timeout_of_its_own_ends_the_source_alone(entry: Entry) -> None:
    async def source() -> AsyncGenerator[int]:
        with anyio.fail_after(4.5):
            for item in range(99):
                await anyio.sleep(1)
                yield item

    async with entry.use(source()) as results:
        with pytest.raises(TimeoutError):
            async for _ in results:
                await anyio.sleep(3)
        await anyio.sleep(10)


@every_reader
async def test_a_block_left_while_its_timeout_expires_is_left_in_order(
    entry: Entry,
) -> None:
    async def source() -> AsyncGenerator[int]:
        with anyio.fail_after(4.5):
            for item in range(99):
                await anyio.sleep(1)
                yield item

    async with entry.use(source()) as results:
        await anext(results)
        await anyio.sleep(10)


@every_reader
async def test_a_task_of_its_own_that_fails_ends_the_source_alone(entry: Entry) -> None:
    async def fail() -> None:
        await anyio.sleep(4.5)
        raise Boom("child")

    async def source() -> AsyncGenerator[int]:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(fail)
            for item in range(99):
                await anyio.sleep(1)
                yield item

    async with entry.use(source()) as results:
        with pytest.raises(ExceptionGroup) as caught:
            async for _ in results:
                await anyio.sleep(3)
        await anyio.sleep(10)
    assert caught.group_contains(Boom, match="child", depth=1)


@every_use_in_order
async def test_such_sources_nest(entry: Entry) -> None:
    async def inner() -> AsyncGenerator[int]:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.sleep, 100)
            for item in range(9):
                await anyio.sleep(1)
                yield item
            tasks.cancel_scope.cancel()

    async def outer() -> AsyncGenerator[int]:
        with anyio.fail_after(100):
            async with entry.use(inner()) as results:
                async for result in results:
                    yield entry.back(result)

    async with entry.use(outer()) as results:
        async for result in results:
            if entry.back(result) == 4:
                break
        with anyio.move_on_after(0.5):
            await anext(results)
    assert anyio.current_time() <= 7
