"""How a fault is planted: some words of a function are changed, for one test."""

import ast
import inspect
import re
import textwrap
from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import pytest

from aiterkit.testing import run_in_virtual_time


def plain_source(function: Any) -> str:
    """Return the source of *function* without comments, docstrings and formatting."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and (
            ast.get_docstring(node) is not None
        ):
            node.body[0] = ast.Pass()
    return ast.unparse(tree)


def changed(
    function: Any,
    right: str,
    wrong: str,
    *,
    owner: type[Any] | None = None,
    count: int = 1,
    known: dict[str, Any] | None = None,
) -> Any:
    """Return *function* with *wrong* in the place of *right*, *count* times.

    *right* is looked for in the source as `ast.unparse` writes it, so no comment, no
    docstring, no line break and no kind of quotes matters. A space in *right* stands
    for any white space. *owner* is the class of a method, for ``super()``. *known*
    are further names that *wrong* may use.
    """
    pattern = r"\s+".join(map(re.escape, re.split(r"\s+", right)))
    source, found = re.subn(
        pattern, lambda _: wrong, plain_source(function), count=max(count, 0)
    )
    assert found, f"{right!r} is not in\n{source}"
    # Within a function that knows `__class__`, which is what `super()` asks for.
    code = f"def make(__class__):\n{textwrap.indent(source, '    ')}\n"
    code += f"    return {function.__name__}\n"
    around = inspect.unwrap(function).__globals__
    names: dict[str, Any] = {}
    exec(code, around if known is None else around | known, names)  # noqa: S102 - our own words
    return names["make"](owner)


def run(
    killer: Callable[..., Any],
    arguments: dict[str, Any],
    backend: Literal["asyncio", "trio"],
) -> None:
    """Run the test that is to find a fault."""
    if inspect.iscoroutinefunction(killer):
        run_in_virtual_time(partial(killer, **arguments), backend=backend)
    else:
        killer(**arguments)


def assert_found(
    killer: Callable[..., Any],
    arguments: dict[str, Any],
    backend: Literal["asyncio", "trio"],
) -> None:
    """Fail if the test that is to find the planted fault passes."""
    with pytest.raises((Exception, pytest.fail.Exception)):
        run(killer, arguments, backend)


# What such a test leaves behind is collected before it ends: see conftest.py.
leaves_garbage = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning"
)
