"""What type checkers infer for `concurrent_filter`."""

from collections.abc import AsyncIterable, Awaitable
from functools import partial
from typing import assert_type

from typing_extensions import TypeIs

import aiterkit as ak

from .functions import is_odd_later, numbers


async def is_short(item: int | str) -> bool:
    return len(str(item)) == 1


async def is_less(item: int, than: int = 3) -> bool:
    return item < than


async def is_there(item: object) -> object:
    return item


async def remainder(item: int) -> int:
    return item % 2


def promised(item: int) -> Awaitable[bool]:
    return is_less(item)


class Judge:
    async def __call__(self, item: int | str) -> TypeIs[str]:
        return isinstance(item, str)

    async def is_short(self, item: int | str) -> bool:
        return len(str(item)) == 1


async def predicates(mixed: AsyncIterable[int | str]) -> None:
    async with ak.concurrent_filter(is_short, mixed, limit=2) as either:
        assert_type(await anext(either), int | str)
    async with ak.concurrent_filter(Judge(), mixed, limit=2) as words:
        assert_type(await anext(words), str)
    async with ak.concurrent_filter(Judge().is_short, mixed, limit=2) as either:
        assert_type(await anext(either), int | str)
    async with ak.concurrent_filter(is_odd_later, numbers(), limit=2) as odd:
        assert_type(await anext(odd), int)
    async with ak.concurrent_filter(is_less, [1], limit=2, buffer=0) as less:
        assert_type(await anext(less), int)
    async with ak.concurrent_filter(is_there, [1], limit=2) as there:
        assert_type(await anext(there), int)
    async with ak.concurrent_filter(remainder, [1], limit=2) as odd:
        assert_type(await anext(odd), int)
    async with ak.concurrent_filter(promised, [1], limit=2) as less:
        assert_type(await anext(less), int)
    async with ak.concurrent_filter(partial(is_less, than=2), [1], limit=2) as less:
        assert_type(await anext(less), int)
    async with ak.concurrent_filter(lambda n: is_less(n + 1), [1], limit=2) as less:
        assert_type(await anext(less), int)


def first(word: str) -> str:
    return word[:1]


async def is_known(word: str) -> bool:
    return word in {"a", "b"}


async def calls_may_be_bounded_per_key(
    names: list[str], mixed: AsyncIterable[int | str]
) -> None:
    async with ak.concurrent_filter(is_known, names, limit=2, key=first) as words:
        assert_type(await anext(words), str)
    async with ak.concurrent_filter(
        is_known, names, limit=2, key=lambda word: word[:1], per_key=4
    ) as words:
        assert_type(await anext(words), str)
    async with ak.concurrent_filter(
        is_short, mixed, limit=2, key=str, per_key=2
    ) as either:
        assert_type(await anext(either), int | str)
    async with ak.concurrent_filter(
        Judge(), mixed, limit=2, key=type, per_key=2
    ) as words:
        assert_type(await anext(words), str)
    async with ak.concurrent_filter(is_known, names, limit=2, key=None) as words:
        assert_type(await anext(words), str)
