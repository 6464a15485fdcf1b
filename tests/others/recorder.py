"""A plugin for pytest: puts our operators in place, and records what came of each test.

Loaded by name into the run of a suite, where the folder `tests` is on the path.
"""

import asyncio
import importlib
import json
import os
from collections.abc import Generator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from .driven import Counter

OUTCOMES: dict[str, str] = {}
"""By test: passed, failed, or another's if no operator of ours was called."""

SUITE: dict[str, Any] = json.loads(os.environ.get("OTHERS_SUITE", "{}"))


def short(item: pytest.Item) -> str:
    """Return the id of *item* without folders, which differ between machines."""
    _, _, name = item.nodeid.partition("::")
    return f"{item.path.name}::{name}"


def pytest_configure(config: pytest.Config) -> None:
    """Put our operators in place, before a test module is imported."""
    for name in ("asyncio", "slow"):
        config.addinivalue_line("markers", f"{name}: theirs")
    if SUITE["shim"] == "aiometer":
        # It waits by anyio alone, so it can be tried on virtual time, on both backends.
        config.pluginmanager.import_plugin("aiterkit.testing.fixtures")
    importlib.import_module(f".shim_{SUITE['shim']}", __package__).install()


def pytest_collection_modifyitems(
    config: pytest.Config, items: list[pytest.Item]
) -> None:
    """Leave out what cannot be about us, for the reasons given in the list."""
    kept: list[pytest.Item] = []
    dropped: list[pytest.Item] = []
    for item in items:
        name = short(item)
        kept_by: list[str] = SUITE["kept"]
        out = any(fnmatchcase(name, pattern) for pattern in SUITE["left_out"])
        out = out or not any(fnmatchcase(name, pattern) for pattern in kept_by)
        (dropped if out else kept).append(item)
    items[:] = kept
    config.hook.pytest_deselected(items=dropped)


def pytest_runtest_setup(item: pytest.Item) -> None:  # noqa: ARG001 - pytest's name
    """Begin to count the calls of our operators."""
    Counter.calls = 0


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a test that asks for pytest-asyncio, without it."""
    if not pyfuncitem.get_closest_marker("asyncio"):
        return None
    names = pyfuncitem._fixtureinfo.argnames  # pyright: ignore[reportPrivateUsage]
    asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in names}))
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Record what came of *item*."""
    report = yield
    name = short(item)
    if report.failed:
        crash = getattr(report.longrepr, "reprcrash", None)
        text = str(crash.message if crash else report.longrepr)
        OUTCOMES[name] = f"failed: {text.splitlines()[0]}"
    elif report.when == "call" and report.passed:
        OUTCOMES[name] = "passed" if Counter.calls else "another's"
    return report


def pytest_sessionfinish() -> None:
    """Write what was recorded."""
    Path(os.environ["OTHERS_OUTCOMES"]).write_text(json.dumps(OUTCOMES))
