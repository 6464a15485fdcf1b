"""`aoffloaded`: a blocking source, read in threads.

Threads live on real time, so these tests start event loops of their own. What they
wait for is an event, never a time.
"""

import asyncio
import gc
import threading
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import aclosing
from contextvars import ContextVar
from types import TracebackType
from typing import Any, Literal, TypeAlias

import anyio
import pytest
from anyio import CapacityLimiter, from_thread, to_thread

import aiterkit as ak
from aiterkit.testing import ProbeError

Backend: TypeAlias = Literal["asyncio", "trio"]

BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])
SOON = 30  # seconds, after which a test that is stuck fails


def run(test: Callable[[], Awaitable[None]], backend: Backend) -> None:
    async def main() -> None:
        with anyio.fail_after(SOON):
            await test()

    try:
        anyio.run(main, backend=backend)
    finally:
        for event in SET_AT_THE_END:  # or a test that fails would leave threads
            event.set()
        SET_AT_THE_END.clear()


SET_AT_THE_END: list[threading.Event] = []


class Blocking:
    """A blocking source that counts its calls, and waits in one of them."""

    def __init__(self, items: Iterable[object], *, waits_at: int = -1) -> None:
        self.items = list(items)
        self.waits_at = waits_at
        self.waiting = threading.Event()
        self.go_on = threading.Event()
        SET_AT_THE_END.append(self.go_on)
        self.pulls = 0
        self.running = 0
        self.most = 0
        self.threads: set[int] = set()
        self.opened_by: int | None = None
        self.closes = 0

    def __iter__(self) -> Iterator[Any]:
        self.opened_by = threading.get_ident()
        return self

    def __next__(self) -> Any:
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            self.threads.add(threading.get_ident())
            number, self.pulls = self.pulls, self.pulls + 1
            if number == self.waits_at:
                self.waiting.set()
                assert self.go_on.wait(SOON)
            if number >= len(self.items):
                raise StopIteration
            item = self.items[number]
            if isinstance(item, BaseException):
                raise item
            return item
        finally:
            self.running -= 1

    def close(self) -> None:
        self.closes += 1


async def until(event: threading.Event) -> None:
    """Wait for *event*, which a thread sets."""
    assert await to_thread.run_sync(event.wait, SOON)


@BACKENDS
def test_it_gives_the_items_and_ends_for_ever(backend: Backend) -> None:
    async def test() -> None:
        source = Blocking("abc")
        made = ak.aoffloaded(source)
        assert source.opened_by is None
        assert [item async for item in made] == ["a", "b", "c"]
        for _ in range(2):
            with pytest.raises(StopAsyncIteration):
                await anext(made)
        assert source.pulls == 4
        assert source.closes == 0
        assert threading.get_ident() not in {source.opened_by, *source.threads}

    run(test, backend)


@BACKENDS
def test_the_event_loop_goes_on_and_nothing_is_read_ahead(backend: Backend) -> None:
    async def test() -> None:
        source = Blocking("ab", waits_at=1)
        found: list[str] = []

        async def reader() -> None:
            found.extend([item async for item in ak.aoffloaded(source)])

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(reader)
            await until(source.waiting)
            assert source.pulls == 2
            source.go_on.set()
        assert found == ["a", "b"]

        source = Blocking("ab")
        async with aclosing(ak.aoffloaded(source)) as made:
            async for _ in made:
                break
        assert source.pulls == 1
        assert next(source) == "b"  # left open, where it was left
        assert source.closes == 0

    run(test, backend)


@BACKENDS
@pytest.mark.parametrize("error", [ProbeError("x"), KeyboardInterrupt()])
def test_an_error_is_bare_and_ends_it(backend: Backend, error: BaseException) -> None:
    async def test() -> None:
        source = Blocking(["a", error, "b"])
        made = ak.aoffloaded(source)
        assert await anext(made) == "a"
        with pytest.raises(type(error)) as caught:
            await anext(made)
        assert caught.value is error
        assert caught.value.__context__ is None
        with pytest.raises(StopAsyncIteration):
            await anext(made)
        assert source.pulls == 2
        assert source.closes == 0

    run(test, backend)


@BACKENDS
def test_a_source_cannot_end_the_iteration_by_mistake(backend: Backend) -> None:
    async def test() -> None:
        source = Blocking([StopAsyncIteration("mine")])
        with pytest.raises(RuntimeError, match="async generator raised Stop") as caught:
            await anext(ak.aoffloaded(source))
        assert isinstance(caught.value.__cause__, StopAsyncIteration)

    run(test, backend)


@BACKENDS
def test_an_error_at_the_opening_is_raised_by_the_first_request(
    backend: Backend,
) -> None:
    class Unopened:
        def __iter__(self) -> Iterator[int]:
            raise ProbeError

    async def test() -> None:
        made = ak.aoffloaded(Unopened())
        with pytest.raises(ProbeError):
            await anext(made)
        with pytest.raises(StopAsyncIteration):
            await anext(made)

    run(test, backend)


@BACKENDS
def test_a_cancelled_scope_waits_for_the_item_and_gives_it(backend: Backend) -> None:
    async def test() -> None:
        source = Blocking("abc", waits_at=0)
        made = ak.aoffloaded(source)
        found: list[str] = []
        scope = anyio.CancelScope()

        async def reader() -> None:
            with scope:
                async for item in made:
                    found.append(item)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(reader)
            await until(source.waiting)
            scope.cancel()
            source.go_on.set()
        # The next request was cancelled before a thread had begun with it.
        assert found == ["a"]
        assert source.pulls == 1
        assert [item async for item in made] == ["b", "c"]
        assert source.most == 1

    run(test, backend)


@BACKENDS
def test_a_request_that_is_cancelled_while_it_waits_for_its_turn_reads_nothing(
    backend: Backend,
) -> None:
    async def test() -> None:
        limiter = CapacityLimiter(1)
        source = Blocking("ab")
        made = ak.aoffloaded(source, limiter=limiter)
        await limiter.acquire()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anext, made)
            await anyio.wait_all_tasks_blocked()
            assert limiter.statistics().tasks_waiting == 1
            tasks.cancel_scope.cancel()
        limiter.release()
        assert source.pulls == 0
        assert [item async for item in made] == ["a", "b"]

    run(test, backend)


async def cancelled(task: "asyncio.Task[Any]") -> bool:
    """Wait for *task*; return whether it was cancelled."""
    with pytest.raises(asyncio.CancelledError):
        await task
    return task.cancelled()


def test_a_native_cancellation_waits_for_the_item_and_keeps_it() -> None:
    async def test() -> None:
        source = Blocking("abc", waits_at=1)
        made: Any = ak.aoffloaded(source)
        assert await anext(made) == "a"
        task = asyncio.ensure_future(anext(made))
        await until(source.waiting)
        task.cancel()
        await anyio.wait_all_tasks_blocked()
        assert not task.done()  # the thread still uses the source
        source.go_on.set()
        assert await cancelled(task)
        assert source.running == 0
        assert [item async for item in made] == ["b", "c"]
        assert source.pulls == 4

    run(test, "asyncio")


def test_a_second_native_cancellation_ends_the_wait_and_loses_nothing() -> None:
    async def test() -> None:
        source = Blocking("abc", waits_at=0)
        made: Any = ak.aoffloaded(source)
        task = asyncio.ensure_future(anext(made))
        await until(source.waiting)
        for _ in range(2):
            task.cancel()
            await anyio.wait_all_tasks_blocked()
        assert await cancelled(task)
        assert source.running == 1
        reading = asyncio.ensure_future(anext(made))
        await anyio.wait_all_tasks_blocked()
        source.go_on.set()
        assert await reading == "a"
        assert [item async for item in made] == ["b", "c"]
        assert source.most == 1

    run(test, "asyncio")


def test_aclose_waits_for_a_thread_that_was_left_behind() -> None:
    async def test() -> None:
        source = Blocking("abc", waits_at=0)
        made: Any = ak.aoffloaded(source)
        task = asyncio.ensure_future(anext(made))
        await until(source.waiting)
        for _ in range(2):
            task.cancel()
            await anyio.wait_all_tasks_blocked()
        assert await cancelled(task)
        closing = asyncio.ensure_future(made.aclose())
        await anyio.wait_all_tasks_blocked()
        assert not closing.done()
        source.go_on.set()
        await closing
        assert source.running == 0
        with pytest.raises(StopAsyncIteration):
            await anext(made)

    run(test, "asyncio")


def test_a_native_timeout_loses_nothing() -> None:
    async def test() -> None:
        source = Blocking("ab", waits_at=0)
        made = ak.aoffloaded(source)
        deadline = asyncio.timeout(None)

        async def let_it_pass() -> None:
            await until(source.waiting)
            deadline.reschedule(asyncio.get_running_loop().time())
            await anyio.wait_all_tasks_blocked()
            source.go_on.set()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(let_it_pass)
            with pytest.raises(TimeoutError):
                async with deadline:
                    await anext(made)
        assert [item async for item in made] == ["a", "b"]

    run(test, "asyncio")


def test_a_native_cancellation_before_a_thread_has_begun_reads_nothing() -> None:
    async def test() -> None:
        source = Blocking("ab")
        made: Any = ak.aoffloaded(source)
        task = asyncio.ensure_future(anext(made))
        await asyncio.sleep(0)
        task.cancel()
        assert await cancelled(task)
        assert source.pulls == 0
        assert [item async for item in made] == ["a", "b"]

    run(test, "asyncio")


def test_a_reading_that_was_given_up_is_not_begun() -> None:
    """That happens if asyncio cancels between the request and the start of a thread."""
    from aiterkit._sequential.threads import _ThreadedRead  # noqa: PLC0415

    source = Blocking("a")
    reading = _ThreadedRead(source.__next__)
    assert reading.give_up()
    reading.run()
    assert source.pulls == 0

    reading = _ThreadedRead(source.__next__)
    reading.run()
    assert not reading.give_up()
    assert reading.item == "a"


@BACKENDS
def test_one_reader_at_a_time(backend: Backend) -> None:
    async def test() -> None:
        source = Blocking("ab", waits_at=0)
        made: Any = ak.aoffloaded(source)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anext, made)
            await until(source.waiting)
            for request in (
                lambda: anext(made),
                lambda: made.asend(None),
                lambda: made.athrow(ProbeError()),
                made.aclose,
            ):
                with pytest.raises(RuntimeError, match="is already being read"):
                    await request()
            source.go_on.set()
        assert source.pulls == 1

    run(test, backend)


def frames(traceback: TracebackType | None) -> Iterator[TracebackType]:
    while traceback is not None:
        yield traceback
        traceback = traceback.tb_next


@BACKENDS
def test_it_can_be_sent_to_thrown_into_and_closed(backend: Backend) -> None:
    async def test() -> None:
        made: Any = ak.aoffloaded("ab")
        assert aiter(made) is made
        assert await made.asend(None) == "a"
        with pytest.raises(ProbeError, match="mine"):
            await made.athrow(ProbeError("mine"))
        with pytest.raises(StopAsyncIteration):
            await anext(made)

        with pytest.raises(ProbeError, match="mine") as caught:
            await made.athrow(ProbeError, ProbeError("mine"))
        traceback = caught.tb
        with pytest.raises(ProbeError, match=r"^$") as caught:
            await made.athrow(ProbeError, None, traceback)
        assert any(frame.tb_frame is traceback.tb_frame for frame in frames(caught.tb))

        source = Blocking("ab")
        await ak.aoffloaded(source).aclose()
        assert source.opened_by is None

    run(test, backend)


NAME = ContextVar("NAME", default="nobody")


@BACKENDS
def test_the_source_sees_one_context(backend: Backend) -> None:
    def names() -> Iterator[str]:
        yield NAME.get()
        token = NAME.set("the source")
        yield NAME.get()
        NAME.reset(token)
        yield NAME.get()

    async def test() -> None:
        NAME.set("the reader")
        made = ak.aoffloaded(names())
        assert await anext(made) == "the reader"
        NAME.set("changed")
        assert [name async for name in made] == ["the source", "the reader"]
        assert NAME.get() == "changed"

    run(test, backend)


@BACKENDS
def test_the_source_can_call_back_into_the_event_loop(backend: Backend) -> None:
    def times() -> Iterator[float]:
        yield from_thread.run_sync(anyio.current_time)

    async def test() -> None:
        assert await anext(ak.aoffloaded(times())) <= anyio.current_time()

    run(test, backend)


@BACKENDS
def test_a_limiter_bounds_the_threads(backend: Backend) -> None:
    async def test() -> None:
        limiter = CapacityLimiter(1)
        first = Blocking("a", waits_at=0)
        other = Blocking("b")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anext, ak.aoffloaded(first, limiter=limiter))
            await until(first.waiting)
            assert limiter.borrowed_tokens == 1
            tasks.start_soon(anext, ak.aoffloaded(other, limiter=limiter))
            await anyio.wait_all_tasks_blocked()
            assert other.pulls == 0
            first.go_on.set()
        assert other.pulls == 1

    run(test, backend)


def test_an_error_leaves_no_cycle() -> None:
    def fails() -> Iterator[int]:
        yield 1
        raise ProbeError

    async def fail() -> "weakref.ref[BaseException]":
        try:
            assert await ak.acollect(ak.aoffloaded(fails())) == [1]
        except ProbeError as error:
            return weakref.ref(error)
        raise AssertionError

    async def test() -> None:
        gc.collect()
        gc.disable()
        try:
            assert (await fail())() is None
        finally:
            gc.enable()

    run(test, "asyncio")


async def pages() -> AsyncIterator[str]:
    yield "a"


def lines() -> Iterator[str]:
    yield "a"


LOOSE: Any = ak


@pytest.mark.parametrize(
    ("source", "limiter", "message"),
    [
        pytest.param(
            5, None, "source must be a sync iterable, not 'int'", id="a number"
        ),
        pytest.param(
            lines,
            None,
            "source must be a sync iterable; call lines() to get one",
            id="a function",
        ),
        pytest.param(
            pages(),
            None,
            "source must be a sync iterable, not 'async_generator', "
            "which is an async one: use it as it is",
            id="an async source",
        ),
        pytest.param(
            "ab",
            4,
            "limiter must be an anyio.CapacityLimiter, not 4: CapacityLimiter(4)",
            id="a limiter",
        ),
    ],
)
def test_its_arguments_are_checked_at_the_call(
    source: Any, limiter: Any, message: str
) -> None:
    with pytest.raises(TypeError) as caught:
        LOOSE.aoffloaded(source, limiter=limiter)
    assert str(caught.value) == message
