"""What a block cancels by itself cleans up in full, before you go on."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from functools import partial
from typing import Any

import anyio
import anyio.lowlevel
import pytest

import aiterkit as ak
from aiterkit.testing import SourceProbe

from ...catalogue import Entry, OnlyCalls  # noqa: TID252 - tests stand on no path
from ...helpers import Boom  # noqa: TID252 - tests stand on no path
from .cases import at_the_end, by_an_error_later, by_break_later, without_reading_later
from .cleanups import (
    SUBJECTS,
    Kind,
    Log,
    Waiting,
    Work,
    every_kind,
    every_moment,
    every_subject,
    generator,
)


@every_subject
@every_kind
@every_moment
@pytest.mark.parametrize(
    "leave", [by_break_later, without_reading_later, by_an_error_later]
)
async def test_however_it_is_left(
    subject: Entry, kind: Kind, moment: Waiting, leave: Any
) -> None:
    log = Log()
    source = kind(log, "source", moment.pace, 600, "ends")
    try:
        async with subject.open(source, Work(log, kind=kind)) as results:
            await leave(results)
    except Boom:
        assert leave is by_an_error_later
    # A generator that was never begun has nothing to clean up.
    assert "source" in log.begun or subject.lazy
    log.assert_all_cleaned_up()


@every_subject
@every_kind
@every_moment
async def test_an_error_of_the_source_is_seen_after_all_have_cleaned_up(
    subject: Entry, kind: Kind, moment: Waiting
) -> None:
    log = Log()
    source = kind(log, "source", moment.pace, 3, "fails")
    with pytest.raises(Boom):
        async with subject.open(source, Work(log, kind=kind, is_short=True)) as results:
            try:
                await at_the_end(results)
            except Boom:
                log.assert_all_cleaned_up(but="source")
                raise
    log.assert_all_cleaned_up()


@pytest.mark.parametrize(
    "subject", [s for s in SUBJECTS if s.runs != "nothing"], ids=str
)
@every_kind
@every_moment
async def test_an_error_of_a_call_is_seen_after_its_siblings_have_cleaned_up(
    subject: Entry, kind: Kind, moment: Waiting
) -> None:
    log = Log()
    source = kind(log, "source", moment.pace, 600, "ends")
    with pytest.raises(Boom, match="call"):
        async with subject.open(source, Work(log, fail=True, kind=kind)) as results:
            await at_the_end(results)
    log.assert_all_cleaned_up()


class PlainClose(SourceProbe[int]):
    """A source, also an inner one, whose ``aclose`` is no async function."""

    closed = 0

    def aclose(self) -> Any:
        self.closed += 1


@every_subject
async def test_a_close_that_is_a_plain_method_is_called(subject: Entry) -> None:
    sources: list[PlainClose] = []

    def kind(*_rest: object) -> PlainClose:
        sources.append(PlainClose(range(9), gap=0.1))
        return sources[-1]

    source = kind()
    async with subject.open(source, Work(Log(), kind=kind)) as results:
        await by_break_later(results)
    assert all(each.closed == 1 for each in sources if each.pulls)


@every_kind
@every_moment
@pytest.mark.parametrize("name", ["concurrent_collect", "concurrent_for_each"])
async def test_a_list_that_fails_has_cleaned_up(
    name: str, kind: Kind, moment: Waiting
) -> None:
    log = Log()
    work = Work(log, fail=True)
    source = kind(log, "source", moment.pace, 600, "ends")
    with pytest.raises(Boom, match="call"):
        await getattr(ak, name)(work.call, source, limit=3)
    log.assert_all_cleaned_up()


@every_kind
async def test_a_source_that_is_overtaken_cleans_up_before_the_next_is_opened(
    kind: Kind,
) -> None:
    log = Log()
    opened: list[int] = []

    def open_next(item: int) -> Any:
        log.assert_all_cleaned_up(but="source")
        opened.append(item)
        return kind(log, f"inner source {item}", 0.3, 30, "ends")

    source = generator(log, "source", 2, 3, "ends")
    async with ak.concurrent_switch_map(open_next, source) as results:
        await at_the_end(results)
    assert opened in ([0, 2], [0, 1, 2])
    log.assert_all_cleaned_up()


@every_kind
async def test_the_others_clean_up_when_the_shortest_source_ends_a_zip(
    kind: Kind,
) -> None:
    log = Log()
    sources = [
        kind(log, "short", 0.5, 2, "ends"),
        kind(log, "long", 0.4, 99, "ends"),
    ]
    async with ak.concurrent_zip(*sources) as rows:
        await at_the_end(rows)
        log.assert_all_cleaned_up()
    assert {"short", "long"} <= set(log.ended)


@pytest.mark.parametrize("fails", ["the task", "the body"])
async def test_an_error_of_the_cleanup_in_a_task_group_is_raised(fails: str) -> None:
    async def wait(what: str) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            if what == fails:
                raise Boom(what)

    async def source() -> AsyncGenerator[int]:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait, "the task")
            yield 1
            await wait("the body")

    with pytest.raises(ExceptionGroup) as caught:
        async with ak.concurrent_buffer(source(), 9) as results:
            async for _ in results:
                await anyio.sleep(1)  # the read is under way
                break
    assert [repr(error) for error in caught.value.exceptions] == [f"Boom({fails!r})"]


async def sleep_twice() -> None:
    async with anyio.create_task_group() as tasks:
        for _ in range(2):
            tasks.start_soon(anyio.sleep, 1000)


@every_subject
@pytest.mark.parametrize(
    "first", [anyio.lowlevel.checkpoint, partial(anyio.sleep, 1)], ids=["turn", "sleep"]
)
@pytest.mark.parametrize(
    "waits", ["within", "at the end", "at both ends", "for a child that waits for two"]
)
async def test_cleanup_after_a_task_group_runs_in_full(
    subject: Entry, first: Callable[[], Awaitable[None]], waits: str
) -> None:
    begun: list[object] = []
    ended: list[object] = []

    async def in_task_groups() -> None:
        begun.append(me := object())
        try:
            async with (
                anyio.create_task_group() as outer,
                anyio.create_task_group() as inner,
            ):
                if waits.startswith("for a child"):
                    outer.start_soon(sleep_twice)
                else:
                    outer.start_soon(anyio.sleep, 1000)
                if waits == "at both ends":
                    inner.start_soon(anyio.sleep, 1000)
                elif waits == "within":
                    await anyio.sleep(1000)
        finally:
            await first()
            await anyio.sleep(1)
            ended.append(me)

    class Grouped(OnlyCalls):
        async def call(self, item: int) -> int:
            await in_task_groups()
            return item

    for source in (Grouped().inner(0), range(9)):
        async with subject.open(source, Grouped()):
            await anyio.sleep(1)
    assert begun or subject.lazy
    assert sorted(map(id, ended)) == sorted(map(id, begun))


async def test_cleanup_after_a_task_group_may_begin_with_a_lock() -> None:
    ends: list[object] = []

    async def call(item: int) -> int:
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(anyio.sleep, 1000)
                await anyio.sleep(1000)
        finally:
            try:
                async with anyio.Lock():  # on Trio, this wait is cancelled
                    ends.append("cleaned up")
            except BaseException as error:
                ends.append(type(error))
                raise
        return item

    async with ak.concurrent_map(call, [1], limit=1):
        await anyio.sleep(1)
    assert ends in (["cleaned up"], [anyio.get_cancelled_exc_class()])


async def test_calls_of_a_block_go_on_until_the_cancelled_task_leaves_it() -> None:
    done: list[int] = []

    async def slow(item: int) -> int:
        await anyio.sleep(1.5)
        return item

    async def inner(item: int) -> None:
        done.extend(await ak.concurrent_collect(slow, [item], limit=1))

    async def outer(_item: int) -> None:
        async with ak.concurrent_map(inner, [1], limit=1):
            try:
                await anyio.sleep(1000)
            finally:
                await anyio.sleep(1)

    async with ak.concurrent_map(outer, [0], limit=1):
        await anyio.sleep(1)
    assert done == [1]


async def test_inner_calls_are_told_by_their_own_block_alone() -> None:
    told: list[float] = []
    ended: list[float] = []

    async def inner(_item: int) -> None:
        try:
            for _ in range(4):
                async with ak.concurrent_buffer([1], 1) as items:
                    assert [item async for item in items] == [1]
            await anyio.sleep(1000)
        finally:
            told.append(anyio.current_time())
            await anyio.sleep(1)
            ended.append(anyio.current_time())

    async def outer(_item: int) -> None:
        async with ak.concurrent_map(inner, [1], limit=1):
            try:
                await anyio.sleep(1000)
            finally:
                await anyio.sleep(1)

    for step in range(60):
        told.clear()
        ended.clear()
        async with ak.concurrent_map(outer, [0], limit=1):
            for _ in range(step):
                await anyio.lowlevel.checkpoint()
            left = anyio.current_time()
        assert all(time > left for time in told), step
        assert len(told) == len(ended), step
    assert told
