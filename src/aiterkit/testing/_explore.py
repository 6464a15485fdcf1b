"""The same test under many interleavings, each of which can be replayed."""

import inspect
import random
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Literal, get_args

from aiterkit.testing._choices import Explorer, Run, read_trace, write_trace
from aiterkit.testing._exhaustive import (
    ExploredTest,
    Failure,
    Progress,
    estimate,
    is_no_failure,
    rounded,
    simplified,
    watched_runs,
)
from aiterkit.testing._interruptions import InterruptionName
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
_MOST_CHARACTERS = 200


class ScheduleError(AssertionError):
    """A test failed under one of the schedules that `explore` tried.

    The message has a line that replays this very schedule, and a table of what
    each task did. The error of the test is the ``__cause__``.

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
        strategy: What ordered the steps: ``"random"``, ``"pct"`` or ``"all"``.
        seed: What the strategy drew from; None with ``schedules="all"``.
        replay: With ``schedules="all"``, what `explore` takes as *replay*.
    """

    def __init__(
        self,
        message: str,
        backend: BackendName,
        strategy: StrategyName | Literal["all"],
        seed: int | None = None,
        replay: str | None = None,
    ) -> None:
        super().__init__(message)
        self.backend = backend
        self.strategy = strategy
        self.seed = seed
        self.replay = replay


class TooManySchedulesError(RuntimeError):
    """A test has more schedules than ``max_schedules``; none so far failed.

    Examples:
        >>> async def many() -> None:
        ...     async with anyio.create_task_group() as tasks:
        ...         for _ in range(5):
        ...             tasks.start_soon(anyio.sleep, 1)
        >>> try:
        ...     explore(many, schedules="all", max_schedules=100)
        ... except TooManySchedulesError as error:
        ...     print(str(error).partition(" of about")[0])
        not all: 100

    Attributes:
        schedules: How many were tried.
        estimate: About how many there are.
    """

    def __init__(self, message: str, schedules: int, estimate: float) -> None:
        super().__init__(message)
        self.schedules = schedules
        self.estimate = estimate


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
        preemptions: With ``schedules="all"``, how many had no preemption, how many
            had one, and so on.
    """

    schedules: int
    distinct: int
    steps: int
    preemptions: tuple[int, ...] = ()


def explore(
    test: Callable[[], Awaitable[object]],
    /,
    *,
    schedules: int | Literal["all"] = 200,
    backends: Sequence[BackendName] | None = None,
    strategy: StrategyName = "random",
    seed: int | None = None,
    preemptions: int | None = 2,
    max_schedules: int = 100_000,
    interrupt: InterruptionName | None = None,
    replay: str | None = None,
    progress: bool | None = None,
    debug: bool = False,
) -> Exploration:
    """Run *test* under many schedules of its tasks, or all, on virtual time.

    Whenever several tasks could take a step, the strategy picks one, so orders
    come up that an event loop would never show by itself.

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

        With ``schedules="all"`` nothing is left to chance: every schedule with at
        most two preemptions is tried, those with fewer first. A preemption is a
        switch away from a task that could go on.

        >>> try:
        ...     explore(lose_an_update, schedules="all")
        ... except ScheduleError as error:
        ...     print(str(error).splitlines()[0])
        lose_an_update failed on asyncio, with 1 preemption: AssertionError()

    Guarantees:
        Replay: The same seed, or the same *replay*, makes the same run, always.
        Order: Only task steps change places. Callbacks that are not task steps
            keep the order that asyncio promises.
        Time: Sleeping costs nothing. A deadlock, a thread and real I/O fail at
            once. So does a task that outlives the test.
        All: With ``schedules="all"``, each schedule within *preemptions* is tried
            once. The one that is reported has as few preemptions as any that
            fails.

    Args:
        test: An async function without arguments, called anew each time.
        schedules: How many to try on each backend. The n-th has the seed
            *seed* + n. ``"all"`` tries every schedule of a small test: the test
            must do the same again when the same tasks take the same steps.
        backends: Where to try; by default on both, or on asyncio alone if Trio
            is not installed.
        strategy: ``"random"`` draws a task for each step. ``"pct"`` gives tasks
            priorities and changes them at a few steps, which finds faults that
            need a task to be left waiting for long.
        seed: A number to start from. By default, another one each time.
        preemptions: With ``"all"``: how many preemptions a schedule may have; None
            for any number. To end one of several sleeps that are due at the same
            time without the others counts as one, too.
        max_schedules: With ``"all"``: how many schedules to try on each backend
            before giving up with an error.
        interrupt: With ``"all"``: what strikes once in each run, at each step in
            turn, or not at all. ``"timeout"`` cancels a scope around the test,
            ``"cancel"`` calls ``task.cancel()`` on asyncio and does the same as
            ``"timeout"`` on Trio, and ``"break"`` lets `interrupted` return True.
            A test that waits for nothing else is interrupted in every run.
        replay: Runs one schedule, as the message of a `ScheduleError` says.
        progress: Whether to show the progress on stderr. By default, only if that
            is a terminal.
        debug: Whether asyncio runs in debug mode, which takes longer.

    Raises:
        RuntimeError: If called inside an event loop.
        ScheduleError: If *test* fails; its cause is the test's own error.
        TooManySchedulesError: If there are more than *max_schedules*.
        TypeError: If *test* is not an async function.
        UnstableTestError: If *test* does not repeat itself, so that schedules
            cannot be distinguished.
        ValueError: If an option makes no sense.
    """
    if running_loop() is not None:
        raise RuntimeError(
            "explore() is a plain function that starts event loops of its own: "
            "call it from a plain test function, not inside an event loop"
        )
    if not inspect.iscoroutinefunction(test):
        raise TypeError(f"explore() needs an async function, not {test!r}")
    if replay is not None:
        return _replay(test, replay, debug=debug)
    names = available_backends() if backends is None else backends
    for backend in names:
        check_backend(backend)
    if schedules == "all":
        _check_bounds(preemptions, max_schedules, interrupt, seed)
        is_shown = sys.stderr.isatty() if progress is None else progress
        subjects = [ExploredTest(test, backend, interrupt, debug) for backend in names]
        return _try_all(subjects, preemptions, max_schedules, is_shown=is_shown)
    if interrupt is not None:
        raise ValueError('interrupt= needs schedules="all"')
    if not isinstance(schedules, int):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ValueError(f'schedules must be a number or "all", not {schedules!r}')  # noqa: TRY004
    if schedules < 1:
        raise ValueError(f"schedules must be at least 1, not {schedules}")
    return _try_some(test, names, schedules, strategy, seed, debug=debug)


def _try_some(
    test: Callable[[], Awaitable[object]],
    names: Sequence[BackendName],
    schedules: int,
    strategy: StrategyName,
    seed: int | None,
    *,
    debug: bool,
) -> Exploration:
    if seed is None:
        seed = random.SystemRandom().randrange(_SEEDS)
    seen: set[tuple[str, int]] = set()
    steps = 0
    for backend in names:
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
        if is_no_failure(error):
            raise
        name = getattr(test, "__name__", "test")
        options = f'backends=("{backend}",), strategy="{strategy}", seed={seed}'
        message = (
            f"{name} failed on {backend}, strategy {strategy}, seed {seed}: "
            f"{_shown(error)}\n"
            f"replay it with: explore({name}, schedules=1, {options})\n\n"
            f"{history.table()}"
        )
        raise ScheduleError(message, backend, strategy, seed) from error
    return history


def _check_bounds(
    preemptions: int | None,
    max_schedules: int,
    interrupt: InterruptionName | None,
    seed: int | None,
) -> None:
    if preemptions is not None and preemptions < 0:
        raise ValueError(f"preemptions must be at least 0, or None, not {preemptions}")
    if max_schedules < 1:
        raise ValueError(f"max_schedules must be at least 1, not {max_schedules}")
    if interrupt is not None and interrupt not in get_args(InterruptionName):
        raise ValueError(
            f"interrupt must be 'cancel', 'timeout' or 'break', not {interrupt!r}"
        )
    if seed is not None:
        raise ValueError('seed= has no meaning with schedules="all", which draws none')


def _try_all(
    subjects: Sequence[ExploredTest],
    preemptions: int | None,
    most: int,
    *,
    is_shown: bool,
) -> Exploration:
    found = [
        _try_on_one(subject, preemptions, most, is_shown=is_shown)
        for subject in subjects
    ]
    columns = zip_longest(*(each.counts for each in found), fillvalue=0)
    total = sum(each.made for each in found)
    steps = max((each.steps for each in found), default=0)
    return Exploration(total, total, steps, tuple(map(sum, columns)))


def _try_on_one(
    subject: ExploredTest, preemptions: int | None, most: int, *, is_shown: bool
) -> Explorer:
    limit = _times(preemptions) if preemptions is not None else ""
    limit = limit and f"with at most {limit}"
    explorer = Explorer(preemptions, most)
    progress = Progress(subject, is_shown=is_shown)
    failure: tuple[BaseException, Run] | None = None
    if is_shown:
        about, failure = estimate(subject, preemptions)
        progress.expect(about, limit)
    failure = subject.first_failure(watched_runs(explorer, progress)) or failure
    about = 0.0
    if failure is None and explorer.is_cut:
        about, failure = estimate(subject, preemptions)
        about = max(about, explorer.made + 1)
    if failure is not None:
        raise _error_of(subject, simplified(subject, *failure)) from failure[0]
    if explorer.is_cut:
        raise TooManySchedulesError(
            f"not all: {explorer.made:,} of about {rounded(about)} "
            f"schedules of {subject.name} on {subject.backend} {limit}".rstrip()
            + " were tried, and none failed. Raise max_schedules=, lower "
            "preemptions=, or make the test smaller",
            explorer.made,
            about,
        )
    progress.end(explorer)
    return explorer


def _replay(
    test: Callable[[], Awaitable[object]], replay: str, *, debug: bool
) -> Exploration:
    backend, _, text = replay.partition(" ")
    interrupt: InterruptionName | None = None
    for kind in get_args(InterruptionName):
        if text.split(" ")[0] == kind:
            interrupt, text = kind, text[len(kind) :]
    try:
        choices = read_trace(text)
    except ValueError:
        raise ValueError(
            "replay must be the text that a ScheduleError shows, such as "
            f'"asyncio 3.1 5.2", not {replay[:200]!r}'
        ) from None
    if backend not in {"asyncio", "trio"}:
        check_backend(backend)
    name: BackendName = "asyncio" if backend == "asyncio" else "trio"
    subject = ExploredTest(test, name, interrupt, debug)
    run = Run(choices)
    history = History()
    failure = subject.first_failure([run], history)
    if failure is not None:
        raise _error_of(subject, Failure(*failure, history)) from failure[0]
    return Exploration(1, 1, run.steps)


def _error_of(subject: ExploredTest, failure: Failure) -> ScheduleError:
    words = [subject.backend, subject.interrupt, write_trace(failure.run.taken)]
    replay = " ".join(word for word in words if word)
    lines = [
        (
            f"{subject.name} failed on {subject.backend}, with "
            f"{_times(failure.run.preemptions)}: {_shown(failure.error)}"
        ),
        f'replay it with: explore({subject.name}, replay="{replay}")',
        "",
        failure.history.table(),
    ]
    if failure.run.preemptions:
        lines.append("* the task of the step before could have gone on")
    return ScheduleError("\n".join(lines), subject.backend, "all", replay=replay)


def _times(preemptions: int) -> str:
    many = "" if preemptions == 1 else "s"
    return f"{preemptions or 'no'} preemption{many}"


def _shown(error: BaseException) -> str:
    return repr(error).partition("\\n")[0][:_MOST_CHARACTERS]
