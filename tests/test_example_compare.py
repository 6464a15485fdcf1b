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
    r"  wall time \d+\.\d{3} s, highest overlap (?P<overlap>\d+), order (?P<order>.+)\n"
    r"(?P<calls>(?:  calls .*\n)+)"
    r"  results (?P<results>.*)\n",
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
        ("amap", "1", "kept"),
        ("concurrent_map", "6", "kept"),
        ("concurrent_map_unordered", "6", "not kept"),
    ]


def test_the_timeline_has_a_row_for_each_call_that_ran_at_once() -> None:
    done = run(EXAMPLE, "--pages", "12", "--limit", "3")

    for way in figures(done.stdout):
        assert len(way["calls"].splitlines()) == int(way["overlap"])
    assert max(map(len, done.stdout.splitlines())) <= 100


def test_every_concurrent_call_and_result_is_drawn() -> None:
    done = run(EXAMPLE, "--pages", "9", "--limit", "3")

    for way in figures(done.stdout)[1:]:
        assert len(re.findall(r"\[\d*=*\]", way["calls"])) == 9
        assert sum(int(count) for count in way["results"] if count != " ") == 9


@backends
def test_a_limit_of_one_is_the_loop(backend: str) -> None:
    done = run(EXAMPLE, "--backend", backend, "--pages", "4", "--limit", "1")

    assert [way.group("overlap", "order") for way in figures(done.stdout)] == [
        ("1", "kept")
    ] * 3


def test_without_a_repository_it_serves_its_own_folder(tmp_path: Path) -> None:
    script = Path(shutil.copy(EXAMPLE, tmp_path))

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


def figures(output: str) -> list[re.Match[str]]:
    found = list(FIGURES.finditer(output))
    assert len(found) == 3, output
    return found
