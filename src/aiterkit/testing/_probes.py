"""Sources and functions that remember what was done with them.

They are classes, not generators: garbage collection closes a generator, and so
hides that nothing else did.
"""

import inspect
import math
import sys
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
    Sequence,
)
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Generic, Literal, NoReturn, TypeAlias, cast, overload

import anyio
from anyio import lowlevel

if sys.version_info >= (3, 13):  # pragma: no cover - each Python takes one of both
    from typing import TypeVar
else:  # pragma: no cover - anyio itself needs typing_extensions there
    from typing_extensions import TypeVar

# `CallProbe(seconds=1)` does not say what its items are, so it fits any function.
T = TypeVar("T", default=Any)
R = TypeVar("R", default=Any)

Outcome: TypeAlias = Literal["running", "returned", "raised", "cancelled"]
"""How a call ended, if it did."""

Ending: TypeAlias = Literal[
    "not begun", "running", "returned", "closed", "raised", "cancelled"
]
"""How an async generator ended, if it did."""

Held: TypeAlias = (
    Literal["timeout", "task group"]
    | Callable[[Any], AbstractAsyncContextManager[AsyncIterable[Any]]]
)
"""What a source can hold across its ``yield``."""


class ProbeError(Exception):
    """What a probe raises where it is to fail, if no other error was given.

    Examples:
        >>> source = SourceProbe("ab", fail_at=1)
        >>> await anext(source)
        'a'
        >>> await anext(source)
        Traceback (most recent call last):
        aiterkit.testing.ProbeError: pull 1 was set to fail
    """


@dataclass(frozen=True, slots=True)
class _Task:
    number: int
    name: str


def _current_task() -> _Task:
    """Return the task that runs; outside any event loop, a stand-in for it."""
    try:
        task = anyio.get_current_task()
    except RuntimeError:
        return _Task(0, "no task")
    return _Task(task.id, task.name or "a task")


class _Cleanups:
    """Which cleanups of a probe ran in full."""

    def __init__(self) -> None:
        self.cleanups: int = 0
        self.full_cleanups: int = 0
        self.cut_cleanups: int = 0

    def assert_cleaned_up(self) -> None:
        """Fail unless every cleanup that has begun ran in full."""
        left = self.cleanups - self.full_cleanups - self.cut_cleanups
        if self.cut_cleanups or left:
            raise AssertionError(
                f"of {self.cleanups} cleanups, {self.cut_cleanups} were cut short "
                f"and {left} have not ended"
            )

    async def _clean_up(self, seconds: float | None) -> None:
        """Clean up in several waits, as people do in a ``finally``: unshielded."""
        self.cleanups += 1
        try:
            if seconds is not None:
                await anyio.sleep(seconds / 2)
                await lowlevel.checkpoint()
                await anyio.sleep(seconds / 2)
        except BaseException:
            self.cut_cleanups += 1
            raise
        self.full_cleanups += 1


class _SourceRecord(Generic[T]):
    """What both source probes count, and say about it."""

    def __init__(self) -> None:
        self.pulls: int = 0
        self.overlapping_pulls: int = 0
        self.pulls_after_end: int = 0
        self.pulls_after_close: int = 0
        self.closes: int = 0
        self.taken: list[T] = []
        self.ended: bool = False
        self._pulled_by: list[_Task] = []
        self._closed_by: list[_Task] = []

    @property
    def pulled_by(self) -> list[str]:
        """The names of the tasks that pulled, in order, each once."""
        return [task.name for task in dict.fromkeys(self._pulled_by)]

    @property
    def closed_by(self) -> list[str]:
        """The names of the tasks that closed it, one for each time."""
        return [task.name for task in self._closed_by]

    def assert_closed_once(self) -> None:
        """Fail unless the source was closed, and only once."""
        if self.closes != 1:
            raise AssertionError(f"closed {self.closes} times, not once")

    def assert_never_closed(self) -> None:
        """Fail if the source was closed."""
        if self.closes:
            raise AssertionError(f"closed {self.closes} times, by {self.closed_by}")

    def assert_one_reader(self) -> None:
        """Fail unless all pulls and closes came from one task."""
        tasks = list(dict.fromkeys([*self._pulled_by, *self._closed_by]))
        if len(tasks) > 1:
            names = [task.name for task in tasks]
            raise AssertionError(f"pulled and closed by {len(tasks)} tasks: {names}")

    def assert_well_used(self) -> None:
        """Fail if pulls overlapped, or came after the end or a close."""
        faults = {
            "pulls overlapped": self.overlapping_pulls,
            "pulls came after the end": self.pulls_after_end,
            "pulls came after it was closed": self.pulls_after_close,
            "closes came after the first": max(0, self.closes - 1),
        }
        found = [f"{count} {fault}" for fault, count in faults.items() if count]
        if found:
            raise AssertionError(", ".join(found))

    def _note_pull(self) -> bool:
        """Count a pull; return whether there can be an item."""
        self.pulls += 1
        self._pulled_by.append(_current_task())
        self.pulls_after_end += self.ended
        self.pulls_after_close += self.closes > 0
        return not self.ended and not self.closes

    def _note_overlap(self) -> None:
        self.overlapping_pulls += 1

    def _note_end(self) -> None:
        self.ended = True

    def _note_close(self) -> None:
        self.closes += 1
        self._closed_by.append(_current_task())


class SourceProbe(_SourceRecord[T], _Cleanups, AsyncIterator[T]):
    """An async source that counts what is done with it, and can misbehave.

    Examples:
        >>> source = SourceProbe("abc", gap=1)
        >>> [item async for item in source]
        ['a', 'b', 'c']
        >>> source.pulls, source.taken, source.closes
        (4, ['a', 'b', 'c'], 0)
        >>> await source.aclose()
        >>> source.assert_closed_once()

    Args:
        items: What it yields. It is read an item per pull, so it may be endless.
        gap: How many seconds a pull takes: one number for all items, or one for
            each pull, the last being the end. 0 lets other tasks run; None does
            not suspend at all.
        fail_at: The number of the pull, from 0, that raises.
        error: What that pull raises. Without *fail_at*, it comes after the
            last item, in the place of the end.
        hang_at: The number of the pull that never returns.
        cleanup: How many seconds a pull takes to clean up when it is cancelled, in a
            ``finally`` that is not shielded. With ``math.inf`` it never ends.
        close_delay: How many seconds `aclose` takes, not shielded either. With
            ``math.inf`` it never returns.
        ignore_cancel_once: Whether the first cancellation of a pull is
            swallowed: the pull goes on waiting.

    Attributes:
        pulls: How often it was asked for an item.
        taken: The items that it gave.
        overlapping_pulls: How many pulls came while another was running.
        pulls_after_end: How many came after the end, or an error.
        pulls_after_close: How many came after it was closed.
        cancelled_pulls: How many were cancelled.
        closes: How often it was closed.
        closes_while_pulled: How often that was in the middle of a pull.
        cleanups: How many cleanups began: of cancelled pulls, and closes.
        full_cleanups: How many of them ran in full.
        cut_cleanups: How many were cut short, by a cancellation for example.
        ended: Whether it has given its end, or failed.
    """

    def __init__(
        self,
        items: Iterable[T],
        /,
        *,
        gap: float | Iterable[float] | None = 0.0,
        fail_at: int | None = None,
        error: BaseException | None = None,
        hang_at: int | None = None,
        cleanup: float | None = None,
        close_delay: float | None = None,
        ignore_cancel_once: bool = False,
    ) -> None:
        super().__init__()
        _Cleanups.__init__(self)
        self.cancelled_pulls: int = 0
        self.closes_while_pulled: int = 0
        self._items = iter(items)
        self._gap = iter(gap) if isinstance(gap, Iterable) else gap
        self._fail_at = fail_at
        self._error = error
        self._hang_at = hang_at
        self._cleanup = cleanup
        self._close_delay = close_delay
        self._ignore_cancel = ignore_cancel_once
        self._pulling = 0
        self._given = 0

    def __aiter__(self) -> "SourceProbe[T]":
        return self

    async def __anext__(self) -> T:
        if not self._note_pull():
            raise StopAsyncIteration
        if self._pulling:
            self._note_overlap()
        self._pulling += 1
        try:
            await self._wait()
            item = self._next_item()
        except StopAsyncIteration:
            self._note_end()
            raise
        except anyio.get_cancelled_exc_class():
            self.cancelled_pulls += 1
            await self._clean_up(self._cleanup)
            raise
        except BaseException:
            self._note_end()
            raise
        finally:
            self._pulling -= 1
        self._given += 1
        self.taken.append(item)
        return item

    async def aclose(self) -> None:
        """Close the source."""
        self._note_close()
        self.closes_while_pulled += self._pulling > 0
        await self._clean_up(self._close_delay)

    async def _wait(self) -> None:
        if self._given == self._hang_at:
            await self._sleep(math.inf)
        if isinstance(self._gap, Iterator):
            await self._sleep(next(self._gap, 0.0))
        elif self._gap is not None:
            await self._sleep(self._gap)

    async def _sleep(self, seconds: float) -> None:
        await self._sleep_until(anyio.current_time() + seconds)

    async def _sleep_until(self, time: float) -> None:
        try:
            await anyio.sleep_until(time)
        except anyio.get_cancelled_exc_class():
            if not self._ignore_cancel:
                raise
            self._ignore_cancel = False
            with anyio.CancelScope(shield=True):
                await anyio.sleep_until(time)

    def _next_item(self) -> T:
        if self._given == self._fail_at:
            raise self._error or ProbeError(f"pull {self._given} was set to fail")
        try:
            return next(self._items)
        except StopIteration:
            if self._error is not None and self._fail_at is None:
                raise self._error from None
            raise StopAsyncIteration from None


class HoldingProbe(AsyncIterable[T]):
    """An async generator that holds a timeout, a task group or a block.

    It reads *source* inside an ``async with``, yields its items from there, and
    closes it. So while it is suspended at its ``yield``, the task that reads it is
    inside what it holds. It is stopped without harm only if the task that reads it
    also closes it, and if it is cancelled only in the middle of a read.

    Examples:
        >>> from aiterkit import concurrent_buffer
        >>> source = SourceProbe(range(9), gap=None)
        >>> holding = HoldingProbe(source, "task group")
        >>> async with concurrent_buffer(holding, 2) as items:
        ...     print(await anext(items))
        0
        >>> holding.ending
        'closed'
        >>> source.assert_closed_once()

        It can hold a block of any library:

        >>> holding = HoldingProbe(source, lambda it: concurrent_buffer(it, 2))

    Args:
        source: Any async iterable; a `SourceProbe`, to see how that was treated.
        held: ``"timeout"``, which never expires; ``"task group"``, with a
            task that runs until the group is left; or a function that takes *source*
            and returns a block whose value gives the items.

    Attributes:
        ending: ``"not begun"``, ``"running"``, or how it ended: it has ``"returned"``
            at the end of *source*, was ``"closed"`` or ``"cancelled"``, or
            ``"raised"`` an error.
    """

    def __init__(self, source: AsyncIterable[T], /, held: Held = "task group") -> None:
        self.ending: Ending = "not begun"
        self._source = source
        self._held: Held = held

    async def __aiter__(self) -> AsyncGenerator[T, None]:
        self.ending = "running"
        ending: Ending = "raised"
        try:
            async with self._open() as items:
                try:
                    async for item in items:
                        yield item
                    ending = "returned"
                except GeneratorExit:
                    # A task group would wrap it:
                    # https://github.com/python/cpython/issues/135736
                    ending = "closed"
        except anyio.get_cancelled_exc_class():
            ending = "cancelled"
            raise
        finally:
            self.ending = ending

    def _open(self) -> AbstractAsyncContextManager[AsyncIterable[T]]:
        if self._held == "timeout":
            return self._within_timeout()
        if self._held == "task group":
            return self._within_task_group()
        return self._held(self._source)

    @asynccontextmanager
    async def _within_timeout(self) -> AsyncGenerator[AsyncIterable[T], None]:
        with anyio.fail_after(_NEVER_UP):
            async with _closed_after(self._source) as items:
                yield items

    @asynccontextmanager
    async def _within_task_group(self) -> AsyncGenerator[AsyncIterable[T], None]:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.sleep, math.inf)
            try:
                async with _closed_after(self._source) as items:
                    yield items
            finally:
                tasks.cancel_scope.cancel()


_NEVER_UP = 1e9
"""How many seconds a timeout takes that is never up."""


@asynccontextmanager
async def _closed_after(
    source: AsyncIterable[T],
) -> AsyncGenerator[AsyncIterator[T], None]:
    """Close *source*, if that is possible, once it has been read."""
    items: Any = aiter(source)
    if not hasattr(items, "aclose"):
        yield items
        return
    async with aclosing(items):
        yield items


class SyncSourceProbe(_SourceRecord[T], Iterator[T]):
    """A sync source that counts what is done with it.

    Examples:
        >>> source = SyncSourceProbe("abc")
        >>> [item for item, _ in zip(source, range(2))]
        ['a', 'b']
        >>> source.pulls
        3
        >>> source.close()
        >>> source.assert_closed_once()

    Args:
        items: What it yields, read an item per pull.
        fail_at: The number of the pull, from 0, that raises.
        error: What that pull raises. Without *fail_at*, it comes after the
            last item, in the place of the end.
        closable: Whether it has a ``close`` method, as generators have.

    Attributes:
        pulls: How often it was asked for an item.
        taken: The items that it gave.
        pulls_after_end: How many pulls came after the end, or an error.
        pulls_after_close: How many came after it was closed.
        closes: How often it was closed.
        ended: Whether it has given its end, or failed.
    """

    close: Callable[[], None]

    def __init__(
        self,
        items: Iterable[T],
        /,
        *,
        fail_at: int | None = None,
        error: BaseException | None = None,
        closable: bool = True,
    ) -> None:
        super().__init__()
        self._items = iter(items)
        self._fail_at = fail_at
        self._error = error
        if closable:
            self.close = self._note_close

    def __iter__(self) -> "SyncSourceProbe[T]":
        return self

    def __next__(self) -> T:
        if not self._note_pull():
            raise StopIteration
        try:
            item = self._next_item()
        except BaseException:
            self._note_end()
            raise
        self.taken.append(item)
        return item

    def _next_item(self) -> T:
        given = len(self.taken)
        if given == self._fail_at:
            raise self._error or ProbeError(f"pull {given} was set to fail")
        try:
            return next(self._items)
        except StopIteration:
            if self._error is not None and self._fail_at is None:
                raise self._error from None
            raise


@dataclass(frozen=True, slots=True)
class Span(Generic[T]):
    """One call: its item, when it began and ended, and how it ended.

    Examples:
        >>> call = CallProbe(str.upper, seconds=2)
        >>> await call("a")
        'A'
        >>> call.spans
        [Span(item='a', start=0.0, end=2.0, outcome='returned')]

    Attributes:
        item: What the function was called with.
        start: When the call began.
        end: When it ended; infinite while it runs.
        outcome: How it ended.
    """

    item: T
    start: float
    end: float = math.inf
    outcome: Outcome = "running"


class CallProbe(_Cleanups, Generic[T, R]):
    """An async function that remembers its calls, and how they overlapped.

    Examples:
        >>> fetch = CallProbe(str.upper, seconds=2)
        >>> async def fetch_both() -> None:
        ...     async with anyio.create_task_group() as tasks:
        ...         tasks.start_soon(fetch, "a")
        ...         tasks.start_soon(fetch, "b")
        >>> await fetch_both()
        >>> fetch.max_overlap
        2
        >>> fetch.assert_never_exceeds(2)
        >>> print(fetch.render())
        a  ==
        b  ==

    Args:
        func: What is called with the item, sync or async; by default the item
            itself is the result.
        seconds: How long a call takes before *func* is called: a number, or a
            function of the item. 0 lets other tasks run; None does not suspend.
        cleanup: How many seconds a cancelled call takes to end. With ``math.inf`` it
            never does.
        shielded: Whether that cleanup is shielded from further cancellation. If not,
            it is what people write: a ``finally`` with an ``await`` in it.

    Attributes:
        spans: All calls, in the order in which they started.
        running: How many are running.
        max_overlap: How many ran at once, at most.
        ends: The items of the calls that ended, in the order in which they did.
        cleanups: How many cancelled calls began to clean up.
        full_cleanups: How many of them did so in full.
        cut_cleanups: How many cleanups were cut short, by a cancellation for example.
    """

    @overload
    def __init__(
        self,
        func: Callable[[T], Awaitable[R]],
        /,
        *,
        seconds: float | Callable[[T], float] | None = 0.0,
        cleanup: float = 0.0,
        shielded: bool = True,
    ) -> None: ...

    @overload
    def __init__(
        self,
        func: Callable[[T], Awaitable[R] | R] | None = None,
        /,
        *,
        seconds: float | Callable[[T], float] | None = 0.0,
        cleanup: float = 0.0,
        shielded: bool = True,
    ) -> None: ...

    def __init__(
        self,
        func: Callable[[T], Awaitable[R] | R] | None = None,
        /,
        *,
        seconds: float | Callable[[T], float] | None = 0.0,
        cleanup: float = 0.0,
        shielded: bool = True,
    ) -> None:
        super().__init__()
        self.spans: list[Span[T]] = []
        self.running: int = 0
        self.max_overlap: int = 0
        self.ends: list[T] = []
        self._func = func
        self._seconds = seconds
        self._cleanup = cleanup
        self._shielded = shielded
        _look_like_a_coroutine_function(self, getattr(func, "__name__", "call"))

    async def __call__(self, item: T, /) -> R:
        number = len(self.spans)
        self.spans.append(Span(item, anyio.current_time()))
        self.running += 1
        self.max_overlap = max(self.max_overlap, self.running)
        outcome: Outcome = "raised"
        try:
            result = await self._call(item)
            outcome = "returned"
        except anyio.get_cancelled_exc_class():
            outcome = "cancelled"
            with anyio.CancelScope(shield=self._shielded):
                await self._clean_up(self._cleanup or None)
            raise
        else:
            return result
        finally:
            self.running -= 1
            self.ends.append(item)
            end = anyio.current_time()
            self.spans[number] = replace(self.spans[number], end=end, outcome=outcome)

    async def _call(self, item: T) -> R:
        seconds = self._seconds(item) if callable(self._seconds) else self._seconds
        if seconds is not None:
            await anyio.sleep(seconds)
        if self._func is None:
            return cast("R", item)
        result: Any = self._func(item)
        if inspect.isawaitable(result):
            result = await result
        return cast("R", result)

    @property
    def starts(self) -> list[T]:
        """The items of all calls, in the order in which they started."""
        return [span.item for span in self.spans]

    @property
    def cancelled(self) -> list[T]:
        """The items of the calls that were cancelled."""
        return [span.item for span in self.spans if span.outcome == "cancelled"]

    def assert_never_exceeds(self, limit: int, /) -> None:
        """Fail if more than *limit* calls ran at once."""
        if self.max_overlap > limit:
            self._fail(f"{self.max_overlap} calls ran at once, more than {limit}")

    def assert_attains(self, limit: int, /) -> None:
        """Fail unless *limit* calls ran at once, at some time."""
        if self.max_overlap < limit:
            self._fail(f"only {self.max_overlap} calls ran at once, not {limit}")

    def assert_all_ended(self) -> None:
        """Fail if a call is still running."""
        left = [span.item for span in self.spans if span.outcome == "running"]
        if left:
            self._fail(f"{len(left)} calls still run: {left}")

    def _fail(self, message: str) -> NoReturn:
        raise AssertionError(f"{message}\n{self.render()}")

    def render(self, *, tick: float = 1.0) -> str:
        """Draw the calls, a row for each item, a column for each *tick*.

        ``=`` the call runs, ``;`` it was cancelled, ``!`` it raised, ``>`` it
        still runs, ``.`` it took no time.
        """
        rows = span_rows(self.spans, tick=tick)
        width = max((len(name) for name in rows), default=0)
        return "\n".join(f"{name.ljust(width)}  {row}" for name, row in rows.items())


_MARKS: dict[Outcome, str] = {
    "running": ">",
    "returned": "",
    "raised": "!",
    "cancelled": ";",
}


def span_rows(
    spans: Sequence[Span[Any]], *, tick: float = 1.0, start: float = 0.0
) -> dict[str, str]:
    """Draw *spans*, those of equal items in one row, from *start* on."""
    rows: dict[str, str] = {}
    for span in spans:
        first = int((span.start - start) / tick)
        last = first if span.end == math.inf else int((span.end - start) / tick)
        drawn = "=" * (last - first) + _MARKS[span.outcome] or "."
        row = rows.get(str(span.item), "").ljust(first)
        rows[str(span.item)] = row[:first] + drawn + row[first + len(drawn) :]
    return rows


def _look_like_a_coroutine_function(probe: CallProbe[Any, Any], name: str) -> None:
    """Make `inspect.iscoroutinefunction` true of *probe*."""

    async def call(item: object, /) -> object:  # pragma: no cover - never called
        return await probe(item)

    # What has all these is taken for a function, and judged by its code.
    functionlike: dict[str, Any] = {
        "__name__": name,
        "__qualname__": name,
        "__code__": call.__code__,
        "__defaults__": None,
        "__kwdefaults__": None,
        "__annotations__": {},
    }
    vars(probe).update(functionlike)
