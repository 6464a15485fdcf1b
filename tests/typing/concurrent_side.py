"""What a type checker infers for the concurrent side."""

from collections.abc import AsyncIterator, Awaitable, Coroutine, Iterator
from functools import partial
from typing import Any, TypeVar, assert_type

from aiterkit import (
    concurrent_collect,
    concurrent_for_each,
    concurrent_map,
    concurrent_map_unordered,
)

T = TypeVar("T")


async def fetch(url: str) -> bytes:
    return url.encode()


async def fetch_within(url: str, seconds: float = 1.0) -> bytes:
    return url.encode() * int(seconds)


async def size(page: bytes) -> int:
    return len(page)


async def same(item: T) -> T:
    return item


async def listed(item: T) -> list[T]:
    return [item]


def started(url: str) -> Coroutine[Any, Any, bytes]:
    return fetch(url)


def promised(url: str) -> Awaitable[bytes]:
    return fetch(url)


class Client:
    async def get(self, url: str) -> bytes:
        return url.encode()

    @classmethod
    async def shared(cls, url: str) -> bytes:
        return url.encode()

    @staticmethod
    async def plain(url: str) -> bytes:
        return url.encode()


class Fetcher:
    async def __call__(self, url: str) -> bytes:
        return url.encode()


async def links() -> AsyncIterator[str]:
    yield "a"


def words() -> Iterator[str]:
    yield "a"


urls = ["a", "b"]


async def a_map_enters_as_an_iterator_of_results() -> None:
    async with concurrent_map(fetch, urls, limit=2) as pages:
        assert_type(await anext(pages), bytes)
        async for page in pages:
            assert_type(page, bytes)
    async with concurrent_map_unordered(fetch, urls, limit=2) as pages:
        assert_type(await anext(pages), bytes)
        async for page in pages:
            assert_type(page, bytes)


async def any_kind_of_async_callable_will_do() -> None:
    assert_type(await concurrent_collect(fetch, urls, limit=2), list[bytes])
    assert_type(await concurrent_collect(fetch_within, urls, limit=2), list[bytes])
    assert_type(await concurrent_collect(started, urls, limit=2), list[bytes])
    assert_type(await concurrent_collect(promised, urls, limit=2), list[bytes])
    assert_type(await concurrent_collect(Client().get, urls, limit=2), list[bytes])
    assert_type(await concurrent_collect(Client.shared, urls, limit=2), list[bytes])
    assert_type(await concurrent_collect(Client.plain, urls, limit=2), list[bytes])
    assert_type(await concurrent_collect(Fetcher(), urls, limit=2), list[bytes])


async def lambdas_take_the_type_of_the_item() -> None:
    assert_type(
        await concurrent_collect(lambda url: fetch(url), urls, limit=2), list[bytes]
    )
    async with concurrent_map(lambda url: fetch(url.upper()), urls, limit=2) as pages:
        async for page in pages:
            assert_type(page, bytes)


async def partials_keep_their_result() -> None:
    quick = partial(fetch_within, seconds=0.5)
    assert_type(await concurrent_collect(quick, urls, limit=2), list[bytes])
    async with concurrent_map_unordered(quick, urls, limit=2) as pages:
        async for page in pages:
            assert_type(page, bytes)


async def generic_functions_are_solved() -> None:
    assert_type(await concurrent_collect(same, urls, limit=2), list[str])
    collected = await concurrent_collect(listed, urls, limit=2)
    assert_type(collected, list[list[str]])
    async with concurrent_map(same, urls, limit=2) as results:
        async for result in results:
            assert_type(result, str)
    async with concurrent_map_unordered(listed, urls, limit=2) as lists:
        async for one_list in lists:
            assert_type(one_list, list[str])


async def through(items: list[T]) -> list[T]:
    async with concurrent_map(same, items, limit=2) as results:
        return [result async for result in results]


async def a_generic_caller_stays_generic() -> None:
    assert_type(await through([1]), list[int])


async def sources_may_be_of_either_kind() -> None:
    assert_type(await concurrent_collect(fetch, links(), limit=2), list[bytes])
    assert_type(await concurrent_collect(fetch, words(), limit=2), list[bytes])
    assert_type(await concurrent_collect(fetch, {"a"}, limit=2), list[bytes])
    assert_type(await concurrent_collect(fetch, "ab", limit=2), list[bytes])


async def results_are_a_source() -> None:
    async with (
        concurrent_map(fetch, urls, limit=2) as pages,
        concurrent_map_unordered(size, pages, limit=1) as sizes,
    ):
        async for number in sizes:
            assert_type(number, int)


async def for_each_gives_nothing() -> None:
    done = concurrent_for_each(fetch, urls, limit=2)
    assert_type(await done, None)


async def calls_may_be_bounded_per_key() -> None:
    async with concurrent_map(fetch, urls, limit=2, key=len, per_key=4) as pages:
        assert_type([page async for page in pages], list[bytes])
    async with concurrent_map_unordered(
        fetch, urls, limit=2, key=lambda url: url[:1], per_key=4
    ) as pages:
        assert_type([page async for page in pages], list[bytes])
    assert_type(
        await concurrent_collect(fetch, urls, limit=2, key=len, per_key=4), list[bytes]
    )
    await concurrent_for_each(fetch, urls, limit=2, key=str.lower, per_key=4)


async def a_buffer_may_be_named() -> None:
    async with (
        concurrent_map(fetch, urls, limit=2, buffer=0) as first,
        concurrent_map(fetch, urls, limit=2, buffer=None) as second,
        concurrent_map_unordered(fetch, urls, limit=2, buffer=9) as third,
    ):
        assert_type(await anext(first), bytes)
        assert_type(await anext(second), bytes)
        assert_type(await anext(third), bytes)
