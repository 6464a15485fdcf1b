"""`atee` in many tasks."""

import gc
import itertools
import weakref
from collections.abc import AsyncIterator
from contextlib import aclosing
from traceback import extract_tb
from typing import Any

import anyio
import pytest

import aiterkit as ak
from aiterkit.testing import ProbeError, SourceProbe

from .twins import finish


async def test_branches_in_many_tasks_lose_nothing_and_read_one_at_a_time() -> None:
    source = SourceProbe(range(20), gap=1)
    found: list[list[int]] = []

    async def reader(branch: Any, seconds: float) -> None:
        items: list[int] = []
        async for item in branch:
            items.append(item)
            await anyio.sleep(seconds)
        found.append(items)

    async with anyio.create_task_group() as tasks:
        for number, branch in enumerate(ak.atee(source, 4)):
            tasks.start_soon(reader, branch, number * 0.7)
    assert found == [list(range(20))] * 4
    source.assert_well_used()
    source.assert_never_closed()


async def test_every_branch_raises_the_error_of_the_source_at_its_place() -> None:
    source = SourceProbe("abc", gap=1, fail_at=2)
    found: list[str] = []

    async def reader(branch: Any) -> None:
        got: list[str] = []
        with pytest.raises(ProbeError):
            await ak.acollect(ak.amap(got.append, branch))
        with pytest.raises(StopAsyncIteration):
            await anext(branch)
        found.append("".join(got))

    branches = ak.atee(source, 3)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(reader, branches[0])
        tasks.start_soon(reader, branches[1])
    await reader(branches[2])
    assert found == ["ab"] * 3
    source.assert_well_used()


async def test_a_cancelled_reader_hands_the_source_on() -> None:
    source = SourceProbe("ab", gap=[2, 1, 1])
    first, second = ak.atee(source)
    found: list[str] = []

    async def impatient() -> None:
        with anyio.move_on_after(1):
            await anext(first)

    async def patient() -> None:
        found.extend([item async for item in second])

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(impatient)
        await anyio.sleep(0.5)
        tasks.start_soon(patient)
    assert found == ["a", "b"]
    source.assert_well_used()


async def test_a_cancelled_reader_hands_on_to_a_tee_of_its_tee() -> None:
    first, _ = ak.atee(SourceProbe("ab", gap=[2, 1, 1]))
    second, third = ak.atee(first)
    with anyio.move_on_after(1):
        await anext(second)
    assert await ak.acollect(third) == ["a", "b"]
    assert await ak.acollect(first) == ["a", "b"]
    assert await ak.acollect(second) == []  # as any generator that was cancelled


async def test_a_tee_of_what_has_ended_is_empty() -> None:
    first, _ = ak.atee(SourceProbe("ab", fail_at=1))
    with pytest.raises(ProbeError):
        await ak.acollect(first)
    (second,) = ak.atee(first, 1)
    assert await ak.acollect(second) == []


async def test_a_cancelled_waiter_leaves_the_other_reader_alone() -> None:
    first, second = ak.atee(SourceProbe("a", gap=3))

    async def waiter() -> None:
        with anyio.move_on_after(1):
            await anext(second)

    async with aclosing(first), anyio.create_task_group() as tasks:
        tasks.start_soon(waiter)
        assert await anext(first) == "a"


async def test_an_ended_branch_holds_no_items() -> None:
    first, second = ak.atee([object(), object()])
    assert len([item async for item in first]) == 2
    await second.aclose()
    with pytest.raises(StopAsyncIteration):
        await anext(second)


class Biting:
    """A source that reads a branch of its own tee."""

    def __init__(self) -> None:
        self.branches: Any = ak.atee(self)

    def __aiter__(self) -> Any:
        return self

    async def __anext__(self) -> Any:
        return await anext(self.branches[1])


@pytest.mark.parametrize("nested", [False, True])
def test_a_source_that_reads_its_own_branch_is_an_error_and_no_hang(
    nested: bool,  # noqa: FBT001 - a row
) -> None:
    source = Biting()
    branch = ak.amap(str, source.branches[0]) if nested else source.branches[0]
    with pytest.raises(RuntimeError, match=r"^atee\(\): source reads a branch of its"):
        finish(anext(branch))


async def test_a_branch_that_waits_for_another_task_is_no_error() -> None:
    first, second = ak.atee(SourceProbe("ab", gap=1))
    found: list[str] = []

    async def reader(branch: Any) -> None:
        found.extend([item async for item in branch])

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(reader, first)
        tasks.start_soon(reader, ak.amap(str.upper, second))
    assert sorted(found) == ["A", "B", "a", "b"]


def test_a_tee_of_none_opens_nothing() -> None:
    number: Any = 5
    twin: tuple[Any, ...] = itertools.tee(number, 0)
    assert ak.atee(number, 0) == twin == ()


class Broken:
    def __iter__(self) -> Any:
        return self

    def __next__(self) -> int:
        raise ProbeError


def fail_in_each(branches: Any) -> weakref.ref[ProbeError]:
    """Read each branch, and return what they raise."""
    found: list[weakref.ref[ProbeError]] = []
    for branch in branches:
        try:
            finish(anext(branch))
        except ProbeError as error:
            names = [frame.name for frame in extract_tb(error.__traceback__)]
            assert names[-1] == "__next__"
            assert names.count("_branch") == 1
            found.append(weakref.ref(error))
    assert found[0]() is found[1]()
    return found[0]


class Stop(BaseException):
    """Ends a branch in the way that a cancellation does."""


def test_no_other_generator_is_taken_for_a_branch_that_is_gone() -> None:
    class Source:
        def __aiter__(self) -> Any:
            return self

        async def __anext__(self) -> Any:
            raise Stop

    async def other() -> AsyncIterator[str]:
        yield "other"

    (branch,) = ak.atee(Source(), 1)
    with pytest.raises(Stop) as caught:  # and with it the branch's frame
        finish(anext(branch))
    assert finish(ak.acollect(ak.atee(branch, 1)[0])) == []
    del branch
    for _ in range(100):  # one of them is where the branch was
        (another,) = ak.atee(other(), 1)
        assert finish(ak.acollect(another)) == ["other"]
    del caught


def test_an_error_does_not_keep_a_branch_that_is_not_read_on() -> None:
    def fail() -> weakref.ref[Any]:
        first, second = ak.atee(Broken())
        with pytest.raises(ProbeError):
            finish(anext(first))
        return weakref.ref(second)

    lost = fail()
    gc.collect()
    assert lost() is None


def test_an_error_shows_where_it_came_from_and_leaves_no_cycle() -> None:
    gc.collect()
    gc.disable()
    try:
        assert fail_in_each(ak.atee(Broken()))() is None
    finally:
        gc.enable()
