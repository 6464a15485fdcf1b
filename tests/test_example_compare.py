"""Does `examples/compare.py` do its job, as a person would run it?

It runs in a process of its own, against real sockets on the loopback interface.
What is asserted is overlap and order, never speed.
"""

import itertools
import re
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from .programs import (
    EXAMPLES,
    Answer,
    assert_left_cleanly,
    backends,
    interrupt,
    run,
    serve,
)

EXAMPLE = EXAMPLES / "compare.py"
FIGURES = re.compile(
    r"^(?P<name>\w+)\(fetch, urls.*\)\n"
    r"  \d+\.\d\d s, at most (?P<overlap>\d+) calls? at once, (?P<order>\w+) order\n",
    re.MULTILINE,
)
PICTURE = re.compile(
    r"^(?P<name>\w+)\(fetch, urls.*\)\n"
    r"(?P<calls>(?:  calls.*\n)+)"
    r"  results(?P<results>.*)\n"
    r" +0 s +\d+\.\d\d s\n",
    re.MULTILINE,
)


def first(count: int) -> Callable[[str], Answer | None]:
    """Answer so many requests, and let the others wait for the end."""
    answers = itertools.chain(itertools.repeat(Answer(), count), itertools.repeat(None))
    return lambda _: next(answers)


@backends
def test_one_way_takes_turns_and_two_overlap(backend: str) -> None:
    done = run(EXAMPLE, "--backend", backend, "--pages", "30", "--limit", "6")

    assert done.stderr == ""
    assert done.returncode == 0
    assert done.stdout.startswith(f"30 pages, at most 6 at a time, on {backend}\n")
    assert [way.group("name", "overlap", "order") for way in figures(done.stdout)] == [
        ("amap", "1", "same"),
        ("concurrent_map", "6", "same"),
        ("concurrent_map_unordered", "6", "another"),
    ]


def test_the_last_line_says_what_was_gained() -> None:
    done = run(EXAMPLE, "--pages", "12", "--limit", "6")

    assert re.fullmatch(
        r"concurrent_map was (\d+\.\d times|no) faster than amap, same order",
        done.stdout.splitlines()[-1],
    )


def test_the_timeline_has_a_row_for_each_call_that_ran_at_once() -> None:
    done = run(EXAMPLE, "--pages", "12", "--limit", "3")

    for way, picture in zip(figures(done.stdout), pictures(done.stdout), strict=True):
        assert len(picture["calls"].splitlines()) == int(way["overlap"])
    assert max(map(len, done.stdout.splitlines())) <= 100


def test_every_concurrent_call_and_result_is_drawn() -> None:
    done = run(EXAMPLE, "--pages", "9", "--limit", "3")

    for way in pictures(done.stdout)[1:]:
        assert len(re.findall(r"\[\d*=*\]", way["calls"])) == 9
        assert sum(int(count) for count in way["results"] if count != " ") == 9


@backends
def test_a_limit_of_one_is_the_loop(backend: str) -> None:
    done = run(EXAMPLE, "--backend", backend, "--pages", "4", "--limit", "1")

    assert [way.group("overlap", "order") for way in figures(done.stdout)] == [
        ("1", "same")
    ] * 3


def test_without_a_repository_it_serves_its_own_folder(tmp_path: Path) -> None:
    script = Path(shutil.copy(EXAMPLE, tmp_path))
    shutil.copytree(EXAMPLES / "_plumbing", tmp_path / "_plumbing")

    done = run(script, "--pages", "5", "--limit", "5")

    assert done.stderr == ""
    assert done.stdout.startswith("5 pages")
    assert [way["overlap"] for way in figures(done.stdout)] == ["1", "5", "5"]


@backends
def test_an_unreachable_page_is_reported_and_the_others_come(backend: str) -> None:
    with socket.socket() as unused, serve(first(6)) as service:
        unused.bind(("127.0.0.1", 0))  # and nobody listens
        nobody = f"http://127.0.0.1:{unused.getsockname()[1]}/"

        done = run(
            EXAMPLE,
            "--backend",
            backend,
            f"{service.address}/a",
            nobody,
            f"{service.address}/b",
        )

    assert done.returncode == 1
    assert done.stderr.startswith(f"could not fetch {nobody}: ")
    assert done.stderr.count("\n") == 1
    assert [way["overlap"] for way in figures(done.stdout)] == ["1", "3", "3"]


def test_a_page_that_is_not_there_is_reported() -> None:
    with serve(first(0)) as service:
        done = run(EXAMPLE, "no scheme", f"{service.address}:0")

    assert done.returncode == 1
    assert done.stderr.count("could not fetch") == 2


@backends
@pytest.mark.parametrize(
    "free",
    [
        pytest.param(0, id="amap"),
        pytest.param(4, id="concurrent_map"),
        pytest.param(8, id="concurrent_map_unordered"),
    ],
)
def test_ctrl_c_leaves_cleanly(backend: str, free: int) -> None:
    with serve(first(free)) as service:
        urls = [f"{service.address}/{number}" for number in range(4)]
        left = interrupt(EXAMPLE, "--backend", backend, *urls, when=service.waiting)

    assert_left_cleanly(*left)


@backends
def test_ctrl_c_shows_the_ways_that_were_finished(backend: str) -> None:
    with serve(first(4)) as service:
        urls = [f"{service.address}/{number}" for number in range(4)]
        left = interrupt(
            EXAMPLE, "--backend", backend, *urls, when=service.waiting, both=True
        )

    assert_left_cleanly(*left)
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", left[1])
    assert [way["name"] for way in FIGURES.finditer(shown)] == ["amap"]
    assert [way["name"] for way in PICTURE.finditer(shown)] == ["amap"]


@pytest.mark.parametrize("columns", [10, 39, 40, 41, 60])
def test_no_terminal_is_too_narrow(columns: int) -> None:
    done = run(EXAMPLE, "--pages", "2", "--limit", "2", columns=columns)

    assert done.stderr == ""
    assert done.returncode == 0
    figures(done.stdout)
    if columns < 40:
        assert done.stdout.count("no picture: it needs 40 columns") == 3
    else:
        drawn = "".join(picture.group() for picture in pictures(done.stdout))
        rows = [row for row in drawn.splitlines() if row.startswith("  ")]
        assert max(map(len, rows)) <= columns


def test_one_page_is_no_plural() -> None:
    done = run(EXAMPLE, "--pages", "1")

    assert done.stdout.startswith("1 page, at most")
    assert "at most 1 call at once" in done.stdout


def figures(output: str) -> list[re.Match[str]]:
    found = list(FIGURES.finditer(output))
    assert len(found) == 3, output
    return found


def pictures(output: str) -> list[re.Match[str]]:
    found = list(PICTURE.finditer(output))
    assert len(found) == 3, output
    return found
