import asyncio
import functools
import re
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Literal, TypeAlias

import anyio
import pytest

from aiterkit import concurrent_map
from aiterkit.testing import (
    CallProbe,
    LawReport,
    LawResult,
    Mutant,
    ProbeError,
    SourceProbe,
    check_laws,
    laws,
    mutants,
)
from aiterkit.testing._law_kit import Planned, unplanned
from aiterkit.testing._mutants import PlainMap

from .peers import CHECKED, OURS, PEERS, Peer, page

Backend: TypeAlias = Literal["asyncio", "trio"]

BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])
MUTANTS = pytest.mark.parametrize("mutant", mutants(), ids=lambda mutant: mutant.name)


@pytest.mark.parametrize("peer", OURS, ids=str)
def test_ours_keeps_all_laws(peer: Peer) -> None:
    report = peer.check(schedules=4)
    report.assert_all_hold()
    assert len(report.results) == 2 * len(laws())


@pytest.mark.parametrize("ordered", [True, False])
def test_the_plain_map_keeps_all_laws_without_a_fault(
    ordered: bool,  # noqa: FBT001 - a row of the test
) -> None:
    plain = functools.partial(PlainMap, ordered=ordered)
    check_laws(plain, ordered=ordered, schedules=2).assert_all_hold()


@BACKENDS
@MUTANTS
def test_each_mutant_dies(mutant: Mutant, backend: Backend) -> None:
    report = check_laws(
        mutant, ordered=mutant.ordered, laws=mutant.dies_by, backends=(backend,)
    )
    assert {result.law for result in report.broken} == set(mutant.dies_by)


async def test_the_plain_map_drops_what_comes_after_a_failure() -> None:
    call = CallProbe(fail, seconds=1)
    source = SourceProbe(range(9), gap=[0, 3])
    async with PlainMap(call, source, limit=2) as results:
        with pytest.raises(ProbeError):
            await anext(results)
        await anyio.sleep(9)
    assert source.taken == [0, 1]
    assert call.starts == [0]


def fail(item: int) -> None:
    raise ProbeError(item)


def test_a_mutant_has_one_fault() -> None:
    mutant = next(mutant for mutant in mutants() if mutant.name.startswith("fill"))
    assert set(mutant.dies_by) == {"delivery"}
    check_laws(mutant, ordered=True, laws=["completeness"]).assert_all_hold()


def test_what_nobody_planned_is_found_within_groups() -> None:
    strange = RuntimeError()
    assert unplanned(strange) is strange
    assert unplanned(Planned()) is None
    inner = ExceptionGroup("inner", [Planned(), Planned()])
    assert unplanned(inner) is None
    assert unplanned(BaseExceptionGroup("outer", [inner, strange])) is strange


def test_a_cancellation_after_the_block_comes_out_of_the_blue() -> None:
    @asynccontextmanager
    async def stray(
        func: Any, source: Any, /, *, limit: int
    ) -> AsyncGenerator[Any, None]:
        async with concurrent_map(func, source, limit=limit) as results:
            yield results
        task = asyncio.current_task()
        assert task is not None
        asyncio.get_running_loop().call_soon(task.cancel)

    (result,) = check_laws(
        stray,
        ordered=True,
        laws=["nothing out of the blue"],
        backends=("asyncio",),
        schedules=1,
    ).broken
    assert "CancelledError" in result.message


def test_a_map_that_cancels_nothing_has_cleaned_up_nothing() -> None:
    @asynccontextmanager
    async def one_by_one(
        func: Any, source: Any, /, *, limit: int
    ) -> AsyncGenerator[Any, None]:
        assert limit
        yield (await func(item) async for item in source)

    (result,) = check_laws(
        one_by_one, ordered=True, laws=["cleanup"], schedules=1, backends=("asyncio",)
    ).broken
    assert "no call was cancelled" in result.message


def test_an_error_that_is_never_raised_leaves_the_siblings_running() -> None:
    mutant = next(m for m in mutants() if m.name == "error swallowed")
    (result,) = check_laws(
        mutant, ordered=True, laws=["siblings"], backends=("asyncio",)
    ).broken
    assert "were not cancelled" in result.message


def test_each_law_kills_a_mutant() -> None:
    assert {law for mutant in mutants() for law in mutant.dies_by} == set(laws())


def test_a_report_bears_the_name_that_was_given() -> None:
    options: Any = {"ordered": True, "laws": ["completeness"], "schedules": 1}
    assert check_laws(concurrent_map, **options).name == "concurrent_map"
    assert check_laws(concurrent_map, name="mine", **options).name == "mine"


def test_the_mutants_differ() -> None:
    assert len({mutant.name for mutant in mutants()}) == len(mutants())
    assert len({mutant.sentence for mutant in mutants()}) == len(mutants())


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="the page is of 3.11")
@pytest.mark.filterwarnings("ignore")  # what a peer leaves behind
@pytest.mark.parametrize("peer", PEERS, ids=str)
def test_what_the_page_says_of_a_peer_is_so(peer: Peer) -> None:
    if peer.version is None:
        pytest.skip(f"{peer.package} is not installed: the extra bench has it")
    report = peer.check(schedules=2)
    assert {result.law for result in report.results} == set(laws())
    if peer.version == CHECKED[peer.package]:
        assert {result.law for result in report.broken} == peer.breaks


def test_the_page_shows_what_holds_and_what_was_seen() -> None:
    broken = LawResult("order", "", "asyncio", holds=False, message="E: 1, not 2")
    text = page({OURS[0]: LawReport("x", (broken,)), OURS[1]: LawReport("y", ())})
    assert "| order | **no** | yes |" in text
    assert "- order: 1, not 2" in text
    assert "- All laws hold." in text


def ignore_the_limit() -> Mutant:
    return next(mutant for mutant in mutants() if mutant.name == "limit ignored")


def test_a_report_is_a_table_with_what_was_seen() -> None:
    report = check_laws(
        ignore_the_limit(), ordered=True, laws=["overlap", "ending"], seed=5
    )
    assert not report.holds
    table = str(report).split("\n\n")
    assert table[0].splitlines() == [
        "limit ignored  asyncio  trio",
        "overlap        BROKEN   BROKEN",
        "ending         holds    holds",
    ]
    seen = table[1].splitlines()
    assert seen[0] == "overlap, on asyncio, seed 5:"
    assert seen[1].strip() == laws()["overlap"]
    assert "AssertionError: 2 calls ran at once, more than 1" in seen[2]
    with pytest.raises(AssertionError) as caught:
        report.assert_all_hold()
    assert str(caught.value) == str(report)
    assert caught.value.__cause__ is report.broken[0].cause is not None


@BACKENDS
def test_a_broken_law_can_be_seen_again(backend: Backend) -> None:
    mutant = next(mutant for mutant in mutants() if mutant.name == "lost tail")
    options: dict[str, Any] = {"ordered": True, "laws": ["completeness"]}
    (first,) = check_laws(mutant, backends=(backend,), **options).broken
    assert first.seed is not None
    (again,) = check_laws(
        mutant, backends=(backend,), schedules=1, seed=first.seed, **options
    ).broken
    assert (again.seed, again.message) == (first.seed, first.message)


def test_a_law_on_cost_has_no_seed() -> None:
    mutant = next(mutant for mutant in mutants() if mutant.name == "keeps everything")
    report = check_laws(mutant, ordered=True, laws=["memory"], backends=("asyncio",))
    assert report.broken[0].seed is None
    assert "\nmemory, on asyncio:\n" in str(report)


def test_a_smaller_window_is_a_stricter_law() -> None:
    options: dict[str, Any] = {"ordered": True, "laws": ["read-ahead"]}
    assert not check_laws(concurrent_map, buffer=0, **options).holds
    no_buffer = functools.partial(concurrent_map, buffer=0)
    assert check_laws(no_buffer, buffer=0, **options).holds


def test_a_map_that_fails_at_once_breaks_laws_and_not_the_kit() -> None:
    def refuse(*_: object, **__: object) -> Any:
        raise ValueError("not today")

    report = check_laws(refuse, ordered=True, schedules=1, backends=("asyncio",))
    assert report.name == "refuse"
    assert {result.law for result in report.broken} == set(laws())


def test_a_limit_that_is_never_reached_does_not_hang_the_cost() -> None:
    mutant = next(mutant for mutant in mutants() if mutant.name == "limit unreachable")
    report = check_laws(
        mutant, ordered=True, laws=["cost by item"], backends=("asyncio",)
    )
    assert report.holds


async def test_the_kit_is_refused_in_an_event_loop() -> None:
    with pytest.raises(RuntimeError, match="call it from a plain test function"):
        check_laws(concurrent_map, ordered=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"schedules": 0}, "schedules must be at least 1, not 0"),
        ({"laws": ["gravity"]}, "laws must be among ['attainability', "),
        ({"backends": ["curio"]}, "backend must be 'asyncio' or 'trio', not 'curio'"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        check_laws(concurrent_map, ordered=True, **options)
