"""The same test under many interleavings, each of which can be replayed."""

import inspect
import random
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from aiterkit.testing._report import History
from aiterkit.testing._strategies import StrategyName, make_strategy
from aiterkit.testing._virtual import (
    BackendName,
    available_backends,
    check_backend,
    run_schedule,
    running_loop,
)

_SEEDS = 2**32


class ScheduleError(AssertionError):
    """A test failed under one of the schedules that `explore` tried.

    The message has the seed, a line that replays this very schedule, and a
    table of what each task did. The error of the test is the ``__cause__``.

    Examples:
        >>> async def fail() -> None:
        ...     raise ValueError("no luck")
        >>> try:
        ...     explore(fail, seed=1)
        ... except ScheduleError as error:
        ...     print(error.seed, error.backend, repr(error.__cause__))
        1 asyncio ValueError('no luck')

    Attributes:
        backend: Where it failed.
        strategy: What ordered the steps.
        seed: What the strategy drew from.
    """

    def __init__(
        self, message: str, backend: BackendName, strategy: StrategyName, seed: int
    ) -> None:
        super().__init__(message)
        self.backend = backend
        self.strategy = strategy
        self.seed = seed


@dataclass(frozen=True, slots=True)
class Exploration:
    """What `explore` has seen, when nothing failed.

    A test with a single interleaving was not explored at all, so look at
    ``distinct`` once.

    Examples:
        >>> async def alone() -> None:
        ...     await anyio.sleep(1)
        >>> explore(alone, schedules=5, backends=("asyncio",), seed=1).distinct
        1

    Attributes:
        schedules: How many were tried, on all backends together.
        distinct: How many of them differed.
        steps: The number of task steps of the longest.
    """

    schedules: int
    distinct: int
    steps: int


def explore(
    test: Callable[[], Awaitable[object]],
    /,
    *,
    schedules: int = 200,
    backends: Sequence[BackendName] | None = None,
    strategy: StrategyName = "random",
    seed: int | None = None,
    debug: bool = False,
) -> Exploration:
    """Run *test* under many schedules of its tasks, on virtual time.

    Whenever several tasks could take a step, the strategy picks one, so that
    orders come up which an event loop of its own accord would never show.

    Examples:
        >>> async def lose_an_update() -> None:
        ...     total = 0
        ...     async def add() -> None:
        ...         nonlocal total
        ...         seen = total
        ...         await anyio.sleep(0)
        ...         total = seen + 1
        ...     async with anyio.create_task_group() as tasks:
        ...         tasks.start_soon(add)
        ...         tasks.start_soon(add)
        ...     assert total == 2
        >>> try:
        ...     explore(lose_an_update, seed=1)
        ... except ScheduleError as error:
        ...     print(str(error).splitlines()[0])
        lose_an_update failed on asyncio, strategy random, seed 4: AssertionError()

    Guarantees:
        Replay: The same seed makes the same run, always.
        Order: Only task steps change places. Callbacks that are not task steps
            keep the order that asyncio promises.
        Time: Sleeping costs nothing. A deadlock, a thread and real I/O fail at
            once. So does a task that outlives the test.

    Args:
        test: An async function without arguments, called anew each time.
        schedules: How many to try on each backend. The n-th has the seed
            *seed* + n.
        backends: Where to try; by default on both, or on asyncio alone if Trio
            is not installed.
        strategy: ``"random"`` draws a task for each step. ``"pct"`` gives tasks
            priorities and changes them at a few steps, which finds what needs
            a task to be left alone for long.
        seed: A number to start from. By default, another one each time.
        debug: Whether asyncio runs in debug mode, which takes longer.

    Raises:
        RuntimeError: If called inside an event loop.
        ScheduleError: If *test* fails; its cause is the test's own error.
        TypeError: If *test* is not an async function.
        ValueError: If an option makes no sense.
    """
    if running_loop() is not None:
        raise RuntimeError(
            "explore() is a plain function that starts event loops of its own: "
            "call it from a plain test function, not inside an event loop"
        )
    if not inspect.iscoroutinefunction(test):
        raise TypeError(f"explore() needs an async function, not {test!r}")
    if schedules < 1:
        raise ValueError(f"schedules must be at least 1, not {schedules}")
    if seed is None:
        seed = random.SystemRandom().randrange(_SEEDS)
    seen: set[tuple[str, int]] = set()
    steps = 0
    names = available_backends() if backends is None else backends
    for backend in names:
        check_backend(backend)
        for number in range(schedules):
            history = _try(test, backend, strategy, seed + number, debug=debug)
            seen.add((backend, history.digest))
            steps = max(steps, history.steps)
    return Exploration(schedules * len(names), len(seen), steps)


def _try(
    test: Callable[[], Awaitable[object]],
    backend: BackendName,
    strategy: StrategyName,
    seed: int,
    *,
    debug: bool,
) -> History:
    history = History()
    order = make_strategy(strategy, seed)
    try:
        run_schedule(test, backend, order, history, debug=debug)
    except BaseException as error:
        if _is_no_failure(error):
            raise
        name = getattr(test, "__name__", "test")
        options = f'backends=("{backend}",), strategy="{strategy}", seed={seed}'
        message = (
            f"{name} failed on {backend}, strategy {strategy}, seed {seed}: {error!r}\n"
            f"replay it with: explore({name}, schedules=1, {options})\n\n"
            f"{history.table()}"
        )
        raise ScheduleError(message, backend, strategy, seed) from error
    return history


def _is_no_failure(error: BaseException) -> bool:
    """Tell whether *error* ends the program, or skips the test, on purpose.

    What `pytest.fail` raises is not an `Exception`, yet it is a failure.
    """
    outcomes = sys.modules.get("_pytest.outcomes")
    kinds: tuple[type[BaseException], ...] = (KeyboardInterrupt, SystemExit)
    if outcomes is not None:
        kinds += (outcomes.Skipped, outcomes.Exit)
    return isinstance(error, kinds)
