"""What `strict` says of sources that are read together: all end at once, or none."""

from collections.abc import AsyncIterator
from typing import Any


async def check_lengths(
    iterators: list[AsyncIterator[Any]], read: int, /, *, operator: str
) -> None:
    """Read on after the first end, which came after *read* items of a row.

    Raises:
        ValueError: If one of *iterators* ends before another, in the words of `zip`.
    """
    if read:
        raise ValueError(f"{operator}() {_compared(read, 'shorter')}")
    for number, iterator in enumerate(iterators[1:], 1):
        try:
            await anext(iterator)
        except StopAsyncIteration:
            continue
        raise ValueError(f"{operator}() {_compared(number, 'longer')}")


def _compared(number: int, how: str) -> str:
    """Say how source *number*, from 0, compares with those before, as `zip` does."""
    before = "argument 1" if number == 1 else f"arguments 1-{number}"
    return f"argument {number + 1} is {how} than {before}"
