"""Do both sides of each row of "Coming from elsewhere" give what the page says?

The cells are code, and that code is run, with the real libraries. A row that says
nothing of a difference gives the same values on both sides; of each other one both
values stand here.
"""

import ast
import asyncio
import contextlib
import importlib
import inspect
import re
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

import aiterkit
from aiterkit.testing import run_in_virtual_time

PAGE = Path(__file__).parent.parent / "docs" / "coming-from.md"
XS, YS = [3, 1, 2], [1, 2, 4]
MANY = 20


class Items:
    """A source that gives an item *every* so many seconds, and can be opened again."""

    def __init__(self, items: list[int], every: float) -> None:
        self.items = items
        self.every = every

    async def __aiter__(self) -> AsyncIterator[int]:
        for item in self.items:
            await anyio.sleep(self.every)
            yield item


calls: list[int] = []


async def f(x: int) -> int:
    await anyio.sleep(x)
    calls.append(x)
    return 10 * x


def g(x: int) -> int:
    return 10 * x


def p(x: int) -> bool:
    return x > 2


async def p_async(x: int) -> bool:
    return x > 2


async def source(x: int) -> AsyncGenerator[int]:
    for number in range(2):
        await anyio.sleep(1.1 * x / (1 + 2 * number))  # no two at once
        yield 10 * x + number


def fails(x: int) -> int:
    if x == 1:
        raise ValueError("one")
    return x


async def add(x: int, y: int) -> int:
    return x + y


async def negated(x: int) -> int:
    return -x


def names(section: str, limit: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what the code of each side may use."""
    xs: Any = XS
    ys: Any = YS
    if section in {"aiostream", "asyncstdlib"}:  # the others take no async source
        xs, ys = Items(XS, 1), Items(YS, 1.25)
    shared: dict[str, Any] = {
        "asyncio": asyncio,
        "anyio": anyio,
        "f": f,
        "fails": fails,
        "g": g,
        "n": limit,
        "p": p,
        "partial": partial,
        "r": 1,
        "seconds": 2,
        "source": source,
        "timedelta": timedelta,
        "x": 7,
        "xs": xs,
        "ys": ys,
    }
    there = dict(shared)
    here = shared | {name: getattr(aiterkit, name) for name in aiterkit.__all__}
    match section:
        case "anyio":
            importlib.import_module("anyio.itertools")
            importlib.import_module("anyio.to_process")
        case "aiometer":
            there["aiometer"] = importlib.import_module("aiometer")
        case "aiostream":
            stream = importlib.import_module("aiostream.stream")
            there |= {"stream": stream, "xs": stream.iterate(xs)}
            there["ys"] = stream.iterate(ys)
        case "asyncstdlib":
            there["a"] = importlib.import_module("asyncstdlib")
        case "streamable":
            there["stream"] = importlib.import_module("streamable").stream
        case _:
            pass
    return there, here


async def values(found: Any) -> Any:
    """Return what *found* gives, whatever it is read with."""
    if hasattr(found, "stream"):  # of aiostream
        found = found.stream()
    if hasattr(found, "get_coro"):  # a handle of anyio's
        return await found
    if hasattr(found, "__aenter__"):
        async with found as results:
            if results is not found:
                return await values(results)
            return await read(results)
    if hasattr(found, "__aiter__"):
        return await read(found)
    if isinstance(found, (list, tuple)):
        each = [await one(item) for item in found]  # pyright: ignore[reportUnknownVariableType]
        return each if isinstance(found, list) else tuple(each)
    return found


async def read(found: Any) -> list[Any]:
    items: list[Any] = []
    async for item in found:
        items.append(await one(item))
        if len(items) == MANY:  # of a source without an end
            break
    return items


async def one(item: Any) -> Any:
    return await item if inspect.isawaitable(item) else item


LOOP = re.compile(r"for \w+ in (?P<source>.*): await \w+")
BLOCK = re.compile(r"async with (?P<block>.*) as results:")


async def run(code: str, known: dict[str, Any]) -> Any:
    """Run the code of a cell, and return what it gives."""
    if loop := LOOP.fullmatch(code):
        return [await done for done in eval(loop["source"], known)]  # noqa: S307
    if block := BLOCK.fullmatch(code):
        code = block["block"]
    if code.startswith("."):
        code = f"stream(xs){code}"
    if "create_task" in code:
        async with asyncio.TaskGroup() as group:
            found = eval(code, known | {"group": group})  # noqa: S307
        return [task.result() for task in found]
    compiled = compile(code, code, "eval", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    found = eval(compiled, known)  # noqa: S307
    if inspect.iscoroutine(found) and code.startswith("await "):
        found = await found
    return await values(found)


# What functions of the same name are called with.
TWO, PAIRS = [1, 2], [(1, 2), (3, 4)]
CALLS: dict[str, tuple[Any, ...]] = {
    "aaccumulate": (XS,),
    "aall": (XS,),
    "aany": (XS,),
    "abatched": (XS, 2),
    "achain": (XS, YS),
    "acompress": (XS, [1, 0, 1]),
    "acycle": (TWO,),
    "adropwhile": (p_async, XS),
    "aenumerate": (XS,),
    "afilter": (p_async, XS),
    "afilterfalse": (p_async, XS),
    "agroupby": ([1, 1, 2, 1],),
    "aislice": (XS, 1, 3),
    "amap": (f, XS),
    "amax": (XS,),
    "amerge": ([1, 3], YS),
    "amin": (XS,),
    "apairwise": (XS,),
    "areduce": (add, XS),
    "asorted": (XS,),
    "astarmap": (add, PAIRS),
    "asum": (XS,),
    "atakewhile": (p_async, XS),
    "atee": (XS,),
    "azip": (XS, YS),
    "azip_longest": (XS, TWO),
}


async def called(function: Any, name: str) -> Any:
    """Call *function* as *name* of ours is called, and return what it gives."""
    found = function(*CALLS[name])
    if inspect.isawaitable(found):
        return await found
    match name:
        case "acycle":
            async with contextlib.aclosing(found) as items:
                return [await anext(items) for _ in range(5)]
        case "agroupby":
            return [(key, await values(group)) async for key, group in found]
        case "atee":
            return [await values(branch) for branch in found]
        case _:
            return await values(found)


Ok = aiterkit.Ok
LISTS, TUPLES = [[3, 1], [2]], [(3, 1), (2,)]
DIFFERENT: dict[str, tuple[Any, Any]] = {
    "await asyncio.gather(*map(f, xs), return_exceptions=True)": (
        [30, 10, 20],
        [Ok(30), Ok(10), Ok(20)],
    ),
    "[group.create_task(f(x)) for x in xs]": ([30, 10, 20], None),
    "await stream.list(stream.action(xs, f, task_limit=n))": ([3, 1, 2], None),
    "stream.chunks(xs, n)": (LISTS, TUPLES),
    "stream.ziplatest(xs, ys)": (
        [(3, None), (3, 1), (1, 1), (1, 2), (2, 2), (2, 4)],
        [(3, 1), (1, 1), (1, 2), (2, 2), (2, 4)],
    ),
    ".do(f, concurrency=n)": ([3, 1, 2], None),
    ".map(source).flatten(concurrency=n)": (
        [30, 10, 20, 31, 11, 21],
        [10, 11, 20, 21, 30, 31],
    ),
    ".group(n)": (LISTS, TUPLES),
    ".group(n, within=timedelta(seconds=60))": (LISTS, TUPLES),
    ".group(within=timedelta(seconds=60))": ([[3, 1, 2]], [(3, 1, 2)]),
}
"""What a row gives there and here, where it is not the same."""
FAILED = ".map(fails).catch(ValueError, replace=str)"


def rows() -> Iterator[Any]:
    section = ""
    for line in PAGE.read_text().splitlines():
        if line.startswith("## "):
            section = line.removeprefix("## ").partition(":")[0]
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        if line.startswith("| `"):
            there, here = (re.findall(r"`([^`]+)`", cell) for cell in cells[:2])
            remark = cells[2].strip("| ") if len(cells) > 2 else ""
            if len(here) == 1 and len(there) > 1 and " in a " in cells[0]:
                there = there[:1]
            assert len(there) == len(here), line
            for left, right in zip(there, here, strict=True):
                yield pytest.param(section, left, right, remark, id=left)


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # not all close what they read
@pytest.mark.parametrize(("section", "there", "here", "remark"), list(rows()))
def test_a_row_gives_what_the_page_says(
    section: str, there: str, here: str, remark: str
) -> None:
    async def both() -> tuple[Any, Any]:
        theirs, ours = names(section, 10 if "limit=n" in here else 2)
        if here in CALLS:
            function = eval(there, theirs)  # noqa: S307
            return await called(function, here), await called(ours[here], here)
        found = await run(there, theirs)
        made = sorted(calls)
        calls.clear()
        result = found, await run(here, ours)
        assert sorted(calls) == made
        return result

    calls.clear()
    elsewhere = "to_" in there or "offloaded" in here  # in threads, which are real
    found = anyio.run(both) if elsewhere else run_in_virtual_time(both)

    assert found[0] or calls
    if there == FAILED:
        # An outcome with an error equals itself alone.
        first, second, third = found[1]
        assert found[0] == [3, "one", 2]
        assert (first, str(second.error), third) == (Ok(3), "one", Ok(2))
    elif there in DIFFERENT:
        assert found == DIFFERENT[there]
        assert remark
    else:
        assert found[0] == found[1]


def test_each_difference_is_of_a_row() -> None:
    lefts = {row.values[1] for row in rows()}
    assert {*DIFFERENT, FAILED} <= lefts
