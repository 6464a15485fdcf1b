"""How an async source is read: by one task, from its first item to its last.

The same task closes it. So a generator that holds a task group, a timeout or a
cancel scope across its `yield` is a safe source: what it holds touches nobody
but this task.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Generator, Iterator
from contextvars import Context
from math import inf
from types import AsyncGeneratorType
from typing import Any, Generic, TypeVar, cast

from anyio import (
    CancelScope,
    TaskHandle,
    current_effective_deadline,
    get_cancelled_exc_class,
)
from anyio.lowlevel import checkpoint

from aiterkit._core.call import COROUTINE, awaiting
from aiterkit._core.source import is_async, open_source
from aiterkit._core.types import AnyIterable
from aiterkit._runtime.backend import Turns, Waiter, cancel_again
from aiterkit._runtime.context import stepwise
from aiterkit._runtime.scope import (
    Block,
    answers_cancellation,
    is_cancelled,
    tellable,
    without_stop,
)

T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)


_NATIVE: Any = AsyncGeneratorType  # as `COROUTINE`


class Sink(ABC, Generic[T_contra]):
    """Where the items of one source go. It decides, and never waits."""

    __slots__ = ()

    @abstractmethod
    def has_room(self) -> bool:
        """Tell whether the source may be asked for one more item."""

    @abstractmethod
    def give(self, item: T_contra) -> bool:
        """Take an *item*; tell whether there is room for one more."""

    @abstractmethod
    def end(self) -> None:
        """Hear that the source has no more items."""

    @abstractmethod
    def fail(self, error: BaseException) -> None:
        """Hear that the source raised *error*, in the place of its next item."""

    def is_settled(self) -> bool:
        """Tell whether the source, of which no more is read, may be closed."""
        return True

    def over(self) -> None:
        """Hear that the source is closed."""


PATIENCE = 256
"""How many items may be read in a row without a turn for other tasks."""


class TakingTurns(AsyncIterator[T]):
    """A sync source as an async one that lets other tasks run before each item.

    Whoever reads it owns it, so it is closed if it is a generator. Other sync
    iterators have no close of their own: a file, say, is its own iterator, and
    its ``close()`` would end more than the iteration.
    """

    __slots__ = ("_iterator",)

    def __init__(self, iterator: Iterator[T]) -> None:
        self._iterator = iterator

    async def __anext__(self) -> T:
        await checkpoint()
        try:
            return next(self._iterator)
        except StopIteration:
            raise StopAsyncIteration from None
        except StopAsyncIteration as error:  # it would read as the end
            raise without_stop(error) from error

    async def aclose(self) -> None:
        iterator: Any = self._iterator
        if isinstance(iterator, Generator):
            iterator.close()


def taking_turns(iterator: AsyncIterator[T] | Iterator[T]) -> AsyncIterator[T]:
    """Return *iterator*, made async if it is not, for a `SourceReader` to read."""
    if is_async(iterator):
        return cast("AsyncIterator[T]", iterator)
    return TakingTurns(cast("Iterator[T]", iterator))


def open_to_read(source: AnyIterable[T]) -> AsyncIterator[T]:
    """Return *source*, opened, and made async if it is not.

    Raises:
        TypeError: If *source* is not iterable.
    """
    if type(source) is _NATIVE:
        return source  # type: ignore[return-value]  # it is one
    return taking_turns(open_source(source))


class Reader(ABC):
    """What it takes to read a source in one task, from its first item to its close."""

    __slots__ = (
        "_block",
        "_peace",
        "_task",
        "_turns",
        "_unheard",
        "_waiter",
        "stopped",
    )

    _task: TaskHandle[None]

    def __init__(self, block: Block[Any]) -> None:
        self.stopped: bool = False
        self._block = block
        # It is opened before the first read and outlives the last: a source may
        # hold scopes of its own across its `yield`, and those must stay within
        # ours. The scope of the task ends a read; this one then turns into a
        # shield, since a cancelled reader still owes its source a close.
        self._peace = CancelScope()
        self._turns = Turns()
        self._waiter: Waiter | None = None
        self._unheard = False

    def start(self, name: str, context: Context | None = None) -> None:
        """Begin to read, in a task of that *name*, and in a copy of *context*."""
        tasks = self._block.tasks
        self._task = tasks.create_task(self.run(), name=name, context=context)

    @abstractmethod
    async def run(self) -> None:
        """Read, and close what was read."""

    def stop(self) -> None:
        """Read no more; interrupt a read that is under way."""
        self.stopped = True
        self._task.cancel()
        self.wake()

    def stop_gently(self) -> None:
        """Read no more, for the block is being cancelled as a whole."""
        self.stopped = True
        self.wake()

    @property
    def waits(self) -> bool:
        """Whether it waits for room, or to close."""
        return self._waiter is not None

    def wake(self) -> None:
        """Let it look again, if it waits."""
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            self._block.waits_for_room -= 1
            self._block.end_wait(waiter)

    @stepwise
    def _read_and_close(  # noqa: C901, PLR0912, PLR0915 - each function call is paid per item
        self, iterator: Any, sink: Sink[Any], in_a_row: int = 0
    ) -> Generator[Any, Any, int]:
        """Read to the end, or until it is stopped; then close. The scope is open.

        It takes and returns how many items were read *in_a_row*.
        """
        # A generator and not an `async def`: to yield is the cheapest turn there is.
        trap, turns, patience = self._block.turn_trap, self._turns, PATIENCE
        is_generator = isinstance(iterator, AsyncGeneratorType)
        steps: Generator[Any, Any, Any]
        item: Any = None
        try:
            give, read = sink.give, iterator.__anext__
            has_room = sink.has_room()
            while not self.stopped:
                if not has_room or in_a_row >= patience:
                    in_a_row = 0
                    try:  # as in `_wait`
                        if has_room:
                            yield trap
                        elif turns.left_out:
                            turns.left_out -= 1
                            yield from self._begin_wait().__await__()
                            has_room = sink.has_room()
                        else:
                            yield trap
                            has_room = sink.has_room()
                            if has_room:
                                turns.in_vain = 0
                            else:
                                turns.was_in_vain()
                    except get_cancelled_exc_class():
                        turns.was_in_vain()  # so would be the next, and all others
                        yield from self._outlast().__await__()
                        has_room = sink.has_room()
                    continue
                if self._unheard:
                    self._unheard = False
                    cancel_again()
                try:
                    steps = reading = read()
                    if not is_generator and type(reading) is not COROUTINE:
                        steps = awaiting(reading).__await__()
                    item = yield from steps
                except StopAsyncIteration:
                    sink.end()
                    if is_generator:
                        return in_a_row  # it is closed already
                    break
                except BaseException as error:  # noqa: BLE001 - it is told elsewhere
                    self._read_raised(sink, error)
                    break
                if self.stopped:  # it would not be interrupted
                    break
                has_room = give(item)
                in_a_row += 1
        except BaseException as error:  # noqa: BLE001 - it is told elsewhere
            self._raised(error)
        item = None  # it is the reader's now
        self._peace.shield = True
        while not sink.is_settled():
            yield from self._wait().__await__()
        yield from self._close(iterator).__await__()
        return in_a_row

    def _raised(self, error: BaseException) -> None:
        """Hear what ended this task's work, and is no error of the source."""
        if not is_cancelled(error):
            self._block.die(error)
        elif self._task.status is not TaskHandle.Status.CANCELLING:
            self._block.abandon()

    def _read_raised(self, sink: Sink[Any], error: BaseException) -> None:
        if is_cancelled(error) or not tellable(error):
            self._raised(error)
        elif not self.stopped:
            sink.fail(without_stop(error))
        elif answers_cancellation(error):
            self._block.unclosed.append(error)
        else:
            self._block.store.late.append(error)

    async def _wait(self) -> None:
        """Wait until the sink may be settled.

        A source that holds a timeout or a task group across its `yield` has put
        this task inside its own scope, and that may be cancelled just now. It is
        the source that must hear of it, in its next step, and not this wait.
        """
        try:
            await self._begin_wait()
        except get_cancelled_exc_class():
            await self._outlast()

    def _begin_wait(self) -> Waiter:
        block = self._block
        if self._waiter is None:  # else it goes on with a wait that was cancelled
            block.waits_for_room += 1
        self._waiter = waiter = block.make_waiter()
        return waiter

    async def _outlast(self) -> None:
        """Go on with a wait that was cancelled."""
        self._unheard = current_effective_deadline() != -inf
        while self.waits:
            await self._wait_unheard()

    async def _wait_unheard(self) -> None:
        """Wait once more, and let no cancellation end that."""
        try:
            with CancelScope(shield=True):
                await self._begin_wait()
        except get_cancelled_exc_class():
            self._unheard = True

    async def _close(self, iterator: AsyncIterator[Any]) -> None:
        aclose = getattr(iterator, "aclose", None)
        if aclose is None:
            return
        try:
            await aclose()
        except BaseExceptionGroup as group:
            # What a generator that holds a task group makes of GeneratorExit:
            # https://github.com/python/cpython/issues/135736
            rest = group.split(GeneratorExit)[1]
            if rest is not None:
                self._block.unclosed.append(rest)
        except BaseException as error:  # noqa: BLE001 - the exit of the block raises it
            if tellable(error):
                self._block.unclosed.append(error)
            else:
                self._block.die(error)


class SourceReader(Reader, Generic[T]):
    """The task that reads one source into a sink, and closes it."""

    __slots__ = ("_iterator", "_sink")

    def __init__(
        self, block: Block[Any], iterator: AsyncIterator[T], sink: Sink[T]
    ) -> None:
        super().__init__(block)
        self._iterator = iterator
        self._sink = sink

    async def run(self) -> None:
        """Read the source to its end, or until it is stopped; then close it."""
        with self._peace:
            await self._read_and_close(self._iterator, self._sink)
        self._sink.over()
