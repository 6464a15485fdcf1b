"""How tasks wait for each other: a turn of the loop, or a wait that somebody ends."""

import asyncio
import types
from collections.abc import Generator
from itertools import product
from typing import Any

import pytest
import trio

from aiterkit._runtime.backend import SpinPolicy
from aiterkit._runtime.backend_asyncio import ASYNCIO_TURN, running_backend
from aiterkit._runtime.backend_trio import turn_trap


def yields(spin: SpinPolicy, waits: int) -> list[int]:
    """Return before which of so many *waits* it yields, each time for nothing."""
    taken: list[int] = []
    for wait in range(waits):
        if spin.should_yield():
            taken.append(wait)
            spin.wasted()
    return taken


def test_wasted_yields_become_rarer_but_never_stop() -> None:
    assert yields(SpinPolicy(), 200) == [0, 2, 6, 14, 30, 62, 126, 190]


def test_a_yield_that_paid_off_is_followed_by_yields() -> None:
    spin = SpinPolicy()
    assert yields(spin, 7) == [0, 2, 6]
    for _ in range(7):
        assert not spin.should_yield()
    assert spin.should_yield()
    spin.paid_off()
    assert spin.should_yield()
    spin.wasted()
    assert [spin.should_yield() for _ in range(2)] == [False, True]


def decisions(outcomes: tuple[bool, ...], *, always_asked: bool) -> list[bool]:
    """Return for each wait whether the policy yields; *outcomes* says what paid off.

    It is asked and told each time, or only if it is not eager, as in `src`.
    """
    spin = SpinPolicy()
    decided: list[bool] = []
    for paid in outcomes:
        now = (spin.is_eager and not always_asked) or spin.should_yield()
        decided.append(now)
        if now and not paid:
            spin.wasted()
        elif now and (always_asked or not spin.is_eager):
            spin.paid_off()
    return decided


def test_an_eager_policy_need_not_be_asked() -> None:
    for outcomes in product((True, False), repeat=10):
        asked = decisions(outcomes, always_asked=True)
        assert decisions(outcomes, always_asked=False) == asked


def test_in_one_turn_every_other_task_takes_one_step() -> None:
    steps: list[str] = []

    async def step(name: str) -> None:
        for _ in range(3):
            steps.append(name)
            await ASYNCIO_TURN

    async def main() -> None:
        async with asyncio.TaskGroup() as tasks:
            for name in "abc":
                tasks.create_task(step(name))

    asyncio.run(main())
    assert steps == [*"abcabcabc"]


def test_on_trio_a_turn_is_what_its_own_checkpoint_is_each_time() -> None:
    steps: list[str] = []

    @types.coroutine
    def turn(trap: object) -> Generator[Any, Any, None]:
        yield trap

    async def step(name: str) -> None:
        trap = turn_trap()
        for _ in range(3):
            steps.append(name)
            await turn(trap)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            for name in "abc":
                nursery.start_soon(step, name)

    trio.run(main)
    rounds = [steps[:3], steps[3:6], steps[6:]]
    assert [sorted(names) for names in rounds] == [[*"abc"]] * 3


@pytest.mark.parametrize("more", [0, 1])
def test_where_anyio_does_not_show_the_scope_of_a_task_the_count_decides(
    more: int,
) -> None:
    native = types.SimpleNamespace(cancelling=lambda: 1 + more)
    task: Any = types.SimpleNamespace(native=native, cancellations=1, handle=object())

    async def is_resumed() -> bool | None:
        error = asyncio.CancelledError()
        return running_backend().is_resumed_by_block(task, error)

    assert asyncio.run(is_resumed()) is bool(more)
