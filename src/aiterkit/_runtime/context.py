"""A coroutine in a context of its own, within the task that awaits it."""

import types
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from functools import partial
from itertools import chain
from typing import Any, ParamSpec, Self, TypeVar, cast

from aiterkit._runtime.task import BlockTask

P = ParamSpec("P")
T = TypeVar("T")


def stepwise(
    function: Callable[P, Generator[Any, Any, T]],
) -> Callable[P, Coroutine[Any, Any, T]]:
    """Do what `types.coroutine` does, typed as a coroutine that can be sent to."""
    return cast("Callable[P, Coroutine[Any, Any, T]]", types.coroutine(function))


@stepwise
def in_context(
    context: Context, coroutine: Coroutine[Any, Any, T], task: BlockTask, /
) -> Generator[Any, Any, T]:
    """Run each step of *coroutine* in *context*, in *task*; return what it returns.

    A separate task would do the same at many times the cost. The workers of a map have
    these steps in their own loop, where one more generator per call would cost time.
    """
    run: Any = context.run
    send, sent = coroutine.send, None
    throw: Any
    thrown: Any = None
    try:
        trap = run(send, None)
        while True:
            try:
                sent = yield trap
            except BaseException as error:  # noqa: BLE001 - it goes to the coroutine
                thrown = error
            else:
                if sent is None or not task.cancel_called:
                    trap = run(send, sent)
                else:
                    trap = task.resume(partial(run, send), sent, coroutine)
                continue
            try:
                throw = partial(run, coroutine.throw)
                if task.cancel_called:
                    trap = task.resume(throw, thrown, coroutine)
                else:
                    trap = throw(thrown)
            finally:
                thrown = None
    except StopIteration as stop:
        value: T = stop.value
        return value
    finally:
        throw = None
        del sent  # Trio's box for a cancellation leads back to this frame


class Steps(chain[Any]):
    """The *steps* of a coroutine, with each cancellation shown to *task* first.

    Await it. On asyncio this costs next to nothing: every step is resumed with None,
    which `itertools.chain` passes on in C. The return value is lost.
    """

    _steps: Generator[Any, Any, Any]
    _task: BlockTask

    def __new__(cls, steps: Generator[Any, Any, Any], task: BlockTask) -> Self:
        self = super().__new__(cls, steps)
        self._steps = steps
        self._task = task
        return self

    def __await__(self) -> Any:
        return self

    def send(self, sent: Any) -> Any:
        """Take the next step, on Trio."""
        try:
            if self._task.cancel_called:
                return self._task.resume(self._steps.send, sent, self._steps)
            return self._steps.send(sent)
        finally:
            del sent  # Trio's box for a cancellation refers back to this frame

    def throw(self, error: BaseException) -> Any:
        """Raise *error* in the next step, on asyncio."""
        try:
            if self._task.cancel_called:
                return self._task.resume(self._steps.throw, error, self._steps)
            return self._steps.throw(error)
        finally:
            del error  # it holds this frame

    def close(self) -> None:
        """Close the steps, which are not taken to their end."""
        self._steps.close()
