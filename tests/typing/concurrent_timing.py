"""What type checkers infer for the operators in ``_concurrent/timing/timing.py``."""

from typing import assert_type

import aiterkit as ak

from .functions import numbers, text, words


async def batches() -> None:
    async with ak.concurrent_batched(words(), 3, within=1) as results:
        assert_type(results, ak.Results[tuple[str, ...]])
        async for batch in results:
            assert_type(batch, tuple[str, ...])
    async with ak.concurrent_batched(
        [b"a", b"b"], 3, within=0.5, weight=len, max_weight=100
    ) as weighed:
        assert_type(weighed, ak.Results[tuple[bytes, ...]])
    async with ak.concurrent_batched(words(), quiet=1) as bursts:
        assert_type(bursts, ak.Results[tuple[str, ...]])
    async with ak.concurrent_batched(numbers(), within=1, quiet=0.5) as timed:
        assert_type(await anext(timed), tuple[int, ...])
    async with ak.concurrent_batched([1.5], None, within=1) as spaced:
        assert_type([batch async for batch in spaced], list[tuple[float, ...]])
    async with ak.concurrent_batched(words(), 3, quiet=1, within=None) as few:
        assert_type(few, ak.Results[tuple[str, ...]])
    async with ak.concurrent_batched(
        words(), quiet=1, weight=len, max_weight=9
    ) as light:
        assert_type(light, ak.Results[tuple[str, ...]])


async def beats() -> None:
    async with ak.concurrent_heartbeat(numbers(), None, seconds=15) as items:
        assert_type(items, ak.Results[int | None])
        async for item in items:
            assert_type(item, int | None)
    async with ak.concurrent_heartbeat(words(), text(), seconds=1) as lines:
        assert_type(await anext(lines), str)


async def newest() -> None:
    async with ak.concurrent_latest(words()) as last:
        assert_type(last, ak.Results[str])
        assert_type(last.statistics(), ak.Statistics)
        assert_type(last.statistics().dropped, int)
        async for word in last:
            assert_type(word, str)
    async with ak.concurrent_latest(numbers(), 3) as few:
        assert_type(few, ak.Results[int])
    async with ak.concurrent_latest([b"a"], size=3) as kept:
        assert_type(await anext(kept), bytes)
    async with ak.concurrent_debounce(numbers(), seconds=1) as settled:
        assert_type(await anext(settled), int)
    async with ak.concurrent_sample([1.5], seconds=0.1) as beats:
        assert_type(await anext(beats), float)
