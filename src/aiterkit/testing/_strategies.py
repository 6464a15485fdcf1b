"""Which of the runnable tasks takes the next step.

A strategy sees the numbers of the tasks that could run, always in the same
order for the same run, and picks one. All that it draws comes from its seed,
so the same seed makes the same run.
"""

import random
from collections.abc import Sequence
from typing import Literal, Protocol, TypeAlias

StrategyName: TypeAlias = Literal["random", "pct"]
"""What `explore` can be asked for."""


class Strategy(Protocol):
    """Picks which task goes next."""

    def pick(self, tasks: Sequence[int], /) -> int:
        """Return the index, in *tasks*, of the task to run."""
        ...


class RandomStrategy:
    """Any runnable task, each as likely as the others."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - a schedule is no secret

    def pick(self, tasks: Sequence[int], /) -> int:
        """Draw one of *tasks*."""
        return self._random.randrange(len(tasks))


class PctStrategy:
    """Probabilistic concurrency testing: priorities, changed at a few steps.

    The task with the highest priority runs until it waits. A bug that needs
    few preemptions at the right places is found with a known probability,
    where a fair draw at every step is unlikely to leave a task alone for long.
    """

    CHANGES = 2

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)  # noqa: S311 - a schedule is no secret
        # How long the test will be is not known beforehand, and a change point
        # beyond its end is wasted: the horizon is drawn too, short or long.
        horizon = int(2 ** self._random.uniform(3, 10))
        self._changes = {self._random.randrange(horizon) for _ in range(self.CHANGES)}
        self._priorities: dict[int, float] = {}
        self._choices = 0

    def pick(self, tasks: Sequence[int], /) -> int:
        """Take the first in rank, after demoting it where a change is due."""
        for task in tasks:
            if task not in self._priorities:
                self._priorities[task] = 1 + self._random.random()
        best = max(range(len(tasks)), key=lambda i: self._priorities[tasks[i]])
        if self._choices in self._changes:
            # Below all others, and below those that were demoted before.
            self._priorities[tasks[best]] = -float(self._choices)
            best = max(range(len(tasks)), key=lambda i: self._priorities[tasks[i]])
        self._choices += 1
        return best


def make_strategy(name: StrategyName, seed: int) -> Strategy:
    """Return the strategy called *name*, ready for one run."""
    if name == "random":
        return RandomStrategy(seed)
    if name == "pct":
        return PctStrategy(seed)
    raise ValueError(f"strategy must be 'random' or 'pct', not {name!r}")
