"""What a type checker infers for the wrappers."""

from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Coroutine,
)
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar, assert_never, assert_type

from anyio import CapacityLimiter

from aiterkit import (
    Err,
    Ok,
    amap,
    captured,
    concurrent_collect,
    concurrent_flat_map,
    concurrent_map,
    concurrent_map_unordered,
    offloaded,
    paced,
    timed,
)

T = TypeVar("T")


async def fetch(url: str, tries: int = 1, *, loud: bool = False) -> bytes:
    return url.encode() * tries * loud


def encode(url: str) -> bytes:
    return url.encode()


def started(url: str) -> Coroutine[Any, Any, bytes]:
    return fetch(url)


def promised(url: str) -> Awaitable[bytes]:
    return fetch(url)


def either(url: str) -> Awaitable[bytes] | bytes:
    return url.encode()


async def same(item: T) -> T:
    return item


async def nothing() -> int:
    return 0


async def pages(url: str, *, deep: bool = False) -> AsyncGenerator[int]:
    yield len(url) * deep


async def iterated(url: str) -> AsyncIterator[int]:
    yield len(url)


class Client:
    async def get(self, url: str) -> bytes:
        return url.encode()

    @captured
    async def head(self, url: str) -> bytes:
        return url.encode()


class Fetcher:
    async def __call__(self, url: str) -> bytes:
        return url.encode()


urls = ["a", "b"]


async def captured_gives_one_or_the_other() -> None:
    assert_type(await captured(fetch)("a"), Ok[bytes, str] | Err[Exception, str])
    assert_type(
        await captured(fetch, KeyError)("a"), Ok[bytes, str] | Err[KeyError, str]
    )
    assert_type(await captured(encode)("a"), Ok[bytes, str] | Err[Exception, str])
    assert_type(
        await captured(encode, OSError)("a"), Ok[bytes, str] | Err[OSError, str]
    )
    assert_type(await captured(started)("a"), Ok[bytes, str] | Err[Exception, str])
    assert_type(await captured(promised)("a"), Ok[bytes, str] | Err[Exception, str])
    assert_type(await captured(either)("a"), Ok[bytes, str] | Err[Exception, str])
    assert_type(await captured(Client().get)("a"), Ok[bytes, str] | Err[Exception, str])
    assert_type(await captured(Fetcher())("a"), Ok[bytes, str] | Err[Exception, str])
    assert_type(await captured(nothing)(), Ok[int] | Err[Exception])
    await captured(fetch, KeyError, OSError)("a")


async def an_outcome_is_told_apart() -> None:
    outcome = await captured(fetch, OSError)("a")
    match outcome:
        case Ok(value, args):
            assert_type(value, bytes)
            assert_type(args, tuple[object, ...])
        case Err(error, args):
            assert_type(error, OSError)
            assert_type(args, tuple[object, ...])
    if isinstance(outcome, Ok):
        assert_type(outcome.value, bytes)
    else:
        assert_type(outcome.error, OSError)


def two_cases_are_all(outcome: Ok[bytes, str] | Err[OSError, str]) -> str:
    match outcome:
        case Ok(page):
            return page.decode()
        case Err(error):
            return f"{outcome.item.upper()}: {error}"


def two_cases_are_all_without_an_item(outcome: Ok[bytes] | Err[Exception]) -> str:
    match outcome:
        case Ok(page):
            return page.decode()
        case Err(error):
            return str(error)


def nothing_is_left(outcome: Ok[bytes, str] | Err[OSError, str]) -> None:
    match outcome:
        case Ok():
            assert_type(outcome.item, str)
        case Err():
            assert_type(outcome.item, str)
        case _:
            assert_never(outcome)


async def outcomes_of_an_async_generator() -> None:
    async for outcome in captured(pages)("a", deep=True):
        assert_type(outcome, Ok[int, str] | Err[Exception, str])
    async for outcome in captured(iterated, OSError)("a"):
        assert_type(outcome, Ok[int, str] | Err[OSError, str])
    async with concurrent_flat_map(captured(pages), urls, limit=2) as outcomes:
        assert_type(await anext(outcomes), Ok[int, str] | Err[Exception, str])


def outcomes_are_covariant(
    good: Ok[bool, bool], bad: Err[FileNotFoundError, bool]
) -> tuple[Ok[int, int], Err[OSError, int]]:
    return good, bad


def the_item_may_be_left_out(
    good: Ok[bool, str], bad: Err[FileNotFoundError, str]
) -> tuple[Ok[int], Err[OSError]]:
    return good, bad


async def parameters_are_kept() -> None:
    assert_type(
        await captured(fetch)("a", 2, loud=True), Ok[bytes, str] | Err[Exception, str]
    )
    assert_type(await timed(fetch, 5)("a", 2, loud=True), bytes)
    assert_type(await paced(fetch, per_second=5)("a", tries=2, loud=True), bytes)
    assert_type(await offloaded(encode)(url="a"), bytes)
    quick = partial(fetch, loud=True)
    assert_type(await timed(quick, 5)("a"), bytes)


async def timed_gives_the_same() -> None:
    assert_type(await timed(fetch, 5)("a"), bytes)
    assert_type(await timed(fetch, seconds=0.5)("a"), bytes)
    assert_type(await timed(started, 5)("a"), bytes)
    assert_type(await timed(Client().get, 5)("a"), bytes)
    assert_type(await timed(same, 5)(urls[0]), str)


async def paced_gives_the_same() -> None:
    assert_type(await paced(fetch, per_second=5)("a"), bytes)
    assert_type(await paced(encode, per_second=0.5, burst=3)("a"), bytes)
    assert_type(await paced(either, per_second=5)("a"), bytes)
    assert_type(await paced(Client().get, per_second=5)("a"), bytes)
    assert_type(await paced(fetch, per_second=5, cost=len)("a"), bytes)
    async for page in paced(pages, per_second=5)("a", deep=True):
        assert_type(page, int)


async def offloaded_makes_it_async() -> None:
    assert_type(await offloaded(encode)("a"), bytes)
    assert_type(await offloaded(encode, to="process")("a"), bytes)
    assert_type(
        await offloaded(encode, to="interpreter", limiter=CapacityLimiter(2))("a"),
        bytes,
    )
    assert_type(await offloaded("a".encode)(), bytes)


async def offloaded_takes_any_executor(
    threads: ThreadPoolExecutor, processes: ProcessPoolExecutor, any_other: Executor
) -> None:
    assert_type(await offloaded(encode, to=threads)("a"), bytes)
    assert_type(await offloaded(encode, to=processes)("a"), bytes)
    limiter = CapacityLimiter(2)
    assert_type(await offloaded(encode, to=any_other, limiter=limiter)(url="a"), bytes)


async def methods_stay_methods() -> None:
    head = await Client().head("a")
    assert_type(head, Ok[bytes, Client] | Err[Exception, Client])


async def they_work_on_both_sides() -> None:
    async for outcome in amap(captured(encode), urls):
        assert_type(outcome, Ok[bytes, str] | Err[Exception, str])
    async for page in amap(paced(encode, per_second=5), urls):
        assert_type(page, bytes)
    assert_type(
        await concurrent_collect(captured(fetch, OSError), urls, limit=2),
        list[Ok[bytes, str] | Err[OSError, str]],
    )
    async with concurrent_map(timed(fetch, 5), urls, limit=2) as pages:
        assert_type(await anext(pages), bytes)
    async with concurrent_map_unordered(offloaded(encode), urls, limit=2) as pages:
        assert_type(await anext(pages), bytes)


async def they_compose_in_any_order() -> None:
    first = captured(paced(timed(fetch, 5), per_second=5), TimeoutError)
    assert_type(await first("a", loud=True), Ok[bytes, str] | Err[TimeoutError, str])
    second = timed(captured(paced(offloaded(encode), per_second=5)), 5)
    assert_type(await second("a"), Ok[bytes, str] | Err[Exception, str])
    third = paced(captured(timed(fetch, 5)), per_second=5)
    assert_type(await third("a"), Ok[bytes, str] | Err[Exception, str])


def what_comes_out_is_an_async_function() -> None:
    call: Callable[[str], Coroutine[Any, Any, bytes]]
    call = timed(fetch, 5)
    call = paced(encode, per_second=5)
    call = offloaded(encode)
    call("a").close()
