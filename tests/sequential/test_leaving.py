"""However you leave a sequential operator, its source stays open and readable."""

from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import anyio
import pytest

import aiterkit as ak
from aiterkit.testing import ProbeError, SourceProbe

from ..catalogue import ENTRIES, Entry  # noqa: TID252 - tests stand on no path

SEQUENTIAL = [entry for entry in ENTRIES if not entry.name.startswith("concurrent_")]


def each(*kinds: str) -> pytest.MarkDecorator:
    chosen = [
        entry for entry in SEQUENTIAL if entry.kind in kinds and not entry.threads
    ]
    return pytest.mark.parametrize("entry", chosen, ids=lambda entry: entry.name)


def assert_left(entry: Entry, source: SourceProbe[int]) -> None:
    """Check that *source* is open, unless *entry* is what has opened it."""
    if entry.closes:
        source.assert_closed_once()
    else:
        source.assert_never_closed()


async def read(entry: Entry, source: SourceProbe[int], most: int = 9) -> None:
    """Use *entry* over *source* up to its end, or to *most* items."""
    made = entry.use(source)
    if entry.kind == "result":
        await made
        return
    async with aclosing(made):
        for _ in range(most):
            try:
                await anext(made)
            except StopAsyncIteration:
                break


@each("operator", "result")
async def test_it_reads_in_one_task_one_at_a_time(entry: Entry) -> None:
    source = SourceProbe([1, 2, 3])
    await read(entry, source)
    assert source.pulled_by == [anyio.get_current_task().name]
    source.assert_well_used()
    assert_left(entry, source)


@each("operator", "result")
async def test_an_error_of_the_source_is_raised_bare_and_closes_nothing(
    entry: Entry,
) -> None:
    source = SourceProbe([1, 2, 3], fail_at=0)
    with pytest.raises(ProbeError):
        await read(entry, source)
    source.assert_well_used()
    assert_left(entry, source)


@each("operator")
async def test_after_a_break_the_source_can_be_read_on(entry: Entry) -> None:
    source = SourceProbe([1, 2, 3, 4, 5])
    async with aclosing(entry.use(source)) as made:
        async for _ in made:
            break
    assert_left(entry, source)
    if entry.closes:
        assert source.pulls == 1
    elif entry.reads_all:
        assert source.pulls == 6
    else:
        assert await anext(source) == source.pulls <= 3


@each("operator")
async def test_left_unread_it_reads_nothing(entry: Entry) -> None:
    source = SourceProbe([1])
    await entry.use(source).aclose()
    assert source.pulls == source.closes == 0


class Opening:
    """A source that counts how often it is opened."""

    opened = 0

    def __aiter__(self) -> Any:
        self.opened += 1
        return SourceProbe([1], gap=None)


@each("operator", "result")
def test_an_operator_opens_at_the_call_and_a_result_when_it_runs(entry: Entry) -> None:
    if entry.name in {"aflatten", "astarmap"}:
        pytest.skip("what it opens at the call is made of the source")
    source: Any = Opening()
    made = entry.use(source)
    opens_now = entry.kind == "operator" and entry.name != "arestarted"
    assert source.opened == (opens_now or entry.name == "aany")
    if entry.kind == "result":
        made.close()


@each("operator")
async def test_once_ended_or_failed_it_has_ended_for_ever(entry: Entry) -> None:
    source = SourceProbe([1, 2, 3], fail_at=1)
    made = entry.use(source)
    with pytest.raises(ProbeError):
        await ak.acollect(made)
    for _ in range(2):
        with pytest.raises(StopAsyncIteration):
            await anext(made)
    assert source.pulls == 2


@each("operator", "result")
async def test_a_wait_can_be_cancelled_and_closes_nothing(entry: Entry) -> None:
    source = SourceProbe([1, 2, 3], hang_at=0)
    with anyio.move_on_after(1) as scope:
        await read(entry, source)
    assert scope.cancelled_caught
    assert_left(entry, source)


@each("operator", "result")
def test_it_adds_no_suspension(entry: Entry) -> None:
    if entry.loop:
        pytest.skip("it looks at the clock of an event loop")

    async def main() -> None:
        await read(entry, SourceProbe([1, 2, 3], gap=None))

    with pytest.raises(StopIteration):
        main().send(None)


CALLING: list[tuple[str, Callable[[Any, Any], Any]]] = [
    ("amap", ak.amap),
    ("amap of two", lambda f, s: ak.amap(f, s, [1, 1, 1])),
    ("amap, strict", lambda f, s: ak.amap(f, s, [1] * 6, strict=True)),
    ("amerge", lambda f, s: ak.amerge(s, [1], key=f)),
    ("anlargest", lambda f, s: ak.anlargest(2, s, f)),
    ("astarmap", lambda f, s: ak.astarmap(f, ak.azip(s, s))),
    ("aaccumulate", lambda f, s: ak.aaccumulate(s, f)),
    ("afilter", ak.afilter),
    ("afilterfalse", ak.afilterfalse),
    ("agroupby", lambda f, s: ak.agroupby(s, f)),
    ("atakewhile", ak.atakewhile),
    ("atakewhile_inclusive", ak.atakewhile_inclusive),
    ("adropwhile", ak.adropwhile),
    ("aunique", lambda f, s: ak.aunique(s, f)),
    ("aflat_map", ak.aflat_map),
    ("areduce", ak.areduce),
    ("amin", lambda f, s: ak.amin(s, key=f)),
    ("amax", lambda f, s: ak.amax(s, key=f)),
    ("asorted", lambda f, s: ak.asorted(s, key=f)),
    ("afind", ak.afind),
]


@pytest.mark.parametrize(
    "use", [row[1] for row in CALLING], ids=[row[0] for row in CALLING]
)
async def test_calls_never_overlap_each_other_or_the_source(
    use: Callable[[Any, Any], Any],
) -> None:
    source = SourceProbe([1, 2, 3, 4, 5, 6], gap=1)

    call = Slow()
    made = use(call, source)
    start = anyio.current_time()
    if hasattr(made, "asend"):
        async with aclosing(made):
            async for _ in made:
                pass
    else:
        await made
    assert call.most == 1
    assert anyio.current_time() - start == call.calls + source.pulls


class Slow:
    """A function of any number of arguments that takes a second."""

    def __init__(self) -> None:
        self.calls = self.running = self.most = 0

    async def __call__(self, *_: int) -> Any:
        self.calls += 1
        self.running += 1
        self.most = max(self.most, self.running)
        await anyio.sleep(1)
        self.running -= 1
        return Result(0)


class Result(int):
    """A number that can be iterated too, for `aflat_map`."""

    def __iter__(self) -> Any:
        return iter(())
