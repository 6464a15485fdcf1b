"""Callables of every make, for the type tests."""

from collections.abc import AsyncIterator, Awaitable
from functools import partial
from typing import TypeGuard, TypeVar

T = TypeVar("T")


async def numbers() -> AsyncIterator[int]:
    yield 1


async def words() -> AsyncIterator[str]:
    yield "a"


def text() -> str:
    """No literal, which some checkers would follow further than we ask."""
    return "ab"


def number() -> int:
    return 0


def shown(number: int) -> str:
    return str(number)


async def fetched(number: int) -> str:
    return str(number)


def eventually(number: int) -> Awaitable[str]:
    return fetched(number)


def perhaps(number: int) -> Awaitable[str] | str:
    return fetched(number) if number else "0"


def same(value: T) -> T:
    return value


class Shower:
    def __call__(self, number: int) -> str:
        return str(number)

    def method(self, number: int) -> str:
        return str(number)

    async def fetch(self, number: int) -> str:
        return str(number)


class Fetcher:
    async def __call__(self, number: int) -> str:
        return str(number)


def tagged(tag: str, number: int) -> str:
    return tag + str(number)


async def tagged_later(tag: str, number: int) -> str:
    return tag + str(number)


with_tag = partial(tagged, "a")
later_with_tag = partial(tagged_later, "a")


def is_word(value: int | str) -> TypeGuard[str]:
    return isinstance(value, str)


def is_odd(number: int) -> bool:
    return bool(number % 2)


async def is_odd_later(number: int) -> bool:
    return bool(number % 2)


def added(one: int, other: int) -> int:
    return one + other


async def added_later(one: int, other: int) -> int:
    return one + other


def longer(text: str, number: int) -> str:
    return text + str(number)


async def longer_later(text: str, number: int) -> str:
    return text + str(number)
