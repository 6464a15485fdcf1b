"""The message for a mistake names the argument, the rule, the value and the way out."""

# Tables of lambdas, whose arguments are what their row says.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import given, strategies as st

import aiterkit as ak
from aiterkit._core.checks import check_count, check_func, name_of, shortened
from aiterkit.testing import SourceProbe

from .twins import finish

LONG = [["x" * 100]] * 100_000


def use(made: Any) -> object:
    """Run *made* if it is a coroutine: then the helper returns one result."""
    return finish(made) if isinstance(made, Awaitable) else made


async def fetch(_item: object) -> int:
    return 1


async def pages() -> Any:
    yield 1


def test_a_coroutine_in_the_place_of_the_source_is_swapped_too() -> None:
    coroutine: Any = fetch(1)
    with pytest.raises(TypeError, match=r"^func comes first: amap\(func, source\)$"):
        ak.amap("ab", coroutine)  # type: ignore[call-overload]
    coroutine.close()


class Opening:
    """A source that remembers whether it was opened."""

    opened = False

    def __aiter__(self) -> Any:
        self.opened = True
        return SourceProbe("ab")


# Each argument of a sequential helper that is neither a function nor a source.
NUMBERS: list[Any] = [
    ("abatched", ak.abatched, "n", 1),
    ("aenumerate", ak.aenumerate, "start", None),
    ("aislice 1", ak.aislice, "stop", None),
    ("aislice start", lambda s, n: ak.aislice(s, n, 5), "start", None),
    ("aislice stop", lambda s, n: ak.aislice(s, 1, n), "stop", None),
    ("aislice step", lambda s, n: ak.aislice(s, 1, 2, n), "step", None),
    ("anlargest", lambda s, n: ak.anlargest(n, s), "n", None),
    ("ansmallest", lambda s, n: ak.ansmallest(n, s), "n", None),
    ("atail", lambda s, n: ak.atail(n, s), "n", 0),
    ("anth", ak.anth, "n", None),
    ("apaced", ak.apaced, "per_second", None),
    ("atee", ak.atee, "n", 0),
    ("atimeout", ak.atimeout, "seconds", None),
    ("awindowed", ak.awindowed, "n", 1),
    ("awindowed step", lambda s, n: ak.awindowed(s, 1, step=n), "step", 1),
]
COUNTS = [row for row in NUMBERS if row[3] is not None]


@pytest.mark.parametrize(
    ("helper", "name"),
    [row[1:3] for row in NUMBERS],
    ids=[row[0] for row in NUMBERS],
)
@pytest.mark.parametrize(
    "value", [True, "a", LONG, fetch], ids=["bool", "str", "list", "function"]
)
def test_the_error_names_the_argument_and_the_value_before_the_source_is_opened(
    helper: Callable[[Any, Any], Any], name: str, value: Any
) -> None:
    source = Opening()
    with pytest.raises((TypeError, ValueError)) as caught:
        use(helper(source, value))
    message = str(caught.value)
    assert message.startswith(f"{name} must be ")
    assert message.endswith(f"not {shortened(value)}")
    assert len(message) < 300
    assert not source.opened


@pytest.mark.parametrize(
    ("helper", "name", "least"),
    [row[1:] for row in COUNTS],
    ids=[row[0] for row in COUNTS],
)
def test_a_count_that_is_too_small_shows_the_least_allowed(
    helper: Callable[[Any, Any], Any], name: str, least: int
) -> None:
    with pytest.raises(ValueError, match=f"^{name} must be at least {least}, not -3$"):
        helper([], -3)


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        ((0, 5, -1), "step must be None or an int from 1 to sys.maxsize, not -1"),
        ((0, 5, 0), "step must be None or an int from 1 to sys.maxsize, not 0"),
        ((0, 5, "a"), "step must be None or an int from 1 to sys.maxsize, not 'a'"),
        ((-1,), "stop must be None or an int from 0 to sys.maxsize, not -1"),
        ((-1, 5), "start must be None or an int from 0 to sys.maxsize, not -1"),
    ],
)
def test_aislice_has_one_wording_for_its_bounds(
    bounds: tuple[Any, ...], message: str
) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - its text is compared
        ak.aislice([], *bounds)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "n", [None, -1, "a", 10**5000], ids=["None", "-1", "str", "huge"]
)
def test_anth_offers_no_none(n: Any) -> None:
    with pytest.raises(ValueError, match=r"^n must be an int from 0 to sys\.maxsize, "):
        finish(ak.anth("abc", n))


def test_where_a_limiter_would_do_it_is_named() -> None:
    with pytest.raises(TypeError) as caught:
        check_count(None, name="limit", least=1, or_limiter=True)
    assert str(caught.value) == (
        "limit must be an int or an anyio.CapacityLimiter, not None"
    )


def test_a_change_of_a_call_takes_no_source_that_could_be_swapped() -> None:
    with pytest.raises(TypeError, match=r"^func must be callable, not \[\]$"):
        check_func([], usage="captured(func)")


class Wordy:
    def __repr__(self) -> str:
        return "<" + "x" * 1000 + ">"


class Broken:
    def __repr__(self) -> str:
        raise ValueError


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=400)
    | st.binary(max_size=400)
    | st.builds(Wordy)
    | st.builds(Broken),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner)
    ),
)


@given(values)
def test_no_value_fills_the_screen(value: object) -> None:
    assert 0 < len(shortened(value)) <= 200


@given(st.integers(-999, 999) | st.text(max_size=9) | st.none() | st.floats())
def test_a_short_value_is_shown_as_it_is(value: object) -> None:
    assert shortened(value) == repr(value)


def test_what_is_cut_shows_both_ends() -> None:
    shown = shortened(Wordy())
    assert (len(shown), shown[:2], shown[-2:]) == (200, "<x", "x>")
    assert "..." in shown


def test_a_function_is_called_by_the_name_that_its_user_knows() -> None:
    assert name_of(partial(partial(fetch))) == "fetch"
    assert name_of(Wordy()) == "Wordy"
    assert name_of(str.upper) == "upper"
