"""Does `examples/similar.py` do its job, as a person would run it?"""

import os
import re
import time
from pathlib import Path
from threading import Semaphore, Thread

import pytest

from .programs import EXAMPLES, assert_left_cleanly, backends, interrupt, run

EXAMPLE = EXAMPLES / "similar.py"


# Python imports it at its start. A process of the pool then stays there for a while.
SLOW_START = """
import pathlib, sys, time

if "anyio.to_process" in sys.orig_argv:
    pathlib.Path(__file__).with_name("started").touch()
    time.sleep(0.3)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "code"
    (place / "below").mkdir(parents=True)
    text = " ".join(f"word{number}" for number in range(500))
    (place / "one.py").write_text(text)
    (place / "other.py").write_text(text)
    (place / "below" / "half.py").write_text(text[: len(text) // 2])
    (place / "empty.py").touch()
    (place / "note.txt").write_text(text)
    return place


@backends
@pytest.mark.parametrize("to", ["process", "thread"])
def test_it_finds_what_is_alike(backend: str, to: str, folder: Path) -> None:
    options = ["--backend", backend, "--to", to, "--limit", "2", str(folder)]
    done = run(EXAMPLE, *options)

    assert done.stderr == ""
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0] == f"4 files, on {backend}"
    assert lines[1] == "100% alike: one.py and other.py"
    for line in lines[2:4]:
        found = re.fullmatch(r" (\d\d)% alike: below/half\.py and \w+\.py", line)
        assert found is not None
        assert 20 < int(found[1]) < 80
    assert re.fullmatch(
        rf"4 files in \d+\.\d s: 2 {to}e?s computed for \d+\.\d s, and the event loop "
        r"was never more than \d+ ms late",
        lines[-1],
    )


def test_one_process_is_no_plural(folder: Path) -> None:
    done = run(EXAMPLE, "--limit", "1", str(folder))

    assert ": 1 process computed" in done.stdout


def test_a_folder_without_files_is_reported(tmp_path: Path) -> None:
    done = run(EXAMPLE, str(tmp_path))

    assert done.returncode == 1
    assert done.stderr == f"there are no Python files in {str(tmp_path)!r}\n"


@backends
def test_ctrl_c_ends_it_and_its_processes_cleanly(backend: str, folder: Path) -> None:
    for number in range(2000):  # more than can be done before
        (folder / f"{number}.py").symlink_to(folder / "one.py")

    left = interrupt(EXAMPLE, "--backend", backend, "--limit", "2", str(folder))

    assert_left_cleanly(*left)


@backends
def test_ctrl_c_does_not_reach_processes_that_start(
    backend: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "sitecustomize.py").write_text(SLOW_START)
    path = [str(folder), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path))
    when = Semaphore(0)

    def watch() -> None:
        while not (folder / "started").exists():
            time.sleep(0.02)
        when.release()

    thread = Thread(target=watch, daemon=True)
    thread.start()
    options = ["--backend", backend, "--limit", "2", str(folder)]
    code, shown = interrupt(EXAMPLE, *options, when=when)

    assert code == 130
    assert "Traceback" not in shown, shown
    assert "interrupted" in shown
