"""Ctrl-C at any line of our own code leaves the program, with sources closed."""

import asyncio
import signal
import sys
from typing import Any

import anyio
import anyio.lowlevel
import pytest

import aiterkit as ak
from aiterkit.testing import SourceProbe

from ...catalogue import Functions  # noqa: TID252 - tests stand on no path
from ...planted import leaves_garbage  # noqa: TID252 - tests stand on no path
from .cases import BY_NAME

OWN = ("aiterkit/_runtime/", "aiterkit/_concurrent/")


class Stepwise(Functions):
    """Functions that suspend once."""

    async def call(self, item: int) -> int:
        await anyio.lowlevel.checkpoint()
        return item

    def inner(self, item: int) -> Any:
        return self._listed(item)

    async def _listed(self, item: int) -> list[int]:
        return [await self.call(item)]

    def other(self, _plain: Any, /) -> Any:
        return [1, 2]


NAMES = [
    "concurrent_map",
    "concurrent_map with keys",
    "concurrent_map with a limiter",
    "concurrent_expand",
    "concurrent_flat_map",
    "concurrent_switch_map",
    "concurrent_merge",
    "concurrent_zip",
    "concurrent_buffer",
    "concurrent_batched",
]


class Interrupt:
    """Sends the signal of Ctrl-C at the *number*-th line of our own code."""

    def __init__(self, number: int) -> None:
        self.left = number

    def __call__(self, frame: Any, event: str, _arg: object) -> Any:
        if event == "call":
            own = any(part in frame.f_code.co_filename for part in OWN)
            return self if own and self.left >= 0 else None
        if event == "line":
            self.left -= 1
            if self.left == 0:
                signal.raise_signal(signal.SIGINT)
        return self


def run_asyncio(main: Any) -> None:
    asyncio.run(main())


def run_trio(main: Any) -> None:
    trio = pytest.importorskip("trio")
    trio.run(main)


# What was interrupted before its first step says that it was never awaited.
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
@leaves_garbage
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("run", [run_asyncio, run_trio])
def test_it_leaves_bare_and_closes_the_source(name: str, run: Any) -> None:
    lines, step = 1, 7

    async def warm_up() -> (
        None
    ):  # on Trio, our code is protected from the first entry on
        async with ak.concurrent_buffer([], 1):
            pass

    run(warm_up)
    while True:
        source = SourceProbe(range(4))
        interrupt = Interrupt(lines)

        async def main(source: Any = source) -> None:
            async with BY_NAME[name].open(source, Stepwise()) as results:
                async for _ in results:
                    pass

        before = sys.gettrace()
        ended = False
        sys.settrace(interrupt)
        try:
            run(main)
            ended = True
        except KeyboardInterrupt:
            pass
        finally:
            sys.settrace(before)
        assert source.closes == 1 or not source.pulls, f"at line {lines}"
        source.assert_well_used()
        if ended and interrupt.left > 0:
            break
        lines += step
    assert lines > 50
