"""How is an example run as a person would run it, and what does its server see?

It runs in a process of its own, against real sockets on the loopback interface.
What is asserted is overlap and order, never speed.
"""

import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Lock, Semaphore, Thread

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"
# A warning, an unclosed socket say, would be printed, and no test expects it.
PYTHON = [sys.executable, "-W", "error"]

BAR = b"\x1b[?25l"  # hides the cursor

backends = pytest.mark.parametrize("backend", ["asyncio", "trio"])


def environment(columns: int = 100) -> dict[str, str]:
    """Return the environment of an example, whose coverage is not measured."""
    kept = {name: os.environ[name] for name in os.environ if "COVERAGE" not in name}
    return {**kept, "COLUMNS": str(columns)}


def run(
    script: Path, *arguments: str, folder: Path | None = None, columns: int = 100
) -> subprocess.CompletedProcess[str]:
    """Run *script* in *folder* to its end."""
    done = subprocess.run(
        [*PYTHON, str(script), *arguments],
        capture_output=True,
        check=False,
        cwd=folder,
        env=environment(columns),
        text=True,
        timeout=120,
    )
    done.stderr = without_late_ends(done.stderr)
    return done


def without_late_ends(errors: str) -> str:
    """Remove what asyncio may log about a process that ends just as it is killed.

    Before `subprocess` sends a signal, it checks whether the process has ended; if so,
    it takes the exit status. If asyncio's own watcher comes later, it finds none and
    logs one of these two lines. This affects processes that end by themselves at that
    moment, and the worker processes of anyio, which are killed twice at the end of a
    program. Nobody reads the status. Since Python 3.13, there is no such check.
    """
    return re.sub(
        r"^(Unknown child process pid \d+,|child process pid \d+ exit status already "
        r"read: ) will report returncode 255\n",
        "",
        errors,
        flags=re.MULTILINE,
    )


def interrupt(
    script: Path,
    *arguments: str,
    when: Semaphore | None = None,
    folder: Path | None = None,
    both: bool = False,
) -> tuple[int, str]:
    """Press Ctrl-C *when* it is time; return the exit code and what a screen shows.

    The screen shows stderr; with *both*, stdout as well.

    Without a semaphore, it is time when progress is shown. As from a terminal, all
    processes that the script has started get the signal.
    """
    screen, terminal = pty.openpty()
    # A shell starts what runs in its background deaf to Ctrl-C, and children
    # inherit that from us; not so a handler.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(
        [*PYTHON, str(script), *arguments],
        cwd=folder,
        env=environment(),
        start_new_session=True,
        stderr=terminal,
        stdout=terminal if both else subprocess.DEVNULL,
    )
    os.close(terminal)
    try:
        while not (when.acquire(timeout=1) if when else BAR in os.read(screen, 4096)):
            assert process.poll() is None, "it ended before it was interrupted"
        os.killpg(process.pid, signal.SIGINT)
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
    assert shown.rfind("\x1b[?25h") > shown.rfind(BAR.decode())


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
    missing: int = 0  # bytes that are announced but never sent


@dataclass
class Service:
    """What a server was asked for, and how much of it at once."""

    answer: Callable[[str], Answer | None]
    stream: Callable[[str], Answer | Iterator[str] | None]
    address: str = ""
    asked: list[str] = field(default_factory=list[str])
    keys: list[str | None] = field(default_factory=list[str | None])
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


class Handler(BaseHTTPRequestHandler):
    """Does what its service says."""

    service: Service
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        # It is over before the client hears the answer and asks again.
        with self.service.request(self.path):
            given = self.service.answer(self.path)
        if given is None:
            self.wait()
        else:
            self.send(given)

    def do_POST(self) -> None:
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.service.keys.append(self.headers["Authorization"])
        with self.service.request(text):
            given = self.service.stream(text)
            if isinstance(given, Iterator):
                self.send_response(200)
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                for part in given:
                    self.send_part(part)
        if given is None:
            self.wait()
        elif isinstance(given, Answer):
            self.send(given)
        else:
            self.send_part("")  # the end

    def wait(self) -> None:
        self.service.waiting.release()
        self.service.over.wait()
        self.close_connection = True

    def send(self, given: Answer) -> None:
        body = given.body.encode()
        self.send_response(given.status)
        if given.location is not None:
            self.send_header("Location", given.location)
        self.send_header("Content-Type", given.kind)
        self.send_header("Content-Length", str(len(body) + given.missing))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = self.close_connection or given.missing > 0

    def send_part(self, part: str) -> None:
        data = part.encode()
        self.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # as inherited
        pass


@contextmanager
def serve(
    answer: Callable[[str], Answer | None],
    stream: Callable[[str], Answer | Iterator[str] | None] = lambda _: None,
) -> Generator[Service]:
    """Answer each path that is asked for; to what is posted, answer part by part.

    With `None`, whoever asked waits for the end, and `Service.waiting` is released.
    """
    made = Service(answer, stream)

    class Bound(Handler):
        service = made

    class Server(ThreadingHTTPServer):
        daemon_threads = False
        request_queue_size = 128

    with Server(("127.0.0.1", 0), Bound) as http:
        thread = Thread(target=http.serve_forever, args=[0.01])
        thread.start()
        made.address = f"http://127.0.0.1:{http.server_port}"
        try:
            yield made
        finally:
            made.over.set()
            http.shutdown()
            thread.join()
