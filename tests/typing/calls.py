"""What a type checker infers of a call, changed."""

from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any, TypeVar, assert_type

from anyio import CapacityLimiter

from aiterkit import (
    Err,
    Ok,
    amap,
    captured,
    concurrent_collect,
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
    assert_type(await captured(fetch)("a"), Ok[bytes] | Err[Exception])
    assert_type(await captured(fetch, KeyError)("a"), Ok[bytes] | Err[KeyError])
    assert_type(await captured(encode)("a"), Ok[bytes] | Err[Exception])
    assert_type(await captured(encode, OSError)("a"), Ok[bytes] | Err[OSError])
    assert_type(await captured(started)("a"), Ok[bytes] | Err[Exception])
    assert_type(await captured(promised)("a"), Ok[bytes] | Err[Exception])
    assert_type(await captured(either)("a"), Ok[bytes] | Err[Exception])
    assert_type(await captured(Client().get)("a"), Ok[bytes] | Err[Exception])
    assert_type(await captured(Fetcher())("a"), Ok[bytes] | Err[Exception])
    assert_type(await captured(same)(urls[0]), Ok[str] | Err[Exception])


async def an_outcome_is_told_apart() -> None:
    outcome = await captured(fetch, OSError)("a")
    match outcome:
        case Ok(value):
            assert_type(value, bytes)
        case Err(error, args):
            assert_type(error, OSError)
            assert_type(args, tuple[object, ...])
    if isinstance(outcome, Ok):
        assert_type(outcome.value, bytes)
    else:
        assert_type(outcome.error, OSError)


def outcomes_are_covariant(
    good: Ok[bool], bad: Err[FileNotFoundError]
) -> tuple[Ok[int], Err[OSError]]:
    return good, bad


async def parameters_are_kept() -> None:
    assert_type(await captured(fetch)("a", 2, loud=True), Ok[bytes] | Err[Exception])
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


async def offloaded_makes_it_async() -> None:
    assert_type(await offloaded(encode)("a"), bytes)
    assert_type(await offloaded(encode, to="process")("a"), bytes)
    assert_type(
        await offloaded(encode, to="interpreter", limiter=CapacityLimiter(2))("a"),
        bytes,
    )
    assert_type(await offloaded("a".encode)(), bytes)


async def methods_stay_methods() -> None:
    assert_type(await Client().head("a"), Ok[bytes] | Err[Exception])


async def they_work_on_both_sides() -> None:
    async for outcome in amap(captured(encode), urls):
        assert_type(outcome, Ok[bytes] | Err[Exception])
    async for page in amap(paced(encode, per_second=5), urls):
        assert_type(page, bytes)
    assert_type(
        await concurrent_collect(captured(fetch, OSError), urls, limit=2),
        list[Ok[bytes] | Err[OSError]],
    )
    async with concurrent_map(timed(fetch, 5), urls, limit=2) as pages:
        assert_type(await anext(pages), bytes)
    async with concurrent_map_unordered(offloaded(encode), urls, limit=2) as pages:
        assert_type(await anext(pages), bytes)


async def they_compose_in_any_order() -> None:
    first = captured(paced(timed(fetch, 5), per_second=5), TimeoutError)
    assert_type(await first("a", loud=True), Ok[bytes] | Err[TimeoutError])
    second = timed(captured(paced(offloaded(encode), per_second=5)), 5)
    assert_type(await second("a"), Ok[bytes] | Err[Exception])
    third = paced(captured(timed(fetch, 5)), per_second=5)
    assert_type(await third("a"), Ok[bytes] | Err[Exception])


def what_comes_out_is_an_async_function() -> None:
    call: Callable[[str], Coroutine[Any, Any, bytes]]
    call = timed(fetch, 5)
    call = paced(encode, per_second=5)
    call = offloaded(encode)
    call("a").close()
