"""Timelines as inline SVG that needs no script.

The notation is that of `aiterkit.testing`. Colours are those of the page, so a
picture is legible in light and in dark; a description in words goes with it.
"""

from collections.abc import Iterator, Sequence
from html import escape
from itertools import groupby

from aiterkit.testing._timelines import Drawing, Row, parse_line

_CHARACTER = 7.4  # the width of one, at the size in timelines.css
_HEIGHT = 26
_MANY = 24
_DENSE = 6


def picture(drawing: Drawing, *, dense: bool = False) -> str:
    """Return *drawing* as HTML, its ticks narrow if it is long or *dense*."""
    return _Picture(drawing, dense=dense).draw()


class _Picture:
    """What is drawn so far, and where things go."""

    def __init__(self, drawing: Drawing, *, dense: bool) -> None:
        self.drawing = drawing
        ticks = max(len(row.line) for row in _rows(drawing))
        self.tick = 13 if dense or ticks > _MANY else 20
        self.radius = self.tick * 0.42
        names = [row.label for row in (*drawing.sources, *drawing.calls)]
        self.left = 10 + self.tick / 2
        if names:
            self.left += 12 + max(map(len, names)) * _CHARACTER
        self.right = self.left + (ticks - 0.5) * self.tick
        self.width = max(self.right + 8, len(drawing.result.label) * _CHARACTER + 8)
        self.y = 0.0
        self.parts: list[str] = []

    def x(self, tick: float) -> float:
        return round(self.left + tick * self.tick, 1)

    def text(self, x: float, text: str, kind: str) -> None:
        self.parts.append(
            f'<text class="{kind}" x="{x:g}" y="{self.y + 4:g}">{escape(text)}</text>'
        )

    def path(self, path: str, kind: str) -> None:
        self.parts.append(f'<path class="{kind}" d="{path}"/>')

    def mark(self, x: float, event: str) -> None:
        """Draw an end, an error, a cancellation or an item."""
        r = self.radius
        if event == "|":
            self.path(f"M{x:g} {self.y - 8:g}v16", "end")
        elif event in "!;":
            cross = f"M{x - 4:g} {self.y - 4:g}l8 8m0-8l-8 8"
            self.path(cross, "error" if event == "!" else "cancelled")
        else:
            inside = event.strip("[]")
            half = max(r, (len(event) - 1) * self.tick / 2 if len(event) > 1 else r)
            middle = x + half - r
            self.parts.append(
                f'<rect class="item" x="{x - r:g}" y="{self.y - r:g}" '
                f'width="{2 * half:g}" height="{2 * r:g}" rx="{r:g}"/>'
            )
            self.text(middle, inside, "inside" if r > _DENSE else "inside dense")

    def line(self, row: Row, kind: str) -> None:
        """Draw a source, or what a reader sees."""
        axis = len(self.parts)
        column = 0
        self.parts.append(f'<g class="{kind}">')
        for tick, group in groupby(parse_line(row.line), lambda pair: pair[0]):
            events = [event for _, event in group]
            column = tick
            if len(events) > 1:
                wide = (sum(map(len, events)) - 1) * self.tick + 2 * self.radius + 6
                self.parts.append(
                    f'<rect class="together" x="{self.x(column) - self.radius - 3:g}" '
                    f'y="{self.y - self.radius - 3:g}" width="{wide:g}" '
                    f'height="{2 * self.radius + 6:g}" rx="{self.radius + 3:g}"/>'
                )
            for event in events:
                self.mark(self.x(column), event)
                column += len(event)
        self.parts.append("</g>")
        # Below the items, and only as far as they go.
        last = max(column - 1, 0) if row.line[-1] in "|!;)" else len(row.line) - 1
        self.parts.insert(
            axis, f'<path class="axis" d="M{self.x(0):g} {self.y:g}H{self.x(last):g}"/>'
        )

    def calls(self, row: Row) -> None:
        """Draw when the calls of a function ran."""
        item = row.label.split(" ", 1)[1]
        for start, marks in _spans(row.line):
            x, y = self.x(start), self.y
            if marks == ".":
                self.parts.append(f'<circle class="span" cx="{x:g}" cy="{y:g}" r="3"/>')
                continue
            ticks = len(marks.rstrip("!;>"))
            wide = max(ticks, 0.5) * self.tick
            kind = "span cut" if marks[-1] == ";" else "span"
            self.parts.append(
                f'<rect class="{kind}" x="{x:g}" y="{y - 7:g}" width="{wide:g}" '
                'height="14" rx="3"/>'
            )
            if ticks:
                self.text(x + wide / 2, item, "inside")
            if marks[-1] in "!;":
                self.mark(x + wide, marks[-1])
            elif marks[-1] == ">":
                self.path(f"M{x + wide:g} {y - 5:g}l8 5l-8 5", "axis")

    def body(self) -> float:
        """Draw all rows, and return the height that they take."""
        drawing = self.drawing
        for row in drawing.sources:
            self.y += _HEIGHT
            self.text(8, row.label, "label")
            self.line(row, "given")
        for row in drawing.calls:
            self.y += _HEIGHT * 0.8
            self.text(8, row.label, "label")
            self.calls(row)
        self.y += _HEIGHT
        self.text(8, drawing.result.label, "label call")
        self.y += _HEIGHT * 0.9
        self.line(drawing.result, "seen")
        height = self.y + _HEIGHT * 0.8
        columns = "".join(
            f"M{self.x(tick):g} 10V{height - 4:g}"
            for tick in range(max(len(row.line) for row in _rows(drawing)))
        )
        self.parts.insert(0, f'<path class="column" d="{columns}"/>')
        return height

    def draw(self) -> str:
        """Return the picture."""
        height = self.body()
        svg = _svg([self.drawing], self.width, height, "".join(self.parts))
        return f'<figure class="timeline">{svg}</figure>'


def _svg(drawings: Sequence[Drawing], width: float, height: float, body: str) -> str:
    words = escape(" ".join(word for each in drawings for word in describe(each)))
    return (
        f'<svg role="img" aria-label="{words}" width="{width:g}" '
        f'height="{height:g}" viewBox="0 0 {width:g} {height:g}">{body}</svg>'
    )


def stacked(drawings: Sequence[Drawing]) -> str:
    """Return *drawings* as one picture, one below the other, on one scale."""
    top = wide = 0.0
    body = ""
    for drawing in drawings:
        part = _Picture(drawing, dense=False)
        height = part.body()
        body += f'<g transform="translate(0 {top:g})">{"".join(part.parts)}</g>'
        top += height
        wide = max(wide, part.width)
    return _svg(drawings, wide, top, body)


def _rows(drawing: Drawing) -> tuple[Row, ...]:
    return (*drawing.sources, *drawing.calls, drawing.result)


def _spans(line: str) -> Iterator[tuple[int, str]]:
    """Find the calls in a row: a new one starts behind a blank or a last mark."""
    start = 0
    marks = ""
    for tick, mark in enumerate(line + " "):
        if marks and (mark == " " or marks[-1] != "="):
            yield start, marks
            marks = ""
        if mark != " ":
            start = start if marks else tick
            marks += mark


def _told(row: Row) -> Iterator[str]:
    words = {"|": "the end", "!": "an error", ";": "its reader cancelled"}
    for tick, event in parse_line(row.line):
        yield f"{words.get(event, event.strip('[]'))} at {tick}"


def describe(drawing: Drawing) -> Iterator[str]:
    """Tell in words what is drawn."""
    yield f"Timeline of {drawing.result.label}."
    for row in drawing.sources:
        yield f"{row.label} gives {', '.join(_told(row)) or 'nothing'}."
    ends = {"!": ", where it raises", ";": ", where it is cancelled", ">": " and on"}
    for row in drawing.calls:
        spans = [
            f"from {start} to {start + len(marks.rstrip('!;>.'))}"
            + ends.get(marks[-1], "")
            for start, marks in _spans(row.line)
        ]
        yield f"{row.label} runs {', then '.join(spans)}."
    yield f"A reader sees {', '.join(_told(drawing.result)) or 'nothing'}."
