"""Fetch the same pages three ways, and see what overlaps.

One at a time with `amap`; several at a time with `concurrent_map`; several at a
time, in the order they finish, with `concurrent_map_unordered`. Without URLs, it
serves the files of this repository itself, over real sockets on the loopback
interface, with 20 to 80 milliseconds of latency, always the same for a page.

    python examples/compare.py
    python examples/compare.py --limit 4 --backend trio
    python examples/compare.py https://example.org https://example.com
"""

import argparse
import os
import shutil
import signal
import sys
import time
import zlib
from collections import Counter
from collections.abc import Awaitable, Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle, islice
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import quote

import anyio
import httpx2
from rich.console import Console
from rich.progress import Progress

from aiterkit import amap, concurrent_map, concurrent_map_unordered

INTERRUPTED = 130  # what a shell says of a program that Ctrl-C ended
LARGEST_PAGE = 256 * 1024
MOST_ROWS = 20
MARGIN = 10  # columns to the left of a timeline


# The three ways


async def one_at_a_time(watch: "Watch", urls: Sequence[str], _limit: int) -> None:
    """Fetch a page when the one before it has come."""
    async for page in amap(watch.fetch, urls):
        watch.take(page)


async def in_order(watch: "Watch", urls: Sequence[str], limit: int) -> None:
    """Fetch *limit* pages at a time, and take them in the order of *urls*."""
    async with concurrent_map(watch.fetch, urls, limit=limit) as pages:
        async for page in pages:
            watch.take(page)


async def as_they_come(watch: "Watch", urls: Sequence[str], limit: int) -> None:
    """Fetch *limit* pages at a time, and take each as soon as it has come."""
    async with concurrent_map_unordered(watch.fetch, urls, limit=limit) as pages:
        async for page in pages:
            watch.take(page)


Way = Callable[["Watch", Sequence[str], int], Awaitable[None]]
WAYS: dict[str, Way] = {
    "amap(fetch, urls)": one_at_a_time,
    "concurrent_map(fetch, urls, limit={limit})": in_order,
    "concurrent_map_unordered(fetch, urls, limit={limit})": as_they_come,
}


# What is recorded


@dataclass(frozen=True)
class Page:
    """What became of one URL."""

    url: str
    size: int = 0
    error: str | None = None


@dataclass
class Span:
    """When a call ran, in seconds since the way began."""

    start: float
    end: float


class Watch:
    """Fetches pages with *client*, and records when each call ran."""

    def __init__(
        self, client: httpx2.AsyncClient, on_page: Callable[[], object]
    ) -> None:
        self.spans: list[Span] = []
        self.pages: list[Page] = []
        self.arrivals: list[float] = []
        self.running = 0
        self.overlap = 0
        self._client = client
        self._on_page = on_page
        self._began = time.perf_counter()

    def clock(self) -> float:
        """Return the seconds since the way began."""
        return time.perf_counter() - self._began

    async def fetch(self, url: str) -> Page:
        """Return the page at *url*, or the reason why there is none."""
        span = Span(self.clock(), 0)
        self.spans.append(span)
        self.running += 1
        self.overlap = max(self.overlap, self.running)
        try:
            response = await self._client.get(url)
            response.raise_for_status()
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            return Page(url, error=str(error) or type(error).__name__)
        finally:
            self.running -= 1
            span.end = self.clock()
        return Page(url, len(response.content))

    def take(self, page: Page) -> None:
        """Note that *page* has reached the loop that asked for it."""
        self.pages.append(page)
        self.arrivals.append(self.clock())
        self._on_page()


async def stop_on_ctrl_c(scope: anyio.CancelScope) -> None:
    """Cancel *scope* on Ctrl-C, which else could strike at any line."""
    with (
        suppress(NotImplementedError),  # Windows, where asyncio does so by itself
        anyio.open_signal_receiver(signal.SIGINT) as signals,
    ):
        async for _ in signals:
            scope.cancel()


async def compare(urls: Sequence[str], limit: int, *, local: bool) -> list[Watch]:
    """Fetch *urls* each way; Ctrl-C ends it early, with what was complete by then."""
    watches: list[Watch] = []
    screen = Console(stderr=True)
    bars = Progress(console=screen, transient=True, disable=not screen.is_terminal)
    async with anyio.create_task_group() as group:
        group.start_soon(stop_on_ctrl_c, group.cancel_scope)
        with bars:
            for way in WAYS.values():
                bar = bars.add_task(way.__name__.replace("_", " "), total=len(urls))
                async with httpx2.AsyncClient(
                    follow_redirects=True,
                    limits=httpx2.Limits(max_connections=limit),
                    timeout=httpx2.Timeout(10, pool=None),
                    trust_env=not local,  # no proxy on the loopback interface
                ) as client:
                    watch = Watch(client, partial(bars.advance, bar))
                    await way(watch, urls, limit)
                watches.append(watch)
        group.cancel_scope.cancel()
    return watches


# What is shown


def draw_calls(spans: Sequence[Span], scale: float, columns: int) -> list[str]:
    """Draw each call as `[number==]`, on the first row that is free when it starts."""
    free_from: list[float] = []
    rows: list[list[str]] = []
    for number, span in enumerate(spans, start=1):
        free = (row for row, end in enumerate(free_from) if end <= span.start)
        row = next(free, len(rows))
        if row == len(rows):
            free_from.append(0)
            rows.append([" "] * columns)
        free_from[row] = span.end
        first = int(span.start * scale)
        width = max(int(span.end * scale) - first, 1)
        label = f"[{number}" if len(str(number)) + 2 <= width else "["
        bar = label.ljust(width - 1, "=") + "]" if width > 1 else "|"
        for column, sign in enumerate(bar[: max(columns - first, 0)], start=first):
            rows[row][column] = sign
    return ["".join(row) for row in rows]


def draw_arrivals(arrivals: Sequence[float], scale: float, columns: int) -> str:
    """Tell for each column how many results came in that time."""
    counts = Counter(int(moment * scale) for moment in arrivals)
    return "".join(
        " " if not counts[column] else str(min(counts[column], 9))
        for column in range(columns)
    )


def report(
    name: str, urls: Sequence[str], watch: Watch, seconds: float, width: int
) -> Iterator[str]:
    """Tell how one way went; its timeline shows the first *seconds*."""
    wall = max(watch.arrivals)
    order = "kept" if [page.url for page in watch.pages] == urls else "not kept"
    yield name
    yield f"  wall time {wall:.3f} s, highest overlap {watch.overlap}, order {order}"
    columns = width - MARGIN - 1
    scale = (columns - 1) / seconds  # the last column is for the end itself
    rows = draw_calls(watch.spans, scale, columns)
    for row in rows[:MOST_ROWS]:
        yield f"{'  calls':<{MARGIN}}{row}"
    if len(rows) > MOST_ROWS:
        yield f"{'':<{MARGIN}}... and {len(rows) - MOST_ROWS} more rows"
    yield f"{'  results':<{MARGIN}}{draw_arrivals(watch.arrivals, scale, columns)}"
    more = sum(span.start >= seconds for span in watch.spans)
    end = f"{seconds:.3f} s"
    note = f"{more} more calls follow until {wall:.3f} s" if more else ""
    yield f"{'':<{MARGIN}}{'0 s ' + note:<{columns - len(end)}}{end}"


# The pages of our own


def find_files(folder: Path) -> Iterator[Path]:
    """Yield the files under *folder*, without the hidden and the very large."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name[0] not in "._")
        for path in (Path(place, name) for name in sorted(names) if name[0] != "."):
            if path.stat().st_size <= LARGEST_PAGE:
                yield path


def own_pages(count: int) -> dict[str, Path]:
    """Return *count* files, each under its path on the server.

    They are the files of the repository around this script or, where there is
    none, those beside it. If they are too few, they come again with a query.
    """
    here = Path(__file__).resolve().parent
    folder = here.parent if (here.parent / "pyproject.toml").is_file() else here
    pages: dict[str, Path] = {}
    for file in islice(cycle(islice(find_files(folder), count)), count):
        path = quote(f"/{file.relative_to(folder).as_posix()}")
        pages[path if path not in pages else f"{path}?{len(pages)}"] = file
    return pages


@contextmanager
def serve(pages: dict[str, Path]) -> Generator[str]:
    """Serve *pages* on the loopback interface; give the address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 5
        disable_nagle_algorithm = True  # or some answers take 40 ms more

        def do_GET(self) -> None:
            if self.path not in pages:
                self.send_error(404)
                return
            time.sleep((20 + zlib.crc32(self.path.encode()) % 61) / 1000)
            body = pages[self.path].read_bytes()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # as inherited
            """Leave the screen to the comparison."""

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
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


# The command


def positive(text: str) -> int:
    """Read a number of which there must be at least one."""
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {number}")
    return number


def read_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description="Fetch the same pages three ways, and see what overlaps: one at "
        "a time; several at a time, in order; several at a time, as they come.",
    )
    parser.add_argument(
        "urls",
        nargs="*",
        metavar="URL",
        help="a page to fetch, three times; without any, the files of this "
        "repository are served on the loopback interface and fetched from there",
    )
    parser.add_argument(
        "--limit",
        type=positive,
        default=10,
        metavar="N",
        help="how many at a time, at most (default: %(default)s)",
    )
    parser.add_argument(
        "--backend",
        choices=["asyncio", "trio"],
        default="asyncio",
        help="what to run on (default: %(default)s)",
    )
    parser.add_argument(
        "--pages",
        type=positive,
        default=60,
        metavar="N",
        help="how many files to serve where no URL is given (default: %(default)s)",
    )
    return parser.parse_args()


def run(arguments: argparse.Namespace) -> int:
    """Compare the three ways, and print what was seen."""
    with ExitStack() as stack:
        urls: list[str] = arguments.urls
        if not urls:
            pages = own_pages(arguments.pages)
            address = stack.enter_context(serve(pages))
            urls = [address + path for path in pages]
        print(
            f"{len(urls)} pages, at most {arguments.limit} at a time, "
            f"on {arguments.backend}\n"
        )
        watches = anyio.run(
            partial(compare, urls, arguments.limit, local=not arguments.urls),
            backend=arguments.backend,
        )
    if len(watches) < len(WAYS):
        raise KeyboardInterrupt
    # One scale for all three, on which the two faster ones fit.
    seconds = max(max(watch.arrivals) for watch in watches[1:])
    width = shutil.get_terminal_size().columns
    for name, watch in zip(WAYS, watches, strict=True):
        title = name.format(limit=arguments.limit)
        print(*report(title, urls, watch, seconds, width), sep="\n", end="\n\n")
    failures = {
        page.url: page.error
        for watch in watches
        for page in watch.pages
        if page.error is not None
    }
    for url, error in failures.items():
        print(f"could not fetch {url}: {error}", file=sys.stderr)
    return 1 if failures else 0


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
