"""The twin test can fail: each of these plausible operators breaks it."""

import heapq
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import Phase

import aiterkit as ak
from aiterkit._core.source import open_async

from .test_twins import ITERATORS, RESULTS, STEPS, compare
from .twins import async_result, async_trace, sync_result, sync_trace


async def reads_one_beyond(source: Any, *bounds: Any) -> Any:
    items = ak.aislice(open_async(source), *bounds)
    ahead = await anext(items, None)
    async for item in items:
        yield ahead
        ahead = item
    if ahead is not None:
        yield ahead


async def reads_the_right_first(*sources: Any) -> Any:
    iterators = [open_async(source) for source in sources]
    while iterators:
        try:
            row = [await anext(iterator) for iterator in reversed(iterators)]
        except StopAsyncIteration:
            return
        yield tuple(reversed(row))


async def forgets_the_rest(source: Any, n: int, strict: bool) -> Any:  # noqa: FBT001
    async for batch in ak.abatched(source, n, strict=strict):
        if len(batch) == n:
            yield batch


async def gives_the_item_that_ended_it(source: Any, func: Any) -> Any:
    async for item in ak.amap(lambda x: x, source):
        yield item
        result = func(item)
        if not (await result if hasattr(result, "__await__") else result):
            return


async def closes_at_the_end(*sources: Any) -> Any:
    async for item in ak.achain(*sources):
        yield item
    for source in sources:
        source.close()


async def takes_the_last_of_equals(source: Any, func: Any) -> Any:
    found = await ak.acollect(source)
    keys = await ak.acollect(ak.amap(func, found))
    return max(reversed(list(zip(keys, found, strict=True))), key=lambda row: row[0])[1]


async def reads_all(source: Any) -> bool:
    return any(await ak.acollect(source))


async def calls_before_it_has_read_all(source: Any, reverse: Any, func: Any) -> Any:
    rows = [(await _once(func(item)), item) async for item in ak.aislice(source, None)]
    rows.sort(key=lambda row: row[0], reverse=reverse)
    return [item for _, item in rows]


async def _once(result: Any) -> Any:
    return await result if hasattr(result, "__await__") else result


async def adds_floats_as_they_come(source: Any) -> Any:
    return await ak.areduce(lambda one, other: one * 1.0 + other, source, 0)


async def does_not_look_for_longer_sources(*arguments: Any) -> Any:
    *sources, func = arguments
    rows = ak.azip_longest(*sources, fillvalue=MISSING)
    async for row in rows:
        if row[0] is MISSING:
            return
        if MISSING in row:
            raise ValueError
        yield await _once(func(*row))


async def takes_equals_from_the_later_source_first(*arguments: Any) -> Any:
    *sources, reverse, func = arguments
    async for item in ak.amerge(*reversed(sources), key=func, reverse=reverse):
        yield item


async def merges_what_it_has_collected(*sources: Any) -> Any:
    for item in heapq.merge(*[await ak.acollect(source) for source in sources]):
        yield item


async def ranks_the_last_of_equals_first(source: Any, n: Any, func: Any) -> Any:
    found = await ak.acollect(source)
    keys = [await _once(func(item)) for item in found]
    rows = list(zip(keys, range(len(found)), found, strict=True))
    return [item for _, _, item in heapq.nlargest(n, rows)]


async def reads_where_none_is_wanted(source: Any, n: Any) -> Any:
    return (await ak.asorted(source))[: max(n, 0)]


async def calls_before_it_gives(source: Any, func: Any) -> Any:
    async for item in ak.amap(lambda x: x, source):
        result = await _once(func(item))
        yield item
        if not result:
            return


async def gives_from_the_end(source: Any, n: Any) -> Any:
    items = await ak.acollect(source)
    for item in reversed(items[-n:] if n else []):
        yield item


MISSING = object()

MUTANTS: list[Any] = [
    pytest.param(name, wrong, id=f"{name} {wrong.__name__}")
    for name, wrong in (
        ("aislice", reads_one_beyond),
        ("azip", reads_the_right_first),
        ("abatched", forgets_the_rest),
        ("atakewhile", gives_the_item_that_ended_it),
        ("achain", closes_at_the_end),
        ("amap of many, strict", does_not_look_for_longer_sources),
        ("amerge with key", takes_equals_from_the_later_source_first),
        ("amerge", merges_what_it_has_collected),
        ("anlargest with key", ranks_the_last_of_equals_first),
        ("ansmallest", reads_where_none_is_wanted),
        ("atakewhile_inclusive", calls_before_it_gives),
        ("atail", gives_from_the_end),
        ("amax with key", takes_the_last_of_equals),
        ("aany", reads_all),
        ("asorted with key", calls_before_it_has_read_all),
        ("asum", adds_floats_as_they_come),
    )
]


@pytest.mark.parametrize(("name", "wrong"), MUTANTS)
def test_a_mutant_is_seen(name: str, wrong: Callable[..., Any]) -> None:
    phases = [Phase.generate]  # any failure will do, so none is made smaller
    with pytest.raises((AssertionError, ExceptionGroup)):
        if name in ITERATORS:
            twin = replace(ITERATORS[name], ours=wrong)
            compare(twin, async_trace, sync_trace, STEPS, phases=phases, examples=999)
        else:
            twin = replace(RESULTS[name], ours=wrong)
            compare(twin, async_result, sync_result, phases=phases, examples=999)
