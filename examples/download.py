"""Download many files with retries, a rate limit and a limit per host.

`limit` is how many downloads run at once in all. `key` is the host of a URL, `per_key`
how many run at once from one host; a slow host holds up no other. `paced` is how many
requests may start per second, retries included. stamina retries errors that may be
temporary. A download that fails for good becomes a result, through `captured`, and a
row of `failures.csv`; the others go on.

    python examples/download.py
    python examples/download.py --limit 20 --per-second 5 --backend trio
    python examples/download.py --folder pictures https://example.org/a.png ...

Without a URL, it downloads from three servers that it starts itself, on the loopback
interface, where one request in seven fails the first time and some files are missing.
After Ctrl-C, the files and failures that are complete stay; no file is left half done.
"""

from _plumbing import command, loopback, sites, web
from _plumbing.retries import count_retries

import argparse
import csv
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import quote

import anyio
import httpx2
import stamina

from aiterkit import Err, Ok, captured, concurrent_map_unordered, paced

AHEAD = 1000  # URLs that may wait for their host, while those after them go on


@dataclass(frozen=True)
class Job:
    """A URL, and its number in the list, which makes the name of the file unique."""

    number: int
    url: str

    @property
    def host(self) -> str:
        """The host and the port: what one server is."""
        return httpx2.URL(self.url).netloc.decode()


class Downloader:
    """Downloads files to *folder* with *client*."""

    def __init__(self, client: httpx2.AsyncClient, folder: Path) -> None:
        self._client = client
        self._folder = folder

    async def download(self, job: Job) -> Path:
        """Download one URL; return the file."""
        name = quote(httpx2.URL(job.url).path.strip("/"), safe="") or "index"
        file = self._folder / f"{job.number:04}-{name}"
        part = anyio.Path(f"{file}.part")
        try:
            async with self._client.stream("GET", job.url) as response:
                response.raise_for_status()
                async with await part.open("wb") as stream:
                    async for chunk in response.aiter_bytes():
                        await stream.write(chunk)
            await part.rename(file)
        finally:
            # A cancelled task may wait only where it is shielded.
            with anyio.CancelScope(shield=True):
                await part.unlink(missing_ok=True)
        return file


class Seen:
    """Counts the downloads, and writes those that failed to a table."""

    def __init__(self, write_row: Callable[[Sequence[str]], object]) -> None:
        self.files = 0
        self.failed = 0
        self._write_row = write_row
        write_row(["url", "error"])

    def take(self, outcome: Ok[Path] | Err[httpx2.HTTPError]) -> None:
        """Note one more *outcome*."""
        match outcome:
            case Ok():
                self.files += 1
            case Err(error, [Job() as job]):
                self.failed += 1
                self._write_row([job.url, web.describe(error)])
            case _:
                raise TypeError(f"not an outcome of a download: {outcome}")


async def download_all(
    jobs: Sequence[Job], seen: Seen, options: argparse.Namespace
) -> None:
    """Do all *jobs*, and note in *seen* what became of each."""
    with command.progress() as bars:
        bar = bars.add_task("files", total=len(jobs))
        async with web.new_client(local=not options.urls) as client:
            downloader = Downloader(client, options.folder)
            # From the inside out: each attempt waits for its turn, a failed attempt
            # is followed by others, and what the last one raises is a result.
            attempt = paced(downloader.download, per_second=options.per_second)
            retried = stamina.retry(
                on=web.may_pass, attempts=options.attempts, wait_jitter=0.1
            )(attempt)
            async with concurrent_map_unordered(
                captured(retried, httpx2.HTTPError),
                jobs,
                limit=options.limit,
                key=lambda job: job.host,
                per_key=options.per_host,
                buffer=AHEAD,
            ) as outcomes:
                async for outcome in outcomes:
                    seen.take(outcome)
                    bars.advance(bar)


def read_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = command.new_parser(
        "Download many files, some at a time, and a few at a time from each host. The "
        "exit code is 1 if a file could not be downloaded.",
        limit=10,
        what="downloads",
    )
    add = partial(command.add_number, parser)
    add("--per-host", 2, "how many downloads run at once from each host, at most")
    add("--per-second", 30, "how many requests start per second, at most")
    add("--attempts", 3, "how many times a download is tried, at most")
    add("--files", 30, "how many files to serve where no URL is given")
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path("downloads"),
        metavar="FOLDER",
        help="where the files and failures.csv are written (default: %(default)s)",
    )
    what = "what to download"
    parser.add_argument(
        "urls", nargs="*", type=web.web_address, metavar="URL", help=what
    )
    return parser.parse_args()


def main() -> int:
    """Download, and print how it went."""
    options = read_arguments()
    urls: list[str] = options.urls
    retries = count_retries()
    with ExitStack() as stack:
        failures = options.folder / "failures.csv"
        try:
            options.folder.mkdir(parents=True, exist_ok=True)
            # Each row is in the file as soon as it is complete.
            file = failures.open("w", newline="", buffering=1)
        except OSError as error:
            command.refuse(f"argument --folder: {error}")
        seen = Seen(csv.writer(stack.enter_context(file)).writerow)
        if not urls:
            servers = [
                stack.enter_context(loopback.serve(sites.Downloads().get))
                for _ in range(3)
            ]
            urls = [
                f"{servers[number % 3].address}/{number}.txt"
                for number in range(options.files)
            ]
        jobs = [Job(number, url) for number, url in enumerate(urls, start=1)]
        files = command.counted(len(jobs), "file")
        hosts = command.counted(len({job.host for job in jobs}), "host")
        print(f"{files} from {hosts}, on {options.backend}", flush=True)
        began = time.perf_counter()
        command.run_async(download_all, jobs, seen, options, backend=options.backend)
        seconds = time.perf_counter() - began
    print(command.counted(retries.total(), "retry", "retries"))
    failed = command.counted(seen.failed, "failure is", "failures are")
    print(
        f"{seen.files} of {files} downloaded to "
        f"{options.folder} in {seconds:.1f} s; {failed} in {failures}"
    )
    return 0 if seen.files == len(jobs) else 1


if __name__ == "__main__":
    command.run_command(main)
