"""Measure what the performance page shows, in one run, and draw it.

All forms of a row run in turn, in a new order each round, in one process. What is
kept is every round's time for each item, in microseconds, with the versions of all
that took part. The pictures and tables are made from that file alone.

    python -m benchmarks figure             # all of it, in some thirty minutes
    python -m benchmarks figure --redraw    # from the numbers that are there
    python -m benchmarks figure --smoke     # a glance, which keeps nothing
"""

import argparse
import json
import platform
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel

from benchmarks import concurrent, operators, page

HERE = Path(__file__).parent.parent
TIMES = HERE / "docs" / "performance" / "times.json"
BACKENDS: dict[str, dict[str, Any]] = {
    "asyncio": {"backend": "asyncio"},
    "uvloop": {"backend": "asyncio", "backend_options": {"use_uvloop": True}},
    "trio": {"backend": "trio"},
}
PACKAGES = ("anyio", "trio", "uvloop", "aiometer", "aiostream", "streamable")
LASTING = {"ordered", "unordered", "collect", "queues"}
LONG = 1_000_000
"""So many items are given to few forms alone: the others would take hours."""
FEW = {1, 10}
"""The limits with which calls that sleep take so long that fewer rounds are made."""


@dataclass(frozen=True)
class Case:
    """One row: what is called over what, and how often."""

    part: str
    backend: str
    called: str
    source: str
    limit: int
    items: int
    rounds: int


def cases(rounds: int, *, smoke: bool = False) -> Iterator[Case]:
    """Yield what is measured: by limit and by items for the picture, and the table."""
    shorter = 200 if smoke else 1

    def case(part: str, backend: str, *what: Any, limit: int, items: int) -> Case:
        called, source = what
        takes_long = items == LONG or (called == "1 ms" and limit in FEW)
        times = max(1, rounds // 3) if takes_long else rounds
        size = max(100, items // shorter)
        return Case(part, backend, called, source, limit, size, times)

    for limit in (1, 10, 100, 1_000, 10_000):
        yield case("limit", "asyncio", "once", "async", limit=limit, items=20_000)
    for items in (1_000, 10_000, 100_000, LONG):
        yield case("items", "asyncio", "once", "async", limit=100, items=items)
    for backend in BACKENDS:
        for called in concurrent.FUNCS:
            for source in ["async"] if smoke else concurrent.SOURCES:
                for limit in [10] if smoke else [1, 10, 100, 1_000]:
                    items = concurrent.items_for(called, limit, 10_000)
                    yield case(
                        "table", backend, called, source, limit=limit, items=items
                    )


async def measure(chosen: list[Case], backend: str) -> list[dict[str, Any]]:
    """Return what the rows of one backend took."""
    all_forms = concurrent.forms_for(backend, alone=False)
    rows: list[dict[str, Any]] = []
    for case in chosen:
        forms = dict(all_forms)
        if case.limit == 1:
            forms["loop"] = concurrent.loop
        if case.items == LONG:
            forms = {name: forms[name] for name in forms if name in LASTING}
        start = time.perf_counter()
        seconds = await concurrent.measure(
            forms,
            concurrent.FUNCS[case.called],
            concurrent.SOURCES[case.source],
            limit=case.limit,
            items=case.items,
            rounds=case.rounds,
            # Of a call that never sleeps, what the processor does is what it costs,
            # and that is less disturbed by what else the machine is doing.
            clock=time.perf_counter if case.called == "1 ms" else time.process_time,
        )
        print(f"{time.perf_counter() - start:6.1f} s  {case}", flush=True)
        times = per_item(seconds, case.items)
        rows.append({**asdict(case), "microseconds": times})
    return rows


async def measure_sources(rounds: int, items: int) -> list[dict[str, Any]]:
    """Return what several sources took, merged or flattened, and one in a buffer."""
    rows: list[dict[str, Any]] = []
    for name, number, forms in operators.rows(alone=False):
        for read, make in operators.SOURCES.items():
            size = operators.items_for(items, number)
            seconds = await operators.measure(
                forms,
                make,
                number,
                items=size,
                rounds=rounds,
                clock=time.process_time,
            )
            rows.append(
                {
                    "operator": f"concurrent_{name}",
                    "number": number,
                    "source": read,
                    "items": size,
                    "rounds": rounds,
                    "microseconds": per_item(seconds, size),
                }
            )
            print(rows[-1], flush=True)
    return rows


def per_item(seconds: dict[str, list[float]], items: int) -> dict[str, list[float]]:
    """Return microseconds for each item, by the name of the form."""
    return {
        # The version stands with the others, not in the name.
        name.partition(" ")[0]: [float(f"{s / items * 1e6:.4g}") for s in each]
        for name, each in seconds.items()
    }


def measure_all(
    every: list[Case], *, rounds: int, smoke: bool = False
) -> dict[str, Any]:
    """Return all rows, and what they were measured with."""
    rows: list[dict[str, Any]] = []
    for backend, options in BACKENDS.items():
        chosen = [case for case in every if case.backend == backend]
        turn: Callable[[], Awaitable[object]] = (
            anyio.lowlevel.checkpoint if backend == "trio" else concurrent.asyncio_turn
        )
        with concurrent.turning(turn):
            rows += anyio.run(measure, chosen, backend, **options)
    sources = anyio.run(measure_sources, rounds, 100 if smoke else 20_000)
    versions = {name: version(name) for name in PACKAGES}
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "versions": versions,
        "rows": rows,
        "sources": sources,
    }


def written(times: dict[str, Any]) -> str:
    """Return *times* as JSON, a line for each row."""
    parts: list[str] = []
    for name, part in times.items():
        shown = json.dumps(part)
        if isinstance(part, list):
            rows: list[Any] = part
            shown = "[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]"
        parts.append(f"{json.dumps(name)}: {shown}")
    return "{" + ",\n".join(parts) + "}\n"


def main() -> None:
    """Read the command line, measure, and write the pictures and the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--smoke", action="store_true", help="few items, no files")
    parser.add_argument("--redraw", action="store_true", help="measure nothing")
    parser.add_argument("--rounds", type=int, default=7)
    chosen = parser.parse_args()
    if chosen.smoke:
        smoke = measure_all([*cases(1, smoke=True)], rounds=1, smoke=True)
        measured = page.measured()
        times = measured.read() | json.loads(written(smoke))
        print(sum(map(len, measured.files(times).values())), "characters drawn")
        return
    if not chosen.redraw:
        every = [*cases(chosen.rounds)]
        TIMES.write_text(written(measure_all(every, rounds=chosen.rounds)), "utf-8")
    page.write()


if __name__ == "__main__":
    main()
