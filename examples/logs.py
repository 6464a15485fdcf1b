"""Merge several logs while they are written, and count their lines per second.

`concurrent_merge` reads all logs at once, and gives their lines as they come. A log is
a command that prints it, such as `tail -F` or `ssh`. A line is counted in the second
with which it begins, whenever it comes. So a second is printed when it is complete:
when each log has reached a later one, or has ended. A log that fails is reported, and
the others go on. After Ctrl-C, it prints what was counted until then.

    python examples/logs.py
    python examples/logs.py --seconds 10 --backend trio
    python examples/logs.py "tail -F web.log" "ssh db tail -F db.log" "cat old.log"

Lines begin with a time such as 2026-11-26T18:02:03, all in the same time zone; a line
without one, of a traceback say, belongs to the line before it. Without a command, it
starts three programs that each write a log for some seconds.
"""

from _plumbing import command, processes

import argparse
import re
import shlex
import sys
from collections import Counter
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from itertools import starmap
from pathlib import Path

from aiterkit import concurrent_merge

SECOND = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)")
NO_TIME = ""  # of the lines before the first time of a log; earlier than all others
NEVER = "~"  # later than all others
WRITER = Path(__file__).with_name("_plumbing") / "write_log.py"


@dataclass(frozen=True)
class Line:
    """A line of log number *log*, and its second."""

    log: int
    second: str


@dataclass(frozen=True)
class End:
    """The end of log number *log*, and the reason if it failed."""

    log: int
    error: str = ""


async def read_log(log: int, words: Sequence[str]) -> AsyncGenerator[Line | End, None]:
    """Yield the lines that a command prints, and then the end."""
    second = NO_TIME
    end = End(log)
    try:
        async with aclosing(processes.read_lines(words)) as lines:
            async for line in lines:
                if found := SECOND.match(line):
                    second = " ".join(found.groups())
                yield Line(log, second)
    except OSError as error:
        end = End(log, str(error))
    yield end


class Table:
    """Counts the lines of *logs* by second, and yields each second once complete."""

    def __init__(self, logs: Iterable[int]) -> None:
        self.reached = dict.fromkeys(logs, NO_TIME)  # by each log, so far
        self.lines = 0
        self.rows = 0
        self.busiest = 0
        self.failures: list[End] = []
        self._counts: dict[str, Counter[int]] = {}

    def take(self, item: Line | End) -> Iterator[str]:
        """Count a line, or note an end; yield the rows that are complete by that."""
        match item:
            case Line(log, second):
                self.lines += 1
                self._counts.setdefault(second, Counter())[log] += 1
                self.reached[log] = max(self.reached[log], second)
            case End(log, error):
                self.reached[log] = NEVER
                if error:
                    self.failures.append(item)
        yield from self.rows_before(min(self.reached.values()))

    def rows_before(self, end: str) -> Iterator[str]:
        """Yield the rows of all seconds that come before *end*."""
        for second in sorted(second for second in self._counts if second < end):
            counts = self._counts.pop(second)
            self.rows += second != NO_TIME
            self.busiest = max(self.busiest, counts.total())
            numbers = [*(counts[log] for log in self.reached), counts.total()]
            yield row(second[-8:] or "no time", numbers)


def row(name: str, cells: Iterable[object]) -> str:
    """Return a row of the table."""
    return f"{name:8}" + "".join(f"{cell:>6}" for cell in cells)


async def count(logs: Sequence[Sequence[str]], table: Table) -> None:
    """Read all *logs* to their ends, and print each second when it is complete."""
    async with concurrent_merge(*starmap(read_log, enumerate(logs, 1))) as items:
        async for item in items:
            for line in table.take(item):
                print(line, flush=True)


def read_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description="Merge several logs while they are written, and count their lines "
        "per second. The exit code is 1 if a log could not be read.",
    )
    command.add_backend(parser)
    seconds = "for how long to write logs where no command is given"
    command.add_number(parser, "--seconds", 3, seconds)
    what = 'a command that prints a log, quoted: "tail -F web.log"'
    parser.add_argument(
        "logs", nargs="*", type=command_line, metavar="COMMAND", help=what
    )
    return parser.parse_args()


def command_line(text: str) -> list[str]:
    """Read a command."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}: {text!r}") from None
    if not words:
        raise argparse.ArgumentTypeError("must be a command, and is empty")
    return words


def main() -> int:
    """Count, and print how many lines there were."""
    options = read_arguments()
    logs: list[list[str]] = options.logs
    if not logs:
        write = [sys.executable, str(WRITER)]
        rates = {"web": "40", "api": "20", "db": "10"}
        logs = [[*write, name, rates[name], str(options.seconds)] for name in rates]
    for number, words in enumerate(logs, start=1):
        print(f"log {number}: {shlex.join(words)}")
    table = Table(range(1, len(logs) + 1))
    print("\nlines of each log in each second:")
    print(row("time", [*table.reached, "all"]), flush=True)
    command.run_async(count, logs, table, backend=options.backend)
    for line in table.rows_before(NEVER):  # after Ctrl-C, there are some left
        print(line)
    for end in sorted(table.failures, key=lambda end: end.log):
        print(f"log {end.log}: {end.error}", file=sys.stderr)
    lines = command.counted(table.lines, "line")
    print(
        f"{lines} of {command.counted(len(logs), 'log')} in "
        f"{command.counted(table.rows, 'second')}, {table.busiest} in the busiest"
    )
    return 1 if table.failures else 0


if __name__ == "__main__":
    command.run_command(main)
