"""Whether the current code runs within a call that holds a token of a limiter.

Such code must not wait for another token of the same limiter: all of them may be held
by calls that wait for one more.
"""

from contextvars import ContextVar

_held: ContextVar[tuple["HeldToken", ...]] = ContextVar(
    "tokens that the calls around the current code hold", default=()
)


class HeldToken:
    """A token of *limiter*. A task that outlives the call sees that it was returned."""

    __slots__ = ("is_held", "limiter")

    def __init__(self, limiter: object) -> None:
        self.limiter: object = limiter
        self.is_held: bool = True


def hold(token: HeldToken) -> None:
    """Let everything that is called in the current context know of *token*."""
    _held.set((*_held.get(), token))


def is_held_around(limiter: object) -> bool:
    """Return whether a call around the current code holds a token of *limiter*."""
    return any(token.limiter is limiter and token.is_held for token in _held.get())


def check_not_held(limiter: object, *, name: str) -> None:
    """Refuse to let function *name* wait for a token of *limiter* within such a call.

    Raises:
        RuntimeError: If a call around the current code holds one.
    """
    if limiter is not None and is_held_around(limiter):
        raise RuntimeError(
            f"{name}() is used by a call that holds a token of its limiter, and so "
            f"could wait for ever; give {name}() a limiter of its own"
        )
