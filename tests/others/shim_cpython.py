"""CPython's own tests of itertools and of some builtins, of the Python that runs."""

import importlib
import itertools
import warnings
from typing import Any

from .driven import BUILTINS, ITERTOOLS


def _not_pickled(*_args: object, **_options: object) -> None:
    warnings.warn("left out", DeprecationWarning, stacklevel=2)


def install() -> None:
    """Put our operators where CPython's tests look for its own."""
    for name in ("test_itertools", "test_builtin", "test_enumerate"):
        module: Any = importlib.import_module(f"test.{name}")
        # A name that this Python lacks (batched, before 3.12) has no tests either.
        known = {one: to for one, to in ITERTOOLS.items() if hasattr(itertools, one)}
        module.__dict__.update(BUILTINS)
        if name == "test_itertools":
            module.__dict__.update(known)
    # No asynchronous generator can be pickled. What is tested after that still counts;
    # some tests want the warning that pickling an iterator gives.
    itertools_tests: Any = importlib.import_module("test.test_itertools")
    itertools_tests.TestBasicOps.pickletest = _not_pickled
    enumerating: Any = importlib.import_module("test.test_enumerate")
    enumerating.EnumerateTestCase.enum = staticmethod(BUILTINS["enumerate"])
    reducing: Any = importlib.import_module("test.test_functools")
    reducing.TestReduceC.reduce = staticmethod(BUILTINS["reduce"])
