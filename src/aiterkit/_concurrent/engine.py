"""How the calls of one block run: a reader for the source, workers for the calls.

One task reads an async source, from its first item to its last, and closes it.
It fills an inbox, within the window. Workers take from the inbox, or straight
from a sync source, and make the calls: each call in a context of its own, the
calls of one worker one after the other. A worker is brought when there is an
item for it and the call before has suspended, never earlier: calls that do not
suspend all run in one worker.

What is decided is decided in the `Ledger`; here it is only waited for.
"""

import contextvars
import types
from asyncio import CancelledError
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
from math import inf
from types import CoroutineType, TracebackType
from typing import Any, Generic, NoReturn, Self, TypeVar

from anyio import (
    CancelScope,
    create_task_group,
    current_effective_deadline,
    get_cancelled_exc_class,
)
from anyio.abc import TaskGroup
from anyio.lowlevel import cancel_shielded_checkpoint, checkpoint

from aiterkit._concurrent.ledger import Ledger, Slot
from aiterkit._concurrent.waiting import Waiter, cancel_again, waiter_factory
from aiterkit._core.source import is_async

T = TypeVar("T")
R = TypeVar("R")

PATIENCE = 64
"""How many calls a worker may finish in a row without a turn for other tasks."""


class Engine(Generic[T, R]):
    """The tasks of one block, from entry to exit."""

    _make_waiter: Callable[[], Waiter]
    _context: contextvars.Context
    _tasks: TaskGroup
    _reading: CancelScope

    def __init__(
        self,
        func: Callable[[T], Awaitable[R]],
        iterator: AsyncIterator[T] | Iterator[T],
        ledger: Ledger[T, R],
        *,
        limit: int,
        name: str,
    ) -> None:
        self.ledger = ledger
        self.name = name
        self.opened = False
        self.closed = False
        self._func = func
        self._iterator = iterator
        self._reads_itself = not is_async(iterator)
        self._limit = limit
        self._inbox: deque[Slot[T, R]] = deque()
        self._crew: set[_Worker[T, R]] = set()
        self._hired = 0
        self._idle: list[Waiter] = []
        self._summoned = False
        self.being_read = False
        self.waits_for_room = self._reads_itself
        self._reader: Waiter | None = None
        self._feeder: Waiter | None = None
        self._unheard = False
        self.incomplete = False
        self._fatal: BaseException | None = None
        self._unclosed: BaseException | None = None

    # The block.

    async def __aenter__(self) -> Self:
        """Start the work."""
        if self.opened:
            raise RuntimeError(f"{self.name}(...) can be entered only once")
        self.opened = True
        self._make_waiter = waiter_factory()
        self._context = contextvars.copy_context()
        self._tasks = create_task_group()
        await self._tasks.__aenter__()
        if self._reads_itself:
            self._summon()
        else:
            self._reading = CancelScope()
            self._tasks.start_soon(self._read, name=f"{self.name} source")
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None:
        """Cancel what runs, await it, close the source; raise what must be told.

        The *error* that leaves the block already is never masked: only what must
        end the program outranks it.
        """
        cancelled = get_cancelled_exc_class()
        self.closed = True
        self._abandon()
        self._tasks.cancel_scope.cancel()
        try:
            await self._tasks.__aexit__(None, None, None)
        except cancelled:
            if error is None and self._fatal is None:
                raise
        finally:
            late = self.ledger.close()
            fatal, self._fatal = self._fatal, None
            if self._reads_itself:
                self._close_generator()
            unclosed, self._unclosed = self._unclosed, None
        try:
            if unclosed is not None and (error is not None or fatal is not None):
                late.append(unclosed)
            if fatal is not None:
                await _raise_bare(fatal, late)
            if error is None:
                if unclosed is not None:
                    await _raise_bare(unclosed, late)
            elif not isinstance(error, cancelled):
                _attach(error, late)
        finally:  # no circle through the traceback
            del error, fatal, late, traceback, unclosed

    # The reader's side: `Results` stands on these three.

    async def wait(self) -> None:
        """Wait until a result may be ready, or none will ever be.

        Raises:
            RuntimeError: If results are missing that will never come, since the
                tasks of the block were cancelled over its head.
        """
        if self.incomplete:
            await checkpoint()  # perhaps the reader is cancelled too, and woken first
            raise RuntimeError(
                f"{self.name}() was cancelled from outside while its results were read"
            )
        self.being_read = True
        self._reader = waiter = self._make_waiter()
        try:
            await waiter.wait()
        finally:
            self._reader = None
            self.being_read = False
        if self.closed:
            self.refuse()

    def refuse(self) -> NoReturn:
        """Say why no result can be had by this task now."""
        raise RuntimeError(
            f"the results of {self.name}() can be read only inside its "
            f"'async with' block"
            if self.closed
            else f"another task is already waiting for the next result of {self.name}()"
        )

    def use_room(self) -> None:
        """Read on, now that the reader has taken a result."""
        if self._feeder is not None:
            self._wake_feeder()
        elif self._reads_itself and not self._summoned:
            self._summon_for_more()

    # The source.

    async def _read(self) -> None:
        # Both scopes are opened before the first read and outlive the last: the
        # source may hold scopes of its own across its `yield`, and those must
        # stay within ours. The outer one ends a read; the inner one then turns
        # into a shield, since a cancelled reader still owes its source a close.
        with self._reading, CancelScope() as peace:
            try:
                await self._fill_inbox()
            except BaseException as error:  # noqa: BLE001 - this task ends here
                if not _is_cancelled(error):
                    self._die(error)
                elif not self._reading.cancel_called:
                    self._abandon()
            peace.shield = True
            while self.ledger.outstanding:
                await self._wait_to_feed()
            await self._close_source()

    async def _fill_inbox(self) -> None:
        ledger, inbox = self.ledger, self._inbox
        window = ledger.window
        iterator: Any = self._iterator
        read = iterator.__anext__
        while True:
            while ledger.taken - ledger.delivered >= window and not ledger.ended:
                await self._wait_to_feed()
            if ledger.ended:
                return
            if self._unheard:
                self._unheard = False
                cancel_again()
            try:
                item = await read()
            except StopAsyncIteration:
                self._end()
                return
            except BaseException as error:
                if _is_cancelled(error):
                    raise
                self._source_raised(error)
                return
            if ledger.ended:  # the source would not be interrupted
                return
            inbox.append(ledger.take(item))
            if not self._summoned:
                self._summon()

    async def _wait_to_feed(self) -> None:
        """Wait until there is room, or no more calls, or an end to it.

        A source that holds a timeout or a task group across its `yield` has put
        this task inside its own scope, and that may be cancelled just now. It is
        the source that must hear of it, in its next step, and not this wait.
        """
        cancelled = get_cancelled_exc_class()
        try:
            await self._wait_once()
        except cancelled:
            self._unheard = current_effective_deadline() != -inf
        while self._feeder is not None:
            try:
                with CancelScope(shield=True):
                    await self._wait_once()
            except cancelled:
                self._unheard = True

    async def _wait_once(self) -> None:
        self._feeder = waiter = self._make_waiter()
        self.waits_for_room = True
        await waiter.wait()

    def _pull(self) -> Slot[T, R] | None:
        """Take an item from a sync source, if there are both an item and room."""
        ledger = self.ledger
        if ledger.ended or not ledger.has_room:
            return None
        iterator: Any = self._iterator
        try:
            item = next(iterator)
        except StopIteration:
            self._end()
        except BaseException as error:  # noqa: BLE001 - it is told to the reader
            self._source_raised(error)
        else:
            return ledger.take(item)
        return None

    def _source_raised(self, error: BaseException) -> None:
        if not isinstance(error, Exception | CancelledError):
            self._die(error)
        elif not self.ledger.ended:
            self._break_off(self.ledger.fail_source(_without_stop(error)))
        elif _answers_cancellation(error):
            self._unclosed = error
        else:
            self.ledger.late.append(error)

    async def _close_source(self) -> None:
        aclose = getattr(self._iterator, "aclose", None)
        if aclose is None:
            return
        try:
            await aclose()
        except BaseExceptionGroup as group:
            # What a generator that holds a task group makes of GeneratorExit:
            # https://github.com/python/cpython/issues/135736
            rest = group.split(GeneratorExit)[1]
            if rest is not None:
                self._unclosed = rest
        except (Exception, CancelledError) as error:  # noqa: BLE001 - the exit tells it
            self._unclosed = error
        except BaseException as error:  # noqa: BLE001 - the exit raises it
            self._die(error)

    def _close_generator(self) -> None:
        # Other sync iterators have no close of their own: a file, say, is its
        # own iterator, and its close() would end more than the iteration.
        iterator: Any = self._iterator
        if not isinstance(iterator, Generator):
            return
        try:
            iterator.close()
        except Exception as error:  # noqa: BLE001 - the exit tells it
            self._unclosed = error

    # The workers.

    def _summon(self) -> None:
        """Bring one worker, if there may be one more."""
        if self._idle:
            self._summoned = True
            self._idle.pop().set()
        elif self._hired < self._limit:
            self._summoned = True
            self._hired += 1
            self._tasks.start_soon(self._work, name=f"{self.name} call")

    def _summon_for_more(self) -> None:
        """Bring one worker if there is an item for it, or may be."""
        if self._inbox or (
            self._reads_itself and not self.ledger.ended and self.ledger.has_room
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
            if _is_cancelled(error):
                self._abandon()
            else:
                self._die(error)
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
        func, ledger, inbox = self._func, self.ledger, self._inbox
        copy_context = self._context.copy
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
                waiter = self._make_waiter()
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
                    raise _without_stop(error) from error
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
                    self._wake_reader()
                if self._feeder is not None and (
                    ledger.finishing_makes_room or not ledger.outstanding
                ):
                    self._wake_feeder()
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
        ledger = self.ledger
        interrupted = (
            worker.scope.cancel_called or self._tasks.cancel_scope.cancel_called
        )
        if _is_cancelled(error):
            if not worker.scope.cancel_called:
                self._abandon()
            ledger.drop()
            self._check_settled()
            return True
        if not isinstance(error, Exception | CancelledError):
            ledger.drop()
            self._die(error)
        elif interrupted:
            ledger.drop()
            ledger.late.append(error)
        elif ledger.fail(slot, _without_stop(error)):
            self._break_off(slot)
        self._check_settled()
        return False

    # The endings.

    def _end(self) -> None:
        """The source has no more items."""
        self.ledger.ended = True
        self._wake_all()

    def _break_off(self, failed: Slot[T, R]) -> None:
        """Something failed: end what it makes void."""
        ledger = self.ledger
        valid = [slot for slot in self._inbox if not ledger.voids(failed, slot)]
        ledger.drop(len(self._inbox) - len(valid))
        self._inbox.clear()
        self._inbox.extend(valid)
        for worker in self._crew:
            if worker.slot is not None and ledger.voids(failed, worker.slot):
                worker.scope.cancel()
        if not self._reads_itself:
            self._reading.cancel()
        self._wake_all()

    def _abandon(self) -> None:
        """The block is left or cancelled: begin nothing more."""
        ledger = self.ledger
        if ledger.outstanding or not ledger.ended:
            self.incomplete = True
        ledger.ended = True
        ledger.drop(len(self._inbox))
        self._inbox.clear()
        self._wake_all()

    def _die(self, error: BaseException) -> None:
        """Cancel everything, the body too, and leave the block with *error*."""
        if self._fatal is None:
            self._fatal = error
        self._tasks.cancel_scope.cancel()
        self._abandon()

    def _wake_all(self) -> None:
        while self._idle:
            self._idle.pop().set()
        self._wake_reader()
        self._wake_feeder()

    def _wake_reader(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.set()

    def _wake_feeder(self) -> None:
        feeder, self._feeder = self._feeder, None
        if feeder is not None:
            self.waits_for_room = False
            feeder.set()

    def _check_settled(self) -> None:
        if not self.ledger.outstanding:
            self._wake_feeder()
            self._wake_reader()  # a failure is told when all that it ended is over


class _Worker(Generic[T, R]):
    """What must be known of a worker to cancel the call that it runs."""

    __slots__ = ("scope", "slot")

    def __init__(self) -> None:
        self.scope = CancelScope()
        self.slot: Slot[T, R] | None = None


async def _awaiting(awaitable: Awaitable[R]) -> R:
    return await awaitable


def _is_cancelled(error: BaseException) -> bool:
    """Tell a cancellation that was asked for from a `CancelledError` out of the blue.

    On asyncio anybody may raise one, by awaiting what was cancelled elsewhere.
    """
    if not isinstance(error, get_cancelled_exc_class()):
        return False
    return current_effective_deadline() == -inf


def _answers_cancellation(error: BaseException) -> bool:
    """Tell whether *error* was raised while a cancellation was being handled."""
    cancelled = get_cancelled_exc_class()
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        if isinstance(cause, cancelled):
            return True
        seen.add(id(cause))
        cause = cause.__context__
    return False


def _without_stop(error: BaseException) -> BaseException:
    """Return *error* as an async generator lets it out (PEP 479)."""
    if not isinstance(error, StopIteration | StopAsyncIteration):
        return error
    told = RuntimeError(f"async generator raised {type(error).__name__}")
    told.__cause__ = told.__context__ = error
    return told


def _attach(error: BaseException, late: list[BaseException]) -> None:
    """Hang the *late* errors on the far end of *error*'s context."""
    tail, seen = error, {id(error)}
    while tail.__context__ is not None and id(tail.__context__) not in seen:
        tail = tail.__context__
        seen.add(id(tail))
    rest = [other for other in late if id(other) not in seen]
    if rest and tail.__context__ is None:
        tail.__context__ = BaseExceptionGroup("other calls failed too", rest)


async def _raise_bare(error: BaseException, late: list[BaseException]) -> None:
    """Raise *error* with no more context than it had, but for the *late* ones."""
    # If this task was last resumed by a cancellation, CPython would chain that to
    # whatever leaves the awaiting frames now. So let it be resumed once more.
    await cancel_shielded_checkpoint()
    _attach(error, late)
    context = error.__context__
    try:
        raise error
    finally:
        error.__context__ = context
        del error, context
