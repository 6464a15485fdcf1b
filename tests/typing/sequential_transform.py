"""What type checkers infer for the operators in ``_sequential/transform.py``."""

from collections.abc import AsyncGenerator
from typing import assert_type

import aiterkit as ak

from .functions import (
    Fetcher,
    Shower,
    added,
    added_later,
    eventually,
    fetched,
    later_with_tag,
    longer,
    longer_later,
    number,
    numbers,
    perhaps,
    same,
    shown,
    tagged,
    tagged_later,
    text,
    with_tag,
    words,
)


def total(*found: int) -> int:
    return sum(found)


async def total_later(*found: int) -> int:
    return sum(found)


async def amap() -> None:
    assert_type(ak.amap(shown, numbers()), AsyncGenerator[str, None])
    assert_type(ak.amap(fetched, numbers()), AsyncGenerator[str, None])
    assert_type(ak.amap(eventually, numbers()), AsyncGenerator[str, None])
    assert_type(ak.amap(perhaps, numbers()), AsyncGenerator[str, None])
    assert_type(ak.amap(shown, [1]), AsyncGenerator[str, None])
    assert_type(ak.amap(fetched, [1]), AsyncGenerator[str, None])
    assert_type(ak.amap(Shower(), [1]), AsyncGenerator[str, None])
    assert_type(ak.amap(Fetcher(), [1]), AsyncGenerator[str, None])
    assert_type(ak.amap(Shower().method, [1]), AsyncGenerator[str, None])
    assert_type(ak.amap(Shower().fetch, [1]), AsyncGenerator[str, None])
    assert_type(ak.amap(with_tag, [1]), AsyncGenerator[str, None])
    assert_type(ak.amap(later_with_tag, [1]), AsyncGenerator[str, None])
    assert_type(ak.amap(str, [1]), AsyncGenerator[str, None])
    assert_type(ak.amap(len, words()), AsyncGenerator[int, None])
    assert_type(ak.amap(lambda n: str(n), [1]), AsyncGenerator[str, None])
    assert_type(ak.amap(lambda n: fetched(n), [1]), AsyncGenerator[str, None])
    assert_type(ak.amap(same, numbers()), AsyncGenerator[int, None])
    assert_type(ak.amap(tagged, words(), numbers()), AsyncGenerator[str, None])
    assert_type(ak.amap(tagged_later, "ab", [1]), AsyncGenerator[str, None])
    assert_type(ak.amap(shown, [1], strict=True), AsyncGenerator[str, None])
    assert_type(ak.amap(tagged, "ab", [1], strict=True), AsyncGenerator[str, None])
    assert_type(ak.amap(total, [1], [2], [3]), AsyncGenerator[int, None])
    assert_type(ak.amap(total_later, [1], [2], [3]), AsyncGenerator[int, None])
    assert_type(ak.amap(total, [1], [2], [3], numbers()), AsyncGenerator[int, None])
    assert_type(
        ak.amap(total_later, [1], [2], [3], [4], [5], strict=True),
        AsyncGenerator[int, None],
    )


async def astarmap() -> None:
    pairs = [("a", 1)]
    assert_type(ak.astarmap(tagged, pairs), AsyncGenerator[str, None])
    assert_type(ak.astarmap(tagged_later, pairs), AsyncGenerator[str, None])
    zipped = ak.azip(words(), numbers())
    assert_type(ak.astarmap(tagged, zipped), AsyncGenerator[str, None])


async def aenumerate() -> None:
    assert_type(ak.aenumerate(words()), AsyncGenerator[tuple[int, str], None])
    assert_type(ak.aenumerate(text(), start=1), AsyncGenerator[tuple[int, str], None])


async def aaccumulate() -> None:
    assert_type(ak.aaccumulate(numbers()), AsyncGenerator[int, None])
    assert_type(ak.aaccumulate(numbers(), initial=1), AsyncGenerator[int, None])
    assert_type(ak.aaccumulate(numbers(), added), AsyncGenerator[int, None])
    assert_type(ak.aaccumulate(numbers(), added_later), AsyncGenerator[int, None])
    assert_type(
        ak.aaccumulate(numbers(), longer, initial=""), AsyncGenerator[str, None]
    )
    assert_type(
        ak.aaccumulate(numbers(), longer_later, initial=""), AsyncGenerator[str, None]
    )


async def apairwise_and_batches() -> None:
    assert_type(ak.apairwise(words()), AsyncGenerator[tuple[str, str], None])
    assert_type(ak.abatched(words(), 2), AsyncGenerator[tuple[str, ...], None])
    assert_type(
        ak.abatched(words(), 2, strict=True), AsyncGenerator[tuple[str, ...], None]
    )


async def awindowed() -> None:
    assert_type(ak.awindowed(words(), 2), AsyncGenerator[tuple[str | None, ...], None])
    assert_type(
        ak.awindowed(words(), 2, step=2), AsyncGenerator[tuple[str | None, ...], None]
    )
    assert_type(ak.awindowed(words(), 2, "-"), AsyncGenerator[tuple[str, ...], None])
    assert_type(
        ak.awindowed(words(), 2, number()), AsyncGenerator[tuple[str | int, ...], None]
    )


async def agroupby() -> None:
    assert_type(
        ak.agroupby(words()),
        AsyncGenerator[tuple[str, AsyncGenerator[str, None]], None],
    )
    assert_type(
        ak.agroupby(words(), len),
        AsyncGenerator[tuple[int, AsyncGenerator[str, None]], None],
    )
    assert_type(
        ak.agroupby(numbers(), key=fetched),
        AsyncGenerator[tuple[str, AsyncGenerator[int, None]], None],
    )


def letters(number: int) -> list[str]:
    return ["a"] * number


async def letters_later(number: int) -> list[str]:
    return ["a"] * number


async def letters_in_time(number: int) -> AsyncGenerator[str, None]:
    for _ in range(number):
        yield "a"


async def flat() -> None:
    assert_type(ak.aflat_map(letters, numbers()), AsyncGenerator[str, None])
    assert_type(ak.aflat_map(letters_later, numbers()), AsyncGenerator[str, None])
    assert_type(ak.aflat_map(letters_in_time, numbers()), AsyncGenerator[str, None])
    assert_type(ak.aflatten([words(), words()]), AsyncGenerator[str, None])
    assert_type(ak.aflatten([["a"], ["b"]]), AsyncGenerator[str, None])
    assert_type(ak.aflatten(ak.abatched(words(), 2)), AsyncGenerator[str, None])
