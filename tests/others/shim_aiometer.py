"""The tests of aiometer, with our concurrent maps under its names."""

import importlib
from collections.abc import Sequence
from typing import Any

import aiterkit as ak

from .driven import counted


def _options(args: Sequence[Any], at_once: int | None) -> dict[str, int]:
    # It has no limit unless one is given; ours is then the number of items.
    return {"limit": max(1, len(args)) if at_once is None else at_once}


def _slowed(func: Any, per_second: float | None) -> Any:
    paced: Any = ak.paced
    return func if per_second is None else paced(func, per_second=per_second)


async def _call(func: Any) -> Any:
    return await func()


async def _run_on_each(
    func: Any,
    args: Sequence[Any],
    *,
    max_at_once: int | None = None,
    max_per_second: float | None = None,
) -> None:
    await counted(ak.concurrent_for_each)(
        _slowed(func, max_per_second), args, **_options(args, max_at_once)
    )


def _amap(
    func: Any,
    args: Sequence[Any],
    *,
    max_at_once: int | None = None,
    max_per_second: float | None = None,
) -> Any:
    return counted(ak.concurrent_map_unordered)(
        _slowed(func, max_per_second), args, **_options(args, max_at_once)
    )


async def _run_all(
    functions: Sequence[Any],
    *,
    max_at_once: int | None = None,
    max_per_second: float | None = None,
) -> list[Any]:
    return list(
        await counted(ak.concurrent_collect)(
            _slowed(_call, max_per_second),
            functions,
            **_options(functions, max_at_once),
        )
    )


async def _run_any(
    functions: Sequence[Any],
    *,
    max_at_once: int | None = None,
    max_per_second: float | None = None,
) -> Any:
    async with _amap(
        _call, functions, max_at_once=max_at_once, max_per_second=max_per_second
    ) as results:
        return await ak.afirst(results)


def install() -> None:
    """Put our maps into aiometer."""
    module = vars(importlib.import_module("aiometer"))
    for ours in (_run_on_each, _run_all, _run_any, _amap):
        ours.__name__ = ours.__name__.removeprefix("_")
        module[ours.__name__] = ours
