"""A coroutine in a context of its own, within the task that awaits it."""

import types
from collections.abc import Awaitable, Generator
from contextvars import Context
from typing import Any, TypeVar, cast

T = TypeVar("T")


@types.coroutine
def in_context(context: Context, coroutine: Awaitable[T], /) -> Generator[Any, Any, T]:
    """Run each step of *coroutine* in *context*; return what it returns.

    It may be one that `types.coroutine` made of a generator.

    A task of its own would do the same, at many times the cost. The workers of a map
    have these steps in their own loop, where one more generator for each call counts.
    """
    steps = cast("Generator[Any, Any, T]", coroutine)
    run, send = context.run, steps.send
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
                trap = run(steps.throw, thrown)
            finally:
                del thrown
    except StopIteration as stop:
        value: T = stop.value
        return value
