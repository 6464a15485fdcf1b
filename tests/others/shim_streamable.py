"""The tests of streamable, with our operators under its streams.

Its `stream` stays, and says what is to be done; what does it, on asyncio, is ours. An
error does not end a stream of streamable, so our maps pass on outcomes, `Ok` and `Err`,
which the reader gets as values and as errors. Its source distribution lacks the helpers
of its tests, so here are others by the same names.
"""

import asyncio
import contextlib
import gc
import importlib
import sys
import time
from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Generator,
    Iterable,
)
from concurrent.futures import Executor
from inspect import iscoroutinefunction
from random import random
from types import ModuleType
from typing import Any, Self

import aiterkit as ak

from .driven import Async, counted

END = object()


def _failed(outcome: object) -> bool:
    return isinstance(outcome, ak.Err)


class _Outcomes(AsyncIterator[Any]):
    """The items of *source* as `Ok`, and its errors, which do not end it, as `Err`."""

    def __init__(self, source: Any) -> None:
        self._items = aiter(source)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        try:
            return ak.Ok(await anext(self._items))
        except StopAsyncIteration:
            raise
        except Exception as error:  # noqa: BLE001 - it is the reader's
            return ak.Err(error)


class _Values(AsyncIterator[Any]):
    """The opposite of `_Outcomes`."""

    def __init__(self, outcomes: Any) -> None:
        self._outcomes = outcomes

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        outcome: Any = await anext(self._outcomes)
        if _failed(outcome):
            raise outcome.error
        return outcome.value


class _Pumped(AsyncIterator[Any]):
    """What a block gives, which a task of its own enters, reads and leaves.

    The tests run each step of a stream in another task, which may not enter a block.
    """

    def __init__(self, block: Any) -> None:
        self._block = block
        self._task: asyncio.Task[None] | None = None
        self._asked: asyncio.Queue[None] = asyncio.Queue()
        self._given: asyncio.Queue[Any] = asyncio.Queue()

    def __aiter__(self) -> Self:
        return self

    async def _pump(self) -> None:
        async with self._block as results:
            while True:
                await self._asked.get()
                await self._given.put(await anext(results, END))

    async def __anext__(self) -> Any:
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._pump())
        await self._asked.put(None)
        given = asyncio.ensure_future(self._given.get())
        await asyncio.wait([given, self._task], return_when="FIRST_COMPLETED")
        if not given.done():
            given.cancel()
            self._task.result()
        if given.result() is END:
            raise StopAsyncIteration
        return given.result()


def _captured(func: Any) -> Any:
    """Call *func* with what succeeded, and pass on what failed."""
    captured: Any = ak.captured  # what *func* takes, no checker can tell
    call: Any = captured(func)

    async def pass_on(outcome: Any) -> Any:
        return outcome if _failed(outcome) else await call(outcome.value)

    return pass_on


def _map(
    into: Any, source: Any, *, concurrency: Any, as_completed: bool = False
) -> AsyncIterator[Any]:
    if isinstance(concurrency, Executor):
        raise NotImplementedError("an executor")
    if concurrency == 1:
        call = _captured(into if iscoroutinefunction(into) else _asyncified(into))
        return _Values(counted(ak.amap)(call, _Outcomes(source)))
    call = _captured(into if iscoroutinefunction(into) else ak.offloaded(into))
    ours = ak.concurrent_map_unordered if as_completed else ak.concurrent_map
    return _Values(
        _Pumped(counted(ours)(call, _Outcomes(source), limit=concurrency, buffer=0))
    )


def _flatten(source: Any, *, concurrency: int) -> AsyncIterator[Any]:
    def inner(outcome: Any) -> Any:
        if _failed(outcome):
            return [outcome]
        value = outcome.value
        if not isinstance(value, (Iterable, AsyncIterable)):
            text = f"flatten expects iterables but got: {value}"
            return [ak.Err(TypeError(text))]
        return _Outcomes(_async(value))

    if concurrency == 1:
        return _Values(counted(ak.aflat_map)(inner, _Outcomes(source)))
    block = counted(ak.concurrent_flat_map)(inner, _Outcomes(source), limit=concurrency)
    return _Values(_Pumped(block))


def _buffer(source: Any, up_to: int) -> AsyncIterator[Any]:
    return _Values(_Pumped(counted(ak.concurrent_buffer)(_Outcomes(source), up_to)))


def _group(source: Any, up_to: int | None, *, within: Any, by: Any) -> Any:
    if by is not None:
        raise NotImplementedError("groups by a key")
    size = sys.maxsize if up_to is None else up_to
    if within is None:
        return counted(ak.amap)(list, ak.abatched(source, size))
    seconds: float = within.total_seconds()
    block = counted(ak.concurrent_batched)(source, size, within=seconds)
    return ak.amap(list, _Pumped(block))


def _filter(where: Any, source: Any) -> Any:
    return counted(ak.afilter)(where, source)


def _not(where: Any) -> Any:
    async def call(item: Any) -> bool:
        kept: Any = where(item)
        return not (await kept if isinstance(kept, Awaitable) else kept)

    return call


def _skip(source: Any, *, until: Any) -> Any:
    if callable(until):
        return counted(ak.adropwhile)(_not(until), source)
    return counted(ak.aislice)(source, until, None)


def _take(source: Any, *, until: Any) -> Any:
    if callable(until):
        return counted(ak.atakewhile)(_not(until), source)
    return counted(ak.aislice)(source, until)


def _asyncified(func: Any) -> Any:
    async def call(item: Any) -> Any:
        return func(item)

    return call


def _async(source: Any) -> AsyncIterator[Any]:
    # A generator would end with the first error of *source*, which may go on.
    return aiter(source) if hasattr(source, "__aiter__") else Async(source)


def install() -> None:
    """Put our operators into streamable, and stand-ins for its helpers in place."""
    vars(importlib.import_module("streamable._afunctions")).update(
        map=_map,
        flatten=_flatten,
        buffer=_buffer,
        group=_group,
        filter=_filter,
        skip=_skip,
        take=_take,
    )
    stream: Any = importlib.import_module("streamable").stream
    to_sync: Any = importlib.import_module("streamable._tools._iter")
    # Of its two ways to run, the one without an event loop has no operator of ours.

    def read(self: Any) -> Any:
        return to_sync.AsyncToSyncIterator(aiter(self))

    stream.__iter__ = read
    for name, contents in _helpers(stream).items():
        module = ModuleType(name)
        vars(module).update(contents, __path__=[])
        sys.modules[name] = module


# What follows stands in for the helpers that its tests import and that it leaves out.

SLEEP = 0.01


def _loop() -> asyncio.AbstractEventLoop:
    with contextlib.suppress(RuntimeError):
        if not (loop := asyncio.get_event_loop()).is_closed():
            return loop
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    return loop


def _read(items: Any, itype: Any) -> list[Any]:
    if itype is Iterable:
        return list(items)

    async def read() -> list[Any]:
        return [item async for item in items]

    return _loop().run_until_complete(read())


def _open(items: Any, itype: Any) -> Any:
    return iter(items) if itype is Iterable else aiter(items)


def _step(items: Any, itype: Any) -> Any:
    if itype is Iterable:
        return next(items)
    return _loop().run_until_complete(items.__anext__())


def _end(itype: Any) -> type[Exception]:
    return StopIteration if itype is Iterable else StopAsyncIteration


def _identity(item: Any) -> Any:
    return item


def _square(item: int) -> int:
    return item**2


def _inverse(item: float) -> float:
    return 1 / item


def _briefly(_item: Any) -> float:
    return SLEEP


def _at_random(_item: Any) -> float:
    return random() * SLEEP / 10


def _sleeping(func: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return _sleep_then(func, _at_random)


def _inverse_or_zero(item: float) -> float:
    return 1 / item if item else 0


def _sleep_then(func: Callable[[Any], Any], seconds: Any) -> Callable[[Any], Any]:
    def call(item: Any) -> Any:
        time.sleep(seconds(item))
        return func(item)

    return call


def _await_then(func: Callable[[Any], Any], seconds: Any) -> Callable[[Any], Any]:
    async def call(item: Any) -> Any:
        await asyncio.sleep(seconds(item))
        return func(item)

    return call


def _slowed(func: Callable[[Any], Any]) -> Callable[[Any], Any]:
    async def call(item: Any) -> Any:
        await asyncio.sleep(random() * SLEEP / 10)
        return await func(item)

    return call


def _without_arguments(func: Callable[[], Any]) -> Callable[[], Any]:
    async def call() -> Any:
        return func()

    return call


def _throw(error: type[Exception]) -> Callable[[Any], Any]:
    def call(_item: Any) -> Any:
        raise error

    return call


@contextlib.contextmanager
def _without_gc() -> Generator[None]:
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


async def _count(items: Any) -> int:
    return await ak.alen(items)


async def _timed(
    make: Callable[[], Awaitable[Any]], times: int = 1
) -> tuple[float, Any]:
    start = time.perf_counter()
    results = [await make() for _ in range(times)]
    return (time.perf_counter() - start) / times, results[-1]


class _Error(Exception):
    """An error of a test."""


def _helpers(stream: Any) -> dict[str, dict[str, Any]]:
    count = 64
    integers = range(count)
    func: dict[str, Any] = {
        "identity": _identity,
        "square": _square,
        "inverse": _inverse,
        "async_identity": _asyncified(_identity),
        "async_square": _asyncified(_square),
        "identity_sleep": _sleep_then(_identity, _identity),
        "async_identity_sleep": _await_then(_identity, _identity),
        "inverse_sleep": _sleep_then(_inverse, _inverse_or_zero),
        "async_inverse_sleep": _await_then(_inverse, _inverse_or_zero),
        "slow_identity": _sleep_then(_identity, _briefly),
        "async_slow_identity": _await_then(_identity, _briefly),
        "SLOW_IDENTITY_DURATION": SLEEP,
        "randomly_slowed": _sleeping,
        "async_randomly_slowed": _slowed,
        "throw_func": _throw,
        "noarg_asyncify": _without_arguments,
    }
    return {
        "tests": {},
        "tests.tools": {},
        "tests.tools.error": {"TestError": _Error},
        "tests.tools.func": func,
        "tests.tools.gc": {"disabled_gc": _without_gc, "find_object": None},
        "tests.tools.iter": {
            "ITERABLE_TYPES": (Iterable, AsyncIterable),
            "IterableType": Any,
            "acount": _count,
            "aiter_or_iter": _open,
            "alist_or_list": _read,
            "anext_or_next": _step,
            "stopiteration_type": _end,
        },
        "tests.tools.source": {
            "N": count,
            "INTEGERS": integers,
            "ints": stream(integers),
        },
        "tests.tools.timing": {"time_coroutine": _timed},
    }
