"""A call, changed: a function in, an async function out, and no task started.

What comes out has the name, the docstring and the parameters of what went in. It
is an async function in the eyes of `inspect` too, so it can be used wherever
one can, on both sides, and changed again.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from functools import partial, update_wrapper, wraps
from importlib import import_module
from inspect import iscoroutinefunction
from math import inf
from sys import version_info
from types import CoroutineType
from typing import Any, Generic, Literal, ParamSpec, TypeVar, cast, overload
from weakref import WeakKeyDictionary

from anyio import CapacityLimiter, Event, current_time, move_on_after, sleep
from anyio.lowlevel import RunVar

from aiterkit._core.call import needs_await
from aiterkit._core.checks import (
    check_count,
    check_exceptions,
    check_func,
    check_positive,
    name_of,
    shortened,
)
from aiterkit._core.clock import check_limiter

P = ParamSpec("P")
R = TypeVar("R")
E = TypeVar("E", bound=Exception)
F = TypeVar("F", bound=Callable[..., Any])
R_co = TypeVar("R_co", covariant=True)
E_co = TypeVar("E_co", bound=Exception, covariant=True)


# The slots of both outcomes are written out: those that `dataclass` makes break
# `Ok[int](1)` of a frozen class (https://github.com/python/cpython/issues/116669).


@dataclass(frozen=True)
class Ok(Generic[R_co]):
    """What a captured call returned.

    Examples:
        >>> match await captured(int)("3"):
        ...     case Ok(number):
        ...         print(number)
        3

    Attributes:
        value: The result.
    """

    __slots__ = ("value",)

    value: R_co

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.value,)


@dataclass(frozen=True, init=False)
class Err(Generic[E_co]):
    """What a captured call raised, and which call it was.

    Examples:
        >>> async for outcome in amap(captured(int), ["1", "x"]):
        ...     match outcome:
        ...         case Ok(number):
        ...             print(number)
        ...         case Err(error, [text]):
        ...             print(text, "failed:", error)
        1
        x failed: invalid literal for int() with base 10: 'x'

    Attributes:
        error: The exception, with its traceback.
        args: The positional arguments of the call: in a map, the item alone.
    """

    __slots__ = ("args", "error")

    error: E_co
    args: tuple[object, ...]

    def __init__(self, error: E_co, args: tuple[object, ...] = ()) -> None:
        object.__setattr__(self, "error", error)
        object.__setattr__(self, "args", args)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.error, self.args)


@overload
def captured(
    func: Callable[P, Awaitable[R]], /
) -> Callable[P, Coroutine[Any, Any, Ok[R] | Err[Exception]]]: ...
@overload
def captured(
    func: Callable[P, Awaitable[R]], exception: type[E], /, *exceptions: type[E]
) -> Callable[P, Coroutine[Any, Any, Ok[R] | Err[E]]]: ...
@overload
def captured(
    func: Callable[P, Awaitable[R] | R], /
) -> Callable[P, Coroutine[Any, Any, Ok[R] | Err[Exception]]]: ...
@overload
def captured(
    func: Callable[P, Awaitable[R] | R], exception: type[E], /, *exceptions: type[E]
) -> Callable[P, Coroutine[Any, Any, Ok[R] | Err[E]]]: ...
def captured(
    func: Callable[..., Any], /, *exceptions: type[Exception]
) -> Callable[..., Coroutine[Any, Any, Any]]:
    """Return *func* as one that returns `Ok` or `Err` and does not raise.

    For a map that goes on when a call fails. The error is returned as the result
    of its call, in its place, so no other call is cancelled for it.

    Examples:
        >>> async def fetch(url):
        ...     if url == "b":
        ...         raise ValueError("no such page")
        ...     return url.upper()
        >>> for outcome in await concurrent_collect(captured(fetch), "abc", limit=2):
        ...     print(outcome)
        Ok(value='A')
        Err(error=ValueError('no such page'), args=('b',))
        Ok(value='C')

    Guarantees:
        Cancellation is never captured; nor are `KeyboardInterrupt`, `SystemExit`
        and all else that is no `Exception`.

    Args:
        func: Any function; what it returns is awaited if it can be. The one
            returned is async in any case, but a *func* that blocks still does: see
            `offloaded`.
        *exceptions: What is captured, by default every `Exception`. Others are raised.

    Raises:
        TypeError: If *func* cannot be called, or one of the *exceptions* is no
            class of `Exception`.
    """
    _check_func("captured", func)
    usage = "captured(func, KeyError, OSError)"
    kinds = check_exceptions(exceptions, usage=usage) or (Exception,)

    async def call(*args: Any, **options: Any) -> Ok[Any] | Err[Exception]:
        try:
            return Ok(await _result(func(*args, **options)))
        except kinds as error:
            return Err(error, args)

    return _like(func, call)


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
    _check_func("timed", func)
    limit = check_positive(seconds, name="seconds")

    async def call(*args: P.args, **options: P.kwargs) -> R:
        with move_on_after(limit):
            result = func(*args, **options)
            if not _is_awaitable(result):
                raise TypeError(
                    f"timed() needs an async function, since it can cut short only "
                    f"what waits; for a blocking one use "
                    f'timed(offloaded(func, to="process"), {limit}) (func returned '
                    f"{type(result).__name__!r}, which cannot be awaited)"
                )
            return await result
        raise TimeoutError(f"{name_of(func)}() took longer than {limit} seconds")

    return _like(func, call)


def _options_by_name(*names: str) -> Callable[[F], F]:
    """Tell what was meant by a call that gives options by place, or no function."""

    def decorate(change: F) -> F:
        name = change.__name__

        @wraps(change)
        def checked(*args: Any, **options: Any) -> Any:
            if len(args) == 1:
                return change(*args, **options)
            given = dict(zip(names, args[1:], strict=False)) | options
            shown = [
                "func",
                *(f"{key}={shortened(value)}" for key, value in given.items()),
            ]
            raise TypeError(
                f"{name}() takes a function, and options by their names: "
                f"{name}({', '.join(shown)})"
            )

        return cast("F", checked)

    return decorate


@overload
def paced(
    func: Callable[P, Awaitable[R]], /, *, per_second: float, burst: int = 1
) -> Callable[P, Coroutine[Any, Any, R]]: ...
@overload
def paced(
    func: Callable[P, Awaitable[R] | R], /, *, per_second: float, burst: int = 1
) -> Callable[P, Coroutine[Any, Any, R]]: ...
@_options_by_name("per_second", "burst")
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
    _check_func("paced", func)
    pace = _Pace(
        check_positive(per_second, name="per_second"),
        check_count(burst, name="burst", least=1),
    )

    async def call(*args: Any, **options: Any) -> Any:
        await pace.turns().take_one()
        return await _result(func(*args, **options))

    return _like(func, call)


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


@_options_by_name("to", "limiter")
def offloaded(
    func: Callable[P, R],
    /,
    *,
    to: Literal["thread", "process", "interpreter"] = "thread",
    limiter: CapacityLimiter | None = None,
) -> Callable[P, Coroutine[Any, Any, R]]:
    """Return a blocking *func* as an async one, which runs it elsewhere.

    In a *thread*, it may wait for what it likes while the event loop goes on, and
    sees the context variables of its caller. In a *process* or an *interpreter*
    it may also compute in parallel, for it does not share the lock of this one; then
    *func*, its arguments and its result must be such as `pickle` can send, which a
    lambda is not, nor a function whose name was given to what `offloaded` returns.

    Examples:
        >>> async def main() -> list[int]:
        ...     return await concurrent_collect(offloaded(len), ["a", "bc"], limit=2)
        >>> anyio.run(main)
        [1, 2]

    Guarantees:
        A cancelled call ends only when *func* has. A process is killed for that. A
        thread or an interpreter cannot be stopped, so it is waited for, its result
        is returned, and the caller's next wait is the one that is cancelled; `timed`
        cannot cut it short.

    Args:
        func: A sync function.
        to: Where it runs.
        limiter: Bounds how many run at once, together with all else that has the same
            limiter; a call beyond that waits. By default, those of anyio: 40
            threads, and as many processes or interpreters as there are processors.

    Raises:
        RuntimeError: If *to* is ``"interpreter"`` and this Python has none.
        TypeError: If *func* cannot be called or is async, or *limiter* is no
            limiter.
        ValueError: If *to* is something else.
    """
    _check_func("offloaded", func)
    if iscoroutinefunction(func) or iscoroutinefunction(_dunder_call(func)):
        raise TypeError(_IS_ASYNC.format(name_of(func)))
    check_limiter(limiter)
    run = _runner(to)

    async def call(*args: P.args, **options: P.kwargs) -> R:
        result: R = await run(partial(func, *args, **options), limiter=limiter)
        return result

    return _like(func, call)


_IS_ASYNC = "offloaded() takes a sync function, and {} is async: use it as it is"


def _runner(to: str) -> Callable[..., Coroutine[Any, Any, Any]]:
    """Return what runs a function there, of a module that is loaded only now."""
    if to not in {"thread", "process", "interpreter"}:
        raise ValueError(
            f"to must be 'thread', 'process' or 'interpreter', not {shortened(to)}"
        )
    if to == "interpreter" and version_info < (3, 13):
        raise RuntimeError(
            f"to='interpreter' needs Python 3.13 or newer, "
            f"and this is {version_info.major}.{version_info.minor}"
        )
    run = import_module(f"anyio.to_{to}").run_sync
    if to == "thread":
        return partial(run, _block)
    return partial(run, cancellable=True) if to == "process" else partial(run)


def _block(work: partial[R], /) -> R:
    """Do *work* in a thread, the one place from where a coroutine could come back."""
    result = work()
    if isinstance(result, CoroutineType):
        result.close()  # or it would be said that nobody awaited it
        raise TypeError(_IS_ASYNC.format(name_of(work)))
    return result


def _is_awaitable(result: object, /) -> bool:
    return type(result) is CoroutineType or needs_await(result, set())


async def _result(result: Any, /) -> Any:
    return await result if _is_awaitable(result) else result


def _check_func(change: str, func: object, /) -> None:
    check_func(func, usage=f"{change}(func)")


def _unwrapped(func: Callable[..., Any], /) -> Any:
    while isinstance(func, partial):
        func = func.func
    return func


def _dunder_call(func: Callable[..., Any], /) -> Any:
    """Return what a call of a callable object calls."""
    return type(_unwrapped(func)).__call__


def _like(func: Callable[..., Any], call: F, /) -> F:
    """Give *call* the name, the docstring and the signature of *func*."""
    named = _unwrapped(func)
    if hasattr(named, "__name__"):
        update_wrapper(call, named)
    else:  # an object: what it holds is its own business
        look = ("__module__", "__name__", "__qualname__", "__doc__")
        kind = cast("Any", type(named))
        update_wrapper(call, kind, assigned=look, updated=())
    call.__dict__["__wrapped__"] = func  # all of it: a partial has another signature
    return call
