"""What is read, how far ahead and by which task; and what a wait that ends loses."""

import types
from collections.abc import AsyncIterator, Coroutine, Generator
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from aiterkit.testing import SourceProbe, SyncSourceProbe, explore

from ...catalogue import Entry  # noqa: TID252 - tests stand on no path
from ...helpers import any_source, collect  # noqa: TID252 - as above
from .cases import at_the_end, every_block, every_use, every_use_in_order


@every_use_in_order
@any_source
async def test_all_items_come_in_the_order_of_their_source(
    entry: Entry, probe: Any
) -> None:
    source = probe(range(20))
    async with entry.use(source) as results:
        got, error = await collect(results)
        assert ([entry.back(result) for result in got], error) == (
            list(range(20)),
            None,
        )
        for _ in range(3):
            with pytest.raises(StopAsyncIteration):
                await anext(results)
    source.assert_well_used()
    if probe is SourceProbe:
        source.assert_closed_once()
        source.assert_one_reader()


@every_use_in_order
async def test_the_source_is_read_ahead_up_to_the_bound_and_no_further(
    entry: Entry,
) -> None:
    assert entry.ahead is not None
    for gap in (None, 0.0, 1.0):
        source = SourceProbe(range(12), gap=gap)
        async with entry.use(source) as results:
            for delivered in range(12):
                await anyio.sleep(100)
                ahead = 0 if entry.lazy else entry.ahead
                assert len(source.taken) == min(12, delivered + ahead)
                assert entry.back(await anext(results)) == delivered
                assert len(source.taken) <= delivered + entry.ahead


@every_use_in_order
async def test_a_timed_out_wait_loses_nothing(entry: Entry) -> None:
    got: list[int] = []
    timeouts = 0
    source = SourceProbe(range(7), gap=10)
    async with entry.use(source) as results:
        while True:
            try:
                with anyio.fail_after(3):
                    got.append(entry.back(await anext(results)))
            except TimeoutError:
                timeouts += 1
            except StopAsyncIteration:
                break
    assert got == list(range(7))
    assert timeouts >= 20
    source.assert_well_used()


@every_block
async def test_a_timed_out_wait_leaves_it_whole(entry: Entry) -> None:
    source = SourceProbe([1, 2, 3], gap=5)
    async with entry.use(source) as results:
        timeouts = 0
        while not source.ended:
            with anyio.move_on_after(1) as scope:
                await anext(results, None)
            timeouts += scope.cancelled_caught
            await anyio.sleep(1)
    assert timeouts > 2
    source.assert_well_used()
    assert source.taken == [1, 2, 3]


@every_use_in_order
def test_a_wait_cancelled_at_any_moment_loses_nothing(entry: Entry) -> None:
    async def test() -> None:
        got: list[int] = []

        async def read() -> None:
            async for result in results:
                got.append(entry.back(result))

        source = SourceProbe(range(6), gap=1)
        async with entry.use(source) as results:
            while len(got) < 6:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(read)
                    await anyio.sleep(1)
                    tasks.cancel_scope.cancel()
        assert got == list(range(6))

    explore(test, schedules=5, seed=1)


@every_use
async def test_what_is_read_on_after_a_cancellation_from_outside_is_not_cut_silently(
    entry: Entry,
) -> None:
    got: list[Any] = []
    error: BaseException | None = None
    with anyio.CancelScope() as outer:
        async with entry.use(SourceProbe(range(9), gap=1)) as results:
            await anext(results)
            outer.cancel()
            with anyio.CancelScope(shield=True):
                await anyio.sleep(5)
                got, error = await collect(results)
    assert entry.ahead is None or len(got) < entry.ahead
    assert "was cancelled from outside" in str(error)


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
    async with entry.use(source) as results:
        await at_the_end(results)
    assert source.taken == [1, 2, 3]
    source.assert_closed_once()
    source.assert_well_used()


@every_block
async def test_a_sync_source_is_a_source(entry: Entry) -> None:
    source = SyncSourceProbe([1, 2, 3])
    async with entry.use(source) as results:
        await at_the_end(results)
    assert source.taken == [1, 2, 3]
    assert source.ended
    source.assert_well_used()


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
        async with entry.use(iter(range(130))) as results:
            await at_the_end(results)
        tasks.cancel_scope.cancel()
    assert turns > 3


@every_use
async def test_nothing_is_read_before_the_block_is_entered(entry: Entry) -> None:
    source = SourceProbe([1])
    block = entry.use(source)
    await anyio.sleep(5)
    assert source.pulls == 0
    async with block:
        pass


@every_use
async def test_one_task_at_a_time_reads_and_only_inside_the_block(entry: Entry) -> None:
    async def read() -> None:
        await anext(results, None)

    async with entry.use(SourceProbe([1], gap=5)) as results:
        assert aiter(results) is results
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            await anyio.sleep(1)
            with pytest.raises(RuntimeError, match="another task is already waiting"):
                await anext(results)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="only inside its 'async with' block"):
            await anext(results)


@every_block
async def test_a_reader_that_the_block_leaves_behind_gets_an_error(
    entry: Entry,
) -> None:
    said: list[str] = []

    async def read(results: AsyncIterator[int]) -> None:
        try:
            await anext(results)
        except RuntimeError as error:
            said.append(str(error))

    async with anyio.create_task_group() as tasks:
        async with entry.use(SourceProbe([1], hang_at=0)) as results:
            tasks.start_soon(read, results)
            await anyio.sleep(1)
    (text,) = said
    assert text.startswith(f"the results of {entry.name}()")
    assert text.endswith("can be read only inside its 'async with' block")
