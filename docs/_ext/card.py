"""The social card: what a link to a page looks like where it is shared.

``python docs/_ext/card.py`` writes ``card.svg``. Services want pixels, so a browser
makes ``card.png`` of it, 1200 by 630::

    chromium --headless --window-size=1200,630 --hide-scrollbars \\
        --screenshot=docs/_static/card.png docs/_static/card.svg
"""

import re
from pathlib import Path

from addresses import project
from pictures import stacked
from readme import TIMELINES
from standalone import LIGHT, rules

from aiterkit.testing._timelines import find_drawings

FILE = Path(__file__).parent.parent / "_static" / "card.svg"
WIDTH, HEIGHT = 1200, 630
SCALE = 1.45
LETTERS = 18  # in a line of what the project is


def card() -> str:
    """Return the file of the card."""
    drawings = [each for text in TIMELINES for each in find_drawings(text)]
    head, mark, body = stacked(drawings).partition(">")
    box = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', head)
    wide = float(box[1]) * SCALE if box else 0
    high = float(box[2]) * SCALE if box else 0
    inner = (
        f'{head} x="{WIDTH - wide - 24:g}" y="{(HEIGHT - high) / 2:g}"{mark}{body}'
    ).replace(f'width="{box[1] if box else ""}"', f'width="{wide:g}"', 1)
    inner = inner.replace(f'height="{box[2] if box else ""}"', f'height="{high:g}"', 1)
    words, lines = str(project()["description"]).split(), [""]
    for word in words:
        if len(lines[-1]) + len(word) > LETTERS:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    told = "".join(
        f'<text class="about" x="60" y="{320 + 42 * number}">{line}</text>'
        for number, line in enumerate(lines)
    )
    style = (
        "text{font:12px ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace}"
        ".name{font:700 76px system-ui,'DejaVu Sans',sans-serif}"
        ".about{font:29px system-ui,'DejaVu Sans',sans-serif;fill:#5a5c63}"
        + rules("timeline", LIGHT)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}"><style>{style}</style>'
        f'<rect class="ground" width="{WIDTH}" height="{HEIGHT}"/>'
        '<rect width="14" height="630" fill="#0a4bff"/>'
        f'<text class="name" x="56" y="250">aiterkit</text>{told}{inner}</svg>\n'
    )


if __name__ == "__main__":
    FILE.write_text(card(), encoding="utf-8")
