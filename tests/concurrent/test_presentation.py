"""How a block presents itself: signature, repr, notes, and answers to mistakes."""

import asyncio
import inspect
import pickle
import sys
import traceback
import warnings
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from functools import partial
from typing import Any, cast

import anyio
import anyio.lowlevel
import pytest

import aiterkit as ak
from aiterkit._runtime.presentation import add_place

from ..helpers import Boom  # noqa: TID252 - tests stand on no path

LOOSE: Any = ak
BLOCKS = [
    name
    for name in ak.__all__
    if name.startswith("concurrent_") and inspect.isclass(getattr(ak, name))
]
CALLING = [
    "concurrent_map",
    "concurrent_map_unordered",
    "concurrent_filter",
    "concurrent_expand",
    "concurrent_flat_map",
    "concurrent_flat_map_unordered",
]


async def fetch(item: Any) -> Any:
    await anyio.lowlevel.checkpoint()
    raise Boom(item)


async def two(first: Any, second: Any) -> Any:
    return first, second


def test_each_public_object_is_what_it_is_imported_as() -> None:
    for name in ak.__all__:
        public = getattr(ak, name)
        named = getattr(public, "__module__", "aiterkit")
        has_overloads = named != "aiterkit" and not inspect.isclass(public)
        assert named == "aiterkit" or has_overloads, name
    assert pickle.loads(pickle.dumps(ak.Ok(1))) == ak.Ok(1)  # noqa: S301 - our own


@pytest.mark.parametrize("name", BLOCKS)
def test_a_signature_says_what_the_block_gives(name: str) -> None:
    shown = str(inspect.signature(getattr(ak, name)))
    assert "self" not in shown
    assert "-> contextlib.AbstractAsyncContextManager[" in shown


@pytest.mark.parametrize("name", BLOCKS)
def test_a_wrong_call_is_answered_in_the_names_of_the_user(name: str) -> None:
    for call in (
        partial(getattr(LOOSE, name), no_such_option=1),
        partial(getattr(LOOSE, name), *range(99), no_such_option=1),
    ):
        with pytest.raises(TypeError) as caught:
            call()
        text = str(caught.value)
        assert text.startswith(f"{name}() has no option no_such_option=: {name}(")
        assert "__init__" not in text
        assert "_" + name not in text


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: LOOSE.concurrent_map(fetch, "ab"),
            (
                "concurrent_map() needs limit=, how many may run at once: "
                "concurrent_map(func, source, limit=10)"
            ),
        ),
        (
            lambda: LOOSE.concurrent_map(fetch, "ab", 3),
            (
                "concurrent_map() takes its options by name: "
                "concurrent_map(func, source, limit=10)"
            ),
        ),
        (
            lambda: LOOSE.concurrent_map(limit=3),
            "concurrent_map() needs func: concurrent_map(func, source, limit=10)",
        ),
        (
            lambda: LOOSE.concurrent_debounce("ab"),
            (
                "concurrent_debounce() needs seconds=: "
                "concurrent_debounce(source, seconds=1)"
            ),
        ),
    ],
)
def test_a_missing_argument_is_named(call: Callable[[], object], message: str) -> None:
    with pytest.raises(TypeError) as caught:
        call()
    assert str(caught.value) == message


def test_an_error_further_down_keeps_its_words() -> None:
    with pytest.raises(TypeError, match="func must be callable"):
        LOOSE.concurrent_map("fetch", "ab", limit=3)


def test_a_block_says_in_which_state_it_is() -> None:
    bare = LOOSE.concurrent_map.__new__(LOOSE.concurrent_map)
    assert repr(bare) == "<concurrent_map: not made>"


async def test_results_say_in_which_state_their_block_is() -> None:
    async def double(item: int) -> int:
        await anyio.sleep(item)
        return 2 * item

    block = ak.concurrent_map(double, [1, 5, 5, 5], limit=2)
    assert repr(block) == "<concurrent_map: not entered>"
    async with block as results:
        assert await anext(results) == 2
        await anyio.sleep(0.5)
        shown = "<MapResults of double: 2 running, 0 waiting, 1 delivered>"
        assert repr(results) == shown
        assert repr(block) == "<concurrent_map: open>"
    assert repr(block) == "<concurrent_map: left>"
    async with ak.concurrent_buffer("ab", 1) as items:
        assert repr(items).startswith("<Results of concurrent_buffer")
        assert [item async for item in items] == ["a", "b"]


@pytest.mark.parametrize("name", CALLING)
async def test_an_error_says_once_which_call_it_came_from(name: str) -> None:
    caught: Boom | None = None
    try:
        async with getattr(LOOSE, name)(fetch, ["secret"], limit=2) as results:
            async for _ in results:
                pass
    except Boom as error:
        caught = error
    assert caught is not None
    (note,) = caught.__notes__
    assert note == f"{name}() called fetch() with item 0 of its source, counted from 0"
    assert caught.__cause__ is caught.__context__ is None


async def current_name(*_args: Any) -> str | None:
    return anyio.get_current_task().name


async def names() -> AsyncGenerator[str | None]:
    yield await current_name()


async def test_tasks_are_named_after_what_they_run() -> None:
    async with ak.concurrent_map(current_name, "ab", limit=2) as results:
        assert {name async for name in results} == {"concurrent_map(current_name)"}
    found = await ak.concurrent_collect(partial(current_name, 1), "a", limit=1)
    assert found == ["concurrent_collect(current_name)"]
    async with ak.concurrent_merge(names(), names()) as merged:
        read = [name async for name in merged]
    assert read == 2 * ["concurrent_merge source names"]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
@pytest.mark.skipif(sys.version_info < (3, 14), reason="needs Python 3.14")
async def test_what_pstree_shows_of_a_block_leads_to_the_task_that_holds_it() -> None:
    async def graph(_item: str) -> str:
        shown: Any = asyncio
        return cast("str", shown.format_call_graph())

    async with ak.concurrent_map(graph, "a", limit=1) as results:
        (shown,) = [line async for line in results]
    task, _, waiting = shown.partition("+ Awaited by:")
    assert task.startswith("* Task(name='concurrent_map(graph)', id=0x")
    assert "in async WorkerPool._work()" in task
    assert "async test_what_pstree_shows_of_a_block" in waiting


async def test_an_error_that_two_operators_pass_on_has_a_note_of_each() -> None:
    async def outer(item: int) -> list[int]:
        return await ak.concurrent_collect(fetch, [item], limit=1)

    with pytest.raises(Boom) as caught:
        await ak.concurrent_for_each(outer, [7], limit=1)
    first, second = caught.value.__notes__
    assert first.startswith("concurrent_collect() called fetch()")
    assert second.startswith("concurrent_for_each() called outer()")


async def test_an_error_gets_one_note_of_an_operator_within_itself() -> None:
    async def outer(item: int) -> list[int]:
        return await ak.concurrent_collect(fetch, [item], limit=1)

    with pytest.raises(Boom) as caught:
        await ak.concurrent_collect(outer, [7], limit=1)
    assert len(caught.value.__notes__) == 1


async def test_a_traceback_shows_the_call_in_few_lines_of_ours() -> None:
    try:
        await ak.concurrent_collect(fetch, [1], limit=1)
    except Boom as error:
        shown = traceback.format_exception(error)
        own = [line for line in shown if "aiterkit/_" in line]
        assert len(own) <= 10
        assert "called fetch() with item 0" in "".join(shown)
    else:
        pytest.fail("nothing was raised")


def test_an_error_that_refuses_notes_is_left_as_it_is() -> None:
    class Hostile(Exception):
        def add_note(self, note: str, /) -> None:
            raise RuntimeError(note)

    error = Hostile()
    add_place(error, "concurrent_map", fetch, 0)
    assert not hasattr(error, "__notes__")


async def test_a_function_of_two_arguments_gets_a_way_out() -> None:
    with pytest.raises(TypeError) as caught:
        await LOOSE.concurrent_collect(two, [1], limit=1)
    assert "lambda args: two(*args), azip(first, second)" in caught.value.__notes__[1]


async def test_an_async_generator_function_is_sent_to_flat_map() -> None:
    async def pages(item: int) -> AsyncIterator[int]:
        yield item

    with pytest.raises(TypeError, match=r"use concurrent_flat_map\(\)"):
        await LOOSE.concurrent_collect(pages, [1], limit=1)


@pytest.mark.parametrize("name", CALLING)
async def test_a_block_that_is_left_unread_warns_once(name: str) -> None:
    with pytest.warns(RuntimeWarning, match="left before it was read") as caught:
        async with getattr(LOOSE, name)(two, [], limit=1):
            pass
    assert len(caught) == 1
    assert "concurrent_for_each" in str(caught[0].message)
    assert caught[0].filename == __file__


async def test_a_block_that_is_left_by_an_error_or_makes_no_calls_warns_not() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(Boom):
            async with ak.concurrent_map(fetch, [1], limit=1):
                raise Boom
        async with ak.concurrent_buffer("ab", 1):
            pass
        async with ak.concurrent_map(fetch, list[int](), limit=1) as results:
            assert [item async for item in results] == []
