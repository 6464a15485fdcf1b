"""What a map over a few items costs, beside what else one could write.

    python -m benchmarks short            # measure, and print
    python -m benchmarks short --write    # and write it into the documentation

A web handler maps over 3 or 10 items, not over 10,000; then what counts is what a
block costs before its first call and after its last. The function yields to the event
loop once, as one does that finds its data at once; or, over a sync source, three times,
as one does that waits. All forms of a row run in turn, in a new order each round, many
times in a row each; what is kept is the microseconds of one run, in each round.
"""

import argparse
import asyncio
import functools
import json
import platform
import time
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel

import aiterkit as ak
from benchmarks import concurrent, page
from benchmarks.concurrent import Form, Func, Source, _listed
from benchmarks.rounds import in_turn

KEPT = Path(__file__).parent.parent / "docs" / "performance" / "short.json"
NUMBERS = (1, 3, 10, 30)
LIMIT = 10


async def thrice(item: int) -> int:
    """Suspend three times: in the first turn after its start the call has not ended."""
    await concurrent.once(item)
    await concurrent.once(item)
    return await concurrent.once(item)


ROWS: list[tuple[int, Func, str]] = [
    (1, concurrent.once, "async"),
    (1, concurrent.once, "sync"),
    (3, thrice, "sync"),
]
"""How many turns a call takes, the function, and how its source is read."""


async def for_each(func: Func, source: Source, limit: int) -> None:
    await ak.concurrent_for_each(func, source, limit=limit)


async def anyio_group(func: Func, source: Source, _limit: int) -> None:
    """A task for each item, in the group of anyio, and nothing else."""
    async with anyio.create_task_group() as tasks:
        for item in await _listed(source):
            tasks.start_soon(func, item)


async def task_group(func: Func, source: Source, _limit: int) -> None:
    async with asyncio.TaskGroup() as tasks:
        for item in await _listed(source):
            tasks.create_task(func(item))


FORMS: dict[str, Form] = {
    "ordered": concurrent.ordered,
    "unordered": concurrent.unordered,
    "collect": concurrent.collect,
    "for_each": for_each,
    "anyio group": anyio_group,
}
ON_ASYNCIO: dict[str, Form] = {
    "TaskGroup": task_group,
    "gather": concurrent.gathered,
}
OURS = ("ordered", "unordered", "collect", "for_each")


async def again(form: Form, func: Func, make: Any, number: int, times: int) -> None:
    for _ in range(times):
        await form(func, make(number), LIMIT)


async def measure(
    backend: str, rounds: int, times: int, only: str = ""
) -> list[dict[str, Any]]:
    forms = dict(FORMS)
    if backend == "asyncio":
        forms |= ON_ASYNCIO
        forms |= {
            name.partition(" ")[0]: form
            for name, form in concurrent.streamable_forms().items()
        }
    rows: list[dict[str, Any]] = []
    for turns, func, read in ROWS:
        make = concurrent.SOURCES[read]
        for number in NUMBERS:
            many = max(1, times // number)
            runs = {
                name: functools.partial(again, form, func, make, number, many)
                for name, form in forms.items()
                if name in only or not only or name == "anyio group"
            }
            # Once before, so that what is made once for all is there.
            await in_turn(runs, rounds=1)
            seconds = await in_turn(runs, rounds=rounds, clock=time.process_time)
            rows.append(
                {
                    "backend": backend,
                    "turns": turns,
                    "source": read,
                    "items": number,
                    "microseconds": {
                        name: [float(f"{each / many * 1e6:.4g}") for each in spent]
                        for name, spent in seconds.items()
                    },
                }
            )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", action="store_true", help="keep the numbers")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--times", type=int, default=300)
    parser.add_argument("--backend", default="asyncio trio")
    parser.add_argument("--only", default="", help="these forms and the base alone")
    chosen = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for backend in chosen.backend.split():
        turn = (
            anyio.lowlevel.checkpoint if backend == "trio" else concurrent.asyncio_turn
        )
        with concurrent.turning(turn):
            rows += anyio.run(
                measure,
                backend,
                chosen.rounds,
                chosen.times,
                chosen.only,
                backend=backend,
            )
    python = f"{platform.python_implementation()} {platform.python_version()}"
    kept = {"python": python, "limit": LIMIT, "rows": rows}
    if chosen.write:
        lines = ",\n".join(json.dumps(row) for row in rows)
        text = json.dumps({**kept, "rows": []})
        KEPT.write_text(text.replace("[]", f"[\n{lines}\n]") + "\n", encoding="utf-8")
        page.write()
        return
    shown = page.measured()
    for row in rows:
        took = row["microseconds"]
        cells = [f"anyio group {min(took['anyio group']):.1f} us"]
        cells += [
            f"{name} {shown.ratio(row, name, 'anyio group'):.2f}" for name in took
        ]
        where = f"{row['backend']:8}{row['turns']} {row['source']:6}{row['items']:3}  "
        print(where, "  ".join(cells))


if __name__ == "__main__":
    main()
