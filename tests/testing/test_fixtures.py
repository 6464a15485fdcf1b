import re
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest

from aiterkit.testing import CallProbe, SourceProbe, available_backends, fixtures

from ..planted import leaves_garbage  # noqa: TID252 - tests stand on no path

CONFTEST = 'pytest_plugins = ["aiterkit.testing.fixtures"]'


@pytest.fixture
def run(pytester: pytest.Pytester) -> Callable[[str], pytest.RunResult]:
    """Run a test file in a directory of its own, where our plugin is on."""

    def run(source: str) -> pytest.RunResult:
        pytester.makeconftest(CONFTEST)
        pytester.makeini("[pytest]\nanyio_mode = auto\n")
        pytester.makepyfile(source)
        result = pytester.runpytest("-p", "no:asyncio", "-p", "no:cacheprovider")
        # Each hook call that was recorded holds what it was called with: errors, too.
        recorder: Any = vars(result)["reprec"]
        recorder.calls.clear()
        return result

    return run


async def test_time_begins_at_nought_and_costs_nothing() -> None:
    assert anyio.current_time() == 0
    await anyio.sleep(5000)
    assert anyio.current_time() == 5000


async def test_an_endless_sleep_can_be_left() -> None:
    with anyio.move_on_after(0.3):
        await anyio.sleep_forever()
    assert anyio.current_time() == 0.3


async def test_waiting_for_all_to_wait_comes_before_any_timer() -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(anyio.sleep, 5)
        await anyio.wait_all_tasks_blocked()
        assert anyio.current_time() < 1


def test_the_example_of_the_docstring_runs(
    run: Callable[[str], pytest.RunResult],
) -> None:
    assert fixtures.__doc__
    assert CONFTEST in fixtures.__doc__
    example = re.split(r"``test_pipeline\.py``::\n", fixtures.__doc__)[1]
    result = run(example)
    result.assert_outcomes(passed=2 * len(available_backends()))


FAULTS = """
    import asyncio
    import socket

    import anyio
    from hypothesis import Phase, given, settings, strategies as st

    async def test_deadlock():
        await anyio.Event().wait()

    async def test_shielded_deadlock():
        with anyio.CancelScope(shield=True):
            await anyio.Event().wait()

    async def test_thread():
        await anyio.to_thread.run_sync(int)

    async def test_socket():
        with socket.socket(type=socket.SOCK_DGRAM) as it:
            await anyio.wait_readable(it)

    async def test_leak(anyio_backend_name):
        global task
        assert anyio_backend_name == "asyncio"
        task = asyncio.create_task(asyncio.sleep(60))

    @settings(max_examples=1, database=None, phases=[Phase.generate])
    @given(st.none())
    async def test_hypothesis(nothing):
        await anyio.Event().wait()

    async def test_ill_used_source(source_probe):
        source = source_probe("a")
        async for item in source:
            pass
        await anext(source, None)
"""


def test_what_virtual_time_cannot_wait_for_fails_at_once(
    run: Callable[[str], pytest.RunResult],
) -> None:
    result = run(FAULTS)
    result.assert_outcomes(passed=2, failed=12, errors=2)
    # What was raised: the summary at the end says it again, in full where CI is set.
    raised = [line for line in result.outlines if line.startswith("E  ")]
    shown = "\n".join(raised)
    assert shown.count("aiterkit.testing.DeadlockError: deadlock") == 6
    assert shown.count(" waits in test_deadlock (test_what") == 2
    assert shown.count("a task waits for a thread") == 2
    assert shown.count("for real I/O, which runs on real time") == 2
    assert shown.count("TaskLeakError: 1 task outlived the test") == 1
    assert shown.count("AssertionError: 1 pulls came after the end") == 2


@leaves_garbage  # of the fixture that cannot be torn down
def test_a_deadlock_in_a_fixture_fails_at_once(
    run: Callable[[str], pytest.RunResult],
) -> None:
    result = run(
        """
        import anyio, pytest

        @pytest.fixture
        async def fine():
            await anyio.sleep(5)
            yield 5
            await anyio.sleep(5)

        @pytest.fixture
        async def stuck(fine):
            await anyio.Event().wait()

        async def test_stuck(stuck):
            pass

        async def test_fine(fine):
            assert anyio.current_time() == fine
        """
    )
    # On asyncio, the fixture that was there before cannot be torn down either.
    result.assert_outcomes(passed=2, errors=3)
    assert str(result.stdout).count("DeadlockError: deadlock: no task can run") >= 3


def test_other_tests_are_left_alone(run: Callable[[str], pytest.RunResult]) -> None:
    result = run(
        """
        import anyio
        from hypothesis import HealthCheck, given, settings, strategies as st

        def test_sync(anyio_backend_name):
            pass

        def test_without_backend():
            pass

        @settings(database=None, suppress_health_check=list(HealthCheck))
        @given(st.none())
        def test_hypothesis(anyio_backend_name, nothing):
            pass

        @settings(database=None)
        @given(st.booleans())
        async def test_async_hypothesis(drawn):
            assert anyio.current_time() == 0
            await anyio.sleep(100)
        """
    )
    result.assert_outcomes(passed=7)


def test_a_fixture_beside_the_test_brings_real_time_back(
    run: Callable[[str], pytest.RunResult],
) -> None:
    assert fixtures.__doc__
    source = Path(fixtures.__file__).read_text()
    example = r"^ +@pytest.fixture\(params=\[.*?(?=    \"\"\")"
    shown = re.search(example, source, re.DOTALL | re.MULTILINE)
    assert shown
    test = """
import anyio, pytest

async def test_thread():
    assert await anyio.to_thread.run_sync(int) == 0

"""
    result = run(test + textwrap.dedent(shown[0]))
    result.assert_outcomes(passed=2)


EXPLORED = """
    import anyio, pytest
    from hypothesis import given, settings, strategies as st

    runs = []

    @pytest.mark.explore(schedules="all", preemptions=1)
    async def test_all(source_probe, anyio_backend_name):
        source = source_probe("ab")
        async for _ in source:
            pass
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(anyio.sleep, 0)
        runs.append(anyio_backend_name)

    def test_there_were_many():
        assert runs.count("asyncio") > 20
        assert runs.count("trio") > 20

    @pytest.mark.explore(schedules=30)
    class TestSome:
        async def test_some(self):
            runs.append("some")

    def test_there_were_some():
        assert runs.count("some") == 60

    @pytest.mark.explore(schedules="all", interrupt="cancel")
    @settings(database=None, max_examples=5)
    @given(drawn=st.integers())
    async def test_hypothesis(drawn):
        await anyio.sleep(1)
"""


def test_a_test_with_the_marker_is_run_under_many_schedules(
    pytester: pytest.Pytester, run: Callable[[str], pytest.RunResult]
) -> None:
    result = run(EXPLORED)
    result.assert_outcomes(passed=8)
    # It needs no anyio_mode, and the marker is declared.
    pytester.makeini("[pytest]\n")
    result = pytester.runpytest(
        "-p", "no:asyncio", "-p", "no:cacheprovider", "--strict-markers"
    )
    result.assert_outcomes(passed=8)


WRONG = """
    import anyio, pytest

    @pytest.fixture
    async def resource():
        return 1

    @pytest.fixture
    async def opened():
        yield 1

    @pytest.mark.explore(schedules="all")
    async def test_loses_an_update():
        total = 0
        async def add():
            nonlocal total
            seen = total
            await anyio.sleep(0)
            total = seen + 1
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(add)
            tasks.start_soon(add)
        assert total == 2

    @pytest.mark.explore
    def test_sync():
        pass

    @pytest.mark.explore("all")
    async def test_unnamed():
        pass

    @pytest.mark.explore(backends=["trio"])
    async def test_backends():
        pass

    @pytest.mark.explore
    async def test_async_fixture(resource):
        pass

    @pytest.mark.explore
    async def test_async_fixture_with_an_end(opened):
        pass
"""


def test_what_the_marker_cannot_do_is_refused(
    run: Callable[[str], pytest.RunResult],
) -> None:
    result = run(WRONG)
    result.assert_outcomes(failed=12)
    shown = "\n".join(line for line in result.outlines if line.startswith("E  "))
    assert shown.count("test_loses_an_update failed on asyncio, with 1 preemption") == 1
    assert shown.count("test_loses_an_update failed on trio, with 1 preemption") == 1
    assert shown.count("the marker explore needs an async test, not <function") == 2
    assert shown.count("the marker explore takes the options of") == 4
    assert shown.count("cannot use the async fixture resource") == 2
    assert shown.count("cannot use the async fixture opened") == 2


async def test_the_factories_make_probes(
    source_probe: Callable[..., SourceProbe[str]],
    call_probe: Callable[..., CallProbe[str, str]],
) -> None:
    assert isinstance(source_probe("ab"), SourceProbe)
    assert isinstance(call_probe(), CallProbe)
