"""The decisions, line by line, with no event loop."""

from typing import Any

import pytest

from aiterkit._concurrent.map.state import (
    Call,
    CallQueue,
    CollectedCalls,
    OrderedCalls,
    UnorderedCalls,
)

from ..helpers import Boom, popped  # noqa: TID252 - tests stand on no path


def take(calls: CallQueue[str, str], items: str) -> list[Call[str, str]]:
    return [calls.take(item) for item in items]


def test_input_order_gives_the_head_of_the_line_only() -> None:
    calls = OrderedCalls[str, str](window=9)
    a, b, c = take(calls, "abc")
    assert not calls.finish(b, "B")
    assert popped(calls) == []
    assert calls.finish(a, "A")
    assert popped(calls) == ["A", "B"]
    calls.ended = True
    assert not calls.exhausted
    calls.finish(c, "C")
    assert popped(calls) == ["C"]
    assert calls.exhausted


def test_completion_order_gives_what_is_finished() -> None:
    calls = UnorderedCalls[str, str](window=9)
    a, b, _c = take(calls, "abc")
    assert calls.finish(b, "B")
    assert calls.finish(a, "A")
    assert popped(calls) == ["B", "A"]
    calls.ended = True
    assert not calls.exhausted


def test_a_failure_in_input_order_voids_what_comes_later() -> None:
    calls = OrderedCalls[str, str](window=9)
    a, b, c, d = take(calls, "abcd")
    calls.finish(d, "D")
    assert calls.fail(b, Boom("b")) is b
    assert calls.ended
    assert [calls.ends(b, call) for call in (a, c, d)] == [False, True, True]
    calls.finish(a, "A")
    assert popped(calls) == ["A"]  # the failure waits for c, which still runs
    assert not calls.exhausted
    calls.drop()
    assert popped(calls) == ["Boom('b')"]
    assert calls.exhausted


def test_an_earlier_failure_makes_a_later_one_late() -> None:
    calls = OrderedCalls[str, str](window=9)
    a, b, c = take(calls, "abc")
    assert calls.fail(b, Boom("b")) is b
    assert calls.fail(c, Boom("c")) is b
    assert calls.fail(a, Boom("a")) is a
    assert popped(calls) == ["Boom('a')"]
    assert sorted(map(repr, calls.close())) == ["Boom('b')", "Boom('c')"]


def test_a_failure_in_completion_order_comes_after_what_had_finished() -> None:
    calls = UnorderedCalls[str, str](window=9)
    a, b, c = take(calls, "abc")
    calls.finish(c, "C")
    assert calls.fail(a, Boom("a")) is a
    assert calls.ends(a, b)
    assert not calls.ends(a, c)
    assert calls.finish(b, "B")  # ended by the failure, which waited for it
    assert popped(calls) == ["C", "Boom('a')"]
    assert calls.exhausted


def test_an_error_of_the_source_has_the_place_of_the_next_item() -> None:
    ordered = OrderedCalls[str, str](window=9)
    (a,) = take(ordered, "a")
    ordered.fail_source(Boom("source"))
    ordered.finish(a, "A")
    assert popped(ordered) == ["A", "Boom('source')"]


@pytest.mark.parametrize("keep", [True, False])
def test_at_the_end_all_values_are_there(keep: bool) -> None:  # noqa: FBT001
    calls = CollectedCalls[str, str](window=2, keep=keep)
    a, b = take(calls, "ab")
    assert not calls.finish(b, "B")
    assert calls.delivered == 1
    calls.ended = True
    assert calls.finish(a, "A")
    assert calls.exhausted
    assert calls.values == (["A", "B"] if keep else [])


@pytest.mark.parametrize("kind", [OrderedCalls, UnorderedCalls])
def test_closing_returns_the_errors_that_no_reader_saw(kind: Any) -> None:
    calls: CallQueue[str, str] = kind(9)
    a, b = take(calls, "ab")
    calls.finish(b, "B")
    calls.fail(a, Boom("a"))
    assert repr(calls.close()) == "[Boom('a')]"
    assert calls.close() == []
