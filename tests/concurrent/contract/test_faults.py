"""The tests of leaving can fail: each of these faults makes one of them do so."""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import anyio
import pytest

from aiterkit._concurrent.map.scope import Worker, WorkerPool
from aiterkit._runtime.scope import TaskScope
from aiterkit._runtime.source_reader import SourceTask
from aiterkit._runtime.task import BlockTask
from aiterkit.testing import available_backends, run_in_virtual_time

from ...planted import assert_found, changed, leaves_garbage  # noqa: TID252 - tests stand on no path
from .. import test_limiter as limiters  # noqa: TID252 - as above
from . import (
    test_cleanup as cleanup,
    test_fairness as fairness,
    test_interruption as interruption,
    test_left_by_another_task as elsewhere,
    test_own_scopes as own_scopes,
    test_source_errors as source_errors,
)
from .cases import BY_NAME, by_break_later
from .cleanups import AT_ITS_YIELD, IN_A_READ, generator, holding_a_block

Backends = tuple[Literal["asyncio", "trio"], ...]
BOTH: Backends = available_backends()
ASYNCIO: Backends = ("asyncio",)
TRIO: Backends = tuple(each for each in BOTH if each == "trio")
MAP = BY_NAME["concurrent_map"]
BUFFER = BY_NAME["concurrent_buffer"]


def left(kind: Any, subject: Any = MAP, moment: Any = IN_A_READ) -> Any:
    return partial(
        cleanup.test_however_it_is_left,
        subject=subject,
        kind=kind,
        moment=moment,
        leave=by_break_later,
    )


FAULTS: dict[str, tuple[type[Any], str, str, str, Callable[..., Any], Backends]] = {
    "shields nothing after the one cancellation": (
        BlockTask,
        "shield",
        "self._shield.shield = True",
        "pass",
        left(generator),
        BOTH,
    ),
    "cancels the tasks of a block within from outside": (
        TaskScope,
        "screen_inner_blocks",
        "block.screen()",
        "pass",
        left(holding_a_block),
        ASYNCIO,
    ),
    "lets nothing reach the tasks when its exit is interrupted": (
        BlockTask,
        "interrupt",
        "self.unshield()",
        "pass",
        partial(
            interruption.test_a_deadline_ends_a_cleanup_that_hangs,
            subject=MAP,
            kind=generator,
            moment=IN_A_READ,
        ),
        BOTH,
    ),
    "leaves a worker that makes a call to the group": (
        Worker,
        "is_ending",
        "self.call is None",
        "True",
        interruption.test_a_deadline_ends_a_call_that_hangs_though_no_source_is_read,
        BOTH,
    ),
    "loses a cancellation that comes with an error": (
        TaskScope,
        "__aexit__",
        "self._repeat(interruption)",
        "pass",
        partial(
            interruption.test_a_native_timeout_fires_though_an_error_is_leaving,
            seconds=1.25,
        ),
        ASYNCIO,
    ),
    "cancels by the scope of the group": (
        TaskScope,
        "_interrupt",
        "task.interrupt()",
        "task.interrupt(), self.tasks.cancel_scope.cancel()",
        partial(
            interruption.test_no_native_cancellation_is_lost,
            subject=BUFFER,
            leave=interruption._break,
        ),
        ASYNCIO,
    ),
    "takes whatever a source gives for a new kind of awaitable": (
        SourceTask,
        "_read_and_close",
        "awaiting(reading).__await__()",
        "reading.__await__()",
        partial(
            source_errors.test_a_source_that_gives_no_awaitable_has_failed,
            entry=MAP,
        ),
        ASYNCIO,
    ),
    "forgets the cancellation by the block when a scope took one of its own": (
        BlockTask,
        "resume",
        "self.unshield()",
        "pass",
        partial(
            own_scopes.test_a_function_that_cancels_a_scope_of_its_own_is_stopped,
            subject=MAP,
            own=own_scopes.a_scope,
        ),
        BOTH,
    ),
    "lets no scope catch its own cancellation": (
        BlockTask,
        "_let_scopes_catch",
        "== MAX_OWN_CANCELLATIONS",
        ">= 0",
        partial(
            own_scopes.test_a_scope_still_catches_its_own_cancellation, subject=MAP
        ),
        BOTH,
    ),
    "takes what interrupts a cleanup for the cancellation by the block": (
        BlockTask,
        "repeat_cancel",
        "backend.is_resumed_by_block(self, error)",
        "True",
        partial(
            interruption.test_a_deadline_within_a_call_is_not_taken_for_its_block,
            where="cleanup",
        ),
        BOTH,
    ),
    "lets a block around tell inner calls": (
        BlockTask,
        "let_come",
        "self.cancel_called or not self._owner.screened",
        "True",
        cleanup.test_inner_calls_are_told_by_their_own_block_alone,
        TRIO,
    ),
    "loses a cancellation by a block around that comes with an error": (
        TaskScope,
        "_repeat",
        "holder.repeat_cancel(interruption)",
        "pass",
        partial(
            interruption.test_no_cancellation_by_a_block_around_is_lost,
            subject=BUFFER,
            leave=interruption._fail,
            where="call",
        ),
        BOTH,
    ),
    "lets the group of a block take the cancellation by a block around": (
        TaskScope,
        "_leave_group",
        "holder.hold_back()",
        "pass",
        partial(
            interruption.test_no_cancellation_by_a_block_around_is_lost,
            subject=BY_NAME["concurrent_zip"],
            leave=interruption._end,
            where="call",
        ),
        ASYNCIO,
    ),
    "cuts the cleanup that comes after a task group": (
        BlockTask,
        "resume",
        "elif self._was_told",
        "elif False",
        partial(
            cleanup.test_cleanup_after_a_task_group_runs_in_full,
            subject=MAP,
            first=partial(anyio.sleep, 1),
            waits="at the end",
        ),
        TRIO,
    ),
    "lets any task leave": (
        TaskScope,
        "__aexit__",
        "is not self._entered_by",
        "is None",
        partial(elsewhere.test_it_is_named_and_everything_has_ended, subject=MAP),
        ASYNCIO,
    ),
    "starts what a key has held back at once": (
        WorkerPool,
        "_release_key",
        "insort(self._inbox, freed, key=_index)",
        "self._inbox.appendleft(freed)",
        partial(fairness.test_an_item_of_a_quiet_key_is_overtaken_by_few, busy="a"),
        BOTH,
    ),
    "does not notice that an async source may read on": (
        WorkerPool,
        "_on_resized",
        "self._wake_source()",
        "pass",
        partial(
            limiters.test_a_change_is_noticed_though_nobody_waits_for_a_token,
            name="concurrent_map",
            is_async=True,
            buffer=0,
            changes=(1, 4),
        ),
        BOTH,
    ),
    "does not notice that a sync source may read on": (
        WorkerPool,
        "_on_resized",
        "self._start_worker_for_next()",
        "pass",
        partial(
            limiters.test_a_change_is_noticed_though_nobody_waits_for_a_token,
            name="concurrent_map",
            is_async=False,
            buffer=0,
            changes=(1, 4),
        ),
        BOTH,
    ),
}


@leaves_garbage
@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, method, right, wrong, killer, backends = FAULTS[name]
    for backend in backends:
        run_in_virtual_time(killer, backend=backend)
    function = getattr(owner, method)
    fault = changed(function, right, wrong, owner=owner, count=-1)
    monkeypatch.setattr(owner, method, fault)
    for backend in backends:
        assert_found(killer, {}, backend)


def test_a_source_at_its_yield_is_not_cancelled(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A cancellation there would come to what the source holds."""
    cancelled: list[object] = []

    def note(task: BlockTask) -> None:
        cancelled.append(task)

    monkeypatch.setattr(BlockTask, "cancel", note)
    for backend in BOTH:
        run_in_virtual_time(left(generator, BUFFER, AT_ITS_YIELD), backend=backend)
    assert not cancelled
