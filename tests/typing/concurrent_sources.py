"""What type checkers infer for the concurrent operators that read sources."""

import asyncio
from functools import partial
from typing import assert_type

from anyio import CapacityLimiter

import aiterkit as ak

from .functions import is_odd_later, numbers, words


async def concurrent_buffer() -> None:
    async with ak.concurrent_buffer(words(), 3) as results:
        assert_type(results, ak.Results[str])
    async with ak.concurrent_buffer([1], size=0) as ones:
        assert_type([one async for one in ones], list[int])


async def concurrent_filter() -> None:
    async with ak.concurrent_filter(is_odd_later, numbers(), limit=3) as results:
        assert_type(results, ak.MapResults[int])
    async with ak.concurrent_filter(is_odd_later, [1], limit=3, buffer=0) as ones:
        assert_type([one async for one in ones], list[int])


async def spelled(number: int) -> list[str]:
    return [str(number)]


async def concurrent_flat_map() -> None:
    async with ak.concurrent_flat_map(spelled, numbers(), limit=3) as results:
        assert_type(results, ak.FlatMapResults[str])
        assert_type(results.statistics(), ak.FlatMapStatistics)
    async with ak.concurrent_flat_map_unordered(spelled, [1], limit=3) as arrivals:
        assert_type(arrivals, ak.UnorderedFlatMapResults[str])
        assert_type(arrivals.statistics(), ak.FlatMapStatistics)
    budget = CapacityLimiter(2)
    async with ak.concurrent_flat_map(spelled, [1], limit=budget, buffer=0) as shared:
        assert_type(shared, ak.FlatMapResults[str])
    async with ak.concurrent_flat_map_unordered(spelled, [1], limit=budget) as others:
        assert_type(others, ak.UnorderedFlatMapResults[str])


async def concurrent_merge() -> None:
    async with ak.concurrent_merge(words(), ["a"]) as results:
        assert_type(results, ak.UnorderedResults[str])
        assert_type(results.statistics(), ak.Statistics)
    async with ak.concurrent_merge(numbers(), buffer=3) as ones:
        assert_type([one async for one in ones], list[int])
    async with ak.concurrent_merge(words(), ["a"], until="any") as shortest:
        assert_type(shortest, ak.UnorderedResults[str])
    async with ak.concurrent_merge(words(), buffer=0, until="first") as led:
        assert_type(await anext(led), str)
    async with ak.concurrent_merge(numbers(), until="all") as whole:
        assert_type(whole, ak.UnorderedResults[int])


async def result_later() -> bytes:
    return b""


async def stopped() -> None:
    pass


async def concurrent_until() -> None:
    async with ak.concurrent_until(words(), asyncio.Event().wait) as taken:
        assert_type(taken, ak.Results[str])
        assert_type(await anext(taken), str)
    async with ak.concurrent_until([1], stopped) as ones:
        assert_type([one async for one in ones], list[int])
    async with ak.concurrent_until(numbers(), partial(asyncio.sleep, 60)) as early:
        assert_type(early, ak.Results[int])
    async with ak.concurrent_until(numbers(), result_later) as ended:
        assert_type(ended, ak.Results[int])


async def concurrent_zip() -> None:
    n, w = numbers(), words()
    async with ak.concurrent_zip() as nothing:
        assert_type(nothing, ak.Results[tuple[()]])
    async with ak.concurrent_zip(n) as one:
        assert_type(one, ak.Results[tuple[int]])
    async with ak.concurrent_zip(n, w, strict=True) as two:
        assert_type(two, ak.Results[tuple[int, str]])
    async with ak.concurrent_zip(n, w, n) as three:
        assert_type(three, ak.Results[tuple[int, str, int]])
    async with ak.concurrent_zip(n, w, n, w) as four:
        assert_type(four, ak.Results[tuple[int, str, int, str]])
    async with ak.concurrent_zip(n, w, n, w, n) as five:
        assert_type(five, ak.Results[tuple[int, str, int, str, int]])
    async with ak.concurrent_zip(n, w, n, w, n, w) as six:
        assert_type(six, ak.Results[tuple[int, str, int, str, int, str]])
    async with ak.concurrent_zip(n, n, n, n, n, n, n) as many:
        assert_type(many, ak.Results[tuple[int, ...]])


async def concurrent_zip_latest() -> None:
    n, w = numbers(), words()
    async with ak.concurrent_zip_latest() as nothing:
        assert_type(nothing, ak.UnorderedResults[tuple[()]])
    async with ak.concurrent_zip_latest(n) as one:
        assert_type(one, ak.UnorderedResults[tuple[int]])
    async with ak.concurrent_zip_latest(n, w) as two:
        assert_type(two, ak.UnorderedResults[tuple[int, str]])
    async with ak.concurrent_zip_latest(n, w, n) as three:
        assert_type(three, ak.UnorderedResults[tuple[int, str, int]])
    async with ak.concurrent_zip_latest(n, w, n, w) as four:
        assert_type(four, ak.UnorderedResults[tuple[int, str, int, str]])
    async with ak.concurrent_zip_latest(n, w, n, w, n) as five:
        assert_type(five, ak.UnorderedResults[tuple[int, str, int, str, int]])
    async with ak.concurrent_zip_latest(n, w, n, w, n, w) as six:
        assert_type(six, ak.UnorderedResults[tuple[int, str, int, str, int, str]])
    async with ak.concurrent_zip_latest(n, n, n, n, n, n, n) as many:
        assert_type(many, ak.UnorderedResults[tuple[int, ...]])
