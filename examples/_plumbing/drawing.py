"""When did each call run? A record of it, and a picture in text."""

import time
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

MOST_ROWS = 20
MARGIN = 10  # columns to the left of the picture
NARROWEST = 40  # columns; below that, no picture

LEGEND = """\
Each row of calls is a place among those that may run at once. [12===] is a call: it is
the 12th to start, and is as long as it took; | is one that was too short for a number.
A digit in the last row says how many results came at that moment, 9 also if more."""


@dataclass
class Span:
    """When a call ran, in seconds since the beginning."""

    start: float
    end: float


class Record:
    """When calls ran and when their results came, in seconds since it was made."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.arrivals: list[float] = []
        self.running = 0
        self.overlap = 0  # the most calls that ran at once
        self._began = time.perf_counter()

    def clock(self) -> float:
        """Return the seconds since the beginning."""
        return time.perf_counter() - self._began

    @contextmanager
    def call(self) -> Generator[None]:
        """Record a call, which runs in this block."""
        span = Span(self.clock(), 0)
        self.spans.append(span)
        self.running += 1
        self.overlap = max(self.overlap, self.running)
        try:
            yield
        finally:
            self.running -= 1
            span.end = self.clock()

    def arrival(self) -> None:
        """Record that a result has reached the loop that asked for it."""
        self.arrivals.append(self.clock())

    @property
    def seconds(self) -> float:
        """How long it took until the last result."""
        return max(self.arrivals)


def draw(record: Record, seconds: float, width: int) -> Iterator[str]:
    """Draw the calls and the arrivals of results in the first *seconds*."""
    if width < NARROWEST:
        yield f"  (no picture: it needs {NARROWEST} columns, and there are {width})"
        return
    columns = width - MARGIN - 1
    scale = (columns - 1) / seconds  # the last column is for the end itself
    rows = draw_calls(record.spans, scale, columns)
    for row in rows[:MOST_ROWS]:
        yield f"{'  calls':<{MARGIN}}{row}".rstrip()
    if len(rows) > MOST_ROWS:
        yield f"{'':<{MARGIN}}... and {len(rows) - MOST_ROWS} more"
    row = draw_arrivals(record.arrivals, scale, columns)
    yield f"{'  results':<{MARGIN}}{row}".rstrip()
    end = f"{seconds:.2f} s"
    yield f"{'':<{MARGIN}}{'0 s':<{columns - len(end)}}{end}"


def draw_calls(spans: Sequence[Span], scale: float, columns: int) -> list[str]:
    """Draw each call as `[number==]`, in the first row that is free when it starts."""
    free_from: list[float] = []
    rows: list[list[str]] = []
    for number, span in enumerate(spans, start=1):
        free = (row for row, end in enumerate(free_from) if end <= span.start)
        row = next(free, len(rows))
        if row == len(rows):
            free_from.append(0)
            rows.append([" "] * columns)
        free_from[row] = span.end
        first = int(span.start * scale)
        length = max(int(span.end * scale) - first, 1)
        label = f"[{number}" if len(str(number)) + 2 <= length else "["
        bar = label.ljust(length - 1, "=") + "]" if length > 1 else "|"
        for column, sign in enumerate(bar[: max(columns - first, 0)], start=first):
            rows[row][column] = sign
    return ["".join(row) for row in rows]


def draw_arrivals(arrivals: Sequence[float], scale: float, columns: int) -> str:
    """Say for each column how many results came in that time."""
    counts = Counter(int(moment * scale) for moment in arrivals)
    return "".join(
        " " if not counts[column] else str(min(counts[column], 9))
        for column in range(columns)
    )
