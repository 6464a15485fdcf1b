"""Moments that come about rarely, made by hand."""

import asyncio
from collections.abc import Generator
from typing import Any, Self, cast

import anyio
import pytest

import aiterkit as ak
from aiterkit._runtime.backend import current_backend
from aiterkit._runtime.context import Steps
from aiterkit._runtime.errors import raise_bare

from ..helpers import Boom, on_asyncio  # noqa: TID252 - tests stand on no path


class Stubborn:
    """A source that cannot be cancelled, and fails."""

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> int:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(1)
        raise Boom


async def test_an_error_that_no_reader_is_left_for_leaves_no_block() -> None:
    async with ak.concurrent_broadcast(Stubborn(), 2, buffer=1) as (one, two):
        await anyio.sleep(0.5)
        await one.aclose()
        await two.aclose()
        await anyio.sleep(1)
        assert [item async for item in one] == []


@on_asyncio
async def test_a_wait_that_ctrl_c_has_cancelled_just_now_may_be_ended() -> None:
    class Cancelled:
        def done(self) -> bool:
            return False

        def set_result(self, _result: None) -> None:
            raise asyncio.InvalidStateError

    current_backend().end_wait(cast("Any", Cancelled()))


@on_asyncio
async def test_a_cancellation_that_arrives_as_an_error_is_raised_comes_again() -> None:
    task = asyncio.current_task()
    assert task is not None
    task.cancel()
    with pytest.raises(Boom):
        await raise_bare(Boom(), [])
    with pytest.raises(asyncio.CancelledError):
        await asyncio.sleep(1)
    assert task.cancelling() == 1
    task.uncancel()


def test_steps_that_are_given_up_are_closed() -> None:
    closed: list[str] = []

    def steps() -> Generator[None]:
        try:
            yield
        finally:
            closed.append("closed")

    running: Any = Steps(steps(), cast("Any", None))
    next(running)
    running.close()
    assert closed == ["closed"]
