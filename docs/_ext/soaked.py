"""What the last soak has counted: a table on the page of guarantees.

`python -m benchmarks soak --write` keeps the figures and fills the page. The tests hold
that the two agree.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

DOCS = Path(__file__).parent.parent
KEPT = DOCS / "performance" / "soak.json"
PAGE = DOCS / "guarantees.md"
WARM = 0.3
"""The part of the items after which the process has all that it needs."""

NAMES = {"asyncio": "asyncio", "uvloop": "uvloop", "trio": "Trio"}
EXACT = {"tasks": "tasks", "generators": "open generators", "files": "open files"}
_BLOCK = re.compile(r"(<!-- soak -->\n).*?(<!-- end -->)", re.DOTALL)


def read() -> dict[str, Any]:
    """Return what was counted."""
    kept: dict[str, Any] = json.loads(KEPT.read_text(encoding="utf-8"))
    return kept


def warm(points: list[Mapping[str, int]]) -> Mapping[str, int]:
    """Return the first of *points* after the warm-up."""
    items = points[-1]["items"]
    return next(point for point in points if point["items"] >= WARM * items)


def _range(points: list[Mapping[str, int]], name: str) -> str:
    values = {point[name] for point in points}
    return " to ".join(str(value) for value in sorted({min(values), max(values)}))


def table(kept: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of the table, and of what is below it."""
    head = ["", "items", "rounds", "left early", "by Ctrl-C", *EXACT.values()]
    head += ["objects", "memory, MiB"]
    yield "| " + " | ".join(head) + " |"
    yield "| --- |" + " ---: |" * (len(head) - 1)
    for run in kept["runs"]:
        points = run["points"]
        first, last = warm(points), points[-1]
        early = run["rounds"] - run["ends"]["the end"]
        cells = [NAMES[run["loop"]], f"{last['items']:,}", f"{run['rounds']:,}"]
        cells += [f"{early:,}", f"{run['ends']['Ctrl-C']:,}"]
        cells += [_range(points, name) for name in EXACT]
        cells += [f"{first['objects']:,} → {last['objects']:,}"]
        cells += [f"{first['memory'] / 2**20:.1f} → {last['memory'] / 2**20:.1f}"]
        yield "| " + " | ".join(cells) + " |"
    yield ""
    yield (
        f"{kept['python']}, seed {kept['seed']}. On Trio, two of the three tasks are "
        f"those of the event loop itself."
    )


def filled(text: str, kept: Mapping[str, Any]) -> str:
    """Return *text* with the table between its marks."""
    lines = "\n".join(table(kept))
    return _BLOCK.sub(lambda found: f"{found[1]}\n{lines}\n\n{found[2]}", text)
