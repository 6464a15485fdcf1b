"""Does `examples/cluster.py` do its job, as a person would run it?

Dask is not needed for anything else, so it is not among what the tests need. `nox -s
example` brings it, and runs these.
"""

import importlib.util
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Semaphore, Thread
from typing import IO

import pytest

from .programs import EXAMPLES, assert_left_cleanly, backends, interrupt, run

EXAMPLE = EXAMPLES / "cluster.py"
DASK_PORT = 8787  # the default port of a Dask scheduler's HTTP server
with_dask = pytest.mark.skipif(
    importlib.util.find_spec("distributed") is None,
    reason='Dask is not here: python -m pip install ".[cluster]"',
)

# A scheduler without workers, which tells how many calls have reached it, and how
# many are left a while later. When it reads a line, it gets a worker.
SCHEDULER = """
import asyncio, sys
from distributed import Scheduler, Worker

async def main(least):
    here = {"host": "127.0.0.1", "dashboard": False, "dashboard_address": "127.0.0.1:0"}
    async with Scheduler(port=0, **here) as scheduler:
        print(scheduler.address, flush=True)
        while len(scheduler.tasks) < least:
            await asyncio.sleep(0.02)
        await asyncio.sleep(0.3)  # for one too many to show itself, if there is one
        print(len(scheduler.tasks), flush=True)
        line = await asyncio.to_thread(sys.stdin.readline)
        if line == "work\\n":
            async with Worker(scheduler.address, nthreads=1, **here):
                await asyncio.to_thread(sys.stdin.readline)
        while scheduler.tasks:
            await asyncio.sleep(0.02)
        print("empty", flush=True)

asyncio.run(main(int(sys.argv[1])))
"""


@contextmanager
def scheduler(least: int) -> Generator[tuple[str, IO[str], IO[str]]]:
    """Run it; give its address, its input and its output."""
    process = subprocess.Popen(
        [sys.executable, "-c", SCHEDULER, str(least)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process.stdin as ear, process.stdout as mouth:
        try:
            yield mouth.readline().strip(), ear, mouth
        finally:
            process.kill()
            process.wait()


def without_noise(errors: str) -> str:
    """Leave out what Dask lets asyncio say if it is closed while it waits to send."""
    return errors.replace(
        "Future exception was never retrieved\n"
        "future: <Future finished exception=TimeoutError('Timeout')>\n"
        "TimeoutError: Timeout\n",
        "",
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve files, each with a function of so many ways as its number."""
    place = tmp_path / "code"
    place.mkdir()
    for number in range(1, 13):
        ifs = "    if x: pass\n" * (number - 1)
        text = f"def f{number}(x):\n{ifs}    return x\n"
        (place / f"file{number:02}.py").write_text(text)
    return place


@backends
@pytest.mark.parametrize("on", [pytest.param("dask", marks=with_dask), "processes"])
def test_without_an_address_it_starts_workers(
    folder: Path, on: str, backend: str
) -> None:
    (folder / "file07.py").write_text("def f7(:\n")
    options = ["--on", on, "--backend", backend, "--workers", "2", "--limit", "4"]
    done = run(EXAMPLE, *options, str(folder))

    assert without_noise(done.stderr) == ""
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[0] == f"12 files, at most 4 at a time on 2 workers ({on})"
    assert re.fullmatch(
        r"11 functions of 11 files, measured by [12] processes in \d+\.\d s",
        lines[1],
    )
    assert lines[2:8] == [
        "the most branched of them:",
        "   12 f12, file12.py:1",
        "   11 f11, file11.py:1",
        "   10 f10, file10.py:1",
        "    9 f9, file09.py:1",
        "    8 f8, file08.py:1",
    ]
    assert re.fullmatch(r"not measured: file07.py: .*\(file07.py, line 1\)", lines[8])


@with_dask
def test_another_cluster_may_be_on_this_machine(folder: Path) -> None:
    with ExitStack() as stack:
        with suppress(OSError):  # the port is in use already, which is just as good
            stack.enter_context(socket.create_server(("127.0.0.1", DASK_PORT)))
        done = run(EXAMPLE, str(folder))

    assert without_noise(done.stderr) == ""
    assert done.returncode == 0


@with_dask
def test_the_limit_is_what_the_cluster_gets_and_all_of_it(folder: Path) -> None:
    def get_to_work(ear: IO[str], mouth: IO[str], said: list[str]) -> None:
        said.append(mouth.readline())
        print("work", file=ear, flush=True)

    said: list[str] = []
    with scheduler(least=5) as (address, ear, mouth):
        thread = Thread(target=get_to_work, args=[ear, mouth, said])
        thread.start()
        done = run(EXAMPLE, "--limit", "5", "--address", address, str(folder))
        thread.join()

    assert said == ["5\n"]
    assert without_noise(done.stderr) == ""
    assert done.returncode == 0
    assert done.stdout.startswith(
        f"12 files, at most 5 at a time on {address}\n"
        "12 functions of 12 files, measured by 1 processes in"
    )


@with_dask
def test_ctrl_c_leaves_cleanly_and_the_cluster_forgets_the_calls(
    folder: Path,
) -> None:
    when = Semaphore(0)
    said: list[str] = []

    def listen(mouth: IO[str]) -> None:
        said.append(mouth.readline())
        when.release()

    with scheduler(least=3) as (address, ear, mouth):
        thread = Thread(target=listen, args=[mouth])
        thread.start()
        options = ["--limit", "3", "--address", address, str(folder)]
        left = interrupt(EXAMPLE, *options, when=when)
        thread.join()
        print("rest", file=ear, flush=True)
        end = mouth.readline()

    assert said == ["3\n"]
    assert end == "empty\n"
    code, shown = left
    assert_left_cleanly(code, without_noise(shown.replace("\r\n", "\n")))


@backends
@pytest.mark.parametrize("on", [pytest.param("dask", marks=with_dask), "processes"])
def test_ctrl_c_ends_workers_of_its_own_cleanly(
    folder: Path, on: str, backend: str
) -> None:
    for number in range(2000):  # more than can be done before
        (folder / f"{number}.py").touch()

    options = ["--on", on, "--backend", backend, "--limit", "1", "--workers", "1"]
    code, shown = interrupt(EXAMPLE, *options, str(folder))

    assert_left_cleanly(code, without_noise(shown.replace("\r\n", "\n")))


def replace_dask(text: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "distributed.py").write_text(text)
    path = [str(folder), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path))


EARLY = """
import os, signal

class LocalCluster:
    scheduler_address = "tcp://nowhere"
    def __init__(self, **options):
        os.kill(os.getpid(), signal.SIGINT)
        print("started")
    def __enter__(self):
        return self
    def __exit__(self, *error):
        print("closed")

class Client:
    def __init__(self, address):
        print("went on")
"""


def test_ctrl_c_while_the_cluster_starts_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace_dask(EARLY, tmp_path, monkeypatch)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        done = run(EXAMPLE)
    finally:
        signal.signal(signal.SIGINT, before)

    assert done.stdout.splitlines()[1:] == ["started", "closed"]
    assert done.stderr == "interrupted\n"
    assert done.returncode == 130


def test_a_cluster_that_is_not_there_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = "def Client(address): raise OSError(f'nobody listens at {address}')"
    replace_dask(text, tmp_path, monkeypatch)
    done = run(EXAMPLE, "--address", "tcp://nowhere")

    assert done.stderr == "nobody listens at tcp://nowhere\n"
    assert done.returncode == 1


@pytest.fixture
def _no_dask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replace_dask("raise ModuleNotFoundError", tmp_path, monkeypatch)


@pytest.mark.usefixtures("_no_dask")
def test_without_dask_it_says_what_to_install() -> None:
    done = run(EXAMPLE)

    assert done.returncode == 1
    assert done.stderr == (
        'this example needs Dask: python -m pip install ".[cluster]"; '
        "or try --on processes\n"
    )


@pytest.mark.usefixtures("_no_dask")
def test_help_needs_no_dask() -> None:
    done = run(EXAMPLE, "--help")

    assert done.returncode == 0
    assert "--address ADDRESS" in done.stdout


def test_what_is_no_number_is_refused() -> None:
    done = run(EXAMPLE, "--limit", "many")

    assert done.returncode == 2
    assert "argument --limit: must be a number, not 'many'" in done.stderr
