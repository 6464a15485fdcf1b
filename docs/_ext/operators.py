"""A page for each public name, written from what `facts` finds in the package."""

import builtins
import importlib
import inspect
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from addresses import urls
from docutils import nodes
from elsewhere import PLACES, elsewhere, names as names_elsewhere, note
from facts import (
    EFFECTS,
    GUARANTEES,
    Family,
    effects,
    families,
    first_sentence,
    fixtures,
    guarantees,
    home,
    signature,
    signatures,
    twin,
    types,
    use,
)
from related import links
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.ext.napoleon import Config, GoogleDocstring
from sphinx.transforms import SphinxTransform
from sphinx.util.typing import ExtensionMetadata
from timelines import as_directives

import aiterkit
import aiterkit.testing

NEWER = {"itertools.batched"}
"""What is there from a later Python on than the one the pages are built with."""

_NAPOLEON = Config(napoleon_use_rtype=False, napoleon_use_ivar=True)


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
    doc = GUARANTEES.sub("\n".join(_listing(said)) + "\n", doc)
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
            call = str(signature(member)).replace("(self, /, ", "(")
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
        head = [f".. py:{base}:: {name}{signature(thing) if made else ''}"]
    else:
        first, *rest = [f"{name}{way}" for way in signatures(thing)]
        head = [f".. py:function:: {first}", *_indented(rest, 17)]
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


def page(name: str) -> str:
    """Return the page of an operator."""
    lines = [name, "=" * len(name), "", ".. py:currentmodule:: aiterkit", ""]
    lines += entry(aiterkit, name)
    if found := twin(name):
        lines += [f"Its twin in the standard library: `{found}`.", ""]
    lines += _see_also(name)
    if name in names_elsewhere():
        lines += _elsewhere(name)
    return "\n".join(lines)


def _see_also(name: str) -> list[str]:
    """Return links to the pages of the guide that tell more about *name*."""
    found = links(name)
    if not found:
        return []
    lines = [".. rubric:: See also", ""]
    lines += [f"- `{title} <{address}>`__" for title, address in found]
    return [*lines, ""]


def _literal(text: str) -> str:
    """Return *text* with what stands in backquotes as code."""
    return text.replace("`", "``")


def _elsewhere(name: str) -> list[str]:
    """Tell what *name* is called elsewhere."""
    found = elsewhere(name)
    if not found:
        return []
    lines = [".. rubric:: Elsewhere", "", ".. list-table::", "   :widths: 30 70"]
    lines += ["   :class: elsewhere", ""]
    for place, called in found.items():
        lines += [f"   * - {place}", f"     - ``{called}``"]
    return [*lines, "", _literal(note(name)), ""]


def elsewhere_page() -> str:
    """Return the table of all names elsewhere."""
    lines = [":hide-toc:", "", *_titled("Names in other libraries", "=")]
    lines += [
        "What each operator is called elsewhere. A name is listed if it does the same",
        "work.",
        "≈ marks operators for which another library behaves differently, as described",
        "`below <#what-differs>`__. Rust means ``StreamExt`` of the crates futures and",
        "tokio-stream. JavaScript means its iterator helpers, which async iterators do",
        "not have yet, and p-map or the streams of Node.js where they are named.",
        "",
        ".. list-table::",
        "   :header-rows: 1",
        "   :class: names",
        "",
        "   * - Name",
        *(f"     - {place}" for place in PLACES),
    ]
    for name in names_elsewhere():
        found = elsewhere(name)
        mark = " ≈" if note(name) else ""
        lines.append(f"   * - :doc:`{name} </operators/{name}>`{mark}")
        for place in PLACES:
            lines.append(f"     - ``{found[place]}``" if place in found else "     -")
    lines += ["", *_titled("What differs", "-")]
    for name in names_elsewhere():
        if said := note(name):
            lines.append(f"- :doc:`{name} </operators/{name}>`: {_literal(said)}")
    return "\n".join(lines) + "\n"


def _titled(title: str, line: str) -> list[str]:
    return [title, line * len(title), ""]


def _list_of(names: Iterable[str]) -> list[str]:
    lines = [".. list-table::", "   :widths: 35 65", "   :class: all-names", ""]
    for name in names:
        said = first_sentence(getattr(aiterkit, name))
        lines += [f"   * - :doc:`{name} </operators/{name}>`", f"     - {said}"]
    return [*lines, ""]


def index() -> str:
    """Return the page that lists all names by family."""
    lines = [*_titled("All names", "="), ".. py:module:: aiterkit", ""]
    lines += [
        "Every public name, by family, in one sentence each. To find one by what you",
        "want to do, see :doc:`/choose`.",
        "",
    ]
    wing = ""
    for family in families():
        if family.wing != wing:
            wing = family.wing
            lines += _titled(wing, "-")
        lines += [
            *_titled(family.title, "~"),
            family.about,
            "",
            *_list_of(family.names),
        ]
    return "\n".join(lines)


def family_page(family: Family) -> str:
    """Return the page of a family, below which its names are."""
    title = f"{family.wing}: {family.title.lower()}"
    lines = [*_titled(title if family.title != "Calls" else family.wing, "=")]
    lines += [".. py:currentmodule:: aiterkit", ""]
    lines += [family.about, "", *_list_of(family.names)]
    lines += [".. toctree::", "   :hidden:", ""]
    return "\n".join([*lines, *(f"   {name}" for name in family.names), ""])


def navigation() -> str:
    """Return the part of the side bar that lists the families."""
    lines: list[str] = []
    for wing in dict.fromkeys(family.wing for family in families()):
        lines += [".. toctree::", "   :hidden:", f"   :caption: {wing}", ""]
        lines += [
            f"   {family.title} <operators/{family.page}>"
            for family in families()
            if family.wing == wing
        ]
        lines.append("")
    return "\n".join(lines)


def project_links() -> str:
    """Return the end of the side bar, which leads to where the project lives."""
    titles = {"Repository": "Repository", "Issues": "Report an issue"}
    lines = [".. toctree::", "   :hidden:", "   :caption: Project", ""]
    lines += [f"   {title} <{urls()[name]}>" for name, title in titles.items()]
    return "\n".join([*lines, ""])


def effects_table(names: list[str]) -> str:
    """Return a table of effects; names that have the same share a row."""
    rows: dict[tuple[str, ...], list[str]] = {}
    for name in names:
        rows.setdefault(tuple(effects(name).values()), []).append(name)
    lines = [".. list-table::", "   :header-rows: 1", "   :class: effects", ""]
    lines += ["   * - Name", *(f"     - {each}" for each in EFFECTS)]
    for texts, alike in rows.items():
        links = " ".join(f":doc:`{name} </operators/{name}>`" for name in alike)
        lines.append(f"   * - {links}")
        lines += [f"     - {text}".rstrip() for text in texts]
    return "\n".join(lines) + "\n"


def _told_in_words(names: list[str]) -> Iterator[str]:
    yield from (".. list-table::", "   :widths: 20 80", "")
    for name in names:
        said = " ".join(guarantees(getattr(aiterkit, name)).values())
        yield f"   * - :doc:`{name} </operators/{name}>`"
        yield f"     - {said}"
    yield ""


EFFECTS_ABOUT = (
    "What each operator promises: the order of its results, what overlaps, how far it",
    "reads ahead, what you get on an error, and what happens when you leave. *You* are",
    "the code that reads the results. Operators with the same promises share a row.",
)


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
        elif names:
            parts += [*_titled(wing, "-"), *_told_in_words(names)]
    head = [":hide-toc:", "", *_titled("Table of effects", "=")]
    head += [".. py:currentmodule:: aiterkit", "", *EFFECTS_ABOUT, ""]
    return "\n".join([*head, *parts])


def testing_page() -> str:
    """Return the reference of the test tools."""
    lines = _titled("Names in aiterkit.testing", "=")
    lines += [".. py:module:: aiterkit.testing", ""]
    lines += ["What they are for, with examples: :doc:`/testing`.", ""]
    for name in aiterkit.testing.__all__:
        lines += [*_titled(name, "-"), *entry(aiterkit.testing, name)]
    return "\n".join(lines)


def fixtures_page() -> str:
    """Return the reference of the fixtures for pytest."""
    about, found = fixtures()
    lines = _titled("Fixtures for pytest", "=")
    lines += [".. py:module:: aiterkit.testing.fixtures", "", *about.splitlines(), ""]
    lines += [".. py:currentmodule:: aiterkit.testing", ""]
    for fixture in found:
        lines += [f".. py:data:: {fixture.name}", "   :no-index:", ""]
        lines += [*_indented(fixture.doc.splitlines()), ""]
    return "\n".join(lines)


def pages() -> dict[str, str]:
    """Return all pages that are written, by their path."""
    found = {f"operators/{name}.rst": page(name) for name in aiterkit.__all__}
    found |= {f"operators/{each.page}.rst": family_page(each) for each in families()}
    found["operators/index.rst"] = index()
    found["operators/navigation.txt"] = navigation()
    found["operators/project.txt"] = project_links()
    found["operators/effects.rst"] = effects_page()
    found["operators/elsewhere.rst"] = elsewhere_page()
    found["operators/testing.rst"] = testing_page()
    found["operators/fixtures.rst"] = fixtures_page()
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
    if not rest:
        return content if first in sys.stdlib_module_names else None
    try:
        found: Any = importlib.import_module(first)
        for name in rest:
            found = getattr(found, name)
    except (ImportError, AttributeError):
        return None
    return content


_UNLINKED = (nodes.reference, nodes.title, pending_xref)


class LinkNames(SphinxTransform):
    """On the pages of the guide, link each public name in backquotes to its page."""

    default_priority = 500

    def apply(self, **_options: Any) -> None:
        """Wrap what is a public name and not yet linked."""
        for literal in list(self.document.findall(nodes.literal)):
            module = home(literal.astext())
            if module is None or isinstance(literal.parent, _UNLINKED):
                continue
            link = pending_xref(
                "",
                literal.deepcopy(),
                refdomain="py",
                reftype="obj",
                reftarget=f"{module}.{literal.astext().removesuffix('[T]')}",
                refdoc=self.env.docname,
                refexplicit=True,
                refwarn=True,
            )
            literal.replace_self(link)


def setup(app: Sphinx) -> ExtensionMetadata:
    """Write the pages before Sphinx looks for them."""
    app.connect("builder-inited", write)
    app.add_transform(LinkNames)
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
