"""Run other people's tests on our operators: ``python -m tests.others [SUITE...]``.

Every suite unless some are named, each in a process of its own, all at once. With
``--write``, the counts are kept for the documentation, and its page is written.
"""

import argparse
import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import counts
from .suites import Suite, missing, outcomes, suites
from .verdict import Verdict, judged


def main() -> int:
    """Run the suites, print what came of each, and say whether all is as listed."""
    known = suites()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "suite", nargs="*", choices=[*known, []], help="all, unless named"
    )
    parser.add_argument("--folder", type=Path, help="where fetched packages are kept")
    parser.add_argument("--write", action="store_true", help="write the page anew")
    chosen = parser.parse_args()

    with tempfile.TemporaryDirectory() as scratch:
        folder: Path = chosen.folder or Path(scratch)

        def run(suite: Suite) -> Verdict | str:
            # Before anything is fetched, for a message that says what to do.
            if reason := missing(suite):
                return reason
            try:
                return judged(suite, outcomes(suite, folder.resolve()))
            except RuntimeError as error:
                # The others are worth their answers all the same.
                return Verdict(0, 0, {}, [str(error)])

        wanted = [known[name] for name in chosen.suite or known]
        # Some of them wait more than they work.
        with ThreadPoolExecutor(max(2, os.cpu_count() or 1)) as pool:
            verdicts = list(pool.map(run, wanted))

    troubles = 0
    for suite, verdict in zip(wanted, verdicts, strict=True):
        if isinstance(verdict, str):
            print(f"{suite.key}: left out: {verdict}")  # noqa: T201 - a report
            continue
        found = verdict.troubles + (
            [] if chosen.write else counts.stale(suite, verdict)
        )
        print(f"{suite.key}: {verdict}", *found[:20], sep="\n  ")  # noqa: T201 - a report
        troubles += len(found)
        if chosen.write and not found:
            counts.keep(suite, verdict)
    return bool(troubles)


if __name__ == "__main__":
    sys.exit(main())
