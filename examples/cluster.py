"""Measure the functions of many files on a Dask cluster, as one stage of a pipeline.

For work that outgrows a machine. Files are read here, in threads; each is measured on
the cluster; the results come back in the order of the files. To the pipeline, a call
on the cluster is an async function like any other, so `limit` bounds how many
are there, and the stages before it read no further than that lets them: however many
files there are, no more than a few are in memory, or on their way.

Without an address, it starts a cluster on this machine. With one, the same code runs on
a real cluster, which needs Dask in the same version, and nothing of ours.

    python -m pip install ".[cluster]"
    python examples/cluster.py
    python examples/cluster.py --limit 64 --address tcp://scheduler:8786 src

Dask's client runs on asyncio only, and so does this.
"""

import argparse
import ast
import logging
import os
import platform
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Generator, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import anyio
from rich.console import Console
from rich.progress import Progress

import aiterkit
from aiterkit import Err, Ok, captured, concurrent_map, offloaded

try:
    from distributed import (  # pyright: ignore[reportMissingModuleSource]  # not needed to check types
        Client,
        LocalCluster,
    )
except ModuleNotFoundError:
    sys.exit('this example needs Dask: python -m pip install ".[cluster]"')

P = ParamSpec("P")
R = TypeVar("R")

INTERRUPTED = 130  # what a shell says of a program that Ctrl-C ended
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


# A call, changed


def on_cluster(
    client: Client, func: Callable[P, R]
) -> Callable[P, Coroutine[Any, Any, R]]:
    """Return a blocking *func* as an async one, which runs it on a cluster."""

    async def call(*args: P.args, **options: P.kwargs) -> R:
        future = client.submit(func, *args, pure=False, **options)
        try:
            return await future
        finally:
            # The cluster forgets it, also if it waits there for a worker still.
            future.release()

    return call


# The pipeline


async def stop_on_ctrl_c(scope: anyio.CancelScope) -> None:
    """Cancel *scope* on Ctrl-C, which else could strike at any line."""
    with (
        suppress(NotImplementedError),  # Windows, where asyncio does so by itself
        anyio.open_signal_receiver(signal.SIGINT) as signals,
    ):
        async for _ in signals:
            scope.cancel()


@contextmanager
def deaf_to_ctrl_c() -> Generator[None]:
    """Start processes that leave Ctrl-C to us, as a terminal sends it to them too.

    What is ignored when they start stays ignored there.
    """
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class Tally:
    """Takes in what became of each file, in order."""

    def __init__(self) -> None:
        self.files: list[str] = []
        self.functions: list[Function] = []
        self.failures: list[str] = []
        self.processes: set[tuple[str, int]] = set()
        self.seconds: float | None = None  # unless all were taken in

    def take(self, outcome: Ok[Measured] | Err[Exception]) -> None:
        """Note one more *outcome*."""
        match outcome:
            case Ok(measured):
                self.files.append(measured.file)
                self.functions += measured.functions
                self.processes.add(measured.process)
            case Err(error, [Text(file)]):
                self.failures.append(f"{file}: {error}")
            case _:
                raise TypeError(f"no outcome of a measurement: {outcome}")


def read(folder: Path, file: Path) -> Text:
    """Read a *file* of *folder*; this blocks."""
    return Text(str(file.relative_to(folder)), file.read_bytes())


async def run_pipeline(
    client: Client, folder: Path, files: Sequence[Path], limit: int, tally: Tally
) -> None:
    """Read the files here, measure them there, and take in the results here."""
    screen = Console(stderr=True)
    bars = Progress(console=screen, transient=True, disable=not screen.is_terminal)
    began = time.perf_counter()
    with bars:
        bar = bars.add_task("files", total=len(files))
        async with (
            concurrent_map(offloaded(partial(read, folder)), files, limit=2) as texts,
            concurrent_map(
                captured(on_cluster(client, measure), ValueError),
                texts,
                limit=limit,
            ) as outcomes,
        ):
            async for outcome in outcomes:
                tally.take(outcome)
                bars.advance(bar)
    tally.seconds = time.perf_counter() - began


async def measure_all(
    folder: Path,
    files: Sequence[Path],
    *,
    address: str | None,
    workers: int,
    limit: int,
) -> Tally:
    """Measure *files* on the cluster at *address*, or on one of our own."""
    tally = Tally()
    async with AsyncExitStack() as stack:
        cluster: LocalCluster | str | None = address
        if cluster is None:
            with deaf_to_ctrl_c():
                cluster = await stack.enter_async_context(
                    LocalCluster(
                        n_workers=workers,
                        threads_per_worker=1,
                        dashboard_address=None,
                        silence_logs=logging.CRITICAL,  # failures are reported here
                        asynchronous=True,
                    )
                )
        client = Client(cluster, asynchronous=True)
        await stack.enter_async_context(client)
        # Inside of the cluster, which takes its time to end also after Ctrl-C.
        async with anyio.create_task_group() as group:
            group.start_soon(stop_on_ctrl_c, group.cancel_scope)
            await run_pipeline(client, folder, files, limit, tally)
            group.cancel_scope.cancel()
    return tally


def report(tally: Tally, seconds: float) -> Iterator[str]:
    """Tell what was found."""
    yield (
        f"{len(tally.functions)} functions of {len(tally.files)} files, measured by "
        f"{len(tally.processes)} processes of the cluster in {seconds:.1f} s"
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
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {number}")
    return number


def read_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description="Measure the functions of many Python files on a Dask cluster, as "
        "one stage of a pipeline. The exit code is 1 if a file could not be measured.",
    )
    parser.add_argument(
        "folder",
        nargs="?",
        type=Path,
        default=Path(aiterkit.__file__).parent,
        metavar="FOLDER",
        help="where the files are; without it, those of this package",
    )
    parser.add_argument(
        "--address",
        metavar="ADDRESS",
        help="where a scheduler of Dask's listens, such as tcp://scheduler:8786; "
        "without it, a cluster is started on this machine",
    )
    parser.add_argument(
        "--workers",
        type=positive,
        default=2,
        metavar="N",
        help="how many processes a cluster of our own has (default: %(default)s)",
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
        help="what to run on; Dask's client knows asyncio only",
    )
    arguments = parser.parse_args()
    if arguments.backend != "asyncio":
        parser.error("--backend: Dask's client runs on asyncio only, not on trio")
    return arguments


def run(arguments: argparse.Namespace) -> int:
    """Measure, and print what was found."""
    files = sorted(arguments.folder.rglob("*.py"))
    where = arguments.address or f"a cluster of {arguments.workers} processes"
    print(f"{len(files)} files, at most {arguments.limit} at a time on {where}")
    try:
        tally = anyio.run(
            partial(
                measure_all,
                arguments.folder,
                files,
                address=arguments.address,
                workers=arguments.workers,
                limit=arguments.limit,
            )
        )
    except OSError as error:  # the cluster could not be reached
        print(error, file=sys.stderr)
        return 1
    if tally.seconds is None:
        raise KeyboardInterrupt
    print(*report(tally, tally.seconds), sep="\n")
    return 1 if tally.failures else 0


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
