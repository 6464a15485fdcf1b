"""What is decided where sources meet, line by line, with no event loop."""

from typing import Any

import pytest

from aiterkit._concurrent.merge.state import (
    Ahead,
    Arrivals,
    Junction,
    Latest,
    Port,
    Rows,
)

from .forms import popped


class Boom(Exception):
    """What fails here."""


def ports(junction: Junction[Any, Any], count: int) -> list[Port]:
    return [junction.open() for _ in range(count)]


def test_arrivals_come_in_their_order_and_free_their_source() -> None:
    junction = Arrivals[str](window=2)
    a, b = ports(junction, 2)
    assert junction.give(a, "a1")
    assert junction.give(b, "b1")
    assert not junction.give(a, "a2")
    assert not junction.has_room(a)
    assert junction.has_room(b)
    assert junction.pop() == "a1"
    assert junction.freed is a
    assert junction.has_room(a)
    assert popped(junction) == ["b1", "a2"]
    junction.end(a)
    assert not junction.exhausted
    junction.end(b)
    assert junction.exhausted


def test_a_failure_is_told_when_the_other_sources_are_read_no_more() -> None:
    junction = Arrivals[str](window=2)
    a, b, c = ports(junction, 3)
    junction.end(c)
    junction.give(b, "b1")
    junction.fail(a, Boom("a"))
    assert junction.decided
    assert junction.void == [b]
    assert popped(junction) == ["b1"]
    assert not junction.exhausted
    junction.leave(b)
    assert popped(junction) == ["Boom('a')"]
    assert junction.exhausted
    assert junction.close() == []


def test_closing_tells_the_errors_that_nobody_saw() -> None:
    junction = Arrivals[str](window=2)
    (a,) = ports(junction, 1)
    junction.fail(a, Boom("a"))
    assert repr(junction.close()) == "[Boom('a')]"
    assert junction.close() == []


def test_with_no_window_there_is_room_for_what_is_asked() -> None:
    junction = Ahead[str](0)
    (a,) = ports(junction, 1)
    assert not junction.has_room(a)
    junction.asked = True
    assert junction.has_room(a)
    junction.give(a, "a")
    assert not junction.has_room(a)
    assert popped(junction) == ["a"]
    assert junction.has_room(a)


def test_a_row_frees_all_its_sources() -> None:
    junction = Rows[str](name="zip", strict=False)
    a, b = ports(junction, 2)
    assert not junction.ready
    assert not junction.give(b, "b1")
    assert not junction.has_room(b)
    assert popped(junction) == []
    assert not junction.give(a, "a1")
    assert junction.ready
    assert popped(junction) == [("a1", "b1")]
    assert junction.freed is None
    assert junction.has_room(a)
    assert junction.has_room(b)


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
    junction = Rows[str](name="zip", strict=strict)
    opened = ports(junction, len(answers))
    for port in reversed(opened) if backwards else opened:
        if port in junction.void:
            continue
        match answers[port.index]:
            case "i":
                junction.give(port, "item")
            case "e":
                junction.end(port)
            case _:
                junction.fail(port, Boom(str(port.index)))
    assert junction.decided
    for port in opened:
        junction.leave(port)
    assert popped(junction) == told
    assert junction.exhausted


def test_an_end_voids_what_is_to_its_right_and_waits_for_the_left() -> None:
    junction = Rows[str](name="zip", strict=False)
    a, b, c = ports(junction, 3)
    junction.end(b)
    assert junction.void == [c]
    assert not junction.decided
    junction.give(a, "a1")
    assert junction.decided


def test_ends_from_the_right_to_the_left_void_each_source_once() -> None:
    junction = Rows[str](name="zip", strict=False)
    a, b, c, d, e = ports(junction, 5)
    for ended in (d, c, e, b):
        junction.end(ended)
    assert junction.void == [e]
    assert list(junction.live) == [a]
    assert not junction.decided


def test_the_newest_at_the_start_then_a_row_for_each() -> None:
    junction = Latest()
    a, b = ports(junction, 2)
    assert junction.give(a, "a1")
    assert junction.give(a, "a2")
    assert not junction.ready
    assert not junction.give(b, "b1")
    assert junction.ready
    assert not junction.give(a, "a3")
    assert popped(junction) == [("a2", "b1"), ("a3", "b1")]
    junction.end(a)
    assert not junction.decided
    junction.end(b)
    assert junction.exhausted


def test_an_end_without_an_item_decides_that_there_is_no_row() -> None:
    junction = Latest()
    a, b = ports(junction, 2)
    junction.give(a, "a1")
    junction.end(b)
    assert junction.decided
    assert junction.void == [a]
