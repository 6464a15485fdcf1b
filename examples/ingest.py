"""Copy the records of a JSON API to SQLite, and tell which could not be had.

The API lists its records page by page, each page with the cursor of the next one; each
record is a request of its own. `concurrent_map` asks for several at a time while the
list is read on, and one `CapacityLimiter` bounds both. stamina tries again what may
succeed the next time; what fails for good is a result, through `captured`. Records are
written as many at a time as there are, at least four times a second.

Pages and records come in order, so that what is written can say how far it goes: with
each transaction the cursor is stored. An ingest that was stopped goes on from there.

Without an address, it serves a catalogue itself, over real sockets on the loopback
interface. One request in seven has to be made twice there, and some records are broken.

    python examples/ingest.py
    python examples/ingest.py --limit 16 --attempts 2 --backend trio
    python examples/ingest.py https://api.example.org/records

An address is asked for its list with `?cursor=`, and must answer
`{"items": [{"id": "a"}, {"id": "b"}], "next": "c"}`, or `null` at the end; and for each
record with `/a`. A record may be any JSON object.

SQLite's own module in a thread, by `offloaded`, runs on asyncio and on Trio;
aiosqlite, which does the same inside, runs on asyncio only.
"""

import argparse
import json
import os
import signal
import sqlite3
import sys
import time
import zlib
from collections import Counter
from collections.abc import AsyncGenerator, Generator, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Lock, Thread
from typing import Any, cast
from urllib.parse import parse_qs, quote, urlsplit

import anyio
import httpx2
import stamina
from rich.console import Console
from rich.progress import Progress
from stamina.instrumentation import RetryDetails, set_on_retry_hooks

from aiterkit import Err, Ok, captured, concurrent_batched, concurrent_map, offloaded

INTERRUPTED = 130  # what a shell says of a program that Ctrl-C ended
BATCH = 50  # records in one transaction
WITHIN = 0.25  # seconds until they are written in any case
LOCAL = "loopback"
TOO_MANY_REQUESTS = 429


# The API


@dataclass(frozen=True)
class Entry:
    """A record that the list names, and the cursor of the page that names it."""

    id: str
    cursor: str


@dataclass(frozen=True)
class Record:
    """What there is at an entry."""

    entry: Entry
    data: dict[str, Any]


Outcome = Ok[Record] | Err[Exception]


def may_pass(error: Exception) -> bool:
    """Tell whether a request that failed so is worth another try."""
    if isinstance(error, httpx2.HTTPStatusError):
        answer = error.response
        return answer.is_server_error or answer.status_code == TOO_MANY_REQUESTS
    return isinstance(error, httpx2.TransportError)


def describe(error: Exception) -> str:
    """Say in a few words why there is no answer."""
    if isinstance(error, httpx2.HTTPStatusError):
        return f"{error.response.status_code} {error.response.reason_phrase}"
    return str(error) or type(error).__name__


class Api:
    """The API at *address*: no more than *budget* allows is asked of it at a time."""

    def __init__(
        self,
        client: httpx2.AsyncClient,
        address: str,
        budget: anyio.CapacityLimiter,
        attempts: int,
    ) -> None:
        self._client = client
        self._address = address.rstrip("/")
        self._budget = budget
        self._get = stamina.retry(
            on=may_pass, attempts=attempts, wait_jitter=0.1, timeout=None
        )(self._get_once)

    async def entries(self, cursor: str) -> AsyncGenerator[Entry, None]:
        """Give what the list names, page by page, from *cursor* on."""
        following: str | None = cursor
        while following is not None:
            cursor = following
            async with self._budget:  # not across a yield: who reads may take long
                page = await self._get(f"{self._address}?cursor={quote(cursor)}")
            try:
                entries = [Entry(str(item["id"]), cursor) for item in page["items"]]
                following = page["next"]
            except (LookupError, TypeError) as error:
                raise ValueError(f"no page of a list: {str(page)[:60]}") from error
            for entry in entries:
                yield entry

    async def record(self, entry: Entry) -> Record:
        """Return the record that *entry* names."""
        url = f"{self._address}/{quote(entry.id, safe='')}"
        return Record(entry, await self._get(url))

    async def _get_once(self, url: str) -> dict[str, Any]:
        response = await self._client.get(url)
        response.raise_for_status()
        try:
            value = json.loads(response.content)
        except ValueError as error:
            raise ValueError(f"not JSON: {response.text[:60]!r}") from error
        if not isinstance(value, dict):
            raise ValueError(f"not a JSON object: {response.text[:60]!r}")  # noqa: TRY004  # it is the answer that is wrong
        return cast("dict[str, Any]", value)


# What is kept


class Store:
    """Records, failures and how far it went, in SQLite, for the API called *name*.

    Its methods block: they are called in threads.
    """

    TABLES = """
        CREATE TABLE IF NOT EXISTS records (id TEXT PRIMARY KEY, data TEXT);
        CREATE TABLE IF NOT EXISTS failures (id TEXT PRIMARY KEY, error TEXT);
        CREATE TABLE IF NOT EXISTS progress (name TEXT PRIMARY KEY, cursor TEXT);
    """

    def __init__(self, database: sqlite3.Connection, name: str) -> None:
        self._database = database
        self._name = name
        self.transactions = 0
        database.executescript(self.TABLES)

    def write(self, outcomes: Sequence[Outcome]) -> None:
        """Write all *outcomes*, and how far they go; or nothing."""
        with self._database as database:
            for outcome in outcomes:
                match outcome:
                    case Ok(Record(entry, data)):
                        database.execute(
                            "INSERT OR REPLACE INTO records VALUES (?, ?)",
                            (entry.id, json.dumps(data)),
                        )
                        database.execute(
                            "DELETE FROM failures WHERE id = ?", (entry.id,)
                        )
                        self._note(entry.cursor)
                    case Err(error, [Entry() as entry]):
                        database.execute(
                            "INSERT OR REPLACE INTO failures VALUES (?, ?)",
                            (entry.id, describe(error)),
                        )
                        self._note(entry.cursor)
                    case _:
                        raise TypeError(f"no outcome of a request: {outcome}")
        self.transactions += 1

    def _note(self, cursor: str) -> None:
        self._database.execute(
            "INSERT OR REPLACE INTO progress VALUES (?, ?)", (self._name, cursor)
        )

    def finish(self) -> None:
        """Note that all was read: the next time, it begins anew."""
        with self._database as database:
            database.execute("DELETE FROM progress WHERE name = ?", (self._name,))

    def cursor(self) -> str:
        """Return from where to go on."""
        row = self._database.execute(
            "SELECT cursor FROM progress WHERE name = ?", (self._name,)
        ).fetchone()
        return row[0] if row else ""

    def failures(self) -> list[tuple[str, str]]:
        """Return what could not be had, and why."""
        return self._database.execute("SELECT * FROM failures ORDER BY id").fetchall()

    def records(self) -> int:
        """Return how many records there are."""
        count: int = self._database.execute("SELECT COUNT(*) FROM records").fetchone()[
            0
        ]
        return count


# The program


async def stop_on_ctrl_c(scope: anyio.CancelScope) -> None:
    """Cancel *scope* on Ctrl-C, which else could strike at any line."""
    with (
        suppress(NotImplementedError),  # Windows, where asyncio does so by itself
        anyio.open_signal_receiver(signal.SIGINT) as signals,
    ):
        async for _ in signals:
            scope.cancel()


@dataclass
class Ended:
    """How it ended: with Ctrl-C, unless it was *done*; or with an *error*."""

    done: bool = False
    error: Exception | None = None


async def ingest(
    address: str, store: Store, *, limit: int, attempts: int, local: bool
) -> Ended:
    """Copy the records at *address* to *store*."""
    ended = Ended()
    write = offloaded(store.write)
    budget = anyio.CapacityLimiter(limit)
    screen = Console(stderr=True)
    bars = Progress(console=screen, transient=True, disable=not screen.is_terminal)
    async with anyio.create_task_group() as group:
        group.start_soon(stop_on_ctrl_c, group.cancel_scope)
        try:
            with bars:
                bar = bars.add_task("records", total=None)
                async with httpx2.AsyncClient(
                    limits=httpx2.Limits(),  # none: the bound is ours
                    timeout=10,
                    trust_env=not local,  # no proxy on the loopback interface
                ) as client:
                    api = Api(client, address, budget, attempts)
                    async with (
                        concurrent_map(
                            captured(api.record, httpx2.HTTPError, ValueError),
                            api.entries(store.cursor()),
                            limit=budget,
                            buffer=BATCH,  # one that is tried again holds up as many
                        ) as outcomes,
                        concurrent_batched(outcomes, BATCH, within=WITHIN) as batches,
                    ):
                        async for batch in batches:
                            await write(batch)
                            bars.advance(bar, len(batch))
            await offloaded(store.finish)()
        except (httpx2.HTTPError, ValueError) as error:  # the list has failed
            ended.error = error
        ended.done = True
        group.cancel_scope.cancel()
    return ended


def report(
    store: Store, ended: Ended, retries: Counter[object], seconds: float
) -> Iterator[str]:
    """Tell what is in the database, and what is not."""
    failures = store.failures()
    yield (
        f"{store.records()} records, {len(failures)} that failed, in {seconds:.1f} s "
        f"and {store.transactions} transactions"
    )
    yield from (f"  {key}: {error}" for key, error in failures)
    if ended.error is not None:
        yield f"the list itself failed: {describe(ended.error)}"
    if retries:
        yield (
            f"{len(retries)} requests were tried again, "
            f"the most stubborn {max(retries.values())} times"
        )


# The catalogue of our own


class Catalogue:
    """A list of records in pages of twenty; some fail at first, and some for ever."""

    PAGE = 20

    def __init__(self, count: int) -> None:
        self._count = count
        self._lock = Lock()
        self._asked = set[str]()
        self._running = 0
        self.overlap = 0

    def answer(self, path: str) -> tuple[int, str]:
        """Return the status and the text for *path*."""
        with self._lock:
            self._running += 1
            self.overlap = max(self.overlap, self._running)
            is_first = path not in self._asked
            self._asked.add(path)
        try:
            time.sleep((20 + zlib.crc32(path.encode()) % 61) / 1000)
            return self._answer(path, is_first=is_first)
        finally:
            with self._lock:
                self._running -= 1

    def _answer(self, path: str, *, is_first: bool) -> tuple[int, str]:
        if is_first and zlib.crc32(path.encode()) % 7 == 0:
            return 503, ""
        url = urlsplit(path)
        if url.path == "/records":
            first = int(parse_qs(url.query).get("cursor", ["0"])[0])
            end = min(first + self.PAGE, self._count)
            items = [{"id": str(number)} for number in range(first, end)]
            following = str(end) if end < self._count else None
            return 200, json.dumps({"items": items, "next": following})
        number = int(url.path.rpartition("/")[2])
        text = json.dumps({"id": str(number), "name": f"the record {number}"})
        broken = {42: (500, ""), 99: (404, ""), 123: (200, text[:20])}
        return broken.get(number % 150, (200, text))


@contextmanager
def serve(catalogue: Catalogue) -> Generator[str]:
    """Serve *catalogue* on the loopback interface; give the address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 5
        disable_nagle_algorithm = True  # or some answers take 40 ms more

        def do_GET(self) -> None:
            status, text = catalogue.answer(self.path)
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # as inherited
            """Leave the screen to the ingest."""

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
            yield f"http://127.0.0.1:{server.server_port}/records"
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
    """Read the address of an API."""
    with suppress(httpx2.InvalidURL):
        url = httpx2.URL(text)
        if url.scheme in {"http", "https"} and url.host:
            return text
    raise argparse.ArgumentTypeError(f"must be an http or https URL, not {text!r}")


def read_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description="Copy the records of a paginated JSON API to SQLite, and tell "
        "which could not be had. The exit code is 1 if there are such records.",
    )
    parser.add_argument(
        "address",
        nargs="?",
        type=web_address,
        metavar="URL",
        help="where the list of records is; without it, one is served on the loopback "
        "interface",
    )
    parser.add_argument(
        "--limit",
        type=positive,
        default=8,
        metavar="N",
        help="how many requests at a time, at most (default: %(default)s)",
    )
    parser.add_argument(
        "--attempts",
        type=positive,
        default=3,
        metavar="N",
        help="how many times a request is tried, at most (default: %(default)s)",
    )
    parser.add_argument(
        "--database",
        type=Path,
        default=Path("ingest.sqlite"),
        metavar="FILE",
        help="where to write; what is there is kept and brought up to date "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--backend",
        choices=["asyncio", "trio"],
        default="asyncio",
        help="what to run on (default: %(default)s)",
    )
    parser.add_argument(
        "--records",
        type=positive,
        default=300,
        metavar="N",
        help="how many records to serve where no URL is given (default: %(default)s)",
    )
    return parser.parse_args()


def run(arguments: argparse.Namespace) -> int:
    """Copy, and print how it went."""
    catalogue = Catalogue(arguments.records)
    retries = Counter[object]()

    def count(details: RetryDetails) -> None:
        retries[details.args] += 1

    set_on_retry_hooks([count])  # or each of them would be logged
    with ExitStack() as stack:
        # One thread at a time uses it, but not always the same one.
        database = sqlite3.connect(arguments.database, check_same_thread=False)
        stack.enter_context(closing(database))
        store = Store(database, arguments.address or LOCAL)
        address: str = arguments.address or stack.enter_context(serve(catalogue))
        print(f"{address}, at most {arguments.limit} at a time, on {arguments.backend}")
        if cursor := store.cursor():
            print(f"going on from {cursor}")
        began = time.perf_counter()
        ended = anyio.run(
            partial(
                ingest,
                address,
                store,
                limit=arguments.limit,
                attempts=arguments.attempts,
                local=not arguments.address,
            ),
            backend=arguments.backend,
        )
        print(*report(store, ended, retries, time.perf_counter() - began), sep="\n")
        if not arguments.address:
            print(f"the server saw at most {catalogue.overlap} requests at a time")
        print(f"all of it is in {arguments.database}")
        if not ended.done:
            raise KeyboardInterrupt
        return 1 if ended.error is not None or store.failures() else 0


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
