"""What every public block is: entered once, left once, and nothing else."""

import warnings
from types import TracebackType
from typing import Any, ClassVar, Generic, TypeVar

from aiterkit._runtime.scope import Block

B = TypeVar("B", bound=Block[Any])


class Operator(Generic[B]):
    """The `async with` block of an operator.

    Its `__init__` checks the arguments and makes the *block*; its `__aenter__`
    returns what the block is read by.
    """

    _gives: ClassVar[str] = "results"
    _block: B | None = None

    def __del__(self) -> None:
        block = self._block
        if block is not None and not block.opened:
            name = block.name
            warnings.warn(
                f"{name}(...) was never entered: "
                f"use 'async with {name}(...) as {self._gives}'",
                RuntimeWarning,
                stacklevel=2,
                source=self,
            )

    async def _open(self) -> B:
        block = self._block
        assert block is not None  # noqa: S101 - __init__ made it
        return await block.__aenter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None:
        block = self._block
        assert block is not None  # noqa: S101 - __init__ made it
        await block.__aexit__(kind, error, traceback)
