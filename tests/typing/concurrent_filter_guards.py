"""What type checkers infer for `concurrent_filter` with an async type guard.

To mypy there is no such thing, so it does not run over this file by itself.
"""

from collections.abc import AsyncIterable
from typing import TypeGuard, assert_type

from typing_extensions import TypeIs

import aiterkit as ak


async def is_word(item: int | str) -> TypeGuard[str]:
    return isinstance(item, str)


async def is_string(item: int | str) -> TypeIs[str]:
    return isinstance(item, str)


class Judge:
    async def narrow(self, item: int | str) -> TypeGuard[str]:
        return isinstance(item, str)


async def guards(mixed: AsyncIterable[int | str]) -> None:
    async with ak.concurrent_filter(is_word, mixed, limit=2) as words:
        assert_type(await anext(words), str)
    async with ak.concurrent_filter(is_string, mixed, limit=2) as words:
        assert_type(await anext(words), str)
    async with ak.concurrent_filter(Judge().narrow, mixed, limit=2) as words:
        assert_type(await anext(words), str)
