"""How a block notices that its limiter was resized.

A limiter wakes only the tasks that wait for a token. A block whose results wait for a
busy reader waits for no token, although with more tokens it could read on. So while
the block is open, its limiter has a subclass that calls the block at each change.
"""

from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any
from weakref import WeakKeyDictionary

from anyio import CapacityLimiter

from aiterkit._core.tokens import is_held_around
from aiterkit._runtime.backend import holds_token

OnResized = Callable[[], None]

_watchers: WeakKeyDictionary[CapacityLimiter, list[OnResized]] = WeakKeyDictionary()


def watch(limiter: CapacityLimiter, on_resized: OnResized) -> None:
    """Call *on_resized* whenever the number of tokens of *limiter* is set."""
    if limiter in _watchers:
        _watchers[limiter].append(on_resized)
        return
    # A limiter that cannot be watched is checked whenever the reader asks.
    with suppress(TypeError):
        kind: Any = type(limiter)
        limiter.__class__ = _watched(kind)
        _watchers[limiter] = [on_resized]


def unwatch(limiter: CapacityLimiter, on_resized: OnResized) -> None:
    """Stop calling *on_resized*."""
    watchers = _watchers.get(limiter, [])
    if on_resized in watchers:
        watchers.remove(on_resized)
        if not watchers:
            del _watchers[limiter]
            watched: Any = type(limiter)
            limiter.__class__ = watched.__base__


@cache
def _watched(kind: type[Any]) -> type[Any]:
    """Return a subclass of *kind* that calls its watchers when it is resized."""
    tokens: Any = kind.total_tokens

    def resize(limiter: CapacityLimiter, total: float) -> None:
        tokens.fset(limiter, total)
        for on_resized in tuple(_watchers[limiter]):
            on_resized()

    names = {
        "__slots__": (),
        "__module__": kind.__module__,
        "__qualname__": kind.__qualname__,
        "total_tokens": property(tokens.fget, resize),
    }
    return type(kind.__name__, (kind,), names)


def refuse_holder(limiter: CapacityLimiter, *, name: str) -> None:
    """Refuse a task that holds a token of *limiter* to enter the block of *name*.

    A call that waited for calls of its own, while it holds what they need, could wait
    for ever.

    Raises:
        RuntimeError: If the current task, or a call around it, holds one.
    """
    if is_held_around(limiter) or holds_token(limiter):
        raise RuntimeError(
            f"{name}() is entered by a task that holds a token of its limiter, and so "
            f"could wait for ever; give the inner block a limit of its own"
        )
