"""Directives that draw: timelines, also in docstrings, and what was measured."""

from collections.abc import Iterable, Iterator
from itertools import groupby

from docutils import nodes
from docutils.parsers.rst import directives
from measured import TIMES, drawn, read
from pictures import picture
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from sphinx.util.typing import ExtensionMetadata

from aiterkit.testing._timelines import find_drawings


class Timeline(SphinxDirective):
    """Draw the timeline that is its content."""

    has_content = True
    option_spec = {"dense": directives.flag}  # noqa: RUF012 - as docutils has it

    def run(self) -> list[nodes.Node]:
        """Return the picture."""
        text = "\n".join(self.content)
        pictures = [
            picture(drawing, dense="dense" in self.options)
            for drawing in find_drawings(text)
        ]
        if len(pictures) != 1:
            raise self.error(f"there must be one drawing, not {len(pictures)}")
        return [nodes.raw("", pictures[0], format="html")]


class Measured(SphinxDirective):
    """Draw what was measured, in the colours of the page."""

    def run(self) -> list[nodes.Node]:
        """Return the picture."""
        self.env.note_dependency(str(TIMES))
        html = f'<figure class="chart">{drawn(read())}</figure>'
        return [nodes.raw("", html, format="html")]


def as_directives(lines: Iterable[str]) -> Iterator[str]:
    """Put the directive in the place of each drawing in a docstring's *lines*."""
    for is_empty, group in groupby(lines, lambda line: not line.strip()):
        block = list(group)
        is_example = block[0].lstrip().startswith(">>>")
        if is_empty or is_example or not block[0].startswith("    "):
            yield from block
        elif list(find_drawings("\n".join(block), indent=4)):
            yield from (".. timeline::", "", *block)
        else:
            yield from block


def setup(app: Sphinx) -> ExtensionMetadata:
    """Tell Sphinx of the directives."""
    app.add_directive("timeline", Timeline)
    app.add_directive("measured", Measured)
    app.add_css_file("timelines.css")
    return {"parallel_read_safe": True, "parallel_write_safe": True}
