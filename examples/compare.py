"""Fetch the same pages three ways, and see which calls overlap.

One at a time with `amap`; several at a time with `concurrent_map`; several at a time,
in the order in which they finish, with `concurrent_map_unordered`. For each way it
prints the time, how many calls overlapped and the order of the pages; then it draws
when each call ran. Ctrl-C ends it early, and shows the ways that were finished.

    python examples/compare.py
    python examples/compare.py --limit 4 --backend trio
    python examples/compare.py https://example.org https://example.com

Without a URL it serves files of this repository itself, over real sockets on the
loopback interface, with 20 to 80 milliseconds of latency, always the same for a page.
"""

from _plumbing import command, drawing, loopback, sites, web

import argparse
import shutil
import sys
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial

import httpx2

from aiterkit import amap, concurrent_map, concurrent_map_unordered


@dataclass(frozen=True)
class Page:
    """What there is at a URL, or why there is nothing."""

    url: str
    error: str | None = None


@dataclass
class Run:
    """The pages that were fetched one way, and when each call ran."""

    client: httpx2.AsyncClient
    on_page: Callable[[], object]
    pages: list[Page] = field(default_factory=list[Page])
    record: drawing.Record = field(default_factory=drawing.Record)

    async def fetch(self, url: str) -> Page:
        """Return the page at *url*, or the reason why there is none."""
        with self.record.call():
            try:
                (await self.client.get(url)).raise_for_status()
            except (httpx2.HTTPError, httpx2.InvalidURL) as error:
                return Page(url, web.describe(error))
        return Page(url)

    def take(self, page: Page) -> None:
        """Note that *page* has reached the loop that asked for it."""
        self.pages.append(page)
        self.record.arrival()
        self.on_page()


# The three ways


async def one_at_a_time(run: Run, urls: Sequence[str], _limit: int) -> None:
    """Fetch each page after the one before it."""
    async for page in amap(run.fetch, urls):
        run.take(page)


async def in_order(run: Run, urls: Sequence[str], limit: int) -> None:
    """Fetch *limit* pages at a time, and take them in the order of *urls*."""
    async with concurrent_map(run.fetch, urls, limit=limit) as pages:
        async for page in pages:
            run.take(page)


async def as_they_come(run: Run, urls: Sequence[str], limit: int) -> None:
    """Fetch *limit* pages at a time, and take each as soon as it is there."""
    async with concurrent_map_unordered(run.fetch, urls, limit=limit) as pages:
        async for page in pages:
            run.take(page)


WAYS: dict[str, Callable[[Run, Sequence[str], int], Awaitable[None]]] = {
    "amap(fetch, urls)": one_at_a_time,
    "concurrent_map(fetch, urls, limit={limit})": in_order,
    "concurrent_map_unordered(fetch, urls, limit={limit})": as_they_come,
}


async def compare(
    urls: Sequence[str], limit: int, runs: dict[str, Run], *, local: bool
) -> None:
    """Fetch *urls* each way; put what was finished into *runs*, and print it."""
    for name, way in WAYS.items():
        with command.progress() as bars:
            bar = bars.add_task(way.__name__.replace("_", " "), total=len(urls))
            async with httpx2.AsyncClient(
                follow_redirects=True,
                limits=httpx2.Limits(max_connections=limit),
                timeout=httpx2.Timeout(10, pool=None),
                trust_env=not local,  # no proxy on the loopback interface
            ) as client:
                run = Run(client, partial(bars.advance, bar))
                await way(run, urls, limit)
        title = name.format(limit=limit)
        runs[title] = run
        print(f"{title}\n  {figures(urls, run)}", flush=True)


# What is shown


def order(urls: Sequence[str], run: Run) -> str:
    """Say whether the pages came in the order of *urls*."""
    is_same = [page.url for page in run.pages] == urls
    return f"{'same' if is_same else 'another'} order"


def figures(urls: Sequence[str], run: Run) -> str:
    """Return the figures of one way, in a line."""
    calls = command.counted(run.record.overlap, "call")
    return f"{run.record.seconds:.2f} s, at most {calls} at once, {order(urls, run)}"


def report(urls: Sequence[str], runs: dict[str, Run], width: int) -> Iterator[str]:
    """Draw all ways to one scale, which the faster ones fill; then sum up."""
    times = sorted(run.record.seconds for run in runs.values())
    seconds = times[-2] if len(times) > 1 else times[0]
    yield f"\nWhen each call ran, in the first {seconds:.2f} s:"
    for title, run in runs.items():
        yield f"\n{title}"
        yield from drawing.draw(run.record, seconds, width)
    yield f"\n{drawing.LEGEND}"
    if len(runs) > 1:
        plain, mapped, *_ = runs.values()
        ratio = plain.record.seconds / mapped.record.seconds
        faster = f"{ratio:.1f} times faster" if ratio >= 1.1 else "no faster"  # noqa: PLR2004  # one time in ten is noise
        yield f"\nconcurrent_map was {faster} than amap, {order(urls, mapped)}"


# The command


def read_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = command.new_parser(
        "Fetch the same pages three ways, and see which calls overlap. The exit code "
        "is 1 if a page could not be fetched.",
        limit=10,
        what="pages",
    )
    served = "how many files to serve where no URL is given"
    command.add_number(parser, "--pages", 60, served)
    parser.add_argument(
        "urls", nargs="*", metavar="URL", help="a page to fetch, three times"
    )
    return parser.parse_args()


def main() -> int:
    """Compare the three ways, and print what was seen."""
    arguments = read_arguments()
    urls: list[str] = arguments.urls
    limit: int = arguments.limit
    runs: dict[str, Run] = {}
    with ExitStack() as stack:
        if not urls:
            files = sites.Files(arguments.pages)
            server = stack.enter_context(loopback.serve(files.get))
            urls = [server.address + path for path in files.pages]
        counts = f"{command.counted(len(urls), 'page')}, at most {limit} at a time"
        print(f"{counts}, on {arguments.backend}\n", flush=True)
        start = partial(compare, urls, limit, runs, local=not arguments.urls)
        command.run_async(start, backend=arguments.backend)
    if runs:
        width = shutil.get_terminal_size().columns
        print(*report(urls, runs, width), sep="\n")
    pages = [page for run in runs.values() for page in run.pages]
    failures = {page.url: page.error for page in pages if page.error is not None}
    for url, error in failures.items():
        print(f"could not fetch {url}: {error}", file=sys.stderr)
    return 1 if failures else 0


if __name__ == "__main__":
    command.run_command(main)
