"""Never more than limit calls at once; and limit calls, whenever there are items."""

from collections.abc import AsyncIterator
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given, settings, strategies as st

import aiterkit as ak
from aiterkit._concurrent.map.scope import Worker
from aiterkit.testing import Barrier, SourceProbe, explore

from ..helpers import Boom, any_source  # noqa: TID252 - tests stand on no path
from .map_forms import FORMS, Form, calls, every_form

LIMITS = [1, 2, 3, 10]


@every_form
@any_source
@pytest.mark.parametrize("limit", LIMITS)
async def test_never_more_than_limit_calls(form: Form, probe: Any, limit: int) -> None:
    call = calls(seconds=lambda item: item % 4)
    await form.run(call, probe(range(40)), limit=limit)
    call.assert_never_exceeds(limit)


@every_form
@any_source
@pytest.mark.parametrize("buffer", [None, 0, 5])
@pytest.mark.parametrize("limit", LIMITS)
async def test_limit_calls_meet(
    form: Form, probe: Any, limit: int, buffer: int | None
) -> None:
    barrier = Barrier(limit)
    await form.run(barrier.wait, probe(range(limit)), limit=limit, buffer=buffer)
    assert barrier.is_open


BUILTINS: list[Any] = [list, tuple, str, set, dict.fromkeys, bytes, range, enumerate]
every_builtin = pytest.mark.parametrize("kind", BUILTINS, ids=lambda it: it.__name__)


def three(kind: Any) -> Any:
    if kind is range:
        return range(3)
    return kind(b"abc" if kind is bytes else "".join(sorted("abc")))


@every_form
@every_builtin
async def test_limit_calls_meet_over_a_builtin(form: Form, kind: Any) -> None:
    barrier = Barrier(3)
    await form.run(barrier.wait, three(kind), limit=9)
    assert barrier.most_waiting == 3


@pytest.mark.parametrize("buffer", [0, None])
@pytest.mark.parametrize("limit", [1, 3])
@every_form
async def test_the_end_of_a_builtin_is_found(
    form: Form, limit: int, buffer: int | None
) -> None:
    call = calls(seconds=lambda item: item % 4)
    await form.run(call, list(range(7)), limit=limit, buffer=buffer)
    assert len(call.ends) == 7


@every_form
@every_builtin
async def test_no_task_is_started_for_an_item_that_cannot_come(
    form: Form, kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[str] = []

    def start(worker: Any, making: Any, /, *, name: str) -> None:
        started.append(name)
        begin(worker, making, name=name)

    begin = Worker[Any, Any].start
    monkeypatch.setattr(Worker, "start", start)
    await form.run(Barrier(3).wait, three(kind), limit=9)
    assert len(started) == 3


@every_form
@pytest.mark.parametrize(("items", "tasks"), [(12, 1), (30, 2), (60, 3)])
async def test_calls_that_take_one_turn_share_few_tasks(
    form: Form, items: int, tasks: int
) -> None:
    async def call(_item: object) -> None:
        seen.add(anyio.get_current_task().id)
        await anyio.lowlevel.checkpoint()

    seen: set[int] = set()
    await form.run(call, range(items), limit=10)
    assert len(seen) == tasks


@every_form
@any_source
@pytest.mark.parametrize("within", [0, 1])
@pytest.mark.parametrize("limit", LIMITS)
async def test_calls_that_wait_after_one_turn_meet(
    form: Form, probe: Any, limit: int, within: float
) -> None:
    async def call(item: int) -> None:
        with anyio.move_on_after(within):
            await anyio.lowlevel.checkpoint()
        await barrier.wait(item)

    barrier = Barrier(limit)
    await form.run(call, probe(range(limit)), limit=limit)
    assert barrier.is_open


@every_form
async def test_the_source_may_end_in_the_one_turn_of_a_call(form: Form) -> None:
    async def source() -> AsyncIterator[int]:
        yield 1
        yield 2
        await anyio.sleep(2)
        yield 3
        await anyio.lowlevel.checkpoint()

    async def call(item: int) -> int:
        await anyio.lowlevel.checkpoint()
        await anyio.sleep(1)
        return item

    assert await form.run(call, source(), limit=2) == [1, 2, 3]


@every_form
async def test_a_call_that_fails_after_one_turn_leaves_room_for_others(
    form: Form,
) -> None:
    async def call(item: int) -> int:
        await anyio.lowlevel.checkpoint()
        if item == 1:
            raise Boom
        return item

    for _ in range(2):
        with pytest.raises(Boom):
            await form.run(call, range(3), limit=2)


async def test_the_end_of_a_list_is_found_by_a_slow_reader() -> None:
    read: list[int] = []
    async with ak.concurrent_map(calls(), [0, 1, 2], limit=1, buffer=0) as results:
        async for result in results:
            read.append(result)
            await anyio.sleep(1)
    assert read == [0, 1, 2]


async def test_what_a_call_appends_to_the_list_is_read() -> None:
    async def call(item: int) -> int:
        if item < 3:
            items.append(item + 1)
        await anyio.sleep(1)
        return item

    items = [0]
    assert await ak.concurrent_collect(call, items, limit=2) == [0, 1, 2, 3]


@every_form
@any_source
@pytest.mark.parametrize("limit", LIMITS)
async def test_limit_plus_one_calls_never_meet(
    form: Form, probe: Any, limit: int
) -> None:
    barrier = Barrier(limit + 1)
    await barrier.assert_never_opens(
        lambda: form.run(barrier.wait, probe(range(3 * limit)), limit=limit)
    )
    assert barrier.most_waiting == limit


@every_form
@any_source
async def test_a_cancelled_call_counts_until_it_has_cleaned_up(
    form: Form, probe: Any
) -> None:
    call = calls(seconds=10, cleanup=5)
    with anyio.move_on_after(1):
        await form.run(call, probe(range(9)), limit=3)
    call.assert_never_exceeds(3)
    assert call.cancelled == [0, 1, 2]
    assert anyio.current_time() == 6


@every_form
async def test_calls_that_do_not_suspend_run_one_by_one_in_order(form: Form) -> None:
    call = calls(seconds=None)
    assert await form.run(call, range(500), limit=7) == list(range(500))
    call.assert_never_exceeds(1)
    assert call.starts == list(range(500))


@every_form
@any_source
async def test_calls_start_in_input_order(form: Form, probe: Any) -> None:
    call = calls(seconds=lambda item: item * 7 % 5)
    await form.run(call, probe(range(50)), limit=4)
    assert call.starts == list(range(50))


@every_form
async def test_a_slow_source_costs_no_slot(form: Form) -> None:
    # An item each second, 10 seconds a call: all ten may run, so all ten do.
    call = calls(seconds=10)
    await form.run(call, SourceProbe(range(10), gap=1), limit=10)
    call.assert_attains(10)
    assert anyio.current_time() == 20


@every_form
async def test_the_next_item_is_fetched_while_limit_calls_run(form: Form) -> None:
    # Source and calls both take their time; the whole takes the longer of both.
    call = calls(seconds=3)
    await form.run(call, SourceProbe(range(9), gap=1), limit=3)
    assert anyio.current_time() == 9 + 3


@every_form
@any_source
async def test_calls_that_do_not_suspend_let_other_tasks_run(
    form: Form, probe: Any
) -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(count)
        await form.run(
            calls(seconds=None),
            probe(range(1000), **({"gap": None} if probe is SourceProbe else {})),
            limit=500,
        )
        tasks.cancel_scope.cancel()
    assert turns > 5


@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize("strategy", ["random", "pct"])
def test_under_every_schedule_limit_is_reached_and_never_passed(
    form: Form, strategy: Any
) -> None:
    async def test() -> None:
        barrier = Barrier(3)
        call = calls(barrier.wait)
        source = SourceProbe(range(6), gap=None)
        assert len(await form.run(call, source, limit=3, buffer=1)) == 6
        call.assert_never_exceeds(3)
        source.assert_well_used()
        source.assert_closed_once()

    explore(test, schedules=10, strategy=strategy, seed=1)


@settings(max_examples=30, deadline=None)
@given(
    durations=st.lists(st.integers(0, 5), max_size=15),
    gap=st.sampled_from([None, 0.0, 1.0, 2.0]),
    limit=st.integers(1, 5),
    buffer=st.none() | st.integers(0, 5),
)
async def test_whatever_the_durations_order_and_overlap_hold(
    durations: list[int], gap: float | None, limit: int, buffer: int | None
) -> None:
    numbers = range(len(durations))
    for form in FORMS:
        call = calls(seconds=durations.__getitem__)
        source = SourceProbe(numbers, gap=gap)
        results = await form.run(call, source, limit=limit, buffer=buffer)
        call.assert_never_exceeds(limit)
        source.assert_closed_once()
        source.assert_well_used()
        assert results == (list(numbers) if form.ordered else call.ends)


async def test_limits_and_buffers_may_be_any_kind_of_integer() -> None:
    class Two:
        def __index__(self) -> int:
            return 2

    two: Any = Two()

    call = calls(seconds=1)
    await ak.concurrent_collect(call, range(6), limit=two, buffer=two)
    assert call.max_overlap == 2
