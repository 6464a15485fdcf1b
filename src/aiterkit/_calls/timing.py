"""When a call may start, and how long it may take: `paced` and `timed`."""

from collections import OrderedDict
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
)
from contextlib import aclosing
from importlib import import_module
from math import inf
from types import CoroutineType
from typing import Any, NoReturn, ParamSpec, TypeAlias, TypeVar, overload
from weakref import WeakKeyDictionary

from anyio import Event, current_time, move_on_after, sleep
from anyio.lowlevel import RunVar

from aiterkit._calls.function import (
    check_change,
    is_async_generator,
    is_awaitable,
    like,
    options_by_name,
    result_of,
)
from aiterkit._core.checks import (
    check_callable,
    check_count,
    check_positive,
    name_of,
    refuse_coroutine,
    shortened,
)

Exact: TypeAlias = Any
"""An int or a `fractions.Fraction`, whose module is loaded only when one is needed."""

P = ParamSpec("P")
R = TypeVar("R")


def timed(
    func: Callable[P, Awaitable[R]], /, seconds: float
) -> Callable[P, Coroutine[Any, Any, R]]:
    """Wrap *func* so that a call longer than *seconds* raises `TimeoutError`.

    The time runs from the start of the call, not while an item waits for one. A call
    that takes longer is cancelled. One that cannot be cancelled, such as a thread, is
    waited for and its result returned.

    Examples:
        >>> async def fetch(url):
        ...     await anyio.sleep(5)
        >>> await timed(fetch, 2)("a")
        Traceback (most recent call last):
        TimeoutError: fetch() took longer than 2 seconds

    Guarantees:
        An error that *func* raises, a `TimeoutError` too, is raised as it is.

    Args:
        func: An async function. For an async generator function, see `atimeout`.
        seconds: How long a call may take, more than 0. `math.inf` is no limit.

    Raises:
        TypeError: If *func* cannot be called or *seconds* is not a number; and by the
            call, if *func* is not async.
        ValueError: If *seconds* is not more than 0.
    """
    check_change("timed", func)
    limit = check_positive(seconds, name="seconds")
    if is_async_generator(func):
        raise TypeError(_IS_GENERATOR.format(name_of(func), limit))

    async def call(*args: P.args, **options: P.kwargs) -> R:
        with move_on_after(limit):
            result = func(*args, **options)
            if not is_awaitable(result):
                _refuse(func, result, limit)
            return await result
        raise TimeoutError(f"{name_of(func)}() took longer than {limit} seconds")

    return like(func, call)


_IS_GENERATOR = (
    "timed() limits a call, and {0} is an async generator function, whose items are "
    "waited for one by one: use atimeout({0}(...), {1}) instead"
)


def _refuse(func: Callable[..., Any], result: object, limit: float) -> NoReturn:
    """Raise an error that says why *func*, which returned *result*, is refused."""
    name = name_of(func)
    if isinstance(result, AsyncIterator):
        raise TypeError(_IS_GENERATOR.format(name, limit))
    raise TypeError(
        f"timed() needs an async function, since it can cut short only what waits; "
        f'for a blocking one use timed(offloaded({name}, to="process"), {limit}) '
        f"({name} returned {type(result).__name__!r}, which cannot be awaited)"
    )


@overload
def paced(
    func: Callable[P, Awaitable[R]],
    /,
    *,
    per_second: float,
    burst: int = 1,
    cost: Callable[..., float] | None = None,
) -> Callable[P, Coroutine[Any, Any, R]]: ...
# What returns an `AsyncIterator` matches the last overload too, as what returns an R.
@overload
def paced(  # type: ignore[overload-overlap]  # pyright: ignore[reportOverlappingOverload]
    func: Callable[P, AsyncIterator[R]],
    /,
    *,
    per_second: float,
    burst: int = 1,
    cost: Callable[..., float] | None = None,
) -> Callable[P, AsyncGenerator[R]]: ...
@overload
def paced(
    func: Callable[P, Awaitable[R] | R],
    /,
    *,
    per_second: float,
    burst: int = 1,
    cost: Callable[..., float] | None = None,
) -> Callable[P, Coroutine[Any, Any, R]]: ...
@options_by_name("per_second", "burst", "cost")
def paced(
    func: Callable[..., Any],
    /,
    *,
    per_second: float,
    burst: int = 1,
    cost: Callable[..., float] | None = None,
) -> Any:
    """Wrap *func* to limit how many of its calls start per second.

        urls                                         (abc|)
        amap(paced(fetch(1), per_second=0.5), urls)  -a-b-(c|)

    A call that comes too soon waits for its turn. What has started is not held back:
    how many calls run at once is up to ``limit``. An async generator function waits
    before its first item.

    With *cost*, a call takes as much of the budget as *cost* returns for its arguments:
    tokens per minute, or bytes per second. Without it, each call costs 1.

    Examples:
        >>> async def fetch(url):
        ...     return f"{url} at {anyio.current_time()}"
        >>> fetch = paced(fetch, per_second=2)
        >>> await concurrent_collect(fetch, "abc", limit=3)
        ['a at 0.0', 'b at 0.5', 'c at 1.0']
        >>> async def ask(prompt):
        ...     return f"{prompt} after {anyio.current_time() - begin} s"
        >>> ask = paced(ask, per_second=2, burst=4, cost=len)
        >>> begin = anyio.current_time()
        >>> await concurrent_collect(ask, ["abcd", "ab", "a"], limit=3)
        ['abcd after 0.0 s', 'ab after 1.0 s', 'a after 1.5 s']

    Guarantees:
        In any *t* seconds, the calls that start cost at most
        ``burst + per_second * t``.
        Calls start in the order in which they were made, so an expensive one is not
        delayed by cheap ones that came later.
        A call that is cancelled while it waits delays no other and costs nothing.
        The pace belongs to the function that is returned: all its callers share it.
        Each event loop has a pace of its own.

    Args:
        func: Any function; what it returns is awaited if it can be. The wrapper is
            async in any case.
        per_second: How much may start in a second, more than 0.
        burst: How much may start at once after a pause, at least 1.
        cost: A sync function that takes the arguments of a call and returns what it
            costs, from 0 to *burst*.

    Raises:
        TypeError: If *func* or *cost* cannot be called, *per_second* is not a number or
            *burst* is not an int; and by the call, if its cost is not a number.
        ValueError: If *per_second* is not more than 0, or *burst* is less than 1; and
            by the call, if its cost is not from 0 to *burst*.
    """
    check_change("paced", func)
    rate = check_positive(per_second, name="per_second")
    most = check_count(burst, name="burst", least=1)
    if cost is not None:
        check_callable(cost, name="cost")
    pace = _Pace(rate, most)

    async def take(args: tuple[Any, ...], options: dict[str, Any]) -> None:
        amount = 1 if cost is None else _amount(cost(*args, **options), most, func)
        await pace.turns().take(amount)

    if is_async_generator(func):

        async def items(*args: Any, **options: Any) -> AsyncGenerator[Any]:
            await take(args, options)
            async with aclosing(func(*args, **options)) as source:
                async for item in source:
                    yield item

        return like(func, items)

    async def call(*args: Any, **options: Any) -> Any:
        await take(args, options)
        return await result_of(func(*args, **options))

    return like(func, call)


def _amount(cost: Any, most: int, func: Callable[..., Any], /) -> Exact:
    """Return the *cost* of a call of *func* as an exact number, from 0 to *most*."""
    if type(cost) is CoroutineType:
        refuse_coroutine(cost, name="cost")
    if isinstance(cost, bool) or not isinstance(cost, int | float):
        raise TypeError(f"cost must return a number, not {shortened(cost)}")
    if 0 <= cost <= most:
        whole = int(cost)
        return whole if whole == cost else import_module("fractions").Fraction(cost)
    raise ValueError(
        f"the cost of a call of {name_of(func)}() must be from 0 to "
        f"burst={most}, not {shortened(cost)}: a larger burst allows larger costs"
    )


class _Bucket:
    """A token bucket: when the next call may start.

    The costs are added up in exact numbers, so that the last of many calls starts as
    exactly as the first: once *spent* - *burst* + *cost* has come in since the bucket
    was full.
    """

    __slots__ = ("_burst", "_full_at", "_per_second", "_spent")

    def __init__(self, per_second: float, burst: int) -> None:
        self._per_second = per_second
        self._burst = burst
        self._full_at = -inf  # when the bucket was full for the last time
        self._spent: Exact = 0  # since then

    def due(self, cost: Exact) -> float:
        """Return when a call of such a *cost* may start."""
        ahead: float = (self._spent + cost - self._burst) / self._per_second
        return self._full_at + ahead

    def start(self, now: float, cost: Exact) -> None:
        """Note a start, which must not come before it is due."""
        # At the very moment when it is full again, counting on is the exact way.
        if now > self._full_at + self._spent / self._per_second:
            self._full_at = now
            self._spent = 0
        self._spent += cost


class _Turns:
    """The calls that wait to start, in order. Only the first looks at the clock."""

    __slots__ = ("_bucket", "_waiting")

    def __init__(self, bucket: _Bucket) -> None:
        self._bucket = bucket
        # A dict would search for its first key past all deleted ones.
        self._waiting: OrderedDict[Event, None] = OrderedDict()

    async def take(self, cost: Exact) -> None:
        """Return as soon as the caller may start; at once, if it may now."""
        bucket, waiting = self._bucket, self._waiting
        now = current_time()
        if not waiting and now >= bucket.due(cost):
            bucket.start(now, cost)
            return
        turn = Event()
        waiting[turn] = None
        try:
            if next(iter(waiting)) is not turn:
                await turn.wait()
            # More than once, since a timer may be early by the clock's resolution.
            while (now := current_time()) < (due := bucket.due(cost)):  # noqa: ASYNC110 - a time, no event
                await sleep(due - now)
            bucket.start(now, cost)
        finally:
            del waiting[turn]
            if waiting:
                next(iter(waiting)).set()


class _Pace:
    """The pace of one function, which is separate in each event loop.

    Event loops have no common clock, and a task of one cannot wake a task of another.
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


# One for all functions, so that a running loop does not keep deleted ones alive.
_turns = RunVar[WeakKeyDictionary[_Pace, _Turns]]("aiterkit.paced")
