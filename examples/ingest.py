"""Copy the records of a JSON API to SQLite, and list those that could not be fetched.

The API lists its records page by page, each page with the cursor of the next one; each
record is a request of its own. `concurrent_map` requests several records at once while
it goes on reading the list, and one `CapacityLimiter` limits both. stamina retries
errors that may be temporary; an error that stays becomes a result, through `captured`.
Records are written while others come, in batches, at least four times a second.

Pages and records come in order, so each transaction can store the cursor it has
reached. After Ctrl-C what was written stays, and the next run resumes there.

    python examples/ingest.py
    python examples/ingest.py --limit 16 --attempts 2 --backend trio
    python examples/ingest.py https://api.example.org/records

An address is asked for its list with `?cursor=`, and must answer
`{"items": [{"id": "a"}, {"id": "b"}], "next": "c"}`, or `null` at the end; and for each
record with `/a`. A record may be any JSON object. Without an address, it copies a
catalogue that it serves itself, where some requests and some records fail.
"""

from _plumbing import command, loopback, sites, web
from _plumbing.records import PROGRAM, TABLES, Entry, Record, Store
from _plumbing.retries import count_retries

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import AsyncGenerator, Iterator
from contextlib import ExitStack, closing
from functools import partial
from typing import Any, cast
from urllib.parse import quote

import anyio
import httpx2
import stamina

from aiterkit import captured, concurrent_batched, concurrent_map, offloaded

BATCH = 50  # records in one transaction
WITHIN = 0.25  # seconds until records are written, even if they are fewer


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
            on=web.may_pass, attempts=attempts, wait_jitter=0.1, timeout=None
        )(self._get_once)

    async def entries(self, cursor: str) -> AsyncGenerator[Entry, None]:
        """Yield what the list names, page by page, from *cursor* on."""
        following: str | None = cursor
        while following is not None:
            cursor = following
            async with self._budget:  # but not at a yield, which may wait for long
                page = await self._get(f"{self._address}?cursor={quote(cursor)}")
            try:
                entries = [Entry(str(item["id"]), cursor) for item in page["items"]]
                following = page["next"]
            except (LookupError, TypeError) as error:
                raise ValueError(f"not a page of a list: {str(page)[:60]}") from error
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
            raise ValueError(f"not a JSON object: {response.text[:60]!r}")  # noqa: TRY004  # the answer is wrong, not a type
        return cast("dict[str, Any]", value)


async def ingest(address: str, store: Store, options: argparse.Namespace) -> None:
    """Copy the records at *address* to *store*."""
    budget = anyio.CapacityLimiter(options.limit)
    with command.progress() as bars:
        bar = bars.add_task("records", total=None)
        async with web.new_client(local=not options.address) as client:
            api = Api(client, address, budget, options.attempts)
            async with (
                concurrent_map(
                    captured(api.record, httpx2.HTTPError, ValueError),
                    api.entries(store.cursor()),
                    limit=budget,
                    buffer=BATCH,  # as many may wait for one that is retried
                ) as outcomes,
                concurrent_batched(outcomes, BATCH, within=WITHIN) as batches,
            ):
                async for batch in batches:
                    await offloaded(store.write)(batch)
                    bars.advance(bar, len(batch))
    await offloaded(store.finish)()


def report(store: Store, retries: Counter[object], seconds: float) -> Iterator[str]:
    """List the failures, and count what was copied."""
    failures = store.failures()
    yield from (f"record {key}: {error}" for key, error in failures)
    if retries:
        most = command.counted(max(retries.values()), "time")
        requests = command.counted(len(retries), "request was", "requests were")
        yield f"{requests} retried, at most {most} each"
    transactions = command.counted(store.transactions, "transaction")
    yield (
        f"{command.counted(store.records(), 'record')} copied, {len(failures)} failed, "
        f"in {seconds:.1f} s and {transactions}"
    )


def read_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = command.new_parser(
        "Copy the records of a paginated JSON API to SQLite, and list those that could "
        "not be had. The exit code is 1 if there are such records.",
        limit=8,
        what="requests",
    )
    add = partial(command.add_number, parser)
    add("--attempts", 3, "how many times a request is tried, at most")
    add("--records", 300, "how many records to serve where no URL is given")
    command.add_database(parser, "ingest.sqlite", "its records are brought up to date")
    where = "where the list of records is; without it, one is served on this machine"
    parser.add_argument(
        "address", nargs="?", type=web.web_address, metavar="URL", help=where
    )
    return parser.parse_args()


def main() -> int:
    """Copy, and print how it went."""
    options = read_arguments()
    retries = count_retries()
    with ExitStack() as stack:
        database = command.open_database(options.database, PROGRAM, TABLES)
        stack.enter_context(closing(database))
        # Its port differs from run to run, but not the records.
        store = Store(database, options.address or "loopback")
        server = None
        if options.address is None:
            catalogue = sites.Catalogue(options.records)
            server = stack.enter_context(loopback.serve(catalogue.get))
        address = f"{server.address}/records" if server else str(options.address)
        print(f"{address}, at most {options.limit} at a time, on {options.backend}")
        if cursor := store.cursor():
            print(f"resuming from {cursor}")
        sys.stdout.flush()
        began = time.perf_counter()
        is_listed = True
        try:
            command.run_async(ingest, address, store, options, backend=options.backend)
        except (httpx2.HTTPError, ValueError) as error:
            print(f"the list itself failed: {web.describe(error)}")
            is_listed = False
        seconds = time.perf_counter() - began
        if server is not None:
            seen = command.counted(server.overlap, "request")
            print(f"the server saw at most {seen} at a time")
        print(f"all records and failures are in {options.database}")
        print(*report(store, retries, seconds), sep="\n")
        return 0 if is_listed and not store.failures() else 1


if __name__ == "__main__":
    command.run_command(main)
