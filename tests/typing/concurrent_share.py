"""What type checkers infer for the operators in ``_concurrent/share/share.py``."""

from typing import assert_type

import aiterkit as ak

from .functions import numbers, words


async def every_item() -> None:
    async with ak.concurrent_broadcast(words(), 2, buffer=1) as readers:
        assert_type(readers, tuple[ak.SharedResults[str], ...])
        for reader in readers:
            async for word in reader:
                assert_type(word, str)
            await reader.aclose()


async def every_one_its_own() -> None:
    async with ak.concurrent_balance(numbers(), 2, buffer=0) as readers:
        assert_type(readers, tuple[ak.SharedResults[int], ...])
        assert_type(await anext(readers[0]), int)


async def every_part() -> None:
    async with ak.concurrent_partition(
        numbers(), lambda number: number % 2 == 1, [True, False], buffer=1
    ) as (odd, even):
        assert_type(odd, ak.SharedResults[int])
        assert_type(await anext(even), int)
