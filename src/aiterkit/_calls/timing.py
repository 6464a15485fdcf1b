"""When a call may start, and how long it may take: `paced` and `timed`."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine
from math import inf
from typing import Any, ParamSpec, TypeVar, overload
from weakref import WeakKeyDictionary

from anyio import Event, current_time, move_on_after, sleep
from anyio.lowlevel import RunVar

from aiterkit._calls.function import (
    check_func,
    is_awaitable,
    like,
    name_of,
    options_by_name,
    result_of,
)
from aiterkit._core.arguments import positive
from aiterkit._core.checks import check_count

P = ParamSpec("P")
R = TypeVar("R")


def timed(
    func: Callable[P, Awaitable[R]], /, seconds: float
) -> Callable[P, Coroutine[Any, Any, R]]:
    """Return *func* as one that raises `TimeoutError` after so many *seconds*.

    The time runs from the start of the call, and not while an item waits for one. A
    call that takes longer is cancelled. One that will not be cancelled, such as
    a thread, is waited for, and what it returns then is returned.

    Examples:
        >>> async def fetch(url):
        ...     await anyio.sleep(5)
        >>> await timed(fetch, 2)("a")
        Traceback (most recent call last):
        TimeoutError: fetch() took longer than 2 seconds

    Guarantees:
        An error that *func* raises, a `TimeoutError` too, is raised as it is.

    Args:
        func: An async function.
        seconds: How long a call may take, more than 0. `math.inf` is no limit.

    Raises:
        TypeError: If *func* cannot be called or *seconds* is no number; and by the
            call, if *func* is not async.
        ValueError: If *seconds* is not more than 0.
    """
    check_func("timed", func)
    limit = positive("seconds", seconds)

    async def call(*args: P.args, **options: P.kwargs) -> R:
        with move_on_after(limit):
            result = func(*args, **options)
            if not is_awaitable(result):
                raise TypeError(
                    f"timed() needs an async function, since it can cut short only "
                    f"what waits; for a blocking one use "
                    f'timed(offloaded(func, to="process"), {limit}) (func returned '
                    f"{type(result).__name__!r}, which cannot be awaited)"
                )
            return await result
        raise TimeoutError(f"{name_of(func)}() took longer than {limit} seconds")

    return like(func, call)


@overload
def paced(
    func: Callable[P, Awaitable[R]], /, *, per_second: float, burst: int = 1
) -> Callable[P, Coroutine[Any, Any, R]]: ...
@overload
def paced(
    func: Callable[P, Awaitable[R] | R], /, *, per_second: float, burst: int = 1
) -> Callable[P, Coroutine[Any, Any, R]]: ...
@options_by_name("per_second", "burst")
def paced(
    func: Callable[..., Any], /, *, per_second: float, burst: int = 1
) -> Callable[..., Coroutine[Any, Any, Any]]:
    """Return *func* as one whose calls start at most so many times *per_second*.

        urls                                         (abc|)
        amap(paced(fetch(1), per_second=0.5), urls)  -a-b-(c|)

    A call that comes too soon waits for its turn. What has started is not
    held back: how many calls run at once is another question, and that is ``limit``.

    Examples:
        >>> async def fetch(url):
        ...     return f"{url} at {anyio.current_time()}"
        >>> fetch = paced(fetch, per_second=2)
        >>> await concurrent_collect(fetch, "abc", limit=3)
        ['a at 0.0', 'b at 0.5', 'c at 1.0']

    Guarantees:
        In any *t* seconds, at most ``burst + per_second * t`` calls start.
        Calls start in the order in which they were made.
        A call that is cancelled while it waits takes nobody's turn.
        The pace belongs to the function that is returned: whoever calls it
        shares it. Each event loop has a pace of its own.

    Args:
        func: Any function; what it returns is awaited if it can be. The one
            returned is async in any case.
        per_second: How many calls may start in a second, more than 0.
        burst: How many may start at once after a pause, at least 1.

    Raises:
        TypeError: If *func* cannot be called, *per_second* is no number or *burst* is
            no integer.
        ValueError: If *per_second* is not more than 0, or *burst* is less than 1.
    """
    check_func("paced", func)
    pace = _Pace(
        positive("per_second", per_second),
        check_count(burst, name="burst", least=1),
    )

    async def call(*args: Any, **options: Any) -> Any:
        await pace.turns().take_one()
        return await result_of(func(*args, **options))

    return like(func, call)


class _Bucket:
    """When the next call may start.

    Starts are counted, not summed up, so that the last of many is as exact as the
    first: number *n* since the bucket was full may start when *n* - *burst* + 1
    more have come in.
    """

    __slots__ = ("_burst", "_full_at", "_per_second", "_started")

    def __init__(self, per_second: float, burst: int) -> None:
        self._per_second = per_second
        self._burst = burst
        self._full_at = -inf
        self._started = 0

    @property
    def due(self) -> float:
        """The time of the next start."""
        return self._full_at + (self._started + 1 - self._burst) / self._per_second

    def start(self, now: float) -> None:
        """Note a start, which must not come before it is due."""
        # Not if it has just become full: counting on is the exact way then.
        if now > self._full_at + self._started / self._per_second:
            self._full_at = now
            self._started = 0
        self._started += 1


class _Turns:
    """Who waits to start, in order. Only the first of them looks at the clock."""

    __slots__ = ("_bucket", "_waiting")

    def __init__(self, bucket: _Bucket) -> None:
        self._bucket = bucket
        # A dict would search for its first key past all that were deleted.
        self._waiting: OrderedDict[Event, None] = OrderedDict()

    async def take_one(self) -> None:
        """Return as soon as the caller may start; at once, if it may now."""
        bucket, waiting = self._bucket, self._waiting
        now = current_time()
        if not waiting and now >= bucket.due:
            bucket.start(now)
            return
        turn = Event()
        waiting[turn] = None
        try:
            if next(iter(waiting)) is not turn:
                await turn.wait()
            # More than once, since a timer may be early by the clock's resolution.
            while (now := current_time()) < bucket.due:  # noqa: ASYNC110 - a time, no event
                await sleep(bucket.due - now)
            bucket.start(now)
        finally:
            del waiting[turn]
            if waiting:
                next(iter(waiting)).set()


class _Pace:
    """The pace of one function, which is another one in each event loop.

    Their clocks have nothing in common, and a task of one cannot wake one of another.
    """

    __slots__ = ("__weakref__", "_burst", "_per_second")

    def __init__(self, per_second: float, burst: int) -> None:
        self._per_second = per_second
        self._burst = burst

    def turns(self) -> _Turns:
        """Return the turns of the running event loop."""
        try:
            known = _turns.get()
        except LookupError:
            known = WeakKeyDictionary[_Pace, _Turns]()
            _turns.set(known)
        turns = known.get(self)
        if turns is None:
            turns = known[self] = _Turns(_Bucket(self._per_second, self._burst))
        return turns


# One for all functions, so that a loop that goes on does not keep those that are gone.
_turns = RunVar[WeakKeyDictionary[_Pace, _Turns]]("aiterkit.paced")
