"""Tests without a twin can fail: each of these faults makes one of them fail.

A fault is a change within one function or method, made for the time of one test.
"""

import pkgutil
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from aiterkit.testing import ProbeError

from .. import test_mistakes as swapped  # noqa: TID252 - tests stand on no path
from ..planted import assert_found, changed, leaves_garbage, run  # noqa: TID252 - as above
from . import (
    test_core as core,
    test_mistakes as mistakes,
    test_restarting as restarting,
    test_tee as tee,
    test_threads as threads,
    test_twins as twins,
)


class Fault(NamedTuple):
    """A change of some words of a function, and the test that finds it."""

    place: str
    """The module below `aiterkit`, and the function in it, or ``Class.method``."""
    right: str
    wrong: str
    killer: Callable[..., Any]
    arguments: dict[str, Any]


FAULTS: list[Any] = []


def fault(
    words: str,
    place: str,
    change: tuple[str, str],
    killer: Callable[..., Any],
    **arguments: Any,
) -> None:
    """Note the fault at *place* which in *words* is what the *change* does."""
    noted = Fault(place, *change, killer, arguments)
    FAULTS.append(pytest.param(noted, id=f"{place.partition(':')[2]}: {words}"))


RESTART = "_sequential.timing:_restart"
fault(
    "opens from the start again",
    RESTART,
    ("item, None", "last, None"),
    restarting.test_it_goes_on_from_the_last_item_after_the_wait,
)
fault(
    "does not start the waits anew",
    RESTART,
    ("item, None", "item, waits"),
    restarting.test_it_goes_on_from_the_last_item_after_the_wait,
)
fault(
    "closes after the wait",
    RESTART,
    ("await close(iterator)", "await sleep(1); await close(iterator)"),
    restarting.test_it_goes_on_from_the_last_item_after_the_wait,
)
fault(
    "does not close",
    RESTART,
    ("if iterator is not None:", "if False:"),
    restarting.test_however_it_is_left_the_source_is_closed,
    leaves="at an item",
)
fault(
    "takes an error of the reader for one of the source",
    RESTART,
    ("is_open = False yield", "yield"),
    restarting.test_an_error_of_the_reader_opens_nothing,
)
fault(
    "takes an error at the last close for a failure",
    RESTART,
    ("is_open = False return", "return"),
    restarting.test_an_error_at_the_close_after_the_end_is_no_failure_to_go_on_from,
)
fault(
    "waits once more",
    RESTART,
    ("if wait is None:", "if wait is None and (wait := 0) is None:"),
    restarting.test_the_error_is_raised_when_the_waits_are_used_up,
)
fault(
    "never waits",
    RESTART,
    ("await sleep(", "("),
    restarting.test_waits_may_be_a_function_and_endless,
)
fault(
    "closes no sync generator",
    "_core.source:Lifted.aclose",
    ("iterator.close()", "pass"),
    restarting.test_a_sync_generator_is_closed_too,
)
fault(
    "awaits what a plain close returns",
    "_core.source:close",
    ("type(result) is COROUTINE or needs_await(result, set())", "True"),
    restarting.test_a_close_that_is_no_coroutine_is_called,
)
OFFLOADED = "_sequential.threads:_Offloaded"
fault(
    "forgets what a thread reads",
    f"{OFFLOADED}._finished",
    ("reading = self._reading", "reading = None"),
    threads.test_a_native_cancellation_waits_for_the_item_and_keeps_it,
)
fault(
    "leaves the thread alone with the source",
    f"{OFFLOADED}._finished",
    ("await in_thread(reading.done.wait, is_owed=True)", "pass"),
    threads.test_a_native_cancellation_waits_for_the_item_and_keeps_it,
)
fault(
    "keeps what no thread has begun",
    "_sequential.threads:_ThreadedRead.give_up",
    ("not self._is_begun", "False"),
    threads.test_a_reading_that_was_given_up_is_not_begun,
)
fault(
    "leaves the thread alone with the source",
    f"{OFFLOADED}.aclose",
    ("reading is not None and", "False and"),
    threads.test_aclose_waits_for_a_thread_that_was_left_behind,
)
fault(
    "gives each item a context of its own",
    f"{OFFLOADED}._next",
    ("if self._context is None", "if True"),
    threads.test_the_source_sees_one_context,
    backend="asyncio",
)
fault(
    "goes on after an error",
    f"{OFFLOADED}.__anext__",
    ("self._ended = True", "pass"),
    threads.test_an_error_is_bare_and_ends_it,
    backend="asyncio",
    error=ProbeError("x"),
)
fault(
    "takes an error for the end",
    "_core.source:raise_to_async",
    ("isinstance(error, StopAsyncIteration)", "False"),
    threads.test_a_source_cannot_end_the_iteration_by_mistake,
    backend="asyncio",
)
fault(
    "forgets the limiter",
    "_core.clock:in_thread",
    ("limiter=known", ""),
    threads.test_a_request_that_is_cancelled_while_it_waits_for_its_turn_reads_nothing,
    backend="asyncio",
)
fault(
    "waits for itself",
    "_sequential.combine:_Tee._is_reading_here",
    ("return True", "return False"),
    tee.test_a_source_that_reads_its_own_branch_is_an_error_and_no_hang,
    nested=False,
)
fault(
    "takes every reader for itself",
    "_sequential.combine:_Tee._is_reading_here",
    ("return False", "return True"),
    tee.test_a_branch_that_waits_for_another_task_is_no_error,
)
fault(
    "compares once more",
    "_sequential.transform:_Groups.groups",
    ("not self._item or", "self._ended or"),
    twins.test_agroupby_compares_as_often_as_its_twin,
)
fault(
    "shows all of a value",
    "_core.checks:shortened",
    ("len(text) <= _MOST", "True"),
    swapped.test_a_function_that_cannot_be_called_is_refused_before_the_source_is_opened,
    operator=swapped.TAKES_BOTH["amap"][0],
    usage="amap({}, source)",
    name="func",
    func=swapped.LONG,
)
fault(
    "takes a bool for an int",
    "_core.checks:check_int",
    ("if not isinstance(value, bool):", "if True:"),
    mistakes.test_the_error_names_the_argument_and_the_value_before_the_source_is_opened,
    helper=mistakes.NUMBERS[0][1],
    name="n",
    value=True,
)
fault(
    "leaves the coroutine to a warning",
    "_core.checks:check_func",
    ("func.close()", "pass"),
    swapped.test_a_coroutine_as_the_function_is_named_and_closed,
    operator=swapped.TAKES_BOTH["amap"][0],
    usage="amap({}, source)",
    name="func",
)
fault(
    "takes a block for anything else",
    "_core.source:_complaint",
    ("'__aenter__'", "'nothing of the kind'"),
    core.test_the_message_for_a_bad_source_says_what_it_should_be,
    source=core.Block(),
    message=r"enter it: async with Block\(\.\.\.\) as results",
)


@leaves_garbage
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found(fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    run(fault.killer, fault.arguments, "asyncio")
    function = pkgutil.resolve_name(f"aiterkit.{fault.place}")
    # Its code is changed, since other modules have imported the function.
    code = changed(function, fault.right, fault.wrong).__code__
    monkeypatch.setattr(function, "__code__", code)
    for backend in ("asyncio", "trio"):
        assert_found(fault.killer, fault.arguments, backend)
