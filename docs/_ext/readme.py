"""The picture of the README: the same calls, one at a time and at once.

The tests play both timelines, and hold the file and this drawing in step. After a
change, ``python docs/_ext/readme.py`` writes the file anew.
"""

from pathlib import Path

from pictures import stacked
from standalone import standalone

from aiterkit.testing._timelines import find_drawings

FILE = Path(__file__).parent.parent / "_static" / "two-timelines.svg"
TIMELINES = (
    """
    urls                   abcd|
    fetch a                ====
    fetch b                    ====
    fetch c                        ====
    fetch d                            ====
    amap(fetch(4), urls)   ----a---b---c---(d|)
    """,
    """
    urls                                     abcd|
    fetch a                                  ====
    fetch b                                   ====
    fetch c                                    ====
    fetch d                                     ====
    concurrent_map(fetch(4), urls, limit=4)  ----abc(d|)
    """,
)


def picture() -> str:
    """Return the file of the picture."""
    drawings = [each for text in TIMELINES for each in find_drawings(text)]
    return standalone(
        stacked(drawings), "timeline", "Four calls: one at a time, and at once"
    )


if __name__ == "__main__":
    FILE.write_text(picture(), encoding="utf-8")
