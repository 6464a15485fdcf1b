"""Do operators of RxJS, p-map and Node.js give what the table of names says?

They are run by ``tests/elsewhere.mjs``, over the same inputs as ours here. Where the
table has a note, what is given there and here differs, and both stand here.
"""

import json
import os
import subprocess
from collections.abc import AsyncIterable, Iterable
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

import aiterkit as ak
from aiterkit.testing import play, run_in_virtual_time

from .test_docs import extension

elsewhere = extension("elsewhere")
FOLDER = os.environ.get("AITERKIT_NODE_MODULES", "")
"""Holds ``node_modules`` with rxjs and p-map; ``nox -s elsewhere`` sets it."""
XS, TWO, REPEATED, WAITS = [3, 1, 2], [1, 2], [1, 1, 2, 1], [4, 1, 2]


def is_large(x: int) -> bool:
    return x > 2


async def is_large_async(x: int) -> bool:
    return x > 2


def add(a: int, b: int) -> int:
    return a + b


async def slow(x: int) -> int:
    await anyio.sleep(x)
    return 10 * x


async def tenfold(x: int) -> int:
    return 10 * x


async def tenth(x: int) -> int:
    return x // 0


async def below(x: int) -> list[int]:
    await anyio.sleep(1)
    return [x - 1] if x > 1 else []


def inner(item: str) -> AsyncIterable[str]:
    return ak.amap(lambda n: f"{item}{n}", play("0--1|"))


async def drawn(source: Any) -> list[Any]:
    """Return what *source*, a block or an iterator, gives, each with its tick."""
    start = anyio.current_time()
    seen: list[Any] = []

    async def read(items: AsyncIterable[Any]) -> None:
        try:
            async for item in items:
                seen.append([anyio.current_time() - start, item])
        except TimeoutError as error:
            seen.append([anyio.current_time() - start, f"! {type(error).__name__}"])

    if hasattr(source, "__aenter__"):
        async with source as items:
            await read(items)
    else:
        await read(source)
    return seen


async def every(source: Any) -> list[Any]:
    return [item for _, item in await drawn(source)]


async def cycled() -> list[int]:
    async with aclosing(ak.acycle(XS)) as items:
        return [item async for item in ak.aislice(items, 5)]


async def shared() -> list[Any]:
    seen: list[Any] = []

    async def read(reader: Any) -> None:
        seen.extend(await drawn(reader))

    block = ak.concurrent_broadcast(play("a-b-c|"), 2, buffer=1)
    async with block as readers, anyio.create_task_group() as tasks:
        for reader in readers:
            tasks.start_soon(read, reader)
    return sorted(seen)


async def parted() -> list[Any]:
    seen: dict[int, list[int]] = {}

    async def read(key: int, reader: Any) -> None:
        seen[key] = [item async for item in reader]

    block = ak.concurrent_partition(XS, lambda x: x % 2, [1, 0], buffer=3)
    async with block as readers, anyio.create_task_group() as tasks:
        for key, reader in zip([1, 0], readers, strict=True):
            tasks.start_soon(read, key, reader)
    return [[key, seen[key]] for key in (1, 0)]


async def grouped(source: Iterable[int]) -> list[Any]:
    return [
        [key, [item async for item in group]]
        async for key, group in ak.agroupby(source)
    ]


async def effects(source: list[int]) -> list[int]:
    seen: list[int] = []

    async def save(x: int) -> None:
        seen.append(await slow(x))

    await ak.concurrent_for_each(save, source, limit=2)
    return sorted(seen)


async def outcomes() -> list[str]:
    found = [await ak.captured(tenfold)(1), await ak.captured(tenth)(1)]
    return ["fulfilled" if isinstance(each, ak.Ok) else "rejected" for each in found]


async def expanded() -> list[Any]:
    return await drawn(ak.concurrent_expand(below, [3], limit=2))


async def teed() -> list[Any]:
    return [[item async for item in branch] for branch in ak.atee(XS)]


OURS: dict[str, Any] = {
    "aaccumulate": lambda: every(ak.aaccumulate(XS)),
    "aall": lambda: ak.aall(ak.amap(is_large, XS)),
    "aany": lambda: ak.aany(ak.amap(is_large, XS)),
    "abatched": lambda: every(ak.abatched(XS, 2)),
    "achain": lambda: every(ak.achain(XS, TWO)),
    "acollect": lambda: ak.acollect(XS),
    "acycle": cycled,
    "adropwhile": lambda: every(ak.adropwhile(is_large, XS)),
    "afilter": lambda: every(ak.afilter(is_large, XS)),
    "afind": lambda: ak.afind(is_large, XS),
    "afirst": lambda: ak.afirst(XS),
    "aflat_map": lambda: every(ak.aflat_map(lambda x: [x, 10 * x], XS)),
    "aflatten": lambda: every(ak.aflatten([XS, TWO])),
    "agroupby": lambda: grouped(REPEATED),
    "aislice": lambda: every(ak.aislice(XS, 1, 2)),
    "alast": lambda: ak.alast(XS),
    "alen": lambda: ak.alen(XS),
    "amap": lambda: every(ak.amap(tenfold, XS)),
    "amax": lambda: ak.amax(XS),
    "amin": lambda: ak.amin(XS),
    "anth": lambda: ak.anth(XS, 1),
    "apairwise": lambda: every(ak.apairwise(XS)),
    "areduce": lambda: ak.areduce(add, XS),
    "atail": lambda: every(ak.atail(2, XS)),
    "atakewhile": lambda: every(ak.atakewhile(is_large, XS)),
    "atakewhile_inclusive": lambda: every(ak.atakewhile_inclusive(is_large, XS)),
    "atee": teed,
    "atimeout": lambda: drawn(ak.atimeout(play("a-b----c|"), 3)),
    "aunique": lambda: every(ak.aunique(REPEATED)),
    "awindowed": lambda: every(ak.awindowed(XS, 2)),
    "captured": outcomes,
    "concurrent_batched": lambda: drawn(
        ak.concurrent_batched(play("a-b-----c|"), 9, within=3)
    ),
    "concurrent_broadcast": shared,
    "concurrent_collect": lambda: ak.concurrent_collect(tenfold, XS, limit=2),
    "concurrent_debounce": lambda: drawn(
        ak.concurrent_debounce(play("a-b---c|"), seconds=3)
    ),
    "concurrent_expand": expanded,
    "concurrent_filter": lambda: every(
        ak.concurrent_filter(is_large_async, XS, limit=2)
    ),
    "concurrent_flat_map_unordered": lambda: drawn(
        ak.concurrent_flat_map_unordered(inner, play("a-b|"), limit=2)
    ),
    "concurrent_for_each": partial(effects, WAITS),
    "concurrent_map": lambda: every(ak.concurrent_map(tenfold, XS, limit=2)),
    "concurrent_map_unordered": lambda: drawn(
        ak.concurrent_map_unordered(slow, WAITS, limit=2)
    ),
    "concurrent_merge": lambda: drawn(
        ak.concurrent_merge(play("a--b|"), play("-c--d|"))
    ),
    "concurrent_partition": parted,
    "concurrent_sample": lambda: drawn(
        ak.concurrent_sample(play("a-b-----c-|"), seconds=3)
    ),
    "concurrent_switch_map": lambda: drawn(
        ak.concurrent_switch_map(inner, play("a-b|"))
    ),
    "concurrent_zip": lambda: drawn(ak.concurrent_zip(play("a--b|"), play("-c--d|"))),
    "concurrent_zip_latest": lambda: drawn(
        ak.concurrent_zip_latest(play("a--b|"), play("-c--d|"))
    ),
}

UNCOMPARED = {"arestarted", "concurrent_until"}
"""Those whose times RxJS's virtual scheduler does not share; their notes say how."""

DIFFERENT: dict[tuple[str, str], tuple[Any, Any]] = {
    ("RxJS", "agroupby"): (
        [[1, [1, 1, 1]], [2, [2]]],
        [[1, [1, 1]], [2, [2]], [1, [1]]],
    ),
    ("RxJS", "awindowed"): ([[3, 1], [1, 2], [2]], [[3, 1], [1, 2]]),
    ("RxJS", "concurrent_batched"): (
        [[3, ["a", "b"]], [6, []], [9, ["c"]]],
        [[3, ["a", "b"]], [9, ["c"]]],
    ),
    ("RxJS", "concurrent_expand"): (
        [[0, 3], [1, 2], [2, 1]],
        [[1, 3], [2, 2], [3, 1]],
    ),
}
"""What is given there and here, where it is not the same."""


async def ours_of(name: str) -> Any:
    return await OURS[name]()


def theirs() -> dict[str, dict[str, Any]]:
    script = Path(__file__).with_name("elsewhere.mjs")
    done = subprocess.run(
        ["node", str(script), FOLDER],  # noqa: S607  # wherever it is
        capture_output=True,
        check=True,
        text=True,
    )
    found: dict[str, dict[str, Any]] = json.loads(done.stdout)
    return found


@pytest.mark.skipif(not FOLDER, reason="nox -s elsewhere installs the others")
def test_what_others_give_is_what_the_table_says() -> None:
    compared: set[tuple[str, str]] = set()
    for place, given in theirs().items():
        for name, value in given.items():
            assert place in elsewhere.elsewhere(name) or elsewhere.note(name)
            ours = json.loads(json.dumps(run_in_virtual_time(partial(ours_of, name))))
            assert (place, value, ours) == (
                (place, *DIFFERENT[place, name])
                if (place, name) in DIFFERENT
                else (place, value, value)
            )
            compared.add((place, name))
    listed = [
        each
        for each in elsewhere.names()
        if "RxJS" in elsewhere.elsewhere(each) and each not in UNCOMPARED
    ]
    assert {("RxJS", each) for each in listed} <= compared
    assert set(DIFFERENT) <= compared


@pytest.mark.parametrize("name", OURS)
def test_ours_gives_something(name: str) -> None:
    """So that a comparison with what is given elsewhere says something."""
    assert run_in_virtual_time(partial(ours_of, name)) not in ([], None)


def test_what_differs_is_said_in_the_table() -> None:
    assert [name for _, name in DIFFERENT if not elsewhere.note(name)] == []
