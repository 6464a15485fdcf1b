"""What every signature is made of."""

from collections.abc import AsyncIterable, Iterable
from typing import TypeAlias, TypeVar

T = TypeVar("T")

AnyIterable: TypeAlias = AsyncIterable[T] | Iterable[T]
"""A source: any iterable, sync or async."""
