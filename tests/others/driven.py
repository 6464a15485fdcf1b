"""How a sequential operator of ours can stand where a synchronous iterator is tested.

Over synchronous sources a sequential operator never suspends, so each of its items can
be fetched without an event loop: one step of the coroutine, which must end there.
"""

import functools
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, Self

import aiterkit as ak


class Counter:
    """How often the running test has called an operator of ours."""

    calls = 0


def finished(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Return the result of *coroutine*, which may not suspend."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return end.value
    coroutine.close()
    raise AssertionError("a sequential operator suspended over a synchronous source")


class Driven(Iterator[Any]):
    """The items of an asynchronous generator, one step for each."""

    def __init__(self, items: AsyncGenerator[Any]) -> None:
        self._items = items

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        Counter.calls += 1
        step = self._items.__anext__()
        try:
            step.send(None)  # pyright: ignore[reportAttributeAccessIssue,reportUnknownMemberType] - of a generator, it has one
        except StopIteration as end:
            return end.value
        except StopAsyncIteration:
            raise StopIteration from None
        raise AssertionError("a sequential operator suspended")


class Async(AsyncIterator[Any]):
    """A synchronous iterable as an asynchronous one that never suspends."""

    def __init__(self, source: Any) -> None:
        self._items = iter(source)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        try:
            return next(self._items)
        except StopIteration:
            raise StopAsyncIteration from None


Operator = Callable[..., Any]


def driven(operator: Operator) -> Operator:
    """Return *operator* as a function that gives a synchronous iterator."""

    @functools.wraps(operator)
    def drive(*args: Any, **options: Any) -> Driven:
        Counter.calls += 1
        return Driven(operator(*args, **options))

    return drive


def awaited(operator: Operator) -> Operator:
    """Return *operator*, a coroutine function, as a function."""

    @functools.wraps(operator)
    def drive(*args: Any, **options: Any) -> Any:
        Counter.calls += 1
        return finished(operator(*args, **options))

    return drive


def counted(operator: Operator) -> Operator:
    """Return *operator* as it is, but for the count of its calls."""

    @functools.wraps(operator)
    def call(*args: Any, **options: Any) -> Any:
        Counter.calls += 1
        return operator(*args, **options)

    return call


def _groups(source: Any, key: Any = None) -> Iterator[tuple[Any, Driven]]:
    Counter.calls += 1
    return _Groups(ak.agroupby(source, key))


class _Groups(Driven):
    def __next__(self) -> tuple[Any, Driven]:
        key, group = super().__next__()
        return key, Driven(group)


def _copies(source: Any, n: int = 2) -> tuple[Driven, ...]:
    Counter.calls += 1
    return tuple(Driven(copy) for copy in ak.atee(source, n))


def _best(operator: Operator) -> Operator:
    best = awaited(operator)

    # The builtin takes its items one by one as well; ours takes a source alone.
    @functools.wraps(operator)
    def drive(*args: Any, **options: Any) -> Any:
        return best(*([args] if len(args) > 1 else args), **options)

    return drive


class Chain:
    """`achain` and `aflatten`, under the names of itertools."""

    from_iterable = staticmethod(driven(ak.aflatten))

    def __new__(cls, *sources: Any) -> Any:
        """Return the items of all *sources*."""
        return driven(ak.achain)(*sources)


BUILTINS: dict[str, Operator] = {
    "all": awaited(ak.aall),
    "any": awaited(ak.aany),
    "enumerate": driven(ak.aenumerate),
    "filter": driven(ak.afilter),
    "map": driven(ak.amap),
    "max": _best(ak.amax),
    "min": _best(ak.amin),
    "reduce": awaited(ak.areduce),
    "sorted": awaited(ak.asorted),
    "sum": awaited(ak.asum),
    "zip": driven(ak.azip),
}
ITERTOOLS: dict[str, Operator] = {
    "accumulate": driven(ak.aaccumulate),
    "batched": driven(ak.abatched),
    "chain": Chain,
    "compress": driven(ak.acompress),
    "cycle": driven(ak.acycle),
    "dropwhile": driven(ak.adropwhile),
    "filterfalse": driven(ak.afilterfalse),
    "groupby": _groups,
    "islice": driven(ak.aislice),
    "pairwise": driven(ak.apairwise),
    "starmap": driven(ak.astarmap),
    "takewhile": driven(ak.atakewhile),
    "tee": _copies,
    "zip_longest": driven(ak.azip_longest),
}
