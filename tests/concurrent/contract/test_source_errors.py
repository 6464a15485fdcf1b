"""An error of the source is raised in its place, bare, once; or hangs on another."""

import asyncio
from typing import Any

import anyio
import pytest

from aiterkit.testing import SourceProbe, SyncSourceProbe

from ...catalogue import Entry  # noqa: TID252 - tests stand on no path
from ...helpers import Boom, any_source, at_the_tail, collect  # noqa: TID252 - as above
from .cases import (
    at_the_end,
    every_block,
    every_eager_block,
    every_use,
    every_use_in_order,
)


@every_use
async def test_it_is_raised_bare_and_once(entry: Entry) -> None:
    error = Boom("the very object")
    source = SourceProbe([1, 2, 3], fail_at=2, error=error)
    async with entry.use(source) as results:
        with pytest.raises(Boom) as caught:
            await at_the_end(results)
        assert caught.value is error
        assert error.__context__ is error.__cause__ is None
        for _ in range(2):
            with pytest.raises(StopAsyncIteration):
                await anext(results)
        await anyio.sleep(10)
    source.assert_closed_once()
    source.assert_well_used()


@every_use_in_order
async def test_it_comes_after_the_items_before_it(entry: Entry) -> None:
    boom = Boom("the very object")
    async with entry.use(SourceProbe(range(9), fail_at=4, error=boom)) as results:
        got, error = await collect(results)
    assert [entry.back(result) for result in got] == [0, 1, 2, 3]
    assert error is boom


@every_block
async def test_an_unseen_one_is_dropped_when_the_block_is_left_cleanly(
    entry: Entry,
) -> None:
    async with entry.use(SourceProbe([1], fail_at=1)):
        await anyio.sleep(5)


@every_eager_block
async def test_an_unseen_one_hangs_on_the_one_that_leaves(entry: Entry) -> None:
    with pytest.raises(KeyError) as caught:
        async with entry.use(SourceProbe([1], fail_at=0, error=Boom("late"))):
            await anyio.sleep(5)
            raise KeyError
    assert at_the_tail(caught.value) == ["Boom('late')"]


@every_use_in_order
async def test_a_cancelled_error_that_no_scope_sent_is_raised(entry: Entry) -> None:
    source = SourceProbe(range(9), fail_at=2, error=asyncio.CancelledError("foreign"))
    async with entry.use(source) as results:
        got, error = await collect(results)
    assert [entry.back(result) for result in got] == [0, 1]
    assert isinstance(error, asyncio.CancelledError)


@every_use
async def test_a_sync_source_cannot_end_the_iteration_by_mistake(entry: Entry) -> None:
    source = SyncSourceProbe(range(2), error=StopAsyncIteration("mine"))
    async with entry.use(source) as results:
        _, error = await collect(results)
    assert repr(error) == "RuntimeError('async generator raised StopAsyncIteration')"
    assert error is not None
    assert isinstance(error.__cause__, StopAsyncIteration)


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
        async with entry.use(Source([1])) as results:
            await at_the_end(results)
    assert caught.value.__cause__ is error


@every_use
@any_source
async def test_what_ends_the_program_interrupts_the_body_and_leaves_bare(
    entry: Entry, probe: Any
) -> None:
    kinds: list[type[BaseException]] = [KeyboardInterrupt, SystemExit]
    for kind in kinds:
        source = probe([1, 2], fail_at=0, error=kind())
        with pytest.raises(kind) as caught:
            async with entry.use(source) as results:
                if entry.lazy or kind is SystemExit:
                    await at_the_end(results)
                await anyio.sleep_forever()
        assert caught.value.__context__ is None
        assert anyio.current_time() == 0
        if not isinstance(source, SyncSourceProbe):
            source.assert_closed_once()


@every_block
async def test_a_source_that_gives_no_awaitable_has_failed(entry: Entry) -> None:
    class Source(SourceProbe[int]):
        def __anext__(self) -> Any:
            return 5

    with pytest.raises(TypeError, match=r"can't be (used in 'await'|awaited)"):
        async with entry.use(Source([1])) as results:
            await at_the_end(results)
