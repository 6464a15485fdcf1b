"""The block of a flat map: a reader of the outer source, readers of inner ones."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, TypeVar, cast

from anyio import CapacityLimiter, WouldBlock

from aiterkit._concurrent.flatten.state import FlattenState, InnerSource, Interleaved
from aiterkit._concurrent.merge.scope import ArrivalSink, SourcesScope, UpstreamSink
from aiterkit._concurrent.merge.state import Upstream
from aiterkit._core.call import COROUTINE, drop, needs_await
from aiterkit._core.source import is_async
from aiterkit._core.tokens import HeldToken, hold
from aiterkit._runtime.buffer import EMPTY
from aiterkit._runtime.context import in_context
from aiterkit._runtime.errors import is_deliverable, without_stop
from aiterkit._runtime.limiter import refuse_holder, unwatch, watch
from aiterkit._runtime.presentation import add_place
from aiterkit._runtime.sink import Sink
from aiterkit._runtime.source_reader import SourceReader, SourceTask, open_result
from aiterkit._runtime.sync_source import SyncSource

R = TypeVar("R")


class FlattenScope(SourcesScope[Any, R]):
    """The block of a flat map: a reader of the outer source, readers of inner ones."""

    makes_calls = True

    def __init__(
        self,
        func: Callable[[Any], Any],
        iterator: AsyncIterator[Any] | Iterator[Any],
        state: FlattenState,
        *,
        limiter: CapacityLimiter | None,
        name: str,
    ) -> None:
        super().__init__([], state, name=name)
        self.limiter = limiter
        self.func = func
        self.inners = state
        self.plain: set[type] = set()  # types of results of *func* that need no await
        self.idle: list[InnerReader] = []  # those that have no source to read
        self._iterator = iterator
        # A sync outer source, while the block is open. An async one has a reader.
        self._sync: SyncSource[Any] | None = None
        self._inner_readers: list[InnerReader] = []  # all, until the block is left
        self._reader_of: dict[Upstream, InnerReader] = {}  # of each open inner source
        # The one that was started or woken to ask a sync outer source for an item,
        # until it asks.
        self._starting: InnerReader | None = None

    # The block.

    def _check_entry(self) -> None:
        if self.limiter is not None:
            refuse_holder(self.limiter, name=self.name)

    def _start(self) -> None:
        if self.limiter is not None:
            watch(self.limiter, self._on_resized)
            self.inners.limit = self.limiter.total_tokens
        outer = OuterSink(self, self.inners)
        if is_async(self._iterator):
            iterator = cast("AsyncIterator[Any]", self._iterator)
            reader = SourceReader(self, iterator, outer)
            self._readers[self.inners.outer] = reader
            reader.start_reading(f"{self.name} source")
        else:
            self._sync = SyncSource(self, cast("Iterator[Any]", self._iterator), outer)
            self._start_or_wake_reader()

    def _finish(self) -> None:
        super()._finish()
        if self.limiter is not None:
            unwatch(self.limiter, self._on_resized)
        self._inner_readers.clear()
        self._starting = None
        if self._sync is not None:
            self._sync.close()
            self._sync = None

    def abandon(self) -> None:
        self.idle.clear()
        self.inners.pending.clear()
        for reader in self._inner_readers:
            reader.request_stop()
        super().abandon()

    def on_received(self) -> None:
        inners = self.inners
        inner: Any = inners.resumable  # an `InnerSource`, since it has given an item
        reader = self._reader_of.get(inner)
        if reader is not None:
            reader.wake()
        else:
            inners.release(inner)
            # While a closed source is not drained, the next item that the reader
            # receives may free its slot.
            self.wants_room = inners.undrained > 0
        if inners.has_free_slot and inners.take_free_slot():
            self._begin_more()

    def _on_resized(self) -> None:
        """Have as many inner sources read as the limiter has tokens now."""
        assert self.limiter is not None  # noqa: S101 - it was resized
        self.inners.limit = self.limiter.total_tokens
        self._begin_more()

    def _begin_more(self) -> None:
        """Have more inner sources read, now that there is room for one."""
        if self._sync is None:
            self.wake_sources()
        else:
            self._start_or_wake_reader()

    def settle(self) -> None:
        inners = self.inners
        if inners.to_stop:
            for upstream in inners.take_to_stop():
                reader = self._reader_of.get(upstream) or self._readers.get(upstream)
                if reader is None:  # no task is parked in it
                    inners.drop(upstream)
                    inners.leave(upstream)  # if it is a sync outer source
                else:
                    reader.stop()
        if inners.take_free_slot():
            self._begin_more()
        # Wake the reader only for a result or the end: on asyncio, a task that is woken
        # again and again never sees its cancellation.
        if self.receiver is not None and (not inners.open or inners.has_next()):
            self.wake_receiver()

    # The inner sources.

    def sink_for(self, upstream: Upstream) -> UpstreamSink[Any]:
        """Return where the items of the source of *upstream* go."""
        inners = self.inners
        if isinstance(inners, Interleaved):
            return ArrivalSink(self, upstream, inners)
        return UpstreamSink(self, upstream)

    def begin(self, item: Any) -> None:
        """Have an idle reader, or a new one, read the inner source of *item*."""
        if self.limiter is not None:
            self.inners.pending.append((self.inners.begin(), item))
            self._start_or_wake_reader()
            return
        reader = self.idle.pop() if self.idle else self._add_reader()
        upstream = self.inners.begin()
        self._reader_of[upstream] = reader
        reader.take(upstream, item)

    def _add_reader(self) -> "InnerReader":
        reader = InnerReader(self)
        self._inner_readers.append(reader)
        reader.start_reading(f"{self.name} inner source")
        return reader

    def _start_or_wake_reader(self) -> None:
        """Have one idle or new reader take a pending item, or ask a sync outer source.

        That reader starts or wakes the next, so there are no more than are needed.
        """
        if self._starting is None and (self.inners.pending or self._may_pull()):
            if self.idle:
                self._starting = self.idle.pop()
                self._starting.wake()
            else:
                self._starting = self._add_reader()

    def _may_pull(self) -> bool:
        inners = self.inners
        return (
            self._sync is not None
            and inners.may_begin()
            and inners.outer in inners.open
            and not self._abandoned
        )

    def pull(self, reader: "InnerReader") -> tuple[InnerSource, Any] | None:
        """Return an item of a sync outer source for *reader*, if one more may begin."""
        if self._starting is reader:
            self._starting = None
        sync = self._sync
        if sync is None or not self._may_pull():
            return None
        item = sync.pull()
        if item is EMPTY:
            return None
        upstream = self.inners.begin()
        self._reader_of[upstream] = reader
        self._start_or_wake_reader()
        return upstream, item

    async def take_next(
        self, reader: "InnerReader", limiter: CapacityLimiter
    ) -> tuple[InnerSource, Any] | None:
        """Get a token for *reader*, and then the earliest item, if there is one.

        Only one task waits for a token at a time, and takes its item afterwards, so the
        sources are opened in order. Otherwise a later one could get the last token, and
        keep it while it waits for its turn, which would never come.
        """
        inners = self.inners
        if self._starting is None:
            self._starting = reader
        elif self._starting is not reader:
            return None
        try:
            if not inners.pending and not self._may_pull():
                return None
            await reader.take_token(limiter)
        finally:
            self._starting = None
        taken = inners.pending.popleft() if inners.pending else self.pull(reader)
        if taken is None:
            reader.give_token()
            return None
        self._reader_of[taken[0]] = reader
        self._start_or_wake_reader()
        return taken

    def on_closed(self, upstream: InnerSource) -> None:
        """Note that an inner source is closed."""
        inners = self.inners
        del self._reader_of[upstream]
        inners.on_closed(upstream)
        self.wants_room = inners.undrained > 0
        self.settle()
        self.wake_sources()

    def may_close(self) -> bool:
        """Return whether every inner source is closed."""
        return (not self._reader_of and not self.inners.pending) or (
            self.may_miss_ends
            and all(reader.has_ended for reader in self._inner_readers)
        )


class InnerReader(SourceTask):
    """A task that reads inner sources, one after the other."""

    __slots__ = ("_next", "_token", "_waits_for_token")

    _scope: FlattenScope[Any]

    def __init__(self, scope: FlattenScope[Any]) -> None:
        super().__init__(scope)
        # The source to read next, and its item, until it is read.
        self._next: tuple[InnerSource, Any] | None = None
        self._token: HeldToken | None = None
        self._waits_for_token = False

    async def take_token(self, limiter: CapacityLimiter) -> None:
        """Wait for a token of *limiter*."""
        try:
            limiter.acquire_on_behalf_of_nowait(self)
        except WouldBlock:
            self._waits_for_token = True
            try:
                await limiter.acquire_on_behalf_of(self)
            finally:
                self._waits_for_token = False
        self._token = HeldToken(limiter)

    def give_token(self) -> None:
        """Return its token."""
        token, self._token = self._token, None
        assert token is not None  # noqa: S101 - the caller has checked
        token.is_held = False
        limiter: Any = token.limiter
        limiter.release_on_behalf_of(self)
        self._scope.inners.limit = limiter.total_tokens  # it may be unwatched

    def _is_in_source(self) -> bool:
        return self._waits_for_token or super()._is_in_source()

    def take(self, upstream: InnerSource, item: Any) -> None:
        """Read the source of *item* next."""
        self._next = upstream, item
        self.wake()

    async def run(self) -> None:
        """Read one inner source after another, until the block is left."""
        scope = self._scope
        in_a_row = 0
        with self:
            while self._next is not None or not self.stopped:
                if self._next is None:
                    self._next = (
                        scope.pull(self)
                        if scope.limiter is None
                        else await self._take_next(scope.limiter)
                    )
                if self._next is None:
                    if self.stopped:
                        break  # by an error of the outer source, or as it waited
                    in_a_row = 0
                    await self._wait_for_more()
                    continue
                (upstream, item), self._next = self._next, None
                if not self.stopped:
                    # Each in its own copy of the context at entry.
                    context = scope.context.copy()
                    if self._token is not None:
                        context.run(hold, self._token)
                    opened = context.run(self._open, upstream, item)
                    if type(opened) is COROUTINE:
                        self._is_opening = True
                        opened = await in_context(context, opened, self)
                        self._is_opening = False
                    if opened is not None:
                        self._steps = reading = self._read_and_close(
                            opened, scope.sink_for(upstream), in_a_row + 1
                        )
                        in_a_row = await in_context(context, reading, self)
                        self._steps = None
                        self._is_closing = False
                        del reading
                    del context, opened
                if self._token is not None:
                    self.give_token()
                scope.on_closed(upstream)
                del upstream, item  # while it waits, it keeps no object alive

    async def _take_next(
        self, limiter: CapacityLimiter
    ) -> tuple[InnerSource, Any] | None:
        try:
            return await self._scope.take_next(self, limiter)
        except BaseException as error:  # noqa: BLE001 - this task ends here
            self.stopped = True
            self._raised(error)
            return None

    async def _wait_for_more(self) -> None:
        scope = self._scope
        scope.idle.append(self)
        try:
            await self._begin_wait()
        except BaseException as error:  # noqa: BLE001 - this task ends here
            self.stopped = True
            self._raised(error)
        self._is_parked = False

    def _open(self, upstream: InnerSource, item: Any) -> Any:
        """Return what to read, or a coroutine that returns it, or None on failure."""
        scope = self._scope
        self._pending_cancel = None
        try:
            call_user = scope.backend.call_user
            made = (
                scope.func(item) if call_user is None else call_user(scope.func, item)
            )
            if type(made) not in scope.plain and needs_await(made, scope.plain):
                return self._open_awaited(upstream, made)
            return open_result(made)
        except BaseException as error:  # noqa: BLE001 - the reader gets it
            self._func_raised(upstream, error)
            return None

    async def _open_awaited(
        self, upstream: InnerSource, made: Awaitable[Any]
    ) -> AsyncIterator[Any] | None:
        steps_of_user = self._scope.backend.steps_of_user
        try:
            steps = made if steps_of_user is None else steps_of_user(made)
            return open_result(await steps)
        except BaseException as error:  # noqa: BLE001 - the reader gets it
            drop(made)
            self._func_raised(upstream, error)
            return None

    def _func_raised(self, upstream: InnerSource, error: BaseException) -> None:
        if self.is_cancellation(error) or not is_deliverable(error):
            self._raised(error)
        elif self.stopped:
            self._scope.inners.unseen_errors.append(error)
        else:
            scope = self._scope
            add_place(error, scope.name, scope.func, upstream.index - 1)
            scope.inners.fail(upstream, without_stop(error))
            scope.settle()


class OuterSink(Sink[Any]):
    """Where the items of the outer source go: each becomes a source."""

    __slots__ = ("_scope", "_state")

    def __init__(self, scope: FlattenScope[Any], state: FlattenState) -> None:
        self._scope = scope
        self._state = state

    def has_room(self) -> bool:
        """Return whether there may be one more inner source."""
        return self._state.may_begin()

    def put(self, item: Any) -> bool:
        """Begin an inner source; return whether there may be one more."""
        self._scope.begin(item)
        return self._state.may_begin()

    def end(self) -> None:
        """Note that there are no more inner sources."""
        self._state.end(self._state.outer)
        self._scope.settle()

    def fail(self, error: BaseException) -> None:
        """Store the *error* of the outer source, in the place of its next item."""
        self._state.fail(self._state.outer, error)
        self._scope.settle()

    def may_close(self) -> bool:
        """Return whether it may be closed: every inner source is."""
        return self._scope.may_close()

    def on_closed(self) -> None:
        """Note that it is closed."""
        self._state.leave(self._state.outer)
        self._scope.settle()
