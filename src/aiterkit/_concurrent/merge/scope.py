"""The block of an operator that reads several sources, with a task for each.

A `MergeState` decides; this module waits.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from functools import partial
from inspect import isawaitable
from typing import Any, Generic, TypeVar

from aiterkit._concurrent.merge.state import (
    ArrivalBuffer,
    MergeState,
    OnDemand,
    Stoppable,
    Upstream,
)
from aiterkit._core.call import drop
from aiterkit._runtime.backend import (
    Backend,
    SpinPolicy,
    stands_for_user,
)
from aiterkit._runtime.context import in_context
from aiterkit._runtime.errors import is_deliverable, without_stop
from aiterkit._runtime.scope import ReadScope
from aiterkit._runtime.sink import Sink
from aiterkit._runtime.source_reader import SourceReader
from aiterkit._runtime.statistics import Statistics
from aiterkit._runtime.sync_source import with_checkpoints
from aiterkit._runtime.task import BlockTask

T = TypeVar("T")
R = TypeVar("R")


class SourcesScope(ReadScope[R], Generic[T, R]):
    """Sources that are read into a `MergeState`, and a reader that takes from it."""

    def __init__(
        self,
        iterators: list[AsyncIterator[T] | Iterator[T]],
        state: MergeState[T, R],
        *,
        name: str,
    ) -> None:
        super().__init__(state, name=name)
        self.state = state
        self._iterators = iterators
        self._readers: dict[Upstream, SourceReader[T]] = {}  # until the block is left
        self._abandoned = False  # once `abandon` was called

    def _start(self) -> None:
        # All are added before the first is read, since the meaning of an item may
        # depend on how many sources there are.
        for iterator in self._iterators:
            upstream = self.state.add()
            reader = SourceReader(
                self, with_checkpoints(iterator), self.sink_for(upstream)
            )
            self._readers[upstream] = reader
        self._iterators = []
        for reader in self._readers.values():
            reader.start_reading(f"{self.name} source")

    def sink_for(self, upstream: Upstream) -> "UpstreamSink[T]":
        """Return where the items of the source of *upstream* go."""
        return UpstreamSink(self, upstream)

    def abandon(self) -> None:
        if self._abandoned:  # else each of many source readers would stop all others
            return
        self._abandoned = True
        if self.state.open and not self.state.settled:
            self.incomplete = True
        for reader in self._readers.values():
            reader.request_stop()
        self.wake_receiver()

    def on_received(self) -> None:
        upstream = self.state.resumable
        if upstream is None:
            self.wake_sources()
        else:
            self._readers[upstream].wake()

    def statistics(self) -> Statistics:
        """Return how many items were taken, wait, were delivered or dropped."""
        return self.state.statistics()

    def wake_sources(self) -> None:
        """Let every source that waits for room look again."""
        for reader in self._readers.values():
            reader.wake()

    def _finish(self) -> None:
        self._readers.clear()

    def settle(self) -> None:
        """Stop the sources that must stop, and wake the reader if all is decided."""
        for upstream in self.state.take_to_stop():
            self._readers[upstream].stop()
        if self.state.settled or not self.state.open:
            self.wake_receiver()


class MergeScope(SourcesScope[T, T]):
    """Sources whose items the reader gets as they arrive."""

    def __init__(
        self,
        iterators: list[AsyncIterator[T] | Iterator[T]],
        arrivals: ArrivalBuffer[T],
        *,
        name: str,
    ) -> None:
        super().__init__(iterators, arrivals, name=name)
        self._arrivals = arrivals

    def sink_for(self, upstream: Upstream) -> "UpstreamSink[T]":
        """Return where the items of the source of *upstream* go."""
        return ArrivalSink(self, upstream, self._arrivals)


class UpstreamSink(Sink[T]):
    """Where the items of one source go."""

    __slots__ = ("_scope", "_state", "_upstream")

    def __init__(self, scope: SourcesScope[T, Any], upstream: Upstream) -> None:
        self._scope = scope
        self._state = scope.state
        self._upstream = upstream

    def has_room(self) -> bool:
        """Return whether the source may be asked for one more item."""
        return self._state.has_room(self._upstream)

    def put(self, item: T) -> bool:
        """Pass an *item* on; return whether there is room for one more."""
        state, scope = self._state, self._scope
        room = state.put(self._upstream, item)
        if scope.receiver is not None and state.ready:
            scope.wake_receiver()
        if state.to_stop:
            scope.settle()
        return room

    def end(self) -> None:
        """Note that the source has no more items."""
        self._state.end(self._upstream)
        self._scope.settle()

    def fail(self, error: BaseException) -> None:
        """Store the *error* of the source, in the place of its next item."""
        self._state.fail(self._upstream, error)
        self._scope.settle()

    def takes_last_read(self) -> bool:
        """Return whether a read still counts that was cut by the stop of its source."""
        return self._state.takes_last_read

    def on_closed(self) -> None:
        """Note that the source is closed."""
        self._state.leave(self._upstream)
        self._scope.settle()


class ArrivalSink(UpstreamSink[T]):
    """The same for an `ArrivalBuffer`, inlined: each function call is paid per item.

    Without it, a merge takes 1.05 times as many instructions per item.
    """

    __slots__ = ("_append",)

    def __init__(
        self,
        scope: SourcesScope[T, Any],
        upstream: Upstream,
        arrivals: ArrivalBuffer[T],
    ) -> None:
        super().__init__(scope, upstream)
        self._append = arrivals.queue.append

    def has_room(self) -> bool:
        """Return whether the source may be asked for one more item."""
        return self._upstream.given < self._upstream.allowed

    def put(self, item: T) -> bool:
        """Pass an *item* on; return whether there is room for one more."""
        upstream, scope, append = self._upstream, self._scope, self._append
        append((upstream, item))
        upstream.given = given = upstream.given + 1
        reader = scope.receiver
        if reader is not None:
            scope.end_wait(reader)
            scope.receiver = None
        return given < upstream.allowed


class ParkAtOnce(SpinPolicy):
    """Never yields first: nothing comes before it is asked for, which parking does."""

    __slots__ = ()

    def __init__(self) -> None:
        super().__init__()
        self.is_eager = False

    def should_yield(self) -> bool:
        """Decide for one wait."""
        return False


class Rendezvous(SourcesScope[T, T]):
    """A source without a head start: it is asked for an item when the reader asks."""

    def __init__(
        self,
        iterator: AsyncIterator[T] | Iterator[T],
        state: OnDemand[T],
        *,
        name: str,
    ) -> None:
        super().__init__([iterator], state, name=name)
        self._on_demand = state

    def bind_backend(self, backend: Backend) -> None:
        super().bind_backend(backend)
        self.spin = ParkAtOnce()

    def begin_wait(self) -> Awaitable[object]:
        self._on_demand.asked = True
        self.wake_sources()
        return super().begin_wait()

    def on_received(self) -> None:
        """Do nothing: the next wait of the reader asks the source."""


class UntilScope(Rendezvous[T]):
    """A source without a head start that is read until a function has returned."""

    def __init__(
        self,
        iterator: AsyncIterator[T] | Iterator[T],
        stop: Callable[[], Awaitable[object]],
        state: Stoppable[T],
        *,
        name: str,
    ) -> None:
        super().__init__(iterator, state, name=name)
        self._stoppable = state
        self._stop = stop
        self._awaits_stop = True  # until the task of *stop* has ended
        self._stop_task: StopTask | None = None  # while the block is open

    def _start(self) -> None:
        self._stop_task = task = StopTask(self)
        task.start(self._await_stop(task), name=f"{self.name} stop")
        super()._start()

    def _finish(self) -> None:
        super()._finish()
        self._stop_task = None  # it refers to this scope

    def sink_for(self, upstream: Upstream) -> "UpstreamSink[T]":
        """Return where the items of the source of *upstream* go."""
        return StoppableSink(self, upstream)

    def abandon(self) -> None:
        super().abandon()
        # If the block is left after a cancellation from outside, this is the second
        # call, and the source waits until the block is being left.
        self.wake_sources()

    async def _await_stop(self, task: "StopTask") -> None:
        with task:
            try:
                if not task.stopped:  # unless it was stopped before it began
                    await_user = self.backend.await_user
                    call = partial(_call, self._stop, self.name)
                    calling = call() if await_user is None else await_user(call)
                    await in_context(self.context.copy(), calling, task)
            except BaseException as error:  # noqa: BLE001 - it is kept for the reader
                if task.is_cancellation(error):
                    pass  # the block is left, or the source task sees it too
                elif is_deliverable(error):
                    self._stoppable.stop(without_stop(error))
                else:
                    self.abort(error)
            else:
                self._stoppable.stop()
            self._awaits_stop = False
            self.settle()
            self.wake_sources()

    def may_close(self) -> bool:
        """Return whether the source may be closed.

        Only once the block is being left: code that handles the items may still need
        what the source holds, for example a connection.
        """
        task = self._stop_task
        return self.closed and (not self._awaits_stop or task is None or task.has_ended)


@stands_for_user
async def _call(stop: Callable[[], Awaitable[object]], name: str) -> None:
    made: object = stop()
    try:
        if not isawaitable(made):
            raise TypeError(
                f"{name}() needs an async function as stop, such as event.wait "
                f"(stop returned {type(made).__name__!r}, which cannot be awaited)"
            )
        await made
    finally:
        drop(made)


class StopTask(BlockTask):
    """The task that awaits the *stop* function of the user."""

    __slots__ = ()

    def stop(self) -> None:
        """Cancel it, if it has begun: it awaits only the user's code."""
        super().stop()
        if self.native is not None:
            self.cancel()


class StoppableSink(UpstreamSink[T]):
    """The sink of a source that can be stopped while it is read."""

    __slots__ = ("_until",)

    def __init__(self, scope: UntilScope[T], upstream: Upstream) -> None:
        super().__init__(scope, upstream)
        self._until = scope

    def takes_last_read(self) -> bool:
        """Return whether to keep the item of a read that was under way at the stop."""
        return not self._until.closed

    def on_stopped(self) -> None:
        """Note that the source will give nothing more, so the results end."""
        self.on_closed()

    def may_close(self) -> bool:
        """Return whether the source may be closed now. It is not read any more."""
        return self._until.may_close()
