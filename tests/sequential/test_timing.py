"""Operators that use the clock."""

from contextlib import aclosing
from typing import Any

import anyio
import pytest

import aiterkit as ak
from aiterkit.testing import SourceProbe


async def times(made: Any) -> list[tuple[object, float]]:
    """Return each item with the time at which it was given."""
    start = anyio.current_time()
    return [(item, round(anyio.current_time() - start, 6)) async for item in made]


async def test_apaced_keeps_items_apart() -> None:
    source = SourceProbe("abc", gap=None)
    assert await times(ak.apaced(source, 2)) == [("a", 0), ("b", 0.5), ("c", 1)]


async def test_apaced_does_not_delay_what_comes_late() -> None:
    source = SourceProbe("abc", gap=[0, 3, 1, 0])
    assert await times(ak.apaced(source, 0.5)) == [("a", 0), ("b", 3), ("c", 5)]


async def test_apaced_does_not_make_up_for_a_slow_reader() -> None:
    given: list[float] = []
    start = anyio.current_time()
    async for item in ak.apaced("abc", 1):
        given.append(anyio.current_time() - start)
        if item == "a":
            await anyio.sleep(5)
    assert given == [0, 5, 6]


async def test_apaced_counts_from_when_an_item_was_given() -> None:
    async with aclosing(ak.apaced("ab", 1)) as made:
        await anext(made)
        await anyio.sleep(0.25)
        start = anyio.current_time()
        await anext(made)
        assert anyio.current_time() - start == 0.75


async def test_atimeout_gives_what_comes_in_time() -> None:
    source = SourceProbe("abc", gap=2)
    assert [item async for item in ak.atimeout(source, 3)] == ["a", "b", "c"]


async def test_atimeout_limits_the_wait_and_not_the_reader() -> None:
    async with aclosing(ak.atimeout(SourceProbe("ab", gap=1), 2)) as made:
        assert await anext(made) == "a"
        await anyio.sleep(10)
        assert await anext(made) == "b"


async def test_atimeout_raises_when_nothing_comes_and_leaves_the_source_usable() -> (
    None
):
    source = SourceProbe("ab", gap=[1, 5, 1, 0])
    made = ak.atimeout(source, 2)
    assert await anext(made) == "a"
    start = anyio.current_time()
    with pytest.raises(TimeoutError, match=r"^source gave nothing for 2 seconds$"):
        await anext(made)
    assert anyio.current_time() - start == 2
    with pytest.raises(StopAsyncIteration):
        await anext(made)
    source.assert_never_closed()
    assert await anext(source) == "b"


async def test_atimeout_lets_a_timeout_of_the_source_pass() -> None:
    source = SourceProbe("a", error=TimeoutError("mine"))
    with pytest.raises(TimeoutError, match="mine"):
        await ak.acollect(ak.atimeout(source, 9))


async def test_atimeout_lets_an_outer_cancellation_pass() -> None:
    with anyio.move_on_after(1) as scope:
        await ak.acollect(ak.atimeout(SourceProbe("a", hang_at=0), 9))
    assert scope.cancelled_caught


async def test_a_scope_may_be_left_open_between_two_items() -> None:
    """This would fail if a scope of ours stayed open across the ``yield``."""
    async with aclosing(ak.atimeout(SourceProbe("abc", gap=1), 2)) as made:
        with anyio.CancelScope():
            await anext(made)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anext, made)
        assert await anext(made) == "c"


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        pytest.param(0, ValueError, "must be more than 0, not 0", id="0"),
        pytest.param(-1, ValueError, "must be more than 0, not -1", id="-1"),
        pytest.param(float("nan"), ValueError, "must be more than 0", id="NaN"),
        pytest.param("1", TypeError, "must be a number, not '1'", id="a string"),
        pytest.param(True, TypeError, "must be a number, not True", id="a bool"),
    ],
)
def test_the_number_is_checked_at_the_call(
    value: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=f"^seconds {message}"):
        ak.atimeout("", value)
    with pytest.raises(error, match=f"^per_second {message}"):
        ak.apaced("", value)
