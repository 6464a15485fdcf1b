"""What `offloaded` does with an executor of `concurrent.futures`, of whatever make.

Executors live on real time, so these tests start event loops of their own. What they
wait for is an event, never a time. Those of Dask are in `test_dask.py`.
"""

import asyncio
import gc
import logging
import math
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from concurrent.futures import (
    BrokenExecutor,
    Executor,
    Future,
    ProcessPoolExecutor,
    ThreadPoolExecutor,
)
from contextlib import suppress
from functools import partial
from importlib import import_module
from multiprocessing import get_context
from typing import Any

import anyio
import pytest
from anyio import CapacityLimiter
from anyio.lowlevel import checkpoint

import aiterkit as ak
from aiterkit import Err, Ok, captured, offloaded, paced, timed
from aiterkit._calls import elsewhere

from .mpi_stand_in import MPIStandIn
from .test_offloaded import BACKENDS, SOON, Backend, Meeting, run

TOLD_HOW_TO_START = 'start the program under if __name__ == "__main__":'


def fail_to_start() -> None:
    raise OSError("no licence for this worker")


def processes(**options: Any) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, mp_context=get_context("spawn"), **options)


def interpreters() -> Executor:
    kind = getattr(futures, "InterpreterPoolExecutor", None)
    if kind is None:
        pytest.skip("needs Python 3.14")
    made: Executor = kind(1)
    return made


def loky_processes() -> Executor:
    made: Executor = import_module("loky").ProcessPoolExecutor(1)  # it has no types
    return made


MAKERS: dict[str, Callable[[], Executor]] = {
    "threads": lambda: ThreadPoolExecutor(1),
    "processes": processes,
    "interpreters": interpreters,
    "loky": loky_processes,
    "mpi": MPIStandIn,
}


@pytest.fixture(scope="module", params=MAKERS)
def executor(request: pytest.FixtureRequest) -> Iterator[Executor]:
    with MAKERS[request.param]() as made:
        yield made


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as made:
        yield made


class Gate:
    """A blocking function that begins, and returns when it may."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.has_begun = threading.Event()
        self.opened = threading.Event()

    def __call__(self, item: str) -> str:
        self.begun.append(item)
        self.has_begun.set()
        assert self.opened.wait(SOON)
        return item.upper()

    async def begin(self) -> None:
        """Wait until a call has begun."""
        await anyio.to_thread.run_sync(self.has_begun.wait, SOON)


@pytest.fixture
def gate() -> Iterator[Gate]:
    made = Gate()
    yield made
    made.opened.set()  # so that the threads of a failed test end


async def settle() -> None:
    for _ in range(20):
        await checkpoint()


@BACKENDS
class TestEveryExecutor:
    def test_runs_the_function(self, executor: Executor, backend: Backend) -> None:
        async def test() -> None:
            number: Callable[..., Any] = int
            assert await offloaded(number, to=executor)("ff", 16) == 255
            assert await offloaded(number, to=executor)("ff", base=16) == 255
            assert await offloaded(partial(number, base=2), to=executor)("11") == 3

        run(test, backend)

    def test_raises_what_the_function_raises(
        self, executor: Executor, backend: Backend
    ) -> None:
        async def test() -> None:
            with pytest.raises(ValueError, match=r"^math domain error$|nonnegative"):
                await offloaded(math.sqrt, to=executor)(-1)

        run(test, backend)

    def test_is_not_asked_to_explain_an_error_that_only_looks_like_its_own(
        self, executor: Executor, backend: Backend
    ) -> None:
        async def test() -> None:
            for kind in ("TypeError", "AttributeError", "RuntimeError"):
                code = f"raise {kind}('cannot pickle a cucumber')"
                with pytest.raises(
                    Exception, match=r"^cannot pickle a cucumber$"
                ) as caught:
                    await offloaded(exec, to=executor)(code, {})
                assert type(caught.value).__name__ == kind

        run(test, backend)

    def test_works_on_both_sides(self, executor: Executor, backend: Backend) -> None:
        async def test() -> None:
            call = offloaded(math.isqrt, to=executor)
            assert await ak.concurrent_collect(call, [1, 4, 9], limit=3) == [1, 2, 3]
            assert [root async for root in ak.amap(call, [16, 25])] == [4, 5]
            async with ak.concurrent_map_unordered(call, [36], limit=2) as roots:
                assert [root async for root in roots] == [6]

        run(test, backend)

    def test_composes_with_the_others(
        self, executor: Executor, backend: Backend
    ) -> None:
        async def test() -> None:
            call = captured(
                paced(timed(offloaded(math.isqrt, to=executor), SOON), per_second=1e6)
            )
            good, bad = await ak.concurrent_collect(call, [4, -1], limit=2)
            assert good == Ok(2)
            assert isinstance(bad, Err)
            assert isinstance(bad.error, ValueError)

        run(test, backend)

    def test_is_left_open(self, executor: Executor, backend: Backend) -> None:
        async def test() -> None:
            assert await offloaded(int, to=executor)("1") == 1

        run(test, backend)
        assert executor.submit(int, "2").result(SOON) == 2


@BACKENDS
class TestCancelled:
    def test_a_queued_call_never_runs(
        self, threads: Executor, gate: Gate, backend: Backend
    ) -> None:
        async def test() -> None:
            call = offloaded(gate, to=threads)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(call, "first")
                await gate.begin()
                with anyio.CancelScope() as scope:
                    tasks.start_soon(cancel_when_settled, scope)
                    await call("second")
                assert scope.cancelled_caught
                gate.opened.set()

        run(test, backend)
        threads.shutdown()
        assert gate.begun == ["first"]

    def test_a_running_call_is_waited_for(
        self, threads: Executor, gate: Gate, backend: Backend
    ) -> None:
        async def test() -> None:
            returned: list[str] = []
            scope = anyio.CancelScope()

            async def call() -> None:
                with scope:
                    returned.append(await offloaded(gate, to=threads)("a"))
                    await checkpoint()
                    pytest.fail("the cancellation was lost")

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(call)
                await gate.begin()
                scope.cancel()
                await settle()
                assert returned == []
                gate.opened.set()
            assert returned == ["A"]
            assert scope.cancelled_caught

        run(test, backend)

    def test_a_running_call_may_fail_in_the_end(
        self, threads: Executor, gate: Gate, backend: Backend
    ) -> None:
        async def test() -> None:
            def fail(item: str) -> None:
                gate(item)
                raise KeyError(item)

            with anyio.CancelScope() as scope:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(cancel_when_begun, scope, gate)
                    with pytest.raises(KeyError) as caught:
                        await offloaded(fail, to=threads)("a")
                    assert caught.value.__context__ is None

        run(test, backend)

    def test_a_call_that_is_cancelled_before_is_not_given_to_the_executor(
        self, threads: Executor, gate: Gate, backend: Backend
    ) -> None:
        async def test() -> None:
            with anyio.CancelScope() as scope:
                scope.cancel()
                await offloaded(gate, to=threads)("a")

        run(test, backend)
        assert gate.begun == []

    def test_timed_ends_a_queued_call_and_no_running_one(
        self, threads: Executor, gate: Gate, backend: Backend
    ) -> None:
        async def test() -> None:
            call = timed(offloaded(gate, to=threads), 0.01)
            results: list[str] = []

            async def first() -> None:
                results.append(await call("first"))

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(first)
                await gate.begin()
                with pytest.raises(TimeoutError, match=r"^Gate\(\) took longer"):
                    await call("second")
                assert results == []
                gate.opened.set()
            assert results == ["FIRST"]
            assert gate.begun == ["first"]

        run(test, backend)

    def test_a_block_that_is_left_waits_for_what_runs_and_drops_the_rest(
        self, threads: Executor, gate: Gate, backend: Backend
    ) -> None:
        async def test() -> None:
            async with anyio.create_task_group() as tasks:
                call = offloaded(gate, to=threads)
                async with ak.concurrent_map(call, "abcdef", limit=4):
                    await gate.begin()
                    tasks.start_soon(open_when_settled, gate)
                assert gate.opened.is_set()

        run(test, backend)
        threads.shutdown()
        assert gate.begun == ["a"]

    def test_a_token_is_kept_until_the_function_has_ended(
        self, threads: Executor, gate: Gate, backend: Backend
    ) -> None:
        async def test() -> None:
            limiter = CapacityLimiter(1)
            call = offloaded(gate, to=threads, limiter=limiter)
            with anyio.CancelScope() as scope:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(call, "a")
                    await gate.begin()
                    scope.cancel()
                    with anyio.CancelScope(shield=True):
                        await settle()
                        assert limiter.borrowed_tokens == 1
                        gate.opened.set()
            assert limiter.borrowed_tokens == 0

        run(test, backend)


async def cancel_when_settled(scope: anyio.CancelScope) -> None:
    await settle()
    scope.cancel()


async def cancel_when_begun(scope: anyio.CancelScope, gate: Gate) -> None:
    await gate.begin()
    scope.cancel()
    with anyio.CancelScope(shield=True):
        await settle()
    gate.opened.set()


async def open_when_settled(gate: Gate) -> None:
    await settle()
    gate.opened.set()


class TestCancelledByAsyncio:
    """Its own cancellation interrupts once, and must not be lost."""

    def test_a_queued_call_never_runs(self, threads: Executor, gate: Gate) -> None:
        async def main() -> None:
            call = offloaded(gate, to=threads)
            first = asyncio.create_task(call("first"))
            await gate.begin()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await call("second")
            gate.opened.set()
            assert await first == "FIRST"

        asyncio.run(main())
        assert gate.begun == ["first"]

    @pytest.mark.parametrize("times", [1, 3])
    def test_a_running_call_is_waited_for(
        self, threads: Executor, gate: Gate, times: int
    ) -> None:
        async def main() -> None:
            task = asyncio.create_task(offloaded(gate, to=threads)("a"))
            await gate.begin()
            for _ in range(times):
                task.cancel()
                await asyncio.sleep(0)
                await asyncio.sleep(0)
                assert not task.done()
            gate.opened.set()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert task.cancelled()

        asyncio.run(main())

    def test_a_scope_and_a_task_may_be_cancelled_both(
        self, threads: Executor, gate: Gate
    ) -> None:
        async def main() -> None:
            scope = anyio.CancelScope()

            async def call() -> None:
                with scope:
                    await offloaded(gate, to=threads)("a")

            task = asyncio.create_task(call())
            await gate.begin()
            scope.cancel()
            for _ in range(5):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.sleep(0)
            gate.opened.set()
            with pytest.raises(asyncio.CancelledError):
                await task

        asyncio.run(main())


@BACKENDS
class TestThreads:
    """What has to do with the threads of the executor, and with ours."""

    def test_a_thousand_calls_in_flight_start_no_thread(
        self, threads: Executor, gate: Gate, backend: Backend
    ) -> None:
        pool: Any = threads
        seen: list[list[threading.Thread]] = []
        queued: list[int] = []

        async def test() -> None:
            call = offloaded(gate, to=threads)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(call, "first")
                await gate.begin()
                seen.append(threading.enumerate())
                for number in range(1000):
                    tasks.start_soon(call, str(number))
                await settle()
                seen.append(threading.enumerate())
                queued.append(pool._work_queue.qsize())
                gate.opened.set()
            assert queued == [1000]
            assert seen[0] == seen[1]

        run(test, backend)
        assert len(gate.begun) == 1001

    def test_a_worker_never_waits_for_the_event_loop(
        self, threads: Executor, gate: Gate, backend: Backend
    ) -> None:
        last = threading.Event()

        async def test() -> None:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(offloaded(gate, to=threads), "first")
                tasks.start_soon(offloaded(gate, to=threads), "second")
                await gate.begin()
                tasks.start_soon(offloaded(last.set, to=threads))
                await settle()
                gate.opened.set()
                # The event loop is blocked, and all three calls end nevertheless.
                assert last.wait(SOON)

        run(test, backend)

    def test_calls_overlap_as_far_as_there_are_workers(self, backend: Backend) -> None:
        meeting = Meeting(3)
        with ThreadPoolExecutor(3) as pool:
            call = offloaded(meeting, to=pool)
            run(partial(ak.concurrent_for_each, call, "abcdef", limit=6), backend)
        assert meeting.max_overlap == 3

    def test_a_limiter_bounds_them_further(self, backend: Backend) -> None:
        meeting = Meeting(2)

        async def test() -> None:
            call = offloaded(meeting, to=pool, limiter=CapacityLimiter(2))
            await ak.concurrent_for_each(call, "abcdef", limit=6)

        with ThreadPoolExecutor(4) as pool:
            run(test, backend)
        assert meeting.max_overlap == 2

    def test_a_call_may_end_after_the_event_loop(
        self, backend: Backend, caplog: pytest.LogCaptureFixture
    ) -> None:
        future = Future[None]()

        async def leave_it_waiting() -> None:
            waiting = elsewhere._wait_for(future)
            waiting.send(None)
            waiting.close()

        run(leave_it_waiting, backend)
        with caplog.at_level(logging.DEBUG):
            future.set_result(None)
        assert caplog.text == ""

    def test_what_only_looked_sync_is_not_awaited(
        self, threads: Executor, backend: Backend
    ) -> None:
        async def fetch() -> None: ...

        async def test() -> None:
            look_sync: Callable[[], object] = lambda: fetch()  # noqa: E731, PLW0108
            with pytest.raises(TypeError) as caught:
                await offloaded(look_sync, to=threads)()
            assert str(caught.value) == (
                "offloaded() takes a sync function, and <lambda> is async: "
                "use it as it is"
            )

        run(test, backend)

    def test_an_error_leaves_nothing_to_the_garbage_collector(
        self, threads: Executor, backend: Backend
    ) -> None:
        class Marked(Exception):
            pass

        def fail() -> None:
            raise Marked

        async def test() -> None:
            call = offloaded(fail, to=threads)
            with pytest.raises(Marked):
                await call()
            gc.collect()
            gc.disable()
            try:
                with suppress(Marked):
                    await call()
                await settle()
                # The worker lets go of it when it waits for the next call.
                await offloaded(int, to=threads)("1")
                left = [each for each in gc.get_objects() if type(each) is Marked]
                assert left == []
            finally:
                gc.enable()

        run(test, backend)


@BACKENDS
class TestBroken:
    @pytest.mark.parametrize(
        ("func", "args"),
        [
            pytest.param(os._exit, [3], id="exit"),
            pytest.param(signal.raise_signal, [signal.SIGKILL], id="killed"),
        ],
    )
    def test_a_process_that_dies(
        self, func: Callable[..., object], args: list[Any], backend: Backend
    ) -> None:
        async def test() -> None:
            errors: list[BaseException] = []

            async def fail(call: Callable[[], Any]) -> None:
                with pytest.raises(futures.process.BrokenProcessPool) as caught:
                    await call()
                errors.append(caught.value)

            waiting = partial(offloaded(time.sleep, to=pool), 10 * SOON)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(fail, partial(offloaded(func, to=pool), *args))
                await settle()
                tasks.start_soon(fail, waiting)
            await fail(waiting)
            names = [str(error).partition("()")[0] for error in errors]
            assert sorted(names[:2]) == sorted([func.__name__, "sleep"])
            assert names[2] == "sleep"
            assert all(TOLD_HOW_TO_START in str(error) for error in errors)
            assert str(errors[0]).partition("() ")[2] == (
                "has no result, because its executor is broken (A process in the "
                "process pool was terminated abruptly while the future was running or "
                "pending): a worker died, could not start, or returned what cannot be "
                "unpickled. Make a new executor, since a broken one runs no more "
                f"calls; with processes, {TOLD_HOW_TO_START}"
            )

        with processes() as pool:
            run(test, backend)

    def test_a_process_of_loky_that_dies(self, backend: Backend) -> None:
        async def test() -> None:
            with pytest.raises(futures.process.BrokenProcessPool) as caught:
                await offloaded(os._exit, to=pool)(3)
            assert str(caught.value).startswith("_exit() has no result, because its ex")

        with loky_processes() as pool:
            run(test, backend)

    def test_a_thread_that_cannot_start(
        self, backend: Backend, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def test() -> None:
            for _ in range(2):
                with pytest.raises(futures.thread.BrokenThreadPool) as caught:
                    await offloaded(int, to=pool)("1")
                assert "int() has no result, because its executor is broken" in str(
                    caught.value
                )

        with ThreadPoolExecutor(1, initializer=fail_to_start) as pool:
            run(test, backend)
        assert "no licence for this worker" in caplog.text

    def test_a_worker_of_mpi_that_cannot_start(self, backend: Backend) -> None:
        async def test() -> None:
            for _ in range(2):
                with pytest.raises(BrokenExecutor) as caught:
                    await offloaded(int, to=pool)("1")
                assert type(caught.value) is BrokenExecutor
                assert "broken (initializer failed)" in str(caught.value)

        with MPIStandIn(initializer=fail_to_start) as pool:
            run(test, backend)

    def test_a_result_that_cannot_be_unpickled(self, backend: Backend) -> None:
        code = "type('X', (), {'__reduce__': lambda self: (int, ('x',))})()"

        async def test() -> None:
            with pytest.raises(BrokenExecutor) as caught:
                await offloaded(eval, to=pool)(code)
            assert str(caught.value).startswith(
                "eval() has no result, because its executor is broken (ValueError: "
                "invalid literal for int() with base 10: 'x'): a worker died, could "
            )

        with processes() as pool:
            run(test, backend)

    def test_an_initializer_runs_in_each_worker(self, backend: Backend) -> None:
        async def test() -> None:
            assert await offloaded(os.getpid, to=pool)() != os.getpid()
            assert await offloaded(os.getenv, to=pool)("WORKER") == "ready"

        code = "import os; os.environ['WORKER'] = 'ready'"
        with processes(initializer=exec, initargs=(code,)) as pool:
            run(test, backend)


@BACKENDS
class TestUnpicklable:
    UNSENT = (
        "Define the function at the top level of a module, without a decorator; pass "
        "plain data, and open files, locks and connections in the function itself"
    )

    @pytest.mark.parametrize("maker", ["processes", "mpi"])
    def test_a_function(self, maker: str, backend: Backend) -> None:
        unnamed: Callable[[], None] = lambda: None  # noqa: E731 - it cannot be pickled

        async def test() -> None:
            with pytest.raises(pickle.PicklingError) as caught:
                await offloaded(unnamed, to=pool)()
            assert str(caught.value).startswith(
                "<lambda>() was not called, because it or one of its arguments cannot "
                "be pickled (Can't"
            )
            assert str(caught.value).endswith(f"). {self.UNSENT}")
            assert await offloaded(int, to=pool)("1") == 1

        with MAKERS[maker]() as pool:
            run(test, backend)

    @pytest.mark.parametrize("maker", ["processes", "mpi", "loky"])
    def test_an_argument(self, maker: str, backend: Backend) -> None:
        async def test() -> None:
            with pytest.raises(pickle.PicklingError) as caught:
                await offloaded(repr, to=pool)(threading.Lock())
            assert str(caught.value).startswith(
                "repr() was not called, because it or one of its arguments cannot be "
                "pickled ("
            )
            assert await offloaded(int, to=pool)("1") == 1

        with MAKERS[maker]() as pool:
            run(test, backend)

    @pytest.mark.parametrize("maker", ["processes", "loky"])
    def test_a_result(self, maker: str, backend: Backend) -> None:
        async def test() -> None:
            with pytest.raises(pickle.PicklingError) as caught:
                await offloaded(eval, to=pool)("__import__('threading').Lock()")
            assert str(caught.value) == (
                "eval() has no result, because what it returned or raised cannot be "
                "pickled (cannot pickle '_thread.lock' object). Return plain data, and "
                "raise exceptions that hold plain data"
            )
            assert await offloaded(int, to=pool)("1") == 1

        with MAKERS[maker]() as pool:
            run(test, backend)

    def test_an_error(self, backend: Backend) -> None:
        async def test() -> None:
            code = "import threading; raise OSError(threading.Lock())"
            with pytest.raises(pickle.PicklingError) as caught:
                await offloaded(exec, to=pool)(code)
            assert str(caught.value).startswith(
                "exec() has no result, because what it returned or raised cannot be "
            )

        with processes() as pool:
            run(test, backend)

    def test_what_is_pickled_at_once(self, backend: Backend) -> None:
        class Eager(Executor):
            """Pickles when a call is submitted, as that of Dask does."""

            def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
                pickle.dumps((fn, args, kwargs))

        async def test() -> None:
            with pytest.raises(pickle.PicklingError, match=r"^repr\(\) was not called"):
                await offloaded(repr, to=Eager())(threading.Lock())

        run(test, backend)

    def test_what_is_unpicklable_at_times(self, backend: Backend) -> None:
        async def test() -> None:
            with pytest.raises(TypeError, match=r"^cannot pickle me today$"):
                await offloaded(repr, to=pool)(Moody())

        with MPIStandIn() as pool:
            run(test, backend)


class Moody:
    """Cannot be pickled the first time."""

    def __init__(self) -> None:
        self.asked = 0

    def __reduce__(self) -> tuple[Any, ...]:
        self.asked += 1
        if self.asked == 1:
            raise TypeError("cannot pickle me today")
        return int, ()


@BACKENDS
class TestShutDown:
    @pytest.mark.parametrize("maker", ["threads", "processes", "loky", "mpi"])
    def test_before(self, maker: str, backend: Backend) -> None:
        pool = MAKERS[maker]()
        pool.shutdown()

        async def test() -> None:
            with pytest.raises(RuntimeError) as caught:
                await offloaded(int, to=pool)("1")
            assert str(caught.value) == (
                "int() was not called, because its executor takes no more calls "
                "(cannot schedule new futures after shutdown). Keep the executor open "
                "until all calls have ended"
            )

        run(test, backend)

    def test_without_a_reason(self, backend: Backend) -> None:
        class Closed(Executor):
            def submit(self, *_args: Any, **_options: Any) -> Any:
                raise OSError

        async def test() -> None:
            with pytest.raises(RuntimeError) as caught:
                await offloaded(int, to=Closed())("1")
            assert "takes no more calls (OSError())" in str(caught.value)

        run(test, backend)

    CANCELLED = (
        "int() has no result, because its executor cancelled the call. Keep the "
        "executor and its client open until all calls have ended; with Dask, use "
        "client.get_executor(pure=False), or equal calls are one and are cancelled "
        "together"
    )

    @pytest.mark.parametrize("maker", [ThreadPoolExecutor, MPIStandIn])
    def test_while_a_call_waits(self, gate: Gate, maker: Any, backend: Backend) -> None:
        async def test() -> None:
            async def call() -> None:
                with pytest.raises(RuntimeError) as caught:
                    await offloaded(int, to=pool)("1")
                assert str(caught.value) == self.CANCELLED

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(call)
                await gate.begin()
                await settle()
                pool.shutdown(wait=False, cancel_futures=True)
                gate.opened.set()

        # The only worker is not ready before the gate opens.
        with maker(initializer=partial(gate, "worker")) as pool:
            run(test, backend)


class TestMistakes:
    def refused(self, place: Any, kind: type[Exception]) -> str:
        with pytest.raises(kind) as caught:
            offloaded(int, to=place)
        return str(caught.value)

    RULE = (
        "to must be 'thread', 'process', 'interpreter' or a "
        "concurrent.futures.Executor, not "
    )

    def test_another_name(self) -> None:
        assert self.refused("threads", ValueError) == f"{self.RULE}'threads'"

    @pytest.mark.parametrize("place", [None, 4])
    def test_neither_a_name_nor_an_executor(self, place: object) -> None:
        assert self.refused(place, TypeError) == f"{self.RULE}{place!r}"

    def test_the_class_of_an_executor(self) -> None:
        assert self.refused(ThreadPoolExecutor, TypeError) == (
            f"{self.RULE}{ThreadPoolExecutor!r}: make one, ThreadPoolExecutor()"
        )

    def test_a_client_of_dask(self) -> None:
        class Client:
            def get_executor(self) -> None: ...

            def __repr__(self) -> str:
                return "<Client>"

        assert self.refused(Client(), TypeError) == (
            f"{self.RULE}<Client>: use client.get_executor(pure=False)"
        )


def test_executors_are_loaded_when_they_are_used() -> None:
    code = "import sys, aiterkit; print('aiterkit._calls.elsewhere' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, text=True
    )
    assert done.stdout == "False\n"
