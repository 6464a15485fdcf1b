"""What type checkers infer for the functions in ``_sequential/reduce.py``."""

from collections.abc import AsyncIterable
from typing import assert_type

import aiterkit as ak

from .functions import (
    added,
    added_later,
    fetched,
    is_odd,
    is_odd_later,
    is_word,
    longer,
    longer_later,
    number,
    numbers,
    text,
    words,
)


async def total(items: list[int]) -> int:
    return sum(items)


async def acollect() -> None:
    assert_type(await ak.acollect(words()), list[str])
    assert_type(await ak.acollect(text()), list[str])
    assert_type(await ak.acollect(words(), into=list), list[str])
    assert_type(await ak.acollect(words(), into=set), set[str])
    assert_type(await ak.acollect(words(), into=frozenset), frozenset[str])
    assert_type(await ak.acollect(words(), into=tuple), tuple[str, ...])
    assert_type(await ak.acollect(ak.aenumerate(words()), into=dict), dict[int, str])
    assert_type(await ak.acollect(words(), into="".join), str)
    assert_type(await ak.acollect(words(), into=len), int)
    assert_type(await ak.acollect(numbers(), into=total), int)


async def areduce() -> None:
    assert_type(await ak.areduce(added, numbers()), int)
    assert_type(await ak.areduce(added_later, numbers()), int)
    assert_type(await ak.areduce(longer, numbers(), ""), str)
    assert_type(await ak.areduce(longer_later, numbers(), ""), str)


async def sums(flags: AsyncIterable[bool], floats: AsyncIterable[float]) -> None:
    assert_type(await ak.asum(numbers()), int)
    assert_type(await ak.asum(flags), int)
    assert_type(await ak.asum(floats, 0.5), float)
    assert_type(await ak.asum(ak.abatched(words(), 2), ()), tuple[str, ...] | tuple[()])
    assert_type(await ak.alen(words()), int)
    assert_type(await ak.aall(words()), bool)
    assert_type(await ak.aany(words()), bool)


async def extremes() -> None:
    assert_type(await ak.amin(numbers()), int)
    assert_type(await ak.amin(numbers(), default=None), int | None)
    assert_type(await ak.amin(words(), key=len), str)
    assert_type(await ak.amin(numbers(), key=fetched), int)
    assert_type(await ak.amin(numbers(), key=fetched, default=None), int | None)
    assert_type(await ak.amax(numbers()), int)
    assert_type(await ak.amax(numbers(), default=None), int | None)
    assert_type(await ak.amax(words(), key=len), str)
    assert_type(await ak.amax(numbers(), key=fetched), int)
    assert_type(await ak.asorted(words()), list[str])
    assert_type(await ak.asorted(words(), key=len, reverse=True), list[str])
    assert_type(await ak.asorted(numbers(), key=fetched), list[int])
    assert_type(await ak.anlargest(2, words()), list[str])
    assert_type(await ak.anlargest(2, words(), len), list[str])
    assert_type(await ak.ansmallest(2, numbers()), list[int])
    assert_type(await ak.ansmallest(2, numbers(), key=fetched), list[int])


async def places() -> None:
    assert_type(await ak.afirst(words()), str)
    assert_type(await ak.afirst(words(), None), str | None)
    assert_type(await ak.alast(words()), str)
    assert_type(await ak.alast(words(), default=number()), str | int)
    assert_type(await ak.anth(words(), 1), str | None)
    assert_type(await ak.anth(words(), 1, ""), str)


async def afind(
    mixed: AsyncIterable[int | str], optional: AsyncIterable[int | None]
) -> None:
    assert_type(await ak.afind(is_odd, numbers()), int | None)
    assert_type(await ak.afind(is_odd_later, numbers()), int | None)
    assert_type(await ak.afind(is_odd, numbers(), 0), int)
    assert_type(await ak.afind(is_word, mixed), str | None)
    assert_type(await ak.afind(is_word, mixed, ""), str)
    assert_type(await ak.afind(None, optional), int | None)
