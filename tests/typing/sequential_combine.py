"""What type checkers infer for the operators in ``_sequential/combine.py``."""

from collections.abc import AsyncGenerator
from typing import assert_type

import aiterkit as ak

from .functions import fetched, number, numbers, text, words


async def achain() -> None:
    assert_type(ak.achain(words(), ["a"]), AsyncGenerator[str, None])


async def azip() -> None:
    n, w = numbers(), words()
    assert_type(ak.azip(), AsyncGenerator[tuple[()], None])
    assert_type(ak.azip(n), AsyncGenerator[tuple[int], None])
    assert_type(ak.azip(n, w), AsyncGenerator[tuple[int, str], None])
    assert_type(ak.azip(n, text(), strict=True), AsyncGenerator[tuple[int, str], None])
    assert_type(ak.azip(n, w, n), AsyncGenerator[tuple[int, str, int], None])
    assert_type(ak.azip(n, w, n, w), AsyncGenerator[tuple[int, str, int, str], None])
    assert_type(
        ak.azip(n, w, n, w, n), AsyncGenerator[tuple[int, str, int, str, int], None]
    )
    assert_type(
        ak.azip(n, w, n, w, n, w),
        AsyncGenerator[tuple[int, str, int, str, int, str], None],
    )
    assert_type(ak.azip(n, n, n, n, n, n, n), AsyncGenerator[tuple[int, ...], None])


async def azip_longest() -> None:
    n, w = numbers(), words()
    assert_type(ak.azip_longest(n), AsyncGenerator[tuple[int], None])
    assert_type(
        ak.azip_longest(n, w), AsyncGenerator[tuple[int | None, str | None], None]
    )
    assert_type(
        ak.azip_longest(n, w, fillvalue=number()),
        AsyncGenerator[tuple[int, str | int], None],
    )
    assert_type(
        ak.azip_longest(n, w, n),
        AsyncGenerator[tuple[int | None, str | None, int | None], None],
    )
    assert_type(
        ak.azip_longest(n, n, n, n, n, n, n),
        AsyncGenerator[tuple[int | None, ...], None],
    )
    assert_type(
        ak.azip_longest(n, n, n, n, n, n, n, fillvalue=0),
        AsyncGenerator[tuple[int, ...], None],
    )


async def others() -> None:
    assert_type(ak.amerge(words(), ["a"]), AsyncGenerator[str, None])
    assert_type(ak.amerge(words(), text(), key=len), AsyncGenerator[str, None])
    assert_type(
        ak.amerge(numbers(), [1], key=fetched, reverse=True), AsyncGenerator[int, None]
    )
    assert_type(ak.amerge([object()], key=lambda _: 1), AsyncGenerator[object, None])
    assert_type(ak.acycle(words()), AsyncGenerator[str, None])
    assert_type(ak.atee(words()), tuple[AsyncGenerator[str, None], ...])
    assert_type(ak.atee(text(), 3), tuple[AsyncGenerator[str, None], ...])
