"""A mistake with a function and a source is named in words for the public name.

Over all public names. Other mistakes of the sequential side are in its folder.
"""

# A table of lambdas, whose arguments are what their row says.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false

import gc
from collections.abc import AsyncGenerator, Callable, Sized
from functools import partial
from typing import Any

import pytest

import aiterkit as ak
from aiterkit.testing import SourceProbe

LOOSE: Any = ak
LONG = [["x" * 100]] * 100_000


async def fetch(_item: object) -> list[int]:
    return [1]


class Opening:
    """A source that remembers whether it was opened."""

    opened = False

    def __aiter__(self) -> Any:
        self.opened = True
        return SourceProbe("ab")


def use(made: Any) -> None:
    """Start *made* if it is a coroutine, which checks its arguments only then."""
    if hasattr(made, "send"):
        made.send(None)


async def alen(item: Sized) -> int:
    return len(item)


async def drop(made: Any) -> None:
    """End *made*, a block or a generator, without reading it."""
    if hasattr(made, "__aenter__"):
        async with made:
            pass
    else:
        await made.aclose()


# Each operator that takes a function and a source, called with the function first.
TAKES_BOTH: dict[str, tuple[Callable[[Any, Any], Any], str, str]] = {
    "aaccumulate": (
        lambda f, s: ak.aaccumulate(s, f),
        "aaccumulate(source, {})",
        "func",
    ),
    "aflat_map": (ak.aflat_map, "aflat_map({}, source)", "func"),
    "afilter": (ak.afilter, "afilter({}, source)", "predicate"),
    "afilterfalse": (ak.afilterfalse, "afilterfalse({}, source)", "predicate"),
    "afind": (ak.afind, "afind({}, source)", "predicate"),
    "agroupby": (lambda f, s: ak.agroupby(s, f), "agroupby(source, {})", "key"),
    "adropwhile": (ak.adropwhile, "adropwhile({}, source)", "predicate"),
    "amap": (ak.amap, "amap({}, source)", "func"),
    "anlargest": (
        lambda f, s: ak.anlargest(1, s, f),
        "anlargest(n, source, {})",
        "key",
    ),
    "ansmallest": (
        lambda f, s: ak.ansmallest(1, s, f),
        "ansmallest(n, source, {})",
        "key",
    ),
    "atakewhile_inclusive": (
        ak.atakewhile_inclusive,
        "atakewhile_inclusive({}, source)",
        "predicate",
    ),
    "amap of two": (lambda f, s: ak.amap(f, s, [1]), "amap({}, source)", "func"),
    "amax": (lambda f, s: ak.amax(s, key=f), "amax(source, key={})", "key"),
    "amin": (lambda f, s: ak.amin(s, key=f), "amin(source, key={})", "key"),
    "areduce": (ak.areduce, "areduce({}, source)", "func"),
    "asorted": (lambda f, s: ak.asorted(s, key=f), "asorted(source, key={})", "key"),
    "astarmap": (ak.astarmap, "astarmap({}, source)", "func"),
    "atakewhile": (ak.atakewhile, "atakewhile({}, source)", "predicate"),
    "aunique": (lambda f, s: ak.aunique(s, f), "aunique(source, {})", "key"),
    "concurrent_partition": (
        lambda f, s: LOOSE.concurrent_partition(s, f, [1], buffer=1),
        "concurrent_partition(source, {}, [1, 2], buffer=100)",
        "key",
    ),
    "concurrent_switch_map": (
        LOOSE.concurrent_switch_map,
        "concurrent_switch_map({}, source)",
        "func",
    ),
    "concurrent_expand": (
        lambda f, s: LOOSE.concurrent_expand(f, s, limit=1),
        "concurrent_expand({}, roots, limit=10)",
        "func",
    ),
    "concurrent_filter": (
        lambda f, s: LOOSE.concurrent_filter(f, s, limit=1),
        "concurrent_filter({}, source, limit=10)",
        "predicate",
    ),
}
TAKES_BOTH.update(
    (
        name,
        (
            partial(getattr(ak, name), limit=1),
            f"{name}({{}}, source, limit=10)",
            "func",
        ),
    )
    for name in (
        "concurrent_map",
        "concurrent_map_unordered",
        "concurrent_collect",
        "concurrent_for_each",
        "concurrent_flat_map",
        "concurrent_flat_map_unordered",
    )
)
both = pytest.mark.parametrize(
    ("operator", "usage", "name"), TAKES_BOTH.values(), ids=TAKES_BOTH.keys()
)


@both
@pytest.mark.parametrize(
    "source", [[1, 2], SourceProbe("ab"), LONG], ids=["sync", "async", "long"]
)
@pytest.mark.parametrize(
    "func",
    [str.upper, fetch, lambda item: item, partial(fetch), None],
    ids=["sync", "async", "lambda", "partial", "None"],
)
def test_a_function_and_a_source_that_are_swapped_are_recognised(
    operator: Callable[[Any, Any], Any], usage: str, name: str, source: Any, func: Any
) -> None:
    is_first = "({}" in usage
    place = f"{name} comes first" if is_first else f"source comes before {name}"
    with pytest.raises(TypeError) as caught:
        use(operator(source, func))
    assert str(caught.value) == f"{place}: {usage.format(name)}"


@both
def test_a_coroutine_as_the_function_is_named_and_closed(
    operator: Callable[[Any, Any], Any], usage: str, name: str
) -> None:
    del name
    coroutine = fetch(1)
    with pytest.raises(TypeError) as caught:
        use(operator(coroutine, "ab"))
    called = usage.partition("(")[0]
    right, wrong = usage.format("fetch"), usage.format("fetch(...)")
    assert str(caught.value) == (
        f"{called}() takes the function, not a call of it: {right}, not {wrong}"
    )
    with pytest.raises(RuntimeError, match="already awaited"):
        coroutine.send(None)


@both
@pytest.mark.parametrize("func", [5, "name", LONG], ids=["int", "str", "list"])
def test_a_function_that_cannot_be_called_is_refused_before_the_source_is_opened(
    operator: Callable[[Any, Any], Any], usage: str, name: str, func: Any
) -> None:
    del usage
    source = Opening()
    with pytest.raises(TypeError) as caught:
        use(operator(func, source))
    message = str(caught.value)
    assert message.startswith(f"{name} must be callable, not ")
    assert len(message) <= len(f"{name} must be callable, not ") + 200
    assert not source.opened


@pytest.mark.parametrize(
    "operator",
    [
        ak.achain,
        ak.amerge,
        ak.azip,
        ak.azip_longest,
        ak.concurrent_merge,
        ak.concurrent_zip,
        ak.concurrent_zip_latest,
    ],
)
@pytest.mark.parametrize("gather", [list, tuple])
async def test_a_list_of_sources_in_place_of_the_sources_is_recognised(
    operator: Callable[..., Any], gather: Callable[[Any], Any]
) -> None:
    sources = [SourceProbe("ab"), SourceProbe("cd")]
    name = operator.__name__
    with pytest.warns(RuntimeWarning) as caught:
        made: Any = operator(gather(sources))
    assert str(caught[0].message) == (
        f"{name}() was given one list of sources, so its items are those sources; "
        f"to combine them, give each as an argument: {name}(*sources)"
    )
    assert caught[0].filename == __file__
    await drop(made)


@pytest.mark.parametrize(
    "sources", [[[]], [[[1], [2]]], [SourceProbe("a")], ["ab", ()]]
)
async def test_other_single_sources_cause_no_warning(sources: list[Any]) -> None:
    for operator in (ak.achain, ak.azip, ak.concurrent_merge):
        await drop(operator(*sources))


@pytest.mark.parametrize(
    "operator",
    [
        lambda f, s: LOOSE.concurrent_flat_map(f, s, limit=1),
        lambda f, s: LOOSE.concurrent_flat_map_unordered(f, s, limit=1),
        LOOSE.concurrent_switch_map,
    ],
    ids=["flat_map", "flat_map_unordered", "switch_map"],
)
@pytest.mark.parametrize("func", [len, alen], ids=["sync", "async"])
async def test_the_function_is_blamed_for_what_it_returns(
    operator: Callable[[Any, Any], Any], func: Any
) -> None:
    with pytest.raises(TypeError, match=r"^func must return an iterable, .* not 'int'"):
        async with operator(func, ["ab"]) as results:
            await anext(results)


def two(first: Any, _second: Any) -> list[Any]:
    return [first]


@pytest.mark.parametrize(
    "operator", [ak.concurrent_flat_map, ak.concurrent_flat_map_unordered]
)
async def test_a_function_of_two_arguments_gets_a_note(operator: Any) -> None:
    with pytest.raises(TypeError, match="missing 1 required") as caught:
        async with operator(two, [1], limit=1) as results:
            await anext(results)
    assert caught.value.__notes__[1].startswith("It is called with one argument.")


def test_the_roots_are_blamed_by_their_name() -> None:
    with pytest.raises(TypeError, match=r"^roots must be an iterable, .* not 'int'$"):
        LOOSE.concurrent_expand(fetch, 5, limit=1)


async def in_block(block: Any) -> None:
    async with block as results:
        # A partition has several readers.
        readers: Any = results if isinstance(results, tuple) else (results,)
        for reader in readers:
            async for _ in reader:
                pass


async def leaf(_item: object) -> list[Any]:
    return []


async def told(item: Any) -> Any:
    """Return *item*: an async function where a sync one is wanted."""
    return item


def holding(item: Any) -> Any:
    """Return a coroutine from a plain function."""
    return told(item)


# Each parameter that takes a sync function, and a call that passes it a wrong one.
TAKES_SYNC: dict[str, tuple[str, Callable[[Any, Any], Any]]] = {
    "concurrent_expand key": (
        "key",
        lambda f, s: in_block(LOOSE.concurrent_expand(leaf, s, limit=1, key=f)),
    ),
    "concurrent_expand follow": (
        "follow",
        lambda f, s: in_block(LOOSE.concurrent_expand(fetch, s, limit=1, follow=f)),
    ),
    "concurrent_partition key": (
        "key",
        lambda f, s: in_block(LOOSE.concurrent_partition(s, f, ["a"], buffer=1)),
    ),
    "concurrent_batched weight": (
        "weight",
        lambda f, s: in_block(
            LOOSE.concurrent_batched(s, within=1, weight=f, max_weight=5)
        ),
    ),
    "paced cost": (
        "cost",
        lambda f, s: LOOSE.paced(fetch, per_second=1, cost=f)(s),
    ),
}


def keyed_block(name: str) -> tuple[str, Callable[[Any, Any], Any]]:
    operator: Any = getattr(ak, name)
    return "key", lambda f, s: in_block(operator(fetch, s, limit=2, key=f))


def keyed_call(name: str) -> tuple[str, Callable[[Any, Any], Any]]:
    operator: Any = getattr(ak, name)
    return "key", lambda f, s: operator(fetch, s, limit=2, key=f)


for each in ("concurrent_map", "concurrent_map_unordered", "concurrent_filter"):
    TAKES_SYNC[f"{each} key"] = keyed_block(each)
for each in ("concurrent_collect", "concurrent_for_each"):
    TAKES_SYNC[f"{each} key"] = keyed_call(each)


@pytest.mark.parametrize(("name", "run"), TAKES_SYNC.values(), ids=TAKES_SYNC.keys())
@pytest.mark.parametrize("func", [told, holding, partial(told)])
async def test_an_async_function_in_the_place_of_a_sync_one_is_named(
    name: str, run: Callable[[Any, Any], Any], func: Any
) -> None:
    source = SourceProbe("ab")
    with pytest.raises(TypeError) as caught:
        await run(func, source)
    assert str(caught.value) == (
        f"{name} must be a sync function, but it returned a coroutine"
    )
    gc.collect()  # nothing is left that was never awaited
    if source.taken:
        source.assert_closed_once()


@pytest.mark.parametrize(
    ("found", "shown"),
    [(None, "None"), (5, "5"), (SourceProbe("a"), "<aiterkit.testing")],
)
async def test_follow_is_blamed_for_what_it_returns(found: Any, shown: str) -> None:
    with pytest.raises(TypeError) as caught:
        await in_block(
            LOOSE.concurrent_expand(fetch, "a", limit=1, follow=lambda _: found)
        )
    assert str(caught.value).startswith(
        f"follow must return an iterable of items, not {shown}"
    )


@pytest.mark.parametrize(
    "operator",
    [
        ak.acollect,
        ak.aenumerate,
        partial(LOOSE.amap, str),
        partial(LOOSE.concurrent_map, fetch, limit=1),
        partial(LOOSE.concurrent_buffer, size=1),
        LOOSE.concurrent_merge,
        LOOSE.aoffloaded,
    ],
)
def test_a_coroutine_as_the_source_is_named_and_closed(operator: Any) -> None:
    coroutine = fetch(1)
    with pytest.raises(TypeError, match=r"; await fetch\(\) to get one$"):
        use(operator(coroutine))
    with pytest.raises(RuntimeError, match="already awaited"):
        coroutine.send(None)


@pytest.mark.parametrize("kind", [OSError, KeyboardInterrupt])
@pytest.mark.parametrize("others", [(), (fetch,)], ids=["alone", "swapped"])
def test_an_exception_is_not_a_function_to_capture(
    kind: type[BaseException], others: tuple[Any, ...]
) -> None:
    with pytest.raises(TypeError) as caught:
        LOOSE.captured(kind, *others)
    assert str(caught.value) == (f"func comes first: captured(func, {kind.__name__})")


async def generating(item: str) -> AsyncGenerator[str]:
    yield item


@pytest.mark.parametrize("follow", [None, list])
async def test_a_crawl_by_a_generator_is_told_how_to_collect_it(follow: Any) -> None:
    usage = "lambda item: acollect(generating(item))"
    with pytest.raises(TypeError) as caught:
        await in_block(LOOSE.concurrent_expand(generating, "a", limit=1, follow=follow))
    assert str(caught.value) == (
        "concurrent_expand() needs a func that returns its items together; for an "
        f"async generator function use {usage}"
    )
    meant = eval(usage, {"acollect": ak.acollect, "generating": generating})  # noqa: S307
    async with ak.concurrent_expand(meant, "a", limit=1, key=str) as results:
        assert [item async for item in results] == ["a"]


def test_keys_that_are_no_iterable_are_named() -> None:
    with pytest.raises(TypeError, match=r"^keys must be an iterable of keys, not 2$"):
        LOOSE.concurrent_partition("ab", str, 2, buffer=1)


@pytest.mark.parametrize(
    ("call", "usage"),
    [
        (
            lambda: LOOSE.concurrent_merge("a", "b", limit=2),
            "concurrent_merge() has no option limit=: concurrent_merge(*sources)",
        ),
        (
            lambda: LOOSE.concurrent_batched("ab", 10, 1),
            (
                "concurrent_batched() takes its options by name: "
                "concurrent_batched(source, size, within=1)"
            ),
        ),
        (
            lambda: LOOSE.concurrent_batched("ab", 10, timeout=1),
            (
                "concurrent_batched() has no option timeout=: "
                "concurrent_batched(source, size, within=1)"
            ),
        ),
    ],
)
def test_the_call_that_is_shown_is_one_that_works(
    call: Callable[[], object], usage: str
) -> None:
    with pytest.raises(TypeError) as caught:
        call()
    assert str(caught.value) == usage
