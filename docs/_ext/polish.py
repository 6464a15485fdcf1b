"""What each page has besides its text: a description, an edit link, places to break.

A long name has no place to break a line, so a table gives it a wide column, and a
phone breaks it anywhere. It may break behind an underscore or a dot, and before a
capital.
"""

import inspect
import re
from html import escape, unescape
from pathlib import Path
from typing import Any

from addresses import ROOT, edit, project, raw
from docutils import nodes
from facts import first_sentence
from sphinx.application import Sphinx
from sphinx.util.typing import ExtensionMetadata

import aiterkit

_CODE = re.compile(r'(<span class="(?:pre|doc)">)([\w.(),=]+)(</span>)')
_HEADING = re.compile(r"(<h1>)(\w+)(<)")
_LINK = re.compile(r'(<a class="[^"]*reference internal" href="[^"]*">)(\w+)(</a>)')
_BREAK = re.compile(r"(?<=[a-z0-9)][_.])(?=\w)|(?<=[a-z])(?=[A-Z])")
LONG = 160


def breakable(html: str) -> str:
    """Let the names in *html* break behind an underscore."""
    for pattern in (_CODE, _HEADING, _LINK):
        html = pattern.sub(
            lambda found: f"{found[1]}{_BREAK.sub('<wbr>', found[2])}{found[3]}",
            html,
        )
    return html


def description(page: str, doctree: nodes.document | None) -> str:
    """Return what a page is about, in a sentence or two."""
    name = page.removeprefix("operators/")
    if name in aiterkit.__all__:
        text = first_sentence(getattr(aiterkit, name)).replace("*", "")
    elif doctree is not None and page != "index":
        paragraphs = doctree.findall(nodes.paragraph)
        text = next((each.astext() for each in paragraphs), "")
    else:
        text = ""
    text = " ".join(text.split()) or str(project()["description"])
    if len(text) > LONG:
        text = text[:LONG].rpartition(" ")[0] + " …"
    return text


def source(page: str) -> str:
    """Return the file that *page* is written from, in the repository."""
    name = page.removeprefix("operators/")
    if name in aiterkit.__all__:
        file = inspect.getsourcefile(getattr(aiterkit, name)) or ""
        return Path(file).resolve().relative_to(ROOT).as_posix()
    if page.startswith("operators/"):
        return "docs/_ext/operators.py"
    return "CHANGELOG.md" if page == "changelog" else f"docs/{page}.md"


def _tags(title: str, about: str) -> str:
    card = raw("docs/_static/card.png")
    named = {"description": about, "twitter:card": "summary_large_image"}
    properties = {
        "og:title": title,
        "og:description": about,
        "og:type": "article",
        "og:site_name": "aiterkit",
        "og:image": card,
        "og:image:width": "1200",
        "og:image:height": "630",
        "og:image:alt": "aiterkit: the same four calls, one at a time and at once",
    }
    lines = [
        f'<meta name="{key}" content="{escape(text)}">' for key, text in named.items()
    ]
    lines += [
        f'<meta property="{key}" content="{escape(text)}">'
        for key, text in properties.items()
    ]
    return "\n".join(lines)


def add(
    _app: Sphinx,
    page: str,
    _template: str,
    context: dict[str, Any],
    doctree: nodes.document | None,
) -> None:
    """Complete the page, just before it is written."""
    for part in ("body", "furo_navigation_tree"):
        if isinstance(context.get(part), str):
            context[part] = breakable(context[part])
    title = unescape(re.sub(r"<[^>]+>", "", str(context.get("title", ""))))
    context["metatags"] = str(context.get("metatags", "")) + _tags(
        title, description(page, doctree)
    )
    if doctree is not None:
        context["theme_source_edit_link"] = edit(source(page))


def setup(app: Sphinx) -> ExtensionMetadata:
    """Run after the theme has made its navigation."""
    app.connect("html-page-context", add, priority=900)
    app.add_css_file("pages.css")
    app.add_js_file("navigation.js")
    return {"parallel_read_safe": True, "parallel_write_safe": True}
