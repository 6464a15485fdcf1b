"""Do the recipes keep what their sentences promise, in any order of the steps?

The code is that of the pages: only its definitions are run here.
"""

import ast
import io
from collections.abc import AsyncIterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given, strategies as st

from aiterkit import concurrent_collect
from aiterkit.testing import explore, run_in_virtual_time

from .test_pages import PAGES, blocks

KINDS = (
    ast.Import,
    ast.ImportFrom,
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.ClassDef,
)


@cache
def _page(name: str) -> Path:
    return next(page for page in PAGES if page.stem == name)


def recipes(name: str) -> dict[str, Any]:
    """Return what a page defines and imports."""
    found: dict[str, Any] = {"__name__": name}
    for block in blocks(_page(name)):
        tree = ast.parse(block.code)
        tree.body = [node for node in tree.body if isinstance(node, KINDS)]
        exec(compile(tree, block.place, "exec"), found)  # noqa: S102
    return found


CALLS = recipes("recipes")
SOURCES = recipes("recipes-sources")


async def given_as(chunks: list[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


@given(st.lists(st.sampled_from(["a", "\r", "\n", "é", "\u2028"])), st.data())
def test_lines_are_those_of_a_text_file(
    letters: list[str], data: st.DataObject
) -> None:
    body = "".join(letters).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=5)))
    edges = [0, *cuts, len(body)]
    chunks = [body[i:j] for i, j in pairwise(edges)]

    async def read() -> list[str]:
        return [line async for line in SOURCES["lines"](given_as(chunks))]

    text = io.TextIOWrapper(io.BytesIO(body), encoding="utf-8", newline=None)
    expected = [line.removesuffix("\n") for line in text]
    assert run_in_virtual_time(read, backend="asyncio") == expected


def test_two_rates_both_hold_under_any_schedule() -> None:
    async def calls() -> None:
        starts: list[float] = []

        async def call(_: int) -> None:
            starts.append(anyio.current_time())

        paced = CALLS["paced"]
        polite = paced(paced(call, per_second=10), per_second=2, burst=5)
        await concurrent_collect(polite, range(20), limit=20)
        for i, first in enumerate(starts):
            for j, last in enumerate(starts[i:], start=1):
                assert j <= 1 + 10 * (last - first) + 1e-6
                assert j <= 5 + 2 * (last - first) + 1e-6

    explore(calls, schedules=30, seed=1)


def test_each_reader_of_the_hub_gets_all_from_its_start_on() -> None:
    async def readers() -> None:
        hub = SOURCES["Hub"]()
        seen: dict[int, list[int]] = {}

        async def read(number: int, count: int) -> None:
            with hub.reader() as items:
                mine = seen[number] = []
                async for item in items:
                    mine.append(item)
                    if len(mine) == count:
                        return

        async with anyio.create_task_group() as tasks:
            for number in range(3):
                tasks.start_soon(read, number, 100)
            tasks.start_soon(read, 3, 2)  # leaves while the hub may wait for it
            await hub.publish(SOURCES["numbers"](*range(20), every=0))
        for number in range(3):
            mine = seen[number]
            assert mine == list(range(20 - len(mine), 20))
        assert seen[3] == list(range(seen[3][0], seen[3][0] + len(seen[3])))

    assert explore(readers, schedules=100, seed=1).distinct > 10


@pytest.mark.parametrize("fails", [False, True])
def test_each_caller_gets_its_own_answer_of_a_batch(*, fails: bool) -> None:
    async def callers() -> None:
        async def load(keys: list[int]) -> list[int]:
            await anyio.sleep(1)
            if fails:
                raise KeyError(tuple(keys))
            return [-key for key in keys]

        answers: dict[int, int] = {}
        failed: list[int] = []

        async def ask_for(key: int) -> None:
            with anyio.move_on_after(0.5 if key == 0 else 60):
                try:
                    answers[key] = await ask(key)
                except KeyError:
                    failed.append(key)

        gathering = CALLS["gathering"](load, size=3, within=0.1, limit=2)
        async with gathering as ask, anyio.create_task_group() as tasks:
            for key in range(7):
                tasks.start_soon(ask_for, key)
        assert answers == ({} if fails else {key: -key for key in range(1, 7)})
        assert sorted(failed) == (list(range(1, 7)) if fails else [])

    assert explore(callers, schedules=60, seed=1).distinct > 10


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_thread_ends_when_its_reader_leaves(backend: str) -> None:
    threads = recipes("recipes-threads")
    sent: list[int] = []

    def listen(on_message: Any) -> None:
        for number in range(1000):
            on_message(str(number))
            sent.append(number)

    async def leave_early() -> None:
        threads["listen"] = listen
        send, receive = anyio.create_memory_object_stream[str](10)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(threads["feed"], send)
            shout = threads["concurrent_map"](threads["shout"], receive, limit=2)
            async with shout as results:
                assert await anext(results) == "0"

    anyio.run(leave_early, backend=backend)
    assert len(sent) < 100
