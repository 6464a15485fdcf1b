"""What type checkers infer for the operators in ``_sequential/select.py``."""

from collections.abc import AsyncGenerator, AsyncIterable
from typing import assert_type

from typing_extensions import TypeIs

import aiterkit as ak

from .functions import fetched, is_odd, is_odd_later, is_word, numbers, words


def is_string(value: int | str) -> TypeIs[str]:
    return isinstance(value, str)


async def afilter(
    mixed: AsyncIterable[int | str], optional: AsyncIterable[int | None]
) -> None:
    assert_type(ak.afilter(None, optional), AsyncGenerator[int, None])
    assert_type(ak.afilter(is_word, mixed), AsyncGenerator[str, None])
    assert_type(ak.afilter(is_string, mixed), AsyncGenerator[str, None])
    assert_type(ak.afilter(is_odd, numbers()), AsyncGenerator[int, None])
    assert_type(ak.afilter(is_odd_later, numbers()), AsyncGenerator[int, None])
    assert_type(ak.afilter(lambda n: n > 1, numbers()), AsyncGenerator[int, None])
    assert_type(ak.afilter(str.isdigit, ["1"]), AsyncGenerator[str, None])


async def others() -> None:
    assert_type(ak.afilterfalse(is_odd, numbers()), AsyncGenerator[int, None])
    assert_type(ak.afilterfalse(is_odd_later, [1]), AsyncGenerator[int, None])
    assert_type(ak.afilterfalse(None, [1]), AsyncGenerator[int, None])
    assert_type(ak.acompress(words(), numbers()), AsyncGenerator[str, None])
    assert_type(ak.aislice(words(), 1), AsyncGenerator[str, None])
    assert_type(ak.aislice(words(), 1, None), AsyncGenerator[str, None])
    assert_type(ak.aislice(words(), 1, None, 2), AsyncGenerator[str, None])
    assert_type(ak.atakewhile(is_odd, numbers()), AsyncGenerator[int, None])
    assert_type(ak.atakewhile(is_odd_later, numbers()), AsyncGenerator[int, None])
    assert_type(ak.atakewhile_inclusive(is_odd, numbers()), AsyncGenerator[int, None])
    assert_type(ak.atakewhile_inclusive(is_odd_later, [1]), AsyncGenerator[int, None])
    assert_type(ak.atail(2, words()), AsyncGenerator[str, None])
    assert_type(ak.adropwhile(is_odd, numbers()), AsyncGenerator[int, None])
    assert_type(ak.adropwhile(is_odd_later, numbers()), AsyncGenerator[int, None])
    assert_type(ak.aunique(words()), AsyncGenerator[str, None])
    assert_type(ak.aunique(words(), str.lower), AsyncGenerator[str, None])
    assert_type(ak.aunique(numbers(), key=fetched), AsyncGenerator[int, None])
    assert_type(ak.aunique([[1]], key=tuple), AsyncGenerator[list[int], None])
