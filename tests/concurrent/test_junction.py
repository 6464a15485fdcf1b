"""What is decided where sources meet, line by line, with no event loop."""

from typing import Any

from aiterkit._concurrent.junction import Ahead, Arrivals, Junction, Port


class Boom(Exception):
    """What fails here."""


def popped(junction: Junction[Any, Any]) -> list[Any]:
    out: list[Any] = []
    while (arrival := junction.pop()) is not None:
        out.append(
            arrival.value if hasattr(arrival, "value") else repr(arrival.take_error())
        )
    return out


def ports(junction: Junction[Any, Any], count: int) -> list[Port]:
    return [junction.open() for _ in range(count)]


def test_arrivals_come_in_their_order_and_free_their_source() -> None:
    junction = Arrivals[str, str](window=2)
    a, b = ports(junction, 2)
    assert junction.give(a, "a1")
    assert junction.give(b, "b1")
    assert not junction.give(a, "a2")
    assert not junction.has_room(a)
    assert junction.has_room(b)
    first = junction.pop()
    assert first is not None
    assert first.value == "a1"
    assert list(junction.freed) == [a]
    assert junction.has_room(a)
    assert popped(junction) == ["b1", "a2"]
    junction.end(a)
    assert not junction.exhausted
    junction.end(b)
    assert junction.exhausted


def test_a_failure_is_told_when_the_other_sources_are_read_no_more() -> None:
    junction = Arrivals[str, str](window=2)
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
    junction = Arrivals[str, str](window=2)
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
