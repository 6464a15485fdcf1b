"""How the calls of one block run: a reader for the source, workers for the calls.

A `SourceReader` reads an async source into an inbox, within the window. Workers take
items from the inbox, or straight from a sync source, and make the calls: each call in a
context of its own, the calls of one worker one after the other. A worker is started or
woken when there is an item for it and the call before has suspended, never earlier. So
calls that do not suspend all run in one worker, and of those that suspend for one turn
the first few.

The `CallQueue` decides; this module waits.
"""

from bisect import insort
from collections import deque
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
    Generator,
    Hashable,
    Iterator,
)
from functools import partial
from inspect import isawaitable
from math import inf
from operator import attrgetter
from types import CoroutineType
from typing import Any, Generic, Literal, TypeVar

from anyio import CapacityLimiter, WouldBlock
from anyio.lowlevel import checkpoint

from aiterkit._concurrent.map.state import FINISHED, Call, CallQueue, KeyQueue
from aiterkit._concurrent.map.statistics import MapStatistics
from aiterkit._core.call import awaiting, drop, is_async_function
from aiterkit._core.checks import check_callable, check_count, name_of, shortened
from aiterkit._core.source import is_async
from aiterkit._core.tokens import HeldToken, hold
from aiterkit._runtime.backend import SpinPolicy, Waiter
from aiterkit._runtime.context import stepwise
from aiterkit._runtime.errors import (
    is_deliverable,
    without_cancelled,
    without_stop,
)
from aiterkit._runtime.limiter import refuse_holder, unwatch, watch
from aiterkit._runtime.presentation import add_place
from aiterkit._runtime.scope import ReadScope
from aiterkit._runtime.sink import Sink
from aiterkit._runtime.source_reader import SourceReader
from aiterkit._runtime.sync_source import SyncSource
from aiterkit._runtime.task import BlockTask

T = TypeVar("T")
R = TypeVar("R")

_index = attrgetter("index")

MAX_CALLS_PER_TURN = 64
"""How many calls a worker may finish in a row without a turn for other tasks."""

SHORT_CALLS_PER_WORKER = 6
"""When calls that suspend for one turn of the loop get one more worker.

*n* workers share the cost of each turn. One more saves 1 / (n * (n + 1)) of a turn per
item, and costs as much as several turns. So it is started after n * (n + 1) times this
many items. For a call that suspends for longer, it is started at once.
"""


class WorkerPool(ReadScope[R], Sink[T], Generic[T, R]):
    """The block of a map: a source, a function, and the calls between them."""

    makes_calls = True

    # Without slots there would be more than 30 attributes in its dict. CPython then
    # gives up its fast layout for them, which costs 1 to 2 % per item.
    __slots__ = (
        "_buffer",
        "_calls",
        "_can_add_worker",
        "_dropped",
        "_func",
        "_idle",
        "_inbox",
        "_iterator",
        "_keys",
        "_limit",
        "_limiter",
        "_next_worker_at",
        "_source",
        "_sync",
        "_task_name",
        "_work_spin",
        "_worker_count",
        "_worker_starting",
        "_workers",
    )

    receiver: Waiter | None
    wants_room: bool

    def __init__(
        self,
        func: Callable[[T], Awaitable[R]],
        iterator: AsyncIterator[T] | Iterator[T],
        calls: CallQueue[T, R],
        *,
        limit: int | CapacityLimiter,
        buffer: int | None = None,
        keys: KeyQueue[T, R] | None = None,
        name: str,
    ) -> None:
        super().__init__(calls, name=name)
        self._calls = calls
        self._func = func
        self._iterator = iterator
        # One of the two bounds: a limiter, or else the most workers there may be.
        self._limiter = limit if isinstance(limit, CapacityLimiter) else None
        self._limit = limit if isinstance(limit, int) else inf
        self._buffer = buffer  # as given; None for as many as the limit
        self._keys = keys
        # One of the two ways to read, while the block is open.
        self._source: SourceReader[T] | None = None
        self._sync: SyncSource[T] | None = None
        # Calls that may begin as soon as a worker is free, by index.
        self._inbox: deque[Call[T, R]] = deque()
        # The workers that run. A dict for its order: a set would end calls in an order
        # that differs from run to run.
        self._workers: dict[Worker[T, R], None] = {}
        self._worker_count = 0  # those that run, and those that have yet to begin
        self._dropped = 0  # calls that will never begin
        # Whether a worker is idle, or there may be one more.
        self._can_add_worker = True
        self._idle: list[Waiter] = []  # the waits of workers that have no call
        # True while one worker is on its way to take an item: started, woken, or taking
        # one turn. It starts or wakes the next, so there are no more than needed.
        self._worker_starting = False
        # How many items must have been taken before a call that takes one turn is
        # reason enough to start one more worker.
        self._next_worker_at = 0
        self._task_name: str | None = None

    # The block.

    def _check_entry(self) -> None:
        if self._limiter is not None:
            refuse_holder(self._limiter, name=self.name)

    def _start(self) -> None:
        self._work_spin = SpinPolicy()
        if self._keys is not None:
            self._keys.wrap_functions(self.backend.interruptible)
        if self._limiter is not None:
            watch(self._limiter, self._on_resized)
        iterator: Any = self._iterator
        if is_async(iterator):
            self._source = SourceReader(self, iterator, self)
            self._source.start_reading(f"{self.name} source")
        else:
            self._sync = SyncSource(self, iterator, self)
            self._start_or_wake_worker()

    def abandon(self) -> None:
        calls = self._calls
        if calls.outstanding or not calls.ended:
            self.incomplete = True
        calls.ended = True
        if self._inbox or self._keys is not None:
            self._give_up(len(self._inbox) + self._waiting_for_key)
            self._inbox.clear()
        if self._keys is not None:
            self._keys.clear()
        if self._source is not None:
            self._source.request_stop()
        self._wake_all()

    def on_received(self) -> None:
        if self._source is not None:
            self._source.wake()
        else:
            self.wants_room = False
            if self._can_add_worker and not self._worker_starting:
                self._start_worker_for_next()

    def _finish(self) -> None:
        if self._limiter is not None:
            unwatch(self._limiter, self._on_resized)
        self._source = None
        if self._sync is not None:
            self._sync.close()
            self._sync = None

    @property
    def user_func(self) -> Callable[..., Any]:
        """The function as the user gave it."""
        return self._func

    def describe(self) -> str:
        """Return the state of the block, for the repr of its results."""
        now = self.statistics()
        return (
            f"{name_of(self.user_func)}: {now.running} running, {now.waiting} waiting, "
            f"{now.delivered} delivered"
        )

    def statistics(self) -> MapStatistics:
        """Return what runs, what waits, and what was delivered."""
        calls = self._calls
        slots = [worker.call for worker in self._workers if worker.call is not None]
        slots.sort(key=lambda call: call.index)
        inbox, keyed, held = len(self._inbox), self._waiting_for_key, calls.held
        unread = 0 if calls.ended else self._unread
        waiting = unread + inbox + keyed + held
        limiter = self._limiter
        limit = self._limit if limiter is None else limiter.total_tokens
        taken, delivered = self._taken, calls.received
        return MapStatistics(
            taken=taken,
            waiting=waiting,
            running=len(slots),
            delivered=delivered,
            dropped=taken - waiting - len(slots) - delivered,
            limit=limit,
            buffer=limit if self._buffer is None else self._buffer,
            started=calls.taken - inbox - keyed - self._dropped,
            running_items=tuple(call.item for call in slots),
            waiting_to_start=unread + inbox,
            waiting_for_key=keyed,
            waiting_for_reader=held,
        )

    @property
    def _taken(self) -> int:
        """How many items there have been."""
        return self._calls.taken

    @property
    def _unread(self) -> int:
        """How many of them the source has yet to give."""
        return 0

    # The source.

    def has_room(self) -> bool:
        """Return whether one more item may lie between the source and the reader."""
        calls = self._calls
        if self._limiter is not None:  # it may have been resized
            calls.window = window_of(self._limiter.total_tokens, self._buffer)
        return calls.taken - calls.delivered < calls.window

    def put(self, item: T) -> bool:
        """Put an *item* into the inbox; return whether there is room for one more."""
        calls = self._calls
        call = calls.take(item)
        if self._keys is None or self._may_start(call, self._keys):
            self._inbox.append(call)
            if self._can_add_worker and not self._worker_starting:
                self._start_or_wake_worker()
        if self._limiter is not None:
            return self.has_room()
        return calls.taken - calls.delivered < calls.window

    def end(self) -> None:
        """Note that the source has no more items."""
        self._calls.ended = True
        self._wake_all()

    def fail(self, error: BaseException) -> None:
        """Store the *error* of the source, in the place of its next item."""
        self._break_off(self._calls.fail_source(error))

    def may_close(self) -> bool:
        """Return whether every call is over."""
        if self.may_miss_ends:
            return all(worker.has_ended for worker in self._workers)
        return not self._calls.outstanding

    def _pull(self, source: SyncSource[T]) -> Call[T, R] | None:
        """Take an item from a sync *source*, if there are both an item and room."""
        calls = self._calls
        while not calls.ended:
            if (
                calls.taken - calls.delivered >= calls.window
                or self._limiter is not None
            ) and not self._is_room():
                return None
            try:
                item = source.next()
            except BaseException as error:  # noqa: BLE001 - the reader gets it
                source.report(error)
                return None
            call = calls.take(item)
            if self._keys is None or self._may_start(call, self._keys):
                return call
        return None

    def _is_room(self) -> bool:
        """Return whether a sync source has room; if not, the reader wakes a worker."""
        if self.has_room():
            return True
        self.wants_room = True
        return False

    # The keys.

    @property
    def _waiting_for_key(self) -> int:
        return 0 if self._keys is None else self._keys.waiting

    def _may_start(self, call: Call[T, R], keys: KeyQueue[T, R]) -> bool:
        """Return whether *call* may start; if not, it waits for its key, or failed."""
        try:
            return keys.may_start(call)
        except BaseException as error:  # noqa: BLE001 - it counts as an error of *func*
            self._dropped += 1
            if is_deliverable(error):
                self._break_off(self._calls.fail(call, without_stop(error)))
            else:
                self._calls.drop()
                self.abort(error)
            return False

    def _release_key(self, call: Call[T, R], keys: KeyQueue[T, R]) -> None:
        """Let the next call with the key of *call* start, in its place by input order.

        At the head of the inbox it would overtake calls with other keys, for as long
        as its key has more of them.
        """
        freed = keys.release(call)
        if freed is not None:
            insort(self._inbox, freed, key=_index)

    # The limiter.

    def _on_resized(self) -> None:
        """Read on, if there is room for more now."""
        if self._source is not None:
            self._wake_source()
        elif self._can_add_worker and not self._worker_starting:
            self._start_worker_for_next()

    async def _take_token(
        self, worker: "Worker[T, R]", limiter: CapacityLimiter
    ) -> bool:
        """Get a token; or return False, since another worker waits for one already."""
        try:
            limiter.acquire_on_behalf_of_nowait(worker)
        except WouldBlock:
            if self._worker_starting:
                return False
            self._worker_starting = worker.waits_for_token = True
            try:
                await limiter.acquire_on_behalf_of(worker)
            finally:
                self._worker_starting = worker.waits_for_token = False
        worker.token = HeldToken(limiter)
        return True

    def _give_token(self, worker: "Worker[T, R]") -> None:
        if self._limiter is not None and worker.token is not None:
            worker.token.is_held = False
            worker.token = None
            self._limiter.release_on_behalf_of(worker)

    # The workers.

    def _start_or_wake_worker(self) -> None:
        """Start or wake one worker. `_can_add_worker` must be true."""
        self._worker_starting = True
        if self._idle:
            self.end_wait(self._idle[-1])
            self._idle.pop()
        else:
            self._worker_count = count = self._worker_count + 1
            self._next_worker_at = SHORT_CALLS_PER_WORKER * count * (count + 1)
            worker: Worker[T, R] = Worker(self)
            if self._task_name is None:  # it is seen in `python -m asyncio pstree`
                self._task_name = f"{self.name}({name_of(self.user_func)})"
            worker.start(self._work(worker), name=self._task_name)
        self._can_add_worker = bool(self._idle) or self._worker_count < self._limit

    def _start_worker_for_next(self) -> None:
        """Start or wake one worker if there is an item for it, or may be.

        With a limiter one worker always waits for a token, to notice when one is freed.
        """
        if self._inbox or (
            not self._calls.ended
            and (
                self._limiter is not None
                or (
                    self._sync is not None
                    # A worker that makes a call looks for an item when it is over.
                    and (
                        self._sync.may_have_items()
                        or len(self._idle) == self._worker_count
                    )
                    and self._is_room()
                )
            )
        ):
            self._start_or_wake_worker()

    async def _work(self, worker: "Worker[T, R]") -> None:
        self._worker_starting = False
        self._workers[worker] = None
        with worker:
            try:
                await self._make_calls(worker)
            except BaseException as error:  # noqa: BLE001 - this task ends here
                # A cancellation ends here. Only anyio would see it if it were raised
                # again, and would leave a reference cycle through its traceback.
                if not worker.is_cancellation(error):
                    self.abort(error)
                elif not worker.stopped:
                    self.abandon()
            self._give_token(worker)
            self._workers.pop(worker, None)
            self._worker_count -= 1
            self._can_add_worker = True
            # With keys, what came before a failure may still wait for its call, and
            # a worker that failed or was stopped makes no other call.
            if self._inbox and not self._worker_starting:  # pragma: no cover - no
                # schedule is known that gets here; without it, one would hang
                self._start_or_wake_worker()
            if not self._workers:
                self._wake_source()

    @stepwise
    def _make_calls(  # noqa: C901, PLR0912, PLR0915 - each function call is paid per item
        self, worker: "Worker[T, R]"
    ) -> Generator[Any, Any, None]:
        # 1. Take an item, from the inbox or straight from a sync source. If there is
        #    none, wait for one; if none will come, end.
        # 2. Drive the call: each step runs in the call's own context, within this
        #    task. The task that begins a call must also end it, since a cancel
        #    scope belongs to one task. This function is a generator and not an
        #    `async def` because it is the trampoline itself: one more frame per
        #    call would cost 3 to 12 % (4 to 7 % for the end of a call alone).
        # 3. Store the result and wake the reader or the source, if they wait. After
        #    a failure the worker ends, and another one takes its place.
        func, calls, inbox = self._func, self._calls, self._inbox
        is_native = is_async_function(func)
        copy_context, end_wait = self.context.copy, self.end_wait
        call_user = self.backend.call_user
        steps_of_user: Any = self.backend.steps_of_user
        coroutine_type: type[Any] = CoroutineType
        coroutine: Any
        made: Any = None
        context: Any
        send: Any
        value: Any
        trap: Any
        sent: Any = None
        step: Any = None
        limiter, sync, keys = self._limiter, self._sync, self._keys
        notify_always = calls.notify_always
        spin, yielded = self._work_spin, False
        turn_trap, returning = self.turn_trap, False
        in_a_row = 0
        while True:
            call: Call[T, R] | None = None
            if worker.stopped:  # a call that began now would be cancelled at once
                return
            if limiter is None or (
                yield from self._take_token(worker, limiter).__await__()
            ):
                if inbox:
                    call = inbox.popleft()
                elif sync is not None:
                    call = self._pull(sync)
            if call is None:
                # An idle worker keeps no object alive. And Trio may have sent its box
                # for a cancellation, which refers to this frame.
                coroutine = made = context = send = value = trap = sent = step = None
                if limiter is not None:
                    self._give_token(worker)
                    self._wake_source()  # it may have been resized
                if calls.ended and not inbox:
                    return
                in_a_row = 0
                if yielded:
                    yielded = False
                    spin.wasted()
                elif not self._worker_starting and (
                    spin.is_eager or spin.should_yield()
                ):
                    # It comes back by itself, so there is no need to wake another.
                    yielded = self._worker_starting = True
                    try:
                        yield self.turn_trap
                    finally:
                        self._worker_starting = False
                    continue
                yield from self._park()
                continue
            if yielded:
                yielded = False
                if not spin.is_eager:
                    spin.paid_off()
            worker.call = call
            context = copy_context()
            if worker.token is not None:
                context.run(hold, worker.token)
            try:
                if is_native:  # it runs nothing yet, so it needs no context
                    coroutine = func(call.item)
                else:
                    try:
                        coroutine = (
                            context.run(func, call.item)
                            if call_user is None
                            else context.run(call_user, func, call.item)
                        )
                    except StopIteration as error:
                        raise without_stop(error) from error
                    if type(coroutine) is not coroutine_type:
                        coroutine = self._as_coroutine(coroutine)
                if steps_of_user is not None:
                    made = coroutine
                    coroutine = steps_of_user(made)
                send = coroutine.send
                in_a_row += 1
                try:
                    trap = context.run(send, None)
                    in_a_row = 0
                    if self._can_add_worker and not self._worker_starting:
                        if trap is turn_trap and calls.taken < self._next_worker_at:
                            # It comes back by itself, most likely to end the call.
                            returning = self._worker_starting = True
                        else:
                            self._start_worker_for_next()
                    while True:
                        try:
                            sent = yield trap
                        except BaseException as error:  # noqa: BLE001 - it goes to the call
                            thrown = error
                        else:
                            if sent is not None and worker.cancel_called:
                                step = partial(context.run, send)
                                trap = worker.resume(step, sent, coroutine)
                            else:
                                trap = context.run(send, sent)
                            if returning:
                                returning = self._suspended_again()
                            continue
                        try:
                            step = partial(context.run, coroutine.throw)
                            if worker.cancel_called:
                                trap = worker.resume(step, thrown, coroutine)
                            else:
                                trap = step(thrown)
                        finally:
                            del thrown
                        if returning:
                            returning = self._suspended_again()
                except StopIteration as stop:
                    value = stop.value
            except BaseException as error:  # noqa: BLE001 - the reader gets it
                failure = error
                if returning:
                    returning = self._worker_starting = False
            else:
                worker.call = None
                if returning:
                    returning = self._worker_starting = False
                if keys is not None:
                    self._release_key(call, keys)
                if limiter is not None:
                    self._give_token(worker)
                # `CallQueue.finish`, inlined.
                call.value = value
                call.state = FINISHED
                calls.settled += 1
                if notify_always or self.receiver is not None or self.waiting_producers:
                    reader_comes = calls.on_finished(call) and self.is_receiving
                    reader = self.receiver
                    if reader_comes and reader is not None:
                        end_wait(reader)
                        self.receiver = None
                    # The reader, which is woken first, makes room for the source.
                    if self.waiting_producers and (
                        reader_comes
                        or calls.finishing_makes_room
                        or not calls.outstanding
                    ):
                        self._wake_source()
                if in_a_row == MAX_CALLS_PER_TURN:
                    in_a_row = 0
                    yield from checkpoint().__await__()
                continue
            # Outside the `except`: inside, a call that is cancelled now would get the
            # failure as its context.
            sent = step = None
            try:
                drop(made)
                self._call_raised(worker, call, failure)
            finally:
                del failure
            return

    def _suspended_again(self) -> Literal[False]:
        """Note that a worker makes the same call after its one turn; start the next."""
        self._worker_starting = False
        if self._can_add_worker:
            self._start_worker_for_next()
        return False

    def _park(self) -> Generator[Any, Any, None]:
        """Wait until another task has, or may have, an item for this worker."""
        waiter = self.make_waiter()
        self._idle.append(waiter)
        self._can_add_worker = True
        yield from waiter.__await__()
        self._worker_starting = False

    def _as_coroutine(self, made: object) -> Coroutine[Any, Any, Any]:
        if isawaitable(made):
            return awaiting(made)
        if isinstance(made, AsyncGenerator):
            raise TypeError(
                f"{self.name}() needs a function that returns one result for each "
                f"item; for an async generator function, which gives several, use "
                f"concurrent_flat_map()"
            )
        raise TypeError(
            f"{self.name}() needs an async function; for a sync one use amap(), "
            f"or offloaded(func) to run it in threads "
            f"(func returned {type(made).__name__!r}, which cannot be awaited)"
        )

    def _call_raised(
        self, worker: "Worker[T, R]", call: Call[T, R], error: BaseException
    ) -> None:
        """Store the *error* of a call, or see what else it means."""
        worker.call = None
        if self._keys is not None:
            self._release_key(call, self._keys)
        self._give_token(worker)
        calls = self._calls
        rest: BaseException | None = error
        if worker.cancel_called:
            rest = without_cancelled(error)
        if rest is None or worker.is_cancellation(rest):
            if not worker.stopped:
                self.abandon()
            calls.drop()
        elif not is_deliverable(rest):
            calls.drop()
            self.abort(rest)
        elif worker.stopped or self.closed:
            calls.drop()
            calls.unseen_errors.append(rest)
        else:
            add_place(rest, self.name, self.user_func, call.index)
            self._break_off(calls.fail(call, without_stop(rest)))
        self._check_settled()

    # The endings.

    def _break_off(self, failed: Call[T, R]) -> None:
        """End all calls that the failure ends, and read no more."""
        calls = self._calls
        keyed = () if self._keys is None else self._keys.queues()
        for line in (self._inbox, *keyed):
            valid = [call for call in line if not calls.ends(failed, call)]
            self._give_up(len(line) - len(valid))
            line.clear()
            line.extend(valid)
        for worker in self._workers:
            if worker.call is not None and calls.ends(failed, worker.call):
                worker.stop()
        if self._source is not None:
            self._source.stop()
        self._wake_all()

    def _give_up(self, count: int) -> None:
        """Note that *count* calls will never begin."""
        self._dropped += count
        self._calls.drop(count)

    def _check_settled(self) -> None:
        if not self._calls.outstanding:
            self._wake_source()
            self.wake_receiver()  # for a failure that waited for the last call

    def _wake_source(self) -> None:
        if self._source is not None:
            self._source.wake()

    def _wake_all(self) -> None:
        while self._idle:
            self.end_wait(self._idle[-1])
            self._idle.pop()
        self._can_add_worker = self._worker_count < self._limit
        self.wake_receiver()
        self._wake_source()


class Worker(BlockTask, Generic[T, R]):
    """A task that makes calls, one after the other."""

    __slots__ = ("call", "token", "waits_for_token")

    def __init__(self, owner: WorkerPool[T, R]) -> None:
        super().__init__(owner)
        self.token: HeldToken | None = None
        self.waits_for_token: bool = False
        self.call: Call[T, R] | None = None  # the one that it makes now

    def stop(self) -> None:
        """Cancel its call, and let it make no other."""
        self.stopped = True
        if self.call is not None or self.waits_for_token:
            self.cancel()

    def is_ending(self) -> bool:
        """Return whether it was stopped between two calls."""
        return self.stopped and self.call is None and not self.waits_for_token


def window_of(limit: float, buffer: int | None) -> float:
    """Return how many items may lie between the source and the reader."""
    return limit + (limit if buffer is None else buffer)


def checked_keys(
    key: Callable[[T], Hashable] | None, per_key: int
) -> KeyQueue[T, Any] | None:
    """Return a queue for calls with equal keys, if there is a *key*.

    Raises:
        TypeError: If *key* cannot be called, *per_key* is no int, or it is given
            without *key*.
        ValueError: If *per_key* is less than 1.
    """
    per_key = check_count(per_key, name="per_key", least=1)
    if key is not None:
        check_callable(key, name="key")
        return KeyQueue(key, per_key)
    if per_key != 1:
        raise TypeError(
            f"per_key={shortened(per_key)} needs key=, a function that returns the "
            f"key of an item; to bound all calls together, use limit="
        )
    return None


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
