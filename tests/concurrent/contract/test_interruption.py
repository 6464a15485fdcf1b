"""What interrupts you while you leave a block ends that at once, and is not lost."""

import asyncio
import math
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import anyio
import anyio.lowlevel
import pytest

import aiterkit as ak

from ...catalogue import Entry  # noqa: TID252 - tests stand on no path
from ...helpers import Boom, on_asyncio  # noqa: TID252 - tests stand on no path
from .cases import at_the_end
from .cleanups import (
    MOMENTS,
    Kind,
    Log,
    Waiting,
    Work,
    every_kind,
    every_moment,
    every_subject,
    generator,
)


class Use:
    """A block that is entered, waited in and left, and whose cleanup never ends."""

    def __init__(
        self, subject: Entry, kind: Kind, moment: Waiting, cleanup: float = math.inf
    ) -> None:
        self.log = Log(cleanup)
        self.subject, self.kind, self.moment = subject, kind, moment

    async def __call__(self, leave_after: float = 0.7) -> None:
        source = self.kind(self.log, "source", self.moment.pace, 600, "ends")
        work = Work(self.log, kind=self.kind)
        async with self.subject.open(source, work):
            await anyio.sleep(leave_after)


@every_subject
@every_kind
@every_moment
async def test_a_deadline_ends_a_cleanup_that_hangs(
    subject: Entry, kind: Kind, moment: Waiting
) -> None:
    use = Use(subject, kind, moment)
    with anyio.move_on_after(2) as scope:
        await use()
    assert anyio.current_time() in (0.7, 2)
    assert scope.cancelled_caught == (anyio.current_time() == 2)
    assert scope.cancelled_caught or not use.log.begun


async def test_a_deadline_ends_a_call_that_hangs_though_no_source_is_read() -> None:
    log = Log(cleanup=math.inf)

    async def call(item: int) -> int:
        try:
            await anyio.sleep(500 * item)
        finally:
            if item:
                await log.clean_up(f"call {item}")
        return item

    with anyio.move_on_after(2) as scope:
        async with ak.concurrent_map(call, [0, 1], limit=2) as results:
            assert await anext(results) == 0
    assert scope.cancelled_caught
    assert anyio.current_time() == 2
    assert log.cut == ["call 1"]


@every_subject
@every_kind
@every_moment
async def test_a_deadline_in_the_body_is_kept(
    subject: Entry, kind: Kind, moment: Waiting
) -> None:
    use = Use(subject, kind, moment)
    with anyio.move_on_after(0.6) as scope:
        await use()
    assert scope.cancelled_caught
    assert anyio.current_time() == 0.6


@every_subject
@every_kind
@on_asyncio
async def test_a_native_timeout_ends_a_cleanup_that_hangs(
    subject: Entry, kind: Kind
) -> None:
    use = Use(subject, kind, MOMENTS[1])
    try:
        async with asyncio.timeout(2):
            await use()
    except TimeoutError:
        assert anyio.current_time() == 2
    else:
        assert not use.log.begun
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


@every_subject
@every_kind
@on_asyncio
async def test_a_cancelled_task_ends_a_cleanup_that_hangs(
    subject: Entry, kind: Kind
) -> None:
    use = Use(subject, kind, MOMENTS[1])
    task = asyncio.ensure_future(use(100))
    await anyio.sleep(0.7)
    for _ in range(3):
        task.cancel()
        await anyio.sleep(1)
    assert task.done()
    assert task.cancelled()


@every_subject
@every_kind
@every_moment
@on_asyncio
async def test_a_task_that_is_cancelled_once_cleans_up_in_full(
    subject: Entry, kind: Kind, moment: Waiting
) -> None:
    use = Use(subject, kind, moment, cleanup=1)
    task = asyncio.ensure_future(use(100))
    await anyio.sleep(3.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    use.log.assert_all_cleaned_up()


# A cancellation at every step of every exit reaches the task.


async def _end(results: Any) -> None:
    await at_the_end(results)


async def _break(results: Any) -> None:
    async for _ in results:
        break


async def _fail(results: Any) -> None:
    async for _ in results:
        raise Boom


async def _leave(subject: Entry, leave: Callable[[Any], Awaitable[None]]) -> None:
    log = Log(0)

    async def short(steps: int) -> Any:
        try:
            for item in range(steps):
                await anyio.lowlevel.checkpoint()
                yield item
        finally:
            for _ in range(3):
                await anyio.lowlevel.checkpoint()

    def inner(*_: object) -> Any:
        return short(2)

    work = Work(log, kind=inner, is_short=True)
    try:
        async with subject.open(short(2), work) as results:
            await leave(results)
    except Boom:
        pass  # a cancellation that came meanwhile must reach the task all the same


@every_subject
@pytest.mark.parametrize("leave", [_end, _break, _fail])
@on_asyncio
async def test_no_native_cancellation_is_lost(subject: Entry, leave: Any) -> None:
    for step in range(60):
        went_on = False

        async def service() -> None:
            nonlocal went_on
            await _leave(subject, leave)
            await anyio.lowlevel.checkpoint()
            went_on = True
            await anyio.sleep(100)

        task = asyncio.ensure_future(service())
        for _ in range(step):
            await asyncio.sleep(0)
        if went_on:
            task.cancel()
            await asyncio.wait([task])
            break
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled(), f"the cancellation of step {step} was lost"
        assert not went_on, f"the cancellation of step {step} was lost"
        assert task.cancelling() == 1


@every_subject
@pytest.mark.parametrize("leave", [_end, _break, _fail])
async def test_no_cancellation_by_a_scope_is_lost_or_outlives_it(
    subject: Entry, leave: Any
) -> None:
    for step in range(40):
        went_on = done = False
        async with anyio.create_task_group() as tasks:
            scope = anyio.CancelScope()

            async def service(scope: anyio.CancelScope = scope) -> None:
                nonlocal went_on
                with scope:
                    await _leave(subject, leave)
                    await anyio.lowlevel.checkpoint()
                    went_on = True
                await anyio.sleep(1)  # nothing of it comes here

            tasks.start_soon(service)
            for _ in range(step):
                await anyio.lowlevel.checkpoint()
            done = went_on
            scope.cancel()
        assert went_on == done, f"the cancellation of step {step} was lost"
        if done:
            break


@pytest.mark.parametrize("where", ["call", "cleanup"])
async def test_a_deadline_within_a_call_is_not_taken_for_its_block(where: str) -> None:
    ended = False

    async def hanging() -> AsyncGenerator[int]:
        try:
            while True:
                yield 0
        finally:
            await anyio.sleep(1000)

    async def call(item: int) -> int:
        nonlocal ended
        try:
            await anyio.sleep(1000 if where == "cleanup" else 0)
        finally:
            with pytest.raises(Boom), anyio.move_on_after(1):
                async with ak.concurrent_buffer(hanging(), 1) as items:
                    await anext(items)
                    raise Boom
            await anyio.sleep(1)
            ended = True
        return item

    begin = anyio.current_time()
    async with ak.concurrent_map(call, [5], limit=1) as results:
        if where == "call":
            assert await anext(results) == 5
        else:
            await anyio.sleep(1)
    assert ended
    assert anyio.current_time() - begin == (2 if where == "call" else 3)


@every_subject
@pytest.mark.parametrize("leave", [_end, _break, _fail])
@pytest.mark.parametrize("where", ["call", "source"])
async def test_no_cancellation_by_a_block_around_is_lost(
    subject: Entry, leave: Any, where: str
) -> None:
    log = Log()
    for step in range(60):
        went_on = done = False

        async def service(_item: int) -> None:
            nonlocal went_on
            try:
                await _leave(subject, leave)
                await anyio.lowlevel.checkpoint()
                went_on = True
                await anyio.sleep(1000)
            finally:
                await log.clean_up("service")

        async def source(
            service: Callable[[int], Awaitable[None]] = service,
        ) -> AsyncGenerator[int]:
            await service(0)
            yield 0

        around: Any = (
            ak.concurrent_map(service, [0], limit=1)
            if where == "call"
            else ak.concurrent_buffer(source(), 1)
        )
        begin = anyio.current_time()
        async with around:
            for _ in range(step):
                await anyio.lowlevel.checkpoint()
            done = went_on
        assert went_on == done, f"the cancellation of step {step} was lost"
        assert anyio.current_time() - begin < 1000
        log.assert_all_cleaned_up()
        if done:
            break


@on_asyncio
@pytest.mark.parametrize("seconds", [0.125, 0.75, 1.25])
async def test_a_native_timeout_fires_though_an_error_is_leaving(
    seconds: float,
) -> None:
    async def service() -> None:
        log = Log(0.5)
        try:
            async with ak.concurrent_buffer(
                generator(log, "source", 0.1, 99, "ends"), 1
            ):
                await anyio.sleep(1)
                raise Boom  # noqa: TRY301 - it leaves the block
        except Boom:
            pass
        await anyio.sleep(50)

    with pytest.raises(TimeoutError):
        async with asyncio.timeout(seconds):
            await service()
    # In the body, it comes before the cleanup; after that, it ends it.
    assert anyio.current_time() == (seconds if seconds > 1 else seconds + 0.5)
