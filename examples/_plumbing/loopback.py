"""A web server on the loopback interface, so that an example needs no network."""

import json
import sys
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any, cast


@dataclass(frozen=True)
class Reply:
    """What the server sends for a GET request."""

    body: bytes = b""
    status: int = 200
    kind: str = "text/plain"
    location: str | None = None


def no_page(_: str) -> Reply:
    """Answer that there is nothing to GET."""
    return Reply(status=404)


def no_answer(_: str) -> Iterator[str]:
    """Answer a prompt with nothing."""
    return iter(())


def latency(text: str, least: int, most: int) -> float:
    """Return a delay between *least* and *most* milliseconds, fixed for a *text*."""
    return (least + zlib.crc32(text.encode()) % (most - least + 1)) / 1000


class Server(ThreadingHTTPServer):
    """Serves what *get* and *stream* return, and counts the requests that overlap."""

    daemon_threads = False  # so that all of them are joined at the end
    request_queue_size = 128

    def __init__(
        self, get: Callable[[str], Reply], stream: Callable[[str], Iterator[str]]
    ) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server_port}"
        self.get = get
        self.stream = stream
        self.overlap = 0
        self._running = 0
        self._lock = Lock()

    @contextmanager
    def one_more_request(self) -> Generator[None]:
        """Count a request, which is answered in this block."""
        with self._lock:
            self._running += 1
            self.overlap = max(self.overlap, self._running)
        try:
            yield
        finally:
            with self._lock:
                self._running -= 1

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Print an error, unless it is a client that closed its connection."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """Answers the requests of one connection."""

    protocol_version = "HTTP/1.1"
    timeout = 5
    disable_nagle_algorithm = True  # or some answers take 40 ms longer

    def do_GET(self) -> None:
        """Send what the server has at this path."""
        server = cast("Server", self.server)
        # It no longer counts when the client reads the answer and asks again.
        with server.one_more_request():
            reply = server.get(self.path)
        self.send_response(reply.status)
        if reply.location is not None:
            self.send_header("Location", reply.location)
        self.send_header("Content-Type", f"{reply.kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)

    def do_POST(self) -> None:
        """Stream the answer to the prompt of a chat completion, token by token."""
        server = cast("Server", self.server)
        size = int(self.headers["Content-Length"])
        prompt = json.loads(self.rfile.read(size))["messages"][-1]["content"]
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        with server.one_more_request():
            for token in server.stream(prompt):
                delta = {"choices": [{"delta": {"content": token}}]}
                self.send_event(json.dumps(delta))
        self.send_event("[DONE]")
        self.wfile.write(b"0\r\n\r\n")

    def send_event(self, data: str) -> None:
        """Send one event of a stream."""
        event = f"data: {data}\n\n".encode()
        self.wfile.write(b"%x\r\n%b\r\n" % (len(event), event))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # as inherited
        """Print nothing."""


@contextmanager
def serve(
    get: Callable[[str], Reply] = no_page,
    stream: Callable[[str], Iterator[str]] = no_answer,
) -> Generator[Server]:
    """Serve until the block is left.

    *get* is called with the path of a GET request; *stream* with the prompt of a chat
    completion, and it yields the tokens of the answer.
    """
    with Server(get, stream) as server:
        thread = Thread(target=server.serve_forever, args=[0.02])
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
