"""A mistake at a concurrent operator is named in words for the public name.

For the sequential side see ``sequential/test_mistakes.py``.
"""

# A table of lambdas, whose arguments are what their row says.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

import aiterkit as ak

LOOSE: Any = ak
LONG = [["x" * 100]] * 100_000


async def fetch(_item: object) -> list[int]:
    return [1]


def use(made: Any) -> None:
    """Start *made* if it is a coroutine, which checks its arguments only then."""
    if hasattr(made, "send"):
        made.send(None)


# Each operator that takes a function and a source, called with the function first.
TAKES_BOTH: dict[str, tuple[Callable[[Any, Any], Any], str, str]] = {
    "concurrent_partition": (
        lambda f, s: LOOSE.concurrent_partition(s, f, [1], buffer=1),
        "concurrent_partition(source, {}, [1, 2], buffer=100)",
        "key",
    ),
    "concurrent_switch_map": (
        LOOSE.concurrent_switch_map,
        "concurrent_switch_map({}, source)",
        "func",
    ),
    "concurrent_expand": (
        lambda f, s: LOOSE.concurrent_expand(f, s, limit=1),
        "concurrent_expand({}, roots, limit=10)",
        "func",
    ),
    "concurrent_filter": (
        lambda f, s: LOOSE.concurrent_filter(f, s, limit=1),
        "concurrent_filter({}, source, limit=10)",
        "predicate",
    ),
}
TAKES_BOTH.update(
    (
        name,
        (
            partial(getattr(ak, name), limit=1),
            f"{name}({{}}, source, limit=10)",
            "func",
        ),
    )
    for name in (
        "concurrent_map",
        "concurrent_map_unordered",
        "concurrent_collect",
        "concurrent_for_each",
        "concurrent_flat_map",
        "concurrent_flat_map_unordered",
    )
)
both = pytest.mark.parametrize(
    ("operator", "usage", "name"), TAKES_BOTH.values(), ids=TAKES_BOTH.keys()
)


@both
@pytest.mark.parametrize("source", ["ab", LONG], ids=["short", "long"])
@pytest.mark.parametrize(
    "func", [fetch, str.upper, partial(fetch)], ids=["async", "sync", "partial"]
)
def test_a_function_and_a_source_that_are_swapped_are_recognised(
    operator: Callable[[Any, Any], Any], usage: str, name: str, source: Any, func: Any
) -> None:
    is_first = "({}" in usage
    place = f"{name} comes first" if is_first else f"source comes before {name}"
    with pytest.raises(TypeError) as caught:
        use(operator(source, func))
    assert str(caught.value) == f"{place}: {usage.format(name)}"


@both
def test_a_coroutine_as_the_function_is_named_and_closed(
    operator: Callable[[Any, Any], Any], usage: str, name: str
) -> None:
    del name
    coroutine = fetch(1)
    with pytest.raises(TypeError) as caught:
        use(operator(coroutine, "ab"))
    called = usage.partition("(")[0]
    right, wrong = usage.format("fetch"), usage.format("fetch(...)")
    assert str(caught.value) == (
        f"{called}() takes the function, not a call of it: {right}, not {wrong}"
    )
    with pytest.raises(RuntimeError, match="already awaited"):
        coroutine.send(None)


@both
def test_no_value_fills_the_screen(
    operator: Callable[[Any, Any], Any], usage: str, name: str
) -> None:
    del usage
    with pytest.raises(TypeError, match=f"^{name} must be callable, not ") as caught:
        use(operator(LONG, "ab"))
    assert len(str(caught.value)) <= len(f"{name} must be callable, not ") + 200


def test_the_roots_are_blamed_by_their_name() -> None:
    with pytest.raises(TypeError, match=r"^roots must be an iterable, .* not 'int'$"):
        LOOSE.concurrent_expand(fetch, 5, limit=1)
