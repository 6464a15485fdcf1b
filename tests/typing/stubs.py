"""What the stubs in `typings/` make of packages whose own types fail us."""

from collections.abc import AsyncIterator
from typing import assert_type

from aiostream import Stream, pipe, stream
from pytest_benchmark.fixture import BenchmarkFixture


async def numbers() -> AsyncIterator[int]:
    yield 1


async def words() -> AsyncIterator[str]:
    yield "a"


async def fetch(number: int) -> bytes:
    return bytes(number)


def half(number: int) -> float:
    return number / 2


def add(number: int, word: str) -> str:
    return word * number


def aiostream_maps_with_functions_of_one_argument() -> None:
    assert_type(stream.map(numbers(), fetch), Stream[bytes])
    assert_type(
        stream.map(numbers(), fetch, ordered=False, task_limit=2), Stream[bytes]
    )
    assert_type(stream.map(numbers(), half), Stream[float])
    assert_type(stream.amap(numbers(), fetch, task_limit=2), Stream[bytes])
    assert_type(stream.smap(numbers(), half), Stream[float])
    assert_type(stream.smap(numbers(), add, words()), Stream[str])


def aiostream_keeps_types_through_its_operators() -> None:
    assert_type(stream.zip(numbers(), words()), Stream[tuple[int, str]])
    assert_type(stream.enumerate(words()), Stream[tuple[int, str]])
    assert_type(stream.chunks(words(), 2), Stream[list[str]])
    assert_type(stream.list(words()), Stream[list[str]])
    assert_type(stream.filter(numbers(), lambda number: number > 1), Stream[int])
    assert_type(stream.iterate([1]), Stream[int])


def aiostream_pipes() -> None:
    assert_type(
        stream.iterate(numbers()) | pipe.map(fetch, task_limit=2), Stream[bytes]
    )
    assert_type(stream.iterate(numbers()) | pipe.smap(half), Stream[float])
    assert_type(stream.iterate(numbers()) | pipe.amap(fetch), Stream[bytes])
    first = stream.iterate(numbers()) | pipe.take(1)
    assert_type(first, Stream[int])
    listed = stream.iterate(numbers()) | pipe.list()
    assert_type(listed, Stream[list[int]])


async def aiostream_streams_are_entered_read_and_awaited() -> None:
    async with stream.iterate(numbers()).stream() as streamer:
        async for number in streamer:
            assert_type(number, int)
    assert_type(await stream.list(words()), list[str])


def a_benchmark_returns_what_its_function_returns(benchmark: BenchmarkFixture) -> None:
    assert_type(benchmark(half, 3), float)
    assert_type(benchmark.pedantic(half, args=(3,), rounds=5), float)
