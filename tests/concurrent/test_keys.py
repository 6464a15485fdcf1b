"""At most so many calls with equal keys, in input order; other keys do not wait."""

from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from itertools import count, pairwise
from typing import Any

import anyio
import pytest
from anyio import CapacityLimiter
from hypothesis import given, settings, strategies as st

import aiterkit as ak
from aiterkit._concurrent.map.state import KeyQueue, UnorderedCalls
from aiterkit.testing import CallProbe, SourceProbe, explore

from ..helpers import Boom, any_source  # noqa: TID252 - tests stand on no path
from .map_forms import KEYED, FairCall, Form, calls, every_keyed_form, streaming


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
    spans_of: dict[Any, list[Any]] = defaultdict(list)
    for span in call.spans:
        spans_of[key(span.item)].append(span)
    for spans in spans_of.values():
        assert [span.item for span in spans] == sorted(span.item for span in spans)
        for one, other in pairwise(spans):
            assert one.end <= other.start


@every_keyed_form
@any_source
async def test_equal_keys_never_overlap(form: Form, probe: Any) -> None:
    call = calls(seconds=1)
    results = await form.run(call, probe(range(10)), limit=5, key=parity)
    assert sorted(results) == list(range(10))
    assert_keyed(call, parity)
    assert call.max_overlap == 2
    assert anyio.current_time() == 5


@every_keyed_form
async def test_other_keys_do_not_wait_within_the_window(form: Form) -> None:
    # 0, 1, 2 have one key and take long; the rest goes on beside them.
    call = calls(seconds=lambda item: 100 if item < 3 else 1)
    with anyio.move_on_after(5):
        await form.run(call, SourceProbe(range(9)), limit=2, buffer=9, key=low)
    assert call.starts == [0, 3, 4, 5, 6, 7][: len(call.starts)]
    assert len(call.starts) >= 5


@every_keyed_form
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


@every_keyed_form
@any_source
async def test_a_key_that_fails_is_the_items_failure(form: Form, probe: Any) -> None:
    def key(item: int) -> int:
        if item == 3:
            raise Boom(item)
        return item

    source = probe(range(9))
    with pytest.raises(Boom, match="3"):
        await form.run(calls(), source, limit=2, key=key)


@every_keyed_form
async def test_a_key_that_cannot_be_hashed_is_an_error_too(form: Form) -> None:
    with pytest.raises(TypeError, match="unhashable"):
        await form.run(calls(), range(9), limit=2, key=unhashable)


@streaming
def test_a_key_that_cannot_be_called_is_refused_at_the_call(operator: Any) -> None:
    with pytest.raises(TypeError, match="key must be callable, not 'name'"):
        operator(calls(), range(9), limit=2, key="name")


@every_keyed_form
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

    for form in KEYED:
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
        for form in [*KEYED[:2], KEYED[-1]]:
            call = CallProbe[int, int](seconds=lambda item: item % 2)
            source = SourceProbe(range(8), gap=None)
            results = await form.run(call, source, limit=3, buffer=2, key=parity)
            assert sorted(results) == list(range(8))
            assert_keyed(call, parity)
            source.assert_closed_once()

    explore(test, schedules=12, seed=1)


# More than one call per key.


@every_keyed_form
@any_source
@pytest.mark.parametrize(
    ("per_key", "limit", "seconds"), [(2, 9, 3), (3, 9, 2), (9, 12, 1), (2, 3, 4)]
)
async def test_so_many_calls_per_key_run_at_once(
    form: Form, probe: Any, per_key: int, limit: int, seconds: float
) -> None:
    # Six items of each of two keys: as many calls at once as may, all the time.
    call = FairCall(parity, per_key, lambda _: 1)
    results = await form.run(
        call, probe(range(12)), limit=limit, buffer=9, key=call.note, per_key=per_key
    )
    assert sorted(results) == list(range(12))
    call.assert_fair()
    assert max(call.most.values()) == min(per_key, 6, limit)
    assert anyio.current_time() == pytest.approx(seconds)


@pytest.mark.parametrize("per_key", [1, 2])
@pytest.mark.parametrize("limit", [1, 2, 3])
@pytest.mark.parametrize(
    "form", [each for each in KEYED if each.name != "concurrent_collect"], ids=str
)
async def test_a_busy_key_of_an_endless_source_starves_no_other(
    form: Form, limit: int, per_key: int
) -> None:
    # Each hundredth item has the quiet key; all others have the busy one. The window
    # is full of the busy key all the time.
    def key(item: int) -> str:
        return "quiet" if item % 100 == 1 else "busy"

    async def endless() -> AsyncIterator[int]:
        for item in count():
            yield item

    call = FairCall(key, per_key, lambda _: 1)
    with anyio.move_on_after(450):
        await form.run(
            call, endless(), limit=limit, buffer=9, key=call.note, per_key=per_key
        )
    call.assert_fair()
    for item in range(1, max(call.started), 100):
        # Overtaken at most by what lay between the source and the reader.
        assert call.started.index(item) <= item + limit + 9
    assert call.started.count(1) == 1
    assert 101 in call.started


@every_keyed_form
async def test_the_item_of_another_key_goes_before_later_ones_of_a_busy_key(
    form: Form,
) -> None:
    call = FairCall(lambda item: item[0], 1, lambda _: 1)
    items = ["a1", "b1", "a2", "c1", "a3", "a4", "b2"]
    await form.run(call, SourceProbe(items), limit=1, buffer=9, key=call.note)
    assert call.started == items


@settings(max_examples=40, deadline=None)
@given(
    items=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4)), max_size=14),
    limit=st.integers(1, 5),
    per_key=st.integers(1, 3),
    buffer=st.none() | st.integers(0, 8),
    limiter=st.booleans(),
    is_async=st.booleans(),
)
async def test_whatever_comes_each_start_is_the_earliest_that_may_be(
    items: list[tuple[int, int]],
    limit: int,
    per_key: int,
    buffer: int | None,
    limiter: bool,  # noqa: FBT001
    is_async: bool,  # noqa: FBT001
) -> None:
    def key_of(number: int) -> int:
        return items[number][0]

    def seconds_of(number: int) -> float:
        return items[number][1]

    numbers: Any = range(len(items))
    for form in KEYED:
        call = FairCall(
            key_of,
            per_key,
            seconds_of,
        )
        results = await form.run(
            call,
            SourceProbe(numbers, gap=None) if is_async else numbers,
            limit=CapacityLimiter(limit) if limiter else limit,
            buffer=buffer,
            key=call.note,
            per_key=per_key,
        )
        assert sorted(results) == list(numbers)
        assert not form.ordered or results == list(numbers)
        call.assert_fair()
        assert not call.waiting
        assert not call.running.total()


def test_calls_per_key_under_every_schedule() -> None:
    async def test() -> None:
        for form in KEYED:
            call = FairCall(parity, 2, lambda item: item % 3)
            source = SourceProbe(range(8), gap=None)
            results = await form.run(
                call, source, limit=3, buffer=2, key=call.note, per_key=2
            )
            assert sorted(results) == list(range(8))
            call.assert_fair()
            source.assert_closed_once()

    explore(test, schedules=12, seed=1)


async def test_a_failed_call_lets_the_next_of_its_key_start() -> None:
    # In input order what came before a failure still runs: 3 fails first; 1 and 2
    # wait for 0, whose key they have.
    async def func(item: int) -> int:
        await anyio.sleep([5, 2, 2, 1][item])
        if item == 3:
            raise Boom
        return item

    call = CallProbe[int, int](func, seconds=None)
    got: list[int] = []
    async with ak.concurrent_map(
        call,
        SourceProbe(range(4), gap=None),
        limit=3,
        key=[0, 0, 0, 1].__getitem__,
        per_key=2,
    ) as results:
        with pytest.raises(Boom):
            async for result in results:
                got.append(result)
    assert got == [0, 1, 2]
    assert call.starts == [0, 1, 3, 2]


def test_a_key_that_no_call_has_is_forgotten() -> None:
    calls_ = UnorderedCalls[int, int](window=9)
    keys = KeyQueue[int, int](parity, 2)
    zero, one, two, four, six = [calls_.take(item) for item in (0, 1, 2, 4, 6)]
    assert [keys.may_start(call) for call in (zero, one, two, four, six)] == [
        True,
        True,
        True,
        False,
        False,
    ]
    assert keys.waiting == 2
    assert [len(queue) for queue in keys.queues()] == [2, 0]
    assert keys.release(zero) is four
    assert keys.release(one) is None
    assert [len(queue) for queue in keys.queues()] == [1]
    assert [keys.release(call) for call in (two, four, six)] == [six, None, None]
    assert list(keys.queues()) == []


@every_keyed_form
async def test_calls_per_key_are_checked_at_the_call(form: Form) -> None:
    for per_key, error, message in [
        (0, ValueError, "per_key must be at least 1, not 0"),
        (True, TypeError, "per_key must be an int, not True"),
        (1.5, TypeError, "per_key must be an int, not 1.5"),
    ]:
        with pytest.raises(error, match=message):
            await form.run(calls(), [1], limit=2, key=parity, per_key=per_key)
    with pytest.raises(TypeError, match=r"per_key=4 needs key=, a function"):
        await form.run(calls(), [1], limit=2, per_key=4)
    with pytest.raises(TypeError, match="key must be callable, not 'name'"):
        await form.run(calls(), [1], limit=2, key="name")
    assert await form.run(calls(), [1], limit=2, per_key=1) == [1]
