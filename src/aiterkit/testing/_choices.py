"""Which choices one run of a test makes, and which runs are left to make.

A test is a tree of choices: at each point several things could happen next.
Nothing of a run is saved but the choices it made. Another run repeats some of
them, the prefix, makes a new one, and then takes the first option at each
point. No event loop is needed for this, so all of it can be tested without one.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

Packed: TypeAlias = bytes | tuple[int, ...]

# A task that could run is passed over at most so often in a row. Otherwise a
# task that yields until another has done something would yield for ever.
PATIENCE = 50

# A run of so many steps is not a small program; most likely it never ends.
MOST_STEPS = 20_000


def pack(numbers: Sequence[int], /) -> Packed:
    """Return *numbers* in little memory: one byte each, where that is enough."""
    try:
        return bytes(numbers)
    except ValueError:
        return tuple(numbers)


class Run:
    """One run: the choices of *prefix*, and then the first option at each point.

    Args:
        prefix: Which option is taken at the first points.
        expected: How many options there were at these points in an earlier run;
            None if that is not known.
    """

    __slots__ = (
        "_expected",
        "_passed",
        "_prefix",
        "_timers_passed",
        "free",
        "mismatch",
        "preemptions",
        "sizes",
        "steps",
        "taken",
    )

    def __init__(
        self, prefix: Sequence[int] = (), expected: Sequence[int] | None = None
    ) -> None:
        self._prefix = prefix
        self._expected = expected
        self._passed = 0
        self._timers_passed = 0
        self.taken: list[int] = []
        self.free: list[int] = []
        self.sizes: list[int] = []
        self.preemptions: int = 0
        self.steps: int = 0
        self.mismatch = ""

    @property
    def own(self) -> int:
        """Return the number of the first point that the prefix did not decide."""
        return len(self._prefix)

    def choose(self, free: int, size: int, /) -> int:
        """Return which of *size* options is taken; the first *free* cost nothing."""
        point = len(self.taken)
        choice = self._prefix[point] if point < len(self._prefix) else self.pick(size)
        if choice >= size or (
            self._expected is not None
            and point < len(self._expected)
            and self._expected[point] != size
        ):
            self.mismatch = self.mismatch or f"{size} options at choice {point}"
            choice = 0
        self.taken.append(choice)
        self.free.append(free)
        self.sizes.append(size)
        if choice >= free:
            self.preemptions += 1
        return choice

    def pick(self, size: int, /) -> int:
        """Return which option is taken where the prefix does not say."""
        del size
        return 0

    def next_step(
        self, tasks: int, current: int, timers: int, sleeps: int, strikes: int, /
    ) -> int:
        """Return what happens next, as an index into all that could.

        These are the tasks that can run, the timers that are due, the sleeps of
        which one may end without the others, and the interruption. To leave
        *current*, the task of the step before, while it could go on, costs a
        preemption; so does it to let one sleep end alone. To interrupt the test
        costs nothing.

        Args:
            tasks: How many tasks can run, the longest waiting first.
            current: The index of the one that ran before, or -1.
            timers: How many timers are due; sleeps that end together are one.
            sleeps: How many sleeps could end alone.
            strikes: 1 if the test can be interrupted now, or 0.
        """
        self.steps += 1
        others = tasks + timers
        size = others + sleeps + strikes
        if size == 1:
            self._passed = self._timers_passed = 0
            return 0
        if self._passed >= PATIENCE and tasks:
            self._passed = 0
            return 0
        if self._timers_passed >= PATIENCE and timers:
            self._timers_passed = 0
            return tasks
        if current < 0:
            chosen = self.choose(others + strikes, size)
            if chosen == others and strikes:
                chosen = others + sleeps
            elif chosen > others:
                chosen -= strikes
        else:
            chosen = self.choose(1 + strikes, size)
            if chosen == 0:
                chosen = current
            elif chosen <= strikes:
                chosen = others + sleeps
            else:
                chosen -= 1 + strikes
                chosen += chosen >= current
        if chosen < others:
            self._passed = self._passed + 1 if chosen and tasks else 0
            self._timers_passed = self._timers_passed + 1 if chosen < tasks else 0
        return chosen


class Probe(Run):
    """A run that draws its choices, among those that the bound allows.

    The product of the numbers of options at all points is an unbiased estimate
    of how many runs there are (Knuth, 1975).
    """

    __slots__ = ("_bound", "_random", "weight")

    def __init__(self, bound: int | None, source: random.Random) -> None:
        super().__init__()
        self._bound = bound
        self._random = source
        self.weight = 1.0

    def choose(self, free: int, size: int, /) -> int:
        """Draw an option; none that costs, once the bound is reached."""
        allowed = size
        if self._bound is not None and self.preemptions >= self._bound:
            allowed = free
        self.weight *= allowed
        choice = self._random.randrange(allowed)
        self.taken.append(choice)
        if choice >= free:
            self.preemptions += 1
        return choice


@dataclass(frozen=True, slots=True)
class _Deferred:
    """A run that was made, and whose preemptions are still to be tried."""

    own: int
    taken: Packed
    free: Packed
    sizes: Packed


@dataclass
class Explorer:
    """All runs with at most *bound* preemptions, each once, fewest first.

    So the first run that fails has as few preemptions as any that fails.

    Args:
        bound: How many preemptions a run may have; None: any number.
        most: After how many runs to give up.

    Attributes:
        counts: How many runs there were, by their number of preemptions.
        steps: The number of steps of the longest run.
        is_cut: Whether it gave up before the last run.
    """

    bound: int | None
    most: int
    counts: list[int] = field(default_factory=list[int])
    steps: int = 0
    is_cut: bool = False

    @property
    def made(self) -> int:
        """Return how many runs were made so far."""
        return sum(self.counts)

    def runs(self) -> Iterator[Run]:
        """Yield each run; it must have been made before the next is asked for."""
        left = self.most
        starts: Iterator[tuple[Sequence[int], Sequence[int]]] = iter([((), ())])
        level = 0
        while True:
            self.counts.append(0)
            deferred: list[_Deferred] = []
            is_last = level == self.bound
            for start in starts:
                pending = [start]
                while pending:
                    if not left:
                        self.is_cut = True
                        return
                    left -= 1
                    prefix, expected = pending.pop()
                    run = Run(prefix, expected)
                    yield run
                    self.counts[level] += 1
                    self.steps = max(self.steps, run.steps)
                    costs = self._follow(run, pending)
                    if costs and not is_last:
                        packed = map(pack, (run.taken, run.free, run.sizes))
                        deferred.append(_Deferred(run.own, *packed))
            if not deferred:
                return
            level += 1
            starts = _preempted(deferred)

    def _follow(
        self, run: Run, pending: list[tuple[Sequence[int], Sequence[int]]]
    ) -> bool:
        """Note what else *run* could have done; tell whether more would cost."""
        taken, free, sizes = run.taken, run.free, run.sizes
        costs = False
        for point in range(run.own, len(taken)):
            if free[point] < sizes[point]:
                costs = True
            if free[point] > 1:
                before = taken[:point]
                known = pack(sizes[: point + 1])
                pending.extend(
                    (pack([*before, option]), known) for option in range(1, free[point])
                )
        return costs


def _preempted(
    deferred: list[_Deferred],
) -> Iterator[tuple[Sequence[int], Sequence[int]]]:
    for run in deferred:
        for point in range(run.own, len(run.taken)):
            before = tuple(run.taken[:point])
            for option in range(run.free[point], run.sizes[point]):
                yield pack((*before, option)), run.sizes[: point + 1]


def simpler(run: Run, /) -> Iterator[list[int]]:
    """Yield the choices of *run*, each time with one of them not made."""
    for point, choice in enumerate(run.taken):
        if choice:
            yield [*run.taken[:point], 0, *run.taken[point + 1 :]]


def write_trace(choices: Sequence[int], /) -> str:
    """Return the choices that are not the first option, as ``point.choice``."""
    return " ".join(
        f"{point}.{choice}" for point, choice in enumerate(choices) if choice
    )


def read_trace(text: str, /) -> list[int]:
    """Return the choices that `write_trace` wrote.

    Raises:
        ValueError: If it did not write *text*.
    """
    choices: list[int] = []
    for word in text.split():
        point, choice = map(int, word.split("."))
        if point < len(choices) or choice < 1:
            raise ValueError(text)
        choices += [0] * (point - len(choices))
        choices.append(choice)
    return choices
