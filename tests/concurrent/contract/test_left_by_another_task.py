"""A block that is left by another task than entered it says so, and cleans up."""

import asyncio
import gc
from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import Any

import anyio
import anyio.lowlevel
import pytest

import aiterkit as ak
from aiterkit.testing import SourceProbe, run_in_virtual_time

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


# As pytest-asyncio runs a fixture: a task for its begin, one for the test and one for
# its end, on one event loop.


def run_as_fixture(fixture: AsyncGenerator[Any], test: Callable[[Any], Any]) -> None:
    with asyncio.Runner() as runner:
        given = runner.run(fixture.__anext__())
        runner.run(test(given))
        with pytest.raises(StopAsyncIteration):
            runner.run(fixture.__anext__())


async def first_three(results: Any) -> None:
    assert [await anext(results) for _ in range(3)] == [0, 1, 2]


async def at_once(item: int) -> int:
    await anyio.lowlevel.checkpoint()
    return item


def test_a_fixture_that_yields_within_a_block_is_told_of_it() -> None:
    source = SourceProbe(range(99))

    async def fixture() -> AsyncGenerator[Any]:
        async with ak.concurrent_map(at_once, source, limit=2) as results:
            yield results

    with pytest.raises(RuntimeError, match=r"let one task of your own enter and leave"):
        run_as_fixture(fixture(), first_three)
    source.assert_closed_once()


def test_a_fixture_may_have_a_task_that_holds_the_block() -> None:
    source = SourceProbe(range(99))

    async def fixture() -> AsyncGenerator[Any]:
        stop, opened = asyncio.Event(), asyncio.Queue[Any]()

        async def hold() -> None:
            async with ak.concurrent_map(at_once, source, limit=2) as results:
                opened.put_nowait(results)
                await stop.wait()

        task = asyncio.create_task(hold())
        yield await opened.get()
        stop.set()
        await task

    run_as_fixture(fixture(), first_three)
    source.assert_closed_once()


def test_a_fixture_that_anyio_runs_may_yield_within_a_block(
    pytester: pytest.Pytester,
) -> None:
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
    pytester.runpytest_inprocess("-p", "no:xdist").assert_outcomes(passed=2)


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
