"""What every signature is made of, and how a type is asked for a method."""

import sys
from collections.abc import AsyncIterable, Iterable
from typing import TypeAlias, TypeVar

if sys.version_info >= (3, 13):  # pragma: no cover - each Python takes one of both
    from typing import TypeIs
else:  # pragma: no cover - each Python takes one of both
    try:
        from typing_extensions import TypeIs
    except ImportError:  # anyio brings it, but may bring an old one
        # Only an annotation, which no checker takes from here.
        from typing import TypeGuard as TypeIs

__all__ = ["AnyIterable", "TypeIs", "special"]

T = TypeVar("T")

AnyIterable: TypeAlias = AsyncIterable[T] | Iterable[T]
"""A source: any iterable, sync or async."""


def special(instance: object, name: str, /) -> bool:
    """Tell whether the type of *instance* has the special method *name*.

    Exactly as the interpreter looks: on the type and its bases, so neither on
    the instance nor on the metaclass (where ``hasattr(type(...), name)`` looks
    too), and ``None`` says that there is none.
    """
    for base in type(instance).__mro__:
        if name in base.__dict__:
            return base.__dict__[name] is not None
    return False
