"""Print a log, as a service would: about so many lines per second, for some seconds.

It is run as a program of its own.
"""

import sys
import time
from datetime import UTC, datetime
from random import Random


def main(name: str, per_second: float, seconds: float) -> None:
    """Print the lines, each with its time."""
    random = Random(name)  # noqa: S311  # no secret
    end = time.monotonic() + seconds
    number = 0
    while (now := time.monotonic()) < end:
        number += 1
        moment = datetime.now(UTC).isoformat(timespec="milliseconds")
        print(f"{moment} {name}: request {number}", flush=True)
        time.sleep(min(random.expovariate(per_second), end - now))


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), float(sys.argv[3]))
