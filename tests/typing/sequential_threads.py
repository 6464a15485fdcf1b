"""What type checkers infer for the operators in ``_sequential/threads.py``."""

from collections.abc import AsyncGenerator, Iterator
from typing import assert_type

from anyio import CapacityLimiter

import aiterkit as ak


def lines() -> Iterator[str]:
    yield "a"


async def aoffloaded() -> None:
    assert_type(ak.aoffloaded(lines()), AsyncGenerator[str, None])
    assert_type(
        ak.aoffloaded([1], limiter=CapacityLimiter(1)), AsyncGenerator[int, None]
    )
