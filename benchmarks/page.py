"""Write what was measured into the pages of the documentation."""

import importlib
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent.parent


def measured() -> Any:
    """Return the module of the documentation that knows how to show it."""
    sys.path.insert(0, str(HERE / "docs" / "_ext"))
    return importlib.import_module("measured")


def write() -> None:
    """Write pages and picture anew from all that was kept."""
    shown = measured()
    for path, text in shown.files(shown.read()).items():
        path.write_text(text, encoding="utf-8")
        print(f"wrote {path.relative_to(HERE)}")
