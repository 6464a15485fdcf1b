"""The tests of what changes a call can fail: each of these faults makes one do so.

A fault is a change within one function, made for the time of one test.
"""

import inspect
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from functools import partial
from typing import Any, Literal, NamedTuple

import pytest

from aiterkit._calls import elsewhere, outcomes, timing
from aiterkit.testing import run_in_virtual_time

from . import (
    test_calls as calls,
    test_captured as capturing,
    test_executors as executors,
    test_offloaded as offloading,
)
from .planted import changed, leaves_garbage

Backend = Literal["asyncio", "trio"]
Killer = Callable[[Backend, pytest.LogCaptureFixture], None]


class Fault(NamedTuple):
    """A change of some words of a function, and the test that finds it."""

    owner: Any
    name: str
    right: str
    wrong: str
    killer: Killer


FAULTS: list[Any] = []


def fault(
    words: str, owner: Any, name: str, change: tuple[str, str], killer: Killer
) -> None:
    """Note a fault, which in *words* is what the *change* does."""
    noted = Fault(owner, name, *change, killer)
    FAULTS.append(pytest.param(noted, id=f"{name}: {words}"))


def with_threads(test: Callable[..., None]) -> Killer:
    """Return a killer that gives *test* a pool of one thread, and a gate."""

    def kill(backend: Backend, _: object) -> None:
        gate = executors.Gate()
        given: dict[str, Any] = {"gate": gate, "backend": backend, "times": 1}
        wanted = inspect.signature(test).parameters.keys()
        with ThreadPoolExecutor(1) as threads:
            given["threads"] = threads
            try:
                test(**{name: given[name] for name in wanted})
            finally:
                gate.opened.set()

    return kill


def with_log(test: Callable[..., None]) -> Killer:
    return test


def in_virtual_time(test: Callable[..., Any], **arguments: Any) -> Killer:
    def kill(backend: Backend, _: object) -> None:
        run_in_virtual_time(partial(test, **arguments), backend=backend)

    return kill


CANCELLED = executors.TestCancelled()
BY_ASYNCIO = executors.TestCancelledByAsyncio()
THREADS = executors.TestThreads()
PROCESS = offloading.TestProcess()
A_THREAD_PER_CALL = """
        import threading
        from concurrent.futures import wait
        threading.Thread(target=wait, args=[[future]]).start()
        await _wait_for(future)
"""

fault(
    "leaves a queued call in the queue",
    elsewhere,
    "_wait_for",
    ("if future.cancel()", "if False"),
    with_threads(CANCELLED.test_a_queued_call_never_runs),
)
fault(
    "blocks the event loop until a cancelled call has ended",
    elsewhere,
    "_wait_for",
    ("while not done.is_set()", "while False"),
    with_threads(CANCELLED.test_a_running_call_is_waited_for),
)
fault(
    "loses a cancellation of asyncio's own",
    elsewhere,
    "_wait_for",
    ("if interrupted is not None", "if False"),
    with_threads(BY_ASYNCIO.test_a_running_call_is_waited_for),
)
fault(
    "mistakes asyncio's own cancellation for a cancelled scope",
    elsewhere,
    "_wait_for",
    ("!= -inf", "== 0"),
    with_threads(BY_ASYNCIO.test_a_running_call_is_waited_for),
)
fault(
    "loses a second cancellation",
    elsewhere,
    "_wait_for",
    ("error: interrupted = error", "error: pass"),
    with_threads(BY_ASYNCIO.test_a_scope_and_a_task_may_be_cancelled_both),
)
fault(
    "lets a worker wait for the event loop",
    elsewhere,
    "_wait_for",
    ("wake(done.set)", "(wake(done.set), __import__('time').sleep(1))"),
    with_threads(THREADS.test_a_worker_never_waits_for_the_event_loop),
)
fault(
    "starts a thread for each call",
    elsewhere,
    "_run_in",
    ("await _wait_for(future)", A_THREAD_PER_CALL),
    with_threads(THREADS.test_a_thousand_calls_in_flight_start_no_thread),
)
fault(
    "wakes an event loop that has ended",
    elsewhere,
    "_wait_for",
    ("suppress(RuntimeError)", "suppress()"),
    with_log(THREADS.test_a_call_may_end_after_the_event_loop),
)
fault(
    "gives a cancelled call to the executor",
    elsewhere,
    "_run_in",
    ("await checkpoint_if_cancelled()", "pass"),
    with_threads(
        CANCELLED.test_a_call_that_is_cancelled_before_is_not_given_to_the_executor
    ),
)
fault(
    "leaves a cycle",
    elsewhere,
    "_run_in",
    ("del future", "pass"),
    with_threads(THREADS.test_an_error_leaves_nothing_to_the_garbage_collector),
)
fault(
    "awaits what it should refuse",
    elsewhere,
    "_run_in",
    ("sync_result(work, future.result())", "future.result()"),
    with_threads(THREADS.test_what_only_looked_sync_is_not_awaited),
)
fault(
    "explains an error of the function",
    elsewhere,
    "_cannot_be_sent",
    ("str(error) return False", "str(error)\n    return True"),
    lambda backend, _: (
        PROCESS.test_raises_what_only_looks_as_if_it_could_not_be_pickled(
            "TypeError", backend
        )
    ),
)


COST = calls.TestCost()
GENERATOR = capturing.TestOfAGenerator()
EACH = capturing.TestEachOperator()
PARTS = {"costs": [3.5, 0.5, 0.25], "times": [0, 0, 0.125]}

fault(
    "counts each call as one",
    timing._Bucket,
    "start",
    ("self._spent += cost", "self._spent += 1"),
    in_virtual_time(COST.test_is_what_a_call_takes_of_the_budget, **PARTS),
)
fault(
    "looks only at what was spent before",
    timing._Bucket,
    "due",
    ("self._spent + cost - self._burst", "self._spent + 1 - self._burst"),
    in_virtual_time(
        COST.test_is_what_a_call_takes_of_the_budget,
        costs=[4, 4, 4],
        times=[0, 2, 4],
    ),
)
fault(
    "lets a cheap call pass an expensive one",
    timing._Turns,
    "take",
    ("if not waiting and now", "if now"),
    in_virtual_time(COST.test_an_expensive_call_is_not_delayed_by_cheap_ones),
)
fault(
    "keeps the turn of who gave up",
    timing._Turns,
    "take",
    ("next(iter(waiting)).set()", "pass"),
    in_virtual_time(COST.test_of_a_call_that_gives_up_is_left_to_the_next),
)
fault(
    "rounds what a call costs",
    timing,
    "_amount",
    ("if whole == cost else", "if True else"),
    in_virtual_time(COST.test_is_what_a_call_takes_of_the_budget, **PARTS),
)
fault(
    "captures what the reader throws in",
    capturing,
    "captured",
    ("anext(source)", "anext(source); yield Ok(item, args); continue"),
    in_virtual_time(GENERATOR.test_lets_through_what_its_reader_throws_in),
)
fault(
    "leaves a generator open",
    capturing,
    "captured",
    ("aclosing(func(*args, **options))", "nullcontext(func(*args, **options))"),
    in_virtual_time(GENERATOR.test_closes_its_source, leave="close"),
)
fault(
    "forgets the item",
    capturing,
    "captured",
    ("yield Ok(item, args)", "yield Ok(item)"),
    in_virtual_time(GENERATOR.test_gives_its_items_and_the_error_that_ends_it),
)
fault(
    "takes outcomes for true",
    outcomes._Outcome,
    "__bool__",
    ("raise TypeError(", "return True or ("),
    in_virtual_time(
        EACH.test_takes_no_outcome_for_something_else, name="afilter predicate"
    ),
)


def faulty(fault: Fault) -> Any:
    """Return the function with the fault."""
    function: Any = getattr(fault.owner, fault.name)
    known = {"nullcontext": nullcontext}
    return changed(function, fault.right, fault.wrong, known=known)


@leaves_garbage
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found(
    fault: Fault, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fault.killer("asyncio", caplog)
    # Under a fault, tests wait for what never comes: not for long.
    monkeypatch.setattr(executors, "SOON", 0.5)
    monkeypatch.setattr(offloading, "SOON", 1)
    monkeypatch.setattr(fault.owner, fault.name, faulty(fault))
    for backend in ("asyncio", "trio"):
        caplog.clear()
        with pytest.raises((Exception, pytest.fail.Exception)):
            fault.killer(backend, caplog)
