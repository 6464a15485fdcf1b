"""Docstrings that are run: each example, and each drawing of a timeline."""

import ast
import asyncio
import contextlib
import importlib
import inspect
import io
import traceback
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from types import CodeType, ModuleType
from typing import Any, TypeAlias

import anyio

from aiterkit.testing._timelines import assert_drawing, find_drawings
from aiterkit.testing._virtual import (
    BackendName,
    available_backends,
    run_in_virtual_time,
)

# Of `doctest`, which is loaded only when docstrings are read: on 3.13 it imports
# `__main__`, and a worker process that imports a program's main module has none then.
DocTest: TypeAlias = Any
Example: TypeAlias = Any

_FLAGS = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT  # as in `python -m asyncio`
_INDENT = 4


@dataclass(frozen=True, slots=True)
class DocstringCase:
    """The examples of one docstring, or one of its drawings, to be run.

    Examples:
        >>> import aiterkit.testing
        >>> cases = docstring_cases(aiterkit.testing)
        >>> [str(case) for case in cases if case.name == "play"]
        ['play[asyncio]', 'play[trio]']

    Attributes:
        name: The public name, with the method or the drawing's call behind it.
        backend: Where it runs; None if there is no ``await`` in it.
    """

    name: str
    backend: BackendName | None
    _run: Callable[[], Coroutine[Any, Any, None]] = field(repr=False)

    def __str__(self) -> str:
        return f"{self.name}[{self.backend or 'plain'}]"

    def run(self) -> None:
        """Run it, outside any event loop.

        Raises:
            AssertionError: If something else happens than what is shown.
        """
        if self.backend is None:
            _finish(self._run())
        else:
            run_in_virtual_time(self._run, backend=self.backend)


def docstring_cases(module: ModuleType, /, **names: Any) -> list[DocstringCase]:
    """Return all that the docstrings of *module*'s public names show.

    Examples can await, as in ``python -m asyncio``. Those that do are run on
    both backends, on virtual time; so are drawings (see `assert_drawing`),
    which are blocks of rows indented by four spaces.

    Examples:
        >>> import aiterkit.testing
        >>> for case in docstring_cases(aiterkit.testing):
        ...     if case.name == "SourceProbe":
        ...         case.run()

    Args:
        module: A module with ``__all__``.
        names: What examples and drawings can use, besides the names of
            *module*, ``anyio`` and ``asyncio``.

    Raises:
        ValueError: If something looks like a drawing and is not.
    """
    known = {"anyio": anyio, "asyncio": asyncio, **vars(module), **names}
    return [case for name in module.__all__ for case in _cases(module, name, known)]


def names_without_example(module: ModuleType, /) -> list[str]:
    """Return the public classes and functions whose docstrings show nothing.

    Examples:
        >>> import aiterkit.testing
        >>> names_without_example(aiterkit.testing)
        []

    Args:
        module: A module with ``__all__``.
    """
    return [
        name
        for name in module.__all__
        if inspect.isroutine(getattr(module, name))
        or inspect.isclass(getattr(module, name))
        if not list(_cases(module, name, {}))
    ]


def _cases(
    module: ModuleType, name: str, known: Mapping[str, Any]
) -> Iterator[DocstringCase]:
    thing = getattr(module, name)
    if not inspect.isroutine(thing) and not inspect.isclass(thing):
        return
    finder = importlib.import_module("doctest").DocTestFinder()
    # `module=False`: names are shown here, wherever they are defined.
    for test in finder.find(thing, name, module=False, globs={}):
        if test.examples:
            codes = [_compile(example) for example in test.examples]
            is_async = any(code.co_flags & inspect.CO_COROUTINE for code in codes)
            for backend in available_backends() if is_async else (None,):
                run = partial(_run_examples, test, codes, known)
                yield DocstringCase(test.name, backend, run)
    for drawing in find_drawings(inspect.getdoc(thing) or "", indent=_INDENT):
        for backend in available_backends():
            run = partial(assert_drawing, drawing, **known)
            yield DocstringCase(f"{name}: {drawing.result.label}", backend, run)


def _compile(example: Example) -> CodeType:
    code: CodeType = compile(example.source, "<example>", "single", _FLAGS)
    return code


async def _run_examples(
    test: DocTest, codes: list[CodeType], known: Mapping[str, Any]
) -> None:
    names = dict(known)
    for example, code in zip(test.examples, codes, strict=True):
        shown = io.StringIO()
        try:
            with contextlib.redirect_stdout(shown):
                # The examples of a docstring are code of its author.
                result = eval(code, names)  # noqa: S307
                if inspect.isawaitable(result):
                    await result
        except Exception as error:
            if example.exc_msg is None:
                raise AssertionError(_mismatch(test, example, repr(error))) from error
            message = "".join(traceback.format_exception_only(error))
            _compare(test, example, example.exc_msg, message)
        else:
            _compare(test, example, example.want, shown.getvalue())


def _compare(test: DocTest, example: Example, want: str, got: str) -> None:
    doctest = importlib.import_module("doctest")
    flags = doctest.ELLIPSIS
    for flag, is_on in example.options.items():
        flags = flags | flag if is_on else flags & ~flag
    if not doctest.OutputChecker().check_output(want, got, flags):
        raise AssertionError(_mismatch(test, example, got))


def _mismatch(test: DocTest, example: Example, got: str) -> str:
    return (
        f"the docstring of {test.name} shows\n\n"
        f">>> {example.source}{example.want}\n"
        f"but this happens\n\n{got}"
    )


def _finish(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run an async function that awaits nothing."""
    with contextlib.suppress(StopIteration):
        coroutine.send(None)
