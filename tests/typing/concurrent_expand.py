"""What the checkers say of the operator in ``_concurrent/map/expand.py``."""

from typing import assert_type

from anyio import CapacityLimiter

import aiterkit as ak

from .functions import words


async def links(page: str) -> list[str]:
    return [page]


async def crawl() -> None:
    async with ak.concurrent_expand(links, words(), limit=2, key=str.lower) as pages:
        assert_type(pages, ak.ExpandResults[str])
        assert_type(pages.statistics(), ak.ExpandStatistics)
        async for page in pages:
            assert_type(page, str)
    async with ak.concurrent_expand(links, ["a"], limit=2, max_waiting=9) as others:
        assert_type(await anext(others), str)
    budget = CapacityLimiter(2)
    async with ak.concurrent_expand(links, ["a"], limit=budget) as shared:
        assert_type(await anext(shared), str)
