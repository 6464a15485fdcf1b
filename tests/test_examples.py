"""Do all examples say what they take, refuse the rest, and survive Ctrl-C?"""

import os
import pty
import re
import runpy
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from .programs import EXAMPLES, PYTHON, environment, read, without_late_ends

NAMES = sorted(path.stem for path in EXAMPLES.glob("*.py"))
# As little work as each of them can be given.
SMALL = {
    "compare": ["--pages", "2", "--limit", "2"],
    "crawl": ["--pages", "2"],
    "download": ["--files", "4"],
    "fan_out": ["--budget", "3", "What is alen?", "What is amin?"],
    "ingest": ["--records", "4"],
    "logs": ["echo 2026-11-26T18:02:03 one", "echo two"],
    "similar": ["--limit", "2", str(EXAMPLES / "_plumbing")],
}
DATABASES = ["crawl", "ingest"]

# Python imports it at its start. It presses Ctrl-C at one of the lines of an example
# or its plumbing: at the n-th of those that run, each of them counted once. It counts
# from the first import on, which is the one that handles Ctrl-C.
PRESS = """
import os, signal, sys

folder = os.environ.pop("PRESS_IN")
lines = os.environ.pop("PRESS_LINES")
at = int(os.environ.pop("PRESS_AT"))
del os.environ["PYTHONPATH"]  # children are left alone
seen = {}

def on_call(frame, event, argument):
    return on_line if frame.f_code.co_filename.startswith(folder) else None

def on_line(frame, event, argument):
    place = frame.f_code.co_filename, frame.f_lineno
    listens = signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    if event == "line" and listens and place not in seen:
        seen[place] = None
        if not at:
            with open(lines, "a") as file:
                print(*place, sep=":", file=file)
        elif len(seen) == at:
            signal.raise_signal(signal.SIGINT)
    return on_line

sys.settrace(on_call)
"""


@pytest.fixture(params=NAMES)
def example(request: pytest.FixtureRequest) -> Path:
    name: str = request.param
    return EXAMPLES / f"{name}.py"


@pytest.fixture
def _undo(monkeypatch: pytest.MonkeyPatch) -> Generator[None]:
    """Undo what a script does to a process; and let it find its plumbing."""
    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(sys, "path", [str(EXAMPLES), *sys.path])
    monkeypatch.setenv("COLUMNS", "1000")
    yield
    signal.signal(signal.SIGINT, before)


def run_here(
    script: Path, *arguments: str, monkeypatch: pytest.MonkeyPatch
) -> int | str | None:
    """Run it in this process, which is faster; it ends with its command line."""
    monkeypatch.setattr(sys, "argv", [script.name, *arguments])
    with pytest.raises(SystemExit) as caught:
        runpy.run_path(str(script), run_name="__main__")
    return caught.value.code


@pytest.mark.usefixtures("_undo")
def test_the_help_names_every_option_and_its_default(
    example: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_here(example, "--help", monkeypatch=monkeypatch) == 0

    shown = capsys.readouterr().out
    assert "The exit code is 1" in shown
    assert "--limit N" in shown or example.stem == "logs"
    assert "--backend {asyncio,trio}" in shown
    assert "(default: " in shown


@pytest.mark.usefixtures("_undo")
def test_a_limit_below_one_is_refused(
    example: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    option = "--seconds" if example.stem == "logs" else "--limit"
    assert run_here(example, option, "0", monkeypatch=monkeypatch) == 2

    shown = capsys.readouterr().err
    assert f"argument {option}: must be at least 1, not 0" in shown


@pytest.mark.usefixtures("_undo")
@pytest.mark.parametrize("name", SMALL)
def test_a_limit_that_is_no_number_is_refused(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    option = "--seconds" if name == "logs" else "--limit"
    script = EXAMPLES / f"{name}.py"
    assert run_here(script, option, "x", monkeypatch=monkeypatch) == 2

    shown = capsys.readouterr().err
    assert f"argument {option}: must be a whole number, not 'x'" in shown


@pytest.mark.usefixtures("_undo")
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("crawl", ["page"]),
        ("download", ["page"]),
        ("fan_out", ["--address", "page"]),
        ("ingest", ["page"]),
    ],
)
def test_what_is_no_address_is_refused(
    name: str,
    arguments: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    script = EXAMPLES / f"{name}.py"
    assert run_here(script, *arguments, monkeypatch=monkeypatch) == 2

    shown = capsys.readouterr().err
    assert "must be an http or https URL, not 'page'" in shown


@pytest.mark.usefixtures("_undo")
@pytest.mark.parametrize("name", DATABASES)
@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ("nowhere/x.sqlite", "cannot open '{}': unable to open database file"),
        ("folder", "cannot open '{}': unable to open database file"),
        ("text", "cannot use '{}': file is not a database"),
        ("foreign", "'{}' belongs to another program"),
    ],
)
def test_a_database_that_cannot_be_used_is_refused(
    name: str,
    file: str,
    reason: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "text").write_text("This is text. " * 100)
    with closing(sqlite3.connect(tmp_path / "foreign")) as connection:
        connection.execute("CREATE TABLE pages (text)")
    path = str(tmp_path / file)
    script = EXAMPLES / f"{name}.py"

    assert run_here(script, "--database", path, monkeypatch=monkeypatch) == 2

    shown = capsys.readouterr()
    said = f"{name}.py: error: argument --database: {reason.format(path)}\n"
    assert shown.err == said
    assert shown.out == ""


@pytest.mark.parametrize("name", SMALL)
def test_it_is_short_and_says_on_the_first_screen_what_it_shows(name: str) -> None:
    text = (EXAMPLES / f"{name}.py").read_text()
    docstring = text.split('"""')[1]

    assert len(text.splitlines()) <= 200
    assert len(docstring.splitlines()) <= 24
    assert f"python examples/{name}.py" in docstring


@pytest.mark.parametrize("name", SMALL)
def test_it_shows_its_progress_on_a_narrow_terminal(name: str, tmp_path: Path) -> None:
    screen, terminal = pty.openpty()
    process = subprocess.Popen(
        [*PYTHON, str(EXAMPLES / f"{name}.py"), *SMALL[name]],
        cwd=tmp_path,
        env=environment(columns=10),
        stdout=subprocess.PIPE,
        stderr=terminal,
        text=True,
    )
    os.close(terminal)
    shown, _ = process.communicate(timeout=60)

    assert process.returncode in {0, 1}
    assert "Traceback" not in read(screen)
    # The last line is the result, for a person.
    assert re.search(r"\d", shown.splitlines()[-1])


@pytest.mark.parametrize("name", SMALL)
def test_whoever_reads_its_output_may_stop(name: str, tmp_path: Path) -> None:
    with subprocess.Popen(
        [*PYTHON, str(EXAMPLES / f"{name}.py"), *SMALL[name]],
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        errors = process.stderr.read()

    assert errors == b""
    assert process.returncode == 141


@pytest.mark.parametrize("name", SMALL)
def test_ctrl_c_ends_it_at_every_moment(name: str, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(PRESS)
    lines = tmp_path / "lines"

    def press(at: int) -> subprocess.CompletedProcess[str]:
        folder = tmp_path / str(at)
        folder.mkdir()
        backend = "trio" if at % 2 else "asyncio"
        return subprocess.run(
            [*PYTHON, EXAMPLES / f"{name}.py", "--backend", backend, *SMALL[name]],
            capture_output=True,
            check=False,
            cwd=folder,
            env={
                **environment(),
                "PYTHONPATH": str(tmp_path),
                "PRESS_IN": str(EXAMPLES),
                "PRESS_LINES": str(lines),
                "PRESS_AT": str(at),
            },
            text=True,
            timeout=60,
        )

    assert without_late_ends(press(0).stderr) == ""
    seen = lines.read_text().splitlines()
    moments = [len(seen) * part // 12 for part in range(2, 12, 4)]
    with ThreadPoolExecutor(2) as pool:
        for at, done in zip(moments, pool.map(press, moments), strict=True):
            said = without_late_ends(done.stderr)
            assert said == "interrupted\n", seen[at - 1]
            assert done.returncode == 130, seen[at - 1]
