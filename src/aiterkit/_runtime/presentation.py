"""How an operator looks from outside: its signature, and its answer to a wrong call."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import wraps
from types import TracebackType
from typing import Any

from aiterkit._core.checks import name_of

_EXAMPLES = {"limit": "10", "buffer": "10", "seconds": "1"}
# What a call needs that its signature does not say: here, one of two options.
_ALSO_NEEDED = {"concurrent_batched": ("size", "within=1")}


class BlockSignature:
    """The signature of an operator: its arguments, and what its block gives.

    It is made on demand, since `inspect` is slow to import.
    """

    def __get__(self, _instance: object, owner: type[Any]) -> Any:
        import inspect  # noqa: PLC0415

        found = inspect.signature(owner.__init__)
        gives: Any = owner.__aenter__.__annotations__["return"]
        block: Any = AbstractAsyncContextManager
        return found.replace(
            parameters=[*found.parameters.values()][1:],  # without self
            return_annotation=block[gives],
        )


def explaining(init: Callable[..., None]) -> Callable[..., None]:
    """Return *init* with a message that helps, if it is called with wrong arguments.

    Python's own names the class that holds the method, which may be a private one,
    and counts *self* as an argument.
    """

    @wraps(init)
    def __init__(self: object, *args: Any, **options: Any) -> None:  # noqa: N807
        try:
            init(self, *args, **options)
        except TypeError as error:
            trace = error.__traceback__
            if trace is None or trace.tb_next is not None:  # raised further down
                raise
            raise _misuse(type(self).__name__, init, len(args), set(options)) from None

    return __init__


def _misuse(
    name: str, init: Callable[..., None], count: int, given: set[str]
) -> TypeError:
    """Return what is wrong with a call that gave *count* arguments and some options."""
    import inspect  # noqa: PLC0415

    kind = inspect.Parameter
    parameters = [*inspect.signature(init).parameters.values()][1:]
    by_name = {each.name for each in parameters if each.kind is kind.KEYWORD_ONLY}
    needed = [each for each in parameters if each.default is kind.empty]
    sources = [
        f"*{each.name}" if each.kind is kind.VAR_POSITIONAL else each.name
        for each in needed
        if each.name not in by_name
    ]
    options = [each.name for each in needed if each.name in by_name]
    shown = [*sources, *_ALSO_NEEDED.get(name, ())]
    shown += [f"{each}={_EXAMPLES.get(each, '...')}" for each in options]
    usage = f"{name}({', '.join(shown)})"
    unknown = sorted(given - by_name)
    if unknown:
        return TypeError(f"{name}() has no option {unknown[0]}=: {usage}")
    if count > len(parameters) - len(by_name):
        return TypeError(f"{name}() takes its options by name: {usage}")
    if count < len(sources):
        return TypeError(f"{name}() needs {sources[count]}: {usage}")
    if "limit" in options and "limit" not in given:
        return TypeError(f"{name}() needs limit=, how many may run at once: {usage}")
    missing = [each for each in options if each not in given]
    return TypeError(
        f"{name}() needs {' and '.join(f'{each}=' for each in missing)}: {usage}"
    )


def _is_of_the_call(trace: TracebackType | None) -> bool:
    """Return whether the call of a function raised an error, not the code in it."""
    inner = trace and trace.tb_next
    if inner is not None and inner.tb_frame.f_code.co_name == "call_user":  # on Trio
        inner = inner.tb_next
    return trace is not None and inner is None


def add_place(
    error: BaseException, operator: str, func: Callable[..., Any], index: int
) -> None:
    """Note on *error* which call of which operator raised it.

    Once for each operator, and without the item, which may be a secret.
    """
    start = f"{operator}() called {name_of(func)}() "
    trace = error.__traceback__
    try:
        notes = getattr(error, "__notes__", ())
        if any(note.startswith(f"{operator}() called ") for note in notes):
            return
        error.add_note(f"{start}with item {index} of its source, counted from 0")
        if isinstance(error, TypeError) and _is_of_the_call(trace):
            error.add_note(
                f"It is called with one argument. To pass several: "
                f"{operator}(lambda args: {name_of(func)}(*args), "
                f"azip(first, second), ...)"
            )
    except Exception:  # noqa: BLE001, S110 - an error may refuse notes; it matters more
        pass
    finally:
        del error, trace  # no reference cycle through the traceback
