"""One budget for several operators, and for the user's own code."""

import math
from collections.abc import AsyncGenerator
from typing import Any

import anyio
import pytest
from anyio import CapacityLimiter

import aiterkit as ak
from aiterkit.testing import (
    Barrier,
    CallProbe,
    SourceProbe,
    SyncSourceProbe,
    available_backends,
    explore,
    run_in_virtual_time,
)

from ..helpers import Boom, any_source  # noqa: TID252 - tests stand on no path
from .map_forms import FORMS, Form, calls, every_form, streaming


@every_form
@any_source
@pytest.mark.parametrize("tokens", [1, 2, 5])
async def test_as_many_calls_as_there_are_tokens(
    form: Form, probe: Any, tokens: int
) -> None:
    limiter = CapacityLimiter(tokens)
    call = calls(seconds=1)
    results = await form.run(call, probe(range(20)), limit=limiter)
    assert sorted(results) == list(range(20))
    assert call.max_overlap == tokens
    assert anyio.current_time() == math.ceil(20 / tokens)
    assert limiter.borrowed_tokens == 0


@every_form
@pytest.mark.parametrize("tokens", [1, 3])
async def test_with_a_limiter_too_limit_calls_meet_and_no_more(
    form: Form, tokens: int
) -> None:
    barrier = Barrier(tokens)
    await form.run(barrier.wait, range(tokens), limit=CapacityLimiter(tokens))
    assert barrier.is_open
    beyond = Barrier(tokens + 1)
    await beyond.assert_never_opens(
        lambda: form.run(beyond.wait, range(9), limit=CapacityLimiter(tokens))
    )


def test_several_operators_and_the_user_share_one_total() -> None:
    async def test() -> None:
        limiter = CapacityLimiter(3)
        call = CallProbe[int, int](seconds=lambda item: item % 3)

        async def by_hand() -> None:
            for item in range(4):
                async with limiter:
                    await call(item)

        async def run(form: Form) -> None:
            results = await form.run(call, SourceProbe(range(6)), limit=limiter)
            assert sorted(results) == list(range(6))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(by_hand)
            for form in FORMS:
                tasks.start_soon(run, form)
        call.assert_never_exceeds(3)
        call.assert_attains(3)
        assert limiter.borrowed_tokens == 0

    explore(test, schedules=8, seed=1)


@every_form
async def test_a_pipeline_whose_stages_share_one_limiter_ends(form: Form) -> None:
    for tokens in (1, 2, 5):
        limiter = CapacityLimiter(tokens)
        call = calls(seconds=1)
        async with ak.concurrent_map(call, range(12), limit=limiter, buffer=1) as one:
            assert sorted(await form.run(call, one, limit=limiter)) == list(range(12))
        call.assert_never_exceeds(tokens)
        assert limiter.borrowed_tokens == 0


@streaming
@any_source
@pytest.mark.parametrize("buffer", [0, 4, None])
async def test_when_the_limiter_grows_work_starts_at_once(
    operator: Any, probe: Any, buffer: int | None
) -> None:
    limiter = CapacityLimiter(1)
    call = calls(seconds=10)
    async with operator(
        call, probe(range(30)), limit=limiter, buffer=buffer
    ) as results:
        await anyio.sleep(5)
        assert call.running == 1
        limiter.total_tokens = 4
        await anyio.sleep(0.5)
        assert call.running == 4
        limiter.total_tokens = 2
        async for _ in results:
            if anyio.current_time() > 20:
                assert call.running <= 2


LIMITED = [
    "concurrent_map",
    "concurrent_map_unordered",
    "concurrent_filter",
    "concurrent_expand",
    "concurrent_collect",
    "concurrent_for_each",
]


@pytest.mark.parametrize("name", LIMITED)
@pytest.mark.parametrize("is_async", [True, False])
@pytest.mark.parametrize("buffer", [None, 0, 1])
@pytest.mark.parametrize("changes", [(0, 2), (1, 4), (4, 0, 4)], ids=str)
async def test_a_change_is_noticed_though_nobody_waits_for_a_token(
    name: str, is_async: Any, buffer: int | None, changes: tuple[int, ...]
) -> None:
    limiter = CapacityLimiter(changes[0])
    started: list[float] = []

    async def call(_item: int) -> Any:
        started.append(anyio.current_time())
        await anyio.sleep(1)
        return [] if name == "concurrent_expand" else True

    async def items() -> AsyncGenerator[int]:
        for item in range(24):
            yield item

    source = items() if is_async else range(24)
    block = getattr(ak, name)(call, source, limit=limiter, buffer=buffer)
    if name in ("concurrent_collect", "concurrent_for_each"):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_resize, limiter, changes[1:])
            await block
        moment = 10 * (len(changes) - 1) - 7.5
        assert started.count(moment) == changes[-1] - changes[-2]
        assert changes[1] or not [at for at in started if 2.5 < at < 12.5]
        return
    expected = delivered = 0
    async with block as results:
        for total in changes:
            limiter.total_tokens = total
            await anyio.sleep(20)  # the reader is busy
            if total:
                window = total + (total if buffer is None else buffer)
                expected = window + delivered
            elif started:
                await anext(results)
                delivered += 1
                await anyio.sleep(20)
            assert len(started) == expected
        assert len([item async for item in results]) == 24 - delivered


async def _resize(limiter: CapacityLimiter, totals: tuple[int, ...]) -> None:
    await anyio.sleep(2.5)
    for total in totals:
        limiter.total_tokens = total
        await anyio.sleep(10)


def test_a_limiter_is_left_as_it_was() -> None:
    async def test() -> None:
        limiter = CapacityLimiter(1)
        kind = type(limiter)
        async with (
            ak.concurrent_map(calls(), range(9), limit=limiter) as one,
            ak.concurrent_map(calls(), one, limit=limiter) as two,
        ):
            assert repr(type(limiter)) == repr(kind)
            assert [item async for item in two] == list(range(9))
        assert type(limiter) is kind

    for backend in available_backends():
        run_in_virtual_time(test, backend=backend)


async def test_a_limiter_that_cannot_be_watched_is_looked_at_when_it_is_read() -> None:
    class Odd(type(CapacityLimiter(1))):  # type: ignore[misc]
        def __setattr__(self, name: str, value: object) -> None:
            if name == "__class__":
                raise TypeError
            super().__setattr__(name, value)

    limiter = Odd(1)
    call = calls(seconds=1)
    async with ak.concurrent_map(call, range(9), limit=limiter, buffer=0) as results:
        await anyio.sleep(10)
        limiter.total_tokens = 4
        assert [item async for item in results] == list(range(9))
    assert call.max_overlap == 4


@every_form
@any_source
async def test_a_token_is_given_back_on_every_way_out(form: Form, probe: Any) -> None:
    async def fail(item: int) -> int:
        await anyio.sleep(item)
        if item == 3:
            raise Boom
        return item

    limiter = CapacityLimiter(2)
    with pytest.raises(Boom):
        await form.run(fail, probe(range(9)), limit=limiter)
    assert limiter.borrowed_tokens == 0
    with anyio.move_on_after(1.5):
        await form.run(calls(seconds=1), probe(range(9)), limit=limiter)
    assert limiter.borrowed_tokens == 0
    assert limiter.statistics().tasks_waiting == 0


@every_form
async def test_a_task_that_holds_a_token_is_refused(form: Form) -> None:
    limiter = CapacityLimiter(1)
    inner = calls()

    async def outer(_item: int) -> None:
        await form.run(inner, range(3), limit=limiter)

    with pytest.raises(RuntimeError, match="could wait for ever"):
        await form.run(outer, range(3), limit=limiter)
    with pytest.raises(RuntimeError, match="could wait for ever"):
        async with limiter:
            await form.run(inner, range(3), limit=limiter)
    assert not inner.spans
    assert limiter.borrowed_tokens == 0


def is_refused(name: str) -> Any:
    return pytest.raises(
        RuntimeError, match=rf"^{name}\(\) is used by a call that holds"
    )


@every_form
async def test_a_thread_that_needs_a_second_token_is_refused(form: Form) -> None:
    for tokens in (1, 2):
        limiter = CapacityLimiter(tokens)
        with is_refused("offloaded"):
            await form.run(ak.offloaded(abs, limiter=limiter), [1, 2], limit=limiter)

        async def read(_item: int) -> list[int]:
            return [item async for item in ak.aoffloaded([1], limiter=limiter)]  # noqa: B023 - run here

        with is_refused("aoffloaded"):
            await form.run(read, [1, 2], limit=limiter)
        assert limiter.borrowed_tokens == 0


@every_form
async def test_a_task_that_outlives_its_call_holds_no_token(form: Form) -> None:
    limiter = CapacityLimiter(1)
    call = calls(seconds=1)

    async def later() -> None:
        await anyio.sleep(3)
        assert await form.run(call, range(2), limit=limiter) == [0, 1]

    async with anyio.create_task_group() as tasks:

        async def spawn(_item: int) -> None:
            tasks.start_soon(later)

        await form.run(spawn, [0], limit=limiter)
    assert len(call.spans) == 2


@every_form
async def test_a_source_may_hold_a_block_with_the_same_limiter(form: Form) -> None:
    limiter = CapacityLimiter(1)

    async def numbers() -> AsyncGenerator[int]:
        async with ak.concurrent_map(calls(), range(3), limit=limiter) as results:
            async for result in results:
                yield result

    assert await form.run(calls(), numbers(), limit=limiter) == [0, 1, 2]


async def test_another_limiter_inside_is_fine() -> None:
    async def outer(item: int) -> int:
        inner = CapacityLimiter(1)
        return len(await ak.concurrent_collect(calls(), range(item), limit=inner))

    limiter = CapacityLimiter(1)
    assert await ak.concurrent_collect(outer, range(4), limit=limiter) == [0, 1, 2, 3]


@streaming
async def test_read_ahead_follows_the_tokens(operator: Any) -> None:
    limiter = CapacityLimiter(2)
    source = SourceProbe(range(50), gap=None)
    async with operator(calls(), source, limit=limiter, buffer=3) as results:
        await anyio.sleep(10)
        assert len(source.taken) == 5
        limiter.total_tokens = 4
        await anext(results)
        await anyio.sleep(10)
        assert len(source.taken) == 1 + 7


async def test_a_smaller_limiter_bounds_a_sync_source() -> None:
    limiter = CapacityLimiter(4)
    source = SyncSourceProbe(range(20))
    async with ak.concurrent_map(
        calls(seconds=1), source, limit=limiter, buffer=0
    ) as results:
        await anyio.sleep(10)
        assert len(source.taken) == 4
        limiter.total_tokens = 1
        for delivered in range(1, 5):
            await anext(results)
            await anyio.sleep(10)
            assert len(source.taken) == max(4, delivered + 1)


@any_source
async def test_an_expansion_keeps_to_the_tokens_that_there_are(probe: Any) -> None:
    limiter = CapacityLimiter(2)
    call = CallProbe[int, list[int]](
        lambda item: [2 * item, 2 * item + 1] if item < 8 else [], seconds=1
    )
    async with ak.concurrent_expand(call, probe([1]), limit=limiter) as results:
        assert [await anext(results) for _ in range(3)] == [1, 2, 3]
        assert anyio.current_time() == 2
        limiter.total_tokens = 4
        assert sorted([item async for item in results]) == list(range(4, 16))
    assert anyio.current_time() == 5
    call.assert_never_exceeds(4)
    call.assert_attains(4)
    assert limiter.borrowed_tokens == 0


async def test_an_expansion_reads_ahead_by_the_tokens_and_the_buffer() -> None:
    call = CallProbe[int, list[int]](lambda _: [], seconds=1)
    limiter = CapacityLimiter(2)
    async with ak.concurrent_expand(call, range(9), limit=limiter, buffer=1):
        await anyio.sleep(10)
        assert len(call.spans) == 3


async def test_an_expansion_is_refused_to_a_task_that_holds_a_token() -> None:
    limiter = CapacityLimiter(2)

    async def leaf(_: int) -> list[int]:
        raise AssertionError("never called")

    async with limiter:
        block = ak.concurrent_expand(leaf, [1], limit=limiter)
        with pytest.raises(RuntimeError, match="holds a token of its limiter"):
            await block.__aenter__()


async def test_a_worker_that_outlives_a_cancellation_makes_no_other_call() -> None:
    limiter = CapacityLimiter(3)

    async def call(item: int) -> int:
        if item == 0:
            await anyio.sleep(5)
        elif item == 2:
            await anyio.sleep(1)
            raise Boom
        elif item == 3:
            try:
                await anyio.sleep(1000)
            except anyio.get_cancelled_exc_class():
                with anyio.CancelScope(shield=True):
                    await anyio.sleep(6 - 1)
        else:
            await anyio.sleep(1)
        return item

    async def hold(since: float, until: float) -> None:
        await anyio.sleep(since)
        await limiter.acquire_on_behalf_of(since)
        await anyio.sleep(until - anyio.current_time())
        limiter.release_on_behalf_of(since)

    got: list[int] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(hold, 2, 6)
        tasks.start_soon(hold, 3, 50)
        with pytest.raises(Boom):
            # Item 1 waits for item 0, as it has the same key.
            async with ak.concurrent_map(
                call, range(4), limit=limiter, key=lambda item: max(item, 1)
            ) as results:
                async for result in results:
                    got.append(result)
    assert got == [0, 1]
