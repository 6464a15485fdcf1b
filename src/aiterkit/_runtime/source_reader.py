"""How an async source is read: by one task, from its first item to its last.

The same task closes it. So a generator that holds a task group, a timeout or a cancel
scope across its `yield` is a safe source: what it holds can cancel this task alone.
"""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Generator
from types import AsyncGeneratorType
from typing import Any, Generic, TypeVar, cast

from anyio import CancelScope, get_cancelled_exc_class

from aiterkit._core.call import COROUTINE, awaiting, drop
from aiterkit._core.source import RESULT_RULE, close, open_source
from aiterkit._core.types import AnyIterable
from aiterkit._runtime.backend import (
    SpinPolicy,
    Waiter,
    is_native_cancel,
    repeat_cancel,
)
from aiterkit._runtime.context import Steps, stepwise
from aiterkit._runtime.errors import (
    is_deliverable,
    is_from_cancellation,
    without_cancelled,
    without_stop,
)
from aiterkit._runtime.scope import TaskScope
from aiterkit._runtime.sink import Sink
from aiterkit._runtime.sync_source import CheckpointingIterator, with_checkpoints
from aiterkit._runtime.task import BlockTask

T = TypeVar("T")


_NATIVE: Any = AsyncGeneratorType  # compared by identity, as `COROUTINE`


_CLOSES_ONCE: Any = (AsyncGeneratorType, CheckpointingIterator)
"""Iterators that can be closed twice. On Trio, Ctrl-C may interrupt their first close.

With any other iterator, there is no telling whether its close had begun.
"""

MAX_ITEMS_PER_TURN = 256
"""How many items may be read in a row without a turn for other tasks."""


def open_result(source: AnyIterable[T]) -> AsyncIterator[T]:
    """Return *source*, which *func* returned, opened, and made async if it is not.

    Raises:
        TypeError: If *source* is not iterable.
    """
    if type(source) is _NATIVE:
        return source  # type: ignore[return-value]  # an async generator
    return with_checkpoints(open_source(source, RESULT_RULE))


class SourceTask(BlockTask, ABC):
    """A task that reads a source from its first item to its close."""

    __slots__ = (
        "_is_closing",
        "_is_opening",
        "_is_parked",
        "_pending_cancel",
        "_scope",
        "_spin",
        "_steps",
        "_waiter",
    )

    def __init__(self, scope: TaskScope) -> None:
        super().__init__(scope)
        self._scope = scope
        self._spin = SpinPolicy()
        # The wait of this task, from its start until another task ends it. It stays
        # when the wait is cancelled: then this task waits again.
        self._waiter: Waiter | None = None
        # A native cancellation that came while this task waited for room, until the
        # source gets it in its next step.
        self._pending_cancel: BaseException | None = None
        # The generator of `_read_and_close`, while a source is read or closed.
        self._steps: Any = None
        # True while the user's function is awaited for an inner source.
        self._is_opening = False
        # True from the last read until the source is closed.
        self._is_closing = False
        # True from the start of a wait of its own until this task runs again.
        self._is_parked = False

    def start_reading(self, name: str) -> None:
        """Begin to read, in a task of that *name*, in a copy of the block's context."""
        self.start(self.run(), name=name, context=self._scope.context)

    @abstractmethod
    async def run(self) -> None:
        """Read, and close what was read."""

    def stop(self) -> None:
        """Read no more; interrupt a read that is under way."""
        self.stopped = True
        if self._is_in_source():
            self.cancel()
        self.wake()

    def _is_in_source(self) -> bool:
        """Return whether this task waits inside the source, not for room or the close.

        Elsewhere it needs no cancellation. And a generator that holds a task group or a
        block must not be cancelled while it is suspended at its ``yield``.
        """
        if self._is_parked or self._is_closing:
            return False
        steps = self._steps
        return self._is_opening or (
            steps is not None and steps.gi_yieldfrom is not None
        )

    def request_stop(self) -> None:
        """Read no more, once what is being read is there."""
        self.stopped = True
        self.wake()

    def wake(self) -> None:
        """Let it look again, if it waits."""
        waiter = self._waiter
        if waiter is not None:
            # The wait is ended first, here and elsewhere: Ctrl-C may come in between.
            self._scope.end_wait(waiter)
            self._waiter = None
            self._scope.waiting_producers -= 1

    @stepwise
    def _read_and_close(  # noqa: C901, PLR0912, PLR0915 - each function call is paid per item
        self, iterator: Any, sink: Sink[Any], in_a_row: int = 0
    ) -> Generator[Any, Any, int]:
        """Read to the end, or until it is stopped; then close. The scope is open.

        It takes and returns how many items were read *in_a_row*.
        """
        # A generator and not an `async def`: to yield is the cheapest turn there is.
        trap, spin, most = self._scope.turn_trap, self._spin, MAX_ITEMS_PER_TURN
        is_generator = type(iterator) is _NATIVE
        await_user = self._scope.backend.await_user
        # Whether a read needs nothing around it: of a generator, on asyncio.
        reads_bare = is_generator and await_user is None
        read: Callable[[], Any]
        steps: Generator[Any, Any, Any]
        item: Any = None
        try:
            give, read = sink.put, iterator.__anext__
            has_room = sink.has_room()
            while not self.stopped:
                if not has_room or in_a_row >= most:
                    in_a_row = 0
                    try:  # as in `_wait`
                        if has_room:
                            yield trap
                        elif spin.is_eager or spin.should_yield():
                            yield trap
                            has_room = sink.has_room()
                            if not has_room:
                                spin.wasted()
                            elif not spin.is_eager:
                                spin.paid_off()
                        else:
                            yield from self._begin_wait().__await__()
                            self._is_parked = False
                            has_room = sink.has_room()
                    except get_cancelled_exc_class() as error:
                        spin.wasted()  # a cancelled scope cancels the next yield too
                        self._keep_cancel(error)
                        yield from self._wait_through_cancel().__await__()
                        has_room = sink.has_room()
                    # Another task may have stopped this one, which mypy does not see.
                    if self.stopped or not has_room:  # type: ignore[redundant-expr]
                        continue
                    if self._pending_cancel is not None:
                        self._repeat_pending_cancel()
                try:
                    if reads_bare:
                        steps = read()
                    elif await_user is not None:
                        steps = await_user(read)
                    else:
                        steps = reading = read()
                        if type(reading) is not COROUTINE:
                            steps = awaiting(reading).__await__()
                    item = yield from steps
                except StopAsyncIteration:
                    sink.end()
                    if is_generator:
                        return in_a_row  # it is closed already
                    break
                except BaseException as error:  # noqa: BLE001 - it is kept for the reader
                    self._read_raised(sink, error)
                    break
                if self.stopped:  # the stop came when the read was over
                    if sink.takes_last_read():
                        give(item)
                    break
                has_room = give(item)
                in_a_row += 1
        except BaseException as error:  # noqa: BLE001 - it is kept for the reader
            self._raised(error)
        item = None  # it is the reader's now
        self._is_closing = True
        self.begin_cleanup()
        if self.stopped:
            sink.on_stopped()
        while not sink.may_close():
            yield from self._wait().__await__()
        yield from self._close(iterator).__await__()
        return in_a_row

    def _raised(self, error: BaseException) -> None:
        """Handle an error that ended this task but did not come from the source."""
        if without_cancelled(error) is not None and not self.is_cancellation(error):
            self._scope.abort(error)
        elif not self.cancel_called:
            self._scope.abandon()

    def _read_raised(self, sink: Sink[Any], error: BaseException) -> None:
        if self.is_cancellation(error):
            self._raised(error)
            return
        if self.stopped:
            rest = without_cancelled(error)
            if rest is None:  # pragma: no cover - Trio nests its cancellations rarely
                self._raised(error)
                return
            error = rest
        if not is_deliverable(error):
            self._raised(error)
        elif self.stopped and is_from_cancellation(error):
            self._scope.close_errors.append(error)
        elif self.stopped and not sink.takes_last_read():
            self._scope.add_unseen(error)
        else:
            sink.fail(without_stop(error))

    async def _wait(self) -> None:
        """Wait until the sink may be settled.

        A source that holds a timeout or a task group across its `yield` has put this
        task inside its own scope, which may be cancelled during this wait. The source
        must see that cancellation, in its next step; this wait must not.
        """
        try:
            await self._begin_wait()
        except get_cancelled_exc_class() as error:
            self._keep_cancel(error)
            await self._wait_through_cancel()

    def _begin_wait(self) -> Waiter:
        scope = self._scope
        if self._waiter is None:  # else this repeats a wait that was cancelled
            scope.waiting_producers += 1
        self._waiter = waiter = scope.make_waiter()
        self._is_parked = True  # until this task runs, which is after it is woken
        return waiter

    def _keep_cancel(self, error: BaseException) -> None:
        """Keep a native cancellation of our wait for the next step of the source.

        A scope cancels at every wait, so it cancels that step by itself.
        """
        if is_native_cancel(error):
            self._pending_cancel = error

    def _repeat_pending_cancel(self) -> None:
        error, self._pending_cancel = self._pending_cancel, None
        assert error is not None  # noqa: S101 - the caller has checked
        repeat_cancel(error)

    async def _wait_through_cancel(self) -> None:
        """Repeat a wait that was cancelled, so that no cancellation ends it early."""
        while self._waiter is not None:
            try:
                with CancelScope(shield=True):
                    await self._begin_wait()
            except get_cancelled_exc_class() as error:
                self._keep_cancel(error)
        self._is_parked = False

    async def _close(self, iterator: Any) -> None:
        steps_of_user = self._scope.backend.steps_of_user
        try:
            if steps_of_user is None or not isinstance(iterator, _CLOSES_ONCE):
                await close(iterator)
                return
            closing = iterator.aclose()
            try:
                await steps_of_user(closing)
            except KeyboardInterrupt as error:
                self._close_raised(error)
                drop(closing)
                await close(iterator)  # it may have come before this began
        except BaseException as error:  # noqa: BLE001 - the exit of the block raises it
            self._close_raised(error)

    def _close_raised(self, error: BaseException) -> None:
        rest = without_cancelled(error)
        if isinstance(rest, BaseExceptionGroup):
            # A generator that holds a task group turns GeneratorExit into a group:
            # https://github.com/python/cpython/issues/135736
            group = cast("BaseExceptionGroup[BaseException]", rest)
            rest = group.split(GeneratorExit)[1]
            if rest is not None:
                self._scope.close_errors.append(rest)
        elif rest is None or self.is_cancellation(rest):
            pass  # the exit was interrupted, and that cut the close short
        elif is_deliverable(rest):
            self._scope.close_errors.append(rest)
        else:
            self._scope.abort(rest)


class SourceReader(SourceTask, Generic[T]):
    """The task that reads one source into a sink, and closes it."""

    __slots__ = ("_iterator", "_sink")

    def __init__(
        self, scope: TaskScope, iterator: AsyncIterator[T], sink: Sink[T]
    ) -> None:
        super().__init__(scope)
        self._iterator = iterator
        self._sink = sink

    def start_reading(self, name: str) -> None:
        """Begin to read. If it is a generator, the task's *name* tells which."""
        iterator: Any = self._iterator
        if type(iterator) is _NATIVE:
            name = f"{name} {iterator.__name__}"
        super().start_reading(name)

    async def run(self) -> None:
        """Read the source to its end, or until it is stopped; then close it."""
        with self:
            self._steps = self._read_and_close(self._iterator, self._sink)
            await Steps(self._steps, self)
            self._steps = None
            self._sink.on_closed()
