"""Do blocks work with what other libraries give, and give what those can use?

Where sockets or threads are used, time is real; then what is waited for is an
event, never a time.
"""

import asyncio
import gc
import re
import sqlite3
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    Awaitable,
    Callable,
)
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal, TypeAlias

import aiosqlite
import anyio
import httpx2
import pytest
from anyio.abc import SocketAttribute, SocketStream
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

import aiterkit as ak
from aiostream import pipe, stream
from aiterkit.testing import CallProbe, SourceProbe

from .helpers import on_asyncio

PAGE = Path(__file__).parent.parent / "docs" / "interop.md"
SOON = 30  # seconds, after which a test that is stuck fails
WORDS = [f"word {number}" for number in range(7)]

Backend: TypeAlias = Literal["asyncio", "trio"]
Through: TypeAlias = Callable[[AsyncIterable[Any]], Awaitable[list[Any]]]


def shown(word: str) -> dict[str, Any]:
    """Return what the block of the page that holds *word* defines."""
    (code,) = (
        code
        for code in re.findall(
            r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL
        )
        if word in code
    )
    names: dict[str, Any] = {}
    exec(code.partition("\n\nqueue = ")[0], names)  # noqa: S102 - our own words
    return names


def run(test: Callable[[], Awaitable[None]], backend: Backend) -> None:
    """Run *test* on real time."""

    async def main() -> None:
        with anyio.fail_after(SOON):
            await test()

    options = {"debug": True} if backend == "asyncio" else {}
    anyio.run(main, backend=backend, backend_options=options)


async def echo(item: Any) -> Any:
    return item


async def mapped(source: AsyncIterable[Any]) -> list[Any]:
    async with ak.concurrent_map(echo, source, limit=2) as results:
        return [item async for item in results]


async def merged(source: AsyncIterable[Any]) -> list[Any]:
    async with ak.concurrent_merge(source, []) as results:
        return [item async for item in results]


async def batched(source: AsyncIterable[Any]) -> list[Any]:
    async with ak.concurrent_batched(source, 2, within=SOON) as batches:
        return [item async for batch in batches for item in batch]


through_each = pytest.mark.parametrize("through", [mapped, merged, batched])
on_both = pytest.mark.parametrize("backend", ["asyncio", "trio"])


# Memory object streams.


@through_each
async def test_a_memory_object_stream_is_a_source(through: Through) -> None:
    send, receive = anyio.create_memory_object_stream[str](0)

    async def feed() -> None:
        async with send:
            for word in WORDS:
                await send.send(word)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(feed)
        assert await through(receive) == WORDS
    assert receive.statistics().open_receive_streams == 0


async def test_a_memory_object_stream_is_held_back_and_closed() -> None:
    send, receive = anyio.create_memory_object_stream[int](0)
    sent: list[int] = []

    async def feed() -> None:
        async with send:
            with pytest.raises(anyio.BrokenResourceError):
                for number in range(99):
                    await send.send(number)
                    sent.append(number)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(feed)
        async with ak.concurrent_map(echo, receive, limit=2, buffer=1) as results:
            await anyio.sleep(10)
            assert sent == [0, 1, 2]
            assert await anext(results) == 0


# Queues.


@on_asyncio
@through_each
async def test_a_queue_is_a_source_by_way_of_a_generator(through: Through) -> None:
    taken_from = shown("def taken_from")["taken_from"]
    queue: asyncio.Queue[str | None] = asyncio.Queue(1)

    async def feed() -> None:
        for word in [*WORDS, None]:
            await queue.put(word)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(feed)
        assert await through(taken_from(queue)) == WORDS


@on_asyncio
async def test_leaving_early_loses_no_item_that_comes_later() -> None:
    taken_from = shown("def taken_from")["taken_from"]
    queue: asyncio.Queue[str | None] = asyncio.Queue()
    queue.put_nowait("first")
    async with ak.concurrent_buffer(taken_from(queue), 1) as results:
        assert await anext(results) == "first"
        await anyio.sleep(1)  # now it waits in queue.get()
    queue.put_nowait("second")
    assert queue.get_nowait() == "second"


# Sockets.


@asynccontextmanager
async def loopback(
    handle: Callable[[SocketStream], Awaitable[None]],
) -> AsyncGenerator[int, None]:
    """Serve *handle* to each that connects; give the port."""

    async def serve(connection: SocketStream) -> None:
        async with connection:
            await handle(connection)

    async with (
        await anyio.create_tcp_listener(local_host="127.0.0.1") as listener,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(listener.serve, serve)
        try:
            port: int = listener.extra(SocketAttribute.local_port)  # noqa: S610 - no Django
            yield port
        finally:
            tasks.cancel_scope.cancel()


LINES = [f"{word}\n".encode() for word in WORDS]


@through_each
def test_a_stream_reader_is_a_source(through: Through) -> None:
    async def handle(connection: SocketStream) -> None:
        for line in LINES:
            await connection.send(line)

    async def test() -> None:
        async with loopback(handle) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            async with closed_after(writer):
                assert await through(reader) == LINES

    run(test, "asyncio")


def test_a_stream_reader_can_be_read_on_after_the_block() -> None:
    async def test() -> None:
        go_on = anyio.Event()

        async def handle(connection: SocketStream) -> None:
            await connection.send(b"one\n")
            await go_on.wait()
            await connection.send(b"two\n")

        async with loopback(handle) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            async with closed_after(writer):
                async with ak.concurrent_map(echo, reader, limit=1) as results:
                    assert await anext(results) == b"one\n"
                go_on.set()
                assert await reader.readline() == b"two\n"

    run(test, "asyncio")


@asynccontextmanager
async def closed_after(writer: asyncio.StreamWriter) -> AsyncGenerator[None, None]:
    try:
        yield
    finally:
        writer.close()
        await writer.wait_closed()


# HTTP.


class Server:
    """An HTTP server of one long response, which comes line by line."""

    def __init__(self, *, endless: bool = False) -> None:
        self.endless = endless
        self.hung_up = anyio.Event()

    async def handle(self, connection: SocketStream) -> None:
        request = b""
        while b"\r\n\r\n" not in request:
            request += await connection.receive()
        await connection.send(
            b"HTTP/1.1 200 OK\r\n"
            b"Content-Type: text/plain\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n"
        )
        for line in LINES[:1] if self.endless else LINES:
            await connection.send(b"%x\r\n%b\r\n" % (len(line), line))
        if self.endless:  # what comes after the first line never comes
            with pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
                await connection.receive()
            self.hung_up.set()
        else:
            await connection.send(b"0\r\n\r\n")


@on_both
@through_each
def test_the_lines_of_a_response_are_a_source(
    through: Through, backend: Backend
) -> None:
    async def test() -> None:
        async with (
            loopback(Server().handle) as port,
            httpx2.AsyncClient(trust_env=False) as client,
            client.stream("GET", f"http://127.0.0.1:{port}/") as response,
        ):
            assert await through(response.aiter_lines()) == WORDS

    run(test, backend)


@on_both
@through_each
def test_the_bytes_of_a_response_are_a_source(
    through: Through, backend: Backend
) -> None:
    async def test() -> None:
        async with (
            loopback(Server().handle) as port,
            httpx2.AsyncClient(trust_env=False) as client,
            client.stream("GET", f"http://127.0.0.1:{port}/") as response,
        ):
            assert b"".join(await through(response.aiter_bytes())) == b"".join(LINES)

    run(test, backend)


# On Trio, httpx2 leaves generators of its own to the collector, with or without us.
@pytest.mark.filterwarnings("ignore:Async generator 'http:ResourceWarning")
@on_both
def test_leaving_a_response_early_hangs_up(backend: Backend) -> None:
    async def test() -> None:
        server = Server(endless=True)
        async with (
            loopback(server.handle) as port,
            httpx2.AsyncClient(trust_env=False) as client,
        ):
            async with (
                client.stream("GET", f"http://127.0.0.1:{port}/") as response,
                ak.concurrent_map(echo, response.aiter_lines(), limit=2) as lines,
            ):
                assert await anext(lines) == WORDS[0]
            assert response.is_closed
            await server.hung_up.wait()
            gc.collect()

    run(test, backend)


# Databases.


@asynccontextmanager
async def table() -> AsyncGenerator[aiosqlite.Connection, None]:
    async with aiosqlite.connect(":memory:", iter_chunk_size=2) as db:
        await db.execute("CREATE TABLE words (word TEXT)")
        await db.executemany(
            "INSERT INTO words VALUES (?)", [(word,) for word in WORDS]
        )
        yield db


@through_each
def test_a_cursor_is_a_source(through: Through) -> None:
    async def test() -> None:
        async with (
            table() as db,
            db.execute("SELECT word FROM words ORDER BY word") as cursor,
        ):
            assert await through(cursor) == [(word,) for word in WORDS]

    run(test, "asyncio")


def test_a_cursor_that_is_left_early_leaves_its_database_in_order() -> None:
    async def test() -> None:
        async with table() as db:
            async with (
                db.execute("SELECT word FROM words ORDER BY word") as cursor,
                ak.concurrent_map(echo, cursor, limit=1, buffer=0) as rows,
            ):
                assert await anext(rows) == (WORDS[0],)
            with pytest.raises(sqlite3.ProgrammingError):
                await cursor.fetchone()
            async with db.execute("SELECT count(*) FROM words") as cursor:
                assert await cursor.fetchone() == (len(WORDS),)

    run(test, "asyncio")


# Streams of aiostream. They warn when they are not used as they want.


async def twice(number: int) -> int:
    await anyio.sleep(1)
    return 2 * number


@on_asyncio
@through_each
async def test_a_stream_of_aiostream_is_a_source(through: Through) -> None:
    source = SourceProbe(range(7))
    doubled = stream.iterate(source) | pipe.map(twice, task_limit=2)
    async with doubled.stream() as numbers:
        assert await through(numbers) == [0, 2, 4, 6, 8, 10, 12]
    source.assert_closed_once()


@on_asyncio
async def test_a_stream_of_aiostream_is_left_with_the_block() -> None:
    source, call = SourceProbe(range(99)), CallProbe(twice)
    doubled = stream.iterate(source) | pipe.map(call, task_limit=2)
    async with (
        doubled.stream() as numbers,
        ak.concurrent_map(echo, numbers, limit=2) as results,
    ):
        assert await anext(results) == 0
    source.assert_closed_once()
    call.assert_all_ended()


@on_asyncio
async def test_results_are_a_source_of_aiostream() -> None:
    async with ak.concurrent_map(twice, range(4), limit=2) as results:
        doubled = stream.iterate(results) | pipe.map(twice, task_limit=2)
        assert await (doubled | pipe.list()) == [0, 4, 8, 12]


@on_asyncio
async def test_a_pipe_of_aiostream_that_is_left_leaves_results_to_be_read() -> None:
    async with ak.concurrent_map(twice, range(4), limit=2) as results:
        async with (stream.iterate(results) | pipe.take(2)).stream() as first:
            assert [number async for number in first] == [0, 2]
        assert [number async for number in results] == [4, 6]


@on_asyncio
async def test_a_failing_call_fails_a_pipe_of_aiostream_bare() -> None:
    async def fail(number: int) -> int:
        raise LookupError(number)

    async with ak.concurrent_map(fail, range(4), limit=2) as results:
        with pytest.raises(LookupError, match="0"):
            await stream.list(results)


# Responses of Starlette, and so of FastAPI.


def respond(block: object, **options: Any) -> StreamingResponse:
    """Return the response that the page shows."""
    response: StreamingResponse = shown("class BlockResponse")["BlockResponse"](
        block, **options
    )
    return response


class Client:
    """What a server tells an application, and what it is told.

    Before version 2.4 of the protocol, the application asks whether the client
    has left; since then, sending fails.
    """

    def __init__(self, version: str, *, room: float = 99) -> None:
        self.scope: dict[str, Any] = {
            "type": "http",
            "method": "GET",
            "headers": [],
            "asgi": {"version": "3.0", "spec_version": version},
        }
        self.fails = version >= "2.4"
        self.room = room
        self.left = anyio.Event()
        self.chunks: list[bytes] = []

    async def receive(self) -> dict[str, Any]:
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        if self.left.is_set() and self.fails:
            raise OSError
        if len(self.chunks) == self.room:  # it leaves, and sending is stuck
            self.left.set()
            if self.fails:
                raise OSError
            await anyio.sleep_forever()
        if message.get("body"):
            self.chunks.append(message["body"])


every_version = pytest.mark.parametrize("version", ["2.3", "2.4"])


@every_version
async def test_a_response_sends_what_its_block_gives(version: str) -> None:
    source, client = SourceProbe("abcd"), Client(version)
    call: CallProbe[str, str] = CallProbe(str.upper, seconds=1)
    response = respond(ak.concurrent_map(call, source, limit=2))
    await response(client.scope, client.receive, client.send)
    assert client.chunks == [b"A", b"B", b"C", b"D"]
    assert anyio.current_time() == 2
    source.assert_closed_once()


@every_version
async def test_a_client_that_leaves_while_sent_to_ends_all_calls(version: str) -> None:
    source, client = SourceProbe("abcdefgh"), Client(version, room=2)
    call = CallProbe[str, str](seconds=lambda item: 1 if item < "c" else 50, cleanup=1)
    block = ak.concurrent_map(call, source, limit=4)
    response = respond(block)
    try:
        await response(client.scope, client.receive, client.send)
    except ClientDisconnect:
        assert client.fails
    # Nothing is awaited here: all is over when the response is.
    call.assert_all_ended()
    source.assert_closed_once()
    assert client.chunks == [b"a", b"b"]


async def test_a_client_that_leaves_while_nothing_is_there_ends_all_calls() -> None:
    source, client = SourceProbe("abcd"), Client("2.3")
    call = CallProbe[str, str](seconds=50, cleanup=1)
    response = respond(ak.concurrent_map(call, source, limit=2))

    async def leave() -> None:
        await anyio.sleep(10)
        client.left.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(leave)
        await response(client.scope, client.receive, client.send)
        call.assert_all_ended()
        assert call.cancelled == ["a", "b"]
        source.assert_closed_once()
        assert anyio.current_time() == 11


@every_version
async def test_a_server_that_stops_ends_all_calls(version: str) -> None:
    source, client = SourceProbe("abcd"), Client(version)
    call = CallProbe[str, str](seconds=50)
    response = respond(ak.concurrent_map(call, source, limit=2))
    with anyio.move_on_after(10):
        await response(client.scope, client.receive, client.send)
    assert call.cancelled == ["a", "b"]
    source.assert_closed_once()


@every_version
async def test_the_error_of_a_call_comes_out_of_the_response(version: str) -> None:
    async def fail(item: str) -> str:
        if item == "c":
            raise LookupError(item)
        return item

    source, client = SourceProbe("abcd"), Client(version)
    response = respond(ak.concurrent_map(fail, source, limit=1))
    with pytest.raises(LookupError):
        await response(client.scope, client.receive, client.send)
    assert client.chunks == [b"a", b"b"]
    source.assert_closed_once()


async def test_an_application_answers_a_request_from_a_block() -> None:
    async def words(_request: Request) -> StreamingResponse:
        return respond(
            ak.concurrent_map(echo, WORDS, limit=2), headers={"x-from": "a block"}
        )

    app = Starlette(routes=[Route("/words", words)])
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(app), base_url="http://test", trust_env=False
    ) as client:
        response = await client.get("/words")
    assert response.text == "".join(WORDS)
    assert response.headers["x-from"] == "a block"
