"""Lines on logarithmic scales as SVG that needs no script.

Each line bears its name at its end, so that nobody has to match colours. Colours
are classes; what they are in light and in dark stands in timelines.css.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 164, 46, 46
_WIDTH, _HEIGHT = 560, 320
_APART = 17
"""How far names stand from each other at least."""


@dataclass(frozen=True)
class Line:
    """A named line, of points from left to right."""

    name: str
    kind: str
    points: tuple[tuple[float, float], ...]


def number(value: float) -> str:
    """Return *value* as people write it: 1,000 and 0.5."""
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"


def _ticks(low: float, high: float, steps: Sequence[int]) -> list[float]:
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    every = [step * 10.0**power for power in range(first, last + 1) for step in steps]
    return [tick for tick in every if low <= tick <= high]


def spread(wanted: Sequence[float], low: float, high: float) -> list[float]:
    """Return places near *wanted*, in its order, far enough from each other."""
    order = sorted(range(len(wanted)), key=wanted.__getitem__)
    places = list(wanted)
    floor = low
    for each in order:
        places[each] = floor = max(places[each], floor)
        floor += _APART
    ceiling = high
    for each in reversed(order):
        places[each] = ceiling = min(places[each], ceiling)
        ceiling -= _APART
    return places


def chart(title: str, across: str, lines: Sequence[Line], *, top: int = 0) -> str:
    """Return a chart as a group, drawn *top* below the upper edge."""
    xs = [x for line in lines for x, _ in line.points]
    ys = [y for line in lines for _, y in line.points]
    low, high = min(ys) / 1.15, max(ys) * 1.15
    left, right = _LEFT, _WIDTH - _RIGHT
    upper, lower = _TOP, _HEIGHT - _BOTTOM

    def x(value: float) -> float:
        wide = math.log10(max(xs) / min(xs)) or 1
        return round(left + (right - left) * math.log10(value / min(xs)) / wide, 1)

    def y(value: float) -> float:
        share = math.log10(value / low) / math.log10(high / low)
        return round(lower - (lower - upper) * share, 1)

    def draw() -> Iterator[str]:
        yield f'<g transform="translate(0 {top})">'
        yield f'<text class="title" x="10" y="24">{escape(title)}</text>'
        for tick in _ticks(low, high, (1, 2, 5)):
            yield f'<path class="grid" d="M{left} {y(tick):g}H{right}"/>'
            yield (
                f'<text class="tick" text-anchor="end" x="{left - 8}" '
                f'y="{y(tick) + 4:g}">{number(tick)}</text>'
            )
        for tick in _ticks(min(xs), max(xs), (1,)):
            yield f'<path class="grid" d="M{x(tick):g} {upper}V{lower}"/>'
            yield (
                f'<text class="tick" text-anchor="middle" x="{x(tick):g}" '
                f'y="{lower + 18}">{number(tick)}</text>'
            )
        yield (
            f'<text class="tick" text-anchor="middle" x="{(left + right) / 2:g}" '
            f'y="{lower + 37}">{escape(across)}</text>'
        )
        ends = [y(line.points[-1][1]) for line in lines]
        for line, place in zip(lines, spread(ends, upper, lower), strict=True):
            path = "L".join(f"{x(a):g} {y(b):g}" for a, b in line.points)
            last, end = x(line.points[-1][0]), y(line.points[-1][1])
            yield f'<path class="line {line.kind}" d="M{path}"/>'
            for a, b in line.points:
                yield (
                    f'<circle class="dot {line.kind}" '
                    f'cx="{x(a):g}" cy="{y(b):g}" r="3">'
                    f"<title>{escape(line.name)}: {b:.3g} µs</title></circle>"
                )
            yield (
                f'<path class="leader" d="M{last + 5:g} {end:g}'
                f'L{right + 16} {place:g}"/>'
                f'<text class="name {line.kind}" x="{right + 20}" y="{place + 4:g}">'
                f"{escape(line.name)}</text>"
            )
        yield "</g>"

    return "".join(draw())


def told(title: str, lines: Sequence[Line]) -> str:
    """Return in words what a chart shows."""
    parts = [
        f"{line.name} " + ", ".join(f"{b:.3g} at {number(a)}" for a, b in line.points)
        for line in lines
    ]
    return f"{title}: {'; '.join(parts)}."


def stacked(charts: Sequence[tuple[str, str, Sequence[Line]]]) -> str:
    """Return *charts*, one below the other, as one picture with its words."""
    words = escape(" ".join(told(title, lines) for title, _, lines in charts))
    height = _HEIGHT * len(charts)
    body = "".join(
        chart(title, across, lines, top=_HEIGHT * place)
        for place, (title, across, lines) in enumerate(charts)
    )
    return (
        f'<svg role="img" aria-label="{words}" width="{_WIDTH}" height="{height}" '
        f'viewBox="0 0 {_WIDTH} {height}">{body}</svg>'
    )
