import itertools
import random
from collections import Counter
from collections.abc import Iterator

import pytest

from aiterkit.testing._choices import (
    PATIENCE,
    Explorer,
    Probe,
    Run,
    pack,
    read_trace,
    simpler,
    write_trace,
)

Order = tuple[int, ...]


def play(run: Run, steps: list[int]) -> Order:
    """Let tasks that never wait take so many steps each; return their order."""
    left = dict(enumerate(steps))
    line = list(left)
    current = -1
    order: list[int] = []
    while line:
        index = line.index(current) if current in line else -1
        task = line.pop(run.next_step(len(line), index, 0, 0, 0))
        order.append(task)
        left[task] -= 1
        current = task
        if left[task]:
            line.append(task)
    return tuple(order)


def orders(steps: list[int]) -> set[Order]:
    tasks = [task for task, count in enumerate(steps) for _ in range(count)]
    return set(itertools.permutations(tasks))


def preemptions(order: Order) -> int:
    """Count by another way: the switches away from a task that has steps left."""
    return sum(
        first != second and first in order[place + 1 :]
        for place, (first, second) in enumerate(itertools.pairwise(order))
    )


STEPS = [[1, 1], [2, 1], [3, 3], [2, 2, 2], [1, 2, 3]]


@pytest.mark.parametrize("bound", [0, 1, 2, 3, None])
@pytest.mark.parametrize("steps", STEPS, ids=str)
def test_each_order_within_the_bound_is_tried_once(
    steps: list[int], bound: int | None
) -> None:
    explorer = Explorer(bound, 10_000)
    found: Counter[Order] = Counter()
    for run in explorer.runs():
        order = play(run, steps)
        found[order] += 1
        assert run.preemptions == preemptions(order)
        assert not run.mismatch
    wanted = {
        order for order in orders(steps) if bound is None or preemptions(order) <= bound
    }
    assert set(found) == wanted
    assert explorer.made == len(wanted)
    costs = Counter(map(preemptions, wanted))
    assert explorer.counts == [costs[number] for number in range(len(costs))]
    assert explorer.steps == sum(steps)


def test_those_with_fewer_preemptions_come_first() -> None:
    explorer = Explorer(None, 10_000)
    costs: list[int] = []
    for run in explorer.runs():
        play(run, [3, 3])
        costs.append(run.preemptions)
    assert costs == sorted(costs)


@pytest.mark.parametrize("most", [1, 5, 19])
def test_no_more_runs_are_made_than_were_allowed(most: int) -> None:
    explorer = Explorer(None, most)
    for run in explorer.runs():
        play(run, [3, 3])
    assert explorer.made == most
    assert explorer.is_cut


def test_as_many_runs_as_were_allowed_may_be_all() -> None:
    explorer = Explorer(None, 20)
    for run in explorer.runs():
        play(run, [3, 3])
    assert explorer.made == 20
    assert not explorer.is_cut


def outcomes(*given: int) -> Iterator[tuple[int, int]]:
    """Yield what each choice at one point leads to, and what it costs."""
    first = Run()
    first.next_step(*given)
    for choice in range(*first.sizes[:1] or [1]):
        run = Run([choice])
        yield run.next_step(*given), run.preemptions


WHAT_COULD_HAPPEN = [
    (tasks, timers, sleeps, strikes)
    for tasks, timers, sleeps, strikes in itertools.product(
        [0, 1, 2, 4], [0, 1, 2], [0, 2, 3], [0, 1]
    )
    if tasks + timers and (timers or not sleeps)
]


@pytest.mark.parametrize(("tasks", "timers", "sleeps", "strikes"), WHAT_COULD_HAPPEN)
def test_all_that_could_happen_is_a_choice(
    tasks: int, timers: int, sleeps: int, strikes: int
) -> None:
    for current in range(-1, tasks):
        costs = dict(outcomes(tasks, current, timers, sleeps, strikes))
        size = tasks + timers + sleeps + strikes
        assert sorted(costs) == list(range(size))
        for index, cost in costs.items():
            is_strike = strikes and index == size - 1
            is_alone = tasks + timers <= index < tasks + timers + sleeps
            leaves = current not in {-1, index} and not is_strike
            assert cost == (1 if is_alone or leaves else 0)


def test_a_task_is_not_passed_over_for_ever() -> None:
    run = Run()
    line = ["first", "second"]
    for number in range(PATIENCE + 1):
        # The second goes on and on: it is the current one.
        chosen = run.next_step(2, 1, 0, 0, 0)
        assert line[chosen] == ("second" if number < PATIENCE else "first")
    assert not run.preemptions


def test_a_timer_is_not_passed_over_for_ever() -> None:
    run = Run()
    chosen = [run.next_step(1, 0, 1, 0, 0) for _ in range(PATIENCE + 2)]
    assert chosen == [0] * PATIENCE + [1, 0]


def test_what_is_not_repeated_is_noticed() -> None:
    run = Run([1, 1], [3, 2])
    assert run.choose(3, 3) == 1
    assert run.choose(3, 3) == 0
    assert run.mismatch == "3 options at choice 1"
    run = Run([2])
    assert run.choose(2, 2) == 0
    assert run.mismatch == "2 options at choice 0"


@pytest.mark.parametrize("bound", [0, 1, 2, None])
def test_the_estimate_is_right_on_average(bound: int | None) -> None:
    explorer = Explorer(bound, 10_000)
    for run in explorer.runs():
        play(run, [3, 3])
    source = random.Random(1)
    probes = [Probe(bound, source) for _ in range(4000)]
    for probe in probes:
        play(probe, [3, 3])
        assert bound is None or probe.preemptions <= bound
    mean = sum(probe.weight for probe in probes) / len(probes)
    assert mean == pytest.approx(explorer.made, rel=0.05)


def test_choices_take_one_byte_where_that_is_enough() -> None:
    assert pack([0, 255]) == b"\x00\xff"
    assert pack([0, 256]) == (0, 256)


def test_a_simpler_run_makes_one_choice_less() -> None:
    run = Run([1, 0, 2])
    for _ in range(4):
        run.choose(3, 3)
    assert list(simpler(run)) == [[0, 0, 2, 0], [1, 0, 0, 0]]


@pytest.mark.parametrize("choices", [[], [0, 1], [3], [0, 0, 12, 0, 1]], ids=str)
def test_a_trace_can_be_read_again(choices: list[int]) -> None:
    assert read_trace(write_trace(choices)) == choices


@pytest.mark.parametrize("text", ["x", "1", "2.1 1.1", "1.1 1.2", "1.0", "1.1.1"])
def test_what_is_no_trace_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the caller says what is wrong
        read_trace(text)
