"""Fixtures for pytest: both backends on virtual time, and probes.

Switch them on in one line of ``conftest.py``::

    pytest_plugins = ["aiterkit.testing.fixtures"]

Then every test that anyio runs (mark it with ``@pytest.mark.anyio``, or set
``anyio_mode = "auto"`` for all) is run on asyncio and on Trio, on a clock that
jumps: sleeps cost nothing, and a deadlock, a thread, real I/O or a task that
outlives the test fail at once.

A test with the marker ``explore`` is not run once but under many schedules, or under
all of them, on each backend. The marker takes the options of
`aiterkit.testing.explore`, except *backends*::

    @pytest.mark.explore(schedules="all", preemptions=2)
    async def test_no_update_is_lost():
        ...

It needs no other marker. Its fixtures are set up once, before the first schedule, so
make anything that a schedule changes inside the test. Async fixtures belong to another
event loop, and are refused.

A complete example, ``test_pipeline.py``::

    from collections.abc import AsyncIterable, AsyncIterator

    import anyio
    import pytest

    pytestmark = pytest.mark.anyio


    async def every_second(items: AsyncIterable[str]) -> AsyncIterator[str]:
        async for item in items:
            await anyio.sleep(1)
            yield item


    async def test_takes_a_second_for_each_item(source_probe):
        source = source_probe("abc")
        assert [item async for item in every_second(source)] == ["a", "b", "c"]
        assert anyio.current_time() == 3
        assert source.pulls == 4


    async def test_calls_overlap(call_probe):
        fetch = call_probe(seconds=5)
        async with anyio.create_task_group() as tasks:
            for url in "ab":
                tasks.start_soon(fetch, url)
        fetch.assert_attains(2)
        assert anyio.current_time() == 5
"""

import functools
import inspect
from collections.abc import Callable, Generator, Iterator
from typing import Any, cast

import pytest

from aiterkit.testing._explore import explore
from aiterkit.testing._probes import CallProbe, SourceProbe
from aiterkit.testing._virtual import (
    BackendName,
    available_backends,
    virtual_backend,
    watched,
)
from aiterkit.testing._watch import private

__all__ = ["anyio_backend", "call_probe", "source_probe"]


@pytest.fixture(params=available_backends())
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    """Run the test on each backend, on virtual time.

    It takes the place of anyio's fixture of that name, so each test that anyio
    runs is run once on asyncio, in debug mode, and once on Trio if that is
    installed. Async fixtures are on the same clock, which begins at 0 for each
    test. A deadlock fails the test with `DeadlockError`; a thread, a socket or a
    process with `VirtualTimeError`; a task that outlives it with `TaskLeakError`.

    Where a test needs real time, a fixture of this name beside it takes the place
    of this one::

        @pytest.fixture(params=["asyncio", "trio"])
        def anyio_backend(request):
            return request.param
    """
    backend: BackendName = request.param
    return virtual_backend(backend)


@pytest.fixture
def source_probe() -> Iterator[Callable[..., SourceProbe[Any]]]:
    """Return `SourceProbe`, and check after the test that each was well used.

    Call it as you would call the class. After the test, each probe that it made
    has to pass `SourceProbe.assert_well_used`: no two reads at once, none after
    the end or the close, and no second close. That it *was* closed is for the
    test to assert, since not every reader closes.
    """
    new = cast("Callable[..., SourceProbe[Any]]", SourceProbe)
    made: list[SourceProbe[Any]] = []

    def make(*args: Any, **options: Any) -> SourceProbe[Any]:
        probe = new(*args, **options)
        made.append(probe)
        return probe

    yield make
    for probe in made:
        probe.assert_well_used()


@pytest.fixture
def call_probe() -> Iterator[Callable[..., CallProbe[Any, Any]]]:
    """Return `CallProbe`, and check after the test that no call still runs.

    Call it as you would call the class: ``call_probe(seconds=5)`` is an async
    function that takes so long. After the test, each probe that it made has to
    pass `CallProbe.assert_all_ended`.
    """
    new = cast("Callable[..., CallProbe[Any, Any]]", CallProbe)
    made: list[CallProbe[Any, Any]] = []

    def make(*args: Any, **options: Any) -> CallProbe[Any, Any]:
        probe = new(*args, **options)
        made.append(probe)
        return probe

    yield make
    for probe in made:
        probe.assert_all_ended()


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker."""
    config.addinivalue_line(
        "markers",
        "explore(**options): run the test under many schedules, or with "
        'schedules="all" under all, as aiterkit.testing.explore does',
    )


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(
    collector: pytest.Module | pytest.Class, name: str, obj: object
) -> None:
    """Let a test that is explored have a backend, whether anyio would run it or not."""
    if collector.istestfunction(obj, name):
        marks = [*collector.iter_markers(), *getattr(obj, "pytestmark", ())]
        if any(mark.name == _EXPLORE for mark in marks):
            pytest.mark.usefixtures("anyio_backend")(cast("Callable[..., Any]", obj))


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(
    pyfuncitem: pytest.Function,
) -> Generator[None, object, object]:
    """Put the test under the watch of its loop, before anyio runs it."""
    if "anyio_backend" not in pyfuncitem.fixturenames:
        return (yield)
    marker = pyfuncitem.get_closest_marker(_EXPLORE)
    wrap = _watched if marker is None else _explored(pyfuncitem, marker)
    hypothesis = getattr(pyfuncitem.obj, "hypothesis", None)
    if hypothesis is not None:
        hypothesis.inner_test = wrap(hypothesis.inner_test)
    else:
        pyfuncitem.obj = wrap(pyfuncitem.obj)
    return (yield)


_MARK = "__aiterkit_watched__"
_EXPLORE = "explore"


def _watched(test: Callable[..., Any]) -> Callable[..., Any]:
    if not inspect.iscoroutinefunction(test) or hasattr(test, _MARK):
        return test

    @functools.wraps(test)
    async def call(*args: Any, **kwargs: Any) -> Any:
        return await watched(test, *args, **kwargs)

    setattr(call, _MARK, True)
    return call


def _explored(
    item: pytest.Function, marker: pytest.Mark
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator that makes an async test a plain one, which explores it."""
    given = cast("Any", item.funcargs["anyio_backend"])
    backend: BackendName = given if isinstance(given, str) else given[0]  # type: ignore[assignment]
    if marker.args or "backends" in marker.kwargs:
        raise TypeError(
            "the marker explore takes the options of aiterkit.testing.explore by "
            "name, except backends, which the fixture anyio_backend chooses"
        )
    for fixture, found in private(item, "_fixtureinfo").name2fixturedefs.items():
        func = found[-1].func
        if inspect.iscoroutinefunction(func) or inspect.isasyncgenfunction(func):
            raise TypeError(
                f"a test with the marker explore cannot use the async fixture "
                f"{fixture}, which runs once and on another event loop: call what it "
                "does inside the test"
            )

    def wrap(test: Callable[..., Any]) -> Callable[..., Any]:
        if not inspect.iscoroutinefunction(test):
            if hasattr(test, _MARK):
                return test
            raise TypeError(f"the marker explore needs an async test, not {test!r}")

        @functools.wraps(test)
        def call(*args: Any, **kwargs: Any) -> None:
            once = functools.wraps(test)(functools.partial(test, *args, **kwargs))
            explore(once, backends=(backend,), **marker.kwargs)

        setattr(call, _MARK, True)
        return call

    return wrap
