"""An operator that is a comprehension equals the native one, event for event.

mypy and pyright miss that a generator expression in a plain function may await, hence
each ``type: ignore`` of this file.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from inspect import isawaitable
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings

import aiterkit as ak

from .cases import cases
from .driving import Case, Event, World, lifted, run


@dataclass(frozen=True)
class Law:
    """An operator, and what it is equal to."""

    operator: Callable[[World], Any]
    native: Callable[[World], Any]
    shapes: dict[str, str] = field(default_factory=dict[str, str])

    def events(
        self, case: Case, other: Callable[[World], Any] | None = None
    ) -> list[Event]:
        return run(case, other or self.operator, **self.shapes)


def _map(world: World) -> Any:
    func, source = world.func, lifted(world.source)
    match world.case.style:
        case "plain":
            return (func(item) async for item in source)
        case "async":
            return (await func(item) async for item in source)  # type: ignore[await-not-async]
        case _:
            return (
                (await result) if isawaitable(result) else result  # type: ignore[await-not-async]
                async for item in source
                for result in [func(item)]
            )


def _filter(world: World) -> Any:
    func, source = world.func, lifted(world.source)
    match world.case.style:
        case "plain":
            return (item async for item in source if func(item))
        case "async":
            return (item async for item in source if await func(item))  # type: ignore[await-not-async]
        case _:
            return (
                item
                async for item in source
                for result in [func(item)]
                if ((await result) if isawaitable(result) else result)  # type: ignore[await-not-async]
            )


async def _collect(world: World) -> Any:
    return [item async for item in lifted(world.source)]


def _starmap(world: World) -> Any:
    func, source = world.func, lifted(world.source)
    match world.case.style:
        case "plain":
            return (func(*item) async for item in source)
        case "async":
            return (await func(*item) async for item in source)  # type: ignore[await-not-async]
        case _:
            return (
                (await result) if isawaitable(result) else result  # type: ignore[await-not-async]
                async for item in source
                for result in [func(*item)]
            )


def _filter_false(world: World) -> Any:
    func, source = world.func, lifted(world.source)
    match world.case.style:
        case "plain":
            return (item async for item in source if not func(item))
        case "async":
            return (item async for item in source if not await func(item))  # type: ignore[await-not-async]
        case _:
            return (
                item
                async for item in source
                for result in [func(item)]
                if not ((await result) if isawaitable(result) else result)  # type: ignore[await-not-async]
            )


def _filter_false_none(world: World) -> Any:
    return (item async for item in lifted(world.source) if not item)


def _flat_map(world: World) -> Any:
    func, source = world.func, lifted(world.source)
    match world.case.style:
        case "plain":
            return (y async for x in source async for y in lifted(func(x)))
        case "async":
            return (y async for x in source async for y in lifted(await func(x)))  # type: ignore[await-not-async]
        case _:
            return (
                y
                async for x in source
                for result in [func(x)]
                async for y in lifted(
                    (await result) if isawaitable(result) else result  # type: ignore[await-not-async]
                )
            )


def _flatten(world: World) -> Any:
    return (y async for x in lifted(world.source) async for y in lifted(x))


def _enumerate(world: World) -> Any:
    numbers = count(3)
    return ((next(numbers), item) async for item in lifted(world.source))


def _filter_none(world: World) -> Any:
    return (item async for item in lifted(world.source) if item)


def _map_later(world: World) -> Any:
    return (await world.later(item) async for item in lifted(world.source))  # type: ignore[await-not-async]


def _filter_later(world: World) -> Any:
    return (item async for item in lifted(world.source) if await world.later(item))  # type: ignore[await-not-async]


LAWS = {
    "amap": Law(lambda w: ak.amap(w.func, w.source), _map),
    "amap of a coroutine function": Law(
        lambda w: ak.amap(w.later, w.source), _map_later
    ),
    "afilter by a coroutine function": Law(
        lambda w: ak.afilter(w.later, w.source), _filter_later
    ),
    "astarmap": Law(
        lambda w: ak.astarmap(w.func, w.source), _starmap, {"items": "pair"}
    ),
    "aflat_map": Law(
        lambda w: ak.aflat_map(w.func, w.source), _flat_map, {"results": "source"}
    ),
    "aflatten": Law(lambda w: ak.aflatten(w.source), _flatten, {"items": "source"}),
    "afilter": Law(lambda w: ak.afilter(w.func, w.source), _filter),
    "afilter with None": Law(lambda w: ak.afilter(None, w.source), _filter_none),
    "afilterfalse": Law(lambda w: ak.afilterfalse(w.func, w.source), _filter_false),
    "afilterfalse with None": Law(
        lambda w: ak.afilterfalse(None, w.source), _filter_false_none
    ),
    "aenumerate": Law(lambda w: ak.aenumerate(w.source, 3), _enumerate),
    "acollect": Law(lambda w: ak.acollect(w.source), _collect),
}


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS.keys())
def test_it_equals_the_native_comprehension(law: Law) -> None:
    @given(cases)
    @settings(max_examples=80, deadline=None)
    def judged(case: Case) -> None:
        assert law.events(case) == law.events(case, law.native)

    judged()
