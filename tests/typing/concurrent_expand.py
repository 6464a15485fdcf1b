"""What type checkers infer for the operator in ``_concurrent/map/expand.py``."""

from operator import itemgetter
from typing import assert_type

from anyio import CapacityLimiter

import aiterkit as ak

from .functions import words


class Page:
    """What was found, and where to go on."""

    links: list[str]


async def links(page: str) -> list[str]:
    return [page]


async def fetch(_url: str) -> Page:
    return Page()


async def fetch_pair(url: str) -> tuple[bytes, list[str]]:
    return url.encode(), [url]


def links_of(page: Page) -> list[str]:
    return page.links


def links_if_any(page: ak.Ok[Page, str] | ak.Err[OSError, str]) -> list[str]:
    return page.value.links if isinstance(page, ak.Ok) else []


async def crawl() -> None:
    async with ak.concurrent_expand(links, words(), limit=2, key=str.lower) as pages:
        assert_type(pages, ak.UnorderedMapResults[str])
        assert_type(pages.statistics(), ak.MapStatistics)
        async for page in pages:
            assert_type(page, str)
    async with ak.concurrent_expand(links, ["a"], limit=2, max_waiting=9) as others:
        assert_type(await anext(others), str)
    budget = CapacityLimiter(2)
    async with ak.concurrent_expand(links, ["a"], limit=budget) as shared:
        assert_type(await anext(shared), str)


async def results() -> None:
    async with ak.concurrent_expand(
        fetch, words(), limit=2, follow=links_of, key=str.lower
    ) as pages:
        assert_type(pages, ak.UnorderedMapResults[Page])
    async with ak.concurrent_expand(
        fetch, ["a"], limit=2, follow=lambda page: page.links
    ) as inline:
        assert_type(await anext(inline), Page)
    async with ak.concurrent_expand(
        fetch_pair, ["a"], limit=2, follow=itemgetter(1)
    ) as pairs:
        assert_type(await anext(pairs), tuple[bytes, list[str]])
    async with ak.concurrent_expand(
        ak.captured(fetch, OSError), ["a"], limit=2, follow=links_if_any
    ) as outcomes:
        async for outcome in outcomes:
            if isinstance(outcome, ak.Ok):
                assert_type(outcome.value, Page)
            else:
                assert_type(outcome.error, OSError)
