"""Misuse of `concurrent_filter`: type checkers must reject the marked lines."""

from collections.abc import AsyncIterable
from typing import TypeGuard

from typing_extensions import TypeIs

import aiterkit as ak

from .functions import is_odd


async def is_string(item: int | str) -> TypeIs[str]:
    return isinstance(item, str)


async def is_less(item: int, than: int = 3) -> bool:
    return item < than


def is_word_now(item: int | str) -> TypeGuard[str]:
    return isinstance(item, str)


def listed(item: int) -> list[int]:
    return [item]


async def misuse(mixed: AsyncIterable[int | str]) -> None:
    ak.concurrent_filter(is_word_now, mixed, limit=2)  # rejected
    ak.concurrent_filter(is_odd, [1], limit=2)  # rejected
    ak.concurrent_filter(lambda n: n > 1, [1], limit=2)  # rejected
    ak.concurrent_filter(None, [1], limit=2)  # rejected
    ak.concurrent_filter(is_less, ["a"], limit=2)  # rejected
    ak.concurrent_filter(is_string, [b"a"], limit=2)  # rejected
    ak.concurrent_filter(is_less, [1])  # rejected
    ak.concurrent_filter(is_less, 1, limit=2)  # rejected
    ak.concurrent_filter(is_less, [1], limit=2, key=str.lower)  # rejected
    ak.concurrent_filter(is_less, [1], limit=2, key=listed)  # rejected
    ak.concurrent_filter(is_less, [1], limit=2, key="name")  # rejected
    ak.concurrent_filter(is_less, [1], limit=2, key=str, per_key="2")  # rejected
    ak.concurrent_filter(is_less, [1], limit=2, key=str, per_key=None)  # rejected
