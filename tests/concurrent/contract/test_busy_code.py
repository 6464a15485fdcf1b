"""Code whose every wait is over immediately is stopped, too."""

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

import anyio
import anyio.lowlevel
import pytest

import aiterkit as ak

from ...catalogue import Entry, Functions, OnlyCalls  # noqa: TID252 - tests stand on no path
from .cleanups import Log, every_subject, every_subject_with_functions

ROUNDS = 200
TURNS = range(1, 8)
"""How many turns the block is open."""

Round = Callable[[], Awaitable[object]]


async def a_turn() -> None:
    await anyio.lowlevel.checkpoint()


async def a_stream() -> None:
    sender, receiver = anyio.create_memory_object_stream[int](1)
    with sender, receiver:
        await sender.send(1)
        await receiver.receive()


async def an_event() -> None:
    event = anyio.Event()
    event.set()
    await event.wait()


async def nested_generators() -> None:
    async def inner() -> AsyncGenerator[int]:
        await anyio.lowlevel.checkpoint()
        yield 1
        await anyio.lowlevel.checkpoint()

    async with aclosing(inner()) as source:
        assert [item async for item in source] == [1]


class Awaited:
    def __await__(self) -> Any:
        return anyio.lowlevel.checkpoint().__await__()


class Counting(AsyncIterator[int]):
    count = 0

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> int:
        await Awaited()
        self.count += 1
        return self.count


async def a_default() -> None:
    assert await anext(Counting(), None) == 1
    async with aclosing(item async for item in Counting()) as items:
        assert await anext(items, None) == 1


ROUND_KINDS: list[Round] = [a_turn, a_stream, an_event, nested_generators, a_default]
every_round = pytest.mark.parametrize("one", ROUND_KINDS, ids=lambda one: one.__name__)


@dataclass
class Work(OnlyCalls):
    """Functions that make many rounds, and clean up."""

    one: Round
    log: Log
    rounds: int = 0

    async def call(self, item: int) -> int:
        name = f"call {len(self.log.begun)}"
        try:
            for _ in range(ROUNDS):
                await self.one()
                self.rounds += 1
            pytest.fail("nothing stopped it")
        finally:
            await a_turn()
            await a_stream()
            await self.log.clean_up(name)
        return item


async def is_stopped(one: Round, open_block: Callable[[Work], Any]) -> None:
    for turns in TURNS:
        work = Work(one, Log())
        async with open_block(work):
            for _ in range(turns):
                await anyio.lowlevel.checkpoint()
        assert work.rounds < ROUNDS, "nothing stopped it"
        work.log.assert_all_cleaned_up()


@every_subject
@every_round
async def test_a_busy_source_is_stopped(subject: Entry, one: Round) -> None:
    await is_stopped(one, lambda work: subject.open(work.inner(0), Functions()))


@every_subject_with_functions
@every_round
async def test_a_busy_function_is_stopped(subject: Entry, one: Round) -> None:
    await is_stopped(one, lambda work: subject.open(range(9), work))


@every_round
async def test_a_busy_stop_is_stopped(one: Round) -> None:
    await is_stopped(
        one, lambda work: ak.concurrent_until(range(9), partial(work.call, 0))
    )


@pytest.mark.parametrize("one", [a_turn, a_stream])
async def test_code_that_polls_is_stopped(one: Round) -> None:
    rounds = 0

    async def poll(_item: int) -> None:
        nonlocal rounds
        while rounds < ROUNDS:
            rounds += 1
            with anyio.move_on_after(0):
                await one()

    async with ak.concurrent_map(poll, [0], limit=1):
        while not rounds:
            await anyio.lowlevel.checkpoint()
    assert rounds < ROUNDS
