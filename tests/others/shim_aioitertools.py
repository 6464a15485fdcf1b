"""The tests of aioitertools, with our operators under its names."""

import importlib
from collections.abc import AsyncGenerator, Iterable
from typing import Any, cast

import aiterkit as ak

from .driven import counted
from .shim_asyncstdlib import Chain, collection


async def _wait(awaitable: Any) -> Any:
    return await awaitable


async def _gather(
    *awaitables: Any, limit: int = -1, return_exceptions: bool = False
) -> list[Any]:
    """`concurrent_collect`, of awaitables; without a limit, of all at once."""
    results: list[Any] = []
    wait = ak.captured(_wait) if return_exceptions else _wait
    # An awaitable that is given twice can be awaited once, so its result is shared.
    once = {id(one): one for one in awaitables}
    of = dict(
        zip(
            once,
            await counted(ak.concurrent_collect)(
                wait, once.values(), limit=limit if limit > 0 else max(1, len(once))
            ),
            strict=True,
        )
    )
    for one in awaitables:
        match of[id(one)]:
            case ak.Ok() as success:  # pyright: ignore[reportUnknownVariableType] - any
                results.append(cast(Any, success).value)
            case ak.Err(error):
                results.append(error)
            case value:
                results.append(value)
    return results


async def _as_completed(
    awaitables: Iterable[Any],
    *,
    timeout: float | None = None,  # noqa: ASYNC109 - their name
) -> AsyncGenerator[Any]:
    """`concurrent_map_unordered`, of awaitables; `atimeout` in place of its timeout."""
    every = list(awaitables)
    async with counted(ak.concurrent_map_unordered)(
        _wait, every, limit=len(every)
    ) as results:
        async for result in ak.atimeout(results, timeout) if timeout else results:
            yield result


async def _as_generated(sources: Iterable[Any]) -> AsyncGenerator[Any]:
    """`concurrent_merge`."""
    async with counted(ak.concurrent_merge)(*sources) as results:
        async for result in results:
            yield result


async def _take(n: int, source: Any) -> list[Any]:
    return await ak.acollect(counted(ak.aislice)(source, n))


async def _chunked(source: Any, n: int) -> AsyncGenerator[list[Any]]:
    async for batch in counted(ak.abatched)(source, n):
        yield list(batch)


def install() -> None:
    """Put our operators into aioitertools."""
    module = vars(importlib.import_module("aioitertools"))
    for name in [
        "all",
        "any",
        "max",
        "min",
        "sum",
        "accumulate",
        "batched",
        "compress",
        "cycle",
        "dropwhile",
        "enumerate",
        "filterfalse",
        "groupby",
        "islice",
        "map",
        "starmap",
        "takewhile",
        "tee",
        "zip",
        "zip_longest",
    ]:
        module[name] = counted(getattr(ak, f"a{name}"))
    for name, into in {"list": list, "set": set, "tuple": tuple}.items():
        module[name] = collection(into)
    module["chain"] = Chain
    vars(importlib.import_module("aioitertools.asyncio")).update(
        gather=_gather, as_completed=_as_completed, as_generated=_as_generated
    )
    vars(importlib.import_module("aioitertools.more_itertools")).update(
        take=_take, chunked=_chunked
    )
