"""However a block is left, its source is closed once, and nothing is lost by it."""

import asyncio
from collections.abc import Generator
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from aiterkit.testing import ProbeError, SourceProbe, SyncSourceProbe, explore

from ...catalogue import Entry  # noqa: TID252 - tests stand on no path
from ...helpers import (  # noqa: TID252 - as above
    Boom,
    Closable,
    Unclosable,
    any_source,
    at_the_tail,
    on_asyncio,
)
from .cases import (
    at_the_end,
    every_block,
    every_eager_block,
    every_exit,
    every_reader,
    every_result,
    every_use,
    without_reading,
    without_reading_later,
)

number: ContextVar[int] = ContextVar("number", default=0)


@every_reader
@any_source
@every_exit
def test_on_every_way_out_the_source_is_closed_by_the_task_that_read_it(
    entry: Entry, probe: Any, leave: Any
) -> None:
    is_async = probe is SourceProbe
    timing = {"gap": [0, 1, 0, 1, 1, 0], "close_delay": 1} if is_async else {}

    async def test() -> None:
        source = probe([1, 2, 3, 4, 5], **timing)
        with suppress(Boom):
            async with entry.use(source) as results:
                await leave(results)
        source.assert_well_used()
        if not is_async:
            # A file, a cursor: closing those ends more than the iteration.
            source.assert_never_closed()
            return
        # What a function would have returned need not be closed.
        if not (entry.inner and leave is without_reading):
            source.assert_closed_once()
        source.assert_one_reader()
        assert source.closes_while_pulled == 0

    explore(test, schedules=5 if is_async else 1, seed=1)


@every_reader
@pytest.mark.parametrize(
    ("steps", "strategy"),
    [
        (0, "random"),
        (1, "pct"),
        (2, "random"),
        (3, "pct"),
        (4, "random"),
        (5, "pct"),
        (8, "random"),
    ],
)
def test_a_cancellation_at_any_moment_cleans_up(
    entry: Entry, steps: int, strategy: Any
) -> None:
    async def test() -> None:
        source = SourceProbe([1, 2, 3], gap=None if steps > 3 else 0, close_delay=1)

        async def run() -> None:
            async with entry.use(source) as results:
                await at_the_end(results)
                await anyio.sleep_forever()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run)
            for _ in range(steps):
                await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()
        source.assert_well_used()
        assert source.closes == 1 or not source.pulls

    explore(test, schedules=5, strategy=strategy, seed=1)


@every_use
@pytest.mark.parametrize("after", [0.5, 1, 2.5])
async def test_a_deadline_interrupts_the_read_and_the_close_after_it(
    entry: Entry, after: float
) -> None:
    source = SourceProbe(range(9), gap=1, hang_at=3, close_delay=50)
    with anyio.move_on_after(after) as scope:
        async with entry.use(source) as results:
            await at_the_end(results)
    assert scope.cancelled_caught
    assert anyio.current_time() == after
    source.assert_closed_once()
    assert source.closes_while_pulled == 0


@every_block
async def test_a_source_that_hangs_is_interrupted_before_it_is_closed(
    entry: Entry,
) -> None:
    source = SourceProbe(range(9), hang_at=3)
    with anyio.move_on_after(5):
        async with entry.use(source) as results:
            await at_the_end(results)
    assert source.cancelled_pulls == 1
    assert source.closes_while_pulled == 0
    source.assert_closed_once()


@every_use
@on_asyncio
async def test_cancelling_the_task_natively_cleans_up(entry: Entry) -> None:
    source = SourceProbe(range(9), gap=1, close_delay=5)

    async def run() -> None:
        async with entry.use(source) as results:
            await at_the_end(results)

    task = asyncio.ensure_future(run())
    await anyio.sleep(1.75)
    task.cancel("natively")
    with pytest.raises(asyncio.CancelledError, match="natively"):
        await task
    source.assert_closed_once()
    assert anyio.current_time() == 6.75


@every_block
async def test_the_block_is_left_when_a_close_that_takes_long_has_ended(
    entry: Entry,
) -> None:
    closed = False

    class Source(SourceProbe[int]):
        async def aclose(self) -> None:
            nonlocal closed
            await super().aclose()
            closed = True

    async with entry.use(Source(range(3), close_delay=50)) as results:
        await at_the_end(results)
    assert closed


@every_block
async def test_a_source_without_aclose_is_left_as_it_is(entry: Entry) -> None:
    class Source:
        def __init__(self) -> None:
            self._items = iter(range(3))

        def __aiter__(self) -> "Source":
            return self

        async def __anext__(self) -> int:
            for item in self._items:
                return item
            raise StopAsyncIteration

    async with entry.use(Source()) as results:
        await at_the_end(results)


@every_block
async def test_a_sync_generator_is_closed(entry: Entry) -> None:
    source = Closable()
    async with entry.use(source) as results:
        await anext(results)
        # What drops items has read all hundred of them by now.
        assert source.closes == 0 or entry.ahead is None
    assert source.closes == 1


@every_block
@every_exit
async def test_a_sync_generator_runs_in_one_context_of_its_own(
    entry: Entry, leave: Any
) -> None:
    closed = 0

    def source() -> Generator[int]:
        nonlocal closed
        token = number.set(1)
        try:
            for item in range(1, 20):
                assert number.get() == 1
                yield item
        finally:
            number.reset(token)
            closed += 1

    with suppress(Boom):
        async with entry.use(source()) as results:
            await leave(results)
    assert number.get() == 0
    unread = (
        {without_reading, without_reading_later} if entry.lazy else {without_reading}
    )
    assert closed or leave in unread  # what has not begun has no end


@every_block
@pytest.mark.parametrize(
    "make", [lambda: Unclosable(range(9)), lambda: Closable(Boom("close"))]
)
async def test_an_error_in_closing_is_raised_when_the_block_is_left_cleanly(
    entry: Entry, make: Any
) -> None:
    with pytest.raises(Boom, match="close"):
        async with entry.use(make()) as results:
            await anext(results)


@every_block
async def test_so_it_is_when_nothing_was_read(entry: Entry) -> None:
    with pytest.raises(Boom, match="close"):
        async with entry.use(Unclosable(range(9))):
            pass


@every_block
@pytest.mark.parametrize(
    "make", [lambda: Unclosable(range(9)), lambda: Closable(Boom("close"))]
)
async def test_an_error_in_closing_masks_no_other(entry: Entry, make: Any) -> None:
    with pytest.raises(KeyError) as caught:
        async with entry.use(make()):
            await anyio.sleep(1)
            raise KeyError
    assert at_the_tail(caught.value) == ["Boom('close')"]


@every_block
async def test_an_error_in_closing_does_not_hide_a_cancellation(entry: Entry) -> None:
    with anyio.move_on_after(1) as scope:
        async with entry.use(Unclosable(range(9))):
            await anyio.sleep_forever()
    assert scope.cancelled_caught


@every_block
async def test_what_ends_the_program_in_closing_does_so(entry: Entry) -> None:
    class Source(SourceProbe[int]):
        async def aclose(self) -> None:
            raise SystemExit

    with pytest.raises(SystemExit):
        async with entry.use(Source(range(9))) as results:
            await anext(results)


@every_block
async def test_errors_beside_the_generator_exit_of_a_close_are_raised(
    entry: Entry,
) -> None:
    class Source(SourceProbe[int]):
        async def aclose(self) -> None:
            raise BaseExceptionGroup("both", [GeneratorExit(), Boom("close")])

    with pytest.raises(ExceptionGroup) as caught:
        async with entry.use(Source(range(3))) as results:
            await at_the_end(results)
    assert caught.value.message == "both"
    assert list(map(repr, caught.value.exceptions)) == ["Boom('close')"]


@every_eager_block
async def test_a_read_that_answers_its_interruption_with_an_error_raises_it(
    entry: Entry,
) -> None:
    class Source(SourceProbe[int]):
        async def __anext__(self) -> int:
            try:
                return await super().__anext__()
            except anyio.get_cancelled_exc_class():
                raise Boom("interrupted") from None

    with pytest.raises(Boom, match="interrupted"):
        async with entry.use(Source(range(9), hang_at=0)):
            await anyio.sleep(1)


@every_eager_block
async def test_a_read_that_fails_just_then_is_dropped(entry: Entry) -> None:
    class Source(SourceProbe[int]):
        async def __anext__(self) -> int:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(5)
            raise Boom("of its own")

    async with entry.use(Source(range(9))):
        await anyio.sleep(1)
    assert anyio.current_time() == 5


@every_result
def test_what_is_awaited_closes_its_source_on_every_way_out_too(entry: Entry) -> None:
    async def test() -> None:
        complete = SourceProbe([1, 2, 3])
        await entry.use(complete)
        failing = SourceProbe([1, 2, 3], fail_at=2)
        with pytest.raises(ProbeError):
            await entry.use(failing)
        hanging = SourceProbe([1, 2, 3], hang_at=2, close_delay=50)
        start = anyio.current_time()
        with anyio.move_on_after(1):
            await entry.use(hanging)
        assert anyio.current_time() == start + 1
        assert hanging.cancelled_pulls == 1
        for source in (complete, failing, hanging):
            source.assert_closed_once()
            source.assert_one_reader()
            source.assert_well_used()

    explore(test, schedules=8, seed=1)


@every_result
async def test_of_a_sync_iterator_only_a_generator_is_closed(entry: Entry) -> None:
    generator, iterator = Closable(), SyncSourceProbe([1, 2, 3])
    with anyio.move_on_after(1):
        await entry.use(generator)
    await entry.use(iterator)
    assert generator.closes == 1
    iterator.assert_never_closed()
