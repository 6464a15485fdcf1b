"""The block of an operator with several readers."""

from collections.abc import AsyncIterator, Iterator
from typing import TypeVar

from aiterkit._concurrent.share.state import SharedState, SubscriberQueue
from aiterkit._runtime.channel import ResultChannel
from aiterkit._runtime.errors import is_deliverable, without_stop
from aiterkit._runtime.scope import ReadScope
from aiterkit._runtime.sink import Sink
from aiterkit._runtime.source_reader import SourceReader
from aiterkit._runtime.sync_source import with_checkpoints

T = TypeVar("T")


class Subscription(ResultChannel[T]):
    """Where one of several readers takes what is in its lane."""

    def __init__(self, scope: "ShareScope[T]", queue: SubscriberQueue[T]) -> None:
        super().__init__(queue, name=scope.name)
        self.queue = queue
        self.waiting_producers = 1  # the block knows whether it does
        self._scope = scope

    def on_taken(self) -> None:
        if self._scope.waiting_producers:
            self._scope.on_taken()

    def leave(self) -> None:
        """Take no more. The last one to leave stops the source."""
        if not self.closed and not self.queue.left:
            self.queue.leave()
            self.wake_receiver()
            self._scope.on_left()


class ShareScope(ReadScope[T], Sink[T]):
    """A source that is read into lanes, and a reader for each."""

    _source: SourceReader[T]

    def __init__(
        self,
        iterator: AsyncIterator[T] | Iterator[T],
        state: SharedState[T],
        *,
        name: str,
    ) -> None:
        super().__init__(state, name=name)
        self.subscriptions: list[Subscription[T]] = []
        self._state = state
        self._iterator = with_checkpoints(iterator)

    # The block.

    def _start(self) -> None:
        for queue in self._state.queues:
            subscription = Subscription(self, queue)
            subscription.bind_backend()
            self.subscriptions.append(subscription)
        self._source = SourceReader(self, self._iterator, self)
        self._source.start(f"{self.name} source")

    def abandon(self) -> None:
        for subscription in self.subscriptions:
            subscription.closed = self.closed
            subscription.incomplete = not self._state.ended
        self._source.request_stop()
        self._wake_receivers()

    def on_taken(self) -> None:
        self._source.wake()

    def _finish(self) -> None:
        del self._source  # which holds the block
        self.subscriptions.clear()  # and so do these

    def _wake_receivers(self) -> None:
        for subscription in self.subscriptions:
            subscription.wake_receiver()

    def on_left(self) -> None:
        """Read on, if it was this reader who held the source back; or no more."""
        if all(queue.left for queue in self._state.queues):
            self._state.ended = True
            self._source.stop()
        else:
            self.on_taken()

    # The source.

    def has_room(self) -> bool:
        """Tell whether the source may be asked for one more item."""
        return self._state.has_room()

    def put(self, item: T) -> bool:
        """Put an *item* into its lanes; tell whether there is room for one more."""
        try:
            self._state.share(item)
        except BaseException as error:
            if not is_deliverable(error):
                raise
            self.fail(without_stop(error))
            self._source.request_stop()
        else:
            self._wake_receivers()
        return self._state.has_room()

    def end(self) -> None:
        """Hear that the source has no more items."""
        self._state.ended = True
        self._wake_receivers()

    def fail(self, error: BaseException) -> None:
        """Hear that the source raised *error*, in the place of its next item."""
        self._state.fail(error)
        self._wake_receivers()
