"""A block that is left by another task than entered it says so, and cleans up."""

import asyncio
import gc
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from textwrap import dedent
from typing import Any

import anyio
import pytest

import aiterkit as ak
from aiterkit.testing import run_in_virtual_time

from ...catalogue import Entry  # noqa: TID252 - tests stand on no path
from ...helpers import on_asyncio  # noqa: TID252 - tests stand on no path
from .cleanups import Log, Work, every_subject, generator


@every_subject
@on_asyncio
async def test_it_is_named_and_everything_has_ended(subject: Entry) -> None:
    log = Log()
    stack = AsyncExitStack()
    name = subject.name

    async def start() -> None:
        source = generator(log, "source", 0.01, 600, "ends")
        await stack.enter_async_context(subject.open(source, Work(log)))
        await anyio.sleep(0.5)

    await asyncio.ensure_future(start())
    with pytest.raises(RuntimeError, match=rf"^{name}\(\) was entered by one task"):
        await stack.aclose()
    log.assert_all_cleaned_up()
    await anyio.sleep(1)  # no cancellation comes here


async def pages() -> AsyncGenerator[int]:
    async def fetch(number: int) -> int:
        await anyio.sleep(0.01)
        return number

    async with ak.concurrent_map(fetch, range(99), limit=2) as results:
        async for page in results:
            yield page


@on_asyncio
async def test_a_generator_that_is_finalized_stops_no_other_task() -> None:
    messages: list[Any] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, context: messages.append(context))

    async def first() -> int:
        async for page in pages():
            return page
        raise AssertionError

    assert await asyncio.ensure_future(first()) == 0
    gc.collect()
    await anyio.sleep(1)
    assert "concurrent_map() was entered" in str(messages[0]["exception"])


@pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning")
def test_on_trio_its_error_is_logged_before_trio_ends_the_program(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        async for page in pages():
            assert page == 0
            break
        gc.collect()
        await anyio.sleep(1)

    with pytest.raises(RuntimeError, match="Nursery stack corrupted"):
        run_in_virtual_time(main, backend="trio")
    (record,) = caplog.records
    assert record.exc_info is not None
    assert "concurrent_map() was entered by one task" in str(record.exc_info[1])


# pytest-asyncio runs a fixture in two tasks, and the test between them in a third.
FIXTURES = """
    import asyncio, anyio.lowlevel, pytest, pytest_asyncio, aiterkit
    from aiterkit.testing import SourceProbe

    async def call(item):
        await anyio.lowlevel.checkpoint()
        return item

    @pytest.fixture
    def source():
        source = SourceProbe(range(99))
        yield source
        source.assert_closed_once()

    @pytest_asyncio.fixture
    async def yielded_within(source):
        async with aiterkit.concurrent_map(call, source, limit=2) as results:
            yield results

    @pytest_asyncio.fixture
    async def held_by_a_task(source):
        stop, opened = asyncio.Event(), asyncio.Queue()

        async def hold():
            async with aiterkit.concurrent_map(call, source, limit=2) as results:
                opened.put_nowait(results)
                await stop.wait()

        task = asyncio.create_task(hold())
        yield await opened.get()
        stop.set()
        await task

    @pytest.mark.asyncio
    async def test_within(yielded_within):
        assert [await anext(yielded_within) for _ in range(3)] == [0, 1, 2]

    @pytest.mark.asyncio
    async def test_held(held_by_a_task):
        assert [await anext(held_by_a_task) for _ in range(3)] == [0, 1, 2]
"""
STRICT = """
    [pytest]
    asyncio_mode = strict
    asyncio_default_fixture_loop_scope = function
    filterwarnings = error
"""


def test_a_fixture_of_pytest_asyncio_is_told_to_let_a_task_hold_the_block(
    pytester: pytest.Pytester,
) -> None:
    pytest.importorskip("pytest_asyncio", reason="it comes with the extra 'test'")
    pytester.makeini(dedent(STRICT))
    pytester.makepyfile(dedent(FIXTURES))
    # In a process of its own: some releases leave an event loop open at the end.
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(passed=2, errors=1)
    (error,) = [line for line in result.outlines if line.startswith("E  ")]
    assert "RuntimeError: concurrent_map() was entered by one task and left" in error
    assert "let one task of your own enter and leave the block" in error
    result.stdout.fnmatch_lines(["*ERROR at teardown of test_within*"])


def test_a_fixture_that_anyio_runs_may_yield_within_a_block(
    pytester: pytest.Pytester,
) -> None:
    pytest.importorskip("trio")  # that fixture runs on both
    pytester.makepyfile(
        """
        import anyio, pytest, aiterkit

        async def call(item):
            await anyio.lowlevel.checkpoint()
            return item

        @pytest.fixture
        async def items(anyio_backend):
            async with aiterkit.concurrent_map(call, range(9), limit=2) as results:
                yield results

        @pytest.mark.anyio
        async def test_items(items):
            assert [await anext(items) for _ in range(3)] == [0, 1, 2]
        """
    )
    result = pytester.runpytest_inprocess("-p", "no:asyncio", "-p", "no:xdist")
    result.assert_outcomes(passed=2)


async def test_within_aclosing_it_is_left_in_order() -> None:
    async with aclosing(pages()) as source:
        async for page in source:
            assert page == 0
            break
    await anyio.sleep(1)


async def test_as_a_context_manager_it_is_left_in_order() -> None:
    @asynccontextmanager
    async def opened() -> AsyncGenerator[Any]:
        async with ak.concurrent_buffer(range(9), 2) as results:
            yield results

    async with opened() as results:
        async for item in results:
            assert item == 0
            break
    await anyio.sleep(1)
