import asyncio
import itertools
import random
import sys
from collections import Counter
from typing import Any, Literal, TypeAlias

import anyio
import pytest
from anyio import lowlevel

from aiterkit.testing import (
    DeadlockError,
    ScheduleError,
    TaskLeakError,
    VirtualTimeError,
    explore,
    run_in_virtual_time,
)
from aiterkit.testing._report import History
from aiterkit.testing._strategies import make_strategy
from aiterkit.testing._virtual import run_schedule

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
    run_in_virtual_time(lose_a_wake_up, backend=backend)
    for _ in range(100):
        anyio.run(lose_a_wake_up, backend=backend)


async def mingle() -> None:
    """Groups, sleeps, a cancellation of many tasks at once, and a shared wait."""
    event = anyio.Event()

    async def work(number: int) -> None:
        for turn in range(3):
            await anyio.sleep(number % 3 * turn / 10)
        await event.wait()
        with anyio.CancelScope(shield=number == 1):
            await anyio.sleep(number)

    with anyio.move_on_after(3):
        async with anyio.create_task_group() as tasks:
            for number in range(8):
                tasks.start_soon(work, number)
            await anyio.sleep(1)
            event.set()


def run_of(seed: int, backend: Backend, strategy: Strategy) -> tuple[int, str]:
    history = History()
    order = make_strategy(strategy, seed)
    run_schedule(mingle, backend, order, history, debug=False)
    return history.digest, history.table()


@BACKENDS
@STRATEGIES
def test_the_same_seed_makes_the_same_run(backend: Backend, strategy: Strategy) -> None:
    ballast: list[object] = []
    runs: set[tuple[int, str]] = set()
    for number in range(50):
        runs.add(run_of(7, backend, strategy))
        # Other addresses, and so another order of what is kept in sets.
        ballast.append([object() for _ in range(number * 3)])
    assert len(runs) == 1


@BACKENDS
@STRATEGIES
def test_other_seeds_make_other_runs(backend: Backend, strategy: Strategy) -> None:
    seen = explore(mingle, backends=(backend,), strategy=strategy, schedules=50, seed=0)
    assert seen.schedules == 50
    assert seen.distinct > 40
    assert seen.steps > 30


@BACKENDS
def test_a_failure_can_be_replayed_from_its_message(backend: Backend) -> None:
    with pytest.raises(ScheduleError) as caught:
        explore(lose_a_wake_up, backends=(backend,))
    error = caught.value
    line = str(error).split("replay it with: ")[1].splitlines()[0]
    options = f'backends=("{backend}",), strategy="random", seed={error.seed}'
    assert line == f"explore(lose_a_wake_up, schedules=1, {options})"
    assert (error.backend, error.strategy) == (backend, "random")
    for _ in range(5):
        with pytest.raises(ScheduleError) as again:
            eval(line)  # noqa: S307 - it is meant to be pasted
        assert str(again.value).split("step")[1] == str(error).split("step")[1]


@BACKENDS
def test_a_failure_shows_what_each_task_did(backend: Backend) -> None:
    async def nap() -> None:
        await anyio.sleep(1.5)

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(nap, name="napper")
        raise KeyError("x")

    with pytest.raises(ScheduleError) as caught:
        explore(main, backends=(backend,), schedules=1, seed=3)
    first, replay, empty, head, *rows = str(caught.value).splitlines()
    assert first.endswith(f"on {backend}, strategy random, seed 3: KeyError('x')")
    assert replay.startswith("replay it with: explore(main, ")
    assert not empty
    assert head.split()[:2] == ["step", "time"]
    assert head.split()[3::2] == ["main", "napper"]
    assert [row.split()[0] for row in rows] == ["1", "2", "3"]
    assert "main:" in rows[0]
    assert "nap:" in rows[1]
    assert rows[2].split()[1:] == ["1.5", "ended"]


def test_a_long_run_shows_its_end() -> None:
    async def main() -> None:
        for _ in range(100):
            await anyio.sleep(1)
        raise KeyError("x")

    with pytest.raises(ScheduleError) as caught:
        explore(main, backends=("asyncio",), schedules=1, seed=3)
    rows = str(caught.value).splitlines()[3:]
    assert rows[1].strip() == "…"
    assert len(rows) == 62


def test_the_order_of_plain_callbacks_is_kept() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        called: list[int] = []
        for number in range(5):
            loop.call_soon(called.append, number)
            asyncio.ensure_future(asyncio.sleep(0)).add_done_callback(len_of_nothing)
        await asyncio.sleep(2)
        assert called == list(range(5))

    def len_of_nothing(task: object) -> None:
        del task

    explore(main, backends=("asyncio",), schedules=50, seed=0)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with 3.12")
def test_eager_tasks_are_reordered_too() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        factory: Any = vars(asyncio)["eager_task_factory"]
        loop.set_task_factory(factory)
        order: list[int] = []

        async def work(number: int) -> None:
            order.append(number)
            await asyncio.sleep(0)
            order.append(number)

        await asyncio.gather(*(loop.create_task(work(n)) for n in range(3)))
        assert order[:3] == [0, 1, 2]
        orders[tuple(order[3:])] += 1

    orders: Counter[tuple[int, ...]] = Counter()
    explore(main, backends=("asyncio",), schedules=60, seed=0)
    assert set(orders) == set(itertools.permutations(range(3)))


@BACKENDS
def test_all_orders_come_up(backend: Backend) -> None:
    async def main() -> None:
        order: list[int] = []
        async with anyio.create_task_group() as tasks:
            for number in range(3):
                tasks.start_soon(note, number, order)
        orders[tuple(order)] += 1

    async def note(number: int, order: list[int]) -> None:
        await lowlevel.checkpoint()
        order.append(number)

    orders: Counter[tuple[int, ...]] = Counter()
    explore(main, backends=(backend,), schedules=100, seed=0)
    assert set(orders) == set(itertools.permutations(range(3)))


@pytest.mark.parametrize(
    ("test", "cause"),
    [
        (anyio.sleep_forever, DeadlockError),
        (anyio.wait_all_tasks_blocked, None),
    ],
    ids=["deadlock", "wait for all to wait"],
)
@BACKENDS
def test_explore_runs_on_virtual_time(
    backend: Backend, test: Any, cause: type[BaseException] | None
) -> None:
    if cause is None:
        explore(test, backends=(backend,), schedules=3, seed=0)
        return
    with pytest.raises(ScheduleError) as caught:
        explore(test, backends=(backend,), schedules=3, seed=0)
    assert type(caught.value.__cause__) is cause


@BACKENDS
def test_a_thread_is_refused_under_a_schedule(backend: Backend) -> None:
    async def main() -> None:
        await anyio.to_thread.run_sync(int)

    with pytest.raises(ScheduleError) as caught:
        explore(main, backends=(backend,), schedules=3, seed=0)
    assert isinstance(caught.value.__cause__, VirtualTimeError)


def test_a_leaked_task_fails_its_schedule() -> None:
    async def main() -> None:
        kept.append(asyncio.get_running_loop().create_task(asyncio.sleep(60)))

    kept: list[object] = []
    with pytest.raises(ScheduleError) as caught:
        explore(main, backends=("asyncio",), schedules=3, seed=0, debug=True)
    assert isinstance(caught.value.__cause__, TaskLeakError)


def test_a_schedule_can_fail_by_pytest_but_not_be_skipped() -> None:
    async def fail() -> None:
        pytest.fail("no")

    async def skip() -> None:
        pytest.skip("not here")

    with pytest.raises(ScheduleError, match="fail failed on asyncio"):
        explore(fail, schedules=1)
    with pytest.raises(pytest.skip.Exception):
        explore(skip, schedules=1)


def test_the_end_of_the_program_is_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    async def leave() -> None:
        raise SystemExit(3)

    monkeypatch.delitem(sys.modules, "_pytest.outcomes")
    with pytest.raises(SystemExit):
        explore(leave, schedules=1, backends=("trio",))


def test_the_seed_is_another_each_time() -> None:
    async def draw() -> None:
        raise KeyError("x")

    seeds: set[int | None] = set()
    for _ in range(3):
        with pytest.raises(ScheduleError) as caught:
            explore(draw, schedules=1)
        seeds.add(caught.value.seed)
    assert len(seeds) > 1


async def test_explore_is_refused_in_an_event_loop() -> None:
    with pytest.raises(RuntimeError, match="call it from a plain test function"):
        explore(anyio.sleep_forever)


@pytest.mark.parametrize(
    ("test", "options", "error", "told"),
    [
        (len, {}, TypeError, "needs an async function, not <built-in function len>"),
        (mingle, {"schedules": 0}, ValueError, "schedules must be at least 1, not 0"),
        (mingle, {"strategy": "dfs"}, ValueError, "must be 'random' or 'pct', not"),
        (mingle, {"backends": ("curio",)}, ValueError, "backend must be"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    test: Any, options: dict[str, Any], error: type[Exception], told: str
) -> None:
    with pytest.raises(error, match=told):
        explore(test, **options)


def test_the_global_random_numbers_are_left_alone() -> None:
    random.seed(1)
    state = random.getstate()
    explore(mingle, schedules=2)
    assert random.getstate() == state
