"""Run all benchmarks: ``python -m benchmarks``; with ``--smoke``, a glance at each."""

import subprocess
import sys

SMOKE = {
    "benchmarks.sequential": ["--rounds", "2", "--items", "20"],
    "benchmarks.concurrent": ["--rounds", "1", "--items", "200"],
    "benchmarks.operators": ["--rounds", "1", "--items", "200"],
}


def main() -> None:
    """Run each benchmark in a process of its own, so that none warms another."""
    for module, glance in SMOKE.items():
        options = glance if "--smoke" in sys.argv else []
        print(f"== {module}", flush=True)
        subprocess.run([sys.executable, "-m", module, *options], check=True)  # noqa: S603 - our own modules


if __name__ == "__main__":
    main()
