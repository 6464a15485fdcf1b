"""What type checkers infer for the operators in ``_sequential/timing.py``."""

from collections.abc import AsyncGenerator, AsyncIterator
from functools import partial
from itertools import repeat
from typing import assert_type

import aiterkit as ak

from .functions import text, words


def opened(_last: str | None) -> AsyncIterator[str]:
    return words()


async def opened_later(_last: str | None) -> list[str]:
    return []


async def generated(_last: int | None) -> AsyncIterator[int]:
    yield 1


async def arestarted() -> None:
    assert_type(ak.arestarted(opened, OSError, waits=[1]), AsyncGenerator[str, None])
    assert_type(
        ak.arestarted(opened_later, OSError, KeyError, waits=(1, 0.5)),
        AsyncGenerator[str, None],
    )
    assert_type(
        ak.arestarted(generated, OSError, waits=partial(repeat, 1)),
        AsyncGenerator[int, None],
    )
    assert_type(
        ak.arestarted(lambda _: words(), OSError, waits=[]), AsyncGenerator[str, None]
    )


async def both() -> None:
    assert_type(ak.atimeout(words(), 1.5), AsyncGenerator[str, None])
    assert_type(ak.apaced(text(), per_second=2), AsyncGenerator[str, None])
