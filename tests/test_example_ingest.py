"""Does `examples/ingest.py` do its job, as a person would run it?"""

import json
import re
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from threading import Barrier
from typing import Any

from .programs import (
    EXAMPLES,
    Answer,
    assert_left_cleanly,
    backends,
    interrupt,
    run,
    serve,
)

EXAMPLE = EXAMPLES / "ingest.py"


def query(database: Path, sql: str) -> list[Any]:
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(sql).fetchall()


def answers(**pages: str) -> Callable[[str], Answer | None]:
    """Serve `pages` of a list, whose records have one letter each, and all of them."""
    following = dict(zip(pages, [*list(pages)[1:], None], strict=True))

    def answer(path: str) -> Answer | None:
        name, found, cursor = path.partition("?cursor=")
        if not found:
            return Answer(json.dumps({"name": name[1:]}))
        cursor = cursor or next(iter(pages))
        items = [{"id": letter} for letter in pages[cursor]]
        return Answer(json.dumps({"items": items, "next": following[cursor]}))

    return answer


def test_the_answers_are_those_of_such_an_api() -> None:
    answer = answers(one="ab", two="c")

    assert [
        given and json.loads(given.body)
        for given in map(answer, ["/?cursor=", "/?cursor=two", "/a"])
    ] == [
        {"items": [{"id": "a"}, {"id": "b"}], "next": "two"},
        {"items": [{"id": "c"}], "next": None},
        {"name": "a"},
    ]


@backends
def test_without_an_address_it_copies_a_catalogue_of_its_own(
    backend: str, tmp_path: Path
) -> None:
    done = run(EXAMPLE, "--backend", backend, "--records", "50", folder=tmp_path)

    assert done.stderr == ""
    assert done.returncode == 1
    lines = re.sub(r"http://127.0.0.1:\d+", "", done.stdout).splitlines()
    assert lines[0] == f"/records, at most 8 at a time, on {backend}"
    assert re.fullmatch(r"the server saw at most [1-8] requests at a time", lines[1])
    assert lines[2:4] == [
        "all records and failures are in ingest.sqlite",
        "record 42: 500 Internal Server Error",
    ]
    assert re.fullmatch(r"\d+ requests were retried, at most 2 times each", lines[4])
    assert re.fullmatch(
        r"49 records copied, 1 failed, in \d+\.\d s and \d+ transactions?", lines[5]
    )
    assert len(lines) == 6
    rows = query(tmp_path / "ingest.sqlite", "SELECT id, data FROM records")
    assert {int(key): json.loads(data)["name"] for key, data in rows} == {
        number: f"record {number}" for number in range(50) if number != 42
    }


@backends
def test_what_may_pass_is_tried_again_and_the_rest_goes_on(
    backend: str, tmp_path: Path
) -> None:
    good = answers(one="ab", two="cdef")

    def answer(path: str) -> Answer | None:
        times = service.asked.count(path)
        match path:
            case "/b" | "/?cursor=two" if times == 1:
                return Answer(status=503)
            case "/c":
                return Answer(status=500)
            case "/d":
                return Answer(status=404)
            case "/e":
                return Answer("[1]")
            case _:
                return good(path)

    file = tmp_path / "of my own.db"
    with serve(answer) as service:
        options = ["--backend", backend, "--attempts", "2", "--database", str(file)]
        done = run(EXAMPLE, *options, f"{service.address}/")

    assert done.stderr == ""
    assert done.returncode == 1
    assert Counter(service.asked) == Counter(
        [
            "/?cursor=",
            *["/?cursor=two"] * 2,
            "/a",
            *["/b"] * 2,
            *["/c"] * 2,
            "/d",
            "/e",
            "/f",
        ]
    )
    assert query(file, "SELECT id FROM records ORDER BY id") == [("a",), ("b",), ("f",)]
    assert query(file, "SELECT id, error FROM failures ORDER BY id") == [
        ("c", "500 Internal Server Error"),
        ("d", "404 Not Found"),
        ("e", "not a JSON object: '[1]'"),
    ]
    assert "3 records copied, 3 failed, " in done.stdout
    assert "3 requests were retried, at most 1 time each" in done.stdout


@backends
def test_requests_overlap_up_to_the_limit_and_never_beyond(
    backend: str, tmp_path: Path
) -> None:
    together = Barrier(3)
    good = answers(one="abcdefghi")

    def answer(path: str) -> Answer | None:
        if "?" not in path:
            together.wait(timeout=60)
            time.sleep(0.1)  # for one too many to show itself, if there is one
        return good(path)

    with serve(answer) as service:
        options = ["--backend", backend, "--limit", "3"]
        done = run(EXAMPLE, *options, service.address, folder=tmp_path)

    assert done.stderr == ""
    assert done.returncode == 0
    assert len(service.asked) == 10
    assert service.overlap == 3


def test_the_list_and_the_records_share_one_limit(tmp_path: Path) -> None:
    good = answers(one="ab", two="cd", three="ef")

    def answer(path: str) -> Answer | None:
        time.sleep(0.05)  # for the other to show itself, if there is one
        return good(path)

    with serve(answer) as service:
        done = run(EXAMPLE, "--limit", "1", service.address, folder=tmp_path)

    assert done.returncode == 0
    assert len(service.asked) == 9
    assert service.overlap == 1


def test_when_the_list_fails_it_goes_on_there_the_next_time(tmp_path: Path) -> None:
    good = answers(one="ab", two="cd", three="ef")
    healthy: list[bool] = []

    def answer(path: str) -> Answer | None:
        if path.endswith("three") and not healthy:
            return Answer("{}")
        return good(path)

    with serve(answer) as service:
        first = run(EXAMPLE, service.address, folder=tmp_path)
        half = query(tmp_path / "ingest.sqlite", "SELECT id FROM records ORDER BY id")
        healthy.append(True)
        service.asked.clear()
        second = run(EXAMPLE, service.address, folder=tmp_path)
        lists = [path for path in service.asked if "?" in path]
        service.asked.clear()
        third = run(EXAMPLE, service.address, folder=tmp_path)

    assert first.returncode == 1
    assert "the list itself failed: not a page of a list: {}" in first.stdout
    assert half == [("a",), ("b",), ("c",), ("d",)]
    assert second.returncode == third.returncode == 0
    assert "resuming from two\n" in second.stdout
    assert "6 records copied, 0 failed" in second.stdout
    assert lists == ["/?cursor=two", "/?cursor=three"]
    assert service.asked[0] == "/?cursor="


def test_two_apis_in_one_database_are_kept_apart(tmp_path: Path) -> None:
    def broken(path: str) -> Answer | None:
        return Answer(status=404) if path == "/a" else good(path)

    good = answers(one="ab")
    with serve(broken) as service, serve(good) as other:
        first = run(EXAMPLE, service.address, folder=tmp_path)
        second = run(EXAMPLE, other.address, folder=tmp_path)

    assert "record a: 404 Not Found\n" in first.stdout
    assert "1 record copied, 1 failed, " in first.stdout
    assert second.returncode == 0
    assert "2 records copied, 0 failed, " in second.stdout
    rows = query(
        tmp_path / "ingest.sqlite", "SELECT api, id FROM records ORDER BY api, id"
    )
    assert sorted(rows) == sorted(
        [(service.address, "b"), (other.address, "a"), (other.address, "b")]
    )


@backends
def test_what_has_come_is_written_soon_and_stays_after_ctrl_c(
    backend: str, tmp_path: Path
) -> None:
    database = tmp_path / "ingest.sqlite"
    good = answers(one="ab")

    def answer(path: str) -> Answer | None:
        if path != "/b":
            return good(path)
        while not query(database, "SELECT * FROM records"):
            if service.over.wait(0.02):
                break
        return None

    with serve(answer) as service:
        options = ["--backend", backend, service.address]
        left = interrupt(EXAMPLE, *options, when=service.waiting, folder=tmp_path)

    assert_left_cleanly(*left)
    assert query(database, "SELECT id FROM records") == [("a",)]
    assert query(database, "SELECT cursor FROM progress") == [("",)]
