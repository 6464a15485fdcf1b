"""A block can be entered once, cannot be iterated over, and leaves nothing behind."""

import gc
import re
from contextlib import suppress
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from aiterkit.testing import SourceProbe

from ...catalogue import Entry  # noqa: TID252 - tests stand on no path
from ...helpers import garbage_kept  # noqa: TID252 - as above
from .cases import USES, at_the_end, every_block, every_use


@every_block
async def test_it_is_entered_once_and_is_nothing_but_a_block(entry: Entry) -> None:
    block = entry.use(SourceProbe([1]))
    with pytest.raises(TypeError, match="__aiter__"):
        [result async for result in block]
    with pytest.raises(TypeError, match="await"):
        await block
    async with block:
        with pytest.raises(RuntimeError, match="can be entered only once"):
            await block.__aenter__()
    with pytest.raises(RuntimeError, match="can be entered only once"):
        await block.__aenter__()


@every_block
def test_it_is_warned_about_if_it_is_never_entered(entry: Entry) -> None:
    name = entry.name
    warning = f"{name}(...) was never entered: use 'async with {name}(...) as "
    with garbage_kept(), pytest.warns(RuntimeWarning, match=re.escape(warning)):
        entry.use(SourceProbe([1]))
        gc.collect()


@pytest.mark.parametrize("entry", [use for use in USES if not use.inner], ids=str)
async def test_what_cannot_be_read_is_refused_at_the_call(entry: Entry) -> None:
    not_a_source: Any = 5
    with pytest.raises(TypeError, match="must be an iterable, sync or async"):
        entry.use(not_a_source)


class Mark(Exception):
    """An error that can be looked for."""


@every_use
@pytest.mark.parametrize("failing", [False, True])
async def test_leaving_leaves_no_garbage_behind(
    entry: Entry,
    failing: bool,  # noqa: FBT001
) -> None:
    class Source(SourceProbe[int]):
        async def __anext__(self) -> int:
            if failing and len(self.taken) == 2:
                raise Mark  # which the probe does not keep
            return await super().__anext__()

    async def run() -> None:
        with suppress(Mark):
            async with entry.use(Source([1, 2, 3, 4])) as results:
                await at_the_end(results)

    with garbage_kept():
        await run()
        for _ in range(3):
            await anyio.lowlevel.checkpoint()
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        left = [
            thing
            for thing in gc.garbage
            if type(thing).__module__.startswith("aiterkit._")
            or isinstance(thing, Mark)
        ]
    assert left == []
