"""Which error is seen, where, how bare, and what it ends."""

import asyncio
import gc
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given, settings, strategies as st

import aiterkit as ak
from aiterkit._concurrent.map.scope import WorkerPool
from aiterkit._concurrent.map.state import Call
from aiterkit.testing import CallProbe, SourceProbe, SyncSourceProbe, explore

from ..helpers import (  # noqa: TID252 - tests stand on no path
    Boom,
    any_source,
    at_the_tail,
    collect,
    garbage_kept,
    on_asyncio,
)
from .map_forms import FORMS, Form, Streaming, calls, every_form, fail_fast, streaming


def failing(*failures: int) -> Callable[[int], int]:
    def func(item: int) -> int:
        if item in failures:
            raise Boom(item)
        return item

    return func


@any_source
async def test_in_input_order_the_error_comes_at_its_items_place(probe: Any) -> None:
    # Item 2 fails first of all; 0 and 1 take longer, and are delivered before.
    call = calls(failing(2), seconds=lambda item: 5 - 2 * item if item < 3 else 9)
    async with ak.concurrent_map(call, probe(range(9)), limit=5) as results:
        got, error = await collect(results)
        assert (got, repr(error)) == ([0, 1], "Boom(2)")
        assert anyio.current_time() == 5
        assert sorted(call.ends[1:3]) == [3, 4]
        assert call.cancelled == [3, 4]
        with pytest.raises(StopAsyncIteration):
            await anext(results)


@any_source
async def test_in_input_order_an_earlier_item_that_fails_later_wins(probe: Any) -> None:
    call = calls(failing(1, 3), seconds=lambda item: 10 - item)
    async with ak.concurrent_map(call, probe(range(9)), limit=5) as results:
        got, error = await collect(results)
    assert (got, repr(error)) == ([0], "Boom(1)")
    assert call.cancelled == [5]


@any_source
async def test_in_completion_order_the_first_error_cancels_all_others(
    probe: Any,
) -> None:
    call = calls(failing(2), seconds=[3, 1, 2, 9, 9].__getitem__)
    async with ak.concurrent_map_unordered(call, probe(range(5)), limit=5) as results:
        await anyio.sleep(2.5)
        assert call.cancelled == [0, 3, 4]
        got, error = await collect(results)
        assert (got, repr(error)) == ([1], "Boom(2)")
        with pytest.raises(StopAsyncIteration):
            await anext(results)


@pytest.mark.parametrize("run", [ak.concurrent_collect, ak.concurrent_for_each])
@any_source
async def test_without_a_reader_the_first_error_in_time_is_raised(
    run: Any, probe: Any
) -> None:
    call = calls(failing(0, 2), seconds=[5, 1, 2, 9, 9].__getitem__)
    with pytest.raises(Boom, match="2"):
        await run(call, probe(range(5)), limit=5)
    assert call.cancelled == [0, 3, 4]
    assert anyio.current_time() == 2


@every_form
@any_source
async def test_calls_beside_the_failed_one_are_awaited_before_it_is_seen(
    form: Form, probe: Any
) -> None:
    call = calls(failing(0), seconds=lambda item: 1 + item, cleanup=50)
    with pytest.raises(Boom):
        await form.run(call, probe(range(9)), limit=4)
    call.assert_all_ended()
    assert call.cancelled == [1, 2, 3]
    assert anyio.current_time() == 51


@every_form
async def test_calls_ended_by_a_failure_may_end_one_after_the_other(form: Form) -> None:
    async def call(item: int) -> None:
        try:
            await anyio.sleep(1 if item == 0 else 1000)
            raise Boom(item)
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(item)

    with pytest.raises(Boom):
        await form.run(call, range(4), limit=4)
    assert anyio.current_time() == 1 + 3


@streaming
@any_source
async def test_inside_the_block_too_a_failure_is_seen_when_the_rest_is_over(
    operator: Streaming, probe: Any
) -> None:
    call = calls(failing(0), seconds=lambda item: 1 + item, cleanup=50)
    async with operator(call, probe(range(9)), limit=4) as results:
        with pytest.raises(Boom):
            await anext(results)
        assert call.running == 0
        assert anyio.current_time() == 51


@every_form
@any_source
async def test_after_a_failure_no_call_starts_and_no_item_is_read(
    form: Form, probe: Any
) -> None:
    call = calls(failing(1), seconds=lambda item: 1 if item % 2 else 8)
    source = probe(range(50))
    with pytest.raises(Boom):
        await form.run(call, source, limit=2, buffer=3)
    assert call.starts == [0, 1]
    assert len(source.taken) <= 5
    source.assert_well_used()


@every_form
@any_source
async def test_an_error_of_the_source_comes_after_its_items(
    form: Form, probe: Any
) -> None:
    finished: list[int] = []

    async def note(item: int) -> int:
        await anyio.lowlevel.checkpoint()
        finished.append(item)
        return item

    source = probe(range(9), fail_at=4, error=Boom("source"))
    with pytest.raises(Boom, match="source"):
        await form.run(note, source, limit=2)
    if form.ordered and form.name == "concurrent_map":
        assert finished == [0, 1, 2, 3]


async def test_in_input_order_calls_before_an_error_of_the_source_are_delivered() -> (
    None
):
    call = calls(seconds=3)
    source = SourceProbe(range(3), gap=None, error=Boom("source"))
    async with ak.concurrent_map(call, source, limit=1, buffer=5) as results:
        got, error = await collect(results)
    assert (got, repr(error)) == ([0, 1, 2], "Boom('source')")


async def test_in_completion_order_an_error_of_the_source_cancels_what_runs() -> None:
    call = calls(seconds=lambda item: 1 if item == 0 else 100)
    source = SourceProbe(range(9), gap=[0, 0, 2], fail_at=2, error=Boom("source"))
    async with ak.concurrent_map_unordered(call, source, limit=3) as results:
        got, error = await collect(results)
        assert (got, repr(error)) == ([0], "Boom('source')")
        assert call.cancelled == [1]
    assert anyio.current_time() == 2


@every_form
@any_source
async def test_an_error_is_bare_and_without_context(form: Form, probe: Any) -> None:
    boom = Boom("the very object")

    async def fail(item: int) -> None:
        await anyio.sleep(item)
        raise boom

    with pytest.raises(Boom) as caught:
        await form.run(fail, probe(range(1)), limit=3)
    assert caught.value is boom
    assert boom.__cause__ is boom.__context__ is None


@streaming
async def test_the_body_is_not_interrupted_by_a_failing_call(
    operator: Streaming,
) -> None:
    async with operator(calls(failing(0)), range(3), limit=3) as results:
        await anyio.sleep(5)
        with pytest.raises(Boom):
            await anext(results)
        await anyio.sleep(5)
    assert anyio.current_time() == 10


@streaming
async def test_an_unseen_error_is_dropped_when_the_block_is_left_cleanly(
    operator: Streaming,
) -> None:
    async with operator(calls(failing(0)), range(3), limit=3):
        await anyio.sleep(5)


@streaming
async def test_an_unseen_error_hangs_at_the_tail_of_the_one_that_is_raised(
    operator: Streaming,
) -> None:
    with pytest.raises(KeyError) as caught:
        async with operator(calls(failing(0)), range(3), limit=3):
            await anyio.sleep(5)
            try:
                raise Boom("first")  # noqa: TRY301
            except Boom as error:
                raise KeyError from error
    assert repr(caught.value.__context__) == "Boom('first')"
    assert at_the_tail(caught.value) == ["Boom(0)"]


@every_form
async def test_what_a_cancelled_call_raises_instead_hangs_at_the_tail(
    form: Form,
) -> None:
    async def fail(item: int) -> None:
        try:
            await anyio.sleep(1 + item)
            raise Boom(item)
        except anyio.get_cancelled_exc_class():
            raise KeyError(item) from None

    with pytest.raises(Boom) as caught:
        await form.run(fail, range(3), limit=3)
    assert at_the_tail(caught.value) == ["KeyError(1)", "KeyError(2)"]


async def test_a_failure_after_an_earlier_one_hangs_at_the_tail() -> None:
    call = calls(failing(1, 3), seconds=lambda item: 10 - item)
    with pytest.raises(Boom) as caught:
        await FORMS[0].run(call, range(9), limit=5)
    assert at_the_tail(caught.value) == ["Boom(3)"]


@every_form
async def test_a_cancelled_call_that_returns_all_the_same_is_ignored(
    form: Form,
) -> None:
    async def stubborn(item: int) -> int:
        if item == 0:
            await anyio.sleep(1)
            raise Boom
        try:
            await anyio.sleep(5)
        except anyio.get_cancelled_exc_class():
            pass
        return item

    with pytest.raises(Boom):
        await form.run(stubborn, range(3), limit=3)
    assert anyio.current_time() == 1


@every_form
@any_source
@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("suspends", [True, False])
async def test_what_ends_the_program_leaves_the_block_bare(
    form: Form,
    probe: Any,
    kind: type[BaseException],
    suspends: bool,  # noqa: FBT001
) -> None:
    async def func(item: int) -> None:
        if suspends or item != 2:
            await anyio.sleep(item)
        if item == 2:
            raise kind

    source = probe(range(20))
    with pytest.raises(kind) as caught:
        await form.run(func, source, limit=9)
    assert caught.value.__context__ is None
    if probe is SourceProbe:
        source.assert_closed_once()


@streaming
async def test_what_ends_the_program_interrupts_the_body(operator: Streaming) -> None:
    interrupted = False

    async def func(_item: int) -> None:
        await anyio.sleep(1)
        raise SystemExit

    async def body() -> None:
        nonlocal interrupted
        async with operator(func, range(3), limit=2):
            try:
                await anyio.sleep(100)
            except anyio.get_cancelled_exc_class():
                interrupted = True
                raise

    with pytest.raises(SystemExit):
        await body()
    assert interrupted
    assert anyio.current_time() == 1


@every_form
@any_source
async def test_what_ends_the_program_in_the_source_leaves_the_block_bare(
    form: Form, probe: Any
) -> None:
    source = probe(range(9), fail_at=3, error=SystemExit())
    with pytest.raises(SystemExit):
        await form.run(calls(seconds=1), source, limit=2)


@every_form
@any_source
async def test_a_cancelled_error_out_of_the_blue_is_delivered(
    form: Form, probe: Any
) -> None:
    async def func(item: int) -> int:
        await anyio.lowlevel.checkpoint()
        if item == 2:
            raise asyncio.CancelledError("foreign")
        return item

    with pytest.raises(asyncio.CancelledError, match="foreign"):
        await form.run(func, probe(range(9)), limit=1)


@every_form
@on_asyncio
async def test_awaiting_what_was_cancelled_elsewhere_is_no_silent_end(
    form: Form,
) -> None:
    async def func(item: int) -> int:
        future = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(future.cancel)
        await future
        return item

    with pytest.raises(asyncio.CancelledError):
        await form.run(func, range(9), limit=2)


@every_form
@on_asyncio
async def test_a_call_that_cancels_its_own_task_is_no_silent_end(form: Form) -> None:
    async def func(item: int) -> int:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await anyio.sleep(1)
        return item

    with pytest.raises(asyncio.CancelledError):
        await form.run(func, range(9), limit=2)


async def test_a_cancelled_error_from_the_source_is_delivered() -> None:
    source = SourceProbe(range(9), fail_at=2, error=asyncio.CancelledError("foreign"))
    async with ak.concurrent_map(calls(), source, limit=1) as results:
        got, error = await collect(results)
    assert got == [0, 1]
    assert isinstance(error, asyncio.CancelledError)


@every_form
@any_source
@pytest.mark.parametrize("kind", [StopIteration, StopAsyncIteration])
@pytest.mark.parametrize("is_async", [True, False])
async def test_a_call_cannot_end_the_iteration(
    form: Form,
    probe: Any,
    kind: type[Exception],
    is_async: bool,  # noqa: FBT001
) -> None:
    async def afail(_item: int) -> None:
        await anyio.lowlevel.checkpoint()
        raise kind("mine")

    def fail(_item: int) -> Awaitable[None]:
        raise kind("mine")

    with pytest.raises(RuntimeError) as caught:
        await form.run(afail if is_async else fail, probe(range(3)), limit=2)
    with pytest.raises(RuntimeError) as natively:
        async with aclosing(amap_of(afail if is_async else fail)) as results:
            await anext(results)
    # A coroutine lets no StopIteration out, so its RuntimeError comes first.
    said = {f"{who} raised {kind.__name__}" for who in ("async generator", "coroutine")}
    assert {str(natively.value), str(caught.value)} <= said
    assert isinstance(caught.value.__cause__, kind)


def amap_of(func: Any) -> Any:
    return ak.amap(func, SourceProbe(range(3)))


@every_form
async def test_a_sync_source_cannot_end_the_iteration_by_mistake(form: Form) -> None:
    source = SyncSourceProbe(range(3), error=StopAsyncIteration())
    with pytest.raises(RuntimeError, match="async generator raised StopAsyncIteration"):
        await form.run(calls(), source, limit=2)


@settings(max_examples=60, deadline=None)
@given(
    durations=st.lists(st.integers(0, 5), min_size=1, max_size=12),
    failures=st.sets(st.integers(0, 11)),
    source_fails=st.booleans(),
    gap=st.sampled_from([None, 0.0, 1.0]),
    limit=st.integers(1, 5),
    buffer=st.none() | st.integers(0, 4),
)
async def test_in_input_order_values_and_error_are_those_of_the_sequential_twin(
    durations: list[int],
    failures: set[int],
    source_fails: bool,  # noqa: FBT001
    gap: float | None,
    limit: int,
    buffer: int | None,
) -> None:
    def source() -> SourceProbe[int]:
        error = Boom("source") if source_fails else None
        return SourceProbe(range(len(durations)), gap=gap, error=error)

    def call() -> CallProbe[int, int]:
        return calls(failing(*failures), seconds=durations.__getitem__)

    sequential = await collect(ak.amap(call(), source()))
    probe, func = source(), call()
    async with ak.concurrent_map(func, probe, limit=limit, buffer=buffer) as results:
        concurrent = await collect(results)
        with pytest.raises(StopAsyncIteration):
            await anext(results)
    assert repr(concurrent) == repr(sequential)
    func.assert_never_exceeds(limit)
    func.assert_all_ended()
    probe.assert_closed_once()
    probe.assert_well_used()


@pytest.mark.parametrize("form", FORMS, ids=str)
@pytest.mark.parametrize("strategy", ["random", "pct"])
def test_under_every_schedule_an_error_is_seen_and_all_is_cleaned_up(
    form: Form, strategy: Any
) -> None:
    async def test() -> None:
        source = SourceProbe(range(9), gap=None)
        call = calls(failing(3, 4), seconds=lambda item: item % 2)
        with pytest.raises(Boom) as caught:
            await form.run(call, source, limit=3, buffer=1)
        if form.name == "concurrent_map":
            assert caught.value.args == (3,)
        call.assert_all_ended()
        call.assert_never_exceeds(3)
        source.assert_closed_once()
        source.assert_well_used()

    explore(test, schedules=12, strategy=strategy, seed=1)


@every_form
@pytest.mark.parametrize("place", ["call", "source"])
async def test_an_error_that_hides_its_context_is_raised_all_the_same(
    form: Form, place: str
) -> None:
    def hide(_error: object) -> None:
        raise AssertionError("asked")

    hidden: Any = type("Hidden", (Exception,), {"__context__": property(hide)})

    async def call(item: int) -> int:
        try:
            await anyio.sleep(1)
        finally:
            if place == "call":
                raise hidden(item)
        return item

    fails: Any = {"fail_at": 3, "error": hidden()} if place == "source" else {}
    with pytest.raises(hidden):
        await form.run(call, SourceProbe(range(9), gap=0.1, **fails), limit=3)


@every_form
@pytest.mark.parametrize("failures", [(), (3, 4)])
async def test_nothing_leaves_a_circle_behind(
    form: Form, failures: tuple[int, ...]
) -> None:
    class Mark(Exception):
        """An error that can be looked for."""

    async def once() -> None:
        async def call(item: int) -> int:
            await anyio.sleep(item % 3)
            if item in failures:
                raise Mark(item)
            return item

        with suppress(Mark):
            await form.run(call, SourceProbe(range(9)), limit=3)

    with garbage_kept():
        await once()
        await anyio.sleep(1)
        ours = (WorkerPool, Call, ak.Results, ak.UnorderedResults, Mark)
        assert [item for item in gc.get_objects() if isinstance(item, ours)] == []


@fail_fast
async def test_a_failure_is_not_held_back_by_a_slow_call(form: Form) -> None:
    call = calls(failing(1), seconds=lambda item: 1000 if item == 0 else 1)
    with pytest.raises(Boom):
        await form.run(call, range(5), limit=2)
    assert anyio.current_time() == 1
