"""Crawl a site, and tell which of its links are broken.

What a page links to is more to visit: that is `concurrent_expand`, and its `key` sees
to it that each URL is asked for once. Requests are bounded twice: `limit` says how
many run at once, `paced` how many may start in a second. A link that leads nowhere is
a result like any other, through `captured`. Pages and links go to SQLite, as many at
a time as have come in a fifth of a second, while the crawl goes on.

Pages of other sites are asked for, but not read for more links. It reads no robots.txt:
point it at a site of your own. Without a URL, it serves a site itself, over real
sockets on the loopback interface, with some broken links in it.

    python examples/crawl.py
    python examples/crawl.py --limit 4 --per-second 20 --backend trio
    python examples/crawl.py --most 500 https://example.org/

SQLite's own module in a thread, by `offloaded`, runs on asyncio and on Trio;
aiosqlite, which does the same inside, runs on asyncio only.
"""

import argparse
import os
import signal
import sqlite3
import sys
import time
import zlib
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import groupby
from pathlib import Path
from threading import Lock, Thread
from typing import Any
from urllib.parse import urldefrag, urljoin

import anyio
import httpx2
from rich.console import Console
from rich.progress import Progress

from aiterkit import (
    Err,
    Ok,
    aislice,
    captured,
    concurrent_batched,
    concurrent_expand,
    offloaded,
    paced,
)

INTERRUPTED = 130  # what a shell says of a program that Ctrl-C ended
BATCH = 100  # pages in one transaction
WITHIN = 0.2  # seconds until it is written in any case


# The crawl


@dataclass
class Page:
    """A URL that was reached; its visit fills in the rest."""

    url: str
    status: int | None = None
    error: str | None = None
    links: list[str] = field(default_factory=list[str])


class LinkParser(HTMLParser):
    """Finds what a page refers to."""

    ATTRIBUTES = {"a": "href", "img": "src", "link": "href", "script": "src"}  # noqa: RUF012  # never changed

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the link of a *tag*, if it has one."""
        self.found += [
            value
            for name, value in attrs
            if name == self.ATTRIBUTES.get(tag) and value is not None
        ]


def find_links(text: str, base: str) -> list[str]:
    """Return the URLs that the page at *base* refers to, each of them once."""
    parser = LinkParser()
    parser.feed(text)
    urls: dict[str, None] = {}
    for link in parser.found:
        url = link.strip()
        with suppress(ValueError):  # such as http://[, which the visit will report
            url = urldefrag(urljoin(base, url)).url
        if url.startswith(("http://", "https://")):  # and not mailto:, say
            urls[url] = None
    return list(urls)


def describe(error: Exception) -> str:
    """Say in a few words why there is no page."""
    if isinstance(error, httpx2.HTTPStatusError):
        return f"{error.response.status_code} {error.response.reason_phrase}"
    return str(error) or type(error).__name__


class Crawl:
    """Visits pages with *client*, and reads those of the same site as *root*."""

    def __init__(
        self, client: httpx2.AsyncClient, root: str, per_second: float
    ) -> None:
        self._client = client
        site = httpx2.URL(root)
        self._site = site.scheme, site.netloc
        self._try_to_get = captured(
            paced(self._get, per_second=per_second),
            httpx2.HTTPError,
            httpx2.InvalidURL,
        )

    async def visit(self, page: Page) -> list[Page]:
        """Fill in what is at *page*; return what it leads to."""
        match await self._try_to_get(page.url):
            case Ok((status, links)):
                page.status = status
                page.links = links
            case Err(error):
                page.error = describe(error)
                if isinstance(error, httpx2.HTTPStatusError):
                    page.status = error.response.status_code
        return [Page(url) for url in page.links]

    async def _get(self, url: str) -> tuple[int, list[str]]:
        async with self._client.stream("GET", url) as response:
            response.raise_for_status()
            final = response.url  # redirects may have led to another site
            links: list[str] = []
            if (final.scheme, final.netloc) == self._site and response.headers.get(
                "content-type", ""
            ).startswith("text/html"):
                await response.aread()
                links = find_links(response.text, str(final))
        return response.status_code, links


# What is kept


class Store:
    """Pages and links, in SQLite. Its methods block: they are called in threads."""

    TABLES = """
        DROP TABLE IF EXISTS pages;
        DROP TABLE IF EXISTS links;
        CREATE TABLE pages (url TEXT PRIMARY KEY, status INTEGER, error TEXT);
        CREATE TABLE links (source TEXT, target TEXT, PRIMARY KEY (source, target));
    """
    BROKEN = """
        SELECT url, error, source FROM pages LEFT JOIN links ON target = url
        WHERE error IS NOT NULL ORDER BY url, source
    """
    COUNTS = """
        SELECT (SELECT COUNT(*) FROM pages), (SELECT COUNT(*) FROM links),
        (SELECT COUNT(*) FROM pages WHERE error IS NOT NULL)
    """

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        database.executescript(self.TABLES)

    def write(self, pages: Sequence[Page]) -> None:
        """Write *pages*, all of them or none."""
        with self._database as database:
            database.executemany(
                "INSERT INTO pages VALUES (?, ?, ?)",
                [(page.url, page.status, page.error) for page in pages],
            )
            database.executemany(
                "INSERT INTO links VALUES (?, ?)",
                [(page.url, link) for page in pages for link in page.links],
            )

    def counts(self) -> tuple[int, int, int]:
        """Return how many pages there are, links, and pages that are not there."""
        pages, links, broken = self._database.execute(self.COUNTS).fetchone()
        return pages, links, broken

    def broken(self) -> Iterator[tuple[str, str, list[str]]]:
        """Give each URL that leads nowhere, why, and which pages link to it."""
        rows = self._database.execute(self.BROKEN)
        for (url, error), group in groupby(rows, key=lambda row: row[:2]):
            yield url, error, [source for _, _, source in group if source is not None]


# The program


async def stop_on_ctrl_c(scope: anyio.CancelScope) -> None:
    """Cancel *scope* on Ctrl-C, which else could strike at any line."""
    with (
        suppress(NotImplementedError),  # Windows, where asyncio does so by itself
        anyio.open_signal_receiver(signal.SIGINT) as signals,
    ):
        async for _ in signals:
            scope.cancel()


async def crawl(
    root: str,
    store: Store,
    *,
    limit: int,
    per_second: float,
    most: int | None,
    local: bool,
) -> bool:
    """Crawl from *root*; return whether this was done before Ctrl-C ended it."""
    done = False
    write = offloaded(store.write)
    screen = Console(stderr=True)
    bars = Progress(console=screen, transient=True, disable=not screen.is_terminal)
    async with anyio.create_task_group() as group:
        group.start_soon(stop_on_ctrl_c, group.cancel_scope)
        with bars:
            bar = bars.add_task("pages", total=None)
            async with httpx2.AsyncClient(
                follow_redirects=True,
                headers={"User-Agent": "aiterkit-crawl"},
                limits=httpx2.Limits(),  # none: the bound is ours
                timeout=10,
                trust_env=not local,  # no proxy on the loopback interface
            ) as client:
                visit = Crawl(client, root, per_second).visit
                async with (
                    concurrent_expand(
                        visit, [Page(root)], limit=limit, key=lambda page: page.url
                    ) as pages,
                    concurrent_batched(
                        aislice(pages, most), BATCH, within=WITHIN
                    ) as batches,
                ):
                    async for batch in batches:
                        await write(batch)
                        now = pages.statistics()
                        bars.update(bar, completed=now.delivered, total=now.reached)
        done = True
        group.cancel_scope.cancel()
    return done


def report(store: Store, seconds: float) -> Iterator[str]:
    """Tell what the crawl has found, as it stands in the database."""
    pages, links, broken = store.counts()
    yield f"{pages} pages and {links} links in {seconds:.1f} s"
    yield f"{broken} lead nowhere" + (":" if broken else "")
    for url, error, sources in store.broken():
        yield f"  {url}: {error}"
        yield from (f"    linked from {source}" for source in sources)


# The site of our own


class Site:
    """A tree of pages, three below each; one in twenty has a link that is broken."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._lock = Lock()
        self._running = 0
        self.overlap = 0

    def answer(self, path: str) -> tuple[int, str]:
        """Return the status, and the page or where else to look."""
        with self._lock:
            self._running += 1
            self.overlap = max(self.overlap, self._running)
        try:
            time.sleep((50 + zlib.crc32(path.encode()) % 101) / 1000)
            return self._answer(path)
        finally:
            with self._lock:
                self._running -= 1

    def _answer(self, path: str) -> tuple[int, str]:
        kind, _, digits = path.strip("/").partition("/")
        number = int(digits or 0)
        if kind == "old":
            return 301, f"/page/{number}"
        if kind not in {"", "page"} or number >= self._count:
            return 404, ""
        links = ["/", "mailto:someone@example.org"]
        links += [
            f"/page/{below}#top"
            for below in range(3 * number + 1, 3 * number + 4)
            if below < self._count
        ]
        if number % 20 == 7:  # noqa: PLR2004  # any will do
            links += [f"/missing/{number // 40}", f"/old/{number - 1}"]
        return 200, "".join(f'<p><a href="{link}">{link}</a>' for link in links)


@contextmanager
def serve(site: Site) -> Generator[str]:
    """Serve *site* on the loopback interface; give the address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 5
        disable_nagle_algorithm = True  # or some answers take 40 ms more

        def do_GET(self) -> None:
            status, text = site.answer(self.path)
            body = text.encode()
            self.send_response(status)
            if status == 301:  # noqa: PLR2004  # moved
                self.send_header("Location", text)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # as inherited
            """Leave the screen to the crawl."""

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
            yield f"http://127.0.0.1:{server.server_port}/"
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
    """Read a URL that a crawl can begin at."""
    with suppress(httpx2.InvalidURL):
        url = httpx2.URL(text)
        if url.scheme in {"http", "https"} and url.host:
            return text
    raise argparse.ArgumentTypeError(f"must be an http or https URL, not {text!r}")


def read_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description="Crawl a site, write its pages and links to SQLite, and tell which "
        "links are broken. The exit code is 1 if there are such links.",
    )
    parser.add_argument(
        "url",
        nargs="?",
        type=web_address,
        metavar="URL",
        help="where to begin; without it, a site is served on the loopback interface "
        "and crawled there",
    )
    parser.add_argument(
        "--limit",
        type=positive,
        default=8,
        metavar="N",
        help="how many requests at a time, at most (default: %(default)s)",
    )
    parser.add_argument(
        "--per-second",
        type=positive,
        default=60,
        metavar="N",
        help="how many requests start in a second, at most (default: %(default)s)",
    )
    parser.add_argument(
        "--most",
        type=positive,
        metavar="N",
        help="stop after so many pages (default: when there are no more)",
    )
    parser.add_argument(
        "--database",
        type=Path,
        default=Path("crawl.sqlite"),
        metavar="FILE",
        help="where to write; its tables pages and links are made anew "
        "(default: %(default)s)",
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
        default=100,
        metavar="N",
        help="how many pages to serve where no URL is given (default: %(default)s)",
    )
    return parser.parse_args()


def run(arguments: argparse.Namespace) -> int:
    """Crawl, and print what was found."""
    site = Site(arguments.pages)
    with ExitStack() as stack:
        # One thread at a time uses it, but not always the same one.
        database = sqlite3.connect(arguments.database, check_same_thread=False)
        stack.enter_context(closing(database))
        store = Store(database)
        root: str = arguments.url or stack.enter_context(serve(site))
        print(
            f"{root}, at most {arguments.limit} at a time and "
            f"{arguments.per_second} per second, on {arguments.backend}"
        )
        began = time.perf_counter()
        done = anyio.run(
            partial(
                crawl,
                root,
                store,
                limit=arguments.limit,
                per_second=arguments.per_second,
                most=arguments.most,
                local=not arguments.url,
            ),
            backend=arguments.backend,
        )
        print(*report(store, time.perf_counter() - began), sep="\n")
        if not arguments.url:
            print(f"the server saw at most {site.overlap} requests at a time")
        print(f"all of it is in {arguments.database}")
        if not done:
            raise KeyboardInterrupt
        return 1 if any(store.broken()) else 0


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
