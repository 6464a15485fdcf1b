"""Both backends on virtual time, for every async test; and what the collector does."""

import gc
import signal
from collections.abc import Generator

# It looks at its objects' referrers, so before the freeze.
import hypothesis  # noqa: F401  # pyright: ignore[reportUnusedImport]
import pytest

pytest_plugins = ["aiterkit.testing.fixtures", "pytester"]


def pytest_configure() -> None:
    """Let Ctrl-C interrupt, as it does in a terminal.

    A program that a shell starts in the background ignores it, which would break the
    tests of Ctrl-C.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """Spare each collection from now on what thousands of tests are made of."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Let the garbage that a test is allowed to leave speak up within that test."""
    result = yield
    filters = [arg for mark in item.iter_markers("filterwarnings") for arg in mark.args]
    if any("PytestUnraisableExceptionWarning" in each for each in filters):
        gc.collect()
    return result
