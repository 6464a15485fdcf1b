import asyncio
import gc
import io
import itertools
import random
import re
import socket
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any, Literal, TypeAlias

import anyio
import pytest
from anyio import lowlevel
from anyio._backends import _asyncio as asyncio_backend

from aiterkit.testing import (
    DeadlockError,
    ScheduleError,
    TaskLeakError,
    TooManySchedulesError,
    UnstableTestError,
    VirtualTimeError,
    explore,
    interrupted,
)
from aiterkit.testing._asyncio_explorer import ExploringLoop

Backend: TypeAlias = Literal["asyncio", "trio"]
Interrupt: TypeAlias = Literal["cancel", "timeout", "break"]

BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])
CANCELLATIONS = pytest.mark.parametrize("interrupt", ["cancel", "timeout"])


def all_of(backend: Backend, test: Any, **options: Any) -> int:
    return explore(test, schedules="all", backends=(backend,), **options).schedules


def failure_of(backend: Backend, test: Any, **options: Any) -> ScheduleError:
    with pytest.raises(ScheduleError) as caught:
        all_of(backend, test, **options)
    return caught.value


async def lose_an_update() -> None:
    total = 0

    async def add() -> None:
        nonlocal total
        seen = total
        await lowlevel.checkpoint()
        total = seen + 1

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(add)
        tasks.start_soon(add)
    assert total == 2


# Which orders there are


@BACKENDS
@pytest.mark.parametrize("preemptions", [0, 1, 2, None])
def test_each_order_of_three_tasks_comes_up(
    backend: Backend, preemptions: int | None
) -> None:
    async def main() -> None:
        order: list[int] = []
        async with anyio.create_task_group() as tasks:
            for number in range(3):
                tasks.start_soon(note, number, order)
        orders.add(tuple(order))

    async def note(number: int, order: list[int]) -> None:
        order.append(number)
        await lowlevel.checkpoint()
        order.append(number)

    orders: set[tuple[int, ...]] = set()
    count = all_of(backend, main, preemptions=preemptions)
    every = set(itertools.permutations([0, 0, 1, 1, 2, 2]))
    assert orders == {
        order
        for order in every
        if preemptions is None or switched(order) <= preemptions
    }
    # On asyncio, when a callback runs is a choice too: here, that of a task's end.
    assert count == len(orders) or (backend == "asyncio" and count > len(orders))


def switched(order: tuple[int, ...]) -> int:
    return sum(
        first != second and first in order[place + 1 :]
        for place, (first, second) in enumerate(itertools.pairwise(order))
    )


@BACKENDS
def test_the_parts_of_the_count_are_told(backend: Backend) -> None:
    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lowlevel.checkpoint)
            tasks.start_soon(lowlevel.checkpoint)

    seen = explore(main, schedules="all", backends=(backend,))
    both = explore(main, schedules="all")
    assert seen.schedules == seen.distinct == sum(seen.preemptions)
    assert seen.preemptions[0] == 2
    assert seen.steps >= 5
    assert both.schedules > seen.schedules
    assert both.preemptions[0] == 4
    assert explore(main, schedules="all", backends=()).schedules == 0


@BACKENDS
def test_a_task_that_waits_for_another_by_yielding_lets_it_run(
    backend: Backend,
) -> None:
    async def main() -> None:
        is_set = False

        async def spin() -> None:
            while not is_set:
                await lowlevel.checkpoint()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(spin)
            tasks.start_soon(spin)
            await lowlevel.checkpoint()
            is_set = True

    assert all_of(backend, main, preemptions=0) > 1


@BACKENDS
def test_what_is_due_at_one_time_comes_in_each_order(backend: Backend) -> None:
    async def main() -> None:
        woken: list[int] = []

        async def nap(number: int) -> None:
            await anyio.sleep(1)
            woken.append(number)

        with anyio.move_on_after(1):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(nap, 0)
                tasks.start_soon(nap, 1)
        assert anyio.current_time() == 1
        outcomes.add(tuple(woken))

    outcomes: set[tuple[int, ...]] = set()
    all_of(backend, main)
    assert outcomes == {(), (0,), (1,), (0, 1), (1, 0)}


@BACKENDS
def test_two_deadlines_at_one_time_come_in_each_order(backend: Backend) -> None:
    async def main() -> None:
        with anyio.move_on_after(1) as outer, anyio.move_on_after(1) as inner:
            await anyio.Event().wait()
        outcomes.add((outer.cancelled_caught, inner.cancelled_caught))

    outcomes: set[tuple[bool, bool]] = set()
    all_of(backend, main)
    assert outcomes == {(True, False), (False, True)}


@BACKENDS
def test_a_deadline_that_is_put_off_does_not_go_off(backend: Backend) -> None:
    async def main() -> None:
        async def put_off() -> None:
            await anyio.sleep(1)
            scope.deadline = 5

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(put_off)
            with anyio.CancelScope(deadline=1) as scope:
                await anyio.sleep_forever()
        ends.add(anyio.current_time())

    ends: set[float] = set()
    all_of(backend, main)
    assert ends == {1, 5}


@BACKENDS
def test_time_goes_on_from_sleep_to_sleep(backend: Backend) -> None:
    async def main() -> None:
        for second in range(3):
            with anyio.move_on_after(0.5):
                await anyio.sleep(9)
            await anyio.sleep(0.5)
            assert anyio.current_time() == second + 1

    assert all_of(backend, main, preemptions=0) == 1


def test_plain_callbacks_and_timers_of_asyncio_are_run() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        called: list[str] = []
        soon = [loop.call_soon(called.append, name) for name in "abc"]
        loop.call_soon_threadsafe(called.append, "d")
        soon[1].cancel()
        later = [loop.call_later(1, called.append, name) for name in "xyz"]
        at_once = loop.call_later(0, called.append, "0")
        later[1].cancel()
        await asyncio.sleep(0)
        at_once.cancel()
        await asyncio.sleep(2)
        loop.call_later(60, called.append, "never")
        loop.call_soon(called.append, "too late")
        results.add(tuple(called))

    results: set[tuple[str, ...]] = set()
    all_of("asyncio", main)
    front = tuple("acd")
    assert {result[:3] for result in results} == {front}
    assert {result[-2:] for result in results} == {("x", "z"), ("z", "x")}


def test_a_callback_that_cancels_a_task_is_run_with_its_steps() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        task = loop.create_task(asyncio.sleep(0))
        other = loop.create_task(asyncio.sleep(0))
        await asyncio.sleep(0)
        loop.call_soon(task.cancel)
        await other
        ends.add((await asyncio.wait([task])) == ({task}, set()) and task.cancelled())

    ends: set[bool] = set()
    all_of("asyncio", main)
    assert ends == {False, True}


@BACKENDS
def test_timers_that_were_left_do_not_go_off(backend: Backend) -> None:
    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.sleep, 1)
            for seconds in (0.5, 1):
                with anyio.move_on_after(seconds):
                    await lowlevel.checkpoint()
        assert anyio.current_time() == 1

    all_of(backend, main)


@BACKENDS
def test_a_sleep_that_begins_while_others_end_is_one_of_them(backend: Backend) -> None:
    async def main() -> None:
        async def nap_again() -> None:
            with anyio.move_on_after(1):
                await event.wait()
            await anyio.sleep(1e-300)
            order.append("again")

        async def nap(name: str) -> None:
            await anyio.sleep(1)
            order.append(name)

        event = anyio.Event()
        order: list[str] = []
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(nap_again)
            tasks.start_soon(nap, "a")
            tasks.start_soon(nap, "b")
        assert anyio.current_time() == 1
        orders.add(tuple(order))

    orders: set[tuple[str, ...]] = set()
    all_of(backend, main, preemptions=1)
    assert orders == set(itertools.permutations(["again", "a", "b"]))


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with 3.12")
def test_eager_tasks_are_ordered_too() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        factory: Any = vars(asyncio)["eager_task_factory"]
        before = loop.get_task_factory()
        loop.set_task_factory(factory)
        order: list[int] = []

        async def work(number: int) -> None:
            await asyncio.sleep(0)
            order.append(number)

        await asyncio.gather(*(loop.create_task(work(n)) for n in range(3)))
        orders.add(tuple(order))
        loop.set_task_factory(before)

    orders: set[tuple[int, ...]] = set()
    all_of("asyncio", main)
    assert orders == set(itertools.permutations(range(3)))


# A failure


@BACKENDS
def test_the_failure_that_is_told_has_the_fewest_preemptions(backend: Backend) -> None:
    error = failure_of(backend, lose_an_update)
    assert type(error.__cause__) is AssertionError
    assert str(error).startswith(
        f"lose_an_update failed on {backend}, with 1 preemption: AssertionError("
    )
    assert all_of(backend, lose_an_update, preemptions=0) > 1
    assert (error.strategy, error.seed) == ("all", None)


@BACKENDS
def test_a_failure_is_replayed_from_its_line_alone(backend: Backend) -> None:
    error = failure_of(backend, lose_an_update)
    line = str(error).split("replay it with: ")[1].splitlines()[0]
    assert line == f'explore(lose_an_update, replay="{error.replay}")'
    for _ in range(5):
        with pytest.raises(ScheduleError) as again:
            eval(line)  # noqa: S307 - it is meant to be pasted
        assert str(again.value) == str(error)


@BACKENDS
def test_a_failure_is_told_as_a_timeline_of_steps(backend: Backend) -> None:
    error = failure_of(backend, lose_an_update)
    _, _, empty, head, *rows, legend = str(error).splitlines()
    assert not empty
    assert head.split() == [
        *("step", "time"),
        *("0", "lose_an_update"),
        *("1", "add"),
        *("2", "add"),
    ]
    assert rows[0].split()[:2] == ["1", "0"]
    marked = [row for row in rows if "*" in row]
    assert len(marked) == 1
    assert re.match(r" +\*3 +0 +add:", marked[0])
    assert legend == "* the task of the step before could have gone on"
    assert rows[-1].split()[2] == "ended"


@BACKENDS
def test_choices_without_which_it_fails_too_are_left_out(backend: Backend) -> None:
    async def main() -> None:
        async def work(number: int) -> None:
            order.append(number)
            await lowlevel.checkpoint()

        order: list[int] = []
        async with anyio.create_task_group() as tasks:
            for number in range(4):
                tasks.start_soon(work, number)
        assert order[0] != 3

    error = failure_of(backend, main, preemptions=0)
    assert error.replay is not None
    assert error.replay.count(".") == 1
    assert "*" not in str(error)
    assert "with no preemptions" in str(error)


def test_a_replay_that_does_not_fail_says_so_by_its_result() -> None:
    async def main() -> None:
        await anyio.sleep(1)

    seen = explore(main, replay="trio")
    assert (seen.schedules, seen.distinct) == (1, 1)


def test_a_replay_that_does_not_fit_is_refused() -> None:
    with pytest.raises(UnstableTestError, match="does not repeat itself on asyncio"):
        explore(lose_an_update, replay="asyncio 0.9")


@BACKENDS
def test_an_interruption_and_a_timer_are_steps_of_the_timeline(
    backend: Backend,
) -> None:
    async def main() -> None:
        try:
            with anyio.move_on_after(1):
                await anyio.sleep(1)
            await anyio.sleep(5)
        finally:
            assert anyio.current_time() < 1

    text = str(failure_of(backend, main, interrupt="timeout"))
    assert re.search(r"^ +\d +1 .*(timer|sleep ends)$", text, re.MULTILINE)

    async def other() -> None:
        try:
            await anyio.sleep(5)
        except anyio.get_cancelled_exc_class():
            raise KeyError("x") from None

    error = failure_of(backend, other, interrupt="cancel")
    assert str(error.replay).startswith(f"{backend} cancel")
    assert re.search(r"^ +\d +\d +cancel$", str(error), re.MULTILINE)
    with pytest.raises(ScheduleError) as again:
        explore(other, replay=str(error.replay))
    assert str(again.value) == str(error)


# Interruptions


@BACKENDS
@CANCELLATIONS
def test_a_cancellation_strikes_at_each_step_or_never(
    backend: Backend, interrupt: Interrupt
) -> None:
    async def main() -> None:
        reached = 0
        try:
            while reached < 4:
                await lowlevel.checkpoint()
                reached += 1
            await anyio.sleep(1)
            reached = 5
        finally:
            places.append((reached, interrupted()))

    places: list[tuple[int, bool]] = []
    all_of(backend, main, interrupt=interrupt)
    assert set(places) >= {(0, True), (1, True), (3, True), (4, True), (5, False)}
    if interrupt == "cancel":
        assert (5, True) not in places
    never = [place for place in places if not place[1]]
    assert set(never) == {(5, False)}


@BACKENDS
@CANCELLATIONS
def test_a_cancellation_strikes_between_the_ends_of_tasks(
    backend: Backend, interrupt: Interrupt
) -> None:
    async def main() -> None:
        ended: list[int] = []

        async def work(number: int) -> None:
            await lowlevel.checkpoint()
            ended.append(number)

        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(work, 0)
                tasks.start_soon(work, 1)
        finally:
            outcomes.add((interrupted(), *ended))

    outcomes: set[tuple[int, ...]] = set()
    all_of(backend, main, interrupt=interrupt)
    assert outcomes == {
        *((True,), (True, 0), (True, 1), (True, 0, 1), (True, 1, 0)),
        *((False, 0, 1), (False, 1, 0)),
    }


@BACKENDS
def test_a_break_strikes_where_the_test_asks(backend: Backend) -> None:
    async def main() -> None:
        taken = 0
        for _ in range(3):
            await lowlevel.checkpoint()
            taken += 1
            if interrupted():
                assert interrupted()
                break
        counts.append(taken)

    counts: list[int] = []
    assert all_of(backend, main, interrupt="break") == 4
    assert sorted(counts) == [1, 2, 3, 3]


@BACKENDS
def test_a_break_is_a_step_of_the_timeline(backend: Backend) -> None:
    async def main() -> None:
        await lowlevel.checkpoint()
        assert not interrupted()

    error = failure_of(backend, main, interrupt="break")
    assert str(error.replay).startswith(f"{backend} break ")
    assert re.search(r"^ +\d +0 +break$", str(error), re.MULTILINE)


def test_outside_of_explore_nothing_strikes() -> None:
    assert not interrupted()


def test_a_test_that_is_to_be_broken_off_must_ask() -> None:
    with pytest.raises(ValueError, match="lose_an_update never did"):
        explore(lose_an_update, schedules="all", interrupt="break", preemptions=0)


@BACKENDS
@CANCELLATIONS
def test_where_a_test_waits_for_nothing_else_it_is_interrupted(
    backend: Backend, interrupt: Interrupt
) -> None:
    async def main() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            ends.append(interrupted())

    ends: list[bool] = []
    assert all_of(backend, main, interrupt=interrupt, preemptions=0) == 1
    assert ends == [True]


@BACKENDS
def test_an_interruption_strikes_once(backend: Backend) -> None:
    async def main() -> None:
        try:
            await lowlevel.checkpoint()
        finally:
            with anyio.CancelScope(shield=True):
                await lowlevel.checkpoint()
                await anyio.sleep(1)
            cleaned.append(1)

    cleaned: list[int] = []
    count = all_of(backend, main, interrupt="timeout")
    assert count > 3
    assert len(cleaned) == count


def test_a_cancellation_that_is_lost_is_found() -> None:
    async def main() -> None:
        try:
            await asyncio.sleep(1)
        except asyncio.CancelledError:
            await asyncio.sleep(0)

    error = failure_of("asyncio", main, interrupt="cancel")
    assert "its CancelledError was lost" in str(error.__cause__)


def test_a_cancellation_of_the_tests_own_is_no_interruption() -> None:
    async def main() -> None:
        raise asyncio.CancelledError

    error = failure_of("asyncio", main, interrupt="cancel")
    assert isinstance(error.__cause__, asyncio.CancelledError)


# What ends a run


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@BACKENDS
def test_what_virtual_time_does_not_allow_fails(backend: Backend) -> None:
    async def thread() -> None:
        await anyio.to_thread.run_sync(int)

    async def file() -> None:
        with socket.socket(type=socket.SOCK_DGRAM) as it:
            await anyio.wait_readable(it)

    for test in (thread, file):
        error = failure_of(backend, test)
        assert isinstance(error.__cause__, VirtualTimeError)
    error = failure_of(backend, anyio.Event().wait)
    assert isinstance(error.__cause__, DeadlockError)


@BACKENDS
def test_a_shield_does_not_hold_back_the_end_of_a_deadlock(backend: Backend) -> None:
    async def main() -> None:
        with anyio.CancelScope(shield=True):
            await anyio.Event().wait()

    assert isinstance(failure_of(backend, main).__cause__, DeadlockError)

    async def other() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lowlevel.checkpoint)
            await main()

    assert isinstance(failure_of(backend, other).__cause__, DeadlockError)


def test_a_call_from_another_thread_fails() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        thread = threading.Thread(target=loop.call_soon_threadsafe, args=[int])
        thread.start()
        thread.join()
        await asyncio.sleep(1)

    error = failure_of("asyncio", main)
    assert "a task waits for another thread" in str(error.__cause__)


def test_what_is_collected_between_two_runs_is_no_part_of_either() -> None:
    class Posts:
        def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
            self.itself = self
            self.loop = loop

        def __del__(self) -> None:
            if not self.loop.is_closed():
                self.loop.call_soon(posted.append, 1)

    async def main() -> None:
        Posts(asyncio.get_running_loop())
        runs.append(len(posted))
        async with anyio.create_task_group() as tasks:
            for _ in range(4):
                tasks.start_soon(asyncio.sleep, 0)

    runs: list[int] = []
    posted: list[int] = []
    all_of("asyncio", main)
    assert len(runs) > 200
    assert len(set(runs)) == 1 + (len(runs) - 1) // 200
    assert runs[-1] == (len(runs) - 1) // 200 * 200


def test_the_order_in_which_a_scope_of_anyio_cancels_makes_no_difference(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Shuffled(set[Any]):
        def __iter__(self) -> Iterator[Any]:
            return iter(source.sample(list(super().__iter__()), len(self)))

    def enter(self: Any) -> Any:
        # The tasks of a scope are in a set, whose order comes from their addresses.
        self._tasks = Shuffled(self._tasks)
        self._child_scopes = Shuffled(self._child_scopes)
        return entered(self)

    async def cleaned_up_in_turn() -> None:
        async def clean_up(steps: int) -> None:
            try:
                await anyio.sleep_forever()
            finally:
                with anyio.CancelScope(shield=True):
                    for _ in range(steps):
                        await lowlevel.checkpoint()

        async with anyio.create_task_group() as tasks:
            for steps in range(3):
                tasks.start_soon(clean_up, steps)

    source = random.Random(1)
    entered = asyncio_backend.CancelScope.__enter__
    options: Any = {"interrupt": "timeout", "preemptions": 0}
    count = all_of("asyncio", cleaned_up_in_turn, **options)
    assert count > 50
    monkeypatch.setattr(asyncio_backend.CancelScope, "__enter__", enter)
    assert all_of("asyncio", cleaned_up_in_turn, **options) == count
    # It is the explorer that puts them in order.
    monkeypatch.setattr(ExploringLoop, "_sort_woken", unsorted)
    with pytest.raises(UnstableTestError):
        all_of("asyncio", cleaned_up_in_turn, **options)


def unsorted(self: Any, ready: Any) -> None:
    self._sorted = len(ready)


@BACKENDS
def test_waiting_for_all_to_wait_comes_before_any_timer(backend: Backend) -> None:
    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.sleep, 5)
            await anyio.wait_all_tasks_blocked()
            assert anyio.current_time() < 1

    all_of(backend, main)


@BACKENDS
def test_a_test_that_goes_on_and_on_is_ended(backend: Backend) -> None:
    async def main() -> None:
        while True:
            await lowlevel.checkpoint()

    error = failure_of(backend, main)
    assert str(error.__cause__).startswith("livelock: the test has not ended after")


def test_a_task_that_outlives_the_test_fails() -> None:
    async def main() -> None:
        kept.append(asyncio.get_running_loop().create_task(asyncio.sleep(60)))

    kept: list[object] = []
    assert isinstance(failure_of("asyncio", main).__cause__, TaskLeakError)


@BACKENDS
def test_what_a_test_leaves_behind_is_gone_in_the_next_run(backend: Backend) -> None:
    async def letters() -> AsyncIterator[str]:
        try:
            yield "a"
            yield "b"
        finally:
            closed.append(1)

    async def main() -> None:
        assert anyio.current_time() == 0
        source = letters()
        kept.append(source)
        assert await anext(source) == "a"
        cycle: list[object] = [letters()]
        await anext(cycle[0])  # type: ignore[call-overload]
        cycle.append(cycle)
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(lowlevel.checkpoint)
        await anyio.sleep(1)

    kept: list[object] = []
    closed: list[int] = []
    count = all_of(backend, main, preemptions=1)
    assert count > 20
    kept.clear()
    gc.collect()
    assert len(closed) >= count


@pytest.mark.filterwarnings("ignore:.*was garbage collected:ResourceWarning")
@BACKENDS
def test_garbage_is_collected_between_two_runs(backend: Backend) -> None:
    async def letters() -> AsyncIterator[str]:
        try:
            yield "a"
        finally:
            await lowlevel.checkpoint()

    async def main() -> None:
        cycle: list[object] = [letters()]
        await anext(cycle[0])  # type: ignore[call-overload]
        cycle.append(cycle)
        are_collected.add(gc.isenabled())
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(work)

    async def work() -> None:
        for _ in range(3):
            await lowlevel.checkpoint()

    are_collected: set[bool] = set()
    gc.disable()
    try:
        assert all_of(backend, main, preemptions=1) < 200
        assert not gc.isenabled()
    finally:
        gc.enable()
    all_of(backend, main)
    assert gc.isenabled()
    assert are_collected == {False}


@BACKENDS
def test_a_test_that_does_not_repeat_itself_is_refused(backend: Backend) -> None:
    async def main() -> None:
        runs.append(1)
        async with anyio.create_task_group() as tasks:
            for _ in runs:
                tasks.start_soon(lowlevel.checkpoint)

    runs = [1, 1]
    with pytest.raises(UnstableTestError, match="main does not repeat itself"):
        all_of(backend, main)


@BACKENDS
def test_a_failure_that_does_not_come_again_is_no_schedules(backend: Backend) -> None:
    async def main() -> None:
        runs.append(1)
        assert len(runs) > 1

    runs: list[int] = []
    with pytest.raises(UnstableTestError, match="it failed, and did not fail when"):
        all_of(backend, main)


@BACKENDS
def test_a_skip_or_the_end_of_the_program_is_no_failure(backend: Backend) -> None:
    async def skip() -> None:
        pytest.skip("not here")

    async def leave() -> None:
        raise SystemExit(3)

    with pytest.raises(pytest.skip.Exception):
        all_of(backend, skip)
    with pytest.raises(SystemExit):
        all_of(backend, leave)
    with pytest.raises(ScheduleError, match="failed on"):
        all_of(backend, fail)


async def fail() -> None:
    pytest.fail("no")


# Too many, and how far it is


async def many() -> None:
    async with anyio.create_task_group() as tasks:
        for _ in range(6):
            tasks.start_soon(lowlevel.checkpoint)


@BACKENDS
def test_what_is_not_all_is_an_error(backend: Backend) -> None:
    with pytest.raises(TooManySchedulesError) as caught:
        all_of(backend, many, max_schedules=50)
    assert caught.value.schedules == 50
    assert caught.value.estimate > 720
    assert re.match(
        rf"not all: 50 of about [\d,]+ schedules of many on {backend} with at most "
        r"2 preemptions were tried, and none failed\. Raise max_schedules=",
        str(caught.value),
    )
    with pytest.raises(TooManySchedulesError, match=f"many on {backend} were tried"):
        all_of(backend, many, max_schedules=50, preemptions=None)


@BACKENDS
def test_a_failure_met_by_the_estimate_is_told(backend: Backend) -> None:
    async def main() -> None:
        order: list[int] = []
        async with anyio.create_task_group() as tasks:
            for number in range(6):
                tasks.start_soon(note, number, order)
        assert order[0] in {0, 1}

    async def note(number: int, order: list[int]) -> None:
        await lowlevel.checkpoint()
        order.append(number)

    assert failure_of(backend, main, max_schedules=1).replay


def test_progress_is_shown_where_it_is_wanted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(lowlevel.checkpoint)

    explore(main, schedules="all", backends=("asyncio",), progress=True)
    shown = capsys.readouterr().err.replace("\r\033[K", "\n").split("\n")
    assert re.match(
        r"main on asyncio: about \d+ schedules with at most 2 pre", shown[1]
    )
    assert re.match(r"main on asyncio: [01] of about \d+ schedules$", shown[3])
    assert re.match(r"main on asyncio: all \d+ schedules, with 0, 1, … pre", shown[-2])

    explore(main, schedules="all", backends=("asyncio",))
    assert not capsys.readouterr().err

    terminal = io.StringIO()
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr(sys, "stderr", terminal)
    explore(main, schedules="all", backends=("asyncio",))
    assert "about" in terminal.getvalue()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"schedules": "some"}, "schedules must be a number or \"all\", not 'some'"),
        ({"preemptions": -1}, "preemptions must be at least 0, or None, not -1"),
        ({"max_schedules": 0}, "max_schedules must be at least 1, not 0"),
        ({"interrupt": "kill"}, "'cancel', 'timeout' or 'break', not 'kill'"),
        ({"seed": 3}, "seed= has no meaning"),
        ({"schedules": 3, "interrupt": "cancel"}, 'interrupt= needs schedules="all"'),
        ({"replay": "asyncio x"}, "replay must be the text that a ScheduleError shows"),
        ({"replay": "curio 1.1"}, "backend must be 'asyncio' or 'trio', not 'curio'"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_options_that_make_no_sense_are_refused(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        wrong: dict[str, Any] = {"schedules": "all", **options}
        explore(lose_an_update, **wrong)


def test_asyncio_can_run_in_debug_mode() -> None:
    async def main() -> None:
        modes.add(asyncio.get_running_loop().get_debug())

    modes: set[bool] = set()
    all_of("asyncio", main)
    all_of("asyncio", main, debug=True)
    assert modes == {False, True}


@BACKENDS
def test_the_loop_is_made_once(backend: Backend) -> None:
    async def main() -> None:
        tokens.append(lowlevel.current_token())
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lowlevel.checkpoint)
            tasks.start_soon(lowlevel.checkpoint)

    tokens: list[object] = []
    assert all_of(backend, main) == len(tokens) > 5
    assert len(set(tokens)) == 1
