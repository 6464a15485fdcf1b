"""What is decided where sources meet, line by line, with no event loop."""

from typing import Any

import pytest

from aiterkit._concurrent.merge.state import (
    ArrivalBuffer,
    LatestRow,
    MergeState,
    OnDemand,
    Upstream,
    ZipState,
)

from ..helpers import Boom, popped  # noqa: TID252 - tests stand on no path


def upstreams(state: MergeState[Any, Any], count: int) -> list[Upstream]:
    return [state.add() for _ in range(count)]


def test_arrivals_come_in_their_order_and_free_their_source() -> None:
    state = ArrivalBuffer[str](window=2)
    a, b = upstreams(state, 2)
    assert state.put(a, "a1")
    assert state.put(b, "b1")
    assert not state.put(a, "a2")
    assert not state.has_room(a)
    assert state.has_room(b)
    assert state.pop() == "a1"
    assert state.resumable is a
    assert state.has_room(a)
    assert popped(state) == ["b1", "a2"]
    state.end(a)
    assert not state.exhausted
    state.end(b)
    assert state.exhausted


def test_a_failure_is_raised_when_no_other_source_is_read_any_more() -> None:
    state = ArrivalBuffer[str](window=2)
    a, b, c = upstreams(state, 3)
    state.end(c)
    state.put(b, "b1")
    state.fail(a, Boom("a"))
    assert state.settled
    assert state.to_stop == [b]
    assert popped(state) == ["b1"]
    assert not state.exhausted
    state.leave(b)
    assert popped(state) == ["Boom('a')"]
    assert state.exhausted
    assert state.close() == []


def test_closing_returns_the_errors_that_no_reader_saw() -> None:
    state = ArrivalBuffer[str](window=2)
    (a,) = upstreams(state, 1)
    state.fail(a, Boom("a"))
    assert repr(state.close()) == "[Boom('a')]"
    assert state.close() == []


def test_on_demand_there_is_room_for_what_is_asked() -> None:
    state = OnDemand[str]()
    (a,) = upstreams(state, 1)
    assert not state.has_room(a)
    state.asked = True
    assert state.has_room(a)
    state.put(a, "a")
    assert not state.has_room(a)
    assert popped(state) == ["a"]
    assert not state.has_room(a)


def test_a_row_frees_all_its_sources() -> None:
    state = ZipState[str](name="zip", strict=False)
    a, b = upstreams(state, 2)
    assert not state.ready
    assert not state.put(b, "b1")
    assert not state.has_room(b)
    assert popped(state) == []
    assert not state.put(a, "a1")
    assert state.ready
    assert popped(state) == [("a1", "b1")]
    assert state.resumable is None
    assert state.has_room(a)
    assert state.has_room(b)


@pytest.mark.parametrize(
    ("answers", "strict", "told"),
    [
        ("e", False, []),
        ("ie", False, []),
        ("ie", True, ["ValueError('zip() argument 2 is shorter than argument 1')"]),
        ("iie", True, ["ValueError('zip() argument 3 is shorter than arguments 1-2')"]),
        ("ei", True, ["ValueError('zip() argument 2 is longer than argument 1')"]),
        ("eei", True, ["ValueError('zip() argument 3 is longer than arguments 1-2')"]),
        ("ee", True, []),
        ("ex", True, ["Boom('1')"]),
        ("ex", False, []),
        ("xe", False, ["Boom('0')"]),
        ("ix", False, ["Boom('1')"]),
        ("xx", True, ["Boom('0')"]),
    ],
)
@pytest.mark.parametrize("backwards", [False, True])
def test_the_first_from_the_left_decides(
    answers: str,
    strict: bool,  # noqa: FBT001
    told: list[str],
    backwards: bool,  # noqa: FBT001
) -> None:
    state = ZipState[str](name="zip", strict=strict)
    opened = upstreams(state, len(answers))
    for upstream in reversed(opened) if backwards else opened:
        if upstream in state.to_stop:
            continue
        match answers[upstream.index]:
            case "i":
                state.put(upstream, "item")
            case "e":
                state.end(upstream)
            case _:
                state.fail(upstream, Boom(str(upstream.index)))
    assert state.settled
    for upstream in opened:
        state.leave(upstream)
    assert popped(state) == told
    assert state.exhausted


def test_an_end_voids_what_is_to_its_right_and_waits_for_the_left() -> None:
    state = ZipState[str](name="zip", strict=False)
    a, b, c = upstreams(state, 3)
    state.end(b)
    assert state.to_stop == [c]
    assert not state.settled
    state.put(a, "a1")
    assert state.settled


def test_ends_from_the_right_to_the_left_stop_each_source_once() -> None:
    state = ZipState[str](name="zip", strict=False)
    a, b, c, d, e = upstreams(state, 5)
    for ended in (d, c, e, b):
        state.end(ended)
    assert state.to_stop == [e]
    assert list(state.open) == [a]
    assert not state.settled


def test_the_newest_at_the_start_then_a_row_for_each() -> None:
    state = LatestRow()
    a, b = upstreams(state, 2)
    assert state.put(a, "a1")
    assert state.put(a, "a2")
    assert not state.ready
    assert not state.put(b, "b1")
    assert state.ready
    assert not state.put(a, "a3")
    assert popped(state) == [("a2", "b1"), ("a3", "b1")]
    state.end(a)
    assert not state.settled
    state.end(b)
    assert state.exhausted


def test_an_end_without_an_item_decides_that_there_is_no_row() -> None:
    state = LatestRow()
    a, b = upstreams(state, 2)
    state.put(a, "a1")
    state.end(b)
    assert state.settled
    assert state.to_stop == [a]
