"""How items are compared: by what they are or by their key, up or down."""

from typing import Any, Protocol


class Comparable(Protocol):
    """What `min`, `max` and `sorted` can compare."""

    def __lt__(self, other: Any, /) -> bool: ...


class Reversed:
    """An item in an order where the largest comes first.

    `heapq` has functions for such an order, but they are public only since
    Python 3.14.
    """

    __slots__ = ("mark",)

    def __init__(self, mark: Any, /) -> None:
        self.mark = mark

    def __eq__(self, other: object, /) -> bool:
        return bool(self.mark == other.mark) if isinstance(other, Reversed) else False

    __hash__ = None  # type: ignore[assignment]  # what is compared need not be hashable

    def __lt__(self, other: "Reversed", /) -> bool:
        return bool(other.mark < self.mark)
