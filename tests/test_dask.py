"""What `offloaded` does with the executor of a Dask cluster, on asyncio and on Trio.

Dask is not needed for anything else, so it is not among what the tests need. `nox -s
example` brings it, and runs these.
"""

import math
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from importlib import import_module
from importlib.util import find_spec
from pickle import PicklingError
from typing import Any

import anyio
import pytest
from anyio.lowlevel import checkpoint

import aiterkit as ak
from aiterkit import Err, captured, offloaded, timed

from .test_offloaded import BACKENDS, Backend, run

pytestmark = [
    pytest.mark.skipif(
        find_spec("distributed") is None,
        reason='Dask is not here: python -m pip install ".[cluster]"',
    ),
    # Its own: it uses what asyncio and tornado no longer want to be used.
    pytest.mark.filterwarnings("default"),
]


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    """A client of a cluster of one process with one thread."""
    dask = import_module("distributed")
    with (
        import_module("dask").config.set({"distributed.scheduler.allowed-failures": 0}),
        dask.LocalCluster(
            n_workers=1,
            threads_per_worker=1,
            dashboard_address=None,
            scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},  # any free port
            silence_logs=50,
        ) as cluster,
        dask.Client(cluster) as made,
    ):
        yield made


@pytest.fixture
def executor(client: Any) -> Executor:
    made: Executor = client.get_executor(pure=False)
    return made


@BACKENDS
class TestDask:
    def test_runs_on_the_cluster(self, executor: Executor, backend: Backend) -> None:
        async def test() -> None:
            assert await offloaded(os.getpid, to=executor)() != os.getpid()
            call = offloaded(math.isqrt, to=executor)
            assert await ak.concurrent_collect(call, [1, 4, 9], limit=3) == [1, 2, 3]

        run(test, backend)

    def test_an_option_is_the_functions_even_if_dask_has_one_of_that_name(
        self, executor: Executor, backend: Backend
    ) -> None:
        async def test() -> None:
            call: Callable[..., Any] = offloaded(dict[str, int], to=executor)
            assert await call(workers=3, key=4) == {"workers": 3, "key": 4}

        run(test, backend)

    def test_a_future_of_dask_is_replaced_by_its_result(
        self, client: Any, executor: Executor, backend: Backend
    ) -> None:
        four = client.submit(int, "4")

        async def test() -> None:
            assert await offloaded(math.isqrt, to=executor)(four) == 2

        run(test, backend)

    def test_raises_what_the_function_raises(
        self, executor: Executor, backend: Backend
    ) -> None:
        async def test() -> None:
            with pytest.raises(ValueError, match="nonnegative"):
                await offloaded(math.isqrt, to=executor)(-1)

        run(test, backend)

    def test_a_cancelled_call_is_forgotten_and_no_other(
        self, executor: Executor, backend: Backend
    ) -> None:
        async def test() -> None:
            call = offloaded(time.sleep, to=executor)
            with anyio.CancelScope() as scope:
                async with anyio.create_task_group() as tasks:
                    for number in range(20):
                        tasks.start_soon(call, 0.01 + number / 10000)
                    for _ in range(20):
                        await checkpoint()
                    scope.cancel()
            assert await offloaded(math.isqrt, to=executor)(16) == 4

        run(test, backend)

    def test_a_call_can_be_timed(self, executor: Executor, backend: Backend) -> None:
        async def test() -> None:
            with pytest.raises(TimeoutError, match=r"^sleep\(\) took longer than 0.05"):
                await timed(offloaded(time.sleep, to=executor), 0.05)(0.5)

        run(test, backend)

    def test_what_cannot_be_pickled(self, executor: Executor, backend: Backend) -> None:
        async def test() -> None:
            with pytest.raises(PicklingError, match=r"^repr\(\) was not called, beca"):
                await offloaded(repr, to=executor)(threading.Lock())

        run(test, backend)

    def test_a_worker_that_dies(self, executor: Executor, backend: Backend) -> None:
        async def test() -> None:
            kill = captured(offloaded(signal.raise_signal, to=executor))
            outcome = await kill(signal.SIGKILL)
            assert isinstance(outcome, Err)
            assert "raise_signal" in str(outcome.error)
            assert "died while running it" in str(outcome.error)
            # The cluster starts another one.
            assert await offloaded(math.isqrt, to=executor)(9) == 3

        run(test, backend)

    def test_a_hundred_calls_in_flight_start_no_thread(
        self, executor: Executor, backend: Backend
    ) -> None:
        async def test() -> None:
            call = offloaded(math.isqrt, to=executor)
            await call(4)
            before = len(threading.enumerate())
            async with anyio.create_task_group() as tasks:
                for number in range(100):
                    tasks.start_soon(call, number)
                for _ in range(20):
                    await checkpoint()
                assert len(threading.enumerate()) <= before

        run(test, backend)


@BACKENDS
def test_equal_calls_are_cancelled_together_unless_they_are_impure(
    client: Any, backend: Backend
) -> None:
    async def test() -> None:
        call = offloaded(time.sleep, to=client.get_executor())
        async with anyio.create_task_group() as tasks:
            with anyio.CancelScope() as scope:
                tasks.start_soon(cancel_soon, scope)
                tasks.start_soon(expect_explanation, call)
                await call(0.3)

    run(test, backend)


async def cancel_soon(scope: anyio.CancelScope) -> None:
    for _ in range(20):
        await checkpoint()
    scope.cancel()


async def expect_explanation(call: Callable[[float], Any]) -> None:
    with pytest.raises(RuntimeError, match=r"get_executor\(pure=False\), or equal"):
        await call(0.3)
