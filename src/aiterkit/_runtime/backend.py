"""How one task waits for another: the cheapest wait that each backend has.

Readers and workers alternate so often that an `anyio.Event` for each turn would cost
more than the turns themselves. So only this module, `backend_asyncio` and
`backend_trio` know which backend runs.
"""

import sys
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context
from functools import partial
from types import TracebackType
from typing import Any, NamedTuple, Protocol, Self, TypeAlias, TypeVar, cast

from anyio import (
    CapacityLimiter,
    TaskHandle,
    get_cancelled_exc_class,
    get_current_task,
)

Waiter: TypeAlias = Awaitable[object]
"""A wait that happens once: one task awaits it, any task may end it.

The task that will wait makes it, and awaits it without any step in between. A
cancelled wait is over, and ending it again does nothing.
"""


Wrap: TypeAlias = Callable[[Callable[[Any], Any]], Callable[[Any], Any]]
"""A decorator: it takes a function of one argument and returns another."""


class Cancellable(Protocol):
    """A task that its block cancels at most once."""

    native: Any
    """The backend's own task; None until it has begun."""

    handle: Any
    """The handle that its group returned."""

    cancellations: int
    """How many cancellations had reached it before its block cancelled it."""

    def cancel_at_every_wait(self) -> None:
        """Cancel it as anyio does: this wait, and each one after it."""
        ...

    def shield(self) -> None:
        """Keep cancellations away from its next waits."""
        ...


class Scope(Protocol):
    """A cancel scope, of anyio or of the backend itself."""

    @property
    def shield(self) -> bool:
        """Whether cancellations from around it do not reach what runs in it."""
        ...

    @shield.setter
    def shield(self, value: bool, /) -> None: ...

    @property
    def cancel_called(self) -> bool:
        """Whether it has been cancelled."""
        ...

    def cancel(self) -> None:
        """Cancel what runs in it, at every wait."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> bool | None: ...


class Handle(Protocol):
    """What a group returns for a task that it has started."""

    @property
    def status(self) -> TaskHandle.Status:
        """Whether it runs, and how it ended."""
        ...

    def cancel(self) -> None:
        """Cancel it at every wait."""
        ...


class Group(Protocol):
    """A group of tasks, of anyio or of the backend itself."""

    @property
    def cancel_scope(self) -> Scope:
        """The scope around all of its tasks, once it is entered."""
        ...

    def create_task(
        self,
        coro: Coroutine[Any, Any, None],
        *,
        name: object = None,
        context: Context | None = None,
    ) -> Handle:
        """Start a task."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> bool | None: ...


class Backend(NamedTuple):
    """How tasks wait on the backend that runs, and how they are cancelled."""

    make_waiter: Callable[[], Waiter]
    """Return a wait for the current task."""

    end_wait: Callable[[Any], None]
    """End a wait that *make_waiter* made. Only the first time counts."""

    wait_until: Callable[[Any, float], Awaitable[object]]
    """Await a wait that *make_waiter* made, but no longer than until a time.

    A cancel scope of anyio can do this as well, but costs more than the wait.
    """

    now: Callable[[], float]
    """Return the time, as `anyio.current_time` does.

    That looks up the running backend each time, and it is paid per item.
    """

    turn_trap: object
    """What a task yields to its loop to let others run once."""

    turn: Awaitable[object]
    """The same, to be awaited, again and again."""

    call_user: Callable[[Callable[[Any], Any], Any], Any] | None
    """Call a function of the user with an argument, so that Ctrl-C can interrupt it.

    On Trio our own code is protected from Ctrl-C, and so would be what it calls. None
    where there is no such protection.
    """

    await_user: Callable[[Callable[[], Any]], Any] | None
    """The same for the steps of what a function returns, which are to be awaited."""

    steps_of_user: Callable[[Any], Any] | None
    """The same for the steps of a coroutine. If it never begins, it is to be closed."""

    on_entered: Callable[[], None]
    """Note that the current task has entered the task group of a block."""

    current_task: Callable[[], object]
    """Return the task that runs now."""

    make_group: Callable[[], Group]
    """Return a task group for a block. `anyio.create_task_group` takes longer."""

    make_scope: Callable[[], Scope]
    """Return a cancel scope, in a third of the time that `anyio.CancelScope` takes."""

    cancelled: type[BaseException]
    """The class of cancellations."""

    cancel_once: Callable[[Cancellable], None]
    """Cancel one wait of a task, and no other after it."""

    count_cancellations: Callable[[Cancellable], int]
    """Count the native cancellations that have reached a task."""

    is_resumed_by_block: Callable[[Cancellable, object], bool | None]
    """Return whether a task that was cancelled once is resumed by that cancellation.

    Its argument is what the task is resumed with: an error on asyncio, and on Trio
    what Trio sends. False means that something else has cancelled it in the same turn,
    such as a scope inside the task; None means that nothing was cancelled.
    """

    cancel_in_checkpoint: Callable[[object, Any], object | None] | None
    """Return what a cancelled task must yield to be cancelled where it is, or None.

    Its arguments are what the task is resumed with, and its coroutine. The field itself
    is None on a backend where no task needs this.
    """

    may_shield: Callable[[Cancellable, Any], bool] | None
    """Return whether a task that has been cancelled may be shielded already.

    Its arguments are the task and its coroutine. The field itself is None on a backend
    where it always may.
    """

    def interruptible(self, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        """Return *function*, which is the user's, so that Ctrl-C can interrupt it."""
        if self.call_user is None:
            return function
        return partial(self.call_user, function)


ThingT = TypeVar("ThingT", bound=Callable[..., object])

STAND_INS: set[object] = set()
"""Functions and classes of ours that Ctrl-C may interrupt as it may the user's code."""


def stands_for_user(thing: ThingT) -> ThingT:
    """Let Ctrl-C interrupt *thing*, which does little but call the user's code.

    It must hold nothing that another task relies on when the block goes on.
    """
    STAND_INS.add(thing)
    return thing


class BoundFunction:
    """A method that is looked up as a plain Python function, not as a bound method."""

    def __init__(self, method: Callable[..., object]) -> None:
        self.method = method

    def __get__(self, instance: object, _owner: object = None, /) -> Any:
        return self.method if instance is None else self.bind(instance)

    def bind(self, instance: object) -> Callable[..., object]:
        """Return a plain Python function that calls the method of *instance*."""
        method = self.method

        def bound(*args: object) -> object:
            return method(instance, *args)

        return bound


def in_one_step(method: ThingT) -> ThingT:
    """Let no Ctrl-C come between the call of an ``__aexit__`` and its first step.

    CPython handles signals right after it has called a bound method. An interrupt there
    would drop the coroutine, so the block would never be left. After a call of a plain
    Python function, CPython does not handle signals.
    """
    return cast("ThingT", BoundFunction(method))


class SpinPolicy:
    """Whether a task yields once before it parks.

    Among tasks that are all busy, what a task waits for is there after one turn of the
    others, and a turn costs less than a wait that another task must end. If it is not
    there, the next 1, 3, 7, … 63 waits park at once.
    """

    __slots__ = ("_skip_length", "_to_skip", "is_eager")

    LONGEST_SKIP = 63

    def __init__(self) -> None:
        # True while every yield pays off. Then `should_yield` would return True, and
        # `paid_off` would change nothing, so hot loops skip both calls.
        self.is_eager: bool = True
        # How many waits park at once after a wasted yield; it grows with each.
        self._skip_length: int = 0
        # How many waits still park at once before the next yield.
        self._to_skip: int = 0

    def should_yield(self) -> bool:
        """Decide for one wait."""
        if self._to_skip:
            self._to_skip -= 1
            return False
        return True

    def paid_off(self) -> None:
        """Note that after the last yield the wait was over."""
        self._skip_length = 0
        self.is_eager = True

    def wasted(self) -> None:
        """Note that after the last yield there was still nothing."""
        self.is_eager = False
        self._skip_length = min(2 * self._skip_length + 1, self.LONGEST_SKIP)
        self._to_skip = self._skip_length


def current_backend() -> Backend:
    """Return how tasks wait on the backend that runs now.

    Its module is loaded only now, since Trio need not be installed and asyncio takes
    long to load.
    """
    cancelled = get_cancelled_exc_class()
    running_backend = _known.get(cancelled)
    if running_backend is None:
        running_backend = _known[cancelled] = _load(cancelled)
    return running_backend()


def _load(cancelled: type[BaseException]) -> Callable[[], Backend]:
    name = cancelled.__module__.partition(".")[0]
    if name == "asyncio":
        from aiterkit._runtime import backend_asyncio  # noqa: PLC0415

        return backend_asyncio.running_backend
    if name == "trio":
        from aiterkit._runtime import backend_trio  # noqa: PLC0415

        return backend_trio.running_backend
    raise NotImplementedError(  # pragma: no cover - anyio has no third backend yet
        "aiterkit runs on asyncio and on Trio"
    )


_known: dict[type[BaseException], Callable[[], Backend]] = {}
"""What returns a backend, by its class of cancellations."""


def holds_token(limiter: CapacityLimiter) -> bool:
    """Return whether the current task itself holds a token of *limiter*."""
    borrowers = limiter.statistics().borrowers
    return any(id(borrower) == get_current_task().id for borrower in borrowers)


# An error tells whether it is a cancellation, and whose. Where asyncio is not loaded,
# none is one of asyncio.


def asyncio_cancelled() -> Any:
    """Return `asyncio.CancelledError`, or no class at all if asyncio is not loaded."""
    return getattr(sys.modules.get("asyncio"), "CancelledError", ())


def is_cancelled(error: BaseException) -> bool:
    """Return whether *error* is a cancellation of this task.

    If not, a `CancelledError` is an error like others. On asyncio any code may raise
    one: by awaiting what was cancelled elsewhere, or by cancelling the calling task.
    """
    if not isinstance(error, get_cancelled_exc_class()):
        return False
    if not isinstance(error, asyncio_cancelled()):
        return True  # Trio raises its own for no other reason
    task = sys.modules["asyncio"].current_task()
    return task is not None and task.cancelling() > 0 and not is_native_cancel(error)


def is_native_cancel(error: BaseException) -> bool:
    """Return whether *error* comes from `asyncio.Task.cancel`, not from a cancel scope.

    A scope cancels at every wait until it is left, but a task is cancelled once.
    """
    if not isinstance(error, asyncio_cancelled()):
        return False
    return cancelled_scope(error) is None


def cancelled_scope(error: BaseException) -> str | None:
    """Return the id of the anyio scope that raised *error*, in hexadecimal, if any."""
    reason = error.args[0] if error.args else None
    if isinstance(reason, str) and reason.startswith(_BY_SCOPE):
        return reason.partition(" scope ")[2].partition(" ")[0].rstrip(";")
    return None


_BY_SCOPE = ("Cancelled via cancel scope ", "Cancelled by cancel scope ")


def repeat_cancel(error: BaseException) -> None:
    """Repeat a native cancellation of this task, whose *error* was caught.

    The count of cancellations stays as it is, since `asyncio.timeout` relies on it. A
    scope cancels at every wait, so it needs no repetition; repeated, its cancellation
    might outlive the scope.
    """
    if not is_native_cancel(error):
        return
    task: Any = sys.modules["asyncio"].current_task()
    task.uncancel()
    task.cancel(*error.args[:1])
