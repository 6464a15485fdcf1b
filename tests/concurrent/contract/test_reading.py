"""What holds for every operator that reads sources, whatever it makes of them."""

import asyncio
import gc
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import suppress
from typing import Any

import anyio
import anyio.lowlevel
import pytest

import aiterkit as ak
from aiterkit._concurrent.merge.scope import SourcesScope, UpstreamSink
from aiterkit._concurrent.merge.state import MergeState, Upstream
from aiterkit._runtime.source_reader import SourceReader
from aiterkit.testing import SourceProbe, SyncSourceProbe, explore

from ...helpers import Boom, any_source, at_the_tail, garbage_kept, on_asyncio  # noqa: TID252 - tests stand on no path
from ..test_map_leaving import Closable, Unclosable, every_exit, scoped, without_reading  # noqa: TID252 - tests stand on no path
from .readings import READINGS, Reading, every_reading


async def collect(
    reading: Reading, results: AsyncIterator[Any]
) -> tuple[list[int], BaseException | None]:
    """Read to the end or to the error."""
    got: list[int] = []
    try:
        async for result in results:
            got.append(reading.back(result))
    except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001
        return got, error
    return got, None


class Back:
    """Results as the items that they were made of."""

    def __init__(self, reading: Reading, results: AsyncIterator[Any]) -> None:
        self.reading = reading
        self.results = results

    def __aiter__(self) -> "Back":
        return self

    async def __anext__(self) -> int:
        return int(self.reading.back(await anext(self.results)))


@every_reading
@any_source
async def test_all_items_come_in_the_order_of_their_source(
    reading: Reading, probe: Any
) -> None:
    source = probe(range(20))
    async with reading.block(source) as results:
        assert await collect(reading, results) == (list(range(20)), None)
        for _ in range(3):
            with pytest.raises(StopAsyncIteration):
                await anext(results)
    source.assert_well_used()
    if probe is SourceProbe:
        source.assert_closed_once()
        source.assert_one_reader()


@every_reading
@pytest.mark.parametrize("gap", [None, 0.0, 1.0])
async def test_the_source_is_read_ahead_up_to_the_bound_and_no_further(
    reading: Reading, gap: float | None
) -> None:
    source = SourceProbe(range(20), gap=gap)
    async with reading.block(source) as results:
        for delivered in range(20):
            await anyio.sleep(100)
            ahead = 0 if reading.lazy else reading.ahead
            assert len(source.taken) == min(20, delivered + ahead)
            assert reading.back(await anext(results)) == delivered
            assert len(source.taken) <= delivered + reading.ahead


@every_reading
async def test_an_error_comes_after_the_items_before_it(reading: Reading) -> None:
    boom = Boom("the very object")
    source = SourceProbe(range(9), fail_at=4, error=boom)
    async with reading.block(source) as results:
        got, error = await collect(reading, results)
        assert got == [0, 1, 2, 3]
        assert error is boom
        assert boom.__cause__ is boom.__context__ is None
        with pytest.raises(StopAsyncIteration):
            await anext(results)
        await anyio.sleep(10)
    source.assert_closed_once()
    source.assert_well_used()


@every_reading
async def test_a_cancelled_error_out_of_the_blue_is_delivered(
    reading: Reading,
) -> None:
    source = SourceProbe(range(9), fail_at=2, error=asyncio.CancelledError("foreign"))
    async with reading.block(source) as results:
        got, error = await collect(reading, results)
    assert got == [0, 1]
    assert isinstance(error, asyncio.CancelledError)


@every_reading
async def test_a_source_cannot_end_the_iteration_by_mistake(reading: Reading) -> None:
    source = SyncSourceProbe(range(2), error=StopAsyncIteration("mine"))
    async with reading.block(source) as results:
        got, error = await collect(reading, results)
    assert got == [0, 1]
    assert repr(error) == "RuntimeError('async generator raised StopAsyncIteration')"
    assert error is not None
    assert isinstance(error.__cause__, StopAsyncIteration)


@every_reading
@any_source
@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
async def test_what_ends_the_program_interrupts_the_body_and_leaves_bare(
    reading: Reading, probe: Any, kind: type[BaseException]
) -> None:
    source = probe(range(9), fail_at=0, error=kind())
    with pytest.raises(kind) as caught:
        async with reading.block(source) as results:
            async for _ in results:
                pass
            await anyio.sleep(100)
    assert caught.value.__context__ is None
    assert anyio.current_time() == 0
    if probe is SourceProbe:
        source.assert_closed_once()


@every_reading
async def test_an_error_nobody_reads_is_dropped_when_the_block_is_left_cleanly(
    reading: Reading,
) -> None:
    async with reading.block(SourceProbe(range(9), fail_at=0, error=Boom())):
        await anyio.sleep(5)


@every_reading
async def test_an_error_nobody_reads_hangs_at_the_tail_of_the_one_that_is_raised(
    reading: Reading,
) -> None:
    if reading.lazy:
        pytest.skip("it reads nothing that is not asked for")
    with pytest.raises(KeyError) as caught:
        async with reading.block(SourceProbe(range(9), fail_at=0, error=Boom("late"))):
            await anyio.sleep(5)
            raise KeyError
    assert at_the_tail(caught.value) == ["Boom('late')"]


@every_reading
@any_source
@every_exit
async def test_every_way_out_cleans_up(
    reading: Reading, probe: Any, leave: Any
) -> None:
    source = probe(range(6), **({"gap": 1} if probe is SourceProbe else {}))
    with suppress(Exception):
        async with reading.block(source) as results:
            await leave(Back(reading, results))
    source.assert_well_used()
    if probe is SourceProbe:
        # What a function would have made need not be closed.
        if leave is not without_reading or not reading.name.endswith("inner"):
            source.assert_closed_once()
        source.assert_one_reader()
        assert source.closes_while_pulled == 0


@pytest.mark.parametrize("reading", READINGS, ids=str)
@pytest.mark.parametrize("strategy", ["random", "pct"])
def test_a_cancellation_at_any_moment_cleans_up(
    reading: Reading, strategy: Any
) -> None:
    async def test() -> None:
        source = SourceProbe(range(9), gap=None, close_delay=1)

        async def run() -> None:
            async with reading.block(source) as results:
                async for _ in results:
                    await anyio.lowlevel.checkpoint()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run)
            for _ in range(4):
                await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()
        source.assert_well_used()
        assert source.closes <= 1
        assert source.closes or not source.pulls

    explore(test, schedules=10, strategy=strategy, seed=1)


@every_reading
@pytest.mark.parametrize("after", [0.5, 1, 2.5])
async def test_a_deadline_interrupts_the_read_and_the_close_after_it(
    reading: Reading, after: float
) -> None:
    source = SourceProbe(range(9), gap=1, hang_at=3, close_delay=50)
    with anyio.move_on_after(after) as scope:
        async with reading.block(source) as results:
            await collect(reading, results)
    assert scope.cancelled_caught
    assert anyio.current_time() == after
    source.assert_closed_once()
    assert source.closes_while_pulled == 0


@every_reading
@on_asyncio
async def test_cancelling_the_task_natively_cleans_up(reading: Reading) -> None:
    source = SourceProbe(range(9), gap=1, close_delay=5)

    async def run() -> None:
        async with reading.block(source) as results:
            async for _ in results:
                pass

    task = asyncio.ensure_future(run())
    await anyio.sleep(1.5)
    task.cancel("natively")
    with pytest.raises(asyncio.CancelledError, match="natively"):
        await task
    source.assert_closed_once()
    assert anyio.current_time() == 6.5


@every_reading
async def test_what_is_read_on_after_a_cancellation_is_not_cut_silently(
    reading: Reading,
) -> None:
    got: list[int] = []
    error: BaseException | None = None
    with anyio.CancelScope() as outer:
        async with reading.block(SourceProbe(range(9), gap=1)) as results:
            await anext(results)
            outer.cancel()
            with anyio.CancelScope(shield=True):
                await anyio.sleep(5)
                got, error = await collect(reading, results)
    assert len(got) < reading.ahead
    assert "was cancelled from outside" in str(error)


@every_reading
@pytest.mark.parametrize(
    "make", [lambda: Unclosable(range(9)), lambda: Closable(Boom("close"))]
)
async def test_an_error_in_closing_is_raised_when_the_block_is_left_cleanly(
    reading: Reading, make: Any
) -> None:
    with pytest.raises(Exception, match="close"):
        async with reading.block(make()) as results:
            await anext(results)


@every_reading
async def test_an_error_in_closing_masks_no_other(reading: Reading) -> None:
    with pytest.raises(KeyError) as caught:
        async with reading.block(Unclosable(range(9))):
            await anyio.sleep(1)
            raise KeyError
    assert at_the_tail(caught.value) == ["Boom('close')"]


@every_reading
async def test_a_timed_out_wait_loses_nothing(reading: Reading) -> None:
    got: list[int] = []
    timeouts = 0
    async with reading.block(SourceProbe(range(7), gap=10)) as results:
        while True:
            try:
                with anyio.fail_after(3):
                    got.append(reading.back(await anext(results)))
            except TimeoutError:
                timeouts += 1
            except StopAsyncIteration:
                break
    assert got == list(range(7))
    assert timeouts >= 20


@pytest.mark.parametrize("reading", READINGS, ids=str)
def test_a_wait_cancelled_at_any_moment_loses_nothing(reading: Reading) -> None:
    async def test() -> None:
        got: list[int] = []

        async def read() -> None:
            async for result in results:
                got.append(reading.back(result))

        source = SourceProbe(range(6), gap=1)
        async with reading.block(source) as results:
            while len(got) < 6:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(read)
                    await anyio.sleep(1)
                    tasks.cancel_scope.cancel()
        assert got == list(range(6))

    explore(test, schedules=8, seed=1)


@every_reading
async def test_one_reader_at_a_time_and_only_inside_the_block(reading: Reading) -> None:
    async def read() -> None:
        await anext(results)

    async with (
        reading.block(SourceProbe(range(9), gap=1)) as results,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(read)
        await anyio.sleep(0.5)
        with pytest.raises(RuntimeError, match="another task is already waiting"):
            await anext(results)
    with pytest.raises(RuntimeError, match=r"only inside its 'async with' block"):
        await anext(results)


@every_reading
async def test_a_block_is_a_block_and_nothing_else(reading: Reading) -> None:
    block: Any = reading.block(SourceProbe(range(3)))
    with pytest.raises(TypeError, match="__aiter__"):
        [result async for result in block]
    with pytest.raises(TypeError, match="await"):
        await block
    async with block:
        with pytest.raises(RuntimeError, match="can be entered only once"):
            await block.__aenter__()


@every_reading
def test_a_block_that_is_never_entered_is_warned_about(reading: Reading) -> None:
    with pytest.warns(RuntimeWarning) as caught:
        reading.block(SourceProbe(range(3)))
        gc.collect()
    name = reading.public
    assert str(caught[0].message) == (
        f"{name}(...) was never entered: use 'async with {name}(...) as results'"
    )


@pytest.mark.parametrize(
    "reading",
    [reading for reading in READINGS if not reading.name.endswith("inner")],
    ids=str,
)
def test_what_cannot_be_read_is_refused_at_the_call(reading: Reading) -> None:
    with pytest.raises(TypeError, match="source must be an iterable, sync or async"):
        reading.block(5)


@every_reading
@pytest.mark.parametrize("failing", [False, True])
async def test_nothing_leaves_a_circle_behind(
    reading: Reading,
    failing: bool,  # noqa: FBT001
) -> None:
    class Mark(Exception):
        """An error that can be looked for."""

    class Source(SourceProbe[int]):
        async def __anext__(self) -> int:
            if failing and len(self.taken) == 4:
                raise Mark  # which the probe does not keep
            return await super().__anext__()

    async def once() -> None:
        with suppress(Mark):
            async with reading.block(Source(range(9))) as results:
                async for _ in results:
                    pass

    with garbage_kept():
        await once()
        await anyio.sleep(1)
        ours = (SourcesScope, UpstreamSink, Upstream, MergeState, SourceReader, Mark)
        assert [item for item in gc.get_objects() if isinstance(item, ours)] == []


# Sources that are unsafe anywhere else: what they hold across a `yield` would
# interrupt whoever reads them. Here, that is a task of the block's own.


@scoped
@every_exit
@every_reading
async def test_a_source_that_holds_a_scope_across_its_yield_is_safe(
    make: Any, leave: Any, reading: Reading
) -> None:
    log: list[str] = []
    with suppress(Exception):
        async with reading.block(make(log)) as results:
            await leave(Back(reading, results))
            await anyio.sleep(3)  # the body goes on undisturbed
    if leave is not without_reading and not reading.lazy:
        assert log.count("closed") == 1
    assert log[-1:] in (["closed"], [])
    await anyio.sleep(10)
    assert log[-1:] in (["closed"], [])


@scoped
@every_reading
async def test_such_a_source_bears_a_timeout_around_one_wait(
    make: Any, reading: Reading
) -> None:
    log: list[str] = []
    got: list[int] = []
    async with reading.block(make(log)) as results:
        while True:
            with anyio.move_on_after(0.4):
                try:
                    got.append(reading.back(await anext(results)))
                except StopAsyncIteration:
                    break
    assert got == list(range(9))
    assert log[-1] == "closed"


@scoped
@every_reading
@pytest.mark.parametrize("after", [0.5, 2.5, 3])
async def test_such_a_source_bears_a_cancellation_from_outside(
    make: Any, reading: Reading, after: float
) -> None:
    log: list[str] = []
    with anyio.move_on_after(after) as scope:
        async with reading.block(make(log)) as results:
            async for _ in results:
                pass
    assert scope.cancelled_caught
    assert log[-1] == "closed"
    await anyio.sleep(10)
    assert log[-1] == "closed"


@every_reading
async def test_a_timeout_held_by_the_source_ends_the_source_alone(
    reading: Reading,
) -> None:
    async def source() -> AsyncGenerator[int]:
        with anyio.fail_after(4.5):
            for item in range(99):
                await anyio.sleep(1)
                yield item

    async with reading.block(source()) as results:
        with pytest.raises(TimeoutError):
            async for _ in results:
                await anyio.sleep(3)
        await anyio.sleep(10)


@every_reading
async def test_a_child_of_the_source_that_fails_ends_the_source_alone(
    reading: Reading,
) -> None:
    async def fail() -> None:
        await anyio.sleep(4.5)
        raise Boom("child")

    async def source() -> AsyncGenerator[int]:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(fail)
            for item in range(99):
                await anyio.sleep(1)
                yield item

    async with reading.block(source()) as results:
        with pytest.raises(ExceptionGroup) as caught:
            async for _ in results:
                await anyio.sleep(3)
        await anyio.sleep(10)
    assert caught.group_contains(Boom, match="child", depth=1)


@every_reading
async def test_such_sources_nest(reading: Reading) -> None:
    async def inner() -> AsyncGenerator[int]:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.sleep, 100)
            for item in range(9):
                await anyio.sleep(1)
                yield item
            tasks.cancel_scope.cancel()

    async def outer() -> AsyncGenerator[int]:
        with anyio.fail_after(100):
            async with reading.block(inner()) as results:
                async for result in results:
                    yield reading.back(result)

    async with reading.block(outer()) as results:
        async for result in results:
            if reading.back(result) == 4:
                break
        with anyio.move_on_after(0.5):
            await anext(results)
    assert anyio.current_time() <= 7


def test_every_such_operator_is_tried() -> None:
    assert {reading.public for reading in READINGS} <= set(ak.__all__)
