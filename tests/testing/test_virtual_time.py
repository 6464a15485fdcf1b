import asyncio
import contextlib
import importlib.util
import math
import signal
import socket
import sys
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from functools import partial
from types import ModuleType
from typing import Any, Literal, TypeAlias

import anyio
import pytest
import trio
from anyio import lowlevel, to_thread
from anyio.abc import TaskGroup

import aiterkit as ak
from aiterkit.testing import (
    DeadlockError,
    TaskLeakError,
    VirtualTimeError,
    available_backends,
    explore,
    run_in_virtual_time,
    virtual_backend,
)
from aiterkit.testing._asyncio_loop import VirtualLoop
from aiterkit.testing._report import place
from aiterkit.testing._virtual import running_loop
from aiterkit.testing._watch import private

from ..planted import leaves_garbage  # noqa: TID252 - tests stand on no path

Backend: TypeAlias = Literal["asyncio", "trio"]
BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])
NEEDS_SIGNALS = pytest.mark.skipif(
    sys.platform == "win32", reason="asyncio handles no signals there"
)


@BACKENDS
def test_sleeps_cost_nothing(backend: Backend) -> None:
    async def sleep_a_year() -> float:
        for _ in range(365):
            await anyio.sleep(86400)
        return anyio.current_time()

    begun = time.monotonic()
    assert run_in_virtual_time(sleep_a_year, backend=backend) == 365 * 86400
    assert time.monotonic() - begun < 86400


@BACKENDS
def test_time_is_exact(backend: Backend) -> None:
    async def add_up() -> list[float]:
        times: list[float] = []
        async with anyio.create_task_group() as tasks:
            for seconds in (0.3, 0.1, 0.7, 1e9, 1e9 + 0.1):
                tasks.start_soon(note_at, seconds, times)
        return times

    async def note_at(seconds: float, times: list[float]) -> None:
        await anyio.sleep(seconds)
        times.append(anyio.current_time())

    times = run_in_virtual_time(add_up, backend=backend)
    assert times == [0.1, 0.3, 0.7, 1e9, 1e9 + 0.1]


@BACKENDS
def test_arguments_are_passed_and_the_result_is_returned(backend: Backend) -> None:
    async def add(one: int, other: int) -> int:
        return one + other

    assert run_in_virtual_time(add, 2, 3, backend=backend, debug=False) == 5


@BACKENDS
def test_a_deadlock_lists_each_task_and_where_it_waits(backend: Backend) -> None:
    async def wait_for_nobody() -> None:
        await anyio.Event().wait()

    async def generate() -> AsyncGenerator[None, None]:
        await wait_for_nobody()
        yield

    async def iterate() -> None:
        async for _ in generate():
            pass

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(iterate)
            tasks.start_soon(anyio.sleep, 5)
            await wait_for_nobody()

    with pytest.raises(DeadlockError) as caught:
        run_in_virtual_time(main, backend=backend)
    told = str(caught.value).splitlines()
    assert told[0] == "deadlock: no task can run and no timer is set"
    assert len(told) == 3
    for line, name in zip(told[1:], ["main", "iterate"], strict=True):
        assert name in line.split("(")[0]
        assert "wait_for_nobody (test_virtual_time.py:" in line


@BACKENDS
def test_cleanup_runs_after_a_deadlock(backend: Backend) -> None:
    events: list[str] = []

    async def main() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(10)
            events.append(f"cleaned up at {anyio.current_time():g}")
            await anyio.sleep(10)

    with pytest.raises(DeadlockError):
        run_in_virtual_time(main, backend=backend)
    assert events == ["cleaned up at 10"]


@BACKENDS
def test_a_deadlock_behind_a_shield_is_ended(backend: Backend) -> None:
    events: list[str] = []

    async def main() -> None:
        try:
            with anyio.CancelScope(shield=True):
                await anyio.sleep_forever()
        finally:
            events.append("cleaned up")

    with pytest.raises(DeadlockError):
        run_in_virtual_time(main, backend=backend)
    assert events == ["cleaned up"]


@BACKENDS
def test_a_test_that_cannot_be_ended_fails_all_the_same(backend: Backend) -> None:
    async def main() -> None:
        while True:
            with (
                contextlib.suppress(asyncio.CancelledError, trio.Cancelled),
                anyio.CancelScope(shield=True),
            ):
                await anyio.sleep_forever()

    with pytest.raises(DeadlockError):
        run_in_virtual_time(main, backend=backend)


@leaves_garbage
@pytest.mark.parametrize("nested", [False, True])
def test_a_wait_that_refuses_to_be_cancelled_is_named(*, nested: bool) -> None:
    async def refuse() -> None:
        await trio.lowlevel.wait_task_rescheduled(lambda _: trio.lowlevel.Abort.FAILED)

    async def hold() -> None:
        async with trio.open_nursery() as tasks:
            tasks.start_soon(refuse)

    with pytest.raises(DeadlockError, match=r"waits in .*refuse"):
        run_in_virtual_time(hold if nested else refuse, backend="trio")


@BACKENDS
def test_what_the_test_raises_after_a_deadlock_is_not_its_error(
    backend: Backend,
) -> None:
    async def main() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            raise KeyError

    async def swallow() -> str:
        with contextlib.suppress(asyncio.CancelledError, trio.Cancelled):
            await anyio.sleep_forever()
        return "all is well"

    for test in (main, swallow):
        with pytest.raises(DeadlockError):
            run_in_virtual_time(test, backend=backend)


def test_an_asyncio_timer_at_infinity_is_none() -> None:
    async def main() -> None:
        asyncio.get_running_loop().call_later(math.inf, print)
        await asyncio.Event().wait()

    with pytest.raises(DeadlockError):
        run_in_virtual_time(main)


@BACKENDS
def test_a_deadlock_is_told_without_the_runner(backend: Backend) -> None:
    name, options = virtual_backend(backend)
    with pytest.raises(DeadlockError):
        anyio.run(anyio.sleep_forever, backend=name, backend_options=options)


@BACKENDS
@pytest.mark.parametrize("seconds", [0, 0.05])
def test_a_thread_is_refused(backend: Backend, seconds: float) -> None:
    async def main() -> None:
        await to_thread.run_sync(time.sleep, seconds)

    with pytest.raises(VirtualTimeError) as caught:
        run_in_virtual_time(main, backend=backend)
    assert "a task waits for a" in str(caught.value)
    assert "main" in str(caught.value)


def test_an_executor_is_refused() -> None:
    async def main() -> None:
        await asyncio.get_running_loop().run_in_executor(None, time.sleep, 0)

    with pytest.raises(VirtualTimeError, match=r"run_in_executor\(\) was called"):
        run_in_virtual_time(main)


def test_a_call_from_another_thread_is_refused() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.call_soon_threadsafe(int)
        await asyncio.sleep(1)
        thread = threading.Thread(target=loop.call_soon_threadsafe, args=[int])
        thread.start()
        thread.join()
        await asyncio.sleep(1)
        raise AssertionError

    with pytest.raises(VirtualTimeError, match="a task waits for another thread"):
        run_in_virtual_time(main)


def test_a_generator_that_is_left_unread_is_no_other_thread() -> None:
    # On asyncio, which closes it when the loop has stopped; Trio warns of it itself.
    async def letters() -> AsyncIterator[str]:
        for letter in "abc":
            yield letter

    async def main() -> bool:
        return await ak.aany(letter == "b" async for letter in letters())

    assert run_in_virtual_time(main)


def test_a_call_from_its_own_thread_is_taken_while_the_loop_is_stopped() -> None:
    called: list[str] = []
    loop = VirtualLoop()
    try:
        loop.call_soon_threadsafe(called.append, "before it runs")
        loop.run_until_complete(asyncio.sleep(1))
    finally:
        loop.close()
    assert called == ["before it runs"]


async def stop_on_a_signal(seconds: float) -> None:
    """Stop on a signal that comes after some *seconds*, and before a longer sleep."""
    arrived: list[float] = []

    async def raise_it() -> None:
        await anyio.sleep(seconds)
        signal.raise_signal(signal.SIGTERM)

    async def receive(tasks: TaskGroup) -> None:
        with anyio.open_signal_receiver(signal.SIGTERM) as signals:
            tasks.start_soon(raise_it)
            async for _ in signals:
                arrived.append(anyio.current_time())
                tasks.cancel_scope.cancel()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(receive, tasks)
        await anyio.sleep(3600)
    assert arrived == [seconds]


@NEEDS_SIGNALS
@BACKENDS
@pytest.mark.parametrize("seconds", [0, 5])
def test_a_signal_arrives_before_the_clock_moves(
    backend: Backend, seconds: float
) -> None:
    run_in_virtual_time(stop_on_a_signal, seconds, backend=backend)


@NEEDS_SIGNALS
@BACKENDS
@pytest.mark.parametrize("schedules", [20, "all"])
def test_a_signal_arrives_under_every_schedule(
    backend: Backend, schedules: Any
) -> None:
    found = explore(
        partial(stop_on_a_signal, 5), schedules=schedules, backends=[backend]
    )
    assert found.schedules > 1


@NEEDS_SIGNALS
def test_a_signal_at_the_end_is_gone_before_the_next_run() -> None:
    async def end_on_a_signal() -> None:
        with anyio.open_signal_receiver(signal.SIGTERM) as signals:
            async with anyio.create_task_group() as tasks:
                for _ in range(2):
                    tasks.start_soon(anyio.sleep, 0)
            signal.raise_signal(signal.SIGTERM)
            async for _ in signals:
                signal.raise_signal(signal.SIGTERM)
                break

    # Trio would raise the second signal again for the handler from before the test.
    found = explore(end_on_a_signal, schedules="all", backends=["asyncio"])
    assert found.schedules > 1


@NEEDS_SIGNALS
@BACKENDS
def test_waiting_for_a_signal_alone_is_a_deadlock(backend: Backend) -> None:
    async def wait_for_a_signal() -> None:
        with anyio.open_signal_receiver(signal.SIGTERM) as signals:
            await anext(aiter(signals))

    with pytest.raises(DeadlockError):
        run_in_virtual_time(wait_for_a_signal, backend=backend)


@BACKENDS
def test_real_io_is_refused(backend: Backend) -> None:
    async def main() -> None:
        with socket.socket(type=socket.SOCK_DGRAM) as sock:
            await anyio.wait_readable(sock)

    with pytest.raises(VirtualTimeError, match="waits for real I/O, which runs on"):
        run_in_virtual_time(main, backend=backend)


def test_trios_calls_from_its_own_thread_come_before_a_jump() -> None:
    async def main() -> float:
        event = trio.Event()
        await trio.sleep(1)
        trio.lowlevel.current_trio_token().run_sync_soon(event.set)
        with anyio.move_on_after(5):
            await event.wait()
        return anyio.current_time()

    assert run_in_virtual_time(main, backend="trio") == 1


def test_a_task_that_outlives_the_test_is_told() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        tasks = [loop.create_task(asyncio.sleep(60)) for _ in range(2)]
        loop.call_later(1, tasks.clear)

    with pytest.raises(TaskLeakError, match="2 tasks outlived the test"):
        run_in_virtual_time(main)


def test_a_task_that_is_about_to_end_is_no_leak() -> None:
    async def finish() -> None:
        for _ in range(3):
            await lowlevel.checkpoint()

    async def main() -> None:
        tasks.append(asyncio.get_running_loop().create_task(finish()))

    tasks: list[asyncio.Task[None]] = []
    run_in_virtual_time(main)
    assert tasks[0].done()


def test_a_task_of_trios_system_is_a_leak() -> None:
    async def main() -> None:
        trio.lowlevel.spawn_system_task(trio.sleep_forever)

    with pytest.raises(TaskLeakError, match="1 task outlived the test"):
        run_in_virtual_time(main, backend="trio")


@BACKENDS
def test_the_clock_starts_anew_for_each_run(backend: Backend) -> None:
    name, options = virtual_backend(backend)

    async def main() -> float:
        begun = anyio.current_time()
        await anyio.sleep(5)
        return begun

    for _ in range(2):
        assert anyio.run(main, backend=name, backend_options=options) == 0


def test_trio_runs_tasks_in_the_order_in_which_they_were_woken() -> None:
    async def main() -> list[int]:
        order: list[int] = []

        async def note(number: int) -> None:
            await event.wait()
            order.append(number)

        event = trio.Event()
        async with trio.open_nursery() as nursery:
            for number in range(20):
                nursery.start_soon(note, number)
            await anyio.wait_all_tasks_blocked()
            event.set()
        return order

    assert run_in_virtual_time(main, backend="trio") == list(range(20))


def test_another_backend_is_refused() -> None:
    backend: Any = "curio"
    with pytest.raises(ValueError, match="must be 'asyncio' or 'trio', not 'curio'"):
        virtual_backend(backend)


def test_trio_need_not_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    assert available_backends() == ("asyncio", "trio")
    find_spec = importlib.util.find_spec
    hide: Callable[[str], object] = lambda name: (  # noqa: E731 - a stand-in
        None if name == "trio" else find_spec(name)
    )
    monkeypatch.setattr(importlib.util, "find_spec", hide)
    assert available_backends() == ("asyncio",)


def test_outside_any_loop_nothing_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    assert running_loop() is None
    monkeypatch.delitem(sys.modules, "trio")
    assert running_loop() is None


def test_an_attribute_that_is_gone_is_told() -> None:
    with pytest.raises(RuntimeError, match=r"steer this version of .*'_no_more'"):
        private(ModuleType("x"), "_no_more")


async def test_a_running_coroutine_has_no_place() -> None:
    assert place(None) == ""


def test_the_package_does_not_import_its_test_tools() -> None:
    program = (
        "import sys, aiterkit\n"
        "assert 'aiterkit.testing' not in sys.modules\n"
        "import aiterkit.testing\n"
        "assert not {'trio', 'pytest', 'hypothesis'} & set(sys.modules)\n"
    )

    async def main() -> bytes:
        done = await anyio.run_process([sys.executable, "-c", program])
        return done.stdout + done.stderr

    assert anyio.run(main) == b""
