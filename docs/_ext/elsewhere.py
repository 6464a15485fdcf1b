"""What an operator is called elsewhere, and what is different there.

Read in RxJS 7.8, fs2 3, the crates futures 0.3 and tokio-stream 0.1,
kotlinx.coroutines 1.11, p-map 7, Node.js 20 and the standard of JavaScript. A name
stands here if it does the same work; what would surprise is told in a phrase.
"""

from facts import twin

PLACES = ("Python", "RxJS", "fs2", "Rust", "Kotlin Flow", "JavaScript")

_NAMES: dict[str, str] = {
    # Python | RxJS | fs2 | Rust | Kotlin Flow | JavaScript; "=" is the twin's name.
    "aaccumulate": "= | scan | scan1 | - | runningReduce | -",
    "aall": "= | every | forall | all | all | every",
    "aany": "= | - | exists | any | any | some",
    "abatched": "= | bufferCount(n) | chunkN(n) | chunks(n) | chunked(n) | -",
    "achain": "= | concat | append | chain | - | -",
    "acollect": "list | toArray | compile.toList | collect | toList | Array.fromAsync",
    "acompress": "= | - | - | - | - | -",
    "acycle": "= | repeat | repeat | cycle | - | -",
    "adropwhile": "= | skipWhile | dropWhile | skip_while | dropWhile | -",
    "aenumerate": "= | - | zipWithIndex | enumerate | withIndex | -",
    "afilter": "= | filter | evalFilter | filter | filter | filter",
    "afilterfalse": "= | - | evalFilterNot | - | filterNot | -",
    "afind": "more_itertools.first_true | find | find | - | first | find",
    "afirst": "more_itertools.first | first | head | next | first | -",
    "aflat_map": "- | concatMap | flatMap | flat_map | flatMapConcat | flatMap",
    "aflatten": "itertools.chain.from_iterable | concatAll | flatten | flatten "
    "| flattenConcat | -",
    "agroupby": "= | - | groupAdjacentBy | - | - | -",
    "aislice": "= | skip, take | drop, take | skip, take | drop, take | drop, take",
    "alast": "more_itertools.last | last | last | - | last | -",
    "alen": "more_itertools.ilen | count | compile.count | count | count | -",
    "amap": "= | concatMap | evalMap | then | map | map",
    "amax": "= | max | - | - | - | -",
    "amin": "= | min | - | - | - | -",
    "anth": "more_itertools.nth | elementAt | - | - | - | -",
    "apaced": "- | - | metered | throttle | - | -",
    "apairwise": "= | pairwise | sliding(2) | - | - | -",
    "areduce": "= | reduce | reduce | fold | reduce | reduce",
    "asorted": "= | - | - | - | - | -",
    "astarmap": "= | - | - | - | - | -",
    "asum": "= | - | - | - | - | -",
    "atakewhile": "= | takeWhile | takeWhile | take_while | takeWhile | -",
    "atee": "= | - | - | - | - | ReadableStream.tee",
    "atimeout": "- | timeout({each}) | timeoutOnPull | timeout | timeout | -",
    "aunique": "more_itertools.unique_everseen | distinct | - | - | - | -",
    "awindowed": "more_itertools.windowed | bufferCount(n, step) | sliding(n, step) "
    "| - | - | -",
    "azip": "= | - | zip | - | - | -",
    "azip_longest": "= | - | zipAll | - | - | -",
    "concurrent_balance": "- | - | balance | - | - | -",
    "concurrent_batched": "- | bufferTime | groupWithin | chunks_timeout | - | -",
    "concurrent_broadcast": "- | share | broadcastThrough | - | shareIn | -",
    "concurrent_buffer": "- | - | prefetchN(n) | - | buffer(n) | -",
    "concurrent_collect": "asyncio.gather | - | parEvalMap(n) | buffered(n) | - | pMap",
    "concurrent_debounce": "- | debounceTime | debounce | - | debounce | -",
    "concurrent_expand": "- | expand | - | - | - | -",
    "concurrent_filter": "- | - | evalFilterAsync(n) | - | - "
    "| filter({concurrency}) of Node.js",
    "concurrent_flat_map": "- | - | - | - | - | -",
    "concurrent_flat_map_unordered": "- | mergeMap | parJoin(n) "
    "| flat_map_unordered(n) | flatMapMerge(n) | -",
    "concurrent_for_each": "- | mergeMap | parEvalMapUnordered(n) "
    "| for_each_concurrent(n) | - | forEach({concurrency}) of Node.js",
    "concurrent_heartbeat": "- | - | keepAlive | - | - | -",
    "concurrent_latest": "- | - | conflate1 | - | conflate | -",
    "concurrent_map": "concurrent.futures.Executor.map | - | parEvalMap(n) "
    "| buffered(n) | - | pMapIterable",
    "concurrent_map_unordered": "asyncio.as_completed | mergeMap "
    "| parEvalMapUnordered(n) | buffer_unordered(n) | flatMapMerge(n) | -",
    "concurrent_merge": "- | merge | merge | select_all | merge | -",
    "concurrent_partition": "- | groupBy | - | - | - | -",
    "concurrent_sample": "- | sampleTime | - | - | sample | -",
    "concurrent_switch_map": "- | switchMap | switchMap | - | flatMapLatest | -",
    "concurrent_until": "- | takeUntil | interruptWhen | take_until | - | -",
    "concurrent_zip": "- | zip | parZip | zip | zip | -",
    "concurrent_zip_latest": "- | combineLatest | - | - | combine | -",
    "captured": "- | - | - | - | - | Promise.allSettled",
    "offloaded": "asyncio.to_thread | - | - | - | withContext | -",
    "paced": "- | - | - | - | - | -",
    "timed": "asyncio.wait_for | - | - | - | withTimeout | -",
}

NOTES: dict[str, str] = {
    "acycle": "The others keep no items, and run the source again.",
    "agroupby": (
        "RxJS `groupBy` gathers equal keys from all over the source, not runs."
    ),
    "apaced": (
        "fs2 `metered` waits before the first item too; RxJS `throttleTime` drops "
        "items. Rust's is in tokio-stream."
    ),
    "areduce": "Rust `fold` wants an initial value.",
    "atee": "The web's `tee` has no bound on how far one branch is ahead either.",
    "atimeout": (
        "Rust's is in tokio-stream; it gives the timeout as an item and goes on."
    ),
    "awindowed": "RxJS gives shorter windows at the end, where Python pads the last.",
    "amap": (
        "`map` in RxJS, Rust and JavaScript does not wait: it gives the promise or the "
        "future."
    ),
    "concurrent_balance": (
        "fs2 gives a stream of streams, and counts chunks. In Kotlin, several "
        "coroutines may read one channel."
    ),
    "concurrent_batched": (
        "RxJS `bufferTime` also gives empty arrays, at each beat; fs2 counts the time"
        " from the batch before, not from the first item. Rust's is in tokio-stream."
    ),
    "concurrent_broadcast": (
        "RxJS `share` waits for no reader; fs2 takes the readers as functions; "
        "Kotlin's replays and drops by options."
    ),
    "concurrent_buffer": "fs2 counts chunks, not items.",
    "concurrent_collect": (
        "`asyncio.gather` has no bound, nor has `pMap` unless you give one, and after"
        " an error their other calls run on."
    ),
    "concurrent_expand": (
        "RxJS `expand` has no bound unless you give one, and knows no `key`."
    ),
    "concurrent_flat_map_unordered": (
        "RxJS has no bound unless you give one, Kotlin has 16, and for Rust 0 means "
        "none."
    ),
    "concurrent_for_each": (
        "RxJS has no bound unless you give one, Node.js has 1, and for Rust 0 means "
        "none."
    ),
    "concurrent_heartbeat": "fs2 takes an effect that makes the item.",
    "concurrent_latest": (
        "fs2 `conflate1` wants a function that picks the newer of two."
    ),
    "concurrent_map": (
        "Rust's calls go on only while you await the stream, and 0 means no bound; "
        "RxJS `mergeMap` and Kotlin `flatMapMerge` do not keep the order; "
        "`pMapIterable` has no bound unless you give one."
    ),
    "concurrent_map_unordered": (
        "`as_completed` and RxJS `mergeMap` have no bound unless you build or give "
        "one; Kotlin's function returns a flow and has 16; in Rust 0 means no bound."
    ),
    "concurrent_merge": "fs2 takes two.",
    "concurrent_partition": (
        "RxJS gives a stream for each key it meets; ours are named beforehand."
    ),
    "concurrent_until": (
        "In RxJS nothing is read, so there is no read to cancel; fs2 interrupts an "
        "effect of the stream that is running, too."
    ),
    "concurrent_zip": "fs2 and Kotlin take two.",
    "azip": (
        "The `zip` of RxJS, Rust and Kotlin reads its sources at once: see "
        "`concurrent_zip`."
    ),
    "captured": "`allSettled` waits for calls that run already.",
    "offloaded": "Kotlin's moves to a dispatcher, such as `Dispatchers.IO`.",
}

NAMELESS = frozenset({"concurrent_flat_map", "paced"})
"""Operators that we know from nowhere else in this form."""


def elsewhere(name: str) -> dict[str, str]:
    """Return what *name* is called, by place; places that lack it are left out."""
    cells = [each.strip() for each in _NAMES[name].split(" | ")]
    pairs = zip(PLACES, cells, strict=True)
    found = {place: twin(name) if cell == "=" else cell for place, cell in pairs}
    return {place: cell for place, cell in found.items() if cell != "-"}


def note(name: str) -> str:
    """Return what is different elsewhere, if it would surprise."""
    return NOTES.get(name, "")


def names() -> list[str]:
    """Return the operators that have an entry."""
    return list(_NAMES)
