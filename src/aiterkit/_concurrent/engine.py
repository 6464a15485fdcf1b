"""How the calls of one block run: a reader for the source, workers for the calls.

An async source is read by a `SourceReader`, which fills an inbox, within the
window. Workers take from the inbox, or straight from a sync source, and make the
calls: each call in a context of its own, the calls of one worker one after the
other. A worker is brought when there is an item for it and the call before has
suspended, never earlier: calls that do not suspend all run in one worker.

What is decided is decided in the `Ledger`; here it is only waited for.
"""

import types
from collections import deque
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Generator,
    Iterator,
)
from inspect import isawaitable
from types import CoroutineType
from typing import Any, Generic, TypeVar, cast

from anyio import CancelScope
from anyio.lowlevel import checkpoint

from aiterkit._concurrent.block import Block, is_cancelled, tellable, without_stop
from aiterkit._concurrent.ledger import Ledger, Slot
from aiterkit._concurrent.source_reader import SourceReader
from aiterkit._concurrent.waiting import Waiter
from aiterkit._core.source import is_async

T = TypeVar("T")
R = TypeVar("R")

PATIENCE = 64
"""How many calls a worker may finish in a row without a turn for other tasks."""


class Engine(Block[R], Generic[T, R]):
    """The block of a map: a source, a function, and the calls between them."""

    def __init__(
        self,
        func: Callable[[T], Awaitable[R]],
        iterator: AsyncIterator[T] | Iterator[T],
        ledger: Ledger[T, R],
        *,
        limit: int,
        name: str,
    ) -> None:
        super().__init__(ledger, name=name)
        self._ledger = ledger
        self._func = func
        self._iterator = iterator
        self._limit = limit
        self._source: SourceReader[T] | None = None
        self._inbox: deque[Slot[T, R]] = deque()
        self._crew: set[_Worker[T, R]] = set()
        self._hired = 0
        self._idle: list[Waiter] = []
        self._summoned = False
        self._reads_itself = not is_async(iterator)

    # The block.

    def _start(self) -> None:
        if self._reads_itself:
            self._summon()
        else:
            iterator = cast("AsyncIterator[T]", self._iterator)
            self._source = SourceReader(self, iterator, self)
            self.tasks.start_soon(self._source.run, name=f"{self.name} source")

    def abandon(self) -> None:
        ledger = self._ledger
        if ledger.outstanding or not ledger.ended:
            self.incomplete = True
        ledger.ended = True
        ledger.drop(len(self._inbox))
        self._inbox.clear()
        if self._source is not None:
            self._source.stop_gently()
        self._wake_all()

    def use_room(self) -> None:
        if self._source is not None:
            self._source.wake()
        elif not self._summoned:
            self._summon_for_more()

    def _finish(self) -> None:
        self._source = None
        # Other sync iterators have no close of their own: a file, say, is its
        # own iterator, and its close() would end more than the iteration.
        iterator: Any = self._iterator
        if not isinstance(iterator, Generator):
            return
        try:
            iterator.close()
        except Exception as error:  # noqa: BLE001 - the exit of the block raises it
            self.unclosed.append(error)

    # The source.

    def has_room(self) -> bool:
        """Tell whether one more item may lie between the source and the reader."""
        ledger = self._ledger
        return ledger.taken - ledger.delivered < ledger.window

    def give(self, item: T) -> bool:
        """Put an *item* into the inbox; tell whether there is room for one more."""
        ledger = self._ledger
        self._inbox.append(ledger.take(item))
        if not self._summoned:
            self._summon()
        return ledger.taken - ledger.delivered < ledger.window

    def end(self) -> None:
        """Hear that the source has no more items."""
        self._ledger.ended = True
        self._wake_all()

    def fail(self, error: BaseException) -> None:
        """Hear that the source raised *error*, in the place of its next item."""
        self._break_off(self._ledger.fail_source(error))

    def is_settled(self) -> bool:
        """Tell whether every call is over."""
        return not self._ledger.outstanding

    def _pull(self) -> Slot[T, R] | None:
        """Take an item from a sync source, if there are both an item and room."""
        ledger = self._ledger
        if ledger.ended or not self.has_room():
            return None
        iterator: Any = self._iterator
        try:
            item = next(iterator)
        except StopIteration:
            self.end()
        except BaseException as error:  # noqa: BLE001 - it is told to the reader
            if tellable(error):
                self.fail(without_stop(error))
            else:
                self.die(error)
        else:
            return ledger.take(item)
        return None

    # The workers.

    def _summon(self) -> None:
        """Bring one worker, if there may be one more."""
        if self._idle:
            self._summoned = True
            self._idle.pop().set()
        elif self._hired < self._limit:
            self._summoned = True
            self._hired += 1
            self.tasks.start_soon(self._work, name=f"{self.name} call")

    def _summon_for_more(self) -> None:
        """Bring one worker if there is an item for it, or may be."""
        if self._inbox or (
            self._reads_itself and not self._ledger.ended and self.has_room()
        ):
            self._summon()

    async def _work(self) -> None:
        self._summoned = False
        worker = _Worker[T, R]()
        self._crew.add(worker)
        try:
            with worker.scope:
                await self._make_calls(worker)
        except BaseException as error:  # noqa: BLE001 - this task ends here
            # A cancellation is not raised on, since nobody would hear of it but
            # anyio, which then leaves a circle through its traceback.
            if is_cancelled(error):
                self.abandon()
            else:
                self.die(error)
        self._crew.discard(worker)
        self._hired -= 1

    @types.coroutine
    def _make_calls(  # noqa: C901, PLR0912, PLR0915 - each function call is paid per item
        self, worker: "_Worker[T, R]"
    ) -> Generator[Any, Any, None]:
        # A generator and not an `async def`, since it is itself the trampoline of
        # its calls: each step of a call runs in the call's own context, within
        # this task. The task that begins a call must also end it, for cancel
        # scopes know their task.
        func, ledger, inbox = self._func, self._ledger, self._inbox
        copy_context = self.context.copy
        coroutine: type[Any] = CoroutineType
        call: Any
        value: Any
        trap: Any
        sent: Any = None
        in_a_row = 0
        while True:
            slot = self._pull() if self._reads_itself else None
            if inbox:
                slot = inbox.popleft()
            if slot is None:
                if ledger.ended:
                    return
                # An idle worker keeps nothing alive.
                call = value = trap = sent = None
                in_a_row = 0
                waiter = self.make_waiter()
                self._idle.append(waiter)
                yield from waiter.wait().__await__()
                self._summoned = False
                continue
            worker.slot = slot
            run = copy_context().run
            try:
                try:
                    call = run(func, slot.item)
                except StopIteration as error:
                    raise without_stop(error) from error
                if type(call) is not coroutine:
                    call = self._as_coroutine(call)
                send = call.send
                in_a_row += 1
                try:
                    trap = run(send, None)
                    in_a_row = 0
                    if not self._summoned and (self._idle or self._hired < self._limit):
                        self._summon_for_more()
                    while True:
                        try:
                            sent = yield trap
                        except BaseException as error:  # noqa: BLE001 - it goes to the call
                            thrown = error
                        else:
                            trap = run(send, sent)
                            continue
                        try:
                            trap = run(call.throw, thrown)
                        finally:
                            del thrown
                except StopIteration as stop:
                    value = stop.value
            except BaseException as error:  # noqa: BLE001 - it is told to the reader
                failure = error
            else:
                worker.slot = None
                if ledger.finish(slot, value) and self._reader is not None:
                    self.wake_reader()
                if self.waits_for_room and (
                    ledger.finishing_makes_room or not ledger.outstanding
                ):
                    self._wake_source()
                if in_a_row == PATIENCE:
                    in_a_row = 0
                    yield from checkpoint().__await__()
                continue
            # Outside the `except`, or what is cancelled now would have the failure
            # for its context. And `sent` may be Trio's box for a cancellation, which
            # leads back to this frame.
            sent = None
            try:
                if self._call_raised(worker, slot, failure):
                    raise failure
            finally:
                del failure
            return

    def _as_coroutine(self, made: object) -> Coroutine[Any, Any, Any]:
        if isawaitable(made):
            return _awaiting(made)
        raise TypeError(
            f"{self.name}() needs an async function; for a sync one use amap(), "
            f"or offloaded(func) to run it in threads "
            f"(func returned {type(made).__name__!r}, which cannot be awaited)"
        )

    def _call_raised(
        self, worker: "_Worker[T, R]", slot: Slot[T, R], error: BaseException
    ) -> bool:
        """Book what a call raised; tell whether it must be raised on."""
        worker.slot = None
        ledger = self._ledger
        interrupted = (
            worker.scope.cancel_called or self.tasks.cancel_scope.cancel_called
        )
        if is_cancelled(error):
            if not worker.scope.cancel_called:
                self.abandon()
            ledger.drop()
            self._check_settled()
            return True
        if not tellable(error):
            ledger.drop()
            self.die(error)
        elif interrupted:
            ledger.drop()
            ledger.late.append(error)
        elif ledger.fail(slot, without_stop(error)):
            self._break_off(slot)
        self._check_settled()
        return False

    # The endings.

    def _break_off(self, failed: Slot[T, R]) -> None:
        """Something failed: end what it makes void."""
        ledger = self._ledger
        valid = [slot for slot in self._inbox if not ledger.voids(failed, slot)]
        ledger.drop(len(self._inbox) - len(valid))
        self._inbox.clear()
        self._inbox.extend(valid)
        for worker in self._crew:
            if worker.slot is not None and ledger.voids(failed, worker.slot):
                worker.scope.cancel()
        if self._source is not None:
            self._source.stop()
        self._wake_all()

    def _check_settled(self) -> None:
        if not self._ledger.outstanding:
            self._wake_source()
            self.wake_reader()  # a failure is told when all that it ended is over

    def _wake_source(self) -> None:
        if self._source is not None:
            self._source.wake()

    def _wake_all(self) -> None:
        while self._idle:
            self._idle.pop().set()
        self.wake_reader()
        self._wake_source()


class _Worker(Generic[T, R]):
    """What must be known of a worker to cancel the call that it runs."""

    __slots__ = ("scope", "slot")

    def __init__(self) -> None:
        self.scope = CancelScope()
        self.slot: Slot[T, R] | None = None


async def _awaiting(awaitable: Awaitable[R]) -> R:
    return await awaitable
