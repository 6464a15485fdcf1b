"""Run the benchmarks: ``python -m benchmarks``; with ``--smoke``, a glance at each.

``python -m benchmarks figure`` measures what the documentation shows, and writes it.
``python -m benchmarks soak`` looks for minutes whether anything is left behind.
"""

import subprocess
import sys

SMOKE = {
    "benchmarks.sequential": ["--rounds", "2", "--items", "20"],
    "benchmarks.concurrent": ["--rounds", "1", "--items", "200"],
    "benchmarks.operators": ["--rounds", "1", "--items", "200"],
    "benchmarks.nearest": ["--rounds", "1", "--items", "200"],
    "benchmarks.memory": ["--smoke"],
    "benchmarks.short": ["--rounds", "1", "--times", "10"],
    "benchmarks.imports": ["--rounds", "1"],
    "benchmarks.figure": ["--smoke"],
    "benchmarks.soak": ["--smoke"],
}


def run(module: str, *options: str) -> None:
    """Run a benchmark in a process of its own, so that none warms another."""
    print(f"== {module}", flush=True)
    subprocess.run([sys.executable, "-m", module, *options], check=True)  # noqa: S603 - our own modules


def main() -> None:
    """Run the one that is named, or all that take little time and keep nothing."""
    match sys.argv[1:]:
        case ["-h" | "--help"]:
            print(__doc__)
        case [name, *options] if not name.startswith("-"):
            run(f"benchmarks.{name}", *options)
        case options:
            for module, glance in SMOKE.items():
                if "--smoke" in options:
                    run(module, *glance)
                elif module not in {"benchmarks.figure", "benchmarks.soak"}:
                    run(module)


if __name__ == "__main__":
    main()
