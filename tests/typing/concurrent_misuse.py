"""Misuse of the concurrent side: type checkers must reject the marked lines."""

import asyncio

from aiterkit import (
    concurrent_batched,
    concurrent_collect,
    concurrent_for_each,
    concurrent_latest,
    concurrent_map,
    concurrent_map_unordered,
    concurrent_merge,
    concurrent_until,
)


async def fetch(url: str) -> bytes:
    return url.encode()


async def fetch_from(host: str, url: str) -> bytes:
    return f"{host}/{url}".encode()


def upper(word: str) -> str:
    return word.upper()


urls = ["a", "b"]


async def iterated_without_its_block() -> None:
    async for _ in concurrent_map(fetch, urls, limit=2):  # rejected
        pass
    async for _ in concurrent_map_unordered(fetch, urls, limit=2):  # rejected
        pass
    [page async for page in concurrent_map(fetch, urls, limit=2)]  # rejected


async def awaited() -> None:
    await concurrent_map(fetch, urls, limit=2)  # rejected
    await concurrent_map_unordered(fetch, urls, limit=2)  # rejected


async def entered_like_a_file() -> None:
    with concurrent_map(fetch, urls, limit=2):  # rejected
        pass
    for _ in concurrent_map(fetch, urls, limit=2):  # rejected
        pass


async def a_sync_function() -> None:
    concurrent_map(upper, urls, limit=2)  # rejected
    concurrent_map_unordered(upper, urls, limit=2)  # rejected
    await concurrent_collect(upper, urls, limit=2)  # rejected
    await concurrent_for_each(upper, urls, limit=2)  # rejected
    await concurrent_collect(len, urls, limit=2)  # rejected
    await concurrent_collect(lambda url: url.upper(), urls, limit=2)  # rejected


async def no_limit() -> None:
    concurrent_map(fetch, urls)  # rejected
    concurrent_map_unordered(fetch, urls)  # rejected
    await concurrent_collect(fetch, urls)  # rejected
    await concurrent_for_each(fetch, urls)  # rejected


async def a_limit_out_of_place_or_kind() -> None:
    concurrent_map(fetch, urls, 2)  # rejected
    await concurrent_collect(fetch, urls, 2)  # rejected
    concurrent_map(fetch, urls, limit="2")  # rejected
    await concurrent_collect(fetch, urls, limit=2.5)  # rejected
    concurrent_map(fetch, urls, limit=None)  # rejected
    concurrent_map(fetch, urls, limit=2, buffer=0.5)  # rejected


async def items_of_the_wrong_type() -> None:
    concurrent_map(fetch, [1, 2], limit=2)  # rejected
    await concurrent_collect(fetch, [b"a"], limit=2)  # rejected
    concurrent_map(fetch, 3, limit=2)  # rejected


async def a_function_of_the_wrong_shape() -> None:
    concurrent_map(fetch_from, urls, limit=2)  # rejected
    concurrent_map(None, urls, limit=2)  # rejected
    concurrent_map("fetch", urls, limit=2)  # rejected


async def arguments_by_name() -> None:
    concurrent_map(func=fetch, source=urls, limit=2)  # rejected


async def results_of_the_wrong_type() -> None:
    async with concurrent_map(fetch, urls, limit=2) as pages:
        text: str = await anext(pages)  # rejected
        text.upper()
    texts: list[str] = await concurrent_collect(fetch, urls, limit=2)  # rejected
    texts.clear()


async def a_stop_that_cannot_be_called_or_awaited() -> None:
    stopping = asyncio.Event()
    concurrent_until(urls, stopping)  # rejected
    concurrent_until(urls, stopping.is_set)  # rejected
    concurrent_until(urls, fetch)  # rejected
    concurrent_until(urls, 60)  # rejected
    concurrent_until(urls)  # rejected
    concurrent_until(3, stopping.wait)  # rejected


async def an_end_that_a_merge_does_not_know() -> None:
    concurrent_merge(urls, until="last")  # rejected
    concurrent_merge(urls, until=None)  # rejected
    concurrent_merge(urls, until=asyncio.Event().wait)  # rejected


async def a_batch_that_nothing_ends() -> None:
    concurrent_batched(urls)  # rejected
    concurrent_batched(urls, 3)  # rejected
    concurrent_batched(urls, 3, weight=len, max_weight=5)  # rejected
    concurrent_batched(urls, 3, within=None)  # rejected
    concurrent_batched(urls, "3", within=1)  # rejected
    concurrent_batched(urls, 3, quiet="1")  # rejected
    concurrent_batched(urls, size=3, quiet=1)  # rejected
    concurrent_batched(urls, 1, 1)  # rejected


async def so_many_of_the_newest() -> None:
    concurrent_latest(urls, None)  # rejected
    concurrent_latest(urls, 2.5)  # rejected
    concurrent_latest(source=urls)  # rejected
