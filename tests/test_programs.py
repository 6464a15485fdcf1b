"""Does a block of code of the guide run when it is copied into a file?"""

import contextlib
import inspect
import io
import runpy
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from aiterkit.testing import run_in_virtual_time

from .programs import without_late_ends
from .test_docs import extension
from .test_pages import PAGES, blocks
from .test_readme import blocks as blocks_of_readme

runnable = extension("runnable")
REAL = "<!-- on real time"


def copied() -> list[Any]:
    found: list[Any] = []
    for page in PAGES:
        earlier: list[str] = []
        for block in blocks(page):
            code = block.code.lstrip("\n")
            whole = runnable.is_whole(code)
            text = code if whole else runnable.program(earlier, code)
            earlier.append(code)
            real = page.read_text().startswith(REAL)
            found.append(pytest.param(text, block.output, real, id=block.place))
    (program,) = blocks_of_readme("python")
    (output,) = blocks_of_readme("text")
    return [*found, pytest.param(program, output, False, id="README.md")]


@pytest.mark.parametrize(("text", "output", "real"), copied())
def test_what_is_copied_into_a_file_runs(
    text: str,
    output: str,
    real: bool,  # noqa: FBT001  # a column of the table
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file = tmp_path / "program.py"
    file.write_text(text)
    if real:
        done = subprocess.run(
            [sys.executable, str(file)],
            capture_output=True,
            check=False,
            text=True,
            timeout=60,
        )
        assert (without_late_ends(done.stderr), done.stdout) == ("", output)
        return

    def run(main: Callable[[], Awaitable[object]], **options: Any) -> object:
        with monkeypatch.context() as patch:
            patch.setattr(anyio, "run", on_real_time)
            if options:  # it is virtual time already
                return on_real_time(main, **options)
            return run_in_virtual_time(main)

    on_real_time = anyio.run
    monkeypatch.setattr(anyio, "run", run)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        names = runpy.run_path(str(file), run_name="__main__")
    assert printed.getvalue() == output
    for name, thing in names.items():
        if name.startswith("test_") and not inspect.signature(thing).parameters:
            if inspect.iscoroutinefunction(thing):
                run_in_virtual_time(thing)
            else:
                thing()


def test_only_what_asyncio_logs_about_a_late_end_is_removed() -> None:
    late = (
        "Unknown child process pid 5, will report returncode 255\n"
        "child process pid 6 exit status already read:  will report returncode 255\n"
    )
    trouble = "Loop <...> that handles pid 5 is closed\nUnknown child process pid 5\n"
    assert without_late_ends(f"{late}{trouble}{late}") == trouble


def test_a_program_brings_what_it_needs_and_no_more() -> None:
    first = """\
from math import cos, sin
import anyio

async def fetch(number):
    return sin(number)

unused = 1
tries = []
"""
    second = """\
from aiterkit import concurrent_map

async def again(number):
    tries.append(number)
    return await fetch(number)

# All of them.
async with concurrent_map(again, [0], limit=1) as results:
    print([number async for number in results])
"""
    assert (
        runnable.program([first], second)
        == """\
from math import sin
import anyio
from aiterkit import concurrent_map

async def fetch(number):
    return sin(number)

tries = []

async def again(number):
    tries.append(number)
    return await fetch(number)

async def main():
    # All of them.
    async with concurrent_map(again, [0], limit=1) as results:
        print([number async for number in results])

if __name__ == "__main__":
    anyio.run(main)
"""
    )


def test_what_a_function_changes_is_global_in_main_too() -> None:
    code = """\
count = 0
def add():
    global count
    count += 1

count = 10
add()
await anyio.sleep(0)
print(count)
"""
    text = runnable.program([], code)
    assert "    global count\n    count = 0\n" in text


def test_a_string_keeps_its_lines() -> None:
    code = 'text = """\nno\n  margin\n"""\nawait anyio.sleep(0)\nprint(text)\n'
    text = runnable.program([], code)
    assert '    text = """\nno\n  margin\n"""\n    await' in text


def test_code_without_a_wait_needs_no_main() -> None:
    assert runnable.program(["x = 1\n"], "print(x)\n") == "x = 1\nprint(x)\n"


def test_each_page_says_how_its_code_is_run() -> None:
    ways = {
        page.stem: runnable.way(page.read_text(), [each.code for each in blocks(page)])
        for page in PAGES
    }
    assert ways["tutorial"] == "whole"
    assert ways["errors"] == "virtual"
    assert ways["threads"] == "real"
    assert ways["testing"] == "plain"
    assert ways["glossary"] == ""
    assert set(runnable.WORDS) == set(ways.values()) - {""}
