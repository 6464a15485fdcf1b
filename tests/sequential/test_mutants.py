"""The law test can fail: each of these plausible operators breaks it.

mypy and pyright miss that a generator expression in a plain function may await, hence
the ``type: ignore[await-not-async]`` of this file.
"""

from collections.abc import Callable
from contextvars import copy_context
from inspect import isawaitable, iscoroutinefunction
from typing import Any

import pytest
from hypothesis import Phase, find, settings

from .cases import cases
from .driving import Case, World, lifted, trap
from .test_laws import LAWS

MUTANTS: list[Any] = []


def mutant_of(name: str) -> Callable[[Callable[[Any, Any], Any]], None]:
    """Note a mutant of operator *name*, called after what is wrong with it."""

    def note(wrong: Callable[[Any, Any], Any]) -> None:
        MUTANTS.append(pytest.param(name, wrong, id=f"{name} {wrong.__name__}"))

    return note


async def judged(result: Any) -> Any:
    return await result if isawaitable(result) else result


@mutant_of("amap")
async def opens_its_source_late(func: Any, source: Any) -> Any:
    async for item in source:
        result = func(item)
        yield await result if isawaitable(result) else result


@mutant_of("amap")
def opens_its_source_twice(func: Any, source: Any) -> Any:
    iterator = aiter(source)
    return (
        (await result) if isawaitable(result) else result  # type: ignore[await-not-async]
        async for item in iterator
        for result in [func(item)]
    )


@mutant_of("amap")
def asks_the_instance_for_its_iterator(_func: Any, source: Any) -> Any:
    source.__aiter__()
    return LAWS["amap"].operator(source.world)


@mutant_of("amap")
def hides_a_generator_inside(func: Any, source: Any) -> Any:
    async def inner(iterator: Any) -> Any:
        async for item in iterator:
            yield func(item)

    class Once:
        def __aiter__(self) -> Any:
            return iterator

    iterator = aiter(source)
    return (await judged(result) async for result in inner(Once()))  # type: ignore[await-not-async]


@mutant_of("amap")
def closes_its_source(func: Any, source: Any) -> Any:
    async def closing(iterator: Any) -> Any:
        try:
            while True:
                try:
                    item = await anext(iterator)
                except StopAsyncIteration:
                    return
                result = func(item)
                yield await result if isawaitable(result) else result
        finally:
            await iterator.aclose()

    return closing(aiter(source))


@mutant_of("amap")
def adds_a_checkpoint(func: Any, source: Any) -> Any:
    return (
        (await result) if isawaitable(result) else result  # type: ignore[await-not-async]
        async for item in source
        for _ in [await trap("checkpoint")]  # type: ignore[await-not-async]
        for result in [func(item)]
    )


@mutant_of("amap")
def judges_the_function_and_not_the_result(func: Any, source: Any) -> Any:
    if iscoroutinefunction(func):
        return (await func(item) async for item in source)  # type: ignore[await-not-async]
    return (func(item) async for item in source)


@mutant_of("amap")
def judges_the_first_call_only(func: Any, source: Any) -> Any:
    first: list[bool] = []
    return (
        (await result) if first[0] else result  # type: ignore[await-not-async]
        async for item in source
        for result in [func(item)]
        for _ in [first or first.append(isawaitable(result))]  # type: ignore[func-returns-value]
    )


@mutant_of("amap")
def knows_coroutines_only(func: Any, source: Any) -> Any:
    return (
        (await result) if type(result).__name__ == "coroutine" else result  # type: ignore[await-not-async]
        async for item in source
        for result in [func(item)]
    )


@mutant_of("amap")
def looks_for_await_on_the_instance(func: Any, source: Any) -> Any:
    return (
        (await result) if hasattr(result, "__await__") else result  # type: ignore[await-not-async]
        async for item in source
        for result in [func(item)]
    )


@mutant_of("amap")
def awaits_in_a_coroutine_of_its_own(func: Any, source: Any) -> Any:
    async def call(item: Any) -> Any:
        return await judged(func(item))

    return (await call(item) async for item in source)  # type: ignore[await-not-async]


@mutant_of("amap")
def reads_one_item_ahead(func: Any, source: Any) -> Any:
    async def ahead(iterator: Any) -> Any:
        held: list[Any] = []
        while True:
            try:
                held.append(await anext(iterator))
            except StopAsyncIteration:
                break
            if len(held) > 1:
                result = func(held.pop(0))
                yield await result if isawaitable(result) else result
        for item in held:
            result = func(item)
            yield await result if isawaitable(result) else result

    return ahead(aiter(source))


@mutant_of("amap")
def calls_in_a_context_of_its_own(func: Any, source: Any) -> Any:
    context = copy_context()
    return (
        (await result) if isawaitable(result) else result  # type: ignore[await-not-async]
        async for item in source
        for result in [context.run(func, item)]
    )


@mutant_of("amap")
class IsAClass:
    def __init__(self, func: Any, source: Any) -> None:
        self.func = func
        self.iterator = aiter(source)

    def __aiter__(self) -> Any:
        return self

    async def __anext__(self) -> Any:
        return await judged(self.func(await anext(self.iterator)))


@mutant_of("amap")
def goes_on_after_an_error(func: Any, source: Any) -> Any:
    async def patient(iterator: Any) -> Any:
        while True:
            try:
                result = func(await anext(iterator))
                yield await result if isawaitable(result) else result
            except StopAsyncIteration:
                return
            except ValueError:
                continue

    return patient(aiter(source))


@mutant_of("amap")
def takes_a_stop_iteration_for_the_end(func: Any, source: Any) -> Any:
    async def gentle(iterator: Any) -> Any:
        try:
            while True:
                result = func(await anext(iterator))
                yield await result if isawaitable(result) else result
        except (StopIteration, StopAsyncIteration):
            return

    return gentle(aiter(source))


@mutant_of("amap")
def takes_the_sync_side_of_what_is_both(_func: Any, source: Any) -> Any:
    if source.world.case.source.kind == "both":
        list(source)
    return LAWS["amap"].operator(source.world)


@mutant_of("afilter")
def tests_the_truth_twice(func: Any, source: Any) -> Any:
    return (
        item
        async for item in source
        for result in [await judged(func(item))]  # type: ignore[await-not-async]
        if bool(result) and result
    )


@mutant_of("afilter")
def tests_an_awaitable_for_truth(func: Any, source: Any) -> Any:
    return (item async for item in source if func(item))


@mutant_of("afilter with None")
def compares_with_none(_func: Any, source: Any) -> Any:
    return (item async for item in source if item is not None)


@mutant_of("acollect")
async def swallows_the_error(_func: Any, source: Any) -> Any:
    items: list[Any] = []
    try:
        async for item in source:
            items.append(item)
    except Exception:  # noqa: BLE001, S110 - the mutation
        pass
    return items


@mutant_of("acollect")
def opens_its_source_at_the_call(_func: Any, source: Any) -> Any:
    iterator = aiter(source)

    async def collect() -> Any:
        items: list[Any] = []
        while True:
            try:
                items.append(await anext(iterator))
            except StopAsyncIteration:
                return items

    return collect()


@pytest.mark.parametrize(("name", "wrong"), MUTANTS)
def test_a_mutant_is_seen(name: str, wrong: Callable[[Any, Any], Any]) -> None:
    law = LAWS[name]

    def made(world: World) -> Any:
        return wrong(world.func, lifted(world.source))

    def seen(case: Case) -> bool:
        if case.source.opens in {"nothing", "error"}:
            return False  # the mutants are wrong in more telling ways
        return law.events(case, made) != law.events(case)

    find(
        cases,
        seen,
        settings=settings(
            max_examples=2000,
            phases=[Phase.generate],
            derandomize=True,
            database=None,
            deadline=None,
        ),
    )
