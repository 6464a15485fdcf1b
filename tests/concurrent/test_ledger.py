"""The decisions, line by line, with no event loop."""

from typing import Any

import pytest

from aiterkit._concurrent.map.state import (
    AtTheEnd,
    CompletionOrder,
    InputOrder,
    Ledger,
    Slot,
)

from .forms import popped


class Boom(Exception):
    """What fails here."""


def take(ledger: Ledger[str, str], items: str) -> list[Slot[str, str]]:
    return [ledger.take(item) for item in items]


def test_input_order_gives_the_head_of_the_line_only() -> None:
    ledger = InputOrder[str, str](window=9)
    a, b, c = take(ledger, "abc")
    assert not ledger.finish(b, "B")
    assert popped(ledger) == []
    assert ledger.finish(a, "A")
    assert popped(ledger) == ["A", "B"]
    ledger.ended = True
    assert not ledger.exhausted
    ledger.finish(c, "C")
    assert popped(ledger) == ["C"]
    assert ledger.exhausted


def test_completion_order_gives_what_is_finished() -> None:
    ledger = CompletionOrder[str, str](window=9)
    a, b, _c = take(ledger, "abc")
    assert ledger.finish(b, "B")
    assert ledger.finish(a, "A")
    assert popped(ledger) == ["B", "A"]
    ledger.ended = True
    assert not ledger.exhausted


def test_a_failure_in_input_order_voids_what_comes_later() -> None:
    ledger = InputOrder[str, str](window=9)
    a, b, c, d = take(ledger, "abcd")
    ledger.finish(d, "D")
    assert ledger.fail(b, Boom("b")) is b
    assert ledger.ended
    assert [ledger.voids(b, slot) for slot in (a, c, d)] == [False, True, True]
    ledger.finish(a, "A")
    assert popped(ledger) == ["A"]  # the failure waits for c, which still runs
    assert not ledger.exhausted
    ledger.drop()
    assert popped(ledger) == ["Boom('b')"]
    assert ledger.exhausted


def test_an_earlier_failure_makes_a_later_one_late() -> None:
    ledger = InputOrder[str, str](window=9)
    a, b, c = take(ledger, "abc")
    assert ledger.fail(b, Boom("b")) is b
    assert ledger.fail(c, Boom("c")) is b
    assert ledger.fail(a, Boom("a")) is a
    assert popped(ledger) == ["Boom('a')"]
    assert sorted(map(repr, ledger.close())) == ["Boom('b')", "Boom('c')"]


def test_a_failure_in_completion_order_comes_after_what_had_finished() -> None:
    ledger = CompletionOrder[str, str](window=9)
    a, b, c = take(ledger, "abc")
    ledger.finish(c, "C")
    assert ledger.fail(a, Boom("a")) is a
    assert ledger.voids(a, b)
    assert not ledger.voids(a, c)
    assert ledger.finish(b, "B")  # void, but the failure waited for it
    assert popped(ledger) == ["C", "Boom('a')"]
    assert ledger.exhausted


def test_an_error_of_the_source_has_the_place_of_the_next_item() -> None:
    ordered = InputOrder[str, str](window=9)
    (a,) = take(ordered, "a")
    ordered.fail_source(Boom("source"))
    ordered.finish(a, "A")
    assert popped(ordered) == ["A", "Boom('source')"]


@pytest.mark.parametrize("keep", [True, False])
def test_at_the_end_all_values_are_there(keep: bool) -> None:  # noqa: FBT001
    ledger = AtTheEnd[str, str](window=2, keep=keep)
    a, b = take(ledger, "ab")
    assert not ledger.finish(b, "B")
    assert ledger.delivered == 1
    ledger.ended = True
    assert ledger.finish(a, "A")
    assert ledger.exhausted
    assert ledger.values == (["A", "B"] if keep else [])


@pytest.mark.parametrize("kind", [InputOrder, CompletionOrder])
def test_closing_tells_the_errors_that_nobody_saw(kind: Any) -> None:
    ledger: Ledger[str, str] = kind(9)
    a, b = take(ledger, "ab")
    ledger.finish(b, "B")
    ledger.fail(a, Boom("a"))
    assert repr(ledger.close()) == "[Boom('a')]"
    assert ledger.close() == []
