"""How items are compared, from the smallest to the largest or the other way round."""

from typing import Any, Protocol


class Comparable(Protocol):
    """What `min`, `max` and `sorted` can compare."""

    def __lt__(self, other: Any, /) -> bool: ...


class Reversed:
    """A *mark* in reverse order: smaller than another if its mark is larger.

    It puts the largest first in a heap. `heapq` has functions for that, but they are
    public only since Python 3.14.
    """

    __slots__ = ("mark",)

    def __init__(self, mark: Any, /) -> None:
        self.mark = mark

    def __eq__(self, other: object, /) -> bool:
        return bool(self.mark == other.mark) if isinstance(other, Reversed) else False

    __hash__ = None  # type: ignore[assignment]  # marks need not be hashable

    def __lt__(self, other: "Reversed", /) -> bool:
        return bool(other.mark < self.mark)
