"""What `captured`, `timed` and `paced` make of a function."""

import ast
import asyncio
import gc
import inspect
import itertools
import math
import time
import weakref
from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    Coroutine,
    Generator,
    Iterable,
    Iterator,
)
from contextvars import ContextVar
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
import stamina
import tenacity
from anyio.lowlevel import checkpoint
from hypothesis import given, settings, strategies as st

import aiterkit as ak
from aiterkit import Err, Ok, _calls, captured, offloaded, paced, timed
from aiterkit._calls import timing
from aiterkit._calls.timing import _Bucket
from aiterkit.testing import CallProbe, explore, run_in_virtual_time

Change = Callable[[Callable[..., Any]], Callable[..., Coroutine[Any, Any, Any]]]

CHANGES: dict[str, Change] = {
    "captured": lambda func: captured(func, KeyError),
    "timed": lambda func: timed(func, 9),
    "paced": lambda func: paced(func, per_second=2**20),
}
EACH = pytest.mark.parametrize(
    "change", [pytest.param(change, id=name) for name, change in CHANGES.items()]
)
ALSO_OFFLOADED = pytest.mark.parametrize(
    "change",
    [
        *(pytest.param(change, id=name) for name, change in CHANGES.items()),
        pytest.param(offloaded, id="offloaded"),
    ],
)


def plain(outcome: Any) -> Any:
    """What a call returned, captured or not."""
    return getattr(outcome, "value", outcome)


def shout(text: str, times: int = 1, *, end: str = "!") -> str:
    """Say it loud."""
    return text.upper() * times + end


async def fetch(url: str, *, tries: int = 1) -> str:
    """Fetch a page."""
    await checkpoint()
    return url.upper() * tries


async def pages(url: str, count: int = 2) -> AsyncGenerator[str]:
    """Give pages."""
    for number in range(count):
        await anyio.sleep(1)
        yield f"{url}{number}"


class Service:
    def __init__(self, host: str) -> None:
        self.host = host

    async def get(self, url: str) -> str:
        return f"{self.host}/{url}"


class Getter:
    """Gets what it is asked for."""

    def __init__(self) -> None:
        self.note = "its own business"

    async def __call__(self, url: str) -> str:
        return url.upper()


class TestEveryChange:
    @ALSO_OFFLOADED
    def test_keeps_name_docstring_and_signature(self, change: Change) -> None:
        call = change(shout)
        assert call.__name__ == "shout"
        assert call.__qualname__ == "shout"
        assert call.__module__ == __name__
        assert call.__doc__ == "Say it loud."
        assert inspect.signature(call) == inspect.signature(shout)
        assert inspect.unwrap(call) is shout

    @ALSO_OFFLOADED
    def test_gives_a_coroutine_function(self, change: Change) -> None:
        assert inspect.iscoroutinefunction(change(shout))
        assert inspect.iscoroutinefunction(change(partial(shout, times=2)))
        assert inspect.iscoroutinefunction(change(str.upper))

    @ALSO_OFFLOADED
    def test_of_a_partial_has_the_name_of_its_function(self, change: Change) -> None:
        func = partial(partial(shout, "a"), end="?")
        call = change(func)
        assert call.__name__ == "shout"
        assert call.__doc__ == "Say it loud."
        assert inspect.signature(call) == inspect.signature(func)

    @EACH
    def test_of_an_object_has_the_name_of_its_class(self, change: Change) -> None:
        getter = Getter()
        call: Any = change(getter)
        assert call.__name__ == "Getter"
        assert call.__doc__ == "Gets what it is asked for."
        assert inspect.signature(call) == inspect.signature(getter)
        assert not hasattr(call, "note")

    @EACH
    def test_keeps_what_was_set_on_a_function(self, change: Change) -> None:
        async def func() -> None: ...

        func.__dict__["note"] = "seen"
        assert change(func).__dict__["note"] == "seen"

    @EACH
    async def test_passes_arguments_of_both_kinds(self, change: Change) -> None:
        assert plain(await change(fetch)("a", tries=2)) == "AA"
        assert plain(await change(fetch)(url="a")) == "A"
        assert plain(await change(partial(fetch, tries=3))("a")) == "AAA"
        assert plain(await change(Getter())("a")) == "A"

    @EACH
    async def test_takes_methods_bound_or_not(self, change: Change) -> None:
        class Changed:
            host = "b"
            get = change(Service.get)

        assert plain(await change(Service("b").get)("c")) == "b/c"
        assert plain(await Changed().get("c")) == "b/c"

    @EACH
    async def test_runs_the_function_in_the_context_of_the_call(
        self, change: Change
    ) -> None:
        number = ContextVar("number", default=0)

        async def add() -> None:
            number.set(number.get() + 1)

        number.set(1)
        await change(add)()
        assert number.get() == 2

    @EACH
    async def test_does_not_suspend_where_the_function_does_not(
        self, change: Change
    ) -> None:
        coroutine = change(Getter())("a")
        with pytest.raises(StopIteration) as stop:
            coroutine.send(None)
        assert plain(stop.value.value) == "A"

    @EACH
    async def test_starts_no_task(self, change: Change) -> None:
        seen: list[int] = []

        async def count() -> None:
            await checkpoint()
            seen.append(len(anyio.get_running_tasks()))

        await count()
        await change(count)()
        await change(count)()
        assert seen == [seen[0]] * 3

    def test_knows_no_way_to_start_a_task(self) -> None:
        files = Path(_calls.__file__).parent.glob("*.py")
        names = {
            getattr(node, "attr", getattr(node, "id", getattr(node, "name", "")))
            for file in files
            for node in ast.walk(ast.parse(file.read_text()))
        }
        assert "CapacityLimiter" in names
        assert not names & {"create_task_group", "create_task", "start_soon", "gather"}

    @EACH
    async def test_works_on_both_sides(self, change: Change) -> None:
        func = change(fetch)
        urls = "abc"
        expected = ["A", "B", "C"]
        assert [plain(page) async for page in ak.amap(func, urls)] == expected
        pages = await ak.concurrent_collect(func, urls, limit=2)
        assert [plain(page) for page in pages] == expected
        async with ak.concurrent_map(func, urls, limit=2) as results:
            assert [plain(page) async for page in results] == expected
        async with ak.concurrent_map_unordered(func, urls, limit=2) as unordered:
            assert sorted([plain(page) async for page in unordered]) == expected
        await ak.concurrent_for_each(func, urls, limit=2)

    @EACH
    async def test_raises_what_the_function_raises(self, change: Change) -> None:
        error = ValueError("no")

        async def fail() -> None:
            await checkpoint()
            raise error

        with pytest.raises(ValueError, match=r"^no$") as caught:
            await change(fail)()
        assert caught.value is error
        assert error.__context__ is None

    @EACH
    async def test_can_be_cancelled(self, change: Change) -> None:
        probe: CallProbe[str, str] = CallProbe(seconds=math.inf)
        with anyio.move_on_after(1) as scope:
            await change(probe)("a")
        assert scope.cancelled_caught
        assert probe.cancelled == ["a"]


@pytest.mark.parametrize(
    "names",
    [
        pytest.param(names, id="-".join(names))
        for names in itertools.permutations(CHANGES)
    ],
)
class TestAllThree:
    def compose(
        self, func: Callable[..., Any], names: tuple[str, ...]
    ) -> Callable[..., Coroutine[Any, Any, Any]]:
        for name in names:
            func = CHANGES[name](func)
        return func

    async def test_compose_in_any_order(self, names: tuple[str, ...]) -> None:
        async def find(key: str) -> str:
            await anyio.sleep(1)
            return {"a": "A", "b": "B"}[key]

        func = self.compose(find, names)
        assert func.__name__ == "find"
        outcomes = await ak.concurrent_collect(func, "abx", limit=3)
        assert outcomes[:2] == [Ok("A"), Ok("B")]
        match outcomes[2]:
            case Err(KeyError(args=("x",)), ("x",)):
                pass
            case other:
                pytest.fail(f"{other} is another outcome")
        assert anyio.current_time() == pytest.approx(1, abs=1e-5)

    async def test_time_out_in_any_order(self, names: tuple[str, ...]) -> None:
        with pytest.raises(TimeoutError, match=r"^sleep\(\) took longer than 9 sec"):
            await self.compose(anyio.sleep, names)(10)


async def raise_it(error: BaseException) -> None:
    raise error


def raise_now(error: BaseException) -> None:
    raise error


class Later:
    """What can be awaited, and is no coroutine."""

    def __init__(self, value: str) -> None:
        self.value = value

    def __await__(self) -> Generator[Any, Any, str]:
        yield from checkpoint().__await__()
        return self.value


def start_fetching(url: str) -> Coroutine[Any, Any, str]:
    return fetch(url)


def fetch_later(url: str) -> Later:
    return Later(url.upper())


class TestCaptured:
    @pytest.mark.parametrize(
        "func",
        [
            pytest.param(fetch, id="async function"),
            pytest.param(str.upper, id="sync function"),
            pytest.param(start_fetching, id="sync one that gives a coroutine"),
            pytest.param(fetch_later, id="sync one that gives an awaitable"),
        ],
    )
    async def test_judges_each_call_by_its_result(
        self, func: Callable[[str], Any]
    ) -> None:
        call: Any = captured(func)
        assert await call("a") == Ok("A")
        outcomes = [outcome async for outcome in ak.amap(call, "ab")]
        assert outcomes == [Ok("A"), Ok("B")]

    @pytest.mark.parametrize("func", [raise_it, raise_now])
    @pytest.mark.parametrize(
        "error",
        [
            ValueError("no"),
            TimeoutError(),
            ExceptionGroup("two", [ValueError(), KeyError()]),
        ],
        ids=repr,
    )
    async def test_returns_the_very_error_and_the_arguments(
        self, func: Callable[[BaseException], Any], error: Exception
    ) -> None:
        call: Any = captured(func)
        outcome = await call(error)
        assert isinstance(outcome, Err)
        assert outcome == Err(error)
        assert outcome.args == (error,)
        assert error.__traceback__ is not None

    async def test_captures_the_end_of_an_iterator(self) -> None:
        def first(letters: Iterator[str]) -> str:
            return next(letters)

        call = captured(first)
        assert await call(iter("a")) == Ok("a")
        match await call(iter("")):
            case Err(StopIteration()):
                pass
            case other:
                pytest.fail(f"{other} is another outcome")

    @pytest.mark.parametrize("func", [raise_it, raise_now])
    @pytest.mark.parametrize(
        "error",
        [
            KeyboardInterrupt(),
            SystemExit(),
            GeneratorExit(),
            asyncio.CancelledError(),
            BaseExceptionGroup("", [KeyboardInterrupt()]),
        ],
        ids=repr,
    )
    async def test_never_captures_what_ends_a_task_or_the_program(
        self, func: Callable[[BaseException], Any], error: BaseException
    ) -> None:
        call: Any = captured(func)
        with pytest.raises(type(error)) as caught:
            await call(error)
        assert caught.value is error

    async def test_never_captures_a_cancellation(self) -> None:
        with anyio.CancelScope() as scope:
            scope.cancel()
            await captured(fetch)("a")
            pytest.fail("it was captured")
        assert scope.cancelled_caught

    async def test_captures_only_what_it_is_told_to(self) -> None:
        call = captured(raise_it, LookupError, OSError)
        for error in (KeyError("a"), IndexError(), FileNotFoundError()):
            assert await call(error) == Err(error, (error,))
        with pytest.raises(ValueError, match="no"):
            await call(ValueError("no"))

    async def test_lets_the_other_calls_go_on(self) -> None:
        def refuse_b(item: str) -> str:
            if item == "b":
                raise ValueError
            return item

        probe: CallProbe[str, str] = CallProbe(refuse_b, seconds=1)
        outcomes = await ak.concurrent_collect(captured(probe), "abcd", limit=2)
        assert [isinstance(outcome, Ok) for outcome in outcomes] == [1, 0, 1, 1]
        assert probe.cancelled == []


class TestTimed:
    async def test_raises_when_the_time_is_over_and_the_call_has_ended(self) -> None:
        probe: CallProbe[str, str] = CallProbe(seconds=9, cleanup=0.5)
        with pytest.raises(TimeoutError, match=r"took longer than 2 seconds$"):
            await timed(probe, 2)("a")
        assert anyio.current_time() == 2.5
        assert probe.cancelled == ["a"]

    async def test_lets_a_call_end_in_time(self) -> None:
        assert await timed(CallProbe(str.upper, seconds=1.5), 2)("a") == "A"
        assert anyio.current_time() == 1.5

    @pytest.mark.parametrize("seconds", [math.inf, 1e300, 10**9])
    async def test_waits_as_long_as_it_is_told(self, seconds: float) -> None:
        await timed(anyio.sleep, seconds=seconds)(10**8)
        assert anyio.current_time() == 10**8

    async def test_counts_from_the_start_of_the_call_not_of_the_wait(self) -> None:
        probe: CallProbe[str, str] = CallProbe(seconds=2)
        assert await ak.concurrent_collect(timed(probe, 3), "abc", limit=1) == [*"abc"]
        assert anyio.current_time() == 6

    async def test_counts_a_wait_that_is_within_the_call(self) -> None:
        outside = paced(timed(fetch, 3), per_second=0.25)
        assert [page async for page in ak.amap(outside, "ab")] == ["A", "B"]
        inside = timed(paced(fetch, per_second=0.25), 3)
        pages = ak.amap(inside, "ab")
        assert await anext(pages) == "A"
        with pytest.raises(TimeoutError):
            await anext(pages)

    async def test_passes_a_timeout_of_the_call_itself_as_it_is(self) -> None:
        error = TimeoutError("my own")
        with pytest.raises(TimeoutError, match=r"^my own$") as caught:
            await timed(raise_it, 2)(error)
        assert caught.value is error

    async def test_is_no_timeout_when_the_caller_is_cancelled(self) -> None:
        with anyio.move_on_after(1) as scope:
            await timed(anyio.sleep, 2)(9)
        assert scope.cancelled_caught
        assert anyio.current_time() == 1

    async def test_returns_what_a_call_that_will_not_be_cancelled_returns(self) -> None:
        async def stubborn() -> str:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(5)
            return "done"

        assert await timed(stubborn, 2)() == "done"
        assert anyio.current_time() == 5

    async def test_raises_what_the_call_makes_of_its_cancellation(self) -> None:
        async def translate() -> None:
            try:
                await anyio.sleep(5)
            except anyio.get_cancelled_exc_class():
                raise OSError("cut off") from None

        with pytest.raises(OSError, match=r"^cut off$"):
            await timed(translate, 2)()

    async def test_times_each_call_alone(self) -> None:
        probe: CallProbe[int, int] = CallProbe(seconds=2)
        call = timed(probe, 3)
        async with anyio.create_task_group() as tasks:
            for n in range(3):
                await anyio.sleep(n)
                tasks.start_soon(call, n)

    async def test_takes_what_can_be_awaited(self) -> None:
        assert await timed(Later, 1)("a") == "a"

    async def test_refuses_the_result_of_a_sync_function(self) -> None:
        call: Any = timed(str.upper, 5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        with pytest.raises(TypeError) as caught:
            await call("a")
        assert str(caught.value) == (
            "timed() needs an async function, since it can cut short only what waits; "
            'for a blocking one use timed(offloaded(upper, to="process"), 5) '
            "(upper returned 'str', which cannot be awaited)"
        )

    async def test_of_an_async_generator_function_names_atimeout(self) -> None:
        message = (
            "timed() limits a call, and pages is an async generator function, whose "
            "items are waited for one by one: use atimeout(pages(...), 5) instead"
        )
        generator: Any = pages
        with pytest.raises(TypeError) as caught:
            timed(generator, 5)
        assert str(caught.value) == message

        def hidden(url: str) -> Any:
            return pages(url)

        with pytest.raises(TypeError) as caught:
            await timed(hidden, 5)("a")
        assert str(caught.value) == message.replace("pages", "hidden")


class Recorder:
    """An async function that records when it was called with what."""

    def __init__(self) -> None:
        self.calls: list[tuple[object, float]] = []

    async def __call__(self, item: object = None) -> None:
        self.calls.append((item, anyio.current_time()))

    @property
    def items(self) -> list[object]:
        return [item for item, _ in self.calls]

    @property
    def times(self) -> list[float]:
        return [moment for _, moment in self.calls]


def assert_paced(times: list[float], per_second: float, burst: int) -> None:
    """Check all windows exactly, however long; the clock is to be trusted."""
    rate = Fraction(per_second)
    for first, start in enumerate(times):
        for last in range(first, len(times)):
            window = Fraction(times[last]) - Fraction(start)
            assert last - first + 1 <= burst + rate * window


class Waiting:
    """Call *func* for each item in turn, in tasks, each of which can be cancelled."""

    def __init__(self, func: Callable[[Any], Awaitable[object]]) -> None:
        self.func = func
        self.scopes: dict[object, anyio.CancelScope] = {}

    async def _call(self, item: object) -> None:
        with anyio.CancelScope() as self.scopes[item]:
            await self.func(item)

    async def start(self, tasks: Any, items: Iterable[object]) -> None:
        for item in items:
            tasks.start_soon(self._call, item)
            await anyio.wait_all_tasks_blocked()


class TestPaced:
    @pytest.mark.parametrize(
        ("per_second", "burst", "times"),
        [
            (1, 1, [0, 1, 2, 3, 4]),
            (0.25, 1, [0, 4, 8, 12, 16]),
            (2, 3, [0, 0, 0, 0.5, 1]),
            (math.inf, 1, [0, 0, 0, 0, 0]),
        ],
    )
    async def test_starts_calls_no_sooner_and_no_later(
        self, per_second: float, burst: int, times: list[float]
    ) -> None:
        record = Recorder()
        call = paced(record, per_second=per_second, burst=burst)
        await ak.concurrent_for_each(call, range(5), limit=5)
        assert record.times == times
        assert record.items == [*range(5)]

    async def test_allows_no_more_than_a_burst_after_a_pause(self) -> None:
        record = Recorder()
        call = paced(record, per_second=1, burst=2)
        await call()
        await anyio.sleep(100)
        async for _ in ak.amap(call, range(4)):
            pass
        assert record.times == [0, 100, 100, 101, 102]

    async def test_holds_back_starts_only(self) -> None:
        probe: CallProbe[int, int] = CallProbe(seconds=10)
        await ak.concurrent_collect(paced(probe, per_second=1), range(4), limit=4)
        assert probe.max_overlap == 4
        assert anyio.current_time() == 13

    async def test_takes_a_sync_function_too(self) -> None:
        call = paced(str.upper, per_second=1)
        assert [text async for text in ak.amap(call, "ab")] == ["A", "B"]
        assert anyio.current_time() == 1

    async def test_shares_its_pace_among_all_who_call_it(self) -> None:
        record = Recorder()
        call = paced(record, per_second=1)

        async def read() -> None:
            async for _ in ak.amap(call, "ab"):
                pass

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(partial(ak.concurrent_for_each, call, "cd", limit=2))
            tasks.start_soon(partial(ak.concurrent_collect, call, "ef", limit=2))
            tasks.start_soon(read)
        assert record.times == [0, 1, 2, 3, 4, 5]
        assert sorted(map(str, record.items)) == [*"abcdef"]

    async def test_shares_no_pace_with_another_of_the_same_function(self) -> None:
        record = Recorder()
        for _ in range(3):
            await paced(record, per_second=1)()
        assert record.times == [0, 0, 0]

    async def test_starts_calls_in_the_order_in_which_they_were_made(self) -> None:
        record = Recorder()
        waiting = Waiting(paced(record, per_second=1))
        async with anyio.create_task_group() as tasks:
            await waiting.start(tasks, "abcdefgh")
        assert record.items == [*"abcdefgh"]

    async def test_lets_nobody_pass_those_who_wait(self) -> None:
        record = Recorder()
        waiting = Waiting(paced(record, per_second=1))

        async def come_when_a_turn_is_due() -> None:
            await anyio.sleep(1)
            await waiting.func("late")

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(come_when_a_turn_is_due)
            await waiting.start(tasks, "abc")
        assert record.calls == [("a", 0), ("b", 1), ("c", 2), ("late", 3)]

    @pytest.mark.parametrize(
        ("gone", "calls"),
        [
            pytest.param("b", [("a", 0), ("c", 1), ("d", 2)], id="the first"),
            pytest.param("c", [("a", 0), ("b", 1), ("d", 2)], id="one between"),
            pytest.param("d", [("a", 0), ("b", 1), ("c", 2)], id="the last"),
            pytest.param("bc", [("a", 0), ("d", 1)], id="the first two"),
            pytest.param("cb", [("a", 0), ("d", 1)], id="the second and the first"),
            pytest.param("bcd", [("a", 0)], id="all"),
        ],
    )
    async def test_counts_none_who_went_away(
        self, gone: str, calls: list[tuple[str, float]]
    ) -> None:
        record = Recorder()
        call = paced(record, per_second=1)
        waiting = Waiting(call)
        async with anyio.create_task_group() as tasks:
            await waiting.start(tasks, "abcd")
            await anyio.sleep(0.5)
            for item in gone:
                waiting.scopes[item].cancel()
        assert record.calls == calls
        await call("next")
        assert record.times[-1] == len(calls)

    async def test_counts_none_whose_coroutine_was_closed(self) -> None:
        record = Recorder()
        call = paced(record, per_second=1)
        await call("a")
        coroutine = call("b")
        coroutine.send(None)
        coroutine.close()
        await call("c")
        assert record.calls == [("a", 0), ("c", 1)]

    @settings(max_examples=60, deadline=None)
    @given(
        per_second=st.sampled_from([0.25, 0.5, 1, 2, 4]),
        burst=st.integers(1, 4),
        callers=st.lists(
            st.tuples(
                st.integers(0, 8).map(lambda n: n / 4),
                st.none() | st.integers(0, 40).map(lambda n: n / 4 + 1 / 32),
            ),
            max_size=25,
        ),
    )
    async def test_does_what_the_model_does(
        self,
        per_second: float,
        burst: int,
        callers: list[tuple[float, float | None]],
    ) -> None:
        begin = anyio.current_time()
        record = Recorder()
        call = paced(record, per_second=per_second, burst=burst)
        asked: list[int] = []

        async def ask(number: int, patience: float | None) -> None:
            asked.append(number)
            with anyio.move_on_after(math.inf if patience is None else patience):
                await call(number)

        async with anyio.create_task_group() as tasks:
            for number, (pause, patience) in enumerate(callers):
                await anyio.sleep(pause)
                tasks.start_soon(ask, number, patience)

        comes = [*itertools.accumulate(Fraction(pause) for pause, _ in callers)]
        expected: list[tuple[int, Fraction]] = []
        step = 1 / Fraction(per_second)
        empty_until = Fraction(-(10**9))
        for number in asked:
            start = max(comes[number], empty_until - (burst - 1) * step)
            patience = callers[number][1]
            if patience is None or start < comes[number] + Fraction(patience):
                empty_until = max(start, empty_until) + step
                expected.append((number, start))
        assert [(n, Fraction(time - begin)) for n, time in record.calls] == expected
        assert_paced(record.times, per_second, burst)

    @pytest.mark.parametrize("burst", [1, 3])
    def test_keeps_order_and_pace_under_every_schedule(self, burst: int) -> None:
        async def come_and_go() -> None:
            record = Recorder()
            call = paced(record, per_second=2, burst=burst)
            asked: list[int] = []

            async def ask(number: int) -> None:
                await anyio.sleep(number % 3 * 0.25)
                asked.append(number)
                # Some give up at the very time at which it is their turn.
                with anyio.move_on_after(1 if number % 2 else math.inf):
                    await call(number)

            async with anyio.create_task_group() as tasks:
                for number in range(9):
                    tasks.start_soon(ask, number)
            stayed = [number for number in asked if number in record.items]
            assert record.items == stayed
            assert {0, 2, 4, 6, 8} <= set(stayed)
            assert_paced(record.times, 2, burst)
            # Nobody waited longer than the pace asks for.
            gaps = itertools.pairwise(record.times[burst - 1 :])
            assert all(later - sooner == 0.5 for sooner, later in gaps)

        assert explore(come_and_go, schedules=60).distinct > 100

    async def test_delays_the_first_item_of_an_async_generator(self) -> None:
        call = paced(pages, per_second=0.1)
        assert inspect.isasyncgenfunction(call)
        assert call.__name__ == "pages"
        assert [page async for page in call("a", count=1)] == ["a0"]
        assert anyio.current_time() == 1
        assert [page async for page in call("b")] == ["b0", "b1"]
        assert anyio.current_time() == 12
        async with ak.concurrent_flat_map(call, "cd", limit=2) as results:
            assert [page async for page in results] == ["c0", "c1", "d0", "d1"]
        assert anyio.current_time() == 32

    async def test_waits_again_when_a_timer_was_early(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def sleep_too_short(seconds: float) -> None:
            await anyio.sleep(seconds * 0.75)

        monkeypatch.setattr(timing, "sleep", sleep_too_short)
        record = Recorder()
        call = paced(record, per_second=0.5)
        await ak.concurrent_for_each(call, range(3), limit=3)
        assert record.times == [0, 2, 4]

    @pytest.mark.parametrize("per_second", [10, 3, 0.7])
    async def test_does_not_drift(self, per_second: float) -> None:
        record = Recorder()
        call = paced(record, per_second=per_second)
        async for _ in ak.amap(call, range(300)):
            pass
        assert record.times == [n / per_second for n in range(300)]

    @pytest.mark.parametrize("per_second", [10, 3, 0.7])
    @pytest.mark.parametrize("burst", [1, 7])
    def test_does_not_drift_in_a_hundred_thousand_starts(
        self, per_second: float, burst: int
    ) -> None:
        bucket = _Bucket(per_second, burst)
        now = 0.0
        for n in range(100_000):
            now = max(now, bucket.due(1))
            assert now == max(0, n + 1 - burst) / per_second
            bucket.start(now, 1)

    def test_does_not_remember_another_event_loop(self) -> None:
        record = Recorder()
        call = paced(record, per_second=0.5)

        async def call_thrice() -> None:
            await ak.concurrent_for_each(call, "abc", limit=3)

        async def leave_two_waiting() -> None:
            with anyio.move_on_after(3):
                await ak.concurrent_for_each(call, "abcd", limit=4)

        run_in_virtual_time(call_thrice)
        run_in_virtual_time(leave_two_waiting, backend="trio")
        run_in_virtual_time(call_thrice, backend="trio")
        run_in_virtual_time(leave_two_waiting)
        run_in_virtual_time(call_thrice)
        assert record.times == [0, 2, 4, 0, 2, 0, 2, 4, 0, 2, 0, 2, 4]

    def test_can_be_used_on_real_time_again_and_again(self) -> None:
        record = Recorder()
        call = paced(record, per_second=1000, burst=2)

        async def call_often() -> None:
            await ak.concurrent_for_each(call, range(8), limit=3)

        for backend in ("asyncio", "trio", "asyncio"):
            record.calls.clear()
            start = time.monotonic()
            anyio.run(call_often, backend=backend)
            # Two start at once, and six wait a millisecond each: no less than that.
            assert time.monotonic() - start >= 0.005
            assert set(record.items) == set(range(8))

    async def test_is_forgotten_by_the_event_loop_when_nobody_has_it(self) -> None:
        call = paced(Recorder(), per_second=1)
        await call()
        reference = weakref.ref(call)
        known = timing._turns.get()
        before = len(known)
        del call
        gc.collect()
        assert reference() is None
        assert len(known) == before - 1


class Model:
    """What `paced` promises, worked out in exact numbers."""

    def __init__(self, per_second: float, burst: int) -> None:
        self.rate = Fraction(per_second)
        self.burst = burst
        self.left = Fraction(burst)
        self.at: Fraction = Fraction(0)
        self.first_from: Fraction = Fraction(0)

    def call(
        self, comes: Fraction, cost: float, gives_up: Fraction | None
    ) -> Fraction | None:
        """Return when the next call starts, or None if it gives up before."""
        first: Fraction = max(comes, self.first_from)
        grown = self.left + self.rate * (first - self.at)
        missing = Fraction(cost) - min(Fraction(self.burst), grown)
        start: Fraction = first + max(Fraction(0), missing) / self.rate
        if gives_up is not None and gives_up <= start:
            self.first_from = max(self.first_from, gives_up)
            return None
        grown = self.left + self.rate * (start - self.at)
        self.left = min(Fraction(self.burst), grown) - Fraction(cost)
        self.at = start
        self.first_from = start
        return start


def assert_within_budget(
    calls: list[tuple[float, float]], per_second: float, burst: int
) -> None:
    """Check what starts in any window of time, by time and cost of each call."""
    rate = Fraction(per_second)
    for first, (start, _) in enumerate(calls):
        spent = Fraction(0)
        for moment, cost in calls[first:]:
            spent += Fraction(cost)
            assert spent <= burst + rate * (Fraction(moment) - Fraction(start))


def as_it_is(cost: float) -> float:
    return cost


def tries_of(_: str, *, tries: int) -> int:
    return tries


def count_of(_: str, count: int) -> int:
    return count


def costing(cost: Any) -> Callable[[object], Any]:
    return lambda _: cost


TOO_MUCH = (
    "the cost of a call of fetch() must be from 0 to burst=4, not 5: a larger burst "
    "allows larger costs"
)


class TestCost:
    @pytest.mark.parametrize(
        ("costs", "times"),
        [
            pytest.param([4, 4, 4], [0, 2, 4], id="all that there is, each time"),
            pytest.param([1, 1, 1, 1, 1, 3], [0, 0, 0, 0, 0.5, 2], id="cheap ones"),
            pytest.param([0, 4, 0, 0], [0, 0, 0, 0], id="free ones"),
            pytest.param([3.5, 0.5, 0.25], [0, 0, 0.125], id="parts"),
            pytest.param([4, 1, 4, 0], [0, 0.5, 2.5, 2.5], id="free ones in turn"),
        ],
    )
    async def test_is_what_a_call_takes_of_the_budget(
        self, costs: list[float], times: list[float]
    ) -> None:
        record = Recorder()
        call = paced(record, per_second=2, burst=4, cost=as_it_is)
        await ak.concurrent_for_each(call, costs, limit=9)
        assert record.times == times
        assert record.items == costs

    async def test_is_worked_out_from_all_arguments(self) -> None:
        call = paced(fetch, per_second=1, burst=9, cost=tries_of)
        assert await call("a", tries=9) == "AAAAAAAAA"
        assert await call("b", tries=3) == "BBB"
        assert anyio.current_time() == 3

    async def test_delays_an_async_generator_too(self) -> None:
        call = paced(pages, per_second=1, burst=3, cost=count_of)
        assert [page async for page in call("a", count=3)] == ["a0", "a1", "a2"]
        assert [page async for page in call("b", count=3)] == ["b0", "b1", "b2"]
        assert anyio.current_time() == 6

    async def test_an_expensive_call_is_not_delayed_by_cheap_ones(self) -> None:
        record = Recorder()
        call: Any = paced(record, per_second=1, burst=10, cost=size_of)

        async def ask_often() -> None:
            for number in range(40):
                await anyio.sleep(0.5)
                tasks.start_soon(call, ("cheap", number))

        async with anyio.create_task_group() as tasks:
            await call(("all", 10))
            tasks.start_soon(ask_often)
            await anyio.sleep(2.25)
            await call(("dear", 10))
            tasks.cancel_scope.cancel()
        # Four cheap ones came before: it waits for what they take, and for its own.
        assert record.calls[-1] == (("dear", 10), 14)

    async def test_of_a_call_that_gives_up_is_left_to_the_next(self) -> None:
        record = Recorder()
        call: Any = paced(record, per_second=1, burst=8, cost=size_of)
        waiting = Waiting(call)
        await call(("all", 8))
        async with anyio.create_task_group() as tasks:
            await waiting.start(tasks, [("dear", 8), ("cheap", 1)])
            await anyio.sleep(3)
            waiting.scopes["dear", 8].cancel()
        assert record.calls == [(("all", 8), 0), (("cheap", 1), 3)]

    @settings(max_examples=80, deadline=None)
    @given(
        per_second=st.sampled_from([0.25, 0.5, 1, 2, 4]),
        burst=st.integers(1, 6),
        callers=st.lists(
            st.tuples(
                st.integers(0, 8).map(lambda n: n / 4),
                st.integers(0, 16),
                st.none() | st.integers(0, 40),
            ),
            max_size=20,
        ),
    )
    async def test_does_what_the_model_does(
        self,
        per_second: float,
        burst: int,
        callers: list[tuple[float, int, int | None]],
    ) -> None:
        begin = anyio.current_time()
        record = Recorder()
        costs = [burst * part / 16 for _, part, _ in callers]
        call: Any = paced(
            record, per_second=per_second, burst=burst, cost=costs.__getitem__
        )
        # No two things happen at the same time, when either may come first.
        patience = [
            math.inf if beats is None else beats / 4 + (number + 1) / 2**16
            for number, (_, _, beats) in enumerate(callers)
        ]
        asked: list[int] = []

        async def ask(number: int) -> None:
            asked.append(number)
            with anyio.move_on_after(patience[number]):
                await call(number)

        async with anyio.create_task_group() as tasks:
            for number, (pause, _, _) in enumerate(callers):
                await anyio.sleep(pause)
                tasks.start_soon(ask, number)

        comes = [*itertools.accumulate(Fraction(pause) for pause, _, _ in callers)]
        model = Model(per_second, burst)
        expected: list[tuple[int, Fraction]] = []
        for number in asked:
            gives_up = (
                None
                if patience[number] == math.inf
                else comes[number] + Fraction(patience[number])
            )
            start = model.call(comes[number], costs[number], gives_up)
            if start is not None:
                expected.append((number, start))
        measured = [(int(str(n)), moment - begin) for n, moment in record.calls]
        assert [n for n, _ in measured] == [n for n, _ in expected]
        for (_, moment), (_, wanted) in zip(measured, expected, strict=True):
            assert abs(moment - wanted) < 1e-9
        assert_within_budget(
            [(moment, costs[n]) for n, moment in measured], per_second, burst
        )

    @settings(max_examples=60, deadline=None)
    @given(
        per_second=st.floats(0.1, 50),
        burst=st.integers(1, 9),
        parts=st.lists(st.floats(0, 1), max_size=30),
    )
    def test_never_exceeds_the_budget_by_more_than_rounding(
        self, per_second: float, burst: int, parts: list[float]
    ) -> None:
        bucket = _Bucket(per_second, burst)
        calls: list[tuple[float, float]] = []
        now = 0.0
        for part in parts:
            cost = timing._amount(burst * part, burst, fetch)
            now = max(now, bucket.due(cost))
            bucket.start(now, cost)
            calls.append((now, float(cost)))
        for first, (start, _) in enumerate(calls):
            spent = Fraction(0)
            for moment, cost in calls[first:]:
                spent += Fraction(cost)
                window = Fraction(moment) - Fraction(start)
                most = burst + Fraction(per_second) * window
                assert spent <= most * Fraction(1 + 1e-12)

    @pytest.mark.parametrize(
        ("cost", "kind", "message"),
        [
            (5, ValueError, TOO_MUCH),
            (-1, ValueError, "the cost of a call of fetch() must be from 0 to burst"),
            (math.nan, ValueError, "the cost of a call of fetch() must be from 0 to "),
            (True, TypeError, "cost must return a number, not True"),
            (None, TypeError, "cost must return a number, not None"),
        ],
    )
    async def test_must_be_a_number_that_can_be_paid(
        self, cost: Any, kind: type[Exception], message: str
    ) -> None:
        call = paced(fetch, per_second=1, burst=4, cost=costing(cost))
        with pytest.raises(kind) as caught:
            await call("a")
        assert str(caught.value).startswith(message)
        assert len(str(caught.value)) < 300

    async def test_must_be_sync(self) -> None:
        wrong: Any = fetch
        with pytest.raises(TypeError) as caught:
            await paced(fetch, per_second=1, burst=4, cost=wrong)("a")
        assert str(caught.value) == (
            "cost must be a sync function, but it returned a coroutine"
        )

    def test_must_be_callable(self) -> None:
        wrong: Any = 3
        with pytest.raises(TypeError, match=r"^cost must be callable, not 3$"):
            paced(fetch, per_second=1, cost=wrong)


def size_of(item: tuple[str, int]) -> int:
    return item[1] if item[0] != "cheap" else 1


class TestRetries:
    """Those who retry are functions like any other."""

    class Flaky:
        def __init__(self) -> None:
            self.tries: list[str] = []

        async def __call__(self, url: str) -> str:
            self.tries.append(url)
            await checkpoint()
            if self.tries.count(url) < 3:
                raise OSError("try again")
            return url.upper()

    @staticmethod
    def by_stamina(flaky: Flaky) -> Callable[[str], Coroutine[Any, Any, str]]:
        @stamina.retry(on=OSError, attempts=3, wait_jitter=0)
        async def get(url: str) -> str:
            return await flaky(url)

        return get

    @staticmethod
    def by_tenacity(flaky: Flaky) -> Callable[[str], Coroutine[Any, Any, str]]:
        @tenacity.retry(
            stop=tenacity.stop_after_attempt(3),
            wait=tenacity.wait_fixed(1),
            reraise=True,
            sleep=anyio.sleep,
        )
        async def get(url: str) -> str:
            return await flaky(url)

        return get

    RETRIES = pytest.mark.parametrize(
        "retried",
        [
            pytest.param(by_stamina, id="stamina"),
            pytest.param(by_tenacity, id="tenacity"),
        ],
    )

    @RETRIES
    async def test_work_on_the_sequential_side(self, retried: Any) -> None:
        flaky = self.Flaky()
        pages = [page async for page in ak.amap(retried(flaky), "ab")]
        assert pages == ["A", "B"]
        assert flaky.tries == [*"aaabbb"]

    @RETRIES
    async def test_work_on_the_concurrent_side(self, retried: Any) -> None:
        flaky = self.Flaky()
        pages = await ak.concurrent_collect(retried(flaky), "ab", limit=2)
        assert pages == ["A", "B"]
        assert sorted(flaky.tries) == [*"aaabbb"]

    @RETRIES
    @EACH
    async def test_can_be_changed(self, retried: Any, change: Change) -> None:
        call = change(retried(self.Flaky()))
        assert call.__name__ == "get"
        assert plain(await call("a")) == "A"


class TestMistakes:
    @staticmethod
    def refused(make: Callable[[], object], kind: type[Exception]) -> str:
        with pytest.raises(kind) as caught:
            make()
        assert type(caught.value) is kind
        return str(caught.value)

    @ALSO_OFFLOADED
    def test_a_call_given_for_its_function(self, change: Change) -> None:
        name = "offloaded" if change is offloaded else "[a-z]*"
        with pytest.raises(TypeError) as caught:
            change(fetch("a"))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        assert caught.match(
            rf"^({name})\(\) takes the function, not a call of it: "
            rf"\1\(fetch\), not \1\(fetch\(\.\.\.\)\)$"
        )

    @ALSO_OFFLOADED
    def test_what_is_no_function(self, change: Change) -> None:
        nothing: Any = None
        message = self.refused(lambda: change(nothing), TypeError)
        assert message == "func must be callable, not None"

    @pytest.mark.parametrize(
        ("exceptions", "message"),
        [
            (
                [(KeyError, OSError)],
                "exceptions must be given one by one: captured(func, KeyError, OSErr",
            ),
            ([KeyError("x")], "exceptions must be exception classes, not KeyErr"),
            ([int], "exceptions must be exception classes, not <class 'int'>"),
            (
                [OSError, asyncio.CancelledError],
                "exceptions must be subclasses of Exception, which CancelledErr",
            ),
            (
                [BaseException],
                "exceptions must be subclasses of Exception, which BaseEx",
            ),
        ],
    )
    def test_exceptions(self, exceptions: list[Any], message: str) -> None:
        assert self.refused(lambda: captured(fetch, *exceptions), TypeError).startswith(
            message
        )

    @pytest.mark.parametrize(
        ("seconds", "kind", "message"),
        [
            (0, ValueError, "must be more than 0, not 0"),
            (-1.5, ValueError, "must be more than 0, not -1.5"),
            (math.nan, ValueError, "must be more than 0, not nan"),
            (True, TypeError, "must be a number, not True"),
            (None, TypeError, "must be a number, not None"),
            ("5", TypeError, "must be a number, not '5'"),
            (Decimal(5), TypeError, "must be a number, not Decimal('5')"),
            (
                timedelta(seconds=5),
                TypeError,
                "must be a number, not datetime.timedelta(seconds=5)",
            ),
        ],
    )
    def test_numbers(self, seconds: Any, kind: type[Exception], message: str) -> None:
        assert self.refused(lambda: timed(fetch, seconds), kind) == f"seconds {message}"
        assert (
            self.refused(lambda: paced(fetch, per_second=seconds), kind)
            == f"per_second {message}"
        )

    @pytest.mark.parametrize(
        ("burst", "kind", "message"),
        [
            (0, ValueError, "burst must be at least 1, not 0"),
            (True, TypeError, "burst must be an int, not True"),
            (1.5, TypeError, "burst must be an int, not 1.5"),
        ],
    )
    def test_burst(self, burst: Any, kind: type[Exception], message: str) -> None:
        make = partial(paced, fetch, per_second=1, burst=burst)
        assert self.refused(make, kind) == message

    def test_options_by_place(self) -> None:
        call: Any = paced
        by_name = "paced() takes a function, and options by their names: paced(func, "
        assert (
            self.refused(lambda: call(fetch, 10), TypeError)
            == f"{by_name}per_second=10)"
        )
        assert (
            self.refused(lambda: call(fetch, 10, 3), TypeError)
            == f"{by_name}per_second=10, burst=3)"
        )
        assert (
            self.refused(lambda: call(fetch, 10, burst=3), TypeError)
            == f"{by_name}per_second=10, burst=3)"
        )

    def test_options_without_function(self) -> None:
        call: Any = paced
        assert self.refused(lambda: call(per_second=10), TypeError) == (
            "paced() takes a function, and options by their names: "
            "paced(func, per_second=10)"
        )

    def test_a_missing_or_unknown_option_is_told_by_python(self) -> None:
        call: Any = paced
        assert "'per_second'" in self.refused(lambda: call(fetch), TypeError)
        assert "'rate'" in self.refused(lambda: call(fetch, rate=1), TypeError)

    def test_signatures_can_be_read(self) -> None:
        assert list(inspect.signature(paced).parameters) == [
            "func",
            "per_second",
            "burst",
            "cost",
        ]
        assert list(inspect.signature(offloaded).parameters) == [
            "func",
            "to",
            "limiter",
        ]
