"""What a law is made of: a map to try, a sentence, a test that can fail."""

import asyncio
import contextlib
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
)
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, cast

import anyio

from aiterkit.testing._explore import ScheduleError, explore
from aiterkit.testing._law_report import LawResult
from aiterkit.testing._probes import CallProbe
from aiterkit.testing._strategies import StrategyName
from aiterkit.testing._virtual import BackendName


class ConcurrentMapLike(Protocol):
    """What can be called like `aiterkit.concurrent_map`.

    For a map with another signature, wrap it in a function with this one.

    Examples:
        >>> import contextlib
        >>> @contextlib.asynccontextmanager
        ... async def one_by_one(func, source, /, *, limit):
        ...     yield (await func(item) async for item in source)
        >>> like: ConcurrentMapLike = one_by_one
        >>> check_laws(like, ordered=True, laws=["order"], schedules=1).holds
        True
    """

    def __call__(
        self,
        func: Callable[[Any], Awaitable[Any]],
        source: Any,
        /,
        *,
        limit: int,
    ) -> contextlib.AbstractAsyncContextManager[AsyncIterable[Any]]:
        """Return a block whose value gives the results."""
        ...


@dataclass(frozen=True)
class Subject:
    """What is tried, and what it is held to."""

    make: ConcurrentMapLike
    ordered: bool
    buffer: int | None

    def window(self, limit: int) -> int:
        """Return how many items may be between the source and the reader."""
        return limit + (limit if self.buffer is None else self.buffer)

    @contextlib.asynccontextmanager
    async def over(
        self, func: Callable[[Any], Awaitable[Any]], source: Any, limit: int
    ) -> AsyncGenerator[AsyncIterator[Any], None]:
        async with self.make(func, source, limit=limit) as results:
            yield aiter(results)

    async def read(
        self, func: Callable[[Any], Awaitable[Any]], source: Any, limit: int = 3
    ) -> list[Any]:
        """Return all results."""
        async with self.make(func, source, limit=limit) as results:
            return [result async for result in results]

    async def read_until_error(
        self, func: Callable[[Any], Awaitable[Any]], source: Any, limit: int = 3
    ) -> tuple[list[Any], BaseException | None]:
        """Return the results, and the error that ended the reading, or the block."""
        values: list[Any] = []
        seen: BaseException | None = None
        try:
            async with self.make(func, source, limit=limit) as results:
                try:
                    async for result in results:
                        values.append(result)  # noqa: PERF401 - they outlive an error
                except Exception as error:  # noqa: BLE001 - whatever it is
                    seen = error
        except Exception as error:  # noqa: BLE001 - whatever it is
            seen = seen or error
        return values, seen


PLENTY = 10_000.0
"""How many virtual seconds no call of the laws lasts."""


TURNS = 30
"""How many turns a map gets to start the calls that it may."""


LONG = 60.0
"""How many real seconds a law on cost may take: it has no clock that can tell."""


LawTest: TypeAlias = Callable[[Subject], Awaitable[None]]


@dataclass(frozen=True)
class Law:
    """A name, a sentence, and a test that fails if the sentence is wrong."""

    name: str
    says: str
    test: LawTest
    unordered_says: str | None = None
    touchy: bool = False
    counts: bool = False
    strict: bool = False

    def sentence(self, *, ordered: bool) -> str:
        return self.says if ordered else self.unordered_says or self.says

    def try_on(
        self, subject: Subject, backend: BackendName, *, schedules: int, seed: int
    ) -> LawResult:
        async def law() -> None:
            await self.test(subject)
            if not self.counts and not self.strict:
                # What it leaves behind breaks another law: it gets time to end.
                await anyio.sleep(PLENTY)

        law.__name__ = self.name
        strategies: tuple[StrategyName, ...] = ("random",)
        if self.touchy:
            strategies = ("random", "pct")
        broken_by: int | None = None
        cause: BaseException | None = None
        try:
            if self.counts:
                # Virtual time looks at each task's step, which would be counted.
                anyio.run(_in_time, law, backend=backend)
            else:
                for strategy in strategies:
                    explore(
                        law,
                        schedules=schedules,
                        backends=(backend,),
                        strategy=strategy,
                        seed=seed,
                    )
        except ScheduleError as error:
            broken_by, cause = error.seed, error.__cause__
        except Exception as error:  # noqa: BLE001 - it is in the report
            cause = error
        return LawResult(
            law=self.name,
            sentence=self.sentence(ordered=subject.ordered),
            backend=backend,
            holds=cause is None,
            seed=broken_by,
            message="" if cause is None else described(cause),
            cause=cause,
        )


async def _in_time(law: Callable[[], Awaitable[None]]) -> None:
    with anyio.fail_after(LONG):
        await law()


def described(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".removesuffix(": ")


def check(truth: object, message: str) -> None:
    # Not the statement, which python -O leaves out.
    if not truth:
        raise AssertionError(message)


class Planned(Exception):  # noqa: N818 - it is what the laws let fail
    """What a call or a source of the laws fails with."""


def unplanned(error: BaseException) -> BaseException | None:
    """Return the part of *error*, which may be a group, that was not planned."""
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        return next(filter(None, map(unplanned, group.exceptions)), None)
    return None if isinstance(error, Planned) else error


def is_on_asyncio() -> bool:
    """Return whether asyncio runs, where tasks can be cancelled natively."""
    return anyio.get_cancelled_exc_class() is asyncio.CancelledError


def failing(
    errors: dict[int, BaseException],
    seconds: Callable[[int], float],
    cleanup: float,
    *,
    shielded: bool = True,
) -> CallProbe[int, int]:
    """Return calls of which some fail."""

    def fail_or_not(item: int) -> int:
        if item in errors:
            raise errors[item]
        return item

    return CallProbe(fail_or_not, seconds=seconds, cleanup=cleanup, shielded=shielded)
