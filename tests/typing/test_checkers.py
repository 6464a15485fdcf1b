"""Do four type checkers infer what we promise, and reject what we forbid?

Each of them is run once over the files of this folder, in which `assert_type` says
what is inferred, a line that ends in `# rejected` has an error, and every other
line has none. Where a checker falls short of that, `FALLS_SHORT` says so.
"""

import importlib.util
import json
import os
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

HERE = Path(__file__).parent
PROJECT = HERE.parent.parent
FILES = sorted(
    path.name
    for path in HERE.glob("*.py")
    if path.name != "__init__.py" and not path.name.startswith("test_")
)

FALLS_SHORT: Mapping[tuple[str, str], Mapping[str, str]] = {
    ("mypy", "calls_beyond.py"): {
        'assert_type(await captured(same)("a"), Ok[str, str] | Err[Exception, str])': (
            "a generic function has no item to it"
        ),
    },
    ("mypy", "calls_misuse.py"): {
        "if outcome:  # rejected": "it does not ask what the truth of an object is",
    },
    ("ty", "calls_beyond.py"): {
        'assert_type(await captured(same)("a"), Ok[str, str] | Err[Exception, str])': (
            "a generic function has no item to it"
        ),
    },
    ("ty", "calls_misuse.py"): {
        "if outcome:  # rejected": "it does not ask what the truth of an object is",
    },
    ("pyrefly", "calls_misuse.py"): {
        "if outcome:  # rejected": "it does not ask what the truth of an object is",
    },
    ("mypy", "concurrent_filter_guards.py"): {
        "assert_type(await anext(words), str)": (
            "what an async function returns is no guard to it"
        ),
    },
    ("pyrefly", "concurrent_filter.py"): {
        "assert_type(await anext(there), int)": (
            "the item is what the predicate takes, where that is more"
        ),
    },
    ("ty", "concurrent_filter_misuse.py"): {
        "ak.concurrent_filter(lambda n: n > 1, [1], limit=2)  # rejected": (
            "what a lambda returns is Unknown to it, where there are overloads"
        ),
    },
    ("ty", "concurrent_side.py"): {
        "assert_type(collected, list[list[str]])": (
            "a generic function that wraps its item is Unknown to it"
        ),
        "assert_type(one_list, list[str])": (
            "a generic function that wraps its item is Unknown to it"
        ),
    },
    ("ty", "sequential_select.py"): {
        "assert_type(ak.afilter(lambda n: n > 1, numbers()), AsyncGenerator[int, None])"
        "": "the item of a lambda's source is Unknown to it",
    },
    ("ty", "sequential_transform.py"): {
        "assert_type(ak.amap(same, numbers()), AsyncGenerator[int, None])": (
            "a generic function is Unknown to it"
        ),
    },
    ("ty", "stubs.py"): {
        "assert_type(first, Stream[int])": (
            "a generic function to the right of | is Unknown to it"
        ),
        "assert_type(listed, Stream[list[int]])": (
            "a generic function to the right of | is Unknown to it"
        ),
    },
}
"""By checker and file: the lines that it judges otherwise than they say, and why."""

Errors = Iterator[tuple[str, int, str]]
"""File, line and message, in turn."""


def read_mypy(output: str) -> Errors:
    for line in output.splitlines():
        found = json.loads(line)
        if found["severity"] == "error":
            yield found["file"], found["line"], found["message"]


def read_pyright(output: str) -> Errors:
    for found in json.loads(output)["generalDiagnostics"]:
        if found["severity"] == "error":
            yield found["file"], found["range"]["start"]["line"] + 1, found["message"]


def read_ty(output: str) -> Errors:
    for found in json.loads(output):
        if found["severity"] in {"major", "critical"}:
            place = found["location"]
            begin = place["positions"]["begin"]["line"]
            yield place["path"], begin, found["description"]


def read_pyrefly(output: str) -> Errors:
    for found in json.loads(output)["errors"]:
        if found["severity"] == "error":
            yield found["path"], found["line"], found["concise_description"]


class Checker(NamedTuple):
    arguments: list[str]
    read: Callable[[str], Errors]
    takes_files: bool = True


CHECKERS = {
    "mypy": Checker(
        ["--output=json", f"--python-executable={sys.executable}"], read_mypy
    ),
    "pyright": Checker(
        [
            "--outputjson",
            f"--pythonpath={sys.executable}",
            f"--project={HERE / 'pyright.json'}",
        ],
        read_pyright,
        takes_files=False,
    ),
    "ty": Checker(
        ["check", "--output-format=gitlab", f"--python={sys.prefix}"], read_ty
    ),
    "pyrefly": Checker(
        [
            "check",
            "--output-format=json",
            f"--python-interpreter-path={sys.executable}",
        ],
        read_pyrefly,
    ),
}


@cache
def errors_of(checker: str) -> Mapping[tuple[str, int], str]:
    """Run *checker* over all the files; return what it said, by file and line."""
    if importlib.util.find_spec(checker) is None:
        pytest.skip(f"{checker} is not installed: it comes with the extra 'lint'")
    arguments, read, takes_files = CHECKERS[checker]
    done = subprocess.run(
        [
            str(Path(sysconfig.get_path("scripts"), checker)),
            *arguments,
            *(str(HERE / name) for name in FILES if takes_files),
        ],
        capture_output=True,
        check=False,
        cwd=PROJECT,
        env={**os.environ, "NO_COLOR": "1"},
        text=True,
        timeout=300,
    )
    # 1 tells of errors; above it the checker itself has failed.
    assert done.returncode in {0, 1}, done.stderr
    return {
        (Path(file).name, line): message for file, line, message in read(done.stdout)
    }


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("checker", CHECKERS)
def test_checker_and_file_agree(checker: str, name: str) -> None:
    errors = errors_of(checker)
    short = FALLS_SHORT.get((checker, name), {})
    lines = (HERE / name).read_text().splitlines()

    surprises: list[str] = []
    for number, line in enumerate(lines, start=1):
        expected = line.endswith("# rejected") is not (line.strip() in short)
        error = errors.get((name, number))
        if expected is not (error is not None):
            surprises.append(f"{name}:{number}: {line.strip()}\n    {error}")

    assert not surprises, "\n".join(surprises)


@pytest.mark.parametrize(("checker", "name"), FALLS_SHORT)
def test_the_table_speaks_of_lines_that_are_there(checker: str, name: str) -> None:
    lines = {line.strip() for line in (HERE / name).read_text().splitlines()}

    assert checker in CHECKERS
    assert FALLS_SHORT[checker, name].keys() <= lines


def test_there_are_lines_of_both_kinds() -> None:
    texts = [(HERE / name).read_text() for name in FILES]

    assert sum(text.count("assert_type(") for text in texts) > 20
    assert sum(text.count("# rejected\n") for text in texts) > 20
