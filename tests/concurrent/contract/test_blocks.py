"""What every block of the catalogue keeps, whatever it does with the items."""

import gc
import types
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Generator
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from aiterkit.testing import ProbeError, SourceProbe, SyncSourceProbe, explore

from ...catalogue import ENTRIES, Entry  # noqa: TID252 - tests stand on no path
from ...helpers import Boom, garbage_kept  # noqa: TID252 - tests stand on no path

BLOCKS = [entry for entry in ENTRIES if entry.kind == "block"]
RESULTS = [
    entry
    for entry in ENTRIES
    if entry.kind == "result" and entry.name.startswith("concurrent_")
]
number: ContextVar[int] = ContextVar("number", default=0)
every_block = pytest.mark.parametrize("entry", BLOCKS, ids=lambda entry: entry.name)


def use(entry: Entry, source: Any) -> Any:
    return entry.use(source)


async def at_the_end(results: AsyncIterator[object]) -> None:
    async for _ in results:
        pass


async def by_break(results: AsyncIterator[object]) -> None:
    async for _ in results:
        break


async def by_an_error_in_the_body(results: AsyncIterator[object]) -> None:
    await anext(results)
    raise Boom


async def without_reading(_results: AsyncIterator[object]) -> None:
    pass


async def without_reading_later(_results: AsyncIterator[object]) -> None:
    await anyio.sleep(2.5)


async def cancelled_while_reading(results: AsyncIterator[object]) -> None:
    with anyio.move_on_after(2.5) as scope:
        async for _ in results:
            pass
    scope.cancel()


every_exit = pytest.mark.parametrize(
    "leave",
    [
        at_the_end,
        by_break,
        by_an_error_in_the_body,
        without_reading,
        without_reading_later,
        cancelled_while_reading,
    ],
)


@every_block
@every_exit
def test_on_every_way_out_the_source_is_closed_by_the_task_that_read_it(
    entry: Entry, leave: Any
) -> None:
    async def test() -> None:
        source = SourceProbe([1, 2, 3, 4, 5], gap=[0, 1, 0, 1, 1, 0], close_delay=1)
        try:
            async with use(entry, source) as results:
                await leave(results)
        except Boom:
            pass
        source.assert_closed_once()
        source.assert_one_reader()
        source.assert_well_used()

    explore(test, schedules=8, seed=1)


@every_block
@pytest.mark.parametrize("steps", [0, 1, 2, 3, 5, 8])
def test_a_cancellation_at_any_moment_cleans_up(entry: Entry, steps: int) -> None:
    async def test() -> None:
        source = SourceProbe([1, 2, 3], close_delay=1)

        async def run() -> None:
            async with use(entry, source) as results:
                await at_the_end(results)
                await anyio.sleep_forever()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run)
            for _ in range(steps):
                await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()
        source.assert_well_used()
        assert source.closes == 1 or not source.pulls

    explore(test, schedules=8, seed=1)


@every_block
async def test_an_error_of_the_source_is_raised_bare(entry: Entry) -> None:
    source = SourceProbe([1, 2, 3], fail_at=2)
    with pytest.raises(ProbeError) as caught:
        async with use(entry, source) as results:
            await at_the_end(results)
    assert caught.value.__context__ is None
    source.assert_closed_once()
    source.assert_well_used()


@every_block
async def test_after_an_error_it_has_ended_for_ever(entry: Entry) -> None:
    async with use(entry, SourceProbe([1], fail_at=0)) as results:
        with pytest.raises(ProbeError):
            await at_the_end(results)
        for _ in range(2):
            with pytest.raises(StopAsyncIteration):
                await anext(results)


@every_block
async def test_an_error_that_nobody_saw_is_dropped_when_the_block_is_left_cleanly(
    entry: Entry,
) -> None:
    async with use(entry, SourceProbe([1], fail_at=1)):
        await anyio.sleep(5)


@pytest.mark.parametrize(
    "entry", [each for each in BLOCKS if not each.lazy], ids=lambda entry: entry.name
)
async def test_an_error_that_nobody_saw_hangs_on_the_one_that_leaves(
    entry: Entry,
) -> None:
    with pytest.raises(Boom) as caught:
        async with use(entry, SourceProbe([1], fail_at=0)):
            await anyio.sleep(5)
            raise Boom
    told: Any = caught.value.__context__
    assert [type(error) for error in told.exceptions] == [ProbeError]


@every_block
@pytest.mark.parametrize("error", [StopIteration(1), StopAsyncIteration(1)])
async def test_a_stop_raised_by_the_source_is_an_error(
    entry: Entry, error: Exception
) -> None:
    class Source(SourceProbe[int]):
        async def __anext__(self) -> int:
            if self.taken:
                raise RuntimeError from error
            return await super().__anext__()

    with pytest.raises(RuntimeError) as caught:
        async with use(entry, Source([1])) as results:
            await at_the_end(results)
    assert caught.value.__cause__ is error


class Awaitable:
    """What can be awaited, and nothing else."""

    def __init__(self, step: Coroutine[Any, Any, int]) -> None:
        self.step = step

    def __await__(self) -> Generator[Any, Any, int]:
        return self.step.__await__()


@types.coroutine
def stepwise(step: Coroutine[Any, Any, int]) -> Generator[Any, Any, int]:
    """Do what *step* does, as a coroutine of the old kind."""
    return (yield from step.__await__())


@every_block
@pytest.mark.parametrize("made", [Awaitable, stepwise])
async def test_a_source_may_give_any_awaitable(entry: Entry, made: Any) -> None:
    class Source(SourceProbe[int]):
        def __anext__(self) -> Any:
            return made(super().__anext__())

    source = Source([1, 2, 3], gap=[0, 1, 0, 1])
    async with use(entry, source) as results:
        await at_the_end(results)
    assert source.taken == [1, 2, 3]
    source.assert_closed_once()
    source.assert_well_used()


@every_block
async def test_a_source_that_gives_no_awaitable_has_failed(entry: Entry) -> None:
    class Source(SourceProbe[int]):
        def __anext__(self) -> Any:
            return 5

    with pytest.raises(TypeError, match=r"can't be (used in 'await'|awaited)"):
        async with use(entry, Source([1])) as results:
            await at_the_end(results)


@every_block
async def test_what_ends_the_program_ends_the_block_bare(entry: Entry) -> None:
    source = SourceProbe([1, 2], fail_at=0, error=KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        async with use(entry, source) as results:
            if entry.lazy:
                await anext(results)
            await anyio.sleep_forever()
    source.assert_closed_once()


@every_block
async def test_an_error_of_closing_is_raised_when_the_block_is_left(
    entry: Entry,
) -> None:
    class Source(SourceProbe[int]):
        async def aclose(self) -> None:
            raise Boom

    with pytest.raises(Boom):
        async with use(entry, Source([1])):
            pass


@every_block
async def test_a_sync_source_is_a_source(entry: Entry) -> None:
    source = SyncSourceProbe([1, 2, 3])
    async with use(entry, source) as results:
        await at_the_end(results)
    assert source.taken == [1, 2, 3]
    assert source.ended
    source.assert_well_used()


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
            for item in range(1, 6):
                assert number.get() == 1
                yield item
        finally:
            number.reset(token)
            closed += 1

    with suppress(Boom):
        async with use(entry, source()) as results:
            await leave(results)
    assert number.get() == 0
    unread = (
        {without_reading, without_reading_later} if entry.lazy else {without_reading}
    )
    assert closed or leave in unread  # what has not begun has no end


@every_block
async def test_a_sync_source_lets_other_tasks_run(entry: Entry) -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await anyio.lowlevel.checkpoint()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(count)
        async with use(entry, iter(range(200))) as results:
            await at_the_end(results)
        tasks.cancel_scope.cancel()
    assert turns > 3


@every_block
async def test_a_sync_generator_is_closed(entry: Entry) -> None:
    closed: list[str] = []

    def source() -> Any:
        try:
            yield from range(1, 9)
        finally:
            closed.append(anyio.get_current_task().name or "")

    kept = source()
    async with use(entry, kept) as results:
        await anext(results)
    assert len(closed) == 1


@every_block
async def test_a_source_may_hold_scopes_and_tasks(entry: Entry) -> None:
    async def source() -> AsyncGenerator[int]:
        with anyio.fail_after(100):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(anyio.sleep_forever)
                for number in range(1, 9):
                    await anyio.sleep(1)
                    yield number
                tasks.cancel_scope.cancel()

    for leave in (at_the_end, by_break, cancelled_while_reading):
        async with use(entry, source()) as results:
            await leave(results)


@every_block
async def test_a_timed_out_wait_leaves_it_whole(entry: Entry) -> None:
    source = SourceProbe([1, 2, 3], gap=5)
    async with use(entry, source) as results:
        timeouts = 0
        while not source.ended:
            with anyio.move_on_after(1) as scope:
                await anext(results, None)
            timeouts += scope.cancelled_caught
            await anyio.sleep(1)
    assert timeouts > 2
    source.assert_well_used()
    assert source.taken == [1, 2, 3]


@every_block
async def test_it_is_entered_once_and_is_nothing_but_a_block(entry: Entry) -> None:
    block = use(entry, SourceProbe([1]))
    with pytest.raises(TypeError, match="__aiter__"):
        [result async for result in block]
    with pytest.raises(TypeError, match="await"):
        await block
    async with block:
        pass
    with pytest.raises(RuntimeError, match="can be entered only once"):
        await block.__aenter__()


@every_block
def test_it_is_warned_about_if_it_is_never_entered(entry: Entry) -> None:
    with pytest.warns(RuntimeWarning, match="was never entered: use 'async with "):
        use(entry, SourceProbe([1]))
        gc.collect()


@every_block
async def test_nothing_is_read_before_it_is_entered(entry: Entry) -> None:
    source = SourceProbe([1])
    block = use(entry, source)
    await anyio.sleep(5)
    assert source.pulls == 0
    async with block:
        pass


@every_block
async def test_what_cannot_be_read_is_refused_at_the_call(entry: Entry) -> None:
    with pytest.raises(TypeError, match="iterable"):
        use(entry, 5)


@every_block
async def test_it_is_read_by_one_task_at_a_time_inside_the_block(entry: Entry) -> None:
    async def read() -> None:
        await anext(results, None)

    async with use(entry, SourceProbe([1], gap=5)) as results:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            await anyio.sleep(1)
            with pytest.raises(RuntimeError, match="another task is already waiting"):
                await anext(results)
    with pytest.raises(RuntimeError, match="only inside its 'async with' block"):
        await anext(results)


@every_block
async def test_a_reader_left_behind_by_the_block_is_told(entry: Entry) -> None:
    said: list[str] = []

    async def read(results: AsyncIterator[int]) -> None:
        try:
            await anext(results)
        except RuntimeError as error:
            said.append(str(error))

    async with anyio.create_task_group() as tasks:
        async with use(entry, SourceProbe([1], hang_at=0)) as results:
            tasks.start_soon(read, results)
            await anyio.sleep(1)
    assert len(said) == 1
    assert "only inside its 'async with' block" in said[0]


@every_block
async def test_leaving_leaves_no_garbage_behind(entry: Entry) -> None:
    async def fail() -> None:
        async with use(entry, SourceProbe([1, 2, 3], fail_at=2)) as results:
            await at_the_end(results)

    with garbage_kept():
        with pytest.raises(ProbeError):
            await fail()
        for _ in range(3):
            await anyio.lowlevel.checkpoint()
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        left = [
            thing
            for thing in gc.garbage
            if type(thing).__module__.startswith("aiterkit._")
        ]
    assert left == []


@pytest.mark.parametrize("entry", RESULTS, ids=lambda entry: entry.name)
def test_what_is_awaited_closes_its_source_on_every_way_out_too(entry: Entry) -> None:
    async def test() -> None:
        complete = SourceProbe([1, 2, 3])
        await use(entry, complete)
        failing = SourceProbe([1, 2, 3], fail_at=2)
        with pytest.raises(ProbeError):
            await use(entry, failing)
        hanging = SourceProbe([1, 2, 3], hang_at=2)
        with anyio.move_on_after(1):
            await use(entry, hanging)
        for source in (complete, failing, hanging):
            source.assert_closed_once()
            source.assert_one_reader()
            source.assert_well_used()

    explore(test, schedules=8, seed=1)


@every_block
async def test_what_is_read_on_after_a_cancellation_from_outside_is_not_cut_silently(
    entry: Entry,
) -> None:
    with anyio.CancelScope() as outer:
        async with use(entry, SourceProbe([1, 2], hang_at=1)) as results:
            outer.cancel()
            with anyio.CancelScope(shield=True):
                await anyio.sleep(5)
                with pytest.raises(RuntimeError, match="was cancelled from outside"):
                    await at_the_end(results)
