"""Code that a block runs may cancel a scope of its own just when the block is left.

It takes that cancellation, goes on, and is then cancelled by the block all the same.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import Any

import anyio
import anyio.lowlevel
import pytest

import aiterkit as ak
from aiterkit.testing import explore

from ...catalogue import Entry, Functions, OnlyCalls  # noqa: TID252 - tests stand on no path
from ...helpers import on_asyncio  # noqa: TID252 - tests stand on no path
from .cleanups import every_subject, every_subject_with_functions

TURNS = range(9)
"""How many turns the block is open; the scopes are cancelled in one of them."""

Own = Callable[[], Awaitable[object]]


async def a_scope() -> None:
    with anyio.CancelScope() as scope:
        scope.cancel()
        await anyio.lowlevel.checkpoint()


async def a_shield_in_a_scope() -> None:
    with anyio.CancelScope() as scope:
        scope.cancel()
        try:
            await anyio.lowlevel.checkpoint()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.lowlevel.checkpoint()
                await anyio.lowlevel.checkpoint()


async def a_task_group() -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(anyio.sleep, 1000)
        await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()


anyio_swallows = pytest.mark.skipif(
    version("anyio").startswith(("4.14.", "4.15.")),
    reason="before 4.16, a scope could swallow what another had sent (anyio#1214)",
)
every_own = pytest.mark.parametrize(
    "own",
    [a_scope, a_shield_in_a_scope, pytest.param(a_task_group, marks=anyio_swallows)],
    ids=lambda own: own.__name__,
)


@dataclass
class Work(OnlyCalls):
    """Functions that cancel a scope of their own, and then sleep for long."""

    own: Own
    begun: int = 0
    caught: int = 0

    async def call(self, item: int) -> int:
        self.begun += 1
        await self.own()
        self.caught += 1
        await anyio.sleep(1000)
        return item


async def leave_after(turns: int, block: Any) -> None:
    begin = anyio.current_time()
    async with block:
        for _ in range(turns):
            await anyio.lowlevel.checkpoint()
    assert anyio.current_time() - begin < 1000, "the block was held by what it runs"


@every_subject
@every_own
async def test_a_source_that_cancels_a_scope_of_its_own_is_stopped(
    subject: Entry, own: Own
) -> None:
    for turns in TURNS:
        work = Work(own)
        await leave_after(turns, subject.open(work.inner(0), Functions()))


@every_subject_with_functions
@every_own
async def test_a_function_that_cancels_a_scope_of_its_own_is_stopped(
    subject: Entry, own: Own
) -> None:
    for turns in TURNS:
        await leave_after(turns, subject.open(range(9), Work(own)))


@every_subject_with_functions
async def test_a_scope_still_catches_its_own_cancellation(subject: Entry) -> None:
    for turns in TURNS:
        work = Work(a_scope)
        await leave_after(turns, subject.open(range(9), work))
        assert work.begun == work.caught, turns


@every_own
async def test_a_stop_that_cancels_a_scope_of_its_own_is_stopped(own: Own) -> None:
    stop = partial(Work(own).call, 0)
    for turns in TURNS:
        await leave_after(turns, ak.concurrent_until(range(9), stop))


async def cancelled_natively() -> None:
    """Do what `asyncio.TaskGroup` does where a child fails, since Python 3.13."""
    try:
        await anyio.sleep(1000)
    except asyncio.CancelledError:
        task = asyncio.current_task()
        assert task is not None
        task.uncancel()
        task.cancel()


@every_subject
@on_asyncio
async def test_a_cancellation_that_is_sent_again_natively_stays_inside(
    subject: Entry,
) -> None:
    work = Work(cancelled_natively)
    for turns in TURNS:
        await leave_after(turns, subject.open(work.inner(0), Functions()))
        await leave_after(turns, subject.open(range(9), work))


@every_own
def test_it_is_stopped_under_many_schedules(own: Own) -> None:
    async def main() -> None:
        work = Work(own)
        await leave_after(4, ak.concurrent_map(work.call, work.inner(0), limit=2))
        await leave_after(4, ak.concurrent_map(work.call, range(9), limit=2))

    explore(main, schedules=30, seed=1)
