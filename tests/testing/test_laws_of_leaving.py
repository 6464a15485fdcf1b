"""Every block keeps the laws of leaving: it is put between the source and a map."""

import gc
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import asynccontextmanager
from typing import Any, Literal

import pytest

import aiterkit as ak
from aiterkit._runtime.source_reader import SourceTask
from aiterkit._runtime.task import BlockTask
from aiterkit.testing import ConcurrentMapLike, check_laws

from ..catalogue import Entry, Functions  # noqa: TID252 - tests stand on no path
from ..concurrent.contract.cases import every_reader  # noqa: TID252 - as above
from ..planted import changed, leaves_garbage  # noqa: TID252 - as above

DROPPING = {"concurrent_debounce", "concurrent_sample", "concurrent_switch_map"}
"""What may drop so much that no call is running when the block is left."""


def number(result: Any) -> int:
    """The item that a result of whatever block was made of."""
    return int(result[0] if isinstance(result, tuple) else result)  # pyright: ignore[reportUnknownArgumentType]


def before_a_map(entry: Entry) -> ConcurrentMapLike:
    """A map that reads its source through another block."""

    @asynccontextmanager
    async def like(
        func: Any, source: Any, /, *, limit: int
    ) -> AsyncGenerator[AsyncIterable[Any]]:
        async with (
            entry.open(source, Functions()) as items,
            ak.concurrent_map(func, ak.amap(number, items), limit=limit) as results,
        ):
            yield results

    return like


@every_reader
def test_a_block_keeps_the_laws_of_leaving(entry: Entry) -> None:
    laws = ["interruption", "nothing out of the blue"]
    if entry.name not in DROPPING:
        laws.append("cleanup")
    report = check_laws(
        before_a_map(entry), ordered=True, laws=laws, schedules=1, name=str(entry)
    )
    report.assert_all_hold()


FAULTS: dict[str, tuple[type[Any], str, str, str]] = {
    "cleanup": (BlockTask, "shield", "self._shield.shield = True", "pass"),
    "interruption": (BlockTask, "interrupt", "self.unshield()", "pass"),
    "nothing out of the blue": (
        SourceTask,
        "stop",
        "if self._is_in_source():",
        "if True:",
    ),
}


@leaves_garbage
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("law", FAULTS)
def test_a_fault_in_our_own_tasks_is_found(
    law: str, backend: Literal["asyncio", "trio"], monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, method, right, wrong = FAULTS[law]
    fault = changed(getattr(owner, method), right, wrong, owner=owner)
    monkeypatch.setattr(owner, method, fault)
    report = check_laws(
        ak.concurrent_map, ordered=True, laws=[law], schedules=1, backends=(backend,)
    )
    gc.collect()
    assert not report.holds
