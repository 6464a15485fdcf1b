"""How is an example run as a person would run it, and what does its server see?

It runs in a process of its own, against real sockets on the loopback interface.
What is asserted is overlap and order, never speed.
"""

import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Lock, Semaphore, Thread

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
# A warning, an unclosed socket say, would be printed, and no test expects it.
PYTHON = [sys.executable, "-W", "error"]

backends = pytest.mark.parametrize("backend", ["asyncio", "trio"])


def run(
    script: Path, *arguments: str, folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run *script* in *folder* to its end."""
    return subprocess.run(
        [*PYTHON, str(script), *arguments],
        capture_output=True,
        check=False,
        cwd=folder,
        env={**os.environ, "COLUMNS": "100"},
        text=True,
        timeout=120,
    )


def interrupt(
    script: Path, *arguments: str, when: Semaphore, folder: Path | None = None
) -> tuple[int, str]:
    """Press Ctrl-C *when* it is time; return the exit code and what a screen shows."""
    screen, terminal = pty.openpty()
    # A shell starts what runs in its background deaf to Ctrl-C, and children
    # inherit that from us; not so a handler.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(
        [*PYTHON, str(script), *arguments],
        cwd=folder,
        stderr=terminal,
        stdout=subprocess.DEVNULL,
    )
    os.close(terminal)
    try:
        while not when.acquire(timeout=1):
            assert process.poll() is None, "it ended before it was interrupted"
        process.send_signal(signal.SIGINT)
        code = process.wait(timeout=60)
    finally:
        process.kill()
        process.wait()
        signal.signal(signal.SIGINT, before)
    return code, read(screen)


def assert_left_cleanly(code: int, shown: str) -> None:
    assert code == 130
    assert "interrupted" in shown
    assert "Traceback" not in shown, shown
    # The progress bar gives the cursor back.
    assert shown.rfind("\x1b[?25h") > shown.rfind("\x1b[?25l") > -1


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


@dataclass(frozen=True)
class Answer:
    """What a server sends."""

    body: str = ""
    status: int = 200
    kind: str = "text/html"
    location: str | None = None


@dataclass
class Service:
    """What a server was asked for, and how much of it at once."""

    address: str = ""
    asked: list[str] = field(default_factory=list[str])
    running: int = 0
    overlap: int = 0
    waiting: Semaphore = field(default_factory=lambda: Semaphore(0))
    over: Event = field(default_factory=Event)
    lock: Lock = field(default_factory=Lock)

    @contextmanager
    def request(self, path: str) -> Generator[None]:
        """Count one that runs."""
        with self.lock:
            self.asked.append(path)
            self.running += 1
            self.overlap = max(self.overlap, self.running)
        try:
            yield
        finally:
            with self.lock:
                self.running -= 1


@contextmanager
def serve(answer: Callable[[str], Answer | None]) -> Generator[Service]:
    """Answer each path, or with `None` let who asked wait for the end.

    `Service.waiting` is released by each that waits.
    """
    service = Service()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            # It is over before the client hears the answer and asks again.
            with service.request(self.path):
                given = answer(self.path)
            if given is None:
                service.waiting.release()
                service.over.wait()
                self.close_connection = True
                return
            body = given.body.encode()
            self.send_response(given.status)
            if given.location is not None:
                self.send_header("Location", given.location)
            self.send_header("Content-Type", given.kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # as inherited
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = False
        request_queue_size = 128

    with Server(("127.0.0.1", 0), Handler) as http:
        thread = Thread(target=http.serve_forever, args=[0.01])
        thread.start()
        service.address = f"http://127.0.0.1:{http.server_port}"
        try:
            yield service
        finally:
            service.over.set()
            http.shutdown()
            thread.join()
