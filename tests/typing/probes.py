"""What type checkers infer for the probes."""

from collections.abc import Awaitable, Callable
from typing import Any, assert_type

from aiterkit import concurrent_collect, concurrent_map
from aiterkit.testing import CallProbe, SourceProbe


class Service:
    def __init__(self, handler: Callable[[int], Awaitable[str]]) -> None:
        self.handler = handler


async def fetch(url: str) -> bytes:
    return url.encode()


def seconds_of(item: int) -> float:
    return item / 2


def probes_that_say_nothing_of_their_items() -> None:
    assert_type(CallProbe(), CallProbe[Any, Any])
    assert_type(CallProbe(seconds=2), CallProbe[Any, Any])
    assert_type(CallProbe(seconds=2, cleanup=1, shielded=False), CallProbe[Any, Any])
    assert_type(CallProbe(seconds=seconds_of), CallProbe[int, Any])


def probes_that_do() -> None:
    assert_type(CallProbe(fetch), CallProbe[str, bytes])
    assert_type(CallProbe(str.upper, seconds=2), CallProbe[str, str])
    assert_type(CallProbe[int, str](seconds=2), CallProbe[int, str])
    assert_type(SourceProbe([1, 2], gap=1), SourceProbe[int])


async def probes_in_use() -> None:
    Service(CallProbe())
    Service(CallProbe(seconds=1))
    Service(CallProbe[int, str]())
    probe = CallProbe(seconds=1)
    Service(probe)
    assert_type(await concurrent_collect(probe, [1, 2], limit=2), list[Any])
    pages = await concurrent_collect(CallProbe(fetch), SourceProbe("ab"), limit=2)
    assert_type(pages, list[bytes])
    async with concurrent_map(CallProbe(seconds=1), SourceProbe("ab"), limit=2) as all_:
        assert_type(await anext(all_), Any)
