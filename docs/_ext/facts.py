"""What the documentation says of the package, asked of the package itself.

What is public, in which family and in which order, what it is called with and
what it guarantees: all of it is read from `aiterkit.__all__`, from where
`aiterkit/__init__.py` imports its names, and from the docstrings. A name that is
added to the package is in the documentation without a line here.
"""

import ast
import builtins
import functools
import heapq
import importlib
import inspect
import itertools
import re
import textwrap
import typing
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import aiterkit
import aiterkit.testing

WINGS = {
    "_sequential": "Sequential",
    "_concurrent": "Concurrent",
    "_runtime": "Concurrent",  # what the blocks give
    "_calls": "A call, changed",
}


@dataclass(frozen=True)
class Family:
    """The public names of one module, or of one folder of them."""

    wing: str
    title: str
    about: str
    names: tuple[str, ...]


def families() -> list[Family]:
    """Return the families, in the order of the wings and then of the alphabet."""
    source = Path(str(aiterkit.__file__)).read_text(encoding="utf-8")
    origins = {
        alias.asname or alias.name: node.module
        for node in ast.parse(source).body
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }
    found: dict[str, list[str]] = {}
    for name in aiterkit.__all__:
        family = ".".join(origins[name].split(".")[:3])
        found.setdefault(family, []).append(name)
    order = list(WINGS)
    result: list[Family] = []
    for module in sorted(
        found, key=lambda each: (order.index(each.split(".")[1]), each)
    ):
        _, wing, *rest = module.split(".")
        doc = inspect.getdoc(importlib.import_module(module)) or ""
        about = doc.split("\n\n")[0].replace("\n", " ")
        title = rest[-1].replace("_", " ").capitalize() if rest else WINGS[wing]
        result.append(Family(WINGS[wing], title, about, tuple(found[module])))
    return result


def first_sentence(thing: object) -> str:
    """Return the first line of a docstring."""
    return (inspect.getdoc(thing) or "").split("\n\n")[0].replace("\n", " ")


GUARANTEES = re.compile(r"^Guarantees:\n(?P<body>(?:(?: {4}.*)?\n)*)", re.MULTILINE)
_GUARANTEE = re.compile(r"(?P<name>[A-Z][a-z]+(?:-[a-z]+)?): (?P<text>.*)", re.DOTALL)


def guarantees(thing: object) -> dict[str, str]:
    """Return what a docstring guarantees, by name; one without a name has ``""``."""
    found = GUARANTEES.search((inspect.getdoc(thing) or "") + "\n")
    result: dict[str, str] = {}
    if found is not None:
        body = textwrap.dedent(found["body"]).strip()
        for entry in re.split(r"\n(?=\S)", body) if ": " in body else [body]:
            text = " ".join(entry.split())
            named = _GUARANTEE.fullmatch(text)
            name, said = (named["name"], named["text"]) if named else ("", text)
            result[name] = f"{result[name]} {said}" if name in result else said
    return result


def use(thing: Any) -> tuple[str, str]:
    """Return how *thing* is used: the option of its directive, and in words."""
    if inspect.isclass(thing):
        if not hasattr(thing, "__aenter__"):
            return "", "class"
        return ":async-with: results", "block"
    if inspect.iscoroutinefunction(thing):
        return ":async:", "awaited"
    hint = typing.get_type_hints(thing).get("return")
    if typing.get_origin(hint) is AsyncGenerator:
        return ":async-for: item", "looped over"
    return "", "called"


def signature(thing: Any) -> str:
    """Return the parameters, without types and without *self*."""
    found = inspect.signature(thing).parameters.values()
    plain = [each.replace(annotation=each.empty) for each in found]
    return str(inspect.Signature(plain)).replace("=Ellipsis", "=...")


def signatures(thing: Any) -> list[str]:
    """Return the ways to call *thing*: those of its overloads if they tell more."""
    ways = dict.fromkeys(map(signature, typing.get_overloads(thing)))
    own = signature(thing)
    few = 2
    return list(ways) if "*" in own and 0 < len(ways) <= few else [own]


def _header(function: Callable[..., Any]) -> str:
    """Return the lines of a function's definition, without its body."""
    text = textwrap.dedent(inspect.getsource(function))
    node: Any = ast.parse(text).body[0]
    lines = text.splitlines()[node.lineno - 1 : node.body[0].lineno]
    if len(lines) > 1 and not lines[-1].rstrip().endswith(": ..."):
        lines.pop()
    return "\n".join(lines).removesuffix(" ...").rstrip(":")


def types(thing: Any) -> str:
    """Return the definition as a type checker sees it."""
    if not inspect.isclass(thing):
        return "\n".join(map(_header, typing.get_overloads(thing) or [thing]))
    inits = typing.get_overloads(thing.__init__) or [thing.__init__]
    parts = [each for each in inits if inspect.isfunction(each)]
    if hasattr(thing, "__aenter__"):
        parts.append(thing.__aenter__)
    if not parts:
        return ""
    body = "\n".join(textwrap.indent(_header(part), "    ") for part in parts)
    return f"class {thing.__name__}:\n{body}"


_TWINS = {"abatched": "itertools.batched", "alen": ""}
"""What looking the name up would miss: it came with Python 3.12; `len` is no twin."""


def twin(name: str) -> str:
    """Return the name of the standard library's twin, if there is one."""
    if name in _TWINS:
        return _TWINS[name]
    for module in (builtins, itertools, functools, heapq):
        if name.startswith("a") and hasattr(module, name[1:]):
            return f"{module.__name__}.{name[1:]}".removeprefix("builtins.")
    return ""


def home(text: str) -> str | None:
    """Return the module in which *text* is a public name, if it is one."""
    name = text.removesuffix("[T]")
    modules: tuple[ModuleType, ...] = (aiterkit, aiterkit.testing)
    for module in modules:
        if name in module.__all__:
            return module.__name__
    return None


@dataclass(frozen=True)
class Fixture:
    """A fixture for pytest."""

    name: str
    doc: str


def fixtures() -> tuple[str, list[Fixture]]:
    """Return what `aiterkit.testing.fixtures` says of itself and of each fixture.

    It is read and not imported, since that takes pytest.
    """
    path = Path(str(aiterkit.__file__)).with_name("testing") / "fixtures.py"
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = [
        Fixture(node.name, ast.get_docstring(node) or "")
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
        and any("pytest.fixture" in ast.unparse(each) for each in node.decorator_list)
    ]
    return ast.get_docstring(tree) or "", found


EFFECTS = ("Order", "Overlap", "Read-ahead", "Errors", "Exit")
SEQUENTIAL = {
    "Order": "Input order.",
    "Overlap": "None.",
    "Read-ahead": "None: only while you await.",
    "Errors": "Bare, where they occur.",
    "Exit": "*source* is left open.",
}
"""What every sequential name says by its name alone."""


def effects(name: str) -> dict[str, str]:
    """Return what an operator does beside giving results."""
    usual = SEQUENTIAL if re.match(r"a[a-z]", name) else {}
    said = guarantees(getattr(aiterkit, name))
    return {each: said.get(each, usual.get(each, "")) for each in EFFECTS}
