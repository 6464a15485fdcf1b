"""How forms are measured beside each other: in turn, in one process."""

import gc
import random
import time
from collections.abc import Awaitable, Callable


async def in_turn(
    runs: dict[str, Callable[[], Awaitable[object]]],
    *,
    rounds: int,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Return the seconds of each run in each round, as *clock* tells them.

    The order is a new one in each round, so that what else the machine is doing
    falls on all alike.
    """
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    order = list(runs.items())
    for _ in range(rounds):
        random.shuffle(order)
        for name, run in order:
            gc.collect()
            start = clock()
            await run()
            seconds[name].append(clock() - start)
    return seconds
