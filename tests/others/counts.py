"""The counts that the documentation shows, and its page."""

import importlib.util
import json
import platform
from pathlib import Path
from types import ModuleType
from typing import Any

from .suites import Suite, suites
from .verdict import Verdict

DOCS = Path(__file__).parents[2] / "docs"
COUNTS = DOCS / "others" / "counts.json"
PAGE = DOCS / "others.md"


def extension() -> ModuleType:
    """Return the extension of the documentation that draws the tables."""
    path = DOCS / "_ext" / "others.py"
    spec = importlib.util.spec_from_file_location("aiterkit_docs_others", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def read() -> dict[str, dict[str, Any]]:
    """Return what was kept, by suite."""
    kept: dict[str, dict[str, Any]] = json.loads(COUNTS.read_text(encoding="utf-8"))
    return kept


def version(suite: Suite) -> str:
    """Return what exactly was run."""
    return suite.version or platform.python_version()


def stale(suite: Suite, verdict: Verdict) -> list[str]:
    """Say whether other counts were kept for the same version of *suite*."""
    kept = read().get(suite.key)
    if kept is None:
        return [f"not on the page {PAGE.name}; run this with --write"]
    now = {"version": version(suite), **verdict.counts()}
    # Another release of a Python may bring tests of its own.
    if kept["version"] != now["version"] or kept == now:
        return []
    return [f"the page {PAGE.name} has other counts; run this with --write"]


def keep(suite: Suite, verdict: Verdict) -> None:
    """Keep the counts of *suite*, and write the page anew."""
    kept = read() if COUNTS.exists() else {}
    kept[suite.key] = {"version": version(suite), **verdict.counts()}
    order = [*suites()]
    by_suite = sorted(kept, key=lambda key: (order.index(key.partition(" ")[0]), key))
    COUNTS.parent.mkdir(exist_ok=True)
    text = json.dumps({key: kept[key] for key in by_suite}, indent=1)
    COUNTS.write_text(f"{text}\n", encoding="utf-8")
    PAGE.write_text(page(), encoding="utf-8")


def page() -> str:
    """Return the page as it has to be."""
    text = PAGE.read_text(encoding="utf-8")
    filled: str = extension().filled(text, read(), suites())
    return filled
