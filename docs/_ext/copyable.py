"""Below each block of code of the guide: the same as a program, folded.

And in the section of the first one, a line that says how the code is run and on which
clock.
"""

import re
from pathlib import Path

from docutils import nodes
from runnable import WORDS, is_whole, program, way
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform
from sphinx.util.typing import ExtensionMetadata

CLOCK = "virtual time"


class ShowPrograms(SphinxTransform):
    """Add them to the pages of the guide."""

    default_priority = 400  # while what is included from a file is known as such

    def apply(self, **_options: object) -> None:
        """Look for blocks, and add below each what it is as a program."""
        if "/" in self.env.docname:
            return
        blocks = [
            block
            for block in self.document.findall(nodes.literal_block)
            if block.get("language") == "python" and "source" not in block
        ]
        codes = [block.astext() for block in blocks]
        found = way(Path(self.env.doc2path(self.env.docname)).read_text("utf-8"), codes)
        if not found or self.env.docname == "index":
            return
        for number, (block, code) in enumerate(zip(blocks, codes, strict=True)):
            if not is_whole(code):
                self._fold(block, program(codes[:number], code))
        section = blocks[0].parent
        while not isinstance(section, nodes.section):
            section = section.parent
        section.insert(1, self._line(WORDS[found]))  # below its title

    @staticmethod
    def _fold(block: nodes.literal_block, text: str) -> None:
        code = nodes.literal_block(text, text, language="python")
        start = '<details class="program"><summary>As a program</summary>'
        parts = [
            nodes.raw("", start, format="html"),
            code,
            nodes.raw("", "</details>", format="html"),
        ]
        # What the block prints stands directly below it.
        place = block.parent.index(block) + 1
        siblings = block.parent.children
        if place < len(siblings):
            below = siblings[place]
            is_output = isinstance(below, nodes.literal_block)
            place += is_output and below.get("language") == "text"
        block.parent.insert(place, parts)

    def _line(self, words: str) -> nodes.paragraph:
        line = nodes.paragraph(classes=["when"])
        for part in re.split(rf"({CLOCK}|`[^`]+`)", words):
            if part == CLOCK:
                line += self._link(part)
            elif part.startswith("`"):
                line += nodes.literal(part, part.strip("`"))
            else:
                line += nodes.Text(part)
        return line

    def _link(self, words: str) -> pending_xref:
        return pending_xref(
            "",
            nodes.inline("", words),
            refdomain="std",
            reftype="doc",
            reftarget="/testing",
            refdoc=self.env.docname,
            refexplicit=True,
            refwarn=True,
        )


def setup(app: Sphinx) -> ExtensionMetadata:
    """Add the transform."""
    app.add_transform(ShowPrograms)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
