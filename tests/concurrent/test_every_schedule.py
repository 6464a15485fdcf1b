from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import pytest

import aiterkit as ak
from aiterkit.testing import ScheduleError, explore, mutants

from .every_schedule import PAGE, Program, programs, titled

Backend: TypeAlias = Literal["asyncio", "trio"]

PREEMPTIONS = 2
CASES = [
    pytest.param(program, backend, id=f"{program} on {backend}")
    for program in programs()
    for backend in program.backends
]


@pytest.mark.parametrize(("program", "backend"), CASES)
def test_it_holds_under_every_schedule(program: Program, backend: Backend) -> None:
    seen = explore(
        program.test,
        schedules="all",
        preemptions=PREEMPTIONS - program.fewer,
        interrupt=program.interrupt,
        backends=(backend,),
    )
    assert seen.schedules > 1


def test_no_program_is_there_twice() -> None:
    names = [str(program) for program in programs()]
    assert len(names) == len(set(names)) > 80


def test_the_page_is_about_these_programs() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert [line for line in page.splitlines() if line.startswith("## ")] == [
        f"## `{name}`" for name in titled()
    ]
    for program in programs():
        assert f"| {program.promise}" in page


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
