"""Faults that hundreds of random schedules do not show, and every schedule does.

In each of these programs a task must pause at one step while another goes on for
long. A random draw at each step hardly ever leaves a task alone for so long; to
pause it once is one preemption.
"""

from collections.abc import Callable, Coroutine
from typing import Any, Literal, TypeAlias

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
Test: TypeAlias = Callable[[], Coroutine[Any, Any, None]]
LONG = 20


async def be_long() -> None:
    for _ in range(LONG):
        await lowlevel.checkpoint()


async def side_by_side(*functions: Test) -> None:
    async with anyio.create_task_group() as tasks:
        for function in functions:
            tasks.start_soon(function)


async def a_lost_wake_up() -> None:
    """Between the check and the wait the flag is set, and nobody is woken."""
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
        await be_long()
        is_set = True
        if waiting is not None:
            waiting.set()

    await side_by_side(wait, set_it)


async def a_lost_update() -> None:
    """A sum is read, and written after another task has changed it."""
    total = 0

    async def add_one() -> None:
        nonlocal total
        seen = total
        await lowlevel.checkpoint()
        total = seen + 1

    async def add_two() -> None:
        nonlocal total
        await be_long()
        total += 2

    await side_by_side(add_one, add_two)
    assert total == 3


async def a_use_after_close() -> None:
    """A connection is found open, and is closed before it is used."""
    is_open = True

    async def use() -> None:
        if is_open:
            await lowlevel.checkpoint()
            assert is_open

    async def close() -> None:
        nonlocal is_open
        await be_long()
        is_open = False

    await side_by_side(use, close)


async def a_deadlock_of_two_locks() -> None:
    """Two tasks take two locks, each in another order."""
    first, second = anyio.Lock(), anyio.Lock()

    async def take() -> None:
        async with first:
            await lowlevel.checkpoint()
            async with second:
                pass

    async def take_in_turn() -> None:
        await be_long()
        async with second:
            await lowlevel.checkpoint()
            async with first:
                pass

    await side_by_side(take, take_in_turn)


async def a_stack_that_compares_and_swaps() -> None:
    """The top is as it was seen, but what is below it has gone and come."""
    below = {"a": "b", "b": "c", "c": ""}
    top = "a"
    popped: list[str] = []

    async def pop() -> None:
        nonlocal top
        seen, following = top, below[top]
        await lowlevel.checkpoint()
        if top == seen:
            top = following
            popped.append(seen)

    async def pop_two_and_push_one() -> None:
        nonlocal top
        await be_long()
        if top == "a":
            popped.append(below["a"])
            below["a"] = below["b"]

    await side_by_side(pop, pop_two_and_push_one)
    assert top not in popped


async def a_cache_that_forgets_a_change() -> None:
    """What was loaded before a change is stored after the change was announced."""
    stored = "old"
    cache: dict[str, str] = {}

    async def load() -> None:
        seen = stored
        await lowlevel.checkpoint()
        cache["it"] = seen

    async def change() -> None:
        nonlocal stored
        await be_long()
        stored = "new"
        cache.pop("it", None)

    await side_by_side(load, change)
    assert cache.get("it", stored) == stored


FAULTS = [
    a_lost_wake_up,
    a_lost_update,
    a_use_after_close,
    a_deadlock_of_two_locks,
    a_stack_that_compares_and_swaps,
    a_cache_that_forgets_a_change,
]
EACH = pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])


@BACKENDS
@EACH
def test_400_random_schedules_do_not_show_it(fault: Test, backend: Backend) -> None:
    run_in_virtual_time(fault, backend=backend)
    explore(fault, schedules=400, backends=(backend,), seed=0)


@BACKENDS
@EACH
def test_every_schedule_with_two_preemptions_shows_it(
    fault: Test, backend: Backend
) -> None:
    with pytest.raises(ScheduleError) as caught:
        explore(fault, schedules="all", preemptions=2, backends=(backend,))
    assert " preemption" in str(caught.value).splitlines()[0]
    is_deadlock = fault in {a_lost_wake_up, a_deadlock_of_two_locks}
    assert isinstance(caught.value.__cause__, DeadlockError) == is_deadlock
