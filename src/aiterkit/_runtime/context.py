"""A coroutine in a context of its own, within the task that awaits it."""

import types
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from typing import Any, ParamSpec, TypeVar, cast

P = ParamSpec("P")
T = TypeVar("T")


def stepwise(
    function: Callable[P, Generator[Any, Any, T]],
) -> Callable[P, Coroutine[Any, Any, T]]:
    """Do as `types.coroutine`, but tell checkers that the result can be sent to."""
    return cast("Callable[P, Coroutine[Any, Any, T]]", types.coroutine(function))


@stepwise
def in_context(
    context: Context, coroutine: Coroutine[Any, Any, T], /
) -> Generator[Any, Any, T]:
    """Run each step of *coroutine* in *context*; return what it returns.

    A task of its own would do the same, at many times the cost. The workers of a map
    have these steps in their own loop, where one more generator for each call counts.
    """
    run, send = context.run, coroutine.send
    sent: Any = None
    try:
        trap = run(send, None)
        while True:
            try:
                sent = yield trap
            except BaseException as error:  # noqa: BLE001 - it goes to the coroutine
                thrown = error
            else:
                trap = run(send, sent)
                continue
            try:
                trap = run(coroutine.throw, thrown)
            finally:
                del thrown
    except StopIteration as stop:
        value: T = stop.value
        return value
