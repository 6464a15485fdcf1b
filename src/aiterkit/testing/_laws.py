"""The laws of a concurrent map, and whether a map keeps them.

A law is a sentence and a test that can fail. The tests know nothing of the map
but how it is called, so they can be run on any map.
"""

import asyncio
import contextlib
import contextvars
import gc
import math
import sys
import weakref
from collections import deque
from collections.abc import (
    Generator,
    Iterator,
    Sequence,
)
from types import FrameType
from typing import Any

import anyio
from anyio import lowlevel

from aiterkit.testing._barrier import Barrier
from aiterkit.testing._law_kit import (
    PLENTY,
    TURNS,
    ConcurrentMapLike,
    Law,
    Planned,
    Subject,
    check,
    failing,
    is_on_asyncio,
    unplanned,
)
from aiterkit.testing._law_report import LawReport
from aiterkit.testing._probes import CallProbe, Held, HoldingProbe, SourceProbe
from aiterkit.testing._virtual import (
    BackendName,
    available_backends,
    check_backend,
    running_loop,
)


def laws(*, ordered: bool = True) -> dict[str, str]:
    """Return the laws that `check_laws` knows, as names and sentences.

    Examples:
        >>> print(laws()["delivery"])
        A result that is ready is delivered, whatever the source does.

    Args:
        ordered: Whether they are those of a map in input order.
    """
    return {law.name: law.sentence(ordered=ordered) for law in _LAWS}


def check_laws(
    concurrent_map_like: ConcurrentMapLike,
    /,
    *,
    ordered: bool,
    buffer: int | None = None,
    name: str | None = None,
    laws: Sequence[str] | None = None,
    backends: Sequence[BackendName] | None = None,
    schedules: int = 6,
    seed: int = 0,
) -> LawReport:
    """Check an implementation of a concurrent map against its laws.

    Each law is tried under several schedules, on virtual time. Those that depend
    most on the order of steps are tried under twice as many, and under both
    strategies of `explore`.

    Examples:
        >>> from aiterkit import concurrent_map_unordered
        >>> report = check_laws(
        ...     concurrent_map_unordered,
        ...     ordered=False,
        ...     laws=["delivery", "source closed"],
        ... )
        >>> report.assert_all_hold()

    Guarantees:
        Replay: The same seed makes the same report.
        Time: The laws on cost count function calls, not seconds.

    Args:
        concurrent_map_like: Called as ``concurrent_map(func, source, limit=3)``;
            returns an async context manager that gives an async iterable.
        ordered: Whether it promises input order. If not, the order in which the
            calls end is checked.
        buffer: How many items it may hold back beyond the running calls; by
            default as many as there may be calls.
        name: What the report calls it.
        laws: The names of those to try; by default all.
        backends: Where to try; by default on both, or on asyncio alone if Trio
            is not installed.
        schedules: How many to try, for each law on each backend.
        seed: The seed of the first schedule.

    Raises:
        RuntimeError: If called inside an event loop.
        ValueError: If an option makes no sense.
    """
    if running_loop() is not None:
        raise RuntimeError(
            "check_laws() is a plain function that starts event loops of its own: "
            "call it from a plain test function"
        )
    if schedules < 1:
        raise ValueError(f"schedules must be at least 1, not {schedules}")
    known = {law.name: law for law in _LAWS}
    for law in laws or ():
        if law not in known:
            raise ValueError(f"laws must be among {sorted(known)}, not {law!r}")
    chosen = _LAWS if laws is None else [known[law] for law in laws]
    subject = Subject(concurrent_map_like, ordered=ordered, buffer=buffer)
    names = available_backends() if backends is None else backends
    for backend in names:
        check_backend(backend)
    results = [
        law.try_on(subject, backend, schedules=schedules, seed=seed)
        for law in chosen
        for backend in names
    ]
    given = getattr(concurrent_map_like, "name", "concurrent map")
    own = str(getattr(concurrent_map_like, "__name__", given))
    return LawReport(own if name is None else name, tuple(results))


# The laws, in the order of the contract.


async def _overlap(subject: Subject) -> None:
    for limit in (1, 3):
        call = CallProbe[int, int](seconds=lambda item: item % 3)
        await subject.read(call, SourceProbe(range(9)), limit)
        call.assert_never_exceeds(limit)
    # A call that is cancelled runs until it has cleaned up.
    call = failing({1: Planned()}, lambda item: 1 if item == 1 else 9, cleanup=5)
    await subject.read_until_error(call, SourceProbe(range(9), gap=None))
    call.assert_never_exceeds(3)


async def _attainability(subject: Subject) -> None:
    for limit in (1, 2, 4):
        barrier = Barrier(limit)
        await subject.read(barrier.wait, SourceProbe(range(limit)), limit)
    # It takes as long to fetch four items as a call lasts, and more.
    call = CallProbe[int, int](seconds=10)
    await subject.read(call, SourceProbe(range(4), gap=2), 4)
    call.assert_attains(4)


async def _read_ahead(subject: Subject) -> None:
    limit = 2
    asked = 0

    def items() -> Iterator[int]:
        for item in range(12):
            between = item + 1 - asked
            check(
                between <= window,
                f"{between} items were between the source and the reader, "
                f"more than {window}",
            )
            yield item

    window = subject.window(limit)
    call = CallProbe[int, int](seconds=lambda item: item % 3)
    async with subject.over(call, SourceProbe(items()), limit) as results:
        await anyio.sleep(50)
        for number in range(12):
            asked += 1
            await anext(results)
            if number % 4 == 0:
                await anyio.sleep(9)


async def _one_reader(subject: Subject) -> None:
    source = SourceProbe(range(8), gap=[0, 1, 0, 2, 0, 0, 3, 0, 0])
    await subject.read(CallProbe[int, int](seconds=1), source)
    # Pulling on beyond a close is no reading: closing has a law of its own.
    check(not source.overlapping_pulls, "two tasks waited for the source at once")
    check(not source.pulls_after_end, "the source was asked for more after its end")
    readers = len(source.pulled_by)
    check(readers == 1, f"the source was read by {readers} tasks")


async def _delivery(subject: Subject) -> None:
    source = SourceProbe(range(9), hang_at=2)
    async with subject.over(CallProbe[int, int](seconds=1), source, 3) as results:
        with anyio.move_on_after(100) as scope:
            for _ in range(2):
                await anext(results)
    check(not scope.cancelled_caught, "the source hung, and results were held back")

    call = CallProbe[int, int](seconds=lambda item: 1000 if item == 2 else 1)
    async with subject.over(call, SourceProbe(range(3)), 3) as results:
        with anyio.move_on_after(100) as scope:
            for _ in range(2):
                await anext(results)
    check(not scope.cancelled_caught, "a call hung, and results were held back")


async def _independence(subject: Subject) -> None:
    call = CallProbe[int, int](seconds=1)
    async with subject.over(call, SourceProbe(range(9)), 3) as results:
        await anyio.sleep(100)
        ended = len(call.ends)
        async for _ in results:
            pass
    check(ended >= 3, f"{ended} calls ended while the block did something else, not 3")


async def _order(subject: Subject) -> None:
    times = [5, 1, 9, 3, 2, 14, 4, 8]
    call = CallProbe[int, int](seconds=lambda item: times[item] + item / 10)
    async with subject.over(call, SourceProbe(range(8), gap=None), 3) as results:
        # Some are read at once, some are there before they are asked for.
        values = [await anext(results)]
        await anyio.sleep(7)
        values += [value async for value in results]
    expected = list(range(8)) if subject.ordered else call.ends
    check(values == expected, f"the results were {values}, not {expected}")


async def _one_by_one(subject: Subject) -> None:
    call = CallProbe[int, int](seconds=lambda item: 3 - item % 3)
    values = await subject.read(call, SourceProbe(range(6)), 1)
    call.assert_never_exceeds(1)
    items = list(range(6))
    check(call.starts == items, f"the calls were {call.starts}, not {items}")
    check(values == items, f"the results were {values}, not {items}")


async def _completeness(subject: Subject) -> None:
    for count in (0, 1, 3, 4, 10):
        for gap in (None, 0.0):
            call = CallProbe[int, int](seconds=0)
            values = await subject.read(call, SourceProbe(range(count), gap=gap))
            items = list(range(count))
            check(
                sorted(call.starts) == items,
                f"of {count} items, these had calls: {sorted(call.starts)}",
            )
            check(
                sorted(values) == items,
                f"of {count} items, these had results: {sorted(values)}",
            )


async def _error_in_place(subject: Subject) -> None:
    # The fifth fails before the third does; the fourth ends between the two.
    errors: dict[int, BaseException] = {2: Planned("item 2"), 4: Planned("item 4")}
    times = [1, 1, 9, 5, 2, 20, 20, 20]
    call = failing(errors, times.__getitem__, cleanup=0)
    values, error = await subject.read_until_error(call, SourceProbe(range(8)), 5)
    check(error is not None, "no error was raised")
    first = 2 if subject.ordered else 4
    check(error is errors[first], f"the error was {error!r}, not {errors[first]!r}")
    check(sorted(values) == [0, 1], f"before the error came {values}, not [0, 1]")


async def _error_bare(subject: Subject) -> None:
    planned = Planned()
    call = failing({1: planned}, lambda _: 1, cleanup=0)
    _, error = await subject.read_until_error(call, SourceProbe(range(6)))
    check(error is planned, f"the error was {error!r}, not what the call raised")


async def _source_error(subject: Subject) -> None:
    planned = Planned()
    source = SourceProbe(range(3), gap=5, error=planned)
    values, error = await subject.read_until_error(
        CallProbe[int, int](seconds=1), source, 2
    )
    check(values == [0, 1, 2], f"before the error came {values}, not [0, 1, 2]")
    check(error is planned, f"the error was {error!r}, not what the source raised")


async def _siblings(subject: Subject) -> None:
    call = failing({1: Planned()}, lambda item: 1 if item < 2 else 99, cleanup=5)
    running = -1
    with contextlib.suppress(Exception):
        async with subject.over(call, SourceProbe(range(9)), 4) as results:
            try:
                async for _ in results:
                    pass
            except Exception:  # noqa: BLE001 - whatever it is
                running = call.running
    if running < 0:  # the block has raised it
        running = call.running
    check(not running, f"{running} calls still ran when the error was raised")
    check(call.cancelled, "the calls beside the one that failed were not cancelled")


async def _body(subject: Subject) -> None:
    call = failing({1: Planned()}, lambda item: 1 + item, cleanup=0)
    rested = False
    error: BaseException | None = None
    try:
        async with subject.over(call, SourceProbe(range(3)), 3) as results:
            await anext(results)
            await anyio.sleep(50)
            rested = True
    except Exception as raised:  # noqa: BLE001 - whatever it is
        error = raised
    check(rested, f"a call that failed interrupted the block: {error!r}")


async def _ending(subject: Subject) -> None:
    errors: dict[int, BaseException] = {}
    for _ in range(2):  # without an error, then after one
        call = failing(errors, lambda item: item, cleanup=0)
        again: list[int | None] = []
        # If the block is left by the error, there is nothing more to ask.
        with contextlib.suppress(Planned):
            async with subject.over(call, SourceProbe(range(1, 4)), 2) as results:
                with contextlib.suppress(Planned):
                    async for _ in results:
                        pass
                again = [await anext(results, None) for _ in range(2)]
        check(not any(again), f"after the end came {again}")
        errors[2] = Planned()


async def _lost_wait(subject: Subject) -> None:
    call = CallProbe[int, int](seconds=lambda item: 2 + item % 2)
    values: list[int] = []
    waits = 0
    async with subject.over(call, SourceProbe(range(5), gap=1), 2) as results:
        while len(values) < 5 and waits < 50:
            waits += 1
            with anyio.move_on_after(0.7):
                try:
                    values.append(await anext(results))
                except StopAsyncIteration:
                    break
    items = list(range(5))
    check(
        sorted(values) == items,
        f"after waits that were cancelled, the results were {values}, not {items}",
    )


async def _read_and_leave(
    subject: Subject,
    way: str,
    call: CallProbe[int, int],
    source: Any,
    *,
    pace: float = 0,
) -> None:
    """Enter a block, take results at a *pace*, and leave it in one of several ways."""
    with anyio.move_on_after(15 if way == "cancellation" else PLENTY):
        async with subject.over(call, source, 3) as results:
            async for result in results:
                await anyio.sleep(pace)
                if way == "break" and result == 1:
                    break
                if way == "error in the block":
                    raise Planned


async def _leave(
    subject: Subject, way: str, call: CallProbe[int, int], source: SourceProbe[int]
) -> None:
    """Enter and leave a block, whatever it raises: that is for other laws."""
    with contextlib.suppress(Exception):
        await _read_and_leave(subject, way, call, source)


_WAYS = ("end", "break", "failing call", "error in the block", "cancellation")


def _call_for(way: str, *, shielded: bool = True) -> CallProbe[int, int]:
    errors: dict[int, BaseException] = {3: Planned()} if way == "failing call" else {}
    times = [3, 3, 20, 5, 20, 4, 20, 20, 20, 20, 20, 20]
    return failing(errors, times.__getitem__, cleanup=5, shielded=shielded)


async def _source_closed(subject: Subject) -> None:
    for way in _WAYS:
        running: list[int] = []
        call = _call_for(way)

        class Source(SourceProbe[int]):
            async def aclose(self) -> None:
                # One that has ended may be closed while calls go on.
                running.append(0 if self.ended else call.running)  # noqa: B023 - its turn ends with it
                await super().aclose()

        source = Source(range(12), close_delay=1)
        await _leave(subject, way, call, source)
        closes = source.closes
        check(closes == 1, f"left by {way}: closed {closes} times, not once")
        check(
            not running[0],
            f"left by {way}: closed while {running[0]} calls still ran",
        )
        check(
            not source.closes_while_pulled,
            f"left by {way}: closed in the middle of a read",
        )


async def _nothing_left(subject: Subject) -> None:
    for way in _WAYS:
        call = _call_for(way)
        source = SourceProbe(range(12))
        await _leave(subject, way, call, source)
        check(not call.running, f"left by {way}: {call.running} calls outlived it")
        started = len(call.spans)
        if way != "end":
            check(call.cancelled, f"left by {way}: running calls were not cancelled")
            check(
                started < 12, f"left by {way}: calls went on to the end of the source"
            )
        await anyio.sleep(100)
        check(len(call.spans) == started, f"left by {way}: calls started afterwards")


async def _cleanup(subject: Subject) -> None:
    cleanups = 0
    for way in _WAYS:
        if way == "cancellation":
            continue  # what interrupts you ends the cleanup too
        for gap in (None, [0, 0, 0, 0, 50]):  # it waits for room, or in a read
            call = _call_for(way, shielded=False)
            source = SourceProbe(range(12), gap=gap, cleanup=3, close_delay=1)
            await _leave(subject, way, call, source)
            left = call.running
            check(not left, f"left by {way}: {left} of the calls had not cleaned up")
            for name, probe in (("calls", call), ("source", source)):
                try:
                    probe.assert_cleaned_up()
                except AssertionError as error:
                    raise AssertionError(f"left by {way}: {name}: {error}") from error
            cleanups += call.cleanups
    check(cleanups, "no call was cancelled, however the block was left")


_DEADLINE = 20.0


async def _interruption(subject: Subject) -> None:
    for what in ("a call", "a read", "the close of the source"):
        leaving = False

        async def leave(what: str = what) -> None:
            nonlocal leaving
            leaving = False
            call = failing(
                {},
                lambda item: 500 * item,
                cleanup=math.inf if what == "a call" else 0,
                shielded=False,
            )
            source = SourceProbe(
                range(12),
                gap=[0, 0, 0, 0, 500] if what == "a read" else 0,
                cleanup=math.inf if what == "a read" else None,
                close_delay=math.inf if what == "the close of the source" else None,
            )
            async with subject.over(call, source, 2) as results:
                await anext(results)
                await anyio.sleep(5)
                leaving = True

        start = anyio.current_time()
        with anyio.move_on_after(_DEADLINE):
            await leave()
        late = anyio.current_time() - start - _DEADLINE
        check(
            late <= 0 or not leaving,
            f"{what} hung, and held up a deadline for {late:g} seconds",
        )
        if is_on_asyncio():
            task = asyncio.ensure_future(leave())
            await anyio.sleep(_DEADLINE)
            task.cancel()
            await asyncio.wait([task], timeout=0.5)
            check(
                task.done() or not leaving,
                f"{what} hung, and task.cancel() did not end it",
            )
            task.cancel()  # if it has hung before that
            await asyncio.wait([task])


# Where the source is suspended when the block is left, by what its reads take.
_AT_ITS_YIELD = None
_IN_A_READ = [1, 1, 1, 1, 30, 1]


async def _out_of_the_blue(subject: Subject) -> None:
    async def echo(item: int) -> int:
        await anyio.sleep(item % 3)
        return item

    def block(source: Any) -> Any:
        return subject.make(echo, source, limit=2)

    held: dict[str, Held] = {
        "a timeout": "timeout",
        "a task group": "task group",
        "a block": block,
    }
    # How the block is left, where the source is then, and how many seconds the reader
    # takes for each result.
    runs = [
        *((way, _IN_A_READ, 0) for way in _WAYS),
        ("break", _IN_A_READ, 4),
        ("break", _AT_ITS_YIELD, 0),
        ("error in the block", _AT_ITS_YIELD, 0),
    ]
    for name, what in held.items():
        for way, gap, pace in runs:
            source = SourceProbe(range(12), gap=gap, close_delay=1)
            holding = HoldingProbe(source, what)
            error = await _error_of_leaving(subject, way, pace, holding)
            case = f"left by {way}, with a source that holds {name}"
            check(error is None, f"{case}: {error!r}")
            # One that holds a block waits for that, and so is in a read.
            cancelled = source.cut_cleanups and what is not block
            check(
                gap is _IN_A_READ or not cancelled, f"{case}: its close was cancelled"
            )


async def _error_of_leaving(
    subject: Subject, way: str, pace: float, source: Any
) -> BaseException | None:
    """Leave a block; return what was raised, then or later, that was not planned."""
    cancelled = anyio.get_cancelled_exc_class()
    try:
        await _read_and_leave(subject, way, _call_for(way), source, pace=pace)
    except (Exception, BaseExceptionGroup, cancelled) as error:  # noqa: BLE001 - it is judged
        if found := unplanned(error):
            return found
    try:
        for _ in range(3):
            await lowlevel.checkpoint()
        await anyio.sleep(1)
    except cancelled as error:
        return error
    return None


async def _context(subject: Subject) -> None:
    seen: list[str] = []
    variable = contextvars.ContextVar("variable", default="nothing")

    async def call(item: int) -> None:
        seen.append(variable.get())
        variable.set(f"what the call of {item} set")
        await lowlevel.checkpoint()

    variable.set("what was set at entry")
    await subject.read(call, SourceProbe(range(8)), 2)
    strange = sorted(set(seen) - {"what was set at entry"})
    check(not strange, f"a call saw {strange[:1]}")


# Function calls are counted, since they are the same on each machine.


@contextlib.contextmanager
def _counting() -> Generator[list[int], None, None]:
    count = [0]
    before = sys.getprofile()

    def note(  # pragma: no cover - what counts calls is not traced itself
        _frame: FrameType, event: str, _: object
    ) -> None:
        if event in {"call", "c_call"}:
            count[0] += 1

    sys.setprofile(note)
    try:
        yield count
    finally:
        sys.setprofile(before)


async def _cost(subject: Subject, *, items: int, limit: int) -> float:
    """Return how many function calls an item costs."""
    gates: deque[anyio.Event] = deque()

    async def call(item: int) -> int:
        gate = anyio.Event()
        gates.append(gate)
        await gate.wait()
        return item

    async def end_one_by_one() -> None:
        # So that as many as may be are running whenever one of them ends.
        for left in range(items, 0, -1):
            full, turns = min(limit, left), 0
            while not gates or (len(gates) < full and turns < TURNS):
                turns += 1
                await lowlevel.checkpoint()
            gates.popleft().set()

    # The first calls cost their tasks as well, and the last ones leave room.
    first, last = limit, items - limit
    marks: list[int] = []
    given = 0
    source = SourceProbe(range(items), gap=None)
    async with anyio.create_task_group() as tasks:
        with _counting() as count:
            async with subject.over(call, source, limit) as results:
                tasks.start_soon(end_one_by_one)
                async for _ in results:
                    given += 1
                    if given in {first, last}:
                        marks.append(count[0])
    check(given == items, f"{items} items gave {given} results")
    return (marks[-1] - marks[0]) / (last - first)


async def _least_cost(subject: Subject, *, items: int, limit: int) -> float:
    """Return the least cost of a few runs.

    Trio shuffles its tasks. If the reader falls behind the calls, the end of the last
    ones is counted, too.
    """
    return min([await _cost(subject, items=items, limit=limit) for _ in range(3)])


async def _cost_by_item(subject: Subject) -> None:
    few, many = 40, 240
    await _cost(subject, items=20, limit=4)  # what is paid but once
    before = await _cost(subject, items=few, limit=4)
    after = await _least_cost(subject, items=many, limit=4)
    check(
        after - before < 0.4 * (many - few),
        f"of {few} items, each costs {before:.0f} function calls; "
        f"of {many} items, {after:.0f}",
    )


async def _cost_by_limit(subject: Subject) -> None:
    low, high = 4, 48
    await _cost(subject, items=20, limit=4)  # what is paid but once
    before = await _cost(subject, items=200, limit=low)
    after = await _least_cost(subject, items=200, limit=high)
    check(
        after - before < 0.8 * (high - low),
        f"with limit {low}, an item costs {before:.0f} function calls; "
        f"with limit {high}, {after:.0f}",
    )


class _Thing:
    """Something whose end can be seen."""


class _Things:
    """A source that remembers nothing of what it gave."""

    def __init__(self, count: int) -> None:
        self.alive: weakref.WeakSet[_Thing] = weakref.WeakSet()
        self._left = count

    def __aiter__(self) -> "_Things":
        return self

    async def __anext__(self) -> _Thing:
        await lowlevel.checkpoint()
        if not self._left:
            raise StopAsyncIteration
        self._left -= 1
        thing = _Thing()
        self.alive.add(thing)
        return thing

    async def aclose(self) -> None:
        """Close the source."""


async def _memory(subject: Subject) -> None:
    async def call(thing: _Thing) -> _Thing:
        await lowlevel.checkpoint()
        return thing

    limit = 3
    source = _Things(60)
    async with subject.over(call, source, limit) as results:
        for _ in range(50):
            await anext(results)
        gc.collect()
        alive = len(source.alive)
        # What is between source and reader, and what each call last had in hand.
        fair = subject.window(limit) + limit + 2
        async for _ in results:
            pass
    check(alive <= fair, f"of 50 items delivered, {alive} were still held")


_LAWS = (
    Law(
        "overlap",
        "Never more than limit calls run, their cleanup included.",
        _overlap,
        touchy=True,
    ),
    Law(
        "attainability",
        "As many calls as the limit allows run at once, if there are items for them.",
        _attainability,
        touchy=True,
    ),
    Law(
        "read-ahead",
        "The source is read no further than limit + buffer items ahead of you.",
        _read_ahead,
        touchy=True,
    ),
    Law("one reader", "One task reads the source, and only to its end.", _one_reader),
    Law(
        "delivery",
        "A result that is ready is delivered, whatever the source does.",
        _delivery,
    ),
    Law(
        "independence",
        "Calls start with the block, and go on while its body does something else.",
        _independence,
    ),
    Law(
        "order",
        "Results come in the order of their items.",
        _order,
        unordered_says="Results come in the order in which the calls end.",
    ),
    Law(
        "one by one",
        "With limit=1, calls, order and results are those of a plain loop.",
        _one_by_one,
    ),
    Law(
        "completeness",
        "Each item has one call, and each call one result.",
        _completeness,
        touchy=True,
    ),
    Law(
        "error in place",
        "The first error in input order comes after the results before it.",
        _error_in_place,
        unordered_says="The first error in time comes after the results before it.",
    ),
    Law("error bare", "What you catch is what the call raised.", _error_bare),
    Law(
        "source error",
        "What the source raises comes after the results of its items.",
        _source_error,
    ),
    Law(
        "siblings",
        "Once an error is raised, the other calls have been cancelled and ended.",
        _siblings,
    ),
    Law("body", "A call that fails does not interrupt the block.", _body),
    Law(
        "ending",
        "After the end or an error, every further read gives the end.",
        _ending,
    ),
    Law("lost wait", "A wait that is cancelled loses nothing.", _lost_wait),
    Law(
        "source closed",
        "The source is closed once on every exit; on an early one, after the calls.",
        _source_closed,
    ),
    Law(
        "nothing left",
        "However the block is left, its calls are cancelled and have ended.",
        _nothing_left,
        strict=True,
    ),
    Law(
        "cleanup",
        "What the block cancels cleans up in full, without a shield, before you go on.",
        _cleanup,
    ),
    Law(
        "interruption",
        "What interrupts you while you leave ends a cleanup or close that hangs.",
        _interruption,
    ),
    Law(
        "nothing out of the blue",
        "A source that holds a timeout, a task group or a block is stopped without "
        "an error or a cancellation that was not asked for.",
        _out_of_the_blue,
    ),
    Law(
        "context",
        "Each call has a context of its own, a copy of the one at entry.",
        _context,
    ),
    Law(
        "cost by item",
        "An item costs no more work when there are more items.",
        _cost_by_item,
        counts=True,
    ),
    Law(
        "cost by limit",
        "An item costs no more work when the limit is higher.",
        _cost_by_limit,
        counts=True,
    ),
    Law("memory", "What was delivered is not kept.", _memory, counts=True),
)
