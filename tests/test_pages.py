"""Does what the pages show happen?

A page is run from its first block to its last, in one set of names, as one would
type it into ``python -m asyncio``. Each block must print what the ``text`` block
below it shows, or nothing.
"""

import ast
import contextlib
import inspect
import io
import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import anyio
import pytest

import aiterkit
import aiterkit.testing
from aiterkit.testing import (
    CallProbe,
    SourceProbe,
    assert_drawing,
    run_in_virtual_time,
)

HERE = Path(__file__).parent
PAGES = sorted((HERE.parent / "docs").glob("*.md"))
FENCE = re.compile(
    r"^```(?P<kind>\{?\w+\}?)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
PROBES: dict[str, Any] = {"source_probe": SourceProbe, "call_probe": CallProbe}

Backend = Literal["asyncio", "trio"]


@dataclass(frozen=True)
class Block:
    """A block of code of a page, and what it shall print."""

    place: str
    code: str
    output: str


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text()
    fences = list(FENCE.finditer(text))
    for fence, below in zip(fences, [*fences[1:], None][: len(fences)], strict=True):
        if fence["kind"] == "python":
            line = text.count("\n", 0, fence.start()) + 1
            output = ""
            if (
                below is not None
                and below["kind"] == "text"
                and not text[fence.end() : below.start()].strip()
            ):
                output = below["text"]
            # Lines of a traceback are then those of the page.
            code = "\n" * line + fence["text"]
            yield Block(f"{page.name}:{line}", code, output)


def drawings(page: Path) -> Iterator[str]:
    for fence in FENCE.finditer(page.read_text()):
        if fence["kind"] == "{timeline}":
            yield fence["text"]


async def run_block(block: Block, names: dict[str, Any]) -> None:
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    code = compile(block.code, block.place, "exec", flags)
    printed = io.StringIO()
    mains: list[Callable[[], Awaitable[None]]] = []
    with contextlib.redirect_stdout(printed), pytest.MonkeyPatch.context() as patch:
        patch.setattr(anyio, "run", mains.append)
        result = eval(code, names)  # noqa: S307  # our own words
        if inspect.isawaitable(result):
            await result
        for main in mains:
            await main()
    assert printed.getvalue() == block.output, block.place


async def run_page(page: Path) -> None:
    names: dict[str, Any] = {"__name__": page.stem}
    for block in blocks(page):
        await run_block(block, names)


def run_without_loop(page: Path, backend: Backend) -> None:
    """Run a page that starts event loops itself, and then the tests it shows."""
    names: dict[str, Any] = {"__name__": page.stem}
    for block in blocks(page):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(block.code, block.place, "exec"), names)  # noqa: S102
        assert printed.getvalue() == block.output, block.place
    tests = [thing for name, thing in names.items() if name.startswith("test_")]
    assert tests
    for test in tests:
        given = {name: PROBES[name] for name in inspect.signature(test).parameters}
        run_in_virtual_time(partial(test, **given), backend=backend)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize(
    "page", [page for page in PAGES if any(blocks(page))], ids=lambda page: page.stem
)
def test_what_a_page_shows_happens(page: Path, backend: Backend) -> None:
    first = page.read_text().partition("\n")[0]
    match first:
        case "<!-- no event loop -->":
            run_without_loop(page, backend)
        case "<!-- on asyncio -->":
            if backend == "trio":
                pytest.skip("this page shows what asyncio alone has")
            run_in_virtual_time(run_page, page, backend=backend)
        case "<!-- on real time, on asyncio -->":
            if backend == "trio":
                pytest.skip("this page shows libraries that know asyncio alone")
            anyio.run(run_page, page, backend=backend)
        case "<!-- on real time -->":
            anyio.run(run_page, page, backend=backend)
        case _:
            run_in_virtual_time(run_page, page, backend=backend)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize(
    "drawing",
    [
        pytest.param(drawing, id=f"{page.stem}-{number}")
        for page in PAGES
        for number, drawing in enumerate(drawings(page))
    ],
)
def test_what_a_timeline_of_a_page_shows_happens(
    drawing: str, backend: Backend
) -> None:
    names = {name: getattr(aiterkit, name) for name in aiterkit.__all__}
    run_in_virtual_time(partial(assert_drawing, drawing, **names), backend=backend)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_speaks_of_names_that_exist(page: Path) -> None:
    named = set(
        re.findall(r"\bconcurrent_\w+|\ba[a-z]+(?=\(\w+, xs)", page.read_text())
    )
    assert named - {"amap"} <= {*aiterkit.__all__, *aiterkit.testing.__all__}


def test_each_guarantee_is_held_by_a_test_that_exists() -> None:
    page = (HERE.parent / "docs" / "guarantees.md").read_text()
    named = set(re.findall(r"`(test_\w+)`", page))
    files = set(re.findall(r"`(test_\w+\.py)`", page))
    text = "".join(path.read_text() for path in HERE.rglob("test_*.py"))

    assert len(named) > 20
    assert {name for name in named if f"def {name}(" not in text} == set()
    assert files <= {path.name for path in HERE.rglob("test_*.py")}
