"""Why the project exists: no comprehension is concurrent, and no `a…` is either."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import anyio
import pytest

import aiterkit as ak

POWERS = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]


async def mygen(count: int = 10) -> AsyncIterator[int]:
    for exponent in range(count):
        yield 2**exponent
        await anyio.sleep(0.1)


async def slowly(number: int) -> int:
    await anyio.sleep(0.3)
    return number


def wanted(number: int) -> bool:
    return not (number // 3 % 5)


async def natively() -> list[int]:
    return [i async for i in mygen()]


async def filtered_natively() -> list[int]:
    return [j async for j in mygen() if not (j // 3 % 5)]


STORIES: list[Any] = [
    pytest.param(natively, POWERS, 1.0, id="a comprehension takes the sum"),
    pytest.param(
        filtered_natively, [1, 2, 16, 32, 256, 512], 1.0, id="with a condition too"
    ),
    pytest.param(lambda: ak.acollect(mygen()), POWERS, 1.0, id="so does acollect"),
    pytest.param(
        lambda: ak.acollect(ak.afilter(wanted, mygen())),
        [1, 2, 16, 32, 256, 512],
        1.0,
        id="and afilter",
    ),
    pytest.param(
        lambda: ak.acollect(ak.amap(slowly, mygen())),
        POWERS,
        4.0,
        id="amap adds its calls",
    ),
]


@pytest.mark.parametrize(("story", "result", "seconds"), STORIES)
async def test_one_thing_at_a_time(
    story: Callable[[], Awaitable[list[int]]], result: list[int], seconds: float
) -> None:
    start = anyio.current_time()
    assert await story() == result
    assert anyio.current_time() - start == pytest.approx(seconds, rel=1e-12)
