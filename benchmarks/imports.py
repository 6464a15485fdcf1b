"""How long it takes to import the package, beside what it is used with.

    python -m benchmarks imports            # measure, and print
    python -m benchmarks imports --write    # and write it into the documentation

Each import has a Python of its own, and all of them take turns. What counts is the
processor time of the whole process, and of all rounds the median. All modules are
compiled before.
"""

import argparse
import functools
import json
import os
import platform
import random
import resource
import sys
from pathlib import Path

from benchmarks import page

KEPT = Path(__file__).parent.parent / "docs" / "performance" / "imports.json"
PROGRAMS = {
    "asyncio": "import asyncio",
    "anyio": "import anyio",
    "aiterkit": "import aiterkit",
    "asyncio and aiterkit": "import asyncio, aiterkit",
    "nothing": "pass",
}


def seconds(program: str) -> float:
    """Return the processor time of a Python that runs *program*."""
    spent = functools.partial(resource.getrusage, resource.RUSAGE_CHILDREN)
    before = spent()
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
    child = os.posix_spawn(sys.executable, [sys.executable, "-c", program], environment)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    after = spent()
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(rounds: int) -> dict[str, list[float]]:
    """Return the milliseconds of each program in each round."""
    times: dict[str, list[float]] = {name: [] for name in PROGRAMS}
    for program in PROGRAMS.values():
        seconds(program)  # which compiles, and fills the caches of the machine
    order = list(PROGRAMS.items())
    for _ in range(rounds):
        random.shuffle(order)
        for name, program in order:
            times[name].append(float(f"{seconds(program) * 1e3:.4g}"))
    return times


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--write", action="store_true", help="keep the numbers")
    parser.add_argument("--rounds", type=int, default=15)
    chosen = parser.parse_args()
    python = f"{platform.python_implementation()} {platform.python_version()}"
    kept = {"python": python, "milliseconds": measure(chosen.rounds)}
    print(json.dumps(kept, indent=1))
    if chosen.write:
        KEPT.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")
        page.write()


if __name__ == "__main__":
    main()
