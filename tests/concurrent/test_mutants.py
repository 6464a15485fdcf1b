"""The tests of each family can fail: each of these faults makes one of them do so.

A fault is a change within one method, made for the time of one test.
"""

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

import aiterkit as ak
from aiterkit._concurrent.flatten.scope import FlattenScope, InnerReader
from aiterkit._concurrent.flatten.state import Concatenated, FlattenState, Interleaved
from aiterkit._concurrent.map import expand as expand_module
from aiterkit._concurrent.map.expand import ExpandScope, FrontierSource, RootsSink
from aiterkit._concurrent.map.scope import Worker, WorkerPool
from aiterkit._concurrent.map.state import FilteredCalls, Frontier, KeyQueue
from aiterkit._concurrent.merge.scope import (
    ArrivalSink,
    ParkAtOnce,
    Rendezvous,
    SourcesScope,
    StoppableSink,
    UntilScope,
)
from aiterkit._concurrent.merge.state import (
    ArrivalBuffer,
    EndingArrivals,
    LatestRow,
    MergeState,
    OnDemand,
    Stoppable,
    ZipState,
)
from aiterkit._concurrent.share.scope import BalancedSubscription, ShareScope
from aiterkit._concurrent.share.state import (
    BalancedQueue,
    BalancedState,
    BroadcastState,
    PartitionState,
    SharedState,
    SubscriberQueue,
)
from aiterkit._concurrent.switch.scope import InnerSink, SwitchScope
from aiterkit._concurrent.switch.state import SwitchState
from aiterkit._concurrent.timing.scope import HeartbeatScope
from aiterkit._concurrent.timing.state import (
    Batches,
    Debounced,
    Heartbeats,
    Latest,
    Sampled,
    Settling,
)
from aiterkit._runtime.channel import ResultChannel
from aiterkit._runtime.results import Results
from aiterkit._runtime.sync_source import SyncSource
from aiterkit.testing import SourceProbe, SyncSourceProbe, available_backends

from ..helpers import Boom  # noqa: TID252 - tests stand on no path
from ..planted import assert_found, changed, leaves_garbage, run  # noqa: TID252 - tests stand on no path
from . import (
    test_balance as balance,
    test_batched as batches,
    test_buffer as buffer,
    test_expand as expand,
    test_filter as filtering,
    test_flatten as flat,
    test_heartbeat as heartbeat,
    test_keys as keys,
    test_limiter as limiter,
    test_map_calls as map_calls,
    test_map_errors as errors,
    test_map_overlap as overlap,
    test_map_reading as map_reading,
    test_merge as merge,
    test_merge_ends as merge_ends,
    test_merge_state as merge_state,
    test_share as share,
    test_statistics as statistics,
    test_switch as switch,
    test_timing as timing,
    test_until as until,
    test_zip as rows,
)
from .contract import (
    cases,
    test_leaving as leaving,
)
from .map_forms import FORMS, KEYED


class Fault(NamedTuple):
    """A change of some words of a method, and the test that finds it."""

    owner: Any
    method: str
    right: str
    wrong: str
    killer: Callable[..., Any]
    arguments: dict[str, Any]


FAULTS: list[Any] = []


def fault(
    family: str,
    words: str,
    owner: Any,
    method: str,
    change: tuple[str, str],
    killer: Callable[..., Any],
    **arguments: Any,
) -> None:
    """Note a fault of *family*, which in *words* is what the *change* does."""
    noted = Fault(owner, method, *change, killer, arguments)
    FAULTS.append(pytest.param(noted, id=f"{family}: {words}"))


fault(
    "merge",
    "reads one item too far",
    ArrivalSink,
    "put",
    ("< upstream.allowed", "<= upstream.allowed"),
    merge.test_each_source_is_read_ahead_by_its_own_bound,
    buffer=2,
)
fault(
    "merge",
    "forgets that there is room again",
    SourcesScope,
    "on_received",
    ("self._readers[upstream].wake()", "pass"),
    merge.test_each_source_is_read_ahead_by_its_own_bound,
    buffer=0,
)
fault(
    "merge",
    "wakes all sources for each item",
    ArrivalBuffer,
    "pop",
    ("self.resumable = upstream", "pass"),
    merge.test_taking_an_item_wakes_its_source_alone,
)
fault(
    "merge",
    "gives the newest first",
    ArrivalBuffer,
    "pop",
    (".popleft()", ".pop()"),
    merge.test_timelines,
    lines=["(abc|)", "(xyz|)"],
    merged="(axbycz|)",
)
fault(
    "merge",
    "stops no source after an error",
    MergeState,
    "_settle",
    ("self.to_stop.extend(self.open)", "pass"),
    merge.test_an_error_stops_the_other_sources_before_it_is_raised,
)
fault(
    "zip",
    "asks for one row only",
    SourcesScope,
    "on_received",
    ("self.wake_sources()", "pass"),
    rows.test_no_source_is_ever_more_than_one_item_ahead,
    make=ak.concurrent_zip,
)
fault(
    "zip",
    "stops no source at an end",
    ZipState,
    "end",
    ("if not self._strict", "if False"),
    rows.test_it_is_stopped_at_once_though_the_left_is_waited_for,
    error=None,
)
fault(
    "zip",
    "stops no source after an error",
    ZipState,
    "fail",
    ("self._stop_right_of(upstream)", "pass"),
    rows.test_it_is_stopped_at_once_though_the_left_is_waited_for,
    error=Boom(),
)
fault(
    "zip",
    "reads over what waits",
    ZipState,
    "has_room",
    ("is EMPTY", "is not _END"),
    merge_state.test_a_row_frees_all_its_sources,
)
fault(
    "zip_latest",
    "waits with the first items of old",
    LatestRow,
    "put",
    ("return True", "return False"),
    merge_state.test_the_newest_at_the_start_then_a_row_for_each,
)
fault(
    "zip_latest",
    "goes on though no row can come",
    LatestRow,
    "end",
    ("if upstream in self._missing", "if False"),
    rows.test_timelines_of_the_newest,
    lines=["a----b---|", "--|"],
    rows="--|",
)
fault(
    "zip_latest",
    "starts before all are there",
    LatestRow,
    "put",
    (".discard(upstream)", ".clear()"),
    rows.test_timelines_of_the_newest,
    lines=["abc----|", "---x---|"],
    rows="---[cx]|",
)
fault(
    "buffer",
    "asks for nothing",
    Rendezvous,
    "begin_wait",
    ("self._on_demand.asked = True", "pass"),
    buffer.test_a_prompt_reader_sees_the_source_as_it_is,
    line="a--b|",
    size=0,
)
fault(
    "buffer",
    "asks for two",
    OnDemand,
    "put",
    ("self.asked = False", "pass"),
    merge_state.test_on_demand_there_is_room_for_what_is_asked,
)
fault(
    "buffer",
    "yields before it asks",
    ParkAtOnce,
    "should_yield",
    ("return False", "return super().should_yield()"),
    buffer.test_short_waits_for_an_item_that_is_there_get_it,
)
fault(
    "buffer",
    "reads one item too far",
    ArrivalSink,
    "put",
    ("< upstream.allowed", "<= upstream.allowed"),
    buffer.test_at_no_step_is_the_source_read_too_far,
    size=1,
)
fault(
    "batched",
    "lets a late item join",
    Batches,
    "take",
    ("self.is_awaited and now >= self._deadline", "False"),
    timing.test_under_every_schedule_batches_are_the_same,
)
fault(
    "batched",
    "forgets when the next is due",
    Batches,
    "pop_value",
    ("began, self._next_began = (self._next_began, inf)", "began = inf"),
    timing.test_an_item_that_was_too_much_keeps_the_time_at_which_it_came,
)
fault(
    "batched",
    "takes one too many",
    Batches,
    "_is_full",
    (">= self._size", "> self._size"),
    timing.test_no_more_than_size_items_are_read_ahead,
    probe=SourceProbe,
    size=3,
)
fault(
    "batched",
    "wakes no reader when it is full",
    Batches,
    "take",
    ("return self._is_full()", "return False"),
    timing.test_a_batch_is_given_when_full_or_in_time,
    source="ab----cd----|",
    size=2,
    within=9,
    batches="-[ab]--[cd]-|",
)
fault(
    "batched",
    "keeps the rest at the end",
    Batches,
    "pop_value",
    ("self.ended or ", ""),
    timing.test_a_batch_is_given_when_full_or_in_time,
    source="-a---b-|",
    size=3,
    within=9,
    batches="-------([ab]|)",
)
fault(
    "latest",
    "wakes no reader",
    Latest,
    "take",
    ("return True", "return False"),
    timing.test_the_newest_item_is_given_when_it_has_settled,
    use=ak.concurrent_latest,
    source="a-bc-|",
    newest="a-bc-|",
)
fault(
    "latest",
    "counts what waits as dropped",
    Latest,
    "held",
    ("len(self._items)", "0"),
    timing.test_the_newest_items_wait_the_oldest_of_them_first,
)
fault(
    "latest",
    "gives the newest first",
    Latest,
    "pop_value",
    (".popleft()", ".pop()"),
    timing.test_the_newest_items_wait_the_oldest_of_them_first,
)
fault(
    "latest",
    "drops the newest, not the oldest",
    Latest,
    "take",
    (
        "self._items.append(item)",
        "self._items.append(item) if len(self._items) < self._items.maxlen else 0",
    ),
    timing.test_under_every_schedule_the_last_few_are_given,
)
fault(
    "latest",
    "keeps one more",
    Latest,
    "__init__",
    ("maxlen=size", "maxlen=size + 1"),
    timing.test_the_newest_items_wait_the_oldest_of_them_first,
)
fault(
    "debounce",
    "counts what waits as dropped",
    Settling,
    "held",
    ("len(self._settled) + ", ""),
    timing.test_what_settles_is_decided_by_the_time_alone,
)
fault(
    "debounce",
    "keeps the oldest",
    Settling,
    "_settle",
    ("self._settled[:] =", "self._settled = self._settled or list"),
    timing.test_what_has_settled_gives_its_place_to_the_next_that_settles,
    use=timing.debounce,
)
fault(
    "debounce",
    "does not start the quiet anew",
    Debounced,
    "_settles_at",
    ("now +", "min(self._deadline - self._seconds, now) +"),
    timing.test_the_newest_item_is_given_when_it_has_settled,
    use=timing.debounce,
    source="abc---|",
    newest="-----c|",
)
fault(
    "debounce",
    "keeps the last at the end",
    Settling,
    "pop_value",
    ("not self._settled", "self._settled"),
    timing.test_the_newest_item_is_given_when_it_has_settled,
    use=timing.debounce,
    source="a-|",
    newest="--(a|)",
)
fault(
    "debounce",
    "gives what has not settled",
    Debounced,
    "_settles_at",
    ("now + self._seconds", "now"),
    timing.test_what_settles_is_decided_by_the_time_alone,
)
fault(
    "sample",
    "misses every other beat",
    Sampled,
    "_settles_at",
    ("+ 1", "+ 2"),
    timing.test_the_newest_item_is_given_when_it_has_settled,
    use=timing.sample,
    source="abc--------|",
    newest="---c-------|",
)
fault(
    "sample",
    "beats with the item",
    Sampled,
    "_settles_at",
    ("self._start + beats * self._seconds", "now + self._seconds"),
    timing.test_the_newest_item_is_given_when_it_has_settled,
    use=timing.sample,
    source="-a---b-----|",
    newest="---a--b----|",
)
fault(
    "sample",
    "beats from the beginning of time",
    Sampled,
    "start",
    ("= now()", "= 0"),
    timing.test_beats_are_counted_from_the_entry_of_the_block,
)
fault(
    "broadcast",
    "lets a reader lag too far",
    SubscriberQueue,
    "put",
    ("== self._state.buffer_size", "== self._state.buffer_size + 1"),
    share.test_the_slowest_reader_holds_the_source_back_after_buffer_items,
    probe=SourceProbe,
    buffer=2,
)
fault(
    "broadcast",
    "waits for a reader that has left",
    SubscriberQueue,
    "leave",
    ("len(self._items) == self._state.buffer_size", "False"),
    share.test_a_reader_that_leaves_holds_no_other_back,
    make=share.broadcast,
)
fault(
    "broadcast",
    "raises an error again and again",
    SubscriberQueue,
    "pop",
    ("self.error_delivered = True", "pass"),
    share.test_an_error_reaches_every_reader_after_its_items,
    make=share.broadcast,
)
fault(
    "broadcast",
    "raises an error to a reader that has left",
    SubscriberQueue,
    "pop",
    (" or self.left", ""),
    share.test_a_reader_that_has_left_gets_no_error,
)
fault(
    "broadcast",
    "serves the first reader only",
    BroadcastState,
    "share",
    ("in self.queues", "in self.queues[:1]"),
    share.test_the_slowest_reader_holds_the_source_back_after_buffer_items,
    probe=SourceProbe,
    buffer=2,
)
fault(
    "broadcast",
    "reads on without readers",
    ShareScope,
    "on_left",
    ("self._source.stop()", "self._source.request_stop()"),
    share.test_when_all_readers_have_left_the_source_is_closed_at_once,
    make=share.broadcast,
)
fault(
    "broadcast",
    "forgets that a reader that leaves makes room",
    ShareScope,
    "on_left",
    ("self.read_on()", "pass"),
    share.test_a_reader_that_leaves_holds_no_other_back,
    make=share.broadcast,
)
fault(
    "broadcast",
    "does not tell all readers of the end",
    ShareScope,
    "end",
    ("self.wake_receivers()", "self.subscriptions[0].wake_receiver()"),
    share.test_all_readers_that_wait_get_the_end_or_the_error,
    make=share.broadcast,
    fails=False,
)
fault(
    "partition",
    "tells nobody of an error",
    ShareScope,
    "fail",
    ("self.wake_receivers()", "pass"),
    share.test_all_readers_that_wait_get_the_end_or_the_error,
    make=share.partition,
    fails=True,
)
fault(
    "partition",
    "wakes all readers for each item",
    PartitionState,
    "share",
    ("(place,)", "range(len(self.queues))"),
    share.test_an_item_wakes_the_reader_of_its_key_alone,
)
fault(
    "partition",
    "wakes the reader of another key",
    PartitionState,
    "share",
    ("(place,)", "(0,)"),
    share.test_an_item_wakes_the_reader_of_its_key_alone,
)
fault(
    "partition",
    "loses the item of a reader that is cancelled",
    ResultChannel,
    "on_wait_failed",
    ("pass", "self.buffer._items.clear()"),
    share.test_a_reader_that_is_cancelled_as_an_item_comes_loses_nothing,
    make=share.partition,
)
fault(
    "partition",
    "gives all to the last reader",
    PartitionState,
    "share",
    ("[place]", "[-1]"),
    share.test_the_reader_of_a_key_holds_the_source_back_after_buffer_items,
)
fault(
    "partition",
    "ends with the first reader that leaves",
    SharedState,
    "all_left",
    ("all(", "any("),
    share.test_a_reader_that_leaves_holds_no_other_back,
    make=share.partition,
)
fault(
    "partition",
    "reports an error that all have seen",
    SharedState,
    "close",
    ("not all(", "not any("),
    share.test_items_go_to_the_queue_of_their_key_and_the_error_to_all,
)
fault(
    "switch",
    "gives old results",
    SwitchState,
    "switch",
    ("self._results.clear()", "pass"),
    switch.test_a_result_of_an_older_item_is_dropped,
)
fault(
    "switch",
    "opens one more after an error",
    SwitchState,
    "fail",
    ("self._next.clear()", "pass"),
    switch.test_a_failure_waits_for_what_is_open_and_opens_nothing_more,
)
fault(
    "switch",
    "lets the old source read on",
    SwitchScope,
    "put",
    (".stop()", ".request_stop()"),
    switch.test_calls_are_cancelled_when_a_new_item_comes,
)
fault(
    "switch",
    "raises an error too early",
    SwitchState,
    "pop",
    ("if self.busy", "if False"),
    switch.test_a_failure_is_raised_when_what_it_ended_is_closed,
)
fault(
    "switch",
    "says nothing of the end of the last source",
    SwitchScope,
    "advance",
    ("self.wake_receiver()", "pass"),
    switch.test_the_newest_items_source_is_read,
    items="a|",
    inner="-x-y|",
    results="-x-y|",
)
fault(
    "switch",
    "wakes the reader for nothing",
    SwitchScope,
    "advance",
    ("self.state.ended", "True"),
    switch.test_an_item_that_gives_nothing_does_not_wake_the_reader,
)
fault(
    "switch",
    "reads one result too far",
    InnerSink,
    "put",
    ("return False", "return True"),
    switch.test_at_most_one_result_is_read_ahead,
)
fault(
    "expand",
    "ends while a call runs",
    Frontier,
    "is_over",
    ("not self.visiting", "True"),
    expand.test_every_item_reached_is_given_once_and_it_ends,
    probe=SourceProbe,
    limit=7,
    buffer=0,
)
fault(
    "expand",
    "visits the newest first",
    Frontier,
    "visit",
    (".popleft()", ".pop()"),
    expand.test_what_is_reached_first_is_visited_first,
)
fault(
    "expand",
    "gives items where results are wanted",
    expand_module,
    "_visit",
    ("item if follow is None else result", "item"),
    expand.test_with_follow_and_key_circles_end,
)
fault(
    "expand",
    "lets one too many wait",
    Frontier,
    "add",
    (">= self._max", "> self._max"),
    expand.test_a_frontier_is_over_when_nothing_waits_runs_or_comes,
)
fault(
    "expand",
    "asks for no root",
    FrontierSource,
    "__anext__",
    ("self.ask_for_root()", "pass"),
    expand.test_a_root_is_read_only_when_nothing_else_waits,
    probe=SourceProbe,
)
fault(
    "expand",
    "reads all roots at once",
    RootsSink,
    "has_room",
    ("frontier.is_hungry and (not frontier.waiting)", "True"),
    expand.test_a_root_is_read_only_when_nothing_else_waits,
    probe=SourceProbe,
)
fault(
    "flat_map_unordered",
    "opens one source too many",
    Interleaved,
    "may_begin",
    ("count < limit", "count <= limit"),
    flat.test_limit_inner_sources_are_read_at_once_and_no_more,
    make=ak.concurrent_flat_map_unordered,
    probe=SourceProbe,
    limit=3,
)
fault(
    "flat_map_unordered",
    "does not count what waits",
    Interleaved,
    "_is_drained",
    ("inner.allowed - inner.given == self.window", "True"),
    flat.test_as_many_inner_sources_as_are_read_may_wait_for_you,
    make=ak.concurrent_flat_map_unordered,
    probe=SourceProbe,
    limit=2,
)
fault(
    "flat_map_unordered",
    "lets one source too many wait",
    Interleaved,
    "may_begin",
    ("< 2 * limit", "<= 2 * limit"),
    flat.test_as_many_inner_sources_as_are_read_may_wait_for_you,
    make=ak.concurrent_flat_map_unordered,
    probe=SourceProbe,
    limit=2,
)
fault(
    "flat_map_unordered",
    "closes the outer source first",
    FlattenScope,
    "may_close",
    ("not self._reader_of", "True"),
    flat.test_inner_sources_are_closed_before_the_outer_one,
    make=ak.concurrent_flat_map_unordered,
)
fault(
    "flat_map_unordered",
    "calls when it is too late",
    InnerReader,
    "run",
    ("if not self.stopped", "if True"),
    flat.test_nothing_is_called_when_it_is_too_late,
    make=ak.concurrent_flat_map_unordered,
)
fault(
    "flat_map",
    "opens one source too many",
    Concatenated,
    "may_begin",
    ("count < limit", "count <= limit"),
    flat.test_limit_inner_sources_are_read_at_once_and_no_more,
    make=ak.concurrent_flat_map,
    probe=SourceProbe,
    limit=3,
)
fault(
    "flat_map",
    "passes on while a source goes on",
    Concatenated,
    "_pass_on",
    ("queue[0].ended and ", ""),
    flat.test_limit_inner_sources_are_read_at_once_and_no_more,
    make=ak.concurrent_flat_map,
    probe=SourceProbe,
    limit=3,
)
fault(
    "flat_map",
    "loses an error that came too late",
    Concatenated,
    "fail",
    ("self._drop(self._queue.pop())", "self._queue.pop()"),
    flat.test_in_order_an_earlier_error_makes_a_later_one_late,
)
fault(
    "flat_map",
    "frees a slot that is not held",
    Concatenated,
    "release",
    ("inner.holds_slot and ", ""),
    flat.test_as_many_inner_sources_as_are_read_may_wait_for_you,
    make=ak.concurrent_flat_map,
    probe=SyncSourceProbe,
    limit=2,
)
fault(
    "flat_map",
    "asks a sync source where there is no room",
    FlattenScope,
    "_may_pull",
    ("inners.may_begin()", "True"),
    flat.test_limit_inner_sources_are_read_at_once_and_no_more,
    make=ak.concurrent_flat_map,
    probe=SyncSourceProbe,
    limit=3,
)
fault(
    "flat_map",
    "asks a sync source after an error",
    FlattenScope,
    "_may_pull",
    ("inners.outer in inners.open", "True"),
    flat.test_an_error_of_the_function_is_raised,
    make=ak.concurrent_flat_map_unordered,
    probe=SyncSourceProbe,
    late=False,
)
fault(
    "flat_map",
    "starts one task alone for a sync source",
    FlattenScope,
    "pull",
    ("self._start_or_wake_reader()", "pass"),
    flat.test_few_items_start_few_tasks,
    make=ak.concurrent_flat_map,
)
fault(
    "flat_map",
    "starts no task when the reader made room",
    FlattenScope,
    "_begin_more",
    ("self._start_or_wake_reader()", "pass"),
    flat.test_as_many_inner_sources_as_are_read_may_wait_for_you,
    make=ak.concurrent_flat_map,
    probe=SyncSourceProbe,
    limit=2,
)
fault(
    "flat_map",
    "starts no task when others made room unseen",
    FlattenScope,
    "settle",
    ("if inners.take_free_slot():", "if False:"),
    flat.test_what_others_leave_behind_unseen_makes_room_at_once,
    probe=SyncSourceProbe,
)
fault(
    "flat_map",
    "reads sources without number in one turn",
    InnerReader,
    "run",
    ("in_a_row + 1", "0"),
    flat.test_empty_sources_without_number_starve_nobody,
    make=ak.concurrent_flat_map,
    probe=SyncSourceProbe,
)
fault(
    "map",
    "does not look for the end of a list",
    WorkerPool,
    "_start_worker_for_next",
    ("or len(self._idle) == self._worker_count", ""),
    overlap.test_the_end_of_a_list_is_found_by_a_slow_reader,
)
fault(
    "map",
    "reads a sync source in the context of the task that asks",
    SyncSource,
    "__init__",
    ("partial(run, *call, next, iterator)", "partial(next, iterator)"),
    map_calls.test_the_context_of_a_sync_source_is_one_and_its_own,
    form=FORMS[0],
)
fault(
    "map",
    "closes a sync source in another context",
    SyncSource,
    "close",
    ("self._run(scope.backend.interruptible(_close), iterator)", "iterator.close()"),
    leaving.test_a_sync_generator_runs_in_one_context_of_its_own,
    entry=cases.BY_NAME["concurrent_map"],
    leave=cases.by_break,
)
fault(
    "map",
    "never says that a sync source has no room",
    WorkerPool,
    "_is_room",
    ("self.wants_room = True", "pass"),
    map_reading.test_a_sync_source_is_read_no_further_either,
    operator=ak.concurrent_map,
    limit=1,
    buffer=0,
)
fault(
    "map",
    "asks a sync source in spite of a limiter that shrank",
    WorkerPool,
    "_pull",
    ("or self._limiter is not None", "or False"),
    limiter.test_a_smaller_limiter_bounds_a_sync_source,
)
fault(
    "map",
    "lets calls run on that a failure has ended",
    Worker,
    "stop",
    ("self.cancel()", "pass"),
    errors.test_in_completion_order_the_first_error_cancels_all_others,
    probe=SourceProbe,
)
fault(
    "map",
    "takes the end of a cancelled call for the end of the block",
    WorkerPool,
    "_call_raised",
    ("if not worker.stopped", "if True"),
    errors.test_calls_ended_by_a_failure_may_end_one_after_the_other,
    form=FORMS[0],
)
fault(
    "map",
    "starts one call more of a key than it may",
    KeyQueue,
    "may_start",
    ("line.started < self", "line.started <= self"),
    keys.test_so_many_calls_per_key_run_at_once,
    form=FORMS[1],
    probe=SourceProbe,
    per_key=2,
    limit=9,
    seconds=3,
)
fault(
    "map",
    "forgets how many calls of a key run",
    KeyQueue,
    "may_start",
    ("line.started += 1", "pass"),
    keys.test_so_many_calls_per_key_run_at_once,
    form=FORMS[1],
    probe=SourceProbe,
    per_key=2,
    limit=9,
    seconds=3,
)
fault(
    "map",
    "keeps a key that no call has",
    KeyQueue,
    "release",
    ("if not line.started", "if False"),
    keys.test_a_key_that_no_call_has_is_forgotten,
)
fault(
    "map",
    "lets a busy key go first",
    WorkerPool,
    "_release_key",
    ("insort(self._inbox, freed, key=_index)", "self._inbox.appendleft(freed)"),
    keys.test_a_busy_key_of_an_endless_source_starves_no_other,
    form=FORMS[1],
    limit=1,
    per_key=1,
)
fault(
    "map",
    "lets a busy key go last",
    WorkerPool,
    "_release_key",
    ("insort(self._inbox, freed, key=_index)", "self._inbox.append(freed)"),
    keys.test_the_item_of_another_key_goes_before_later_ones_of_a_busy_key,
    form=FORMS[1],
)
fault(
    "filter",
    "looks at a finished call only while a task waits",
    WorkerPool,
    "_make_calls",
    ("if notify_always or", "if"),
    filtering.test_what_did_not_pass_takes_no_room,
    probe=SourceProbe,
)
fault(
    "filter",
    "does not free the key of an item that did not pass",
    WorkerPool,
    "_make_calls",
    ("if keys is not None:", "if keys is not None and value:"),
    filtering.test_timelines_with_a_key,
    per_key=1,
    source="(zZb|)",
    line="----(b|)",
)
fault(
    "filter",
    "starts the newest call of a key first",
    KeyQueue,
    "release",
    ("line.waiting.popleft()", "line.waiting.pop()"),
    keys.test_so_many_calls_per_key_run_at_once,
    form=KEYED[-1],
    probe=SourceProbe,
    per_key=2,
    limit=9,
    seconds=3,
)
fault(
    "flat_map",
    "forgets a closed source whose items are not taken",
    FlattenScope,
    "on_closed",
    ("self.wants_room =", "_ ="),
    flat.test_a_closed_source_waits_no_longer_when_its_last_item_is_taken,
    make=ak.concurrent_flat_map_unordered,
    probe=SyncSourceProbe,
)
fault(
    "flat_map",
    "has one context for all",
    InnerReader,
    "run",
    ("scope.context.copy()", "scope.context"),
    flat.test_each_inner_source_sees_the_context_at_entry,
    make=ak.concurrent_flat_map,
)
fault(
    "until",
    "loses the item that a cancelled read gives",
    StoppableSink,
    "takes_last_read",
    ("not self._until.closed", "False"),
    until.test_what_a_cancelled_read_gives_all_the_same_is_given,
)
fault(
    "until",
    "lets the read go on that is under way",
    Stoppable,
    "stop",
    ("self.to_stop.extend(self.open)", "pass"),
    until.test_it_gives_the_items_until_stop_returns,
    source="a--b--c--d|",
    stop="----|",
    line="a--b|",
)
fault(
    "until",
    "ends before the cancelled read has ended",
    Stoppable,
    "stop",
    ("self.to_stop.extend(self.open)", "self.open.clear(); self.ended = True"),
    until.test_what_a_cancelled_read_gives_all_the_same_is_given,
)
fault(
    "until",
    "closes the source when it is stopped",
    UntilScope,
    "may_close",
    ("self.closed and", "True and"),
    until.test_the_source_is_open_until_the_block_is_left,
    stop=until.after(1),
)
fault(
    "until",
    "closes the source before stop has ended",
    UntilScope,
    "may_close",
    ("not self._awaits_stop", "True"),
    until.test_on_exit_stop_is_cancelled_and_awaited_and_then_the_source_is_closed,
    read=True,
)
fault(
    "until",
    "does not say when it has ended",
    StoppableSink,
    "on_stopped",
    ("self.on_closed()", "pass"),
    until.test_it_gives_the_items_until_stop_returns,
    source="a--b--c--d|",
    stop="----|",
    line="a--b|",
)
fault(
    "until",
    "puts an error of stop before an item",
    Stoppable,
    "pop",
    ("if self.queue:", "if self.queue and not self._failure:"),
    until.test_what_is_taken_before_stop_fails_comes_before_its_error,
)
fault(
    "heartbeat",
    "counts the time from the last item alone",
    Heartbeats,
    "pop_value",
    (
        "now + self._seconds return self._beat",
        "self._deadline\n    return self._beat",
    ),
    heartbeat.test_a_busy_reader_gets_one_beat_and_not_those_that_it_missed,
)
fault(
    "heartbeat",
    "lets the order of waking decide whether a beat comes",
    Heartbeats,
    "take",
    ("self._check_beat()", "pass"),
    heartbeat.test_under_every_schedule_the_same_is_given,
)
fault(
    "heartbeat",
    "prefers a beat to an item that is there",
    Heartbeats,
    "_check_beat",
    ("self.is_awaited and", "True and"),
    heartbeat.test_for_a_busy_reader_an_item_comes_before_a_beat,
)
fault(
    "heartbeat",
    "gives a reader that goes on waiting one beat alone",
    HeartbeatScope,
    "_wait_until_due",
    ("self._timer.wake_if_idle()", "pass"),
    heartbeat.test_a_beat_comes_when_nothing_came_for_so_long,
    source="a---------b|",
    line="a--*--*--*b|",
)
fault(
    "heartbeat",
    "times a beat for each item",
    HeartbeatScope,
    "_wait_until_due",
    ("self._timer.wake_if_idle()", "self._timer._wake()"),
    heartbeat.test_items_that_come_in_time_need_no_deadline_each,
)
fault(
    "batched",
    "gathers nothing once the time of the batch is over",
    Batches,
    "take",
    ("self.is_awaited and now", "now"),
    timing.test_a_slow_reader_gets_what_has_gathered,
    size=9,
    reads=[2.5, 2, 9],
    batches=["ab", "cd", "efghij"],
)
fault(
    "heartbeat",
    "reads on while an item waits",
    Heartbeats,
    "has_room",
    ("return not self._item", "return len(self._item) < 2"),
    heartbeat.test_at_most_one_item_is_read_ahead,
    probe=SourceProbe,
)
fault(
    "heartbeat",
    "beats on after the end",
    Heartbeats,
    "pop_value",
    ("self.ended or now", "now"),
    heartbeat.test_for_a_busy_reader_the_end_comes_without_a_beat,
)
fault(
    "balance",
    "serves the reader that asked last",
    BalancedState,
    "call_next",
    ("next(iter(self.asking))", "list(self.asking)[-1]"),
    balance.test_readers_that_wait_are_served_in_the_order_in_which_they_asked,
    buffer=2,
)
fault(
    "balance",
    "lets another reader take what is kept for one",
    BalancedQueue,
    "pop",
    ("len(items) > state.claims", "items"),
    balance.test_an_item_is_kept_for_the_first_reader_that_asks,
)
fault(
    "balance",
    "keeps an item for a reader that gave up",
    BalancedSubscription,
    "on_wait_failed",
    ("self._balanced.pass_on(self._queue)", "pass"),
    balance.test_a_reader_that_gave_up_waiting_has_nothing_kept_for_it,
)
fault(
    "balance",
    "does not say that the last item was received",
    BalancedSubscription,
    "on_received",
    ("scope.wake_receivers()", "pass"),
    balance.test_each_reader_gets_the_end_under_every_schedule,
)
fault(
    "balance",
    "reads one item too far",
    BalancedState,
    "has_room",
    ("< self.buffer_size", "<= self.buffer_size"),
    balance.test_no_more_than_buffer_items_are_read_before_a_reader_asks,
    probe=SourceProbe,
    buffer=1,
)
fault(
    "balance",
    "does not ask the source when a reader asks",
    BalancedSubscription,
    "begin_wait",
    ("self._balanced.read_on()", "pass"),
    balance.test_no_more_than_buffer_items_are_read_before_a_reader_asks,
    probe=SourceProbe,
    buffer=0,
)
fault(
    "merge",
    "ends with any source where the first is to end it",
    EndingArrivals,
    "end",
    ("upstream.index == 0", "True"),
    merge_ends.test_it_ends_with,
    until="first",
    lines=["a---|", "-x|"],
    merged="ax--|",
)
fault(
    "merge",
    "lets the other sources go on after the end",
    EndingArrivals,
    "end",
    ("other is not upstream", "False"),
    merge_ends.test_it_ends_with,
    until="any",
    lines=["a-----|", "-x--|"],
    merged="ax--|",
)
fault(
    "merge",
    "loses at the end what a cancelled read gives",
    EndingArrivals,
    "takes_last_read",
    ("self.settled and", "False and"),
    merge_ends.test_what_a_cancelled_read_gives_all_the_same_is_given,
)
fault(
    "merge",
    "takes a last read after an error",
    EndingArrivals,
    "takes_last_read",
    ("and (not self._failure)", "and True"),
    merge_ends.test_of_two_such_errors_the_second_is_attached,
)
fault(
    "merge",
    "ends before a source that ended is closed",
    EndingArrivals,
    "end",
    ("if not self.settled and", "self.leave(upstream)\n    if not self.settled and"),
    merge_ends.test_one_that_ended_long_before_is_closed_before_the_end,
)
fault(
    "merge",
    "loses what is there when it ends",
    EndingArrivals,
    "end",
    ("self.settled = True", "self.settled = True; self.queue.clear()"),
    merge_ends.test_what_waits_for_a_busy_reader_comes_before_the_end,
)
fault(
    "merge",
    "stops the others twice",
    EndingArrivals,
    "end",
    ("not self.settled and", "True and"),
    merge_ends.test_the_end_is_decided_once,
    any_ends_it=True,
)
fault(
    "batched",
    "gives the first alone of several items at once, within no time",
    Batches,
    "take",
    ("and (self._shortest > 0)", "and True"),
    batches.test_what_comes_at_once_comes_together_to_a_reader_that_waits,
    size=None,
)
fault(
    "batched",
    "counts the quiet from the first item on",
    Batches,
    "take",
    ("and now < self._deadline:", "and False:"),
    batches.test_a_batch_is_given,
    source="a-b-------|",
    size=None,
    options={"quiet": 3},
    batches="-----[ab]-|",
)
fault(
    "batched",
    "forgets its time while it is not quiet",
    Batches,
    "take",
    ("due if due < self._latest else self._latest", "due"),
    batches.test_a_batch_is_given,
    source="a---b---c--------|",
    size=None,
    options={"quiet": 6, "within": 5},
    batches="-----[ab]----[c]-|",
)
fault(
    "batched",
    "wants another silence when one is over",
    Batches,
    "take",
    ("and now < self._deadline:", "and True:"),
    batches.test_a_batch_that_is_over_waits_for_no_more_silence,
)
fault(
    "batched",
    "forgets when the next one began",
    Batches,
    "take",
    ("self._next_began = now", "self._next_began = now - 1"),
    batches.test_an_item_that_was_too_much_is_quiet_by_its_own_time,
)
fault(
    "merge",
    "does not count what a source gave that has ended",
    MergeState,
    "leave",
    ("self._given_before += upstream.given", "pass"),
    statistics.test_what_was_left_behind_in_a_block_was_dropped,
    case=statistics.case_of("concurrent_merge"),
)
fault(
    "filter",
    "counts what did not pass as delivered",
    FilteredCalls,
    "received",
    (" - self._skipped", ""),
    statistics.test_what_was_left_behind_in_a_block_was_dropped,
    case=statistics.case_of("concurrent_filter"),
)
fault(
    "batched",
    "counts batches, not items",
    Batches,
    "pop_value",
    ("+= len(batch)", "+= 1"),
    statistics.test_what_was_left_behind_in_a_block_was_dropped,
    case=statistics.case_of("concurrent_batched"),
)
fault(
    "buffer",
    "counts as waiting what nobody will have",
    Results,
    "statistics",
    ("without_reader(now) if channel.closed else now", "now"),
    statistics.test_what_was_left_behind_in_a_block_was_dropped,
    case=statistics.case_of("concurrent_buffer"),
)
fault(
    "expand",
    "forgets what was reached when it is left",
    ExpandScope,
    "_taken",
    ("self.frontier.reached", "self._calls.taken"),
    expand.test_the_reader_holds_the_calls_back,
)
fault(
    "zip",
    "counts a row as waiting that is never whole",
    ZipState,
    "statistics",
    ("if self.settled", "if False"),
    statistics.test_a_row_that_is_never_whole_is_dropped,
)
fault(
    "zip_latest",
    "does not count what is overtaken",
    LatestRow,
    "put",
    ("self._overtaken += 1", "pass"),
    statistics.test_what_is_overtaken_before_the_first_row_is_dropped,
)
fault(
    "partition",
    "does not count what comes for a reader that left",
    SubscriberQueue,
    "put",
    ("self._dropped += 1", "pass"),
    statistics.test_each_reader_of_a_partition_counts_its_own_items,
)
fault(
    "balance",
    "does not count what was delivered",
    BalancedQueue,
    "pop",
    ("state.delivered += 1", "pass"),
    statistics.test_the_readers_of_a_balance_count_together,
)
fault(
    "switch",
    "does not count what is overtaken",
    SwitchState,
    "switch",
    ("self._dropped += len(self._results)", "pass"),
    statistics.test_a_switch_map_tells_of_what_is_overtaken,
)
fault(
    "flat_map",
    "does not count what comes after an error",
    Concatenated,
    "_drop",
    ("self._dropped += len(inner.items)", "pass"),
    statistics.test_what_comes_after_an_error_in_input_order_is_dropped,
)
fault(
    "flat_map",
    "opens the sources of a limiter in no order",
    FlattenScope,
    "take_next",
    ("pending.popleft()", "pending.pop()"),
    flat.test_inner_sources_wait_for_their_tokens_in_order,
    make=ak.concurrent_flat_map,
)
fault(
    "flat_map",
    "keeps its token",
    InnerReader,
    "give_token",
    ("limiter.release_on_behalf_of(self)", "pass"),
    flat.test_as_many_inner_sources_are_open_as_there_are_tokens,
    make=ak.concurrent_flat_map,
    probe=SourceProbe,
    tokens=1,
)
fault(
    "flat_map",
    "does not notice that its limiter is resized",
    FlattenScope,
    "_start",
    ("watch(self.limiter, self._on_resized)", "pass"),
    flat.test_a_limiter_that_is_resized_is_heeded_at_once,
    make=ak.concurrent_flat_map,
    probe=SourceProbe,
)
fault(
    "flat_map",
    "cannot be left while it waits for a token",
    InnerReader,
    "_is_in_source",
    ("self._waits_for_token or ", ""),
    flat.test_a_block_can_be_left_while_it_waits_for_tokens,
    make=ak.concurrent_flat_map,
    probe=SourceProbe,
)
fault(
    "flat_map_unordered",
    "waits for what will not be opened",
    FlattenState,
    "drop",
    ("self.on_closed(self.pending.popleft()[0])", "pass"),
    flat.test_a_failing_inner_source_leaves_none_that_waits_for_a_token,
    make=ak.concurrent_flat_map_unordered,
)
fault(
    "map",
    "starts no other call once one has suspended again",
    WorkerPool,
    "_suspended_again",
    ("self._start_worker_for_next()", "pass"),
    overlap.test_calls_that_wait_after_one_turn_meet,
    form=FORMS[0],
    probe=SourceProbe,
    within=1,
    limit=3,
)
fault(
    "map",
    "never starts a second worker for calls that take one turn",
    WorkerPool,
    "_make_calls",
    ("calls.taken < self._next_worker_at", "True"),
    overlap.test_calls_that_take_one_turn_share_few_tasks,
    form=FORMS[0],
    items=30,
    tasks=2,
)


def faulty(fault: Fault) -> Any:
    """Return the method with the fault."""
    method: Any = inspect.getattr_static(fault.owner, fault.method)
    function = getattr(method, "fget", method)  # of a property
    made = changed(function, fault.right, fault.wrong, owner=fault.owner)
    return property(made) if isinstance(method, property) else made


BY_TRIO = {
    "balance: does not say that the last item was received",
    "batched: lets a late item join",
}
# On Trio, a yield that is cancelled counts as wasted, so the next waits ask at once.
HARMLESS_ON_TRIO = {"buffer: yields before it asks"}


@leaves_garbage
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found(
    fault: Fault, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    run(fault.killer, fault.arguments, "asyncio")
    monkeypatch.setattr(fault.owner, fault.method, faulty(fault))
    backends = available_backends()
    if request.node.callspec.id in BY_TRIO and "trio" not in backends:
        pytest.skip("of the schedules that are tried, only those of Trio find it")
    if request.node.callspec.id in HARMLESS_ON_TRIO:
        backends = ("asyncio",)
    for backend in backends:
        assert_found(fault.killer, fault.arguments, backend)
