r"""Ask many prompts of a service that streams its answers, and show them in order.

In the manner of calls to a language model: each prompt is a request, and its answer
comes token by token. `concurrent_flat_map` reads several answers at once and gives
their tokens in the order of the prompts: those of the first as they come, while those
of the next are read ahead. `limit` says how many requests run at once, `paced` how many
may start in a second.

Without an address, it starts a service itself, over real sockets on the loopback
interface. That one knows nothing but this package, of which it cites the docstrings;
the first token takes it some tenths of a second, each other one some hundredths. Any
service with an API like OpenAI's will do, a local one say:

    python examples/fan_out.py
    python examples/fan_out.py --limit 2 --per-second 1 --backend trio
    python examples/fan_out.py --address http://localhost:11434/v1 --model llama3.2 \
        "Why is the sky blue?" "And at night?"
"""

import argparse
import inspect
import json
import os
import re
import signal
import sys
import time
import zlib
from collections.abc import AsyncGenerator, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any

import anyio
import httpx2
from rich.console import Console
from rich.progress import Progress

import aiterkit
from aiterkit import concurrent_flat_map, paced

INTERRUPTED = 130  # what a shell says of a program that Ctrl-C ended
AHEAD = 10_000  # tokens of an answer that may wait for those before it
PROMPTS = [
    f"What does {name} do?"
    for name in (
        "amap",
        "concurrent_map",
        "concurrent_map_unordered",
        "concurrent_flat_map",
        "concurrent_expand",
        "concurrent_batched",
        "concurrent_merge",
        "concurrent_buffer",
        "captured",
        "timed",
        "paced",
        "offloaded",
    )
]


# The requests


@dataclass(frozen=True)
class Token:
    """A piece of the answer to prompt *number*; or why there will be no more."""

    number: int
    text: str = ""
    error: str | None = None
    is_last: bool = False


def read_event(line: str) -> str:
    """Return the text of an event, if it has any."""
    name, _, data = line.partition(":")
    data = data.strip()
    if name != "data" or data == "[DONE]":
        return ""
    try:
        choices = json.loads(data)["choices"]
        return choices[0]["delta"].get("content") or "" if choices else ""
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise ValueError(f"not an event of a chat completion: {data[:60]}") from error


def describe(error: Exception) -> str:
    """Say in a few words why there is no answer."""
    if isinstance(error, httpx2.HTTPStatusError):
        return f"{error.response.status_code} {error.response.reason_phrase}"
    return str(error) or type(error).__name__


class Watch:
    """Asks through *client*, and records how long each answer took."""

    def __init__(self, client: httpx2.AsyncClient, model: str) -> None:
        self.seconds: list[float] = []
        self.first_token: float | None = None
        self.running = 0
        self.overlap = 0
        self._client = client
        self._model = model
        self._began = time.perf_counter()

    def clock(self) -> float:
        """Return the seconds since the beginning."""
        return time.perf_counter() - self._began

    async def answer(self, numbered: tuple[int, str]) -> AsyncGenerator[Token, None]:
        """Ask one prompt, and give its answer as it comes."""
        number, prompt = numbered
        began = self.clock()
        self.running += 1
        self.overlap = max(self.overlap, self.running)
        try:
            async with self._client.stream(
                "POST",
                "chat/completions",
                json={
                    "model": self._model,
                    "messages": [{"role": "user", "content": prompt}],
                    "stream": True,
                },
            ) as response:
                response.raise_for_status()
                async for line in response.aiter_lines():
                    if text := read_event(line):
                        if self.first_token is None:
                            self.first_token = self.clock()
                        yield Token(number, text)
            end = Token(number, is_last=True)
        except (httpx2.HTTPError, ValueError) as error:
            end = Token(number, is_last=True, error=describe(error))
        finally:
            self.running -= 1
            self.seconds.append(self.clock() - began)
        yield end


# The program


async def stop_on_ctrl_c(scope: anyio.CancelScope) -> None:
    """Cancel *scope* on Ctrl-C, which else could strike at any line."""
    with (
        suppress(NotImplementedError),  # Windows, where asyncio does so by itself
        anyio.open_signal_receiver(signal.SIGINT) as signals,
    ):
        async for _ in signals:
            scope.cancel()


class Show:
    """Prints the tokens as they come, and counts them."""

    def __init__(self, prompts: Sequence[str]) -> None:
        self.tokens = 0
        self.answers = 0
        self.failures = 0
        self._prompts = prompts
        self._number = 0

    def take(self, token: Token) -> None:
        """Print *token*; it is the first of its answer, or follows the one before."""
        if token.number != self._number:
            self._number = token.number
            print(f"{token.number}. {self._prompts[token.number - 1]}")
        print(end=token.text, flush=True)
        if not token.is_last:
            self.tokens += 1
            return
        self.answers += 1
        if token.error is not None:
            self.failures += 1
            print(end=f"[{token.error}]")
        print("\n", flush=True)


async def fan_out(
    address: str,
    prompts: Sequence[str],
    show: Show,
    *,
    model: str,
    key: str | None,
    limit: int,
    per_second: float,
    local: bool,
) -> Watch | None:
    """Ask all *prompts*; give what was recorded, unless Ctrl-C ended it."""
    done: Watch | None = None
    screen = Console(stderr=True)
    # Where the answers can be seen, they are the progress.
    hidden = sys.stdout.isatty() or not screen.is_terminal
    bars = Progress(console=screen, transient=True, disable=hidden)
    async with anyio.create_task_group() as group:
        group.start_soon(stop_on_ctrl_c, group.cancel_scope)
        with bars:
            bar = bars.add_task("answers", total=len(prompts))
            async with httpx2.AsyncClient(
                base_url=address,
                headers={"Authorization": f"Bearer {key}"} if key else None,
                limits=httpx2.Limits(),  # none: the bound is ours
                timeout=60,
                trust_env=not local,  # no proxy on the loopback interface
            ) as client:
                watch = Watch(client, model)
                async with concurrent_flat_map(
                    paced(watch.answer, per_second=per_second),
                    enumerate(prompts, start=1),
                    limit=limit,
                    buffer=AHEAD,
                ) as tokens:
                    async for token in tokens:
                        show.take(token)
                        bars.update(bar, completed=show.answers)
            done = watch
        group.cancel_scope.cancel()
    return done


def report(show: Show, watch: Watch) -> Iterator[str]:
    """Tell what overlapped, and what that was good for."""
    yield f"{show.answers} answers, {show.tokens} tokens in {watch.clock():.1f} s"
    yield f"one after the other they would have taken {sum(watch.seconds):.1f} s"
    if watch.first_token is not None:
        yield f"the first token came after {watch.first_token:.1f} s"
    yield f"at most {watch.overlap} requests at a time"


# The service of our own


class Service:
    """Answers what a name of the package does, with its docstring."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._running = 0
        self.overlap = 0

    def answer(self, prompt: str) -> Iterator[str]:
        """Give the answer to *prompt*, token by token, as slowly as a model would."""
        with self._lock:
            self._running += 1
            self.overlap = max(self.overlap, self._running)
        try:
            names = (word for word in re.findall(r"\w+", prompt))
            name = next((name for name in names if name in aiterkit.__all__), None)
            text = "I know the names of aiterkit, and nothing else."
            if name is not None:
                doc = inspect.getdoc(getattr(aiterkit, name)) or ""
                about = doc.partition("\n\nExamples:")[0]
                # Without the timeline, which is indented.
                paragraphs = [part for part in about.split("\n\n") if part[0] != " "]
                text = "\n".join(paragraphs[:2])
            time.sleep((100 + zlib.crc32(prompt.encode()) % 201) / 1000)
            for token in re.findall(r"\s*\S+", text):
                yield token
                time.sleep((10 + zlib.crc32(token.encode()) % 31) / 1000)
        finally:
            with self._lock:
                self._running -= 1


@contextmanager
def serve(service: Service) -> Generator[str]:
    """Serve *service* on the loopback interface; give the address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 5
        disable_nagle_algorithm = True  # or some tokens take 40 ms more

        def do_POST(self) -> None:
            size = int(self.headers["Content-Length"])
            question = json.loads(self.rfile.read(size))
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for token in service.answer(question["messages"][-1]["content"]):
                self.send_event(
                    json.dumps({"choices": [{"delta": {"content": token}}]})
                )
            self.send_event("[DONE]")
            self.wfile.write(b"0\r\n\r\n")

        def send_event(self, data: str) -> None:
            event = f"data: {data}\n\n".encode()
            self.wfile.write(b"%x\r\n%b\r\n" % (len(event), event))

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # as inherited
            """Leave the screen to the answers."""

    class Server(ThreadingHTTPServer):
        daemon_threads = False  # so that all of them are joined at the end
        request_queue_size = 128

        def handle_error(self, request: Any, client_address: Any) -> None:
            # A client that went away, after Ctrl-C say, is no fault to print.
            if not isinstance(sys.exception(), OSError):
                super().handle_error(request, client_address)

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=[0.05])
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/v1"
        finally:
            server.shutdown()
            thread.join()


# The command


def positive(text: str) -> int:
    """Read a number of which there must be at least one."""
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {number}")
    return number


def web_address(text: str) -> str:
    """Read the URL of a service."""
    with suppress(httpx2.InvalidURL):
        url = httpx2.URL(text)
        if url.scheme in {"http", "https"} and url.host:
            return text
    raise argparse.ArgumentTypeError(f"must be an http or https URL, not {text!r}")


def read_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description="Ask many prompts of a service that streams its answers, several "
        "at a time, and show the answers in the order of the prompts, as they come. "
        "The exit code is 1 if there is a prompt without an answer.",
    )
    parser.add_argument(
        "prompts",
        nargs="*",
        metavar="PROMPT",
        help="what to ask; without any, a dozen questions about this package",
    )
    parser.add_argument(
        "--address",
        type=web_address,
        metavar="URL",
        help="a service with an API like OpenAI's, up to /v1; without it, one is "
        "started on the loopback interface, and cites docstrings",
    )
    parser.add_argument(
        "--model",
        default="any",
        metavar="NAME",
        help="which model to ask for (default: %(default)s)",
    )
    parser.add_argument(
        "--key-variable",
        metavar="NAME",
        help="the environment variable that holds the service's key, if it needs one",
    )
    parser.add_argument(
        "--limit",
        type=positive,
        default=4,
        metavar="N",
        help="how many requests at a time, at most (default: %(default)s)",
    )
    parser.add_argument(
        "--per-second",
        type=positive,
        default=10,
        metavar="N",
        help="how many requests start in a second, at most (default: %(default)s)",
    )
    parser.add_argument(
        "--backend",
        choices=["asyncio", "trio"],
        default="asyncio",
        help="what to run on (default: %(default)s)",
    )
    arguments = parser.parse_args()
    arguments.key = None
    if (variable := arguments.key_variable) is not None:
        arguments.key = os.environ.get(variable)
        if not arguments.key:
            parser.error(f"--key-variable: {variable} is not set")
    return arguments


def run(arguments: argparse.Namespace) -> int:
    """Ask, print the answers, and what overlapped."""
    prompts: list[str] = arguments.prompts or PROMPTS
    show = Show(prompts)
    service = Service()
    with ExitStack() as stack:
        address = arguments.address or stack.enter_context(serve(service))
        watch = anyio.run(
            partial(
                fan_out,
                address,
                prompts,
                show,
                model=arguments.model,
                key=arguments.key,
                limit=arguments.limit,
                per_second=arguments.per_second,
                local=not arguments.address,
            ),
            backend=arguments.backend,
        )
    if watch is None:
        raise KeyboardInterrupt
    print(*report(show, watch), sep="\n")
    if not arguments.address:
        print(f"the service saw at most {service.overlap} at a time")
    return 1 if show.failures else 0


def main() -> int:
    """Run the command; return its exit code."""
    arguments = read_arguments()
    code = INTERRUPTED
    try:
        code = run(arguments)
    except* KeyboardInterrupt:  # in a group, if it came very early
        print("interrupted", file=sys.stderr)
    except* BrokenPipeError:  # as with `| head`: who reads has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code


if __name__ == "__main__":
    sys.exit(main())
