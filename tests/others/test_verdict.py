"""Does a difference that is new or gone fail, and does the page say what was found?"""

import dataclasses

import pytest

from . import counts
from .driven import BUILTINS, ITERTOOLS, Async, Counter, Driven, finished
from .suites import Suite, missing, suites
from .verdict import judged, matches

SUITE = Suite(
    name="peer",
    title="Peer",
    version="1.0",
    files=["tests"],
    differences={
        "closes": ["test_a.py::test_close"],
        "words": ["test_a.py::test_[[]*"],
    },
)
AS_LISTED = {
    "test_a.py::test_close[1]": "failed: AssertionError",
    "test_a.py::test_close[2]": "failed: AssertionError",
    "test_a.py::test_[x]": "failed: ValueError",
    "test_a.py::test_map": "passed",
    "test_a.py::test_repr": "another's",
}


def test_what_is_as_listed_is_counted() -> None:
    verdict = judged(SUITE, AS_LISTED)

    assert verdict.troubles == []
    assert verdict.counts() == {
        "passed": 1,
        "elsewhere": 1,
        "differ": {"closes": 2, "words": 1},
    }


@pytest.mark.parametrize(
    ("changed", "trouble"),
    [
        ({"test_a.py::test_map": "failed: KeyError"}, "a new difference"),
        ({"test_a.py::test_close[2]": "passed"}, "no difference any more"),
        ({"test_a.py::test_close[2]": "another's"}, "no difference any more"),
    ],
)
def test_what_is_not_as_listed_is_a_trouble(
    changed: dict[str, str], trouble: str
) -> None:
    (found,) = judged(SUITE, AS_LISTED | changed).troubles
    assert found.startswith(f"{trouble}")
    assert next(iter(changed)) in found


def test_a_listed_test_that_is_gone_is_a_trouble_unless_a_python_brought_it() -> None:
    others = {"test_a.py::test_map": "passed"}

    assert len(judged(SUITE, others).troubles) == 2
    assert judged(dataclasses.replace(SUITE, version=""), others).troubles == []


def test_a_name_without_parameters_lists_all_cases_of_that_test_alone() -> None:
    assert matches("a.py::test[1-2]", "a.py::test")
    assert not matches("a.py::test_more", "a.py::test")
    assert not matches("a.py::test[1-2]", "a.py::test[[]2-*")


def test_a_python_without_its_tests_is_named() -> None:
    suite = dataclasses.replace(SUITE, modules=["aiterkit_has_no_such.tests"])

    assert "was installed without its `aiterkit_has_no_such`" in (missing(suite) or "")
    assert missing(SUITE) is None


def test_the_page_has_the_counts_that_were_kept() -> None:
    """After a change, ``python -m tests.others --write`` writes them anew."""
    assert counts.PAGE.read_text(encoding="utf-8") == counts.page()


def test_counts_are_of_what_is_listed() -> None:
    kept = counts.read()
    known = suites()
    assert {key.partition(" ")[0] for key in kept} == set(known)
    for key, numbers in kept.items():
        suite = known[key.partition(" ")[0]]
        assert suite.version in {"", numbers["version"]}
        assert set(numbers["differ"]) == set(suite.differences)


@pytest.mark.parametrize("name", sorted(BUILTINS | ITERTOOLS))
def test_an_operator_is_driven_without_an_event_loop(name: str) -> None:
    args = {
        "accumulate": ([1],),
        "batched": ([1], 1),
        "compress": ([1], [1]),
        "islice": ([1], 1),
        "reduce": (max, [1]),
        "starmap": (max, [(1, 2)]),
    }
    first = {"dropwhile", "filter", "filterfalse", "map", "takewhile"}
    Counter.calls = 0
    result = (BUILTINS | ITERTOOLS)[name](
        *args.get(name, (str, [1]) if name in first else ([1],))
    )
    if isinstance(result, Driven):
        next(result, None)

    assert Counter.calls


def test_what_suspends_is_no_stand_in_for_a_synchronous_iterator() -> None:
    class Suspending:
        def __await__(self):  # type: ignore[no-untyped-def] # noqa: ANN204 - a generator
            yield

    async def suspend() -> None:
        await Suspending()  # pyright: ignore[reportGeneralTypeIssues]

    with pytest.raises(AssertionError, match="suspended"):
        finished(suspend())


async def test_the_stand_in_for_an_asynchronous_source_goes_on_after_an_error() -> None:
    source = Async(map(int, "1x2"))

    assert await anext(source) == 1
    with pytest.raises(ValueError, match="x"):
        await anext(source)
    assert await anext(source) == 2
    assert await anext(source, None) is None
