"""The block of an operator with several readers."""

from collections.abc import AsyncIterator, Iterator
from typing import Generic, TypeVar

from aiterkit._concurrent.share.state import SharedState, SubscriberQueue
from aiterkit._runtime.backend import Backend
from aiterkit._runtime.channel import ResultChannel
from aiterkit._runtime.scope import TaskScope
from aiterkit._runtime.sink import GuardedSink
from aiterkit._runtime.source_reader import SourceReader
from aiterkit._runtime.sync_source import with_checkpoints

T = TypeVar("T")


class Subscription(ResultChannel[T]):
    """Where one of several readers receives what is in its queue."""

    def __init__(self, scope: "ShareScope[T]", queue: SubscriberQueue[T]) -> None:
        super().__init__(queue, name=scope.name)
        self.queue = queue
        self.wants_room = True  # whether the source waits for it, the scope knows
        self._scope = scope

    def on_received(self) -> None:
        if self._scope.waiting_producers:
            self._scope.read_on()

    def leave(self) -> None:
        """Take no more. The last one to leave stops the source."""
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
        for queue in self._state.queues:
            subscription = Subscription(self, queue)
            subscription.bind_backend(backend)
            self.subscriptions.append(subscription)

    def _start(self) -> None:
        self._source = SourceReader(self, self._iterator, self)
        self._source.start_reading(f"{self.name} source")

    def abandon(self) -> None:
        for subscription in self.subscriptions:
            subscription.closed = self.closed
            subscription.incomplete = not self._state.ended
        self._source.request_stop()
        self._wake_receivers()

    def add_unseen(self, error: BaseException) -> None:
        self._state.unseen_errors.append(error)

    def take_unseen(self) -> list[BaseException]:
        return self._state.close()

    def _finish(self) -> None:
        del self._source  # it refers to this scope
        self.subscriptions.clear()  # and so do these

    def _wake_receivers(self) -> None:
        for subscription in self.subscriptions:
            subscription.wake_receiver()

    # The readers.

    def read_on(self) -> None:
        """Let the source look again whether there is room."""
        self._source.wake()

    def on_left(self) -> None:
        """Read on, if it was this reader that held the source back; or no more."""
        if self._state.all_left:
            self._state.end()
            self._source.stop()
        else:
            self.read_on()

    # The source.

    def has_room(self) -> bool:
        """Tell whether the source may be asked for one more item."""
        return self._state.has_room()

    def accept(self, item: T) -> None:
        """Put an *item* where it belongs."""
        self._state.share(item)
        self._wake_receivers()

    def stop_reading(self) -> None:
        """Read no more, after an error of a function of the user's."""
        self._source.request_stop()

    def end(self) -> None:
        """Note that the source has no more items."""
        self._state.end()
        self._wake_receivers()

    def fail(self, error: BaseException) -> None:
        """Store the *error* of the source, in the place of its next item."""
        self._state.fail(error)
        self._wake_receivers()
