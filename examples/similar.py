"""Find the files that are most alike, and compute in processes while files are read.

A pipeline of three stages. Files are read in threads, by `offloaded`, since reading
blocks. Each is summed up by 128 numbers, a MinHash: pure Python that keeps a processor
busy, and so runs in processes, by `offloaded(..., to="process")`, one for each
processor. The summaries come back in the order of the files, and are compared here.
`limit` bounds each stage, so no more than a few files are in memory, however many
there are; and the event loop stays free for other tasks, which is measured.

    python examples/similar.py
    python examples/similar.py --limit 4 --backend trio src
    python examples/similar.py --to thread

With `--to thread` the same work takes as long as on one processor, since threads share
Python's lock. After Ctrl-C, it shows the most similar of the files that were summed up.
"""

from _plumbing import command
from _plumbing.processes import start_processes

import argparse
import os
import re
import sys
import time
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from heapq import nlargest
from itertools import combinations
from pathlib import Path
from random import Random

import anyio

import aiterkit
from aiterkit import concurrent_map, offloaded

PRIME = (1 << 61) - 1
SHOWN = 5  # pairs
WORDS = 4  # of a text are hashed together
_random = Random(20)  # noqa: S311  # the same numbers in each process
HASHES = [(_random.randrange(1, PRIME), _random.randrange(PRIME)) for _ in range(128)]
Summary = tuple[str, list[int], float]


def read(folder: Path, file: Path) -> tuple[str, str]:
    """Return the name and the text of a file. This blocks: it runs in a thread."""
    return str(file.relative_to(folder)), file.read_text(errors="replace")


def sum_up(named: tuple[str, str]) -> Summary:
    """Return a summary of a text, and the seconds it took. It runs in a process.

    What goes there and comes back is pickled, so these are plain values, and the
    function has a name in this file, where the process finds it.
    """
    began = time.thread_time()
    name, text = named
    words = re.findall(r"\w+", text)
    parts = {
        zlib.crc32(" ".join(words[first : first + WORDS]).encode())
        for first in range(max(len(words) - WORDS + 1, 1))
    }
    summary = [min((a * part + b) % PRIME for part in parts) for a, b in HASHES]
    return name, summary, time.thread_time() - began


def likeness(one: Summary, other: Summary) -> float:
    """Return what part of two texts is the same, roughly: from 0 to 1."""
    same = sum(a == b for a, b in zip(one[1], other[1], strict=True))
    return same / len(one[1])


@dataclass
class Seen:
    """The summaries, and how long the event loop was held up at most, in seconds."""

    summaries: list[Summary] = field(default_factory=list[Summary])
    pause: float = 0
    seconds: float = 0


async def watch_loop(seen: Seen) -> None:
    """Be one of the other tasks: wake up often, and note how late that is."""
    while True:
        due = time.perf_counter() + 0.005
        await anyio.sleep(0.005)
        seen.pause = max(seen.pause, time.perf_counter() - due)


async def run_pipeline(
    folder: Path, files: Sequence[Path], seen: Seen, options: argparse.Namespace
) -> None:
    """Read *files*, sum them up, and take in the summaries."""
    processes = anyio.CapacityLimiter(options.limit)
    compute = offloaded(sum_up)
    if options.to == "process":
        await start_processes(processes)
        compute = offloaded(sum_up, to="process", limiter=processes)
    began = time.perf_counter()
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(watch_loop, seen)
            with command.progress() as bars:
                bar = bars.add_task("files", total=len(files))
                async with (
                    concurrent_map(
                        offloaded(partial(read, folder)), files, limit=options.limit
                    ) as texts,
                    concurrent_map(compute, texts, limit=options.limit) as summaries,
                ):
                    async for summary in summaries:
                        seen.summaries.append(summary)
                        bars.advance(bar)
            group.cancel_scope.cancel()
    finally:
        seen.seconds = time.perf_counter() - began


def report(seen: Seen, options: argparse.Namespace) -> Iterator[str]:
    """Show the most similar pairs, and say what was gained by the processes."""
    pairs = combinations(seen.summaries, 2)
    for one, other in nlargest(SHOWN, pairs, key=lambda pair: likeness(*pair)):
        yield f"{likeness(one, other):4.0%} alike: {one[0]} and {other[0]}"
    plural = "processes" if options.to == "process" else "threads"
    workers = command.counted(options.limit, options.to, plural)
    files = command.counted(len(seen.summaries), "file")
    computed = sum(seconds for *_, seconds in seen.summaries)
    late = f"{1000 * seen.pause:.0f} ms late"
    yield (
        f"{files} in {seen.seconds:.1f} s: {workers} computed for {computed:.1f} s, "
        f"and the event loop was never more than {late}"
    )


def read_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = command.new_parser(
        "Find the Python files of a folder that are most alike, and compute in "
        "processes while files are read. The exit code is 1 if there are no files.",
        limit=os.cpu_count() or 2,
        what="files are read, and as many summed up,",
    )
    parser.add_argument(
        "--to",
        choices=["process", "thread"],
        default="process",
        help="where to compute (default: %(default)s)",
    )
    parser.add_argument(
        "folder",
        nargs="?",
        type=Path,
        default=Path(aiterkit.__file__).parent,
        metavar="FOLDER",
        help="where the files are (default: the files of this package)",
    )
    return parser.parse_args()


def main() -> int:
    """Compare the files, and print what is alike."""
    options = read_arguments()
    folder: Path = options.folder
    files = sorted(folder.rglob("*.py"))
    if not files:
        print(f"there are no Python files in {str(folder)!r}", file=sys.stderr)
        return 1
    print(f"{command.counted(len(files), 'file')}, on {options.backend}", flush=True)
    seen = Seen()
    command.run_async(
        run_pipeline, folder, files, seen, options, backend=options.backend
    )
    print(*report(seen, options), sep="\n")
    return 0


# Each process imports this file. Without this line, each of them would run it again.
if __name__ == "__main__":
    command.run_command(main)
