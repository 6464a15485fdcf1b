"""How an operator is compared with its twin in the standard library.

Both read sources that count. After each step there must be the same value or the
same error, and each source must have been asked for as many items; and both must
have called their function with the same arguments, in the same order. Nothing is
run by an event loop.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from itertools import cycle
from typing import Any, Generic, Literal, TypeAlias, TypeVar

from .driving import trap

T = TypeVar("T")

Trace: TypeAlias = list[tuple[object, ...]]
Kind: TypeAlias = Literal["async", "suspending", "sync"]
How: TypeAlias = Literal["plain", "async", "suspending"]


class Trouble(Exception):
    """What sources and functions raise in these tests."""


@dataclass(frozen=True)
class Items:
    """What a source gives."""

    items: tuple[Any, ...]
    fails_at: int = 99
    kind: Kind = "async"


class Counting(Generic[T]):
    """What all counting sources have in common."""

    def __init__(self, script: Items) -> None:
        self.script = script
        self.given = 0
        self.ended = False
        self.asked_after_end = False
        self.opened = 0
        self.closed = 0

    def pull(self) -> T:
        position = self.given
        self.asked_after_end |= self.ended
        if position == self.script.fails_at:
            self.ended = True
            raise Trouble(position)
        if position >= len(self.script.items):
            self.ended = True
            raise IndexError
        self.given += 1
        return self.script.items[position]  # type: ignore[no-any-return]

    @property
    def read(self) -> tuple[int, bool]:
        """How many items were taken, and whether the end was seen."""
        return (self.given, self.ended)

    def close(self) -> None:
        self.closed += 1

    async def aclose(self) -> None:
        self.closed += 1


class SyncCounting(Counting[T]):
    def __iter__(self) -> Iterator[T]:
        self.opened += 1
        return self

    def __next__(self) -> T:
        try:
            return self.pull()
        except IndexError:
            raise StopIteration from None


class AsyncCounting(Counting[T]):
    def __aiter__(self) -> AsyncIterator[T]:
        self.opened += 1
        return self

    async def __anext__(self) -> T:
        try:
            if self.script.kind == "suspending":
                await trap("source")
            return self.pull()
        except IndexError:
            raise StopAsyncIteration from None


class Function:
    """A function that records its calls, and can fail at one of them."""

    def __init__(
        self, func: Callable[..., Any], fails_at: int = 99, hows: tuple[How, ...] = ()
    ) -> None:
        self.func = func
        self.fails_at = fails_at
        self.hows = cycle(hows or ("plain",))
        self.calls: list[tuple[Any, ...]] = []

    def __call__(self, *args: Any) -> Any:
        self.calls.append(args)
        how = next(self.hows)
        if how != "plain":
            return self._later(len(self.calls), args, how)
        return self._now(len(self.calls), args)

    def _now(self, number: int, args: tuple[Any, ...]) -> Any:
        if number > self.fails_at:
            raise Trouble(number)
        return self.func(*args)

    async def _later(self, number: int, args: tuple[Any, ...], how: How) -> Any:
        if how == "suspending":
            await trap("function")
        return self._now(number, args)


def finish(awaitable: Awaitable[T]) -> T:
    """Run *awaitable* to its end, whatever it suspends for."""
    waiting = awaitable.__await__()
    try:
        while True:
            next(waiting)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]


def async_step(iterator: AsyncIterator[Any]) -> Callable[[], object]:
    """Return a function that takes the next item of *iterator*."""
    return lambda: finish(anext(iterator))


def outcome(step: Callable[[], object], end: type[Exception]) -> tuple[object, ...]:
    """Return what *step* does: a value, an error or the end."""
    try:
        value = step()
    except end:
        return ("end",)
    except Exception as error:  # noqa: BLE001 - what it is is compared
        return ("error", type(error).__name__)
    return ("value", type(value).__name__, repr(value))


def sync_trace(make: Callable[..., Any], scripts: list[Items], steps: int) -> Trace:
    """Trace the twin."""
    sources: list[Counting[Any]] = [SyncCounting(script) for script in scripts]
    return trace(sources, lambda: make(*sources), next, StopIteration, steps)


def async_trace(make: Callable[..., Any], scripts: list[Items], steps: int) -> Trace:
    """Trace the operator."""
    sources: list[Counting[Any]] = [
        (SyncCounting if script.kind == "sync" else AsyncCounting)(script)
        for script in scripts
    ]
    found = trace(
        sources,
        lambda: make(*sources),
        lambda made: finish(anext(made)),
        StopAsyncIteration,
        steps,
    )
    assert all(source.opened == 1 for source in sources) or found[0][0] == "error"
    assert not any(source.closed for source in sources)
    assert not any(source.asked_after_end for source in sources)
    return found


def trace(
    sources: list[Counting[Any]],
    make: Callable[[], Any],
    step: Callable[[Any], object],
    end: type[Exception],
    steps: int,
) -> Trace:
    """Step through what *make* returns, and record each step."""
    try:
        made = make()
    except Exception as error:  # noqa: BLE001 - what it is is compared
        return [("error", type(error).__name__)]
    events: Trace = []
    for _ in range(steps):
        event = outcome(lambda: step(made), end)
        events.append((*event, *(source.read for source in sources)))
        if event[0] != "value":
            break
    return events


def sync_result(make: Callable[..., Any], scripts: list[Items]) -> Trace:
    """Return what the twin returns, and how far it read."""
    sources: list[Counting[Any]] = [SyncCounting(script) for script in scripts]
    event = outcome(lambda: make(*sources), NotImplementedError)
    return [(*event, *(source.read for source in sources))]


def async_result(make: Callable[..., Any], scripts: list[Items]) -> Trace:
    """Return what the operator returns, and how far it read."""
    sources: list[Counting[Any]] = [
        (SyncCounting if script.kind == "sync" else AsyncCounting)(script)
        for script in scripts
    ]
    event = outcome(lambda: finish(make(*sources)), NotImplementedError)
    assert not any(source.closed for source in sources)
    assert not any(source.asked_after_end for source in sources)
    return [(*event, *(source.read for source in sources))]
