"""What type checkers infer for the operator in ``_concurrent/switch/switch.py``."""

from collections.abc import AsyncIterator
from typing import assert_type

import aiterkit as ak

from .functions import words


async def search(word: str) -> list[int]:
    return [len(word)]


async def stream(word: str) -> AsyncIterator[bytes]:
    yield word.encode()


async def plain(word: str) -> AsyncIterator[bytes]:
    return stream(word)


async def newest() -> None:
    async with ak.concurrent_switch_map(search, words()) as sizes:
        assert_type(sizes, ak.FlatMapResults[int])
        async for size in sizes:
            assert_type(size, int)
    async with ak.concurrent_switch_map(stream, words()) as parts:
        assert_type(await anext(parts), bytes)
    async with ak.concurrent_switch_map(plain, ["a"]) as others:
        assert_type(await anext(others), bytes)
