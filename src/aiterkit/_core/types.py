"""The types of every signature, and how a special method is looked up."""

import sys
from collections.abc import AsyncIterable, Iterable
from typing import TypeAlias, TypeVar

if sys.version_info >= (3, 13):  # pragma: no cover - each Python takes one of them
    from typing import TypeIs
else:  # pragma: no cover - each Python takes one of them
    try:
        from typing_extensions import TypeIs
    except ImportError:  # anyio depends on it, but not on a new enough version
        # It is only an annotation, and no type checker reads this branch.
        from typing import TypeGuard as TypeIs

__all__ = ["AnyIterable", "TypeIs", "special"]

T = TypeVar("T")

AnyIterable: TypeAlias = AsyncIterable[T] | Iterable[T]
"""A source: any iterable, sync or async."""


def special(instance: object, name: str, /) -> bool:
    """Return whether the type of *instance* has the special method *name*.

    It looks where the interpreter looks: on the type and its bases, but not on the
    instance, nor on the metaclass, where ``hasattr(type(...), name)`` looks too. A
    method that is ``None`` does not exist.
    """
    for base in type(instance).__mro__:
        if name in base.__dict__:
            return base.__dict__[name] is not None
    return False
