"""Several sources side by side: one wait for each row, and what ends them."""

from collections.abc import AsyncIterator
from itertools import count, repeat
from typing import Any

import anyio
import pytest
from hypothesis import given, settings, strategies as st

import aiterkit as ak
from aiterkit.testing import (
    SourceProbe,
    SyncSourceProbe,
    assert_timeline,
    explore,
    play,
)

from ..helpers import (  # noqa: TID252 - tests stand on no path
    Boom,
    at_the_tail,
    collect_repr,
)


async def collect(results: Any) -> tuple[list[Any], str]:
    """Read to the end or to the error; name both operators alike."""
    got, error = await collect_repr(results)
    return got, error.replace("concurrent_zip()", "azip()")


@pytest.mark.parametrize(
    ("lines", "rows"),
    [
        pytest.param([], "|", id="nothing of nothing"),
        pytest.param(["a---b---|"], "[a]-[b]-|", id="one source"),
        pytest.param(
            ["a------b-------|", "---x------y-----|"],
            "---[ax]---[by]-|",
            id="a row takes its longest wait",
        ),
        pytest.param(
            ["a-----|", "x-----------y"], "[ax]--|", id="the shortest ends it"
        ),
        pytest.param(
            ["a-------b", "x----|"], "[ax]----|", id="but not before those to its left"
        ),
        pytest.param(["a-----|", "x----!"], "[ax]--|", id="an end to the left decides"),
        pytest.param(["a-----!", "x----|"], "[ax]--!", id="an error there decides too"),
        pytest.param(["a----!", "x-------y"], "[ax]-!", id="an error is not held back"),
    ],
)
async def test_timelines_of_rows(lines: list[str], rows: str) -> None:
    sources = [play(line) for line in lines]
    await assert_timeline(ak.concurrent_zip(*sources), rows)
    for source in sources:
        source.assert_closed_once()
        source.assert_one_reader()


@pytest.mark.parametrize(
    ("lines", "rows"),
    [
        pytest.param([], "|", id="nothing of nothing"),
        pytest.param(["a---b---|"], "[a]-[b]-|", id="one source"),
        pytest.param(
            ["a----------b----------|", "--x---------------y---|"],
            "--[ax]-----[bx]---[by]|",
            id="a row at each arrival",
        ),
        pytest.param(
            ["abc----|", "---x---|"], "---[cx]|", id="the newest at the start"
        ),
        pytest.param(
            ["a--|", "x-------y---|"], "[ax]----[ay]|", id="ends with the last"
        ),
        pytest.param(["a----b---|", "--|"], "--|", id="ends early if no row can come"),
        pytest.param(["--|", "a----b---|"], "--|", id="on either side"),
        pytest.param(["a-----!", "-x-----------y"], "-[ax]-!", id="fails at once"),
        pytest.param(["a-!", "----x---------y"], "--!", id="even before the first row"),
    ],
)
async def test_timelines_of_the_newest(lines: list[str], rows: str) -> None:
    sources = [play(line) for line in lines]
    await assert_timeline(ak.concurrent_zip_latest(*sources), rows)
    for source in sources:
        source.assert_closed_once()
        source.assert_one_reader()


lengths = st.lists(st.integers(0, 4), max_size=4)


@settings(max_examples=150, deadline=None)
@given(data=st.data(), lengths=lengths, strict=st.booleans())
async def test_rows_and_error_are_those_of_the_sequential_twin(
    data: Any,
    lengths: list[int],
    strict: bool,  # noqa: FBT001
) -> None:
    plans = [
        (
            data.draw(
                st.lists(st.integers(0, 3), min_size=size + 1, max_size=size + 1)
            ),
            data.draw(st.booleans()),
        )
        for size in lengths
    ]

    def sources() -> list[Any]:
        return [
            SourceProbe(
                range(len(gaps) - 1), gap=gaps, error=Boom(number) if fails else None
            )
            for number, (gaps, fails) in enumerate(plans)
        ]

    sequential = await collect(ak.azip(*sources(), strict=strict))
    start, probes = anyio.current_time(), sources()
    async with ak.concurrent_zip(*probes, strict=strict) as results:
        assert await collect(results) == sequential
        with pytest.raises(StopAsyncIteration):
            await anext(results)
    rows = len(sequential[0])
    if not sequential[1] and not strict and plans:
        waits = [max(gaps[row] for gaps, _ in plans) for row in range(rows)]
        assert anyio.current_time() - start >= sum(waits)
        assert anyio.current_time() - start <= sum(waits) + 3
    for probe in probes:
        probe.assert_closed_once()
        probe.assert_well_used()
        assert len(probe.taken) <= rows + 1


@pytest.mark.parametrize("strategy", ["random", "pct"])
@pytest.mark.parametrize("strict", [False, True])
def test_under_every_schedule_rows_are_those_of_the_sequential_twin(
    strategy: Any,
    strict: bool,  # noqa: FBT001
) -> None:
    def sources() -> list[Any]:
        return [
            SourceProbe(range(3), gap=None, error=Boom("first")),
            SourceProbe(range(3), gap=0.0),
            SourceProbe(range(2), gap=None),
            SourceProbe(range(3), gap=0.0, fail_at=2, error=Boom("last")),
        ]

    async def test() -> None:
        sequential = await collect(ak.azip(*sources(), strict=strict))
        probes = sources()
        async with ak.concurrent_zip(*probes, strict=strict) as results:
            assert await collect(results) == sequential
        for probe in probes:
            probe.assert_closed_once()

    explore(test, schedules=8, strategy=strategy, seed=1)


@pytest.mark.parametrize("make", [ak.concurrent_zip, ak.concurrent_zip_latest])
async def test_no_source_is_ever_more_than_one_item_ahead(make: Any) -> None:
    sources: list[Any] = [SourceProbe(range(9), gap=None), SyncSourceProbe(range(9))]
    async with make(*sources) as results:
        for _ in range(5):
            await anyio.sleep(5)
            before = [len(source.taken) for source in sources]
            row = await anext(results)
            assert all(
                item in (taken - 1, taken - 2)
                for item, taken in zip(row, before, strict=True)
            )


async def test_the_waits_of_a_row_overlap() -> None:
    sources = [SourceProbe(range(5), gap=[3] * 5 + [0]) for _ in range(50)]
    async with ak.concurrent_zip(*sources) as results:
        assert [row async for row in results] == [(n,) * 50 for n in range(5)]
    assert anyio.current_time() == 15


async def test_a_source_to_the_right_of_an_end_is_stopped() -> None:
    hung = SourceProbe(range(9), hang_at=0)
    async with ak.concurrent_zip(range(0), hung) as results:
        with pytest.raises(StopAsyncIteration):
            await anext(results)
        hung.assert_closed_once()
        assert hung.cancelled_pulls == 1


@pytest.mark.parametrize("error", [None, Boom("second")])
async def test_it_is_stopped_at_once_though_the_left_is_waited_for(
    error: Boom | None,
) -> None:
    slow = SourceProbe(range(9), gap=50)
    second = SourceProbe[int]([], error=error)
    hung = SourceProbe(range(9), hang_at=0)
    async with ak.concurrent_zip(slow, second, hung) as results:
        await anyio.sleep(10)
        hung.assert_closed_once()
        with pytest.raises(Boom if error else StopAsyncIteration):
            await anext(results)
        assert anyio.current_time() == 50


async def test_errors_that_azip_would_not_meet_hang_at_the_tail() -> None:
    first = SourceProbe(range(9), gap=5, fail_at=0, error=Boom("first"))
    second = SourceProbe(range(9), gap=1, fail_at=0, error=Boom("second"))
    with pytest.raises(Boom, match="first") as caught:
        async with ak.concurrent_zip(first, second) as results:
            await anext(results)
    assert at_the_tail(caught.value) == ["Boom('second')"]


@pytest.mark.parametrize("make", [ak.concurrent_zip, ak.concurrent_zip_latest])
async def test_endless_sync_sources_are_sources_too(make: Any) -> None:
    sources: list[Any] = [count(), repeat("x")]
    async with make(*sources) as results:
        assert await anext(results) == (0, "x")


class Busy(AsyncIterator[int]):
    """A source that never suspends and never ends."""

    def __init__(self) -> None:
        self.given = 0

    async def __anext__(self) -> int:
        self.given += 1
        return self.given


async def test_a_busy_source_does_not_keep_the_others_from_their_first_item() -> None:
    other = SourceProbe("x", gap=0.0)
    async with ak.concurrent_zip_latest(Busy(), other) as results:
        number, letter = await anext(results)
    assert letter == "x"
    assert number > 1


async def test_a_slow_reader_sees_every_row_in_turn() -> None:
    sources = [play("a-c-e|"), play("-b-d-|")]
    got: list[str] = []
    async with ak.concurrent_zip_latest(*sources) as results:
        async for row in results:
            got.append("".join(row))
            await anyio.sleep(10)
    assert got == ["ab", "cb", "cd", "ed"]


async def test_rows_that_were_never_read_are_no_trouble() -> None:
    sources = [SourceProbe(range(3)), SourceProbe(range(3), fail_at=0, error=Boom("x"))]
    with pytest.raises(KeyError) as caught:
        async with ak.concurrent_zip(*sources):
            await anyio.sleep(1)
            raise KeyError
    assert at_the_tail(caught.value) == ["Boom('x')"]
