"""The face of the package: its names, their order, their words and their types."""

import inspect
import re
import typing
from typing import Any

import pytest

import aiterkit

from .catalogue import ENTRIES

NAMES: list[Any] = [pytest.param(name, id=name) for name in aiterkit.__all__]
CALLS = {"captured", "timed", "paced", "offloaded"}


def test_the_names_are_sorted_and_unique() -> None:
    assert list(aiterkit.__all__) == sorted(set(aiterkit.__all__))


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_a_guarantee(name: str) -> None:
    public = getattr(aiterkit, name)
    if inspect.isfunction(public):
        assert re.match(r"a[a-z]|concurrent_", name) or name in CALLS


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_documented(name: str) -> None:
    doc = inspect.getdoc(getattr(aiterkit, name)) or ""
    assert re.match(r"[A-Z].*\.$", doc.splitlines()[0])
    if name.startswith(("a", "concurrent_")):
        assert "Examples:\n    >>> " in doc
        assert "Args:\n" in doc


@pytest.mark.parametrize("name", NAMES)
def test_its_types_can_be_asked_for(name: str) -> None:
    assert typing.get_type_hints(getattr(aiterkit, name)) is not None


@pytest.mark.parametrize("name", NAMES)
def test_each_overload_can_be_asked_for(name: str) -> None:
    for overload in typing.get_overloads(getattr(aiterkit, name)):
        assert "return" in typing.get_type_hints(overload)


def test_the_catalogue_knows_every_operator() -> None:
    known = {entry.name for entry in ENTRIES}
    operators = re.compile(r"a[a-z]|concurrent_")
    assert {name for name in aiterkit.__all__ if operators.match(name)} == known


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_a_sequential_operator_is_a_function_and_a_result_a_coroutine(
    entry: Any,
) -> None:
    if not entry.name.startswith("concurrent_"):
        public = getattr(aiterkit, entry.name)
        assert inspect.iscoroutinefunction(public) == (entry.kind == "result")
