"""Other loops, other task factories, and what users put into a call."""

import asyncio
import inspect
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import anyio
import anyio.lowlevel
import pytest

import aiterkit as ak
from aiterkit.testing import Barrier, SourceProbe, virtual_backend

from ..helpers import Boom, any_source, on_asyncio  # noqa: TID252 - tests stand on no path
from .map_forms import Form, Streaming, calls, every_form, streaming


async def mygen(count: int = 10) -> AsyncGenerator[int]:
    for exponent in range(count):
        yield 2**exponent
        await anyio.sleep(0.1)


async def test_the_seed_of_the_project_three_at_a_time() -> None:
    # Ten items, 0.1 s apart; 0.3 s a call. One by one it would take 4.0 s.
    call = calls(seconds=0.3)
    async with ak.concurrent_map(call, mygen(), limit=3) as results:
        assert [result async for result in results] == [2**n for n in range(10)]
    assert call.max_overlap == 3
    assert anyio.current_time() <= 1.3 + 1e-9


async def run(form: Form, func: Any, source: Any) -> None:
    await form.run(func, source, limit=3)


async def battery(form: Form) -> None:
    """What must hold on every loop: order, overlap, errors, cleaning up."""
    barrier = Barrier(3)
    source = SourceProbe(range(3))
    await form.run(barrier.wait, source, limit=3)
    source.assert_closed_once()

    numbers = list(range(200))
    assert sorted(await form.run(calls(), numbers, limit=7)) == numbers
    assert sorted(await form.run(calls(seconds=None), numbers, limit=7)) == numbers

    async def fail(item: int) -> int:
        await anyio.lowlevel.checkpoint()
        if item == 5:
            raise Boom
        return item

    source = SourceProbe(range(99))
    with pytest.raises(Boom):
        await form.run(fail, source, limit=3)
    source.assert_closed_once()

    hanging = calls(seconds=1000)
    source = SourceProbe(range(99))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run, form, hanging, source)
        while hanging.running < 3:
            await anyio.lowlevel.checkpoint()
        tasks.cancel_scope.cancel()
    hanging.assert_all_ended()
    source.assert_closed_once()


@every_form
def test_all_of_it_on_uvloop(form: Form) -> None:
    pytest.importorskip("uvloop", reason="uvloop is not made for this platform")
    options = {"use_uvloop": True}
    anyio.run(battery, form, backend_options=options)


@every_form
@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with 3.12")
def test_all_of_it_with_eager_tasks(form: Form) -> None:
    name, options = virtual_backend("asyncio")
    new_loop: Callable[[], asyncio.AbstractEventLoop] = options["loop_factory"]

    def eager_loop() -> asyncio.AbstractEventLoop:
        loop = new_loop()
        factory: Any = vars(asyncio)["eager_task_factory"]  # not on Python 3.11
        loop.set_task_factory(factory)
        return loop

    options = {**options, "loop_factory": eager_loop}
    anyio.run(battery, form, backend=name, backend_options=options)


async def in_a_native_timeout(item: int) -> int:
    async with asyncio.timeout(5):
        await asyncio.sleep(1)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1):
            await asyncio.sleep(5)
    return item


async def in_a_native_task_group(item: int) -> int:
    async with asyncio.TaskGroup() as tasks:
        one = tasks.create_task(asyncio.sleep(1, item))
        tasks.create_task(asyncio.sleep(2))
    return one.result()


async def in_wait_for(item: int) -> int:
    return await asyncio.wait_for(asyncio.sleep(1, item), timeout=5)


async def in_native_tasks(item: int) -> int:
    return (await asyncio.gather(asyncio.sleep(1, item), asyncio.sleep(1)))[0]


NATIVE = [in_a_native_timeout, in_a_native_task_group, in_wait_for, in_native_tasks]


@on_asyncio
@every_form
@any_source
@pytest.mark.parametrize("func", NATIVE)
async def test_what_asyncio_offers_works_inside_a_call(
    form: Form, probe: Any, func: Callable[[int], Awaitable[int]]
) -> None:
    numbers = range(7)
    assert sorted(await form.run(func, probe(numbers), limit=3)) == list(numbers)


@on_asyncio
@every_form
@pytest.mark.parametrize("func", NATIVE)
async def test_and_is_cancelled_with_it(
    form: Form, func: Callable[[int], Awaitable[int]]
) -> None:
    with anyio.move_on_after(0.5) as scope:
        await form.run(func, SourceProbe(range(7)), limit=3)
    assert scope.cancelled_caught
    assert anyio.current_time() == 0.5


@on_asyncio
@streaming
async def test_a_native_timeout_around_one_wait_loses_nothing(
    operator: Streaming,
) -> None:
    got: list[int] = []
    async with operator(calls(seconds=10), range(4), limit=2) as results:
        while len(got) < 4:
            try:
                async with asyncio.timeout(3):
                    got.append(await anext(results))
            except TimeoutError:
                pass
    assert got == [0, 1, 2, 3]


@on_asyncio
@streaming
async def test_a_native_timeout_around_the_block_ends_it(operator: Streaming) -> None:
    call, source = calls(seconds=10, cleanup=1), SourceProbe(range(9))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(15), operator(call, source, limit=2) as results:
            async for _ in results:
                pass
    call.assert_all_ended()
    source.assert_closed_once()


@every_form
@any_source
async def test_a_time_limit_inside_a_call_is_the_calls_own(
    form: Form, probe: Any
) -> None:
    async def func(item: int) -> int:
        with anyio.fail_after(2):
            await anyio.sleep(item)
        return item

    with pytest.raises(TimeoutError):
        await form.run(func, probe(range(9)), limit=2)


async def test_collecting_is_a_coroutine_function_for_task_groups() -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: ak.concurrent_collect(calls(), range(3), limit=1))
    assert inspect.iscoroutinefunction(ak.concurrent_collect)
    assert inspect.iscoroutinefunction(ak.concurrent_for_each)
