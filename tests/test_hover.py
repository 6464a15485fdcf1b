"""What an editor shows when one points at a public name, and what `help` says."""

import importlib
import inspect
import io
import pydoc
import re
import typing
from types import ModuleType
from typing import Any

import pytest

import aiterkit
import aiterkit.testing

jedi: Any = importlib.import_module("jedi")  # it has no types

MODULES: list[ModuleType] = [aiterkit, aiterkit.testing]
NAMES: list[Any] = [
    pytest.param(module, name, id=f"{module.__name__}.{name}")
    for module in MODULES
    for name in module.__all__
]
# What is markup and not words, to one who reads plain text.
MARKUP = re.compile(
    r":(?:class|func|meth|obj|ref|doc|py\w*):|\.\. \w+::|^::", re.MULTILINE
)


def hover(module: ModuleType, name: str) -> str:
    """Return what jedi, which many editors ask, tells of a name."""
    code = f"from {module.__name__} import {name}\n{name}"
    told = jedi.Script(code).help(2, len(name))
    assert told, name
    return str(told[0].docstring())


@pytest.mark.parametrize(("module", "name"), NAMES)
def test_hovering_shows_the_docstring(module: ModuleType, name: str) -> None:
    doc = inspect.getdoc(getattr(module, name)) or ""
    assert doc.splitlines()[0] in hover(module, name)


@pytest.mark.parametrize(("module", "name"), NAMES)
def test_a_docstring_reads_well_as_plain_text(module: ModuleType, name: str) -> None:
    doc = inspect.getdoc(getattr(module, name)) or ""
    assert not MARKUP.search(doc)
    assert max(map(len, doc.splitlines())) <= 88
    assert "|" not in doc.splitlines()[0]


@pytest.mark.parametrize(
    "name",
    [name for name in aiterkit.__all__ if re.match(r"a[a-z]|concurrent_", name)],
)
def test_hovering_shows_the_names_of_the_parameters(name: str) -> None:
    shown = hover(aiterkit, name).partition("\n\n")[0]
    public = getattr(aiterkit, name)
    for signature in typing.get_overloads(public) or [public]:
        for parameter in inspect.signature(signature).parameters:
            assert re.search(rf"\b{parameter}\b", shown), shown


def table_of_contents() -> str:
    return inspect.getdoc(aiterkit) or ""


def test_help_begins_with_a_table_of_contents() -> None:
    shown = io.StringIO()
    pydoc.Helper(output=shown)(aiterkit)
    plain = re.sub(r".\x08", "", shown.getvalue())
    lines = [line.strip() for line in plain.splitlines()]
    first, *rest = table_of_contents().splitlines()
    assert f"aiterkit - {first}" in lines
    for line in rest:
        assert line.strip() in lines


def test_the_table_of_contents_has_every_name_once() -> None:
    words = re.findall(r"^    .*$", table_of_contents(), re.MULTILINE)
    listed = [word for line in words for word in re.findall(r"\b\w+\b", line)]
    named = [word for word in listed if word in aiterkit.__all__]
    assert sorted(named) == list(aiterkit.__all__)
