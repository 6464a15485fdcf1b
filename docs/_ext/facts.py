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
import sys
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
    "_concurrent": "Concurrent",
    "_sequential": "Sequential",
    "_calls": "Wrappers",
}
"""In the order in which they are listed."""

RESULTS = "results"
FAMILIES: dict[str, tuple[str, str]] = {
    "_concurrent.map": (
        "Map",
        "Call an async function on many items, several calls at a time.",
    ),
    "_concurrent.flatten": (
        "Flatten",
        "Each item gives a source of its own; several of them are read at a time.",
    ),
    "_concurrent.merge": (
        "Combine and read ahead",
        "Read several sources at a time, or one source ahead of you.",
    ),
    "_concurrent.share": ("Share", "Give the items of one source to several readers."),
    "_concurrent.timing": (
        "Time",
        "Batch items by time, or keep only the newest of them.",
    ),
    "_concurrent.switch": (
        "Switch",
        "A new item cancels the work for the one before.",
    ),
    RESULTS: (
        "Results",
        "What a block gives you to read, and its statistics. For annotations.",
    ),
    "_sequential.transform": ("Transform", "Change items, or regroup them."),
    "_sequential.select": ("Select", "Keep some items and drop the others."),
    "_sequential.combine": (
        "Combine",
        "Read several sources in turn, or one source several times.",
    ),
    "_sequential.reduce": ("Reduce", "Read a source to get one value."),
    "_sequential.timing": ("Time", "Limit how long or how often you wait for items."),
    "_sequential.threads": (
        "Threads",
        "Read a blocking iterator without blocking the event loop.",
    ),
    "_calls": (
        "Calls",
        "Wrap a function: errors as results, a time limit, a rate limit, or a thread.",
    ),
}
"""By module: the title and what the family is for. The order is that of the pages.

A module that is not listed comes after those of its wing, with the words of its
docstring.
"""


@dataclass(frozen=True)
class Family:
    """Public names that belong together."""

    wing: str
    title: str
    about: str
    names: tuple[str, ...]

    @property
    def page(self) -> str:
        """The name of its page, without an ending."""
        return re.sub(r"[^a-z]+", "-", f"{self.wing} {self.title}".lower())


def _family(name: str, module: str) -> str:
    """Return the key of the family of *name*, which *module* defines."""
    public = getattr(aiterkit, name)
    _, wing, *rest = module.split(".")
    if wing == "_calls":
        return wing
    if inspect.isclass(public) and not hasattr(public, "__aenter__"):
        return RESULTS
    return ".".join([wing, *rest[:1]])


def _listed(name: str) -> tuple[int, str]:
    """Sort by the place in the package's docstring, and then by the alphabet."""
    found = re.search(rf"\b{name}\b", inspect.getdoc(aiterkit) or "")
    return (found.start() if found else sys.maxsize, name)


def families() -> list[Family]:
    """Return the families: concurrent ones first, the maps first among them."""
    source = Path(str(aiterkit.__file__)).read_text(encoding="utf-8")
    origins = {
        alias.asname or alias.name: node.module
        for node in ast.parse(source).body
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }
    found: dict[str, list[str]] = {}
    for name in aiterkit.__all__:
        found.setdefault(_family(name, origins[name]), []).append(name)
    wings, known = list(WINGS), list(FAMILIES)

    def place(key: str) -> tuple[int, int, str]:
        wing = "_concurrent" if key == RESULTS else key.partition(".")[0]
        return (
            wings.index(wing),
            known.index(key) if key in known else len(known),
            key,
        )

    result: list[Family] = []
    for key in sorted(found, key=place):
        wing = WINGS[wings[place(key)[0]]]
        title, about = FAMILIES.get(key) or _described(key)
        names = tuple(sorted(found[key], key=_listed))
        result.append(Family(wing, title, about, names))
    return result


def _described(key: str) -> tuple[str, str]:
    """Return the title and the words of a family by its module."""
    doc = inspect.getdoc(importlib.import_module(f"aiterkit.{key}")) or ""
    title = key.rpartition(".")[2].replace("_", " ").capitalize()
    return title, doc.split("\n\n")[0].replace("\n", " ")


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
