"""Small programs under every schedule with at most two preemptions.

They take minutes, so continuous integration runs them once, in a session of their own
and without measuring coverage.
"""

import gc
import shlex
from collections.abc import Callable
from typing import Any

import pytest

import aiterkit as ak
from aiterkit._concurrent.merge.scope import StoppableSink
from aiterkit._concurrent.merge.state import Stoppable
from aiterkit._concurrent.share.scope import BalancedSubscription
from aiterkit.testing import ScheduleError, explore, mutants

from ..planted import changed, leaves_garbage  # noqa: TID252 - tests stand on no path
from .every_schedule import (
    CI_MOST,
    CI_PREEMPTIONS,
    COMMAND,
    PAGE,
    Backend,
    Program,
    main,
    programs,
    read_page,
    titled,
    versions,
)

COUNTS = read_page()
CASES = [
    pytest.param(program, backend, id=f"{program} on {backend}")
    for program in programs()
    for backend in program.backends
]


@pytest.mark.parametrize(("program", "backend"), CASES)
def test_it_holds_under_every_schedule(program: Program, backend: Backend) -> None:
    seen = program.explored(backend, CI_PREEMPTIONS, CI_MOST)
    assert seen > 1
    # Another version of what runs the tasks may take other steps.
    if versions() in PAGE.read_text(encoding="utf-8"):
        on_asyncio, on_trio, *_ = COUNTS[str(program)]
        written = on_asyncio if backend == "asyncio" else on_trio
        assert f"{seen:,}" == written, "run nox -s every: the page is out of date"


def test_no_program_is_there_twice() -> None:
    names = [str(program) for program in programs()]
    assert len(names) == len(set(names)) > 150


def test_the_page_is_about_these_programs() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert [line for line in page.splitlines() if line.startswith("## ")] == [
        f"## `{name}`" for name in titled()
    ]
    assert sorted(COUNTS) == sorted(map(str, programs()))


def faulty(name: str) -> Callable[..., Any]:
    (mutant,) = (each for each in mutants() if each.name == name)

    def concurrent_map(
        func: Any, source: Any, /, *, limit: int, buffer: int = 0
    ) -> Any:
        del buffer
        return mutant(func, source, limit=limit)

    return concurrent_map


@pytest.mark.parametrize(
    "name",
    [
        "limit ignored",
        "limit unreachable",
        "window ignored",
        "error swallowed",
        "error wrapped",
        "source error as end",
        "no second end",
        "wait loses a result",
        "source not closed",
        "source closed twice",
        "lost tail",
        "duplicate at limit 1",
    ],
)
def test_the_programs_find_a_faulty_map(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ak, "concurrent_map", faulty(name))
    found = 0
    for program in programs():
        if program.operator == "concurrent_map" and "key" not in program.promise:
            try:
                explore(
                    program.test,
                    schedules="all",
                    preemptions=0,
                    interrupt=program.interrupt,
                    backends=("asyncio",),
                    max_schedules=50_000,
                )
            except ScheduleError:
                found += 1
    assert found


@leaves_garbage
@pytest.mark.parametrize(
    ("operator", "owner", "method", "right", "wrong"),
    [
        pytest.param(
            "concurrent_until",
            StoppableSink,
            "takes_last_read",
            "not self._until.closed",
            "False",
            id="until loses the item that a cancelled read gives",
        ),
        pytest.param(
            "concurrent_until",
            Stoppable,
            "stop",
            "self.to_stop.extend(self.open)",
            "self.open.clear(); self.ended = True",
            id="until ends before the cancelled read has ended",
        ),
        pytest.param(
            "concurrent_balance",
            BalancedSubscription,
            "on_wait_failed",
            "self._balanced.pass_on(self._queue)",
            "pass",
            id="balance keeps an item for a reader that gave up",
        ),
        pytest.param(
            "concurrent_balance",
            BalancedSubscription,
            "on_received",
            "scope.wake_receivers()",
            "pass",
            id="balance does not say that the last item was received",
        ),
    ],
)
def test_the_programs_find_a_planted_fault(
    operator: str,
    owner: type[Any],
    method: str,
    right: str,
    wrong: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    function = changed(vars(owner)[method], right, wrong, owner=owner)
    monkeypatch.setattr(owner, method, function)
    with pytest.raises(ScheduleError):
        for program in programs():
            if program.operator == operator:
                program.explored("asyncio", 1, CI_MOST)
    gc.collect()  # what it left behind speaks up here, and not in a later test


@leaves_garbage
def test_a_failure_is_replayed_by_the_line_that_it_prints(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    owner: Any = BalancedSubscription
    function = changed(owner.on_received, "scope.wake_receivers()", "0")
    monkeypatch.setattr(owner, "on_received", function)
    program = next(each for each in programs() if "one of two" in each.promise)
    with pytest.raises(ScheduleError) as caught:
        program.explored("trio", 1, CI_MOST)
    (line,) = caught.value.__notes__
    command = line.removeprefix(f"replay it with: {COMMAND} ")
    with pytest.raises(ScheduleError) as again:
        main(shlex.split(command))
    assert str(again.value) == str(caught.value)
    monkeypatch.undo()
    main(shlex.split(command))
    assert capsys.readouterr().out == "It holds under this schedule.\n"
    gc.collect()  # what it left behind speaks up here, and not in a later test
