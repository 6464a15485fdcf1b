"""A block that is left by another task than entered it says so, and cleans up."""

import asyncio
import gc
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import Any

import anyio
import pytest

import aiterkit as ak

from ...catalogue import Entry  # noqa: TID252 - tests stand on no path
from ...helpers import on_asyncio  # noqa: TID252 - tests stand on no path
from .cleanups import Log, Work, every_subject, generator


@every_subject
@on_asyncio
async def test_it_is_named_and_everything_has_ended(subject: Entry) -> None:
    log = Log()
    stack = AsyncExitStack()
    name = subject.name

    async def start() -> None:
        source = generator(log, "source", 0.01, 600, "ends")
        await stack.enter_async_context(subject.open(source, Work(log)))
        await anyio.sleep(0.5)

    await asyncio.ensure_future(start())
    with pytest.raises(RuntimeError, match=rf"^{name}\(\) was entered by one task"):
        await stack.aclose()
    log.assert_all_cleaned_up()
    await anyio.sleep(1)  # no cancellation comes here


async def pages() -> AsyncGenerator[int]:
    async def fetch(number: int) -> int:
        await anyio.sleep(0.01)
        return number

    async with ak.concurrent_map(fetch, range(99), limit=2) as results:
        async for page in results:
            yield page


@on_asyncio
async def test_a_generator_that_is_finalized_stops_nobody_else() -> None:
    messages: list[Any] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: messages.append(context))

    async def first() -> int:
        async for page in pages():
            return page
        raise AssertionError

    assert await asyncio.ensure_future(first()) == 0
    gc.collect()
    await anyio.sleep(1)
    assert "concurrent_map() was entered" in str(messages[0]["exception"])


async def test_within_aclosing_it_is_left_in_order() -> None:
    async with aclosing(pages()) as source:
        async for page in source:
            assert page == 0
            break
    await anyio.sleep(1)


async def test_as_a_context_manager_it_is_left_in_order() -> None:
    @asynccontextmanager
    async def opened() -> AsyncGenerator[Any]:
        async with ak.concurrent_buffer(range(9), 2) as results:
            yield results

    async with opened() as results:
        async for item in results:
            assert item == 0
            break
    await anyio.sleep(1)
