"""Leaving holds on every event loop that people run: uvloop, eager tasks, Trio.

On its real clock, and yet no test waits: all that passes is turns of the loop.
"""

import asyncio
import signal
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from functools import partial
from typing import Any

import anyio
import anyio.lowlevel
import pytest

import aiterkit as ak

from ...catalogue import Entry  # noqa: TID252 - tests stand on no path
from ...helpers import Boom  # noqa: TID252 - as above
from .cleanups import End, Log, Work, every_subject

Run = Callable[[Callable[[], Awaitable[None]]], None]


def on_asyncio(main: Any) -> None:
    asyncio.run(main())


def on_uvloop(main: Any) -> None:
    uvloop = pytest.importorskip("uvloop")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


def with_eager_tasks(main: Any) -> None:
    factory: Any = vars(asyncio)["eager_task_factory"]

    async def eagerly() -> None:
        asyncio.get_running_loop().set_task_factory(factory)
        await main()

    asyncio.run(eagerly())


def on_trio(main: Any) -> None:
    pytest.importorskip("trio").run(main)


OF_ASYNCIO: list[Run] = [on_asyncio, on_uvloop]
if sys.version_info >= (3, 12):
    OF_ASYNCIO.append(with_eager_tasks)
every_loop = pytest.mark.parametrize(
    "run", [*OF_ASYNCIO, on_trio], ids=lambda run: run.__name__
)
every_loop_of_asyncio = pytest.mark.parametrize(
    "run", OF_ASYNCIO, ids=lambda run: run.__name__
)


async def some_turns(count: int = 30) -> None:
    for _ in range(count):
        await anyio.lowlevel.checkpoint()


class Hanging(Log):
    """A log of cleanups that never end."""

    async def clean_up(self, what: str) -> None:
        self.begun.append(what)
        await anyio.sleep_forever()


async def source(
    log: Log, name: str, _pace: float, _items: float, _end: End
) -> AsyncGenerator[int]:
    """Gives three items, and then waits for ever."""
    try:
        for item in range(3):
            await anyio.lowlevel.checkpoint()
            yield item
        await anyio.sleep_forever()
    finally:
        await log.clean_up(name)


class Use:
    """A block that is entered, run for some turns, and left."""

    def __init__(self, subject: Entry, log: Log) -> None:
        self.subject, self.log = subject, log

    async def __call__(self, leave: Callable[[], Awaitable[None]]) -> None:
        work = Work(self.log, kind=source)
        made = source(self.log, "source", 0, 0, "ends")
        async with self.subject.open(made, work):
            await some_turns()
            await leave()


async def at_once() -> None:
    """Leave."""


async def by_an_error() -> None:
    raise Boom


@every_loop
@every_subject
def test_the_cleanup_runs_in_full(subject: Entry, run: Run) -> None:
    async def main() -> None:
        for leave in (at_once, by_an_error):
            log = Log(0)
            try:
                await Use(subject, log)(leave)
            except Boom:
                assert leave is by_an_error
            log.assert_all_cleaned_up()
            assert "source" in log.ended or subject.lazy

    run(main)


@every_loop_of_asyncio
@every_subject
def test_so_it_does_when_the_task_is_cancelled_once(subject: Entry, run: Run) -> None:
    async def main() -> None:
        log = Log(0)
        task = asyncio.ensure_future(Use(subject, log)(anyio.sleep_forever))
        await some_turns(60)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()
        log.assert_all_cleaned_up()

    run(main)


@every_loop
@every_subject
def test_a_scope_ends_a_cleanup_that_hangs(subject: Entry, run: Run) -> None:
    async def main() -> None:
        with anyio.CancelScope() as scope:

            async def interrupt() -> None:
                await some_turns(90)
                scope.cancel()

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(interrupt)
                await Use(subject, Hanging())(at_once)
                tasks.cancel_scope.cancel()

    run(main)


@every_loop_of_asyncio
@every_subject
def test_so_does_a_cancelled_task(subject: Entry, run: Run) -> None:
    async def main() -> None:
        log = Hanging()
        task = asyncio.ensure_future(Use(subject, log)(at_once))
        await some_turns(90)
        task.cancel()
        await some_turns(30)
        assert task.done()
        assert task.cancelled() == bool(log.begun)

    run(main)


@every_loop
def test_a_handler_of_sigterm_ends_the_work_in_order(run: Run) -> None:
    log = Log(0)

    async def main() -> None:
        async with anyio.create_task_group() as tasks:

            async def stop_on_signal(
                *, task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED
            ) -> None:
                with anyio.open_signal_receiver(signal.SIGTERM) as signals:
                    task_status.started()
                    async for _ in signals:
                        stop.set()
                        return

            stop = anyio.Event()
            await tasks.start(stop_on_signal)
            made = source(log, "source", 0, 0, "ends")
            async with ak.concurrent_map(Work(log).call, made, limit=3) as results:
                assert await anext(results) == 0
                await some_turns()
                signal.raise_signal(signal.SIGTERM)
                await stop.wait()

    run(main)
    assert set(log.ended) == {"source", "call 1", "call 2"}
    log.assert_all_cleaned_up()


class CtrlC:
    """Sends Ctrl-C twice: in the body of a block, and in its exit."""

    def __init__(self) -> None:
        self.is_leaving = False
        self.turns_left = 30

    async def __call__(self) -> None:
        if anyio.get_cancelled_exc_class() is not asyncio.CancelledError:
            trio = pytest.importorskip("trio")
            trio.lowlevel.spawn_system_task(self._send_on_trio)
        else:
            asyncio.get_running_loop().call_soon(signal.raise_signal, signal.SIGINT)
            self._send_later()
        try:
            await anyio.sleep_forever()
        finally:
            self.is_leaving = True

    def _send_later(self) -> None:
        self.turns_left -= self.is_leaving
        if self.turns_left:
            asyncio.get_running_loop().call_soon(self._send_later)
        else:
            signal.raise_signal(signal.SIGINT)

    async def _send_on_trio(self) -> None:
        signal.raise_signal(signal.SIGINT)
        while not self.is_leaving:
            await anyio.lowlevel.checkpoint()
        await some_turns()
        signal.raise_signal(signal.SIGINT)


@every_loop
@every_subject
def test_a_second_ctrl_c_ends_a_cleanup_that_hangs(subject: Entry, run: Run) -> None:
    log = Hanging()
    with pytest.raises(KeyboardInterrupt):
        run(partial(Use(subject, log), CtrlC()))
    assert log.begun or subject.lazy  # that has asked for nothing
