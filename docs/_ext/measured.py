"""What the measurements say: a picture, tables and sentences, all from one file.

`python -m benchmarks figure` writes that file, and with `files` all that follows from
it. The tests hold that they agree.
"""

import json
import math
import re
import statistics
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from charts import Line, number, stacked
from standalone import standalone

Row: TypeAlias = Mapping[str, Any]

DOCS = Path(__file__).parent.parent
TIMES = DOCS / "performance" / "times.json"
BESIDE = ("imports", "memory", "short")
"""What has a file of its own, with a benchmark of that name."""
PICTURE = DOCS / "_static" / "time-per-item.svg"
PAGES = (DOCS / "performance.md", DOCS.parent / "README.md")
BASE = "ordered"
NAMES = {
    "ordered": "`concurrent_map`",
    "unordered": "`concurrent_map_unordered`",
    "collect": "`concurrent_collect`",
    "loop": "plain loop",
    "pool": "bare pool",
    "queues": "two queues",
    "relay": "bare relay",
    "gather": "gather",
    "streamable": "streamable",
    "aiometer": "aiometer",
    "aiostream": "aiostream",
}
OURS = ("ordered", "unordered", "collect")
DRAWN = tuple(name for name in NAMES if name not in {"loop", "pool", "relay"})
KINDS = {
    "ordered": "ours",
    "unordered": "ours unordered",
    "collect": "ours collect",
    "queues": "hand",
}
IN_PICTURES = {
    "unordered": "…map_unordered",
    "collect": "concurrent_collect",
    "queues": "two queues, by hand",
    "gather": "gather + Semaphore",
}
SHORT = {
    "loop": "plain loop",
    "pool": "bare pool",
    "queues": "two queues",
    "relay": "bare relay",
}
EVEN = 0.97
"""What is closer than this to `concurrent_map` is not called faster than it."""
SOURCE_FORMS = {"queue": "queue", "relay": "bare relay", "aiostream": "aiostream"}
WAITING = {"at once": "give at once", "once": "suspend once"}
CALLED = {"at once": "returns at once", "once": "yields once", "1 ms": "sleeps 1 ms"}


def read() -> dict[str, Any]:
    """Return what was measured."""
    times: dict[str, Any] = json.loads(TIMES.read_text(encoding="utf-8"))
    for name in BESIDE:
        kept = TIMES.with_name(f"{name}.json").read_text(encoding="utf-8")
        times[name] = json.loads(kept)
    return times


def middle(row: Row, name: str) -> float:
    """Return the median time of a form for each item, in microseconds."""
    return statistics.median(row["microseconds"][name])


def ratio(row: Row, name: str, base: str = BASE) -> float:
    """Return the median of the ratios of two forms within the rounds."""
    times = row["microseconds"]
    pairs = zip(times[name], times[base], strict=True)
    return statistics.median(one / other for one, other in pairs)


def _part(times: Mapping[str, Any], part: str, backend: str = "asyncio") -> list[Row]:
    rows: list[Row] = times["rows"]
    return [row for row in rows if (row["part"], row["backend"]) == (part, backend)]


def _lines(rows: list[Row], across: str) -> list[Line]:
    lines: list[Line] = []
    for name in DRAWN:
        points = tuple(
            (row[across], middle(row, name))
            for row in rows
            if name in row["microseconds"]
        )
        kind = KINDS.get(name, name)
        shown = IN_PICTURES.get(name, NAMES[name].strip("`"))
        lines.append(Line(shown, kind, points))
    return lines


def drawn(times: Mapping[str, Any]) -> str:
    """Return the picture."""
    by_limit, by_items = _part(times, "limit"), _part(times, "items")
    items, limit = by_limit[0]["items"], by_items[0]["limit"]
    return stacked(
        [
            (
                f"Microseconds per item, {number(items)} items",
                "limit: how many calls at once",
                _lines(by_limit, "limit"),
            ),
            (
                f"Microseconds per item, limit {number(limit)}",
                "number of items",
                _lines(by_items, "items"),
            ),
        ]
    )


def _shown(value: float, *, bold: bool = False) -> str:
    """Return three figures of *value*, two where it is small."""
    power = math.floor(math.log10(value))
    text = f"{value:,.{max(0, (2 if power >= 0 else 1) - power)}f}"
    return f"**{text}**" if bold else text


def _table(head: list[str], rows: list[list[str]], words: int = 1) -> Iterator[str]:
    """Yield a table, whose first columns are *words* and the others numbers."""
    yield "| " + " | ".join(head) + " |"
    yield "| " + " | ".join(["---"] * words + ["---:"] * (len(head) - words)) + " |"
    for row in rows:
        yield "| " + " | ".join(row) + " |"


def by_limit(times: Mapping[str, Any]) -> Iterator[str]:
    """Tell what each costs beside `concurrent_map`, by limit."""
    rows = _part(times, "limit")
    names = [name for name in DRAWN if name != BASE]
    head = ["limit", *(number(row["limit"]) for row in rows)]
    first = [NAMES[BASE], *(_shown(middle(row, BASE)) for row in rows)]
    others = [
        [
            NAMES[name] if name in OURS else IN_PICTURES.get(name, NAMES[name]),
            *(
                _shown(each, bold=each < EVEN)
                for each in (ratio(r, name) for r in rows)
            ),
        ]
        for name in names
    ]
    yield from _table(head, [first, *others])


def whole(times: Mapping[str, Any], backend: str) -> Iterator[str]:
    """Tell all that was measured on one backend."""
    rows = _part(times, "table", backend)
    found = {name for row in rows for name in row["microseconds"]}
    names = [name for name in NAMES if name in found and name != BASE]
    head = ["calls", "source", "limit", "µs", *(SHORT.get(n, n) for n in names)]
    lines: list[list[str]] = []
    for row in rows:
        called = row["called"].replace(" ", "\N{NO-BREAK SPACE}")
        cells = [called, row["source"], number(row["limit"])]
        cells.append(_shown(middle(row, BASE)))
        for name in names:
            each = ratio(row, name) if name in row["microseconds"] else None
            cells.append("" if each is None else _shown(each, bold=each < EVEN))
        lines.append(cells)
    yield from _table(head, lines, words=2)


def sources(times: Mapping[str, Any]) -> Iterator[str]:
    """Tell what merging, buffering and flattening cost."""
    head = ["operator", "", "sources", "µs", *SOURCE_FORMS.values()]
    lines: list[list[str]] = []
    for row in times["sources"]:
        cells = [f"`{row['operator']}`", number(row["number"])]
        cells += [WAITING[row["source"]], _shown(middle(row, "aiterkit"))]
        for name in SOURCE_FORMS:
            if name in row["microseconds"]:
                each = ratio(row, name, "aiterkit")
                cells.append(_shown(each, bold=each < EVEN))
            else:
                cells.append("")
        lines.append(cells)
    yield from _table(head, lines, words=3)


def behind(times: Mapping[str, Any]) -> Iterator[str]:
    """Tell where others are faster than `concurrent_map`."""
    rows = [row for row in times["rows"] if row["part"] != "items"]
    lines: list[list[str]] = []
    for name, shown in NAMES.items():
        if name in OURS:
            continue
        among = [row for row in rows if name in row["microseconds"]]
        faster = sorted(
            (row for row in among if ratio(row, name) < EVEN),
            key=lambda row: ratio(row, name),
        )
        where = "; ".join(
            f"{row['backend']}, {CALLED[row['called']]}, {row['source']}, "
            f"limit {number(row['limit'])}: × {_shown(ratio(row, name))}"
            for row in faster[:1]
        )
        count = f"{len(faster)} of {len(among)}"
        lines.append([shown, count, where or "never"])
    yield from _table(["", "faster in", "most of all"], lines, words=3)


def versions(times: Mapping[str, Any]) -> Iterator[str]:
    """Tell what was measured."""
    packages = ", ".join(f"{name} {at}" for name, at in times["versions"].items())
    yield f"Measured with {times['python']}, {packages}."


def imports(times: Mapping[str, Any]) -> Iterator[str]:
    """Tell how long an import takes."""
    kept = times["imports"]
    took = kept["milliseconds"]
    base = took["asyncio"]
    rows: list[list[str]] = []
    for name in took:
        each = [one / other for one, other in zip(took[name], base, strict=True)]
        program = "a Python that imports nothing" if name == "nothing" else f"`{name}`"
        program = program.replace(" and ", "` and `")
        shown = _shown(statistics.median(took[name])), f"{statistics.median(each):.2f}"
        rows.append([program, *shown])
    yield from _table([kept["python"], "ms", "× asyncio"], rows)


SHORT_FORMS = {
    "ordered": "map",
    "unordered": "unordered",
    "collect": "collect",
    "for_each": "for each",
    "TaskGroup": "TaskGroup",
    "gather": "gather",
    "streamable": "streamable",
}


def short(times: Mapping[str, Any]) -> Iterator[str]:
    """Tell what a map over a few items costs, beside a task for each."""
    group = "anyio group"
    head = ["backend", "source", "turns", "items", "group, µs", *SHORT_FORMS.values()]
    lines: list[list[str]] = []
    for row in times["short"]["rows"]:
        cells = [row["backend"], row["source"]]
        cells += [number(row["turns"]), number(row["items"])]
        cells.append(_shown(middle(row, group)))
        for name in SHORT_FORMS:
            found = name in row["microseconds"]
            each = ratio(row, name, group) if found else None
            cells.append("" if each is None else _shown(each, bold=each < EVEN))
        lines.append(cells)
    yield from _table(head, lines, words=2)


def memory(times: Mapping[str, Any]) -> Iterator[str]:
    """Tell how many bytes a call in flight takes, and an open block."""
    runs = times["memory"]["runs"]
    head = ["bytes", *(run["backend"] for run in runs)]
    lines: list[list[str]] = []
    for what, of in (("calls", "a call in flight"), ("blocks", "an open block")):
        for name in runs[0][what]:
            shown = f"`{name}`" if name.startswith("concurrent_") else name
            taken = [run[what].get(name) for run in runs]
            cells = ["" if each is None else number(each) for each in taken]
            lines.append([f"{of}: {shown}", *cells])
    yield from _table(head, lines)


def many(times: Mapping[str, Any]) -> Iterator[str]:
    """Tell what very many calls in flight take, and a long pipeline."""
    runs = times["memory"]["runs"]
    head = ["", *(f"{run['backend']}, {unit}" for run in runs for unit in ("MB", "µs"))]
    lines: list[list[str]] = []
    for name in ("100,000 calls in flight", "10 stages"):
        cells = [name]
        for run in runs:
            cells.append(_shown(run[name]["peak"] / 1e6))
            cells.append(_shown(run[name]["microseconds"]))
        lines.append(cells)
    yield from _table(head, lines)


def alternative(times: Mapping[str, Any]) -> str:
    """Return in a sentence what the picture shows."""
    rows = _part(times, "limit")
    last = rows[-1]
    others = ", ".join(
        f"{NAMES[name]} × {_shown(ratio(last, name))}"
        for name in DRAWN
        if name not in OURS
    )
    return (
        f"Time per item by limit and by number of items. concurrent_map takes "
        f"{_shown(middle(rows[0], BASE))} µs at limit 1 and "
        f"{_shown(middle(last, BASE))} µs at limit {number(last['limit'])}; "
        f"there the others take: {others}."
    )


def picture(times: Mapping[str, Any]) -> Iterator[str]:
    """Show the picture, with its words."""
    yield f"![{alternative(times)}](docs/_static/{PICTURE.name})"


BLOCKS = {
    "picture": picture,
    "by limit": by_limit,
    "asyncio": lambda times: whole(times, "asyncio"),
    "uvloop": lambda times: whole(times, "uvloop"),
    "trio": lambda times: whole(times, "trio"),
    "sources": sources,
    "behind": behind,
    "imports": imports,
    "short": short,
    "memory": memory,
    "many": many,
    "versions": versions,
}
_BLOCK = re.compile(
    r"(?P<begin><!-- measured: (?P<what>[\w ]+) -->\n).*?(?P<end><!-- end -->)",
    re.DOTALL,
)


def filled(text: str, times: Mapping[str, Any]) -> str:
    """Return *text* with what was measured between its marks."""

    def fill(found: re.Match[str]) -> str:
        lines = "\n".join(BLOCKS[found["what"]](times))
        return f"{found['begin']}\n{lines}\n\n{found['end']}"

    return _BLOCK.sub(fill, text)


def files(times: Mapping[str, Any]) -> dict[Path, str]:
    """Return all that follows from *times*, by the file it stands in."""
    made = {page: filled(page.read_text(encoding="utf-8"), times) for page in PAGES}
    made[PICTURE] = standalone(drawn(times), "chart", "Time per item")
    return made
