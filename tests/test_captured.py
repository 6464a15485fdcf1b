"""What `captured` gives, in every operator that takes a function.

It is for functions whose results are read. Where an operator uses the result for
something else, it must not silently use an outcome instead.
"""

import copy
import inspect
import math
import pickle
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import FrozenInstanceError
from functools import partial
from typing import Any, cast

import anyio
import pytest
from anyio.lowlevel import checkpoint

import aiterkit as ak
from aiterkit import Err, Ok, captured, paced
from aiterkit.testing import SourceProbe, run_in_virtual_time


def share(n: int) -> int:
    return 12 // n


async def ashare(n: int) -> int:
    await checkpoint()
    return 12 // n


async def shares(n: int) -> AsyncGenerator[int]:
    yield n
    await checkpoint()
    yield 12 // n


def divide(a: int, b: int) -> int:
    return a // b


TEN: Any = captured(share)
ATEN: Any = captured(ashare)
SHARES: Any = captured(shares)
GIVEN = [("ok", 12), ("err", "ZeroDivisionError"), ("ok", 6)]
FLAT = [
    *[("ok", 1), ("ok", 12)],
    *[("ok", 0), ("err", "ZeroDivisionError")],
    *[("ok", 2), ("ok", 6)],
]


def shown(outcome: Any) -> Any:
    if isinstance(outcome, Ok):
        return "ok", cast("Any", outcome).value
    if isinstance(outcome, Err):
        return "err", type(cast("Any", outcome).error).__name__
    return outcome


async def groups(source: Any) -> list[Any]:
    return [(shown(key), [n async for n in group]) async for key, group in source]


async def read(made: Any) -> Any:
    """Return what *made* gives, which is iterated over, entered or awaited."""
    if hasattr(made, "__aiter__"):
        return [shown(outcome) async for outcome in made]
    if hasattr(made, "__aenter__"):
        async with made as results:
            return [shown(outcome) async for outcome in results]
    result = await made
    return result if result is None else [shown(outcome) for outcome in result]


NUMBERS = [1, 0, 2]
NEITHER = r"^an outcome is neither true nor false, and this one is an Ok: use `match` "

# Where a result of the function is given to the reader.
GIVES: dict[str, tuple[Callable[[], Any], Any]] = {
    "aflat_map func": (lambda: ak.aflat_map(SHARES, NUMBERS), FLAT),
    "amap func": (lambda: ak.amap(TEN, NUMBERS), GIVEN),
    "astarmap func": (
        lambda: ak.astarmap(captured(divide), [(12, 1), (12, 0), (12, 2)]),
        GIVEN,
    ),
    "concurrent_collect func": (
        lambda: ak.concurrent_collect(ATEN, NUMBERS, limit=2),
        GIVEN,
    ),
    "concurrent_flat_map func": (
        lambda: ak.concurrent_flat_map(SHARES, NUMBERS, limit=2),
        FLAT,
    ),
    "concurrent_flat_map_unordered func": (
        lambda: ak.concurrent_flat_map_unordered(SHARES, NUMBERS, limit=1),
        FLAT,
    ),
    "concurrent_map func": (lambda: ak.concurrent_map(ATEN, NUMBERS, limit=2), GIVEN),
    "concurrent_map_unordered func": (
        lambda: ak.concurrent_map_unordered(ATEN, NUMBERS, limit=1),
        GIVEN,
    ),
    "concurrent_switch_map func": (
        lambda: ak.concurrent_switch_map(SHARES, [2]),
        FLAT[-2:],
    ),
    # Keys are compared, and outcomes are equal if their values are.
    "agroupby key": (
        lambda: groups(ak.agroupby([1, 1, 0], TEN)),
        [(("ok", 12), [1, 1]), (("err", "ZeroDivisionError"), [0])],
    ),
    "aunique key": (lambda: ak.aunique([1, 1, 0, 2], TEN), [1, 0, 2]),
}

# Where it is needed for something else.
REFUSES: dict[str, tuple[Callable[[], Any], str]] = {
    "adropwhile predicate": (lambda: ak.adropwhile(TEN, NUMBERS), NEITHER),
    "afilter predicate": (lambda: ak.afilter(TEN, NUMBERS), NEITHER),
    "afilterfalse predicate": (lambda: ak.afilterfalse(TEN, NUMBERS), NEITHER),
    "afind predicate": (lambda: ak.afind(TEN, NUMBERS), NEITHER),
    "atakewhile predicate": (lambda: ak.atakewhile(TEN, NUMBERS), NEITHER),
    "concurrent_filter predicate": (
        lambda: ak.concurrent_filter(ATEN, NUMBERS, limit=2),
        NEITHER,
    ),
    "amax key": (lambda: ak.amax([1, 2], key=TEN), "between instances of 'Ok' and"),
    "amin key": (lambda: ak.amin([1, 2], key=TEN), "between instances of 'Ok' and"),
    "anlargest key": (
        lambda: ak.anlargest(1, [1, 2], key=TEN),
        "between instances of 'Ok' and",
    ),
    "ansmallest key": (
        lambda: ak.ansmallest(1, [1, 2], key=TEN),
        "between instances of 'Ok' and",
    ),
    "amerge key": (
        lambda: ak.amerge([1], [2], key=TEN),
        "between instances of 'Ok' and",
    ),
    "atakewhile_inclusive predicate": (
        lambda: ak.atakewhile_inclusive(TEN, NUMBERS),
        NEITHER,
    ),
    "asorted key": (lambda: ak.asorted([1, 2], key=TEN), "between instances of 'Ok'"),
    "concurrent_expand func": (
        lambda: ak.concurrent_expand(ATEN, [1], limit=2),
        "a func that returns an iterable of items, not Ok",
    ),
}

# Where it would be taken for something else, so the pages say what to do instead.
UNFIT = {
    "aaccumulate func": "the next call gets an outcome, where it wants a total",
    "areduce func": "the next call gets an outcome, where it wants a total",
    "concurrent_for_each func": "it gives no results, so the errors would be lost",
    "arestarted open": "it opens a source, which an outcome is not",
    "arestarted waits": "it must be sync",
    "acollect into": "it makes one result of all; there is no call per item",
    "concurrent_batched weight": "it must be sync",
    "concurrent_collect key": "it must be sync",
    "concurrent_expand follow": "it must be sync",
    "concurrent_expand key": "it must be sync",
    "concurrent_filter key": "it must be sync",
    "concurrent_for_each key": "it must be sync",
    "concurrent_map key": "it must be sync",
    "concurrent_map_unordered key": "it must be sync",
    "concurrent_partition key": "it must be sync",
    "concurrent_until stop": "what it returns is not looked at",
}


class TestEachOperator:
    @pytest.mark.parametrize("name", GIVES)
    async def test_gives_outcomes(self, name: str) -> None:
        make, given = GIVES[name]
        assert await read(make()) == given

    @pytest.mark.parametrize("name", REFUSES)
    async def test_takes_no_outcome_for_something_else(self, name: str) -> None:
        make, message = REFUSES[name]
        with pytest.raises(TypeError, match=message):
            await read(make())

    @pytest.mark.parametrize("name", ["concurrent_flat_map", "aflat_map"])
    async def test_a_flat_map_wants_an_async_generator_function(
        self, name: str
    ) -> None:
        def hidden(n: int) -> Any:
            return shares(n)

        options = {"limit": 1} if name.startswith("concurrent") else {}
        with pytest.raises(TypeError, match=r"async generator function itself, not a"):
            await read(getattr(ak, name)(captured(hidden), [1], **options))

    def test_none_is_left_out(self) -> None:
        functions = {
            f"{name} {parameter.name}"
            for name in ak.__all__
            if name[0] == "a" or name.startswith("concurrent_")
            for parameter in inspect.signature(getattr(ak, name)).parameters.values()
            if "Callable" in str(parameter.annotation)
        }
        assert functions == GIVES.keys() | REFUSES.keys() | UNFIT.keys()


class TestOutcomes:
    OUTCOMES = pytest.mark.parametrize(
        "outcome", [Ok(1, ("x",)), Err(KeyError("x"), ("x",))]
    )

    @OUTCOMES
    def test_are_frozen_and_have_slots(self, outcome: Any) -> None:
        for name in ("value", "error", "args", "item", "other"):
            with pytest.raises((FrozenInstanceError, AttributeError)):
                setattr(outcome, name, 2)
        assert not hasattr(outcome, "__dict__")

    @OUTCOMES
    def test_can_be_copied_and_pickled(self, outcome: Any) -> None:
        assert copy.copy(outcome) == outcome
        assert repr(copy.deepcopy(outcome)) == repr(outcome)
        assert repr(pickle.loads(pickle.dumps(outcome))) == repr(outcome)  # noqa: S301

    @OUTCOMES
    def test_know_which_item_it_was(self, outcome: Any) -> None:
        assert outcome.args == ("x",)
        assert outcome.item == "x"

    @pytest.mark.parametrize("outcome", [Ok(1), Err(KeyError("x"))])
    def test_have_no_item_if_the_call_had_none(self, outcome: Any) -> None:
        assert outcome.args == ()
        with pytest.raises(AttributeError) as caught:
            _ = outcome.item
        assert str(caught.value) == (
            f"this {type(outcome).__name__} has no item, because its call had no "
            f"positional argument"
        )

    @OUTCOMES
    def test_are_neither_true_nor_false(self, outcome: Any) -> None:
        with pytest.raises(TypeError) as caught:
            bool(outcome)
        assert str(caught.value) == (
            f"an outcome is neither true nor false, and this one is an "
            f"{type(outcome).__name__}: use `match` with `case Ok(value)` and "
            f"`case Err(error)`, or isinstance(outcome, Ok)"
        )

    async def test_are_not_all_true(self) -> None:
        with pytest.raises(TypeError, match=NEITHER):
            await ak.aall([Ok(1), Err(KeyError())])
        with pytest.raises(TypeError, match=NEITHER):
            await ak.aany([Ok(0)])

    def test_can_be_made_with_their_types(self) -> None:
        assert Ok[int](1) == Ok[int, str](1) == Ok(1)
        error = KeyError()
        assert Err[KeyError](error) == Err[KeyError, str](error) == Err(error)

    def test_are_equal_if_they_hold_the_same_whichever_call_it_was(self) -> None:
        error = KeyError()
        assert {Ok(1), Ok(1, (2,)), Err(error), Err(error, (2,))} == {Ok(1), Err(error)}
        assert Ok(1) != Ok(2)
        assert Ok(math.nan) != Ok(float("nan"))
        assert Err(error) != Err(KeyError())
        other: Any = Ok(error)
        assert Err(error) != other
        assert other != Err(error)

    def test_can_be_hashed_whatever_the_call_got(self) -> None:
        assert hash(Ok(1, ([],))) == hash(Ok(1))
        error = KeyError()
        assert hash(Err(error, ([],))) == hash(Err(error))

    def test_show_what_they_hold(self) -> None:
        assert repr(Ok(1, ("x",))) == "Ok(value=1, args=('x',))"
        shown = "Err(error=KeyError('x'), args=('x',))"
        assert repr(Err(KeyError("x"), ("x",))) == shown

    def test_can_be_matched(self) -> None:
        found: list[object] = []
        for outcome in (
            Ok(1, ("a",)),
            Ok(2),
            Err(KeyError("x"), ("y",)),
            Err(OSError()),
        ):
            match outcome:
                case Ok(value, [item]):
                    found.append((value, item))
                case Ok(value):
                    found.append(value)
                case Err(KeyError() as error, [item]):
                    found.append((error.args, item))
                case Err(args=args):
                    found.append(args)
        assert found == [(1, "a"), 2, (("x",), "y"), ()]


class TestOfAGenerator:
    """`captured` of an async generator function."""

    async def test_gives_its_items_and_the_error_that_ends_it(self) -> None:
        good = [outcome async for outcome in captured(shares)(3)]
        assert good == [Ok(3), Ok(4)]
        assert [outcome.item for outcome in good] == [3, 3]
        *good, last = [outcome async for outcome in captured(shares)(0)]
        assert good == [Ok(0)]
        assert isinstance(last, Err)
        assert isinstance(last.error, ZeroDivisionError)
        assert last.error.__context__ is None
        assert last.item == 0

    async def test_captures_only_what_it_is_told_to(self) -> None:
        outcomes = captured(shares, LookupError)(0)
        assert await anext(outcomes) == Ok(0)
        with pytest.raises(ZeroDivisionError):
            await anext(outcomes)

    @pytest.mark.parametrize("form", ["partial", "method", "object"])
    async def test_knows_one_in_any_form(self, form: str) -> None:
        class Shares:
            async def __call__(self, n: int) -> AsyncGenerator[int]:
                yield n

            async def get(self, n: int) -> AsyncGenerator[int]:
                yield n

        forms: dict[str, Any] = {
            "partial": partial(shares, 6),
            "method": partial(Shares().get, 6),
            "object": partial(Shares(), 6),
        }
        func: Callable[[], AsyncGenerator[int]] = forms[form]
        call = captured(func)
        assert inspect.isasyncgenfunction(call)
        outcomes = call()
        assert await anext(outcomes) == Ok(6)
        await outcomes.aclose()

    async def test_can_be_captured_and_paced_again(self) -> None:
        call = paced(captured(captured(shares)), per_second=1)
        assert [each async for each in call(6)] == [Ok(Ok(6)), Ok(Ok(2))]
        assert [each async for each in call(6)] == [Ok(Ok(6)), Ok(Ok(2))]
        assert anyio.current_time() == 1

    async def test_lets_through_what_its_reader_throws_in(self) -> None:
        outcomes = captured(shares)(3)
        await anext(outcomes)
        with pytest.raises(KeyError, match="mine"):
            await outcomes.athrow(KeyError("mine"))
        assert [each async for each in outcomes] == []

    @pytest.mark.parametrize("leave", ["close", "end", "error", "cancel"])
    async def test_closes_its_source(self, leave: str) -> None:
        closed: list[str] = []

        async def letters(error: Exception | None) -> AsyncGenerator[str]:
            try:
                yield "a"
                if error is not None:
                    raise error
                yield "b"
                if leave == "cancel":
                    await anyio.sleep_forever()
            finally:
                closed.append(leave)

        outcomes = captured(letters)(OSError() if leave == "error" else None)
        with anyio.move_on_after(1):
            async with aclosing(outcomes):
                async for _ in outcomes:
                    if leave == "close":
                        break
        assert closed == [leave]

    def test_never_captures_a_cancellation(self) -> None:
        async def wait(_: int) -> AsyncGenerator[int]:
            await anyio.sleep_forever()
            yield 1

        async def test() -> None:
            with anyio.move_on_after(1) as scope:
                async for _ in captured(wait)(1):
                    pytest.fail("it was captured")
            assert scope.cancelled_caught

        run_in_virtual_time(test)
        run_in_virtual_time(test, backend="trio")

    async def test_lets_the_other_sources_of_a_flat_map_go_on(self) -> None:
        source = SourceProbe(NUMBERS)
        async with ak.concurrent_flat_map(
            captured(shares), source, limit=2
        ) as outcomes:
            assert [shown(outcome) async for outcome in outcomes] == FLAT
        assert source.closes == 1


async def test_a_result_of_an_iterator_that_is_no_generator_is_a_result() -> None:
    class Letters:
        def __aiter__(self) -> "Letters":
            return self

        async def __anext__(self) -> str:
            raise StopAsyncIteration

    letters = Letters()

    async def connect(_: str) -> Letters:
        return letters

    call: Callable[[str], Awaitable[Any]] = captured(connect)
    assert await call("a") == Ok(letters)
