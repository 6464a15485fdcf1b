"""Does `examples/crawl.py` do its job, as a person would run it?"""

import re
import sqlite3
import time
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

EXAMPLE = EXAMPLES / "crawl.py"


def query(database: Path, sql: str) -> list[Any]:
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute(sql).fetchall()


def anchors(*urls: str) -> Answer:
    return Answer("".join(f'<a href="{url}">there</a>' for url in urls))


@backends
def test_without_a_url_it_crawls_a_site_of_its_own(
    backend: str, tmp_path: Path
) -> None:
    done = run(EXAMPLE, "--backend", backend, "--pages", "30", folder=tmp_path)

    assert done.stderr == ""
    assert done.returncode == 1
    lines = re.sub(r"http://127.0.0.1:\d+", "", done.stdout).splitlines()
    assert lines[0] == f"/, at most 8 at a time and 60 per second, on {backend}"
    assert re.fullmatch(r"the server saw at most [1-8] requests at a time", lines[1])
    assert lines[2:6] == [
        "all pages and links are in crawl.sqlite",
        "/missing/0: 404 Not Found",
        "  linked from /page/27",
        "  linked from /page/7",
    ]
    assert re.fullmatch(
        r"33 pages and 68 links in \d+\.\d s: 1 page is broken", lines[6]
    )
    assert len(lines) == 7
    assert query(tmp_path / "crawl.sqlite", "SELECT COUNT(*) FROM pages") == [(33,)]


@backends
def test_each_link_of_the_site_is_followed_once_and_no_further(
    backend: str, tmp_path: Path
) -> None:
    elsewhere: list[str] = []

    def answer(path: str) -> Answer | None:
        match path:
            case "/":
                return anchors("a", "a#top", "/b?x=1", "mailto:x@y", *elsewhere)
            case "/a":
                return anchors("/", "/gone", "http://[")
            case "/b?x=1":
                return Answer(status=302, location="/c/d")
            case "/c/d":
                return anchors("e", "/gone")
            case "/c/e":
                return Answer('<a href="/never">', kind="text/plain")
            case _:
                return Answer(status=404)

    with serve(answer) as service, serve(lambda _: anchors("/never")) as other:
        elsewhere.append(f"{other.address}/x")
        site = service.address
        root = f"{site}/"
        file = tmp_path / "of my own.db"
        done = run(EXAMPLE, "--backend", backend, "--database", str(file), root)

    assert done.stderr == ""
    assert done.returncode == 1
    assert sorted(service.asked) == ["/", "/a", "/b?x=1", "/c/d", "/c/e", "/gone"]
    assert other.asked == ["/x"]
    pages: dict[str, Any] = {
        url.replace(site, ""): (status, bool(error))
        for url, status, error in query(file, "SELECT * FROM pages")
    }
    assert pages == {
        "/": (200, False),
        "/a": (200, False),
        "/b?x=1": (200, False),
        "/c/e": (200, False),
        "/gone": (404, True),
        "http://[": (None, True),
        elsewhere[0]: (200, False),
    }
    links = query(file, "SELECT * FROM links WHERE target LIKE '%/gone'")
    assert sorted(source.replace(site, "") for source, _ in links) == ["/a", "/b?x=1"]


@backends
def test_requests_overlap_up_to_the_limit_and_never_beyond(
    backend: str, tmp_path: Path
) -> None:
    together = Barrier(3)

    def answer(path: str) -> Answer | None:
        if path == "/":
            return anchors(*map(str, range(12)))
        together.wait(timeout=60)
        time.sleep(0.1)  # for one too many to show itself, if there is one
        return Answer()

    with serve(answer) as service:
        options = ["--backend", backend, "--limit", "3", "--per-second", "1000"]
        done = run(EXAMPLE, *options, service.address, folder=tmp_path)

    assert done.stderr == ""
    assert done.returncode == 0
    assert len(service.asked) == 13
    assert service.overlap == 3


def test_requests_are_paced(tmp_path: Path) -> None:
    with serve(lambda _: anchors(*map(str, range(12)))) as service:
        done = run(EXAMPLE, "--per-second", "10", service.address, folder=tmp_path)

    seconds = re.search(r"13 pages and .* in (\d+\.\d) s", done.stdout)
    assert seconds is not None
    assert float(seconds[1]) >= 1.2  # twelve waits of a tenth


def test_it_stops_after_the_most_pages_that_were_asked_for(tmp_path: Path) -> None:
    def answer(path: str) -> Answer:
        return anchors(f"{path}0", f"{path}1")  # without end

    with serve(answer) as service:
        done = run(EXAMPLE, "--most", "5", service.address, folder=tmp_path)

    assert done.stderr == ""
    assert query(tmp_path / "crawl.sqlite", "SELECT COUNT(*) FROM pages") == [(5,)]


def test_a_root_that_is_not_there_is_reported(tmp_path: Path) -> None:
    with serve(lambda _: Answer(status=500)) as service:
        done = run(EXAMPLE, service.address, folder=tmp_path)

    assert done.returncode == 1
    assert f"{service.address}: 500 Internal Server Error\n" in done.stdout


@backends
def test_ctrl_c_leaves_cleanly_and_what_was_written_is_whole(
    backend: str, tmp_path: Path
) -> None:
    def answer(path: str) -> Answer | None:
        return anchors("/a", "/b") if path == "/" else None

    with serve(answer) as service:
        options = ["--backend", backend, f"{service.address}/"]
        left = interrupt(EXAMPLE, *options, when=service.waiting, folder=tmp_path)

    assert_left_cleanly(*left)
    database = tmp_path / "crawl.sqlite"
    (pages,) = query(database, "SELECT COUNT(*) FROM pages")
    (links,) = query(database, "SELECT COUNT(*) FROM links")
    assert (pages, links) in {((0,), (0,)), ((1,), (2,))}
