"""Ctrl-C at any line of our own code leaves the program, with sources closed."""

import asyncio
import gc
import signal
import sys
from collections.abc import AsyncGenerator, Callable
from typing import Any

import anyio
import anyio.lowlevel
import pytest

import aiterkit as ak
from aiterkit.testing import SourceProbe

from ...catalogue import Functions  # noqa: TID252 - tests stand on no path
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


async def call(item: int) -> int:
    return item


class Computes:
    """Code of the user's that runs for long, and meanwhile Ctrl-C is pressed."""

    def __init__(self) -> None:
        self.begun = self.went_on = 0

    def now(self, result: Any) -> Any:
        self.begun += 1
        if self.begun == 1:
            signal.raise_signal(signal.SIGINT)
            self.went_on += 1
        return result

    async def later(self, result: Any) -> Any:
        await anyio.lowlevel.checkpoint()
        return self.now(result)

    def items(self) -> Any:
        yield 0
        yield self.now(1)

    async def async_items(self) -> AsyncGenerator[Any]:
        yield 0
        yield self.now(1)


CODE: dict[str, Callable[[Computes], Any]] = {
    "call of a map": lambda c: ak.concurrent_map(c.later, [1], limit=2),
    "function of a map": lambda c: ak.concurrent_map(
        lambda _: Resting(c), [1], limit=2
    ),
    "predicate": lambda c: ak.concurrent_filter(c.later, [1], limit=2),
    "call of an expand": lambda c: ak.concurrent_expand(
        lambda _: c.later([]), [1], limit=2
    ),
    "function of a flat map": lambda c: ak.concurrent_flat_map(
        lambda _: c.now([1]), [1], limit=2
    ),
    "call of a flat map": lambda c: ak.concurrent_flat_map(
        lambda _: c.later([1]), [1], limit=2
    ),
    "inner source": lambda c: ak.concurrent_flat_map(
        lambda _: c.async_items(), [1], limit=2
    ),
    "sync inner source": lambda c: ak.concurrent_flat_map(
        lambda _: c.items(), [1], limit=2
    ),
    "function of a switch map": lambda c: ak.concurrent_switch_map(
        lambda _: c.now([1]), [1]
    ),
    "call of a switch map": lambda c: ak.concurrent_switch_map(
        lambda _: c.later([1]), [1]
    ),
    "source": lambda c: ak.concurrent_buffer(c.async_items(), 1),
    "sync source": lambda c: ak.concurrent_merge(c.items(), [1]),
    "sync source of a map": lambda c: ak.concurrent_map(call, c.items(), limit=1),
    "stop": lambda c: ak.concurrent_until([1], lambda: c.later(None)),
}


class Resting:
    """An awaitable that computes when it is made."""

    def __init__(self, computes: Computes) -> None:
        computes.now(None)

    def __await__(self) -> Any:
        return call(1).__await__()


@pytest.mark.parametrize("place", CODE)
def test_on_trio_it_interrupts_what_computes(place: str) -> None:
    computes = Computes()

    async def main() -> None:
        async with CODE[place](computes) as results:
            async for _ in results:
                pass
            await anyio.sleep_forever()

    with pytest.raises(KeyboardInterrupt):
        run_trio(main)
    assert computes.begun
    assert not computes.went_on


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
    gc.collect()  # nothing is left that was never awaited
    assert lines > 50
