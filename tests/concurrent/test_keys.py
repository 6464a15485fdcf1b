"""Equal keys one after the other, in input order; other keys do not wait."""

from collections import defaultdict
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import anyio
import pytest
from anyio import CapacityLimiter
from hypothesis import given, settings, strategies as st

import aiterkit as ak
from aiterkit.testing import CallProbe, SourceProbe, explore

from .forms import FORMS, Form, any_source, calls, every_form, streaming


class Boom(Exception):
    """What fails here."""


def parity(item: int) -> int:
    return item % 2


def low(item: int) -> int:
    return max(item, 2)


def alike(_item: int) -> None:
    return None


def unhashable(item: int) -> Any:
    return [item]


def assert_keyed(call: CallProbe[Any, Any], key: Callable[[Any], Any]) -> None:
    """Fail if calls with equal keys overlapped, or started out of order."""
    lanes: dict[Any, list[Any]] = defaultdict(list)
    for span in call.spans:
        lanes[key(span.item)].append(span)
    for spans in lanes.values():
        assert [span.item for span in spans] == sorted(span.item for span in spans)
        for one, other in pairwise(spans):
            assert one.end <= other.start


@every_form
@any_source
async def test_equal_keys_never_overlap(form: Form, probe: Any) -> None:
    call = calls(seconds=1)
    results = await form.run(call, probe(range(10)), limit=5, key=parity)
    assert sorted(results) == list(range(10))
    assert_keyed(call, parity)
    assert call.max_overlap == 2
    assert anyio.current_time() == 5


@every_form
async def test_other_keys_do_not_wait_within_the_window(form: Form) -> None:
    # 0, 1, 2 have one key and take long; the rest goes on beside them.
    call = calls(seconds=lambda item: 100 if item < 3 else 1)
    with anyio.move_on_after(5):
        await form.run(call, SourceProbe(range(9)), limit=2, buffer=9, key=low)
    assert call.starts == [0, 3, 4, 5, 6, 7][: len(call.starts)]
    assert len(call.starts) >= 5


@every_form
async def test_one_key_is_a_sequence(form: Form) -> None:
    call = calls(seconds=lambda item: item % 3)
    results = await form.run(call, range(9), limit=5, key=alike)
    assert results == list(range(9))
    assert call.max_overlap == 1


async def test_in_input_order_a_failure_lets_earlier_items_of_busy_keys_run() -> None:
    # 2 fails at once; 1 waits for 0, whose key it has, and is still to be given.
    async def func(item: int) -> int:
        await anyio.sleep([5, 5, 1, 9][item])
        if item == 2:
            raise Boom
        return item

    call = CallProbe[int, int](func, seconds=None)
    got: list[int] = []
    source = SourceProbe(range(4), gap=None)
    key = [0, 0, 1, 0].__getitem__
    async with ak.concurrent_map(call, source, limit=2, key=key) as results:
        with pytest.raises(Boom):
            async for result in results:
                got.append(result)
    assert got == [0, 1]
    assert call.starts == [0, 2, 1]
    assert anyio.current_time() == 10
    source.assert_closed_once()


async def test_in_input_order_a_call_that_overtook_others_may_fail() -> None:
    async def call(item: int) -> int:
        await anyio.sleep([3, 2, 2, 0, 0][item])
        if item == 4:
            raise Boom
        return item

    source = SourceProbe(range(5), gap=1)
    got: list[int] = []
    with pytest.raises(Boom):
        # One call at a time: the last goes before two others, as it waited for 1.
        async with ak.concurrent_map(
            call, source, limit=1, buffer=4, key=lambda item: item % 3
        ) as results:
            async for result in results:
                got.append(result)
    assert got == [0, 1, 2, 3]
    source.assert_closed_once()


async def test_a_call_that_outlives_its_cancellation_holds_back_no_earlier_one() -> (
    None
):
    async def call(item: int) -> int:
        if item == 4:
            await anyio.sleep(1)
            raise Boom
        with anyio.CancelScope(shield=item == 5):
            await anyio.sleep(5 if item != 5 else 2)
        return item

    start = anyio.current_time()
    got: list[int] = []
    with pytest.raises(Boom):
        # 4 fails while 5 runs. That ends 5, which stays for one more second all the
        # same; what came before 4 is finished and delivered.
        async with ak.concurrent_map(
            call,
            SourceProbe(range(6), gap=None),
            limit=2,
            buffer=4,
            key=lambda item: item % 4,
        ) as results:
            async for result in results:
                got.append(result)
    assert got == [0, 1, 2, 3]
    assert anyio.current_time() - start == 5 + 2 + 5


@every_form
@any_source
async def test_a_key_that_fails_is_the_items_failure(form: Form, probe: Any) -> None:
    def key(item: int) -> int:
        if item == 3:
            raise Boom(item)
        return item

    source = probe(range(9))
    with pytest.raises(Boom, match="3"):
        await form.run(calls(), source, limit=2, key=key)


@every_form
async def test_a_key_that_cannot_be_hashed_is_an_error_too(form: Form) -> None:
    with pytest.raises(TypeError, match="unhashable"):
        await form.run(calls(), range(9), limit=2, key=unhashable)


@streaming
def test_a_key_that_cannot_be_called_is_refused_at_the_call(operator: Any) -> None:
    with pytest.raises(TypeError, match="key must be callable, not 'name'"):
        operator(calls(), range(9), limit=2, key="name")


@every_form
@any_source
async def test_leaving_early_gives_up_what_waits_for_a_key(
    form: Form, probe: Any
) -> None:
    call = calls(seconds=10, cleanup=1)
    with anyio.move_on_after(5):
        await form.run(call, probe(range(9)), limit=3, key=parity)
    assert call.cancelled == [0, 1]
    call.assert_all_ended()


@settings(max_examples=40, deadline=None)
@given(
    items=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4)), max_size=12),
    limit=st.integers(1, 4),
    buffer=st.none() | st.integers(0, 6),
    fails=st.none() | st.integers(0, 11),
    limiter=st.booleans(),
    is_async=st.booleans(),
)
async def test_whatever_the_keys_order_and_overlap_hold(
    items: list[tuple[int, int]],
    limit: int,
    buffer: int | None,
    fails: int | None,
    limiter: bool,  # noqa: FBT001
    is_async: bool,  # noqa: FBT001
) -> None:
    def key(number: int) -> int:
        return items[number][0]

    async def func(number: int) -> int:
        await anyio.sleep(items[number][1])
        if number == fails:
            raise Boom
        return number

    for form in FORMS:
        call = CallProbe[int, int](func, seconds=None)
        numbers: Any = range(len(items))
        source = SourceProbe(numbers, gap=None) if is_async else numbers
        bound = CapacityLimiter(limit) if limiter else limit
        options: Any = {"limit": bound, "buffer": buffer, "key": key}
        if fails is None or fails >= len(items):
            results = await form.run(call, source, **options)
            assert results == (list(numbers) if form.ordered else call.ends)
        else:
            with pytest.raises(Boom):
                await form.run(call, source, **options)
        call.assert_never_exceeds(limit)
        call.assert_all_ended()
        assert_keyed(call, key)


def test_keys_under_every_schedule() -> None:
    async def test() -> None:
        for form in FORMS[:2]:
            call = CallProbe[int, int](seconds=lambda item: item % 2)
            source = SourceProbe(range(8), gap=None)
            results = await form.run(call, source, limit=3, buffer=2, key=parity)
            assert sorted(results) == list(range(8))
            assert_keyed(call, parity)
            source.assert_closed_once()

    explore(test, schedules=12, seed=1)
