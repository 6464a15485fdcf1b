"""What every signature is made of."""

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

__all__ = ["AnyIterable", "TypeIs"]

T = TypeVar("T")

AnyIterable: TypeAlias = AsyncIterable[T] | Iterable[T]
"""A source: any iterable, sync or async."""
