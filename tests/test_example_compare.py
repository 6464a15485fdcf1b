"""Does `examples/compare.py` do its job, as a person would run it?

It runs in a process of its own, against real sockets on the loopback interface.
What is asserted is overlap and order, never speed.
"""

import os
import pty
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Semaphore, Thread

import pytest

EXAMPLE = Path(__file__).parent.parent / "examples" / "compare.py"
# A warning, an unclosed socket say, would be printed, and no test expects it.
PYTHON = [sys.executable, "-W", "error"]
FIGURES = re.compile(
    r"^(?P<name>\w+)\(fetch, urls.*\)\n"
    r"  wall time \d+\.\d{3} s, highest overlap (?P<overlap>\d+), order (?P<order>.+)\n"
    r"(?P<calls>(?:  calls .*\n)+)"
    r"  results (?P<results>.*)\n",
    re.MULTILINE,
)

backends = pytest.mark.parametrize("backend", ["asyncio", "trio"])


def run(*arguments: str, script: Path = EXAMPLE) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*PYTHON, str(script), *arguments],
        capture_output=True,
        check=False,
        env={**os.environ, "COLUMNS": "100"},
        text=True,
        timeout=120,
    )


@contextmanager
def server(free: int) -> Generator[tuple[str, Semaphore]]:
    """Serve *free* requests at once and let the others wait for the end.

    Gives the address, and a semaphore that is released by each that waits.
    """
    answers = iter(range(free))
    waiting = Semaphore(0)
    over = Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if next(answers, None) is None:
                waiting.release()
                over.wait()
                self.close_connection = True
                return
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # as inherited
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.daemon_threads = False
        thread = Thread(target=http.serve_forever, args=[0.01])
        thread.start()
        try:
            yield f"http://127.0.0.1:{http.server_port}", waiting
        finally:
            over.set()
            http.shutdown()
            thread.join()


@backends
def test_one_way_takes_turns_and_two_overlap(backend: str) -> None:
    done = run("--backend", backend, "--pages", "30", "--limit", "6")

    assert done.stderr == ""
    assert done.returncode == 0
    assert done.stdout.startswith(f"30 pages, at most 6 at a time, on {backend}\n")
    assert [way.group("name", "overlap", "order") for way in figures(done.stdout)] == [
        ("amap", "1", "kept"),
        ("concurrent_map", "6", "kept"),
        ("concurrent_map_unordered", "6", "not kept"),
    ]


def test_the_timeline_has_a_row_for_each_call_that_ran_at_once() -> None:
    done = run("--pages", "12", "--limit", "3")

    for way in figures(done.stdout):
        assert len(way["calls"].splitlines()) == int(way["overlap"])
    assert max(map(len, done.stdout.splitlines())) <= 100


def test_every_concurrent_call_and_result_is_drawn() -> None:
    done = run("--pages", "9", "--limit", "3")

    for way in figures(done.stdout)[1:]:
        assert len(re.findall(r"\[\d*=*\]", way["calls"])) == 9
        assert sum(int(count) for count in way["results"] if count != " ") == 9


@backends
def test_a_limit_of_one_is_the_loop(backend: str) -> None:
    done = run("--backend", backend, "--pages", "4", "--limit", "1")

    assert [way.group("overlap", "order") for way in figures(done.stdout)] == [
        ("1", "kept")
    ] * 3


def test_without_a_repository_it_serves_its_own_folder(tmp_path: Path) -> None:
    script = Path(shutil.copy(EXAMPLE, tmp_path))

    done = run("--pages", "5", "--limit", "5", script=script)

    assert done.stderr == ""
    assert done.stdout.startswith("5 pages")
    assert [way["overlap"] for way in figures(done.stdout)] == ["1", "5", "5"]


def test_the_help_names_every_option_and_its_default() -> None:
    done = run("--help")

    assert done.returncode == 0
    assert "Fetch the same pages three ways" in done.stdout
    assert "(default: 10)" in done.stdout
    assert "{asyncio,trio}" in done.stdout


def test_a_limit_below_one_is_refused() -> None:
    done = run("--limit", "0")

    assert done.returncode == 2
    assert "argument --limit: must be at least 1, not 0" in done.stderr


@backends
def test_an_unreachable_page_is_reported_and_the_others_come(backend: str) -> None:
    with socket.socket() as unused, server(free=6) as (address, _):
        unused.bind(("127.0.0.1", 0))  # and nobody listens
        nobody = f"http://127.0.0.1:{unused.getsockname()[1]}/"

        done = run("--backend", backend, f"{address}/a", nobody, f"{address}/b")

    assert done.returncode == 1
    assert done.stderr.startswith(f"could not fetch {nobody}: ")
    assert done.stderr.count("\n") == 1
    assert [way["overlap"] for way in figures(done.stdout)] == ["1", "3", "3"]


def test_a_page_that_is_not_there_is_reported() -> None:
    with server(free=0) as (address, _):
        done = run("no scheme", f"{address}:0")

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
@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_leaves_cleanly(backend: str, free: int) -> None:
    screen, terminal = pty.openpty()
    with server(free) as (address, waiting):
        urls = [f"{address}/{number}" for number in range(4)]
        process = subprocess.Popen(
            [*PYTHON, str(EXAMPLE), "--backend", backend, *urls],
            stderr=terminal,
            stdout=subprocess.DEVNULL,
        )
        os.close(terminal)
        try:
            while not waiting.acquire(timeout=1):
                assert process.poll() is None, "it ended before it was interrupted"
            process.send_signal(signal.SIGINT)
            code = process.wait(timeout=60)
        finally:
            process.kill()
            process.wait()
        shown = read(screen)

    assert code == 130
    assert "interrupted" in shown
    assert "Traceback" not in shown, shown
    # The progress bar gives the cursor back.
    assert shown.rfind("\x1b[?25h") > shown.rfind("\x1b[?25l") > -1


@pytest.fixture
def interruptible() -> Generator[None]:
    # A shell starts what runs in its background deaf to Ctrl-C, and children
    # inherit that from us; not so a handler.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def figures(output: str) -> list[re.Match[str]]:
    found = list(FIGURES.finditer(output))
    assert len(found) == 3, output
    return found


def read(screen: int) -> str:
    """Return what was written to a terminal whose program has ended."""
    parts: list[bytes] = []
    with open(screen, "rb", buffering=0) as file:
        while True:
            try:
                part = file.read(4096)
            except OSError:  # how Linux tells that nobody holds the other end
                part = b""
            if not part:
                return b"".join(parts).decode()
            parts.append(part)
