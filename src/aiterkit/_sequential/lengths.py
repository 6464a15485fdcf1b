"""How *strict* checks that sources which are read row by row are equally long."""

from collections.abc import AsyncIterator
from typing import Any


async def check_lengths(
    iterators: list[AsyncIterator[Any]], read: int, /, *, operator: str
) -> None:
    """Check that all *iterators* have ended, of which one ended after *read* items.

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
    """Describe source *number*, counted from 0, in the words of `zip`."""
    before = "argument 1" if number == 1 else f"arguments 1-{number}"
    return f"argument {number + 1} is {how} than {before}"
