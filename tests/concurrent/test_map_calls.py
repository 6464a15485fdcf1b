"""What a block is: entered once, nothing else, its arguments checked at the call."""

import contextvars
import math
from collections.abc import AsyncGenerator, Awaitable, Generator
from contextvars import ContextVar
from functools import partial
from typing import Any, TypeVar

import anyio
import anyio.lowlevel
import pytest

import aiterkit as ak
from aiterkit.testing import SourceProbe

from ..helpers import Thing, Things, any_source  # noqa: TID252 - tests stand on no path
from .map_forms import Form, Streaming, calls, every_form, streaming

T = TypeVar("T")

number: ContextVar[int] = ContextVar("number", default=-1)


UPPER: Any = str.upper


async def echo(item: T) -> T:
    await anyio.lowlevel.checkpoint()
    return item


@streaming
@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"limit": 0}, ValueError, "limit must be at least 1, not 0"),
        ({"limit": -3}, ValueError, "limit must be at least 1, not -3"),
        (
            {"limit": True},
            TypeError,
            "limit must be an int or an anyio.CapacityLimiter, not True",
        ),
        (
            {"limit": 2.0},
            TypeError,
            "limit must be an int or an anyio.CapacityLimiter, not 2.0",
        ),
        (
            {"limit": math.inf},
            TypeError,
            "limit must be an int or an anyio.CapacityLimiter, not inf",
        ),
        (
            {"limit": None},
            TypeError,
            "limit must be an int or an anyio.CapacityLimiter, not None",
        ),
        ({"limit": 1, "buffer": -1}, ValueError, "buffer must be at least 0, not -1"),
        ({"limit": 1, "buffer": False}, TypeError, "buffer must be an int, not False"),
        ({"limit": 1, "buffer": 0.5}, TypeError, "buffer must be an int, not 0.5"),
    ],
)
def test_a_bad_bound_is_refused_at_the_call(
    operator: Any, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as caught:
        operator(echo, "ab", **options)
    assert str(caught.value) == message


@pytest.mark.parametrize("run", [ak.concurrent_collect, ak.concurrent_for_each])
async def test_a_bad_bound_of_a_coroutine_function_is_refused_too(run: Any) -> None:
    source = SourceProbe("ab")
    with pytest.raises(ValueError, match="limit must be at least 1, not 0"):
        await run(echo, source, limit=0)
    assert source.pulls == source.closes == 0


@streaming
def test_limit_has_no_default_and_a_name(operator: Any) -> None:
    usage = rf"{operator.__name__}\(func, source, limit=10\)"
    with pytest.raises(TypeError, match=rf"\(\) needs limit=, .*: {usage}$"):
        operator(echo, "ab")
    with pytest.raises(TypeError, match=rf"takes its options by name: {usage}$"):
        operator(echo, "ab", 3)


@streaming
def test_what_cannot_be_called_or_read_is_refused_at_the_call(operator: Any) -> None:
    with pytest.raises(TypeError, match="func must be callable, not 'echo'"):
        operator("echo", "ab", limit=1)
    with pytest.raises(TypeError, match="iterable"):
        operator(echo, 5, limit=1)


@every_form
@any_source
async def test_a_sync_function_is_refused_with_its_correction(
    form: Form, probe: Any
) -> None:
    source = probe("ab")
    with pytest.raises(TypeError) as caught:
        if form.name == "concurrent_for_each":
            await ak.concurrent_for_each(UPPER, source, limit=1)
        else:
            await form.run(UPPER, source, limit=1)
    assert str(caught.value) == (
        f"{form.name}() needs an async function; for a sync one use amap(), or "
        f"offloaded(func) to run it in threads "
        f"(func returned 'str', which cannot be awaited)"
    )


class Call:
    """Something that can be called, in many ways."""

    async def __call__(self, item: int) -> int:
        return await echo(item)

    async def method(self, item: int) -> int:
        return await echo(item)


class Deferred:
    """An awaitable that is no coroutine."""

    def __init__(self, item: int) -> None:
        self.item = item

    def __await__(self) -> Any:
        return (yield from echo(self.item).__await__())


def deferred(item: int) -> Awaitable[int]:
    return Deferred(item)


FUNCS: list[Any] = [
    echo,
    Call(),
    Call().method,
    partial(echo),
    lambda item: echo(item),  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]  # noqa: PLW0108 - a kind of its own
    deferred,
]


@every_form
@pytest.mark.parametrize("func", FUNCS)
async def test_whatever_returns_an_awaitable_will_do(form: Form, func: Any) -> None:
    assert await form.run(func, range(9), limit=2) == list(range(9))


@streaming
async def test_the_source_is_opened_at_the_call(operator: Streaming) -> None:
    opened = 0

    class Source:
        def __aiter__(self) -> SourceProbe[int]:
            nonlocal opened
            opened += 1
            return SourceProbe(range(3))

    block = operator(echo, Source(), limit=1)
    assert opened == 1
    async with block as results:
        assert [result async for result in results] == [0, 1, 2]
    assert opened == 1


@every_form
async def test_a_call_sees_the_context_at_entry(form: Form) -> None:
    async def read(item: int) -> tuple[int, int]:
        before = number.get()
        number.set(item)
        await anyio.sleep(item % 3)
        assert number.get() == item
        return before, item

    number.set(42)
    results = await form.run(read, SourceProbe(range(9)), limit=2)
    assert {before for before, _ in results} == {42}
    assert number.get() == 42


@streaming
@any_source
async def test_a_call_does_not_see_what_the_body_sets_later(
    operator: Streaming, probe: Any
) -> None:
    async def read(_item: int) -> int:
        return number.get()

    number.set(1)
    async with operator(read, probe(range(9)), limit=1, buffer=0) as results:
        assert await anext(results) == 1
        number.set(2)
        assert [result async for result in results] == [1] * 8


@every_form
async def test_each_step_of_a_call_runs_in_one_context(form: Form) -> None:
    seen: dict[int, list[int]] = {}

    async def func(item: int) -> int:
        number.set(item)
        try:
            for _ in range(3):
                await anyio.sleep(1)
                seen.setdefault(item, []).append(number.get())
        finally:
            seen.setdefault(item, []).append(number.get())
        return item

    with anyio.move_on_after(2.5):
        await form.run(func, range(3), limit=3)
    assert seen == {item: [item] * 3 for item in range(3)}


async def test_the_context_of_the_source_is_its_own() -> None:
    async def source() -> AsyncGenerator[int]:
        for item in range(3):
            number.set(item)
            yield item

    async def read(item: int) -> tuple[int, int]:
        return item, number.get()

    number.set(7)
    assert await ak.concurrent_collect(read, source(), limit=1) == [
        (0, 7),
        (1, 7),
        (2, 7),
    ]


@every_form
async def test_the_context_of_a_sync_source_is_one_and_its_own(form: Form) -> None:
    def source() -> Generator[int]:
        token = number.set(8)
        for item in range(8):
            assert number.get() == 8
            yield item
        number.reset(token)

    async def read(_item: int) -> int:
        await anyio.sleep(1)  # so that several tasks read
        return number.get()

    number.set(7)
    assert await form.run(read, source(), limit=3) == [7] * 8


@every_form
async def test_scopes_and_tasks_inside_a_call_work_as_usual(form: Form) -> None:
    async def func(item: int) -> int:
        with anyio.move_on_after(1 + item % 2) as scope:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(anyio.sleep, 0.5)
                await anyio.sleep(1.5)
        assert scope.cancelled_caught == (item % 2 == 0)
        with pytest.raises(TimeoutError):
            with anyio.fail_after(1):
                await anyio.sleep_forever()
        return contextvars.copy_context().get(number, -1) and item

    assert sorted(await form.run(func, range(9), limit=3)) == list(range(9))


@every_form
async def test_what_is_called_before_a_coroutine_is_made_has_its_context_too(
    form: Form,
) -> None:
    async def seen() -> int:
        await anyio.lowlevel.checkpoint()
        return number.get()

    def func(item: int) -> Awaitable[int]:
        assert number.get() == -1
        number.set(item)
        return seen()

    assert sorted(await form.run(func, range(9), limit=3)) == list(range(9))
    assert number.get() == -1


async def test_finished_results_keep_no_items_alive_for_long() -> None:
    call = calls(seconds=1)
    source = SourceProbe(range(1000), gap=None)
    most = 0
    async with ak.concurrent_map(call, source, limit=3) as results:
        async for _ in results:
            store: Any = results._channel.buffer
            most = max(most, len(store._queue))
    assert most <= 6


async def test_an_item_that_was_delivered_is_kept_alive_by_nobody() -> None:
    things = Things()
    things.may_end.set()
    go_on = anyio.Event()

    async def call(thing: Thing) -> None:
        if thing is things.given[0]():
            await go_on.wait()

    async with ak.concurrent_map_unordered(call, things, limit=2) as results:
        await anext(results)
        await anyio.wait_all_tasks_blocked()
        assert things.given[0]() is not None
        assert things.given[1]() is None
        go_on.set()
        await anext(results)
