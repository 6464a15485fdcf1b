"""What the checkers say of the concurrent operators that read sources."""

from typing import assert_type

import aiterkit as ak

from .functions import numbers, words


async def concurrent_buffer() -> None:
    async with ak.concurrent_buffer(words(), 3) as results:
        assert_type(results, ak.Results[str])
    async with ak.concurrent_buffer([1], size=0) as ones:
        assert_type([one async for one in ones], list[int])


async def concurrent_merge() -> None:
    async with ak.concurrent_merge(words(), ["a"]) as results:
        assert_type(results, ak.UnorderedResults[str])
    async with ak.concurrent_merge(numbers(), buffer=3) as ones:
        assert_type([one async for one in ones], list[int])
