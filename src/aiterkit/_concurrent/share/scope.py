"""The block of an operator with several readers."""

from collections.abc import AsyncIterator, Awaitable, Iterator
from typing import Generic, TypeVar

from aiterkit._concurrent.share.state import (
    BalancedQueue,
    BalancedState,
    SharedState,
    SubscriberQueue,
)
from aiterkit._runtime.backend import Backend
from aiterkit._runtime.channel import ResultChannel
from aiterkit._runtime.scope import TaskScope
from aiterkit._runtime.sink import GuardedSink
from aiterkit._runtime.source_reader import SourceReader
from aiterkit._runtime.statistics import Statistics
from aiterkit._runtime.sync_source import with_checkpoints

T = TypeVar("T")


class Subscription(ResultChannel[T]):
    """Where one of several readers receives what is in its queue."""

    def __init__(self, scope: "ShareScope[T]", queue: SubscriberQueue[T]) -> None:
        super().__init__(queue, name=scope.name)
        self.queue = queue
        # `on_received` is called for each item: the scope knows whether the source
        # waits for room.
        self.wants_room = True
        self._scope = scope

    def on_received(self) -> None:
        if self._scope.waiting_producers:
            self._scope.read_on()

    def statistics(self) -> Statistics:
        """Return how many items were taken, wait, were delivered or dropped."""
        return self.queue.statistics()

    def leave(self) -> None:
        """Receive no more items. The last reader to leave stops the source."""
        if not self.closed and not self.queue.left:
            self.queue.leave()
            self.wake_receiver()
            self._scope.on_left()


class ShareScope(TaskScope, GuardedSink[T], Generic[T]):
    """A source that is read into the queues of several readers."""

    _source: SourceReader[T]

    def __init__(
        self,
        iterator: AsyncIterator[T] | Iterator[T],
        state: SharedState[T],
        *,
        name: str,
    ) -> None:
        super().__init__(name=name)
        self.subscriptions: list[Subscription[T]] = []
        self._state = state
        self._iterator = with_checkpoints(iterator)

    # The block.

    def bind_backend(self, backend: Backend) -> None:
        super().bind_backend(backend)
        for subscription in self._subscribe():
            subscription.bind_backend(backend)
            self.subscriptions.append(subscription)

    def _subscribe(self) -> Iterator[Subscription[T]]:
        """Return the channel of each reader."""
        for queue in self._state.queues:
            yield Subscription(self, queue)

    def _start(self) -> None:
        self._state.wrap_functions(self.backend.interruptible)
        self._source = SourceReader(self, self._iterator, self)
        self._source.start_reading(f"{self.name} source")

    def abandon(self) -> None:
        for subscription in self.subscriptions:
            subscription.closed = self.closed
            subscription.incomplete = not self._state.ended
        self._source.request_stop()
        self.wake_receivers()

    def add_unseen(self, error: BaseException) -> None:
        self._state.unseen_errors.append(error)

    def take_unseen(self) -> list[BaseException]:
        return self._state.close()

    def _finish(self) -> None:
        del self._source  # it refers to this scope
        self.subscriptions.clear()  # they refer to it too

    def wake_receivers(self) -> None:
        """Let every reader that waits look again."""
        for subscription in self.subscriptions:
            subscription.wake_receiver()

    # The readers.

    def read_on(self) -> None:
        """Let the source check again whether there is room."""
        self._source.wake()

    def on_left(self) -> None:
        """Stop after the last reader; else read on, since there may be room now."""
        if self._state.all_left:
            self._state.end()
            self._source.stop()
        else:
            self.read_on()

    # The source.

    def has_room(self) -> bool:
        """Return whether the source may be asked for one more item."""
        return self._state.has_room()

    def accept(self, item: T) -> None:
        """Put an *item* into the queues of its readers, and wake those.

        To wake the others would cost as much as the item itself. And on asyncio, a task
        that is woken again and again sees a cancellation late.
        """
        for place in self._state.share(item):
            subscription = self.subscriptions[place]
            if subscription.receiver is not None:
                subscription.wake_receiver()

    def stop_reading(self) -> None:
        """Read no more, after an error of a function of the user."""
        self._source.request_stop()

    def end(self) -> None:
        """Note that the source has no more items."""
        self._state.end()
        self.wake_receivers()

    def fail(self, error: BaseException) -> None:
        """Store the *error* of the source, in the place of its next item."""
        self._state.fail(error)
        self.wake_receivers()


class BalancedSubscription(Subscription[T]):
    """Where one of several readers receives those items for which it asks first."""

    def __init__(self, scope: "BalanceScope[T]", queue: BalancedQueue[T]) -> None:
        super().__init__(scope, queue)
        self._balanced = scope
        self._queue = queue

    def begin_wait(self) -> Awaitable[object]:
        if self._balanced.waiting_producers:
            self._balanced.read_on()  # a reader that asks makes room
        return super().begin_wait()

    def on_received(self) -> None:
        scope = self._balanced
        if scope.waiting_producers:
            scope.read_on()
        if self._queue.ended and self._queue.is_empty():
            scope.wake_receivers()  # they waited in case this one gave the item back

    def on_wait_failed(self) -> None:
        self._balanced.pass_on(self._queue)

    def leave(self) -> None:
        if not self.closed and not self._queue.left:
            super().leave()
            self._balanced.pass_on(self._queue)


class BalanceScope(ShareScope[T]):
    """A source whose items go to the reader that asks first."""

    def __init__(
        self,
        iterator: AsyncIterator[T] | Iterator[T],
        state: BalancedState[T],
        *,
        name: str,
    ) -> None:
        super().__init__(iterator, state, name=name)
        self.balanced = state
        # The channel of each queue, until the block is left.
        self._channels: dict[BalancedQueue[T], BalancedSubscription[T]] = {}

    def _subscribe(self) -> Iterator[Subscription[T]]:
        for queue in self.balanced.readers:
            self._channels[queue] = channel = BalancedSubscription(self, queue)
            yield channel

    def _finish(self) -> None:
        super()._finish()
        self._channels.clear()

    def put(self, item: T) -> bool:
        """Take an *item*; return whether there is room for one more."""
        state = self.balanced
        state.items.append(item)
        if state.asking:
            self._call_next()
        return state.has_room()

    def _call_next(self) -> None:
        queue = self.balanced.call_next()
        if queue is not None:
            self._channels[queue].wake_receiver()

    def pass_on(self, queue: BalancedQueue[T]) -> None:
        """Offer the item that is kept for *queue*, if any, to the next reader."""
        self.balanced.withdraw(queue)
        self._call_next()
