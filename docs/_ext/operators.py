"""A page for each public name, written from the package itself.

What is public, in which family and in which order, what it is called with and
what it guarantees: all of it is read from `aiterkit.__all__`, from where
`aiterkit/__init__.py` imports its names, and from the docstrings. A name that is
added to the package is in the documentation without a line here.
"""

import ast
import builtins
import importlib
import inspect
import itertools
import functools
import re
import textwrap
import typing
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.ext.napoleon import Config, GoogleDocstring
from sphinx.util.typing import ExtensionMetadata
from timelines import as_directives

import aiterkit
import aiterkit.testing

WINGS = {
    "_sequential": "Sequential",
    "_concurrent": "Concurrent",
    "_calls": "A call, changed",
}
NEWER = {"itertools.batched"}
"""What is there from a later Python on than the one the pages are built with."""

_NAPOLEON = Config(napoleon_use_rtype=False, napoleon_use_ivar=True)


@dataclass(frozen=True)
class Family:
    """The public names of one module."""

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
        found.setdefault(origins[name], []).append(name)
    order = list(WINGS)
    result: list[Family] = []
    for module in sorted(found, key=lambda each: (order.index(each.split(".")[1]), each)):
        _, wing, *rest = module.split(".")
        doc = inspect.getdoc(importlib.import_module(module)) or ""
        about = doc.split("\n\n")[0].replace("\n", " ")
        title = rest[-1].replace("_", " ").capitalize() if rest else WINGS[wing]
        result.append(Family(WINGS[wing], title, about, tuple(found[module])))
    return result


def first_sentence(thing: object) -> str:
    """Return the first line of a docstring."""
    return (inspect.getdoc(thing) or "").split("\n\n")[0].replace("\n", " ")


_GUARANTEES = re.compile(r"^Guarantees:\n(?P<body>(?:(?: {4}.*)?\n)*)", re.MULTILINE)
_GUARANTEE = re.compile(r"(?P<name>[A-Z][\w -]*): (?P<text>.*)", re.DOTALL)


def guarantees(thing: object) -> dict[str, str]:
    """Return what a docstring guarantees, by name; one without a name has ``""``."""
    found = _GUARANTEES.search((inspect.getdoc(thing) or "") + "\n")
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


def _signature(thing: Any) -> str:
    """Return the parameters, without types and without *self*."""
    signature = inspect.signature(thing)
    plain = [each.replace(annotation=each.empty) for each in signature.parameters.values()]
    return str(inspect.Signature(plain))


def _header(function: Callable[..., Any]) -> str:
    """Return the lines of a function's definition, without its body."""
    text = textwrap.dedent(inspect.getsource(function))
    (node,) = ast.parse(text).body
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
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


def _indented(lines: list[str], by: int = 3) -> Iterator[str]:
    for line in lines:
        yield " " * by + line if line else ""


def _listing(entries: dict[str, str]) -> list[str]:
    lines = [".. rubric:: Guarantees", ""]
    for name, text in entries.items():
        lines.append(f"- **{name}.** {text}" if name else text)
    return [*lines, ""]


def _body(thing: Any, what: str, name: str) -> list[str]:
    """Return the docstring as reStructuredText, its drawings as directives."""
    doc = (inspect.getdoc(thing) or "") + "\n"
    said = guarantees(thing)
    doc = _GUARANTEES.sub("\n".join(_listing(said)) + "\n", doc)
    lines = list(as_directives(doc.splitlines()))
    return str(GoogleDocstring(lines, _NAPOLEON, None, what, name, thing)).splitlines()


def _methods(thing: type) -> Iterator[list[str]]:
    for name in sorted(dir(thing)):
        member = inspect.getattr_static(thing, name)
        home = str(getattr(member, "__module__", None) or "")
        if isinstance(member, property):
            home = str(member.fget.__module__) if member.fget else ""
        if name.startswith("_") or not home.startswith("aiterkit"):
            continue
        if isinstance(member, property):
            head, what = [f".. py:property:: {name}", ""], "property"
        elif inspect.isfunction(member):
            call = str(_signature(member)).replace("(self, /, ", "(")
            call = re.sub(r"^\(self(, )?", "(", call)
            head, what = [f".. py:method:: {name}{call}"], "method"
            if inspect.iscoroutinefunction(member):
                head.append("   :async:")
            head.append("")
        else:
            continue
        doc = member.fget if isinstance(member, property) else member
        yield [*head, *_indented(_body(doc, what, name)), ""]


def entry(module: ModuleType, name: str) -> list[str]:
    """Return all that is said about a public name."""
    thing = getattr(module, name)
    option, kind = use(thing)
    if kind == "class":
        base = "exception" if issubclass(thing, BaseException) else "class"
        made = inspect.isfunction(thing.__init__) and base == "class"
        head = [f".. py:{base}:: {name}{_signature(thing) if made else ''}"]
    else:
        head = [f".. py:function:: {name}{_signature(thing)}"]
    if option:
        head.append(f"   {option}")
    lines = _body(thing, "class" if kind == "class" else "function", name)
    if code := types(thing) if kind != "class" else "":
        lines += [
            "",
            ".. raw:: html",
            "",
            '   <details class="types"><summary>Types</summary>',
            "",
            ".. code-block:: python",
            "",
            *_indented(code.splitlines()),
            "",
            ".. raw:: html",
            "",
            "   </details>",
            "",
        ]
    for method in _methods(thing) if inspect.isclass(thing) else ():
        lines += ["", *method]
    return [*head, "", *_indented(lines), ""]


def twin(name: str) -> str:
    """Return the name of the standard library's twin, if there is one."""
    for module in (builtins, itertools, functools):
        if name.startswith("a") and hasattr(module, name[1:]):
            return f"{module.__name__}.{name[1:]}".removeprefix("builtins.")
    return ""


def page(name: str) -> str:
    """Return the page of an operator."""
    lines = [name, "=" * len(name), "", ".. py:currentmodule:: aiterkit", ""]
    lines += entry(aiterkit, name)
    if found := twin(name):
        lines += [f"Its twin in the standard library: `{found}`.", ""]
    return "\n".join(lines)


def _titled(title: str, line: str) -> list[str]:
    return [title, line * len(title), ""]


def index() -> str:
    """Return the page that lists all names by family."""
    lines = [*_titled("All names", "="), ".. py:module:: aiterkit", ""]
    wing = ""
    for family in families():
        if family.wing != wing:
            wing = family.wing
            lines += _titled(wing, "-")
        if family.title != wing:
            lines += _titled(family.title, "~")
        lines += [family.about, "", ".. list-table::", "   :widths: 30 70", ""]
        for name in family.names:
            said = first_sentence(getattr(aiterkit, name))
            lines += [f"   * - :doc:`{name} <{name}>`", f"     - {said}"]
        lines += ["", ".. toctree::", "   :hidden:", ""]
        lines += [*(f"   {name}" for name in family.names), ""]
    return "\n".join(lines)


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


def effects_table(names: list[str]) -> str:
    """Return a table of the effects of *names*, a row each."""
    lines = [".. list-table::", "   :header-rows: 1", "   :class: effects", ""]
    lines += ["   * - Name", *(f"     - {each}" for each in EFFECTS)]
    for name in names:
        lines.append(f"   * - :doc:`{name} </operators/{name}>`")
        lines += [f"     - {text}".rstrip() for text in effects(name).values()]
    return "\n".join(lines) + "\n"


def effects_page() -> str:
    """Return the tables of effects, one for each wing."""
    parts: list[str] = []
    for wing in dict.fromkeys(family.wing for family in families()):
        names = [
            name
            for family in families()
            if family.wing == wing
            for name in family.names
            if use(getattr(aiterkit, name))[1] != "class"
        ]
        told = [name for name in names if any(effects(name).values())]
        if told:
            parts += [*_titled(wing, "-"), effects_table(told)]
    return "\n".join([*_titled("Table of effects", "="), *parts])


def testing_page() -> str:
    """Return the reference of the test tools."""
    lines = [*_titled("Names in aiterkit.testing", "="), ".. py:module:: aiterkit.testing", ""]
    for name in aiterkit.testing.__all__:
        lines += entry(aiterkit.testing, name)
    return "\n".join(lines)


def pages() -> dict[str, str]:
    """Return all pages that are written, by their path."""
    found = {f"operators/{name}.rst": page(name) for name in aiterkit.__all__}
    found["operators/index.rst"] = index()
    found["operators/effects.rst"] = effects_page()
    found["operators/testing.rst"] = testing_page()
    return found


def write(app: Sphinx) -> None:
    """Write the pages, those alone that have changed, and remove old ones."""
    written = pages()
    folder = Path(app.srcdir, "operators")
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.rst"):
        if f"operators/{old.name}" not in written:
            old.unlink()
    for path, text in written.items():
        file = Path(app.srcdir, path)
        if not file.exists() or file.read_text(encoding="utf-8") != text:
            file.write_text(text, encoding="utf-8")


def resolve(
    _app: Sphinx, _env: BuildEnvironment, node: pending_xref, content: nodes.Element
) -> nodes.Element | None:
    """Accept the name of a thing of another package that is there; link nothing."""
    target = str(node.get("reftarget", ""))
    if target in NEWER or hasattr(builtins, target):
        return content
    first, *rest = target.split(".")
    try:
        found: Any = importlib.import_module(first)
        for name in rest:
            found = getattr(found, name)
    except (ImportError, AttributeError):
        return None
    return content if rest else None


def setup(app: Sphinx) -> ExtensionMetadata:
    """Write the pages before Sphinx looks for them."""
    app.connect("builder-inited", write)
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
