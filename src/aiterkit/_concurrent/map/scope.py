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
    Hashable,
    Iterator,
)
from contextvars import ContextVar
from inspect import isawaitable
from math import inf
from types import CoroutineType
from typing import Any, Generic, TypeVar, cast

from anyio import CapacityLimiter, TaskHandle, WouldBlock
from anyio.lowlevel import checkpoint

from aiterkit._concurrent.map.state import FINISHED, Ledger, Slot
from aiterkit._concurrent.map.statistics import MapStatistics
from aiterkit._core.call import awaiting, is_async_function
from aiterkit._core.checks import check_count
from aiterkit._core.source import is_async
from aiterkit._runtime.backend import Turns, Waiter, holds_token
from aiterkit._runtime.scope import Block, is_cancelled, tellable, without_stop
from aiterkit._runtime.source_reader import Sink, SourceReader
from aiterkit._runtime.sync_source import SyncSource

T = TypeVar("T")
R = TypeVar("R")

_held_limiters: ContextVar[tuple[CapacityLimiter, ...]] = ContextVar(
    "limiters of which the current call holds a token", default=()
)

PATIENCE = 64
"""How many calls a worker may finish in a row without a turn for other tasks."""


class Engine(Block[R], Sink[T], Generic[T, R]):
    """The block of a map: a source, a function, and the calls between them."""

    __slots__ = (
        "_buffer",
        "_crew",
        "_func",
        "_has_spare",
        "_hired",
        "_idle",
        "_inbox",
        "_iterator",
        "_key",
        "_lanes",
        "_ledger",
        "_limit",
        "_limiter",
        "_never_begun",
        "_source",
        "_summoned",
        "_sync",
        "_work_turns",
    )

    reader: Waiter | None
    waits_for_room: int

    def __init__(
        self,
        func: Callable[[T], Awaitable[R]],
        iterator: AsyncIterator[T] | Iterator[T],
        ledger: Ledger[T, R],
        *,
        limit: int | CapacityLimiter,
        buffer: int | None = None,
        key: Callable[[T], Hashable] | None = None,
        name: str,
    ) -> None:
        super().__init__(ledger, name=name)
        self._ledger = ledger
        self._func = func
        self._iterator = iterator
        self._limiter = limit if isinstance(limit, CapacityLimiter) else None
        self._limit = limit if isinstance(limit, int) else inf
        self._buffer = buffer
        self._key = key
        self._lanes: dict[Hashable, deque[Slot[T, R]]] = {}
        self._source: SourceReader[T] | None = None
        self._inbox: deque[Slot[T, R]] = deque()
        self._crew: set[Worker[T, R]] = set()
        self._hired = 0
        self._never_begun = 0
        self._has_spare = True
        self._idle: list[Waiter] = []
        self._summoned = False
        self._sync: SyncSource[T] | None = None

    # The block.

    def _check_entry(self) -> None:
        if self._limiter is not None:
            self._hold_to(self._limiter)

    def _start(self) -> None:
        self._work_turns = Turns()
        if is_async(self._iterator):
            iterator = cast("AsyncIterator[T]", self._iterator)
            self._source = SourceReader(self, iterator, self)
            self._source.start(f"{self.name} source")
        else:
            self._sync = SyncSource(self, cast("Iterator[T]", self._iterator), self)
            self._summon()

    def abandon(self) -> None:
        ledger = self._ledger
        if ledger.outstanding or not ledger.ended:
            self.incomplete = True
        ledger.ended = True
        self._give_up(len(self._inbox) + sum(map(len, self._lanes.values())))
        self._inbox.clear()
        self._lanes.clear()
        if self._source is not None:
            self._source.stop_gently()
        self._wake_all()

    def use_room(self) -> None:
        if self._source is not None:
            self._source.wake()
        else:
            self.waits_for_room = 0
            if self._has_spare and not self._summoned:
                self._summon_for_more()

    def _finish(self) -> None:
        self._source = None
        if self._sync is not None:
            self._sync.close()
            self._sync = None

    def statistics(self) -> MapStatistics:
        """Tell how it goes."""
        ledger = self._ledger
        slots = [worker.slot for worker in self._crew if worker.slot is not None]
        slots.sort(key=lambda slot: slot.index)
        waiting, keyed = len(self._inbox), sum(map(len, self._lanes.values()))
        limiter = self._limiter
        limit = self._limit if limiter is None else limiter.total_tokens
        return MapStatistics(
            limit=limit,
            buffer=limit if self._buffer is None else self._buffer,
            taken=ledger.taken,
            started=ledger.taken - waiting - keyed - self._never_begun,
            running=len(slots),
            running_items=tuple(slot.item for slot in slots),
            waiting_to_start=waiting,
            waiting_for_key=keyed,
            waiting_for_reader=ledger.held,
            delivered=ledger.delivered,
        )

    # The source.

    def has_room(self) -> bool:
        """Tell whether one more item may lie between the source and the reader."""
        ledger = self._ledger
        if self._limiter is not None:  # it may have been resized
            ledger.window = window_of(self._limiter.total_tokens, self._buffer)
        return ledger.taken - ledger.delivered < ledger.window

    def give(self, item: T) -> bool:
        """Put an *item* into the inbox; tell whether there is room for one more."""
        ledger = self._ledger
        slot = ledger.take(item)
        if self._key is None or self._may_start(slot, self._key):
            self._inbox.append(slot)
            if self._has_spare and not self._summoned:
                self._summon()
        if self._limiter is not None:
            return self.has_room()
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

    def _pull(self, source: SyncSource[T]) -> Slot[T, R] | None:
        """Take an item from a sync *source*, if there are both an item and room."""
        ledger = self._ledger
        while not ledger.ended:
            if (
                ledger.taken - ledger.delivered >= ledger.window
                or self._limiter is not None
            ) and not self._is_room():
                return None
            try:
                item = source.next()
            except BaseException as error:  # noqa: BLE001 - it is told to the reader
                source.hear(error)
                return None
            slot = ledger.take(item)
            if self._key is None or self._may_start(slot, self._key):
                return slot
        return None

    def _is_room(self) -> bool:
        """Tell whether a sync source has room; if not, the reader shall say when."""
        if self.has_room():
            return True
        self.waits_for_room = 1
        return False

    # The keys.

    def _may_start(self, slot: Slot[T, R], key: Callable[[T], Hashable]) -> bool:
        """Tell whether no call with an equal key is on its way; else line up."""
        try:
            slot.key = key(slot.item)
            lane = self._lanes.get(slot.key)
        except Exception as error:  # noqa: BLE001 - it is told as if *func* raised it
            self._never_begun += 1
            self._break_off(self._ledger.fail(slot, without_stop(error)))
            return False
        if lane is None:
            self._lanes[slot.key] = deque()
            return True
        lane.append(slot)
        return False

    def _free_lane(self, slot: Slot[T, R]) -> None:
        """Let the next call with the key of *slot* start."""
        lane = self._lanes.get(slot.key)
        if lane:
            self._inbox.appendleft(lane.popleft())  # it has waited longest
        else:
            self._lanes.pop(slot.key, None)

    # The limiter.

    def _hold_to(self, limiter: CapacityLimiter) -> None:
        """Let all calls hold a token of *limiter*; refuse who holds one already.

        A call that waited for calls of its own, while it holds what they need,
        could wait for ever.
        """
        held = _held_limiters.get()
        if any(limiter is other for other in held) or holds_token(limiter):
            raise RuntimeError(
                f"{self.name}() is entered by who holds a token of its limiter, and "
                f"so could wait for ever; give the inner block a limit of its own"
            )
        self.context.run(_held_limiters.set, (*held, limiter))

    async def _take_token(
        self, worker: "Worker[T, R]", limiter: CapacityLimiter
    ) -> bool:
        """Get a token; or tell that another worker waits for one already."""
        try:
            limiter.acquire_on_behalf_of_nowait(worker)
        except WouldBlock:
            if self._summoned:
                return False
            self._summoned = True
            try:
                await limiter.acquire_on_behalf_of(worker)
            finally:
                self._summoned = False
        worker.has_token = True
        return True

    def _give_token(self, worker: "Worker[T, R]") -> None:
        if self._limiter is not None and worker.has_token:
            worker.has_token = False
            self._limiter.release_on_behalf_of(worker)

    # The workers.

    def _summon(self) -> None:
        """Bring one worker; there must be one to spare."""
        self._summoned = True
        if self._idle:
            self.end_wait(self._idle.pop())
        else:
            self._hired += 1
            worker: Worker[T, R] = Worker()
            making = self._work(worker)
            worker.task = self.tasks.create_task(making, name=f"{self.name} call")
        self._count_spare()

    def _count_spare(self) -> None:
        """See whether some worker is idle, or one more may be hired."""
        self._has_spare = bool(self._idle) or self._hired < self._limit

    def _summon_for_more(self) -> None:
        """Bring one worker if there is an item for it, or may be.

        With a limiter one always waits for a token, to notice when it grows.
        """
        if self._inbox or (
            not self._ledger.ended
            and (
                self._limiter is not None
                or (self._sync is not None and self._is_room())
            )
        ):
            self._summon()

    async def _work(self, worker: "Worker[T, R]") -> None:
        self._summoned = False
        self._crew.add(worker)
        try:
            await self._make_calls(worker)
        except BaseException as error:  # noqa: BLE001 - this task ends here
            # A cancellation is not raised on, since nobody would hear of it but
            # anyio, which then leaves a circle through its traceback.
            if not is_cancelled(error):
                self.die(error)
            elif not worker.is_dismissed:
                self.abandon()
        self._give_token(worker)
        self._crew.discard(worker)
        self._hired -= 1
        self._has_spare = True
        # With keys, what came before a failure may still wait for its call, and who
        # failed makes no other, nor does who was dismissed.
        if self._inbox and not self._summoned:
            self._summon()

    @types.coroutine
    def _make_calls(  # noqa: C901, PLR0912, PLR0915 - each function call is paid per item
        self, worker: "Worker[T, R]"
    ) -> Generator[Any, Any, None]:
        # A generator and not an `async def`, since it is itself the trampoline of
        # its calls: each step of a call runs in the call's own context, within
        # this task. The task that begins a call must also end it, for cancel
        # scopes know their task.
        func, ledger, inbox = self._func, self._ledger, self._inbox
        is_native = is_async_function(func)
        copy_context, end_wait = self.context.copy, self.end_wait
        coroutine: type[Any] = CoroutineType
        call: Any
        context: Any
        send: Any
        value: Any
        trap: Any
        sent: Any = None
        limiter, sync = self._limiter, self._sync
        heeds_all = ledger.heeds_all
        turns, took_turn = self._work_turns, False
        in_a_row = 0
        while True:
            slot: Slot[T, R] | None = None
            if worker.is_dismissed:  # what it began now would be cancelled at once
                return
            if limiter is None or (
                yield from self._take_token(worker, limiter).__await__()
            ):
                if inbox:
                    slot = inbox.popleft()
                elif sync is not None:
                    slot = self._pull(sync)
            if slot is None:
                if limiter is not None:
                    self._give_token(worker)
                    self._wake_source()  # it may have been resized
                # An idle worker keeps nothing alive. And what Trio sends may be its
                # box for a cancellation, which leads back to this frame.
                call = context = send = value = trap = sent = None
                if ledger.ended and not inbox:
                    return
                in_a_row = 0
                if took_turn:
                    took_turn = False
                    turns.was_in_vain()
                elif not self._summoned and (not turns.left_out or turns.leave_out()):
                    took_turn = True
                    self._summoned = True  # by itself: it comes without being woken
                    try:
                        yield self.turn_trap
                    finally:
                        self._summoned = False
                    continue
                waiter = self.make_waiter()
                self._idle.append(waiter)
                self._has_spare = True
                yield from waiter.__await__()
                self._summoned = False
                continue
            if took_turn:
                took_turn = False
                turns.in_vain = 0
            worker.slot = slot
            context = copy_context()
            try:
                if is_native:  # it runs nothing yet, so it needs no context
                    call = func(slot.item)
                else:
                    try:
                        call = context.run(func, slot.item)
                    except StopIteration as error:
                        raise without_stop(error) from error
                    if type(call) is not coroutine:
                        call = self._as_coroutine(call)
                send = call.send
                in_a_row += 1
                try:
                    trap = context.run(send, None)
                    in_a_row = 0
                    if self._has_spare and not self._summoned:
                        self._summon_for_more()
                    while True:
                        try:
                            sent = yield trap
                        except BaseException as error:  # noqa: BLE001 - it goes to the call
                            thrown = error
                        else:
                            trap = context.run(send, sent)
                            continue
                        try:
                            trap = context.run(call.throw, thrown)
                        finally:
                            del thrown
                except StopIteration as stop:
                    value = stop.value
            except BaseException as error:  # noqa: BLE001 - it is told to the reader
                failure = error
            else:
                worker.slot = None
                if self._key is not None:
                    self._free_lane(slot)
                if limiter is not None:
                    self._give_token(worker)
                # As in `Ledger.finish`, but for the calls.
                slot.value = value
                slot.state = FINISHED
                ledger.settled += 1
                if heeds_all or self.reader is not None or self.waits_for_room:
                    reader_comes = ledger.hear_of(slot) and self.being_read
                    reader = self.reader
                    if reader_comes and reader is not None:
                        self.reader = None
                        end_wait(reader)
                    # The reader makes room, just before the source asks.
                    if self.waits_for_room and (
                        reader_comes
                        or ledger.finishing_makes_room
                        or not ledger.outstanding
                    ):
                        self._wake_source()
                if in_a_row == PATIENCE:
                    in_a_row = 0
                    yield from checkpoint().__await__()
                continue
            # Outside the `except`, or what is cancelled now would have the failure
            # for its context.
            sent = None
            try:
                if self._call_raised(worker, slot, failure):
                    raise failure
            finally:
                del failure
            return

    def _as_coroutine(self, made: object) -> Coroutine[Any, Any, Any]:
        if isawaitable(made):
            return awaiting(made)
        raise TypeError(
            f"{self.name}() needs an async function; for a sync one use amap(), "
            f"or offloaded(func) to run it in threads "
            f"(func returned {type(made).__name__!r}, which cannot be awaited)"
        )

    def _call_raised(
        self, worker: "Worker[T, R]", slot: Slot[T, R], error: BaseException
    ) -> bool:
        """Book what a call raised; tell whether it must be raised on."""
        worker.slot = None
        if self._key is not None:
            self._free_lane(slot)
        self._give_token(worker)
        ledger = self._ledger
        interrupted = worker.is_dismissed or self.tasks.cancel_scope.cancel_called
        if is_cancelled(error):
            if not worker.is_dismissed:
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
        else:
            self._break_off(ledger.fail(slot, without_stop(error)))
        self._check_settled()
        return False

    # The endings.

    def _break_off(self, failed: Slot[T, R]) -> None:
        """Something failed: end what it makes void."""
        ledger = self._ledger
        for line in (self._inbox, *self._lanes.values()):
            valid = [slot for slot in line if not ledger.voids(failed, slot)]
            self._give_up(len(line) - len(valid))
            line.clear()
            line.extend(valid)
        for worker in self._crew:
            if worker.slot is not None and ledger.voids(failed, worker.slot):
                worker.dismiss()
        if self._source is not None:
            self._source.stop()
        self._wake_all()

    def _give_up(self, count: int) -> None:
        """Book that so many calls will never begin."""
        self._never_begun += count
        self._ledger.drop(count)

    def _check_settled(self) -> None:
        if not self._ledger.outstanding:
            self._wake_source()
            self.wake_reader()  # a failure is told when all that it ended is over

    def _wake_source(self) -> None:
        if self._source is not None:
            self._source.wake()

    def _wake_all(self) -> None:
        while self._idle:
            self.end_wait(self._idle.pop())
        self._count_spare()
        self.wake_reader()
        self._wake_source()


class Worker(Generic[T, R]):
    """What must be known of a worker to cancel the call that it runs."""

    __slots__ = ("has_token", "is_dismissed", "slot", "task")

    task: TaskHandle[None]

    def __init__(self) -> None:
        self.has_token: bool = False
        self.is_dismissed: bool = False
        self.slot: Slot[T, R] | None = None

    def dismiss(self) -> None:
        """Cancel its call, and let it make no other."""
        self.is_dismissed = True
        self.task.cancel()


def window_of(limit: float, buffer: int | None) -> float:
    """Return how many items may lie between the source and the reader."""
    return limit + (limit if buffer is None else buffer)


def checked(
    limit: int | CapacityLimiter, buffer: int | None
) -> tuple[int | CapacityLimiter, float]:
    """Return *limit*, and how many items may lie between the source and the reader.

    Raises:
        TypeError: If *limit* is neither an int nor a limiter, or *buffer* no int.
        ValueError: If *limit* is less than 1 or *buffer* less than 0.
    """
    if buffer is not None:
        buffer = check_count(buffer, name="buffer", least=0)
    if isinstance(limit, CapacityLimiter):
        return limit, window_of(1, buffer)  # until the block is entered
    limit = check_count(limit, name="limit", least=1, or_limiter=True)
    return limit, window_of(limit, buffer)
