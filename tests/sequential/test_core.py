"""What all operators use: how a source is opened, and whether a result is awaited."""

import asyncio
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Generator,
    Iterator,
)
from contextlib import asynccontextmanager
from functools import partial
from types import coroutine
from typing import Any

import pytest

import aiterkit as ak
from aiterkit._core.call import is_async_function
from aiterkit._core.source import is_async, open_source

from .twins import finish


async def pages() -> AsyncIterator[int]:
    yield 1


async def answer() -> list[int]:
    return [1]


class Pages:
    def pages(self) -> list[int]:
        return [1]


class Block:
    async def __aenter__(self) -> list[int]:
        return [1]

    async def __aexit__(self, *error: object) -> None: ...


@asynccontextmanager
async def opened() -> AsyncGenerator[list[int], None]:
    yield [1]


class AsyncOnItsMetaclass(type):
    def __aiter__(cls) -> Any:
        raise AssertionError


class Listed(metaclass=AsyncOnItsMetaclass):
    def __iter__(self) -> Any:
        return iter([1, 2])


class NoLongerAsync:
    __aiter__ = None

    def __getitem__(self, index: int) -> int:
        return [1, 2][index]


def test_a_sync_source_cannot_end_the_iteration_by_mistake() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise StopAsyncIteration("mine")

    with pytest.raises(RuntimeError, match="async generator raised Stop"):
        finish(ak.alen(items()))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        pytest.param(1, "sync or async, not 'int'", id="a number"),
        pytest.param(None, "sync or async, not 'NoneType'", id="None"),
        pytest.param(pages, r"async; call pages\(\) to get one", id="a function"),
        pytest.param(Pages().pages, r"async; call pages\(\) to get one", id="a method"),
        pytest.param(
            partial(pages), r"async; call pages\(\) to get one", id="a partial"
        ),
        pytest.param(lambda: [1], "async; call it to get one", id="a lambda"),
        pytest.param(
            answer, r"async; await answer\(\) to get one", id="an async function"
        ),
        pytest.param(
            Block(),
            r"async; enter it: async with Block\(\.\.\.\) as results",
            id="a block",
        ),
        pytest.param(
            opened(),
            r"async; enter it: async with \.\.\. as results",
            id="a context manager",
        ),
    ],
)
def test_the_message_for_a_bad_source_says_what_it_should_be(
    source: Any, message: str
) -> None:
    with pytest.raises(TypeError, match=f"^source must be an iterable, .*{message}$"):
        ak.amap(str, source)


def test_a_coroutine_is_to_be_awaited_first() -> None:
    coroutine: Any = answer()
    with pytest.raises(TypeError, match=r"await answer\(\) to get one$"):
        ak.amap(str, coroutine)
    with pytest.raises(RuntimeError, match="already awaited"):  # it was closed
        finish(coroutine)


@pytest.mark.parametrize(
    "source", [Listed(), NoLongerAsync()], ids=["metaclass", "None"]
)
def test_it_is_the_type_that_says_whether_a_source_is_async(source: Any) -> None:
    assert finish(ak.acollect(source)) == [1, 2]


def test_open_source_gives_the_iterator_of_its_kind() -> None:
    generator = pages()
    assert open_source(generator) is generator
    assert is_async(open_source(generator))
    assert not is_async(open_source([1]))


async def later(item: int) -> int:
    return item


def eventually(item: int) -> Awaitable[int]:
    return later(item)


class Later:
    async def method(self, item: int) -> int:
        return item

    async def __call__(self, item: int) -> int:
        return item


@pytest.mark.parametrize(
    ("func", "known"),
    [
        pytest.param(later, True, id="function"),
        pytest.param(Later().method, True, id="method"),
        pytest.param(partial(later), True, id="partial"),
        pytest.param(Later(), False, id="object"),
        pytest.param(eventually, False, id="plain one that returns a coroutine"),
        pytest.param(abs, False, id="builtin"),
    ],
)
@pytest.mark.parametrize("source", [[1], pages], ids=["sync", "async"])
def test_async_functions_are_known_and_others_judged_by_what_they_return(
    func: Callable[[int], Any],
    known: bool,  # noqa: FBT001 - a row
    source: Any,
) -> None:
    assert is_async_function(func) == known
    for operator in ak.amap, ak.afilter:
        items: Any = source() if callable(source) else source
        assert finish(ak.acollect(operator(func, items))) == [1]
    assert finish(ak.acollect(ak.astarmap(func, ak.azip([1])))) == [1]


@coroutine
def legacy() -> Generator[Any, Any, str]:
    return "awaited"
    yield


def test_a_generator_is_plain_after_which_a_legacy_coroutine_is_still_awaited() -> None:
    generator = (letter for letter in "ab")
    results: dict[str, Any] = {"plain": generator, "legacy": legacy()}
    assert finish(ak.acollect(ak.amap(results.pop, ["plain", "legacy"]))) == [
        generator,
        "awaited",
    ]


def test_a_result_may_be_a_future() -> None:
    async def main() -> list[int]:
        loop = asyncio.get_running_loop()

        def start(item: int) -> asyncio.Future[int]:
            future: asyncio.Future[int] = loop.create_future()
            loop.call_soon(future.set_result, item)
            return future

        return await ak.acollect(ak.amap(start, [1, 2]))

    assert asyncio.run(main()) == [1, 2]


@pytest.mark.parametrize("compensates", [True, False])
def test_asum_gives_floats_back_what_rounding_lost(
    compensates: bool,  # noqa: FBT001 - a row
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As sum() does since Python 3.12; here both ways are tested on every Python."""
    monkeypatch.setattr("aiterkit._sequential.reduce._COMPENSATES", compensates)
    tenths = [0, True, *[0.1] * 10, 1]
    assert (finish(ak.asum(tenths)) == 3.0) == compensates
    assert finish(ak.asum([1e16, 1.0, -1e16])) == compensates
    assert finish(ak.asum([0.5, 2**70])) == 2**70 + 0.5
    assert finish(ak.asum([2**70, 0.5, 1])) == 2**70 + 0.5
    assert (finish(ak.asum([1.0, 1e16, 1.0, -1e16], 0.5)) == 2.5) == compensates
    assert finish(ak.asum([True, 2])) == 3


def test_edges_that_are_seldom_drawn() -> None:
    assert finish(ak.acollect(ak.aislice("abc", 0, 0, 2))) == []
    assert finish(ak.acollect(ak.aislice("abcd", 1, 3, 1))) == ["b", "c"]
    assert finish(ak.acollect(ak.aaccumulate([1, 2], initial=3))) == [3, 4, 6]
    groups = ak.agroupby("aab")
    _, run = finish(anext(groups))
    _, other = finish(anext(groups))
    assert finish(ak.acollect(run)) == []
    assert finish(ak.acollect(other)) == ["b"]
    assert finish(ak.acollect(groups)) == []


def test_a_group_ends_where_the_next_one_begins() -> None:
    groups = ak.agroupby("aab")
    _, run = finish(anext(groups))
    assert finish(ak.acollect(run)) == ["a", "a"]
    key, other = finish(anext(groups))
    assert (key, finish(ak.acollect(other))) == ("b", ["b"])
    with pytest.raises(StopAsyncIteration):
        finish(anext(groups))
