"""Write what a feed sends to SQLite until SIGTERM comes, and lose nothing.

The worker reads lines of JSON from a socket. They are written in batches: a hundred at
a time, or what has come within a second. SIGTERM or Ctrl-C stops the
reading, by `concurrent_until`; what was read is still written, and the worker ends. A
second signal ends it at once.

Without an address, it reads a feed of its own, over a real socket on the loopback
interface, which never ends.

    python examples/worker.py
    python examples/worker.py --seconds 2 --backend trio
    python examples/worker.py --connect localhost:9000
"""

import argparse
import json
import signal
import sqlite3
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import closing, suppress
from math import inf
from pathlib import Path

import anyio
from anyio.abc import ByteReceiveStream, SocketAttribute, SocketStream, TaskStatus
from anyio.streams.buffered import BufferedByteReceiveStream

from aiterkit import (
    concurrent_batched,
    concurrent_for_each,
    concurrent_until,
    offloaded,
)

WITHIN = 1.0  # seconds until readings are written in any case
Address = tuple[str, int]
Reading = tuple[int, float]


async def send(stream: SocketStream) -> None:
    """Send a reading every other millisecond, as long as somebody listens."""
    number = 0
    async with stream:
        with suppress(anyio.BrokenResourceError):
            while True:
                reading = {"number": number, "value": number / 2}
                await stream.send(json.dumps(reading).encode() + b"\n")
                number += 1
                await anyio.sleep(0.002)


async def serve(*, task_status: TaskStatus[Address]) -> None:
    """Serve a feed of our own on the loopback interface."""
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        task_status.started(
            ("127.0.0.1", listener.extra(SocketAttribute.local_port))  # noqa: S610  # not Django's
        )
        await listener.serve(send)


class Readings:
    """The readings that *stream* sends, and how many there were."""

    def __init__(self, stream: ByteReceiveStream) -> None:
        self._lines = BufferedByteReceiveStream(stream)
        self.received = 0

    async def read(self) -> AsyncGenerator[Reading, None]:
        """Give all of them, until the feed hangs up."""
        with suppress(anyio.IncompleteRead):
            while True:
                line = await self._lines.receive_until(b"\n", 65_536)
                data = json.loads(line)
                self.received += 1  # from here to the yield nothing is awaited
                yield int(data["number"]), float(data["value"])


class Store:
    """Readings in SQLite. Its methods block: they are called in threads."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self.written = 0
        self.transactions = 0
        database.execute(
            "CREATE TABLE IF NOT EXISTS readings (number INTEGER, value REAL)"
        )

    def write(self, batch: Sequence[Reading]) -> None:
        """Write a whole *batch*, or nothing of it."""
        with self._database as database:
            database.executemany("INSERT INTO readings VALUES (?, ?)", batch)
        self.written += len(batch)
        self.transactions += 1


class Stop:
    """What ends the reading: a signal, or that its time is over."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.reason = "the feed hung up"

    async def wait(self) -> None:
        """Wait for the first of both."""
        with anyio.move_on_after(self._seconds) as scope:
            with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
                print("reading; SIGTERM or Ctrl-C stops it", flush=True)
                async for number in signals:
                    self.reason = signal.Signals(number).name
                    return
        if scope.cancelled_caught:
            self.reason = f"{self._seconds:g} seconds are over"


async def work(readings: Readings, store: Store, stop: Stop, limit: int) -> None:
    """Write *readings* until *stop* returns, and then the rest of what was read."""
    async with (
        concurrent_until(readings.read(), stop.wait) as taken,
        concurrent_batched(taken, limit, within=WITHIN) as batches,
    ):
        await concurrent_for_each(offloaded(store.write), batches, limit=1)


async def run(arguments: argparse.Namespace, store: Store) -> None:
    """Connect, work and report."""
    async with anyio.create_task_group() as tasks:
        host, port = arguments.connect or await tasks.start(serve)
        async with await anyio.connect_tcp(host, port) as stream:
            readings, stop = Readings(stream), Stop(arguments.seconds)
            await work(readings, store, stop, arguments.limit)
            print(f"stopped: {stop.reason}")
            print(
                f"{readings.received} readings received, {store.written} written "
                f"in {store.transactions} transactions"
            )
        tasks.cancel_scope.cancel()  # the feed


def address(text: str) -> Address:
    """Read a host and a port."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal():
        raise argparse.ArgumentTypeError(f"must be HOST:PORT, not {text!r}")
    return host, int(port)


def positive(text: str) -> int:
    """Read a number of which there must be at least one."""
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {number}")
    return number


def read_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description="Write what a feed sends to SQLite until SIGTERM comes. "
        "The exit code is 1 if the feed cannot be reached."
    )
    default = " (default: %(default)s)"
    parser.add_argument(
        "--connect", type=address, metavar="HOST:PORT", help="where the feed is"
    )
    parser.add_argument(
        "--seconds", type=float, default=inf, help=f"how long to read{default}"
    )
    parser.add_argument(
        "--limit",
        type=positive,
        default=100,
        metavar="N",
        help=f"how many readings in one transaction, at most{default}",
    )
    parser.add_argument(
        "--database", type=Path, default=Path("worker.sqlite"), help=f"file{default}"
    )
    parser.add_argument("--backend", choices=["asyncio", "trio"], default="asyncio")
    return parser.parse_args()


def main() -> int:
    """Run the command; return its exit code."""
    arguments = read_arguments()
    code = 0
    # One thread at a time uses it, but not always the same one.
    with closing(sqlite3.connect(arguments.database, check_same_thread=False)) as db:
        try:
            anyio.run(run, arguments, Store(db), backend=arguments.backend)
        except* OSError as failed:
            print(f"the feed cannot be reached: {failed.exceptions[0]}")
            code = 1
    return code


if __name__ == "__main__":
    sys.exit(main())
