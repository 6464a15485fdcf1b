from typing import Literal, TypeAlias

import anyio
import pytest
from anyio import lowlevel

from aiterkit.testing import (
    DeadlockError,
    ScheduleError,
    explore,
    run_in_virtual_time,
)

Backend: TypeAlias = Literal["asyncio", "trio"]
Strategy: TypeAlias = Literal["random", "pct"]

BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])
STRATEGIES = pytest.mark.parametrize("strategy", ["random", "pct"])


async def lose_a_wake_up() -> None:
    """Between the check and the wait, the flag can be set, and nobody told."""
    is_set = False
    waiting: anyio.Event | None = None

    async def wait() -> None:
        nonlocal waiting
        if not is_set:
            await lowlevel.checkpoint()
            waiting = anyio.Event()
            await waiting.wait()

    async def set_it() -> None:
        nonlocal is_set
        for _ in range(3):
            await lowlevel.checkpoint()
        is_set = True
        if waiting is not None:
            waiting.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        tasks.start_soon(set_it)


@BACKENDS
@STRATEGIES
def test_a_lost_wake_up_is_found(backend: Backend, strategy: Strategy) -> None:
    with pytest.raises(ScheduleError) as caught:
        explore(lose_a_wake_up, backends=(backend,), strategy=strategy, seed=0)
    assert isinstance(caught.value.__cause__, DeadlockError)


@BACKENDS
def test_stock_scheduling_never_shows_it(backend: Backend) -> None:
    for _ in range(100):
        anyio.run(lose_a_wake_up, backend=backend)
        run_in_virtual_time(lose_a_wake_up, backend=backend)
