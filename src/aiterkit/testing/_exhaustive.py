"""Every schedule of a small test, or the first of them under which it fails."""

import gc
import importlib
import random
import sys
import time
from collections.abc import Awaitable, Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from aiterkit.testing import _asyncio_explorer
from aiterkit.testing._choices import (
    Explorer,
    Probe,
    Run,
    simpler,
)
from aiterkit.testing._interruptions import Interruption, InterruptionName
from aiterkit.testing._report import History
from aiterkit.testing._virtual import BackendName

Test = Callable[[], Awaitable[object]]

_PROBES = 100
_TRIES_TO_SIMPLIFY = 500
_RUNS_BETWEEN_COLLECTIONS = 200
_SECONDS_BETWEEN_LINES = 0.5


@dataclass(frozen=True, slots=True)
class Failure:
    """A run that failed."""

    error: BaseException
    run: Run
    history: History


class UnstableTestError(RuntimeError):
    """A test behaved differently although `explore` made the same choices.

    It keeps something from one run to the next, or it depends on real time, on
    chance, or on the order of a set. Its schedules cannot be distinguished, so none
    can be replayed.

    Examples:
        >>> runs = [1, 1]
        >>> async def remember() -> None:
        ...     runs.append(1)
        ...     async with anyio.create_task_group() as tasks:
        ...         for _ in runs:
        ...             tasks.start_soon(anyio.sleep, 0)
        >>> try:
        ...     explore(remember, schedules="all")
        ... except UnstableTestError as error:
        ...     print(str(error).split(":")[0])
        remember does not repeat itself on asyncio
    """


@contextmanager
def _collected_between_runs() -> Generator[Callable[[], None]]:
    """Collect garbage when asked, and never in the middle of a run.

    The collector runs finalizers, which may start tasks: it would do so at
    another step in each run.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    runs = 0

    def count() -> None:
        nonlocal runs
        runs += 1
        if runs % _RUNS_BETWEEN_COLLECTIONS == 0:
            gc.collect(0)

    try:
        yield count
    finally:
        if was_enabled:
            gc.enable()


@dataclass(frozen=True, slots=True)
class ExploredTest:
    """A test on one backend, and what may interrupt it."""

    test: Test
    backend: BackendName
    interrupt: InterruptionName | None
    debug: bool

    def make(
        self,
        runs: Iterable[Run],
        after: Callable[[Run, Interruption], None],
        history: History | None = None,
    ) -> None:
        """Make each of *runs*; the first that fails raises its error."""
        if self.backend == "asyncio":
            _asyncio_explorer.run_all(
                self.test, runs, self.interrupt, history, after, debug=self.debug
            )
        else:
            # Imported only here, since Trio need not be installed.
            module = importlib.import_module("aiterkit.testing._trio_explorer")
            module.run_all(self.test, runs, self.interrupt, history, after)

    @property
    def name(self) -> str:
        """The name of the test."""
        return getattr(self.test, "__name__", "test")

    def first_failure(
        self,
        runs: Iterable[Run],
        history: History | None = None,
        *,
        may_differ: bool = False,
    ) -> tuple[BaseException, Run] | None:
        """Make *runs* until one fails; return its error, and which it was.

        Args:
            runs: The runs to make.
            history: Where their steps are recorded.
            may_differ: Whether a run may be unable to make its choices.

        Raises:
            UnstableTestError: If a run cannot repeat what another did.
            ValueError: If the test is to be broken off, and never asks.
        """
        last = Run()
        was_asked = self.interrupt != "break"
        unstable = ""

        def noted() -> Iterator[Run]:
            nonlocal last
            for last in runs:
                yield last
                if unstable:
                    return

        def after(run: Run, interruption: Interruption) -> None:
            nonlocal was_asked, unstable
            was_asked = was_asked or interruption.was_asked
            unstable = "" if may_differ else run.mismatch
            collect()

        with _collected_between_runs() as collect:
            try:
                self.make(noted(), after, history)
            except BaseException as error:
                if is_no_failure(error):
                    raise
                return error, last
        if unstable:
            raise UnstableTestError(
                f"{self.name} does not repeat itself on {self.backend}: it made the "
                f"same choices as before and had {unstable}, a different number "
                "than before. Does it keep something between runs, or depend on real "
                "time, on chance or on the order of a set?"
            )
        if not was_asked:
            raise ValueError(
                f'interrupt="break" needs a test that asks interrupted() where it '
                f"would leave; {self.name} never did"
            )
        return None


def simplified(subject: ExploredTest, error: BaseException, run: Run) -> Failure:
    """Return the failure with as few choices as can be found, and its history.

    Raises:
        UnstableTestError: If the test does not fail again.
    """
    tries = _TRIES_TO_SIMPLIFY
    search = simpler(run)
    while tries and (choices := next(search, None)) is not None:
        tries -= 1
        found = subject.first_failure([Run(choices)], may_differ=True)
        if (
            found is not None
            and type(found[0]) is type(error)
            and found[1].preemptions <= run.preemptions
            and _made(found[1]) < _made(run)
        ):
            run = found[1]
            search = simpler(run)
    history = History()
    again = subject.first_failure([Run(run.taken)], history)
    if again is None:
        raise UnstableTestError(
            f"{subject.name} does not repeat itself on {subject.backend}: it failed, "
            "and did not fail when it was run in the same way again"
        ) from error
    return Failure(*again, history)


def _made(run: Run) -> int:
    return sum(map(bool, run.taken))


def estimate(
    subject: ExploredTest, preemptions: int | None
) -> tuple[float, tuple[BaseException, Run] | None]:
    """Return about how many schedules there are, and a failure if one was met."""
    source = random.Random(0)  # noqa: S311 - a schedule is no secret
    probes = [Probe(preemptions, source) for _ in range(_PROBES)]
    failure = subject.first_failure(probes)
    weights = [probe.weight for probe in probes]
    return sum(weights) / len(weights), failure


class Progress:
    """Says on a terminal how far the exploration is."""

    def __init__(self, subject: ExploredTest, *, is_shown: bool) -> None:
        self._head = f"{subject.name} on {subject.backend}: "
        self._is_shown = is_shown
        self._about = ""
        self._next = 0.0

    def expect(self, about: float, limit: str) -> None:
        """Say how many schedules are to be expected."""
        self._about = f" of about {rounded(about)}"
        self._write(f"about {rounded(about)} schedules {limit}\n")

    def count(self, explorer: Explorer) -> None:
        """Say how many there were so far, now and then."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _SECONDS_BETWEEN_LINES
            self._write(f"{explorer.made:,}{self._about} schedules")

    def end(self, explorer: Explorer) -> None:
        """Say how many there were."""
        counts = " + ".join(f"{count:,}" for count in explorer.counts)
        self._write(
            f"all {explorer.made:,} schedules, with 0, 1, … preemptions {counts}\n"
        )

    def _write(self, text: str) -> None:
        if self._is_shown:
            sys.stderr.write(f"\r\033[K{self._head}{text}")
            sys.stderr.flush()


def rounded(number: float) -> str:
    """Write *number* with two significant digits."""
    return f"{float(f'{number:.2g}'):,.0f}"


def watched_runs(explorer: Explorer, progress: Progress) -> Iterator[Run]:
    """Yield the runs of *explorer*, and say how many there were."""
    for run in explorer.runs():
        yield run
        progress.count(explorer)


def is_no_failure(error: BaseException) -> bool:
    """Tell whether *error* ends the program, or skips the test, on purpose.

    What `pytest.fail` raises is not an `Exception`, yet it is a failure.
    """
    outcomes = sys.modules.get("_pytest.outcomes")
    kinds: tuple[type[BaseException], ...] = (KeyboardInterrupt, SystemExit)
    if outcomes is not None:
        kinds += (outcomes.Skipped, outcomes.Exit)
    return isinstance(error, kinds)
