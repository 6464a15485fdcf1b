"""Busy keys hold up no quiet one."""

from collections.abc import AsyncGenerator
from typing import Any

import anyio
import pytest

import aiterkit as ak


async def endless(keys: str, quiet: str) -> AsyncGenerator[str]:
    for key in keys:
        yield key
    yield quiet
    while True:
        for key in keys:
            yield key


@pytest.mark.parametrize("busy", ["a", "abc"])
async def test_an_item_of_a_quiet_key_is_overtaken_by_few(busy: str) -> None:
    async def call(item: str) -> str:
        await anyio.sleep(1)
        return item

    limit = len(busy)
    window = limit + 9
    before = 0
    async with ak.concurrent_map_unordered(
        call, endless(busy, "quiet"), limit=limit, buffer=9, key=lambda item: item
    ) as results:
        async for item in results:
            if item == "quiet":
                break
            before += 1
            assert before <= window


def first_letter(item: str) -> str:
    return item[0]


@pytest.mark.parametrize("name", ["concurrent_for_each", "concurrent_collect"])
@pytest.mark.parametrize("is_async", [True, False])
async def test_calls_one_by_one_start_in_input_order(name: str, is_async: Any) -> None:
    items = ["a1", "b1", "a2", "c1", "a3", "a4", "b2"]
    started: list[str] = []

    async def call(item: str) -> None:
        started.append(item)
        await anyio.sleep(1)

    async def source() -> AsyncGenerator[str]:
        for item in items:
            yield item

    await getattr(ak, name)(
        call,
        source() if is_async else items,
        limit=1,
        buffer=9,
        key=first_letter,
    )
    # An a waits while the a before it runs; else the order is that of the input.
    assert started == ["a1", "b1", "a2", "c1", "a3", "a4", "b2"]
