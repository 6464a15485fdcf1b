"""Does `examples/worker.py` lose nothing when it is asked to stop?"""

import json
import re
import signal
import socketserver
import sqlite3
import subprocess
from collections.abc import Generator
from contextlib import closing, contextmanager, suppress
from itertools import count, islice
from pathlib import Path
from threading import Event, Thread

import pytest

from .programs import EXAMPLES, PYTHON, backends, environment, run

EXAMPLE = EXAMPLES / "worker.py"
REPORT = re.compile(r"(\d+) readings received, (\d+) written in (\d+) transactions\n$")


class Feed:
    """A feed that sends so many readings, or sends without end."""

    def __init__(self, readings: int | None) -> None:
        self.readings = readings
        self.address = ""
        self.sent = 0
        self.has_sent_some = Event()

    def send(self, write: socketserver.StreamRequestHandler) -> None:
        with suppress(OSError):  # the worker went away
            for number in islice(count(), self.readings):
                line = json.dumps({"number": number, "value": 1.5 * number})
                write.wfile.write(f"{line}\n".encode())
                self.sent += 1
                if self.sent == 250:
                    self.has_sent_some.set()


@contextmanager
def feed(readings: int | None = None) -> Generator[Feed]:
    made = Feed(readings)

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            made.send(self)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        made.address = f"127.0.0.1:{server.server_address[1]}"
        try:
            yield made
        finally:
            server.shutdown()
            thread.join()


def rows(database: Path) -> list[tuple[int, float]]:
    with closing(sqlite3.connect(database)) as connection:
        return connection.execute("SELECT * FROM readings").fetchall()


def assert_all_are_there(database: Path, report: str) -> int:
    found = REPORT.search(report)
    assert found is not None, report
    received, written, _ = map(int, found.groups())
    assert received == written
    assert rows(database) == [(number, 1.5 * number) for number in range(received)]
    return received


@backends
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_was_received_before_the_signal_is_in_the_table(
    backend: str, number: signal.Signals, tmp_path: Path
) -> None:
    with feed() as sending:
        process = subprocess.Popen(
            [*PYTHON, str(EXAMPLE), "--connect", sending.address, "--backend", backend],
            cwd=tmp_path,
            env=environment(),
            stdout=subprocess.PIPE,
            text=True,
        )
        with process:
            assert process.stdout is not None
            assert "SIGTERM or Ctrl-C stops it" in process.stdout.readline()
            assert sending.has_sent_some.wait(60)
            process.send_signal(number)
            shown = process.stdout.read()

    assert process.returncode == 0
    assert f"stopped: {number.name}\n" in shown
    received = assert_all_are_there(tmp_path / "worker.sqlite", shown)
    assert 0 <= received <= sending.sent


@backends
def test_what_a_feed_sent_before_it_hung_up_is_in_the_table(
    backend: str, tmp_path: Path
) -> None:
    with feed(230) as sending:
        options = ["--connect", sending.address, "--backend", backend]
        done = run(EXAMPLE, *options, folder=tmp_path)

    assert done.stderr == ""
    assert done.returncode == 0
    assert "stopped: the feed hung up\n" in done.stdout
    assert assert_all_are_there(tmp_path / "worker.sqlite", done.stdout) == 230
    assert "in 3 transactions" in done.stdout


@backends
def test_without_an_address_it_reads_a_feed_of_its_own(
    backend: str, tmp_path: Path
) -> None:
    done = run(EXAMPLE, "--seconds", "0.3", "--backend", backend, folder=tmp_path)

    assert done.stderr == ""
    assert done.returncode == 0
    assert "stopped: 0.3 seconds are over\n" in done.stdout
    found = REPORT.search(done.stdout)
    assert found is not None
    assert len(rows(tmp_path / "worker.sqlite")) == int(found[1]) == int(found[2])


@backends
def test_a_feed_that_is_not_there_is_reported(backend: str, tmp_path: Path) -> None:
    with feed() as gone:
        pass
    options = ["--connect", gone.address, "--backend", backend]
    done = run(EXAMPLE, *options, folder=tmp_path)

    assert done.stderr == ""
    assert done.returncode == 1
    assert done.stdout.startswith("the feed cannot be reached: ")


def test_what_is_no_address_is_refused(tmp_path: Path) -> None:
    done = run(EXAMPLE, "--connect", "page", folder=tmp_path)

    assert done.returncode == 2
    assert "argument --connect: must be HOST:PORT, not 'page'" in done.stderr
