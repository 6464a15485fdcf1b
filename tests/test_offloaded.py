"""What `offloaded` makes of a function.

Threads and processes live on real time, so these tests start event loops of
their own. What they wait for is an event, never a time.
"""

import math
import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextvars import ContextVar
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeAlias

import anyio
import pytest
from anyio import CapacityLimiter, from_thread
from anyio.lowlevel import checkpoint

import aiterkit as ak
from aiterkit import Err, Ok, captured, offloaded, paced, timed
from aiterkit._calls import offload

Backend: TypeAlias = Literal["asyncio", "trio"]

BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])
NEEDS_INTERPRETERS = pytest.mark.skipif(
    sys.version_info < (3, 13), reason="needs Python 3.13"
)
SOON = 30  # seconds, after which a test that is stuck fails


def run(test: Callable[[], Awaitable[None]], backend: Backend) -> None:
    async def main() -> None:
        with anyio.fail_after(SOON):
            await test()

    anyio.run(main, backend=backend)


def ratio(number: float, *, by: float) -> float:
    return number / by


def inverse(number: float) -> float:
    return 1 / number


unknown: Any = "unknown"


class Meeting:
    """A blocking function that returns when so many of its calls are there."""

    def __init__(self, parties: int) -> None:
        self.barrier = threading.Barrier(parties, timeout=SOON)
        self.lock = threading.Lock()
        self.running = 0
        self.max_overlap = 0

    def __call__(self, item: str) -> str:
        with self.lock:
            self.running += 1
            self.max_overlap = max(self.max_overlap, self.running)
        self.barrier.wait()
        with self.lock:
            self.running -= 1
        return item.upper()


@BACKENDS
class TestThread:
    def test_is_another_than_that_of_the_event_loop(self, backend: Backend) -> None:
        async def test() -> None:
            assert await offloaded(threading.get_ident)() != threading.get_ident()

        run(test, backend)

    def test_takes_arguments_of_both_kinds(self, backend: Backend) -> None:
        async def test() -> None:
            assert await offloaded(ratio)(3, by=4) == 0.75
            assert await offloaded(partial(ratio, by=2))(3) == 1.5

        run(test, backend)

    def test_sees_the_context_of_the_call_and_changes_it_not(
        self, backend: Backend
    ) -> None:
        number = ContextVar("number", default=0)

        def add() -> int:
            number.set(number.get() + 1)
            return number.get()

        async def test() -> None:
            number.set(1)
            assert await offloaded(add)() == 2
            assert await ak.concurrent_collect(
                lambda _: offloaded(add)(), "ab", limit=2
            ) == [2, 2]
            assert number.get() == 1

        run(test, backend)

    def test_raises_what_the_function_raises(self, backend: Backend) -> None:
        async def test() -> None:
            with pytest.raises(ZeroDivisionError):
                await offloaded(ratio)(1, by=0)

        run(test, backend)

    def test_lets_calls_overlap(self, backend: Backend) -> None:
        meeting = Meeting(3)

        async def test() -> None:
            pages = await ak.concurrent_collect(offloaded(meeting), "abcdef", limit=3)
            assert pages == [*"ABCDEF"]

        run(test, backend)

    def test_works_one_at_a_time(self, backend: Backend) -> None:
        async def test() -> None:
            call = offloaded(Meeting(1))
            assert [page async for page in ak.amap(call, "ab")] == ["A", "B"]

        run(test, backend)

    def test_obeys_a_limiter_that_others_have_too(self, backend: Backend) -> None:
        meeting = Meeting(2)

        async def test() -> None:
            limiter = CapacityLimiter(2)
            borrowed: list[float] = []

            def work(item: str) -> None:
                borrowed.append(limiter.borrowed_tokens)
                meeting(item)

            async with anyio.create_task_group() as tasks:
                for items in ("abcd", "efgh"):
                    call = offloaded(work, limiter=limiter)
                    collect = partial(ak.concurrent_collect, call, items, limit=4)
                    tasks.start_soon(collect)
            assert len(borrowed) == 8
            assert set(borrowed) <= {1, 2}
            assert limiter.borrowed_tokens == 0

        run(test, backend)
        assert meeting.max_overlap == 2

    def test_is_waited_for_when_the_call_is_cancelled(self, backend: Backend) -> None:
        release = threading.Event()

        def work(started: Callable[[], object]) -> str:
            from_thread.run_sync(started)
            release.wait(SOON)
            return "done"

        async def test() -> None:
            started = anyio.Event()
            returned: list[str] = []
            scope = anyio.CancelScope()

            async def call() -> None:
                with scope:
                    returned.append(await offloaded(work)(started.set))
                    await checkpoint()
                    pytest.fail("the cancellation was lost")

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(call)
                await started.wait()
                scope.cancel()
                for _ in range(20):
                    await checkpoint()
                assert returned == []
                release.set()
            assert returned == ["done"]
            assert scope.cancelled_caught

        run(test, backend)

    def test_is_not_cut_short_by_a_timeout(self, backend: Backend) -> None:
        async def test() -> None:
            begin = time.monotonic()
            await timed(offloaded(time.sleep), 0.01)(0.05)
            assert time.monotonic() - begin > 0.04

        run(test, backend)

    def test_does_not_await_what_only_looked_sync(self, backend: Backend) -> None:
        async def fetch() -> None: ...

        async def test() -> None:
            look_sync: Callable[[], object] = lambda: fetch()  # noqa: E731, PLW0108
            with pytest.raises(TypeError) as caught:
                await offloaded(look_sync)()
            assert str(caught.value) == (
                "offloaded() takes a sync function, and <lambda> is async: "
                "use it as it is"
            )

        run(test, backend)

    def test_composes_in_any_order(self, backend: Backend) -> None:
        async def test() -> None:
            call = captured(
                paced(timed(offloaded(inverse), SOON), per_second=1e6, burst=9)
            )
            outcomes = await ak.concurrent_collect(call, [1, 0], limit=2)
            assert outcomes[0] == Ok(1)
            match outcomes[1]:
                case Err(ZeroDivisionError(), [0]):
                    pass
                case other:
                    pytest.fail(f"{other} is another outcome")

        run(test, backend)


@BACKENDS
class TestProcess:
    def test_is_another_one(self, backend: Backend) -> None:
        async def test() -> None:
            assert await offloaded(os.getpid, to="process")() != os.getpid()

        run(test, backend)

    def test_takes_arguments_and_raises(self, backend: Backend) -> None:
        async def test() -> None:
            call = offloaded(int.from_bytes, to="process", limiter=CapacityLimiter(1))
            assert await call(b"ab", byteorder="little") == 0x6261
            with pytest.raises(ValueError, match="byteorder must be"):
                await call(b"ab", byteorder=unknown)
            numbers = await ak.concurrent_collect(call, [b"1", b"2"], limit=2)
            assert numbers == [0x31, 0x32]

        run(test, backend)

    def test_says_what_cannot_be_pickled(self, backend: Backend) -> None:
        async def test() -> None:
            call = offloaded(lambda: None, to="process")
            with pytest.raises(pickle.PicklingError) as caught:
                await call()
            assert str(caught.value).startswith(
                "<lambda>() was not called, because it or one of its arguments cannot "
                "be pickled (Can't"
            )
            assert "Define the function at the top level of a module" in str(
                caught.value
            )

        run(test, backend)

    @pytest.mark.parametrize("kind", ["TypeError", "AttributeError"])
    def test_raises_what_only_looks_as_if_it_could_not_be_pickled(
        self, kind: str, backend: Backend
    ) -> None:
        async def test() -> None:
            call = offloaded(exec, to="process")
            for text in ("cannot pickle it", "no pie"):
                with pytest.raises(Exception, match=f"^{text}$") as caught:
                    await call(f"raise {kind}({text!r})", {})
                assert type(caught.value).__name__ == kind

        run(test, backend)

    def test_says_which_call_a_dead_process_has_not_ended(
        self, backend: Backend
    ) -> None:
        async def test() -> None:
            with pytest.raises(anyio.BrokenWorkerProcess) as caught:
                await offloaded(os._exit, to="process")(3)
            assert str(caught.value) == (
                "_exit() has no result, because its worker process ended in the middle "
                "of the call. Other calls are not affected, and the next one starts a "
                "new process"
            )
            assert await offloaded(math.isqrt, to="process")(4) == 2

        run(test, backend)

    @pytest.mark.skipif(sys.platform == "win32", reason="asks for a process by signal")
    def test_is_killed_when_the_call_is_cancelled(self, backend: Backend) -> None:
        async def test() -> None:
            # One process at a time, so it is the one that will sleep.
            limiter = CapacityLimiter(1)
            number = await offloaded(os.getpid, to="process", limiter=limiter)()
            os.kill(number, 0)
            sleep = offloaded(time.sleep, to="process", limiter=limiter)
            with pytest.raises(TimeoutError):
                await timed(sleep, 0.01)(10 * SOON)
            with pytest.raises(ProcessLookupError):
                os.kill(number, 0)
            assert limiter.borrowed_tokens == 0
            another = await offloaded(os.getpid, to="process", limiter=limiter)()
            assert another != number

        run(test, backend)


GUARDED = """
import math, anyio
import aiterkit.testing
from aiterkit import offloaded

async def main():
    print(await offloaded(math.factorial, to="process")(5))

if __name__ == "__main__":
    anyio.run(main, backend={backend!r})
"""


@BACKENDS
class TestMainModule:
    """A worker process imports the main module of the program."""

    def run_program(self, text: str, folder: Path) -> subprocess.CompletedProcess[str]:
        program = folder / "program.py"
        program.write_text(text)
        return subprocess.run(
            [sys.executable, str(program)],
            capture_output=True,
            check=False,
            text=True,
            timeout=SOON,
        )

    def test_may_import_everything(self, tmp_path: Path, backend: Backend) -> None:
        done = self.run_program(GUARDED.format(backend=backend), tmp_path)
        assert "Error" not in done.stderr
        assert done.stdout == "120\n"

    def test_must_not_start_the_program_again(
        self, tmp_path: Path, backend: Backend
    ) -> None:
        text = GUARDED.format(backend=backend).replace('__name__ == "__main__"', "1")
        done = self.run_program(text, tmp_path)
        assert done.returncode == 1
        assert done.stderr.splitlines()[-1] == (
            "anyio.BrokenWorkerProcess: factorial() was not called, because its worker "
            "process could not import the main module (a worker process imports the "
            "main module, and that must not start the program again: start the program "
            'under if __name__ == "__main__":)'
        )

    def test_must_be_importable(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, backend: Backend
    ) -> None:
        program = tmp_path / "program.py"
        program.write_text("raise OSError('there is no such licence')")
        main = sys.modules["__main__"]
        monkeypatch.setattr(main, "__file__", str(program), raising=False)

        async def test() -> None:
            with pytest.raises(anyio.BrokenWorkerProcess) as caught:
                await offloaded(math.isqrt, to="process")(4)
            assert str(caught.value) == (
                "isqrt() was not called, because its worker process could not import "
                "the main module (there is no such licence)"
            )

        run(test, backend)

    def test_is_imported_by_a_worker_without_the_program(
        self, monkeypatch: pytest.MonkeyPatch, backend: Backend
    ) -> None:
        async def test() -> None:
            monkeypatch.delitem(sys.modules, "__main__")
            with pytest.raises(RuntimeError, match=r"^a worker process imports the ma"):
                await offloaded(math.isqrt, to="process")(4)

        run(test, backend)


@NEEDS_INTERPRETERS
@BACKENDS
class TestInterpreter:
    def test_is_in_this_process(self, backend: Backend) -> None:
        async def test() -> None:
            assert await offloaded(os.getpid, to="interpreter")() == os.getpid()

        run(test, backend)

    def test_takes_arguments_and_raises(self, backend: Backend) -> None:
        async def test() -> None:
            call = offloaded(
                int.from_bytes, to="interpreter", limiter=CapacityLimiter(1)
            )
            assert await call(b"ab", byteorder="little") == 0x6261
            with pytest.raises(ValueError, match="byteorder must be"):
                await call(b"ab", byteorder=unknown)
            roots = offloaded(math.isqrt, to="interpreter")
            assert await ak.concurrent_collect(roots, [4, 9], limit=2) == [2, 3]

        run(test, backend)


class TestMistakes:
    def test_an_old_python_has_no_interpreters(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Version(tuple[int, ...]):
            __slots__ = ()
            major, minor = 3, 12

        monkeypatch.setattr(offload, "version_info", Version([3, 12]))
        with pytest.raises(RuntimeError) as caught:
            offloaded(int, to="interpreter")
        assert str(caught.value) == (
            "to='interpreter' needs Python 3.13 or newer, and this is 3.12"
        )
        offloaded(int, to="process")

    def test_a_newer_python_has_interpreters(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(offload, "version_info", (3, 13))
        assert offloaded(int, to="interpreter").__name__ == "int"

    def test_a_number_as_limiter(self) -> None:
        four: Any = 4
        with pytest.raises(TypeError) as caught:
            offloaded(int, limiter=four)
        assert str(caught.value) == (
            "limiter must be an anyio.CapacityLimiter, not 4: CapacityLimiter(4)"
        )

    def test_options_by_place(self) -> None:
        call: Any = offloaded
        with pytest.raises(TypeError) as caught:
            call(int, "process")
        assert str(caught.value) == (
            "offloaded() takes a function, and options by their names: "
            "offloaded(func, to='process')"
        )

    @pytest.mark.parametrize(
        "form", ["function", "partial", "method", "object", "generator"]
    )
    def test_an_async_function(self, form: str) -> None:
        class Fetch:
            async def __call__(self) -> None: ...

            async def get(self) -> None: ...

        async def fetch() -> None: ...

        async def pages() -> AsyncGenerator[None]:
            yield

        forms: dict[str, tuple[Callable[..., object], str]] = {
            "function": (fetch, "fetch"),
            "partial": (partial(fetch), "fetch"),
            "method": (Fetch().get, "get"),
            "object": (partial(Fetch()), "Fetch"),
            "generator": (pages, "pages"),
        }
        func, name = forms[form]
        with pytest.raises(TypeError) as caught:
            offloaded(func)
        assert str(caught.value) == (
            f"offloaded() takes a sync function, and {name} is async: use it as it is"
        )
