"""Measure the functions of many files on a cluster, as one stage of a pipeline.

For work that outgrows a machine. Files are read here, in threads; each is measured on
the cluster; the results come back in the order of the files. To the pipeline, a call
on the cluster is an async function like any other, so `limit` bounds how many are
there, and the stages before it read no further than that: however many files there
are, only a few are in memory or on their way.

It is a Dask cluster: without an address, one of processes on this machine; with an
address, a real one, whose workers need the same version of Dask and nothing of ours.
Any other executor of `concurrent.futures` will do as well, as `--on` shows.

    python -m pip install ".[cluster]"
    python examples/cluster.py
    python examples/cluster.py --limit 64 --address tcp://scheduler:8786 src
    python examples/cluster.py --on processes --backend trio
"""

import argparse
import ast
import importlib
import os
import platform
import signal
import sys
import time
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context, resource_tracker
from pathlib import Path

import anyio
from anyio.abc import TaskStatus
from rich.console import Console
from rich.progress import Progress

import aiterkit
from aiterkit import Err, Ok, captured, concurrent_map, offloaded

INTERRUPTED = 130  # the exit code of a program that Ctrl-C ended
WORST = 5  # functions to show
BRANCHES = (
    *(ast.If, ast.IfExp, ast.For, ast.AsyncFor, ast.While, ast.comprehension),
    *(ast.ExceptHandler, ast.match_case, ast.BoolOp, ast.Assert),
)


# The work


@dataclass(frozen=True)
class Text:
    """A file, as it was read."""

    file: str
    content: bytes


@dataclass(frozen=True)
class Function:
    """A function, and in how many ways one can go through it, roughly."""

    file: str
    line: int
    name: str
    ways: int


@dataclass(frozen=True)
class Measured:
    """What was found in a file, and by which process."""

    file: str
    functions: list[Function]
    process: tuple[str, int]


def measure(text: Text) -> Measured:
    """Measure the functions of a file. This is what runs on the cluster."""
    try:
        tree = ast.parse(text.content, text.file)
    except SyntaxError as error:  # which would lose its text on the way back
        raise ValueError(str(error)) from None
    functions = [
        Function(
            text.file,
            node.lineno,
            node.name,
            1 + sum(isinstance(part, BRANCHES) for part in ast.walk(node)),
        )
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    return Measured(text.file, functions, (platform.node(), os.getpid()))


# Where it runs


@contextmanager
def open_executor(on: str, address: str | None, workers: int) -> Generator[Executor]:
    """Open what runs the calls. It opens and closes outside the event loop."""
    with ExitStack() as stack:
        if on == "processes":
            pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"))
            with deaf_to_ctrl_c():
                for _ in range(workers):
                    pool.submit(os.getpid)  # which starts a process
            yield stack.enter_context(pool)
        else:
            dask = importlib.import_module("distributed")
            if address is None:
                with deaf_to_ctrl_c():
                    cluster = dask.LocalCluster(
                        n_workers=workers,
                        threads_per_worker=1,
                        dashboard_address=None,
                        # Any free port: on the default, a second cluster warns.
                        scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
                        silence_logs=50,  # failures are reported here
                    )
                    address = stack.enter_context(cluster).scheduler_address
            client = stack.enter_context(dask.Client(address))
            # Or equal calls would be one call, and be cancelled together.
            yield client.get_executor(pure=False)


@contextmanager
def deaf_to_ctrl_c() -> Generator[None]:
    """Start processes that leave Ctrl-C to us, as a terminal sends it to them too.

    They inherit which signals are blocked. A Ctrl-C in the meantime waits for the end.
    """
    if sys.platform == "win32":
        yield
        return
    resource_tracker.ensure_running()  # or it would start later, and unblock Ctrl-C
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


# The pipeline


async def stop_on_ctrl_c(
    scope: anyio.CancelScope, *, task_status: TaskStatus[None]
) -> None:
    """Cancel *scope* on Ctrl-C, which could strike at any line otherwise."""
    try:
        with anyio.open_signal_receiver(signal.SIGINT) as signals:
            task_status.started()
            async for _ in signals:
                scope.cancel()
    except NotImplementedError:  # Windows, where asyncio does so by itself
        task_status.started()


@dataclass
class Tally:
    """Takes in what became of each file, in order."""

    files: list[str] = field(default_factory=list[str])
    functions: list[Function] = field(default_factory=list[Function])
    failures: list[str] = field(default_factory=list[str])
    processes: set[tuple[str, int]] = field(default_factory=set[tuple[str, int]])
    seconds: float | None = None  # unless all were taken in

    def take(self, outcome: Ok[Measured, Text] | Err[Exception, Text]) -> None:
        """Note one more *outcome*."""
        match outcome:
            case Ok(measured):
                self.files.append(measured.file)
                self.functions += measured.functions
                self.processes.add(measured.process)
            case Err(error):
                self.failures.append(f"{outcome.item.file}: {error}")


def read(folder: Path, file: Path) -> Text:
    """Read a *file* of *folder*; this blocks."""
    return Text(str(file.relative_to(folder)), file.read_bytes())


async def run_pipeline(
    executor: Executor, folder: Path, files: Sequence[Path], limit: int, tally: Tally
) -> None:
    """Read the files here, measure them there, and take in the results here."""
    screen = Console(stderr=True)
    bars = Progress(console=screen, transient=True, disable=not screen.is_terminal)
    measured = captured(offloaded(measure, to=executor), ValueError)
    began = time.perf_counter()
    with bars:
        bar = bars.add_task("files", total=len(files))
        async with (
            concurrent_map(offloaded(partial(read, folder)), files, limit=2) as texts,
            concurrent_map(measured, texts, limit=limit) as outcomes,
        ):
            async for outcome in outcomes:
                tally.take(outcome)
                bars.advance(bar)
    tally.seconds = time.perf_counter() - began


async def measure_all(
    executor: Executor, folder: Path, files: Sequence[Path], limit: int
) -> Tally:
    """Measure *files* in *executor*, until all are measured or Ctrl-C is pressed."""
    tally = Tally()
    async with anyio.create_task_group() as group:
        await group.start(stop_on_ctrl_c, group.cancel_scope)
        await run_pipeline(executor, folder, files, limit, tally)
        group.cancel_scope.cancel()
    return tally


def report(tally: Tally, seconds: float) -> Iterator[str]:
    """Tell what was found."""
    yield (
        f"{len(tally.functions)} functions of {len(tally.files)} files, measured by "
        f"{len(tally.processes)} processes in {seconds:.1f} s"
    )
    yield "the most branched of them:"
    worst = sorted(tally.functions, key=lambda function: -function.ways)
    for function in worst[:WORST]:
        place = f"{function.file}:{function.line}"
        yield f"  {function.ways:3} {function.name}, {place}"
    yield from (f"not measured: {failure}" for failure in tally.failures)


# The command


def positive(text: str) -> int:
    """Read a number of which there must be at least one."""
    try:
        number = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a number, not {text!r}") from None
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {number}")
    return number


def read_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description="Measure the functions of many Python files on a cluster, as one "
        "stage of a pipeline. The exit code is 1 if a file could not be measured.",
    )
    parser.add_argument(
        "folder",
        nargs="?",
        type=Path,
        default=Path(aiterkit.__file__).parent,
        metavar="FOLDER",
        help="where the files are (default: the files of this package)",
    )
    parser.add_argument(
        "--on",
        choices=["dask", "processes"],
        default="dask",
        help="what runs the calls (default: %(default)s)",
    )
    parser.add_argument(
        "--address",
        metavar="ADDRESS",
        help="where a scheduler of Dask listens, such as tcp://scheduler:8786; "
        "without it, a cluster is started on this machine",
    )
    parser.add_argument(
        "--workers",
        type=positive,
        default=2,
        metavar="N",
        help="how many workers are started on this machine (default: %(default)s)",
    )
    parser.add_argument(
        "--limit",
        type=positive,
        default=8,
        metavar="N",
        help="how many calls are on the cluster at a time, at most; enough to keep "
        "its workers busy while others travel (default: %(default)s)",
    )
    parser.add_argument(
        "--backend",
        choices=["asyncio", "trio"],
        default="asyncio",
        help="what to run on (default: %(default)s)",
    )
    return parser.parse_args()


def run(arguments: argparse.Namespace) -> int:
    """Measure, and print what was found."""
    files = sorted(arguments.folder.rglob("*.py"))
    where = arguments.address or f"{arguments.workers} workers ({arguments.on})"
    print(f"{len(files)} files, at most {arguments.limit} at a time on {where}")
    options = arguments.folder, files, arguments.limit
    with open_executor(arguments.on, arguments.address, arguments.workers) as executor:
        tally = anyio.run(measure_all, executor, *options, backend=arguments.backend)
    if tally.seconds is None:
        raise KeyboardInterrupt
    print(*report(tally, tally.seconds), sep="\n")
    return 1 if tally.failures else 0


def main() -> int:
    """Run the command; return its exit code."""
    code = INTERRUPTED
    try:
        code = run(read_arguments())
    except* KeyboardInterrupt:  # in a group, if it came very early
        print("interrupted", file=sys.stderr)
    except* ModuleNotFoundError:
        print(
            'this example needs Dask: python -m pip install ".[cluster]"; '
            "or try --on processes",
            file=sys.stderr,
        )
        code = 1
    except* BrokenPipeError:  # as with `| head`, which has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except* OSError as group:  # the cluster could not be reached
        print(*group.exceptions, sep="\n", file=sys.stderr)
        code = 1
    return code


if __name__ == "__main__":
    sys.exit(main())
