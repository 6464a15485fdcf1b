"""Crawl a site, and find its broken links.

The links of a page lead to more pages: that is `concurrent_expand`. Its `follow` gives
the links, and its `key` makes sure that each URL is requested once. `limit` is how many
requests run at once; `paced`, how many may start per second. `captured` turns a failed
request into a result. Pages and links go to SQLite while the crawl runs, in batches, at
least five times a second. After Ctrl-C, the database holds what was found until then.

    python examples/crawl.py
    python examples/crawl.py --limit 4 --per-second 20 --backend trio
    python examples/crawl.py --most 500 https://example.org/

Without a URL, it crawls a site that it serves itself, over real sockets on the loopback
interface, with some broken links in it. Pages of other sites are requested, but their
links are not followed. It does not read robots.txt: crawl only a site of your own.
"""

from _plumbing import command, links, loopback, sites, web

import argparse
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import TypeAlias

import httpx2

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

BATCH = 100  # pages in one transaction
WITHIN = 0.2  # seconds until pages are written, even if they are fewer
PROGRAM = 0x0A17E001  # marks the database as one of this program
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


@dataclass(frozen=True)
class Page:
    """What is at a URL."""

    status: int
    links: list[str]


Outcome: TypeAlias = Ok[Page, str] | Err[Exception, str]


class Site:
    """Gets pages with *client*, and finds links on those of the site of *root*."""

    def __init__(self, client: httpx2.AsyncClient, root: str) -> None:
        self._client = client
        site = httpx2.URL(root)
        self._site = site.scheme, site.netloc

    async def get(self, url: str) -> Page:
        """Return what is at *url*."""
        found: list[str] = []
        async with self._client.stream("GET", url) as response:
            response.raise_for_status()
            final = response.url  # redirects may have led to another site
            is_html = response.headers.get("content-type", "").startswith("text/html")
            if is_html and (final.scheme, final.netloc) == self._site:
                await response.aread()
                found = links.find_links(response.text, str(final))
        return Page(response.status_code, found)


def links_of(outcome: Outcome) -> list[str]:
    """Return the URLs to which the *outcome* of a request leads."""
    return outcome.value.links if isinstance(outcome, Ok) else []


def row_of(outcome: Outcome) -> tuple[str, int | None, str | None]:
    """Return the row of the table of pages for the *outcome* of a request."""
    match outcome:
        case Ok(page):
            return outcome.item, page.status, None
        case Err(error):
            return outcome.item, web.status_of(error), web.describe(error)


def write(database: sqlite3.Connection, outcomes: Sequence[Outcome]) -> None:
    """Write *outcomes* in one transaction. This blocks: call it in a thread."""
    pages = [row_of(outcome) for outcome in outcomes]
    found = [(page.item, link) for page in outcomes for link in links_of(page)]
    with database:
        database.executemany("INSERT INTO pages VALUES (?, ?, ?)", pages)
        database.executemany("INSERT INTO links VALUES (?, ?)", found)


async def crawl(
    root: str, database: sqlite3.Connection, options: argparse.Namespace
) -> None:
    """Crawl from *root*, and write what is found to the *database*."""
    with command.progress() as bars:
        bar = bars.add_task("pages", total=None)
        async with web.new_client(local=not options.url) as client:
            get = paced(Site(client, root).get, per_second=options.per_second)
            async with (
                concurrent_expand(
                    captured(get, httpx2.HTTPError, httpx2.InvalidURL),
                    [root],
                    limit=options.limit,
                    follow=links_of,
                    key=str,
                ) as pages,
                concurrent_batched(
                    aislice(pages, options.most), BATCH, within=WITHIN
                ) as batches,
            ):
                async for batch in batches:
                    await offloaded(write)(database, batch)
                    now = pages.statistics()
                    bars.update(bar, completed=now.delivered, total=now.taken)


def report(database: sqlite3.Connection, seconds: float) -> Iterator[str]:
    """List the broken links, and count what was found."""
    rows = database.execute(BROKEN).fetchall()
    for (url, error), group in groupby(rows, key=lambda row: row[:2]):
        yield f"{url}: {error}"
        yield from (f"  linked from {source}" for *_, source in group if source)
    (pages,) = database.execute("SELECT COUNT(*) FROM pages").fetchone()
    (found,) = database.execute("SELECT COUNT(*) FROM links").fetchone()
    broken = len({url for url, *_ in rows})
    yield (
        f"{command.counted(pages, 'page')} and {command.counted(found, 'link')} in "
        f"{seconds:.1f} s: {command.counted(broken, 'page is', 'pages are')} broken"
    )


def read_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = command.new_parser(
        "Crawl a site, write its pages and links to SQLite, and find the broken links. "
        "The exit code is 1 if there are such links.",
        limit=8,
        what="requests",
    )
    add = partial(command.add_number, parser)
    add("--per-second", 60, "how many requests start per second, at most")
    add("--most", None, "stop after so many pages (default: when there are no more)")
    add("--pages", 100, "how many pages to serve where no URL is given")
    command.add_database(parser, "crawl.sqlite", "what it held before is deleted")
    url = "where to begin; without it, a site is served and crawled on this machine"
    parser.add_argument("url", nargs="?", metavar="URL", type=web.web_address, help=url)
    return parser.parse_args()


def main() -> int:
    """Crawl, and print what was found."""
    options = read_arguments()
    with ExitStack() as stack:
        database = command.open_database(options.database, PROGRAM, TABLES)
        stack.enter_context(closing(database))
        server = None
        if options.url is None:
            tree = sites.Tree(options.pages)
            server = stack.enter_context(loopback.serve(tree.get))
        root = f"{server.address}/" if server else str(options.url)
        print(
            f"{root}, at most {options.limit} at a time and "
            f"{options.per_second} per second, on {options.backend}",
            flush=True,
        )
        began = time.perf_counter()
        command.run_async(crawl, root, database, options, backend=options.backend)
        seconds = time.perf_counter() - began
        if server is not None:
            seen = command.counted(server.overlap, "request")
            print(f"the server saw at most {seen} at a time")
        print(f"all pages and links are in {options.database}")
        print(*report(database, seconds), sep="\n")
        return 1 if database.execute(BROKEN).fetchone() else 0


if __name__ == "__main__":
    command.run_command(main)
