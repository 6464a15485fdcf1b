"""What an operator is called elsewhere, and what is different there.

Taken from RxJS 7.8, fs2 3, the crates futures 0.3 and tokio-stream 0.1,
kotlinx.coroutines 1.11, p-map 7, Node.js 20 and the standard of JavaScript. A name
is listed if it does the same work; a note says what would surprise.
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
    "amerge": "= | - | - | - | - | -",
    "amin": "= | min | - | - | - | -",
    "anlargest": "= | - | - | - | - | -",
    "ansmallest": "= | - | - | - | - | -",
    "anth": "more_itertools.nth | elementAt | - | - | - | -",
    "aoffloaded": "- | - | fromBlockingIterator | - | - | -",
    "apaced": "- | - | metered | throttle | - | -",
    "apairwise": "= | pairwise | sliding(2) | - | - | -",
    "areduce": "= | reduce | reduce | fold | reduce | reduce",
    "arestarted": "- | retry({delay}) | handleErrorWith | - | retryWhen | -",
    "asorted": "= | - | - | - | - | -",
    "astarmap": "= | - | - | - | - | -",
    "asum": "= | - | - | - | - | -",
    "atail": "more_itertools.tail | takeLast | takeRight | - | - | -",
    "atakewhile": "= | takeWhile | takeWhile | take_while | takeWhile | -",
    "atakewhile_inclusive": "more_itertools.takewhile_inclusive "
    "| takeWhile(f, true) | takeThrough | - | - | -",
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
    "acycle": "The others keep no items; they run the source again.",
    "agroupby": (
        "RxJS `groupBy` collects equal keys from all over the source, not runs of them."
    ),
    "amap": (
        "`map` in RxJS, Rust and JavaScript does not wait: it gives the promise or the "
        "future."
    ),
    "apaced": (
        "fs2 `metered` also waits before the first item; RxJS `throttleTime` drops "
        "items. Rust's `throttle` is in tokio-stream."
    ),
    "areduce": "Rust `fold` needs an initial value.",
    "arestarted": (
        "The others run the same source again from its start; ours continues from the "
        "last item. fs2 leaves the waits to you."
    ),
    "atee": (
        "Like ours, `tee` does not limit how far one branch may be ahead of the other."
    ),
    "atimeout": (
        "Rust's `timeout` is in tokio-stream; it gives the timeout as an item and "
        "continues."
    ),
    "awindowed": (
        "RxJS gives shorter windows at the end; more-itertools, and we, pad the last."
    ),
    "azip": (
        "`zip` in RxJS, Rust and Kotlin reads its sources at the same time: see "
        "`concurrent_zip`."
    ),
    "captured": "`allSettled` waits for calls that are already running.",
    "concurrent_balance": (
        "fs2 gives a stream of streams, and counts chunks. In Kotlin, several "
        "coroutines may read one channel."
    ),
    "concurrent_batched": (
        "RxJS `bufferTime` also gives empty arrays, at an interval; fs2 counts the "
        "time from the batch before, not from the first item. Rust's `chunks_timeout` "
        "is in tokio-stream. `buffer(xs.pipe(debounceTime(n)))` in RxJS does the work "
        "of `quiet=`."
    ),
    "concurrent_broadcast": (
        "Here the number of readers is fixed and the slowest holds back the source. "
        "RxJS `share` and Kotlin `shareIn` accept readers at any time; RxJS waits for "
        "none of them, and Kotlin replays and drops by options. fs2 takes the readers "
        "as functions."
    ),
    "concurrent_buffer": "fs2 counts chunks, not items.",
    "concurrent_collect": (
        "`asyncio.gather` has no limit, nor has `pMap` unless you give one, and after "
        "an error their other calls keep running."
    ),
    "concurrent_expand": (
        "RxJS `expand` gives an item before its call, not after. It has no `follow`, "
        "no `key`, and no limit unless you give one."
    ),
    "concurrent_flat_map_unordered": (
        "RxJS has no limit unless you give one, Kotlin has 16, and in Rust 0 means no "
        "limit."
    ),
    "concurrent_for_each": (
        "RxJS has no limit unless you give one, Node.js has 1, and in Rust 0 means no "
        "limit."
    ),
    "concurrent_heartbeat": "fs2 takes an effect that makes the item.",
    "concurrent_latest": (
        "fs2 `conflate1` needs a function that chooses the newer of two items, and "
        "holds back the source while so many chunks wait. In Kotlin, `buffer(n, "
        "BufferOverflow.DROP_OLDEST)` keeps *n*. In Rust, a `watch` channel of tokio "
        "keeps the newest item, and a `broadcast` channel at least the newest *n*."
    ),
    "concurrent_map": (
        "In Rust, calls continue only while you await the stream, and 0 is no limit; "
        "`pMapIterable` has no limit unless you give one. RxJS `mergeMap` and Kotlin "
        "`flatMapMerge` do not keep the order."
    ),
    "concurrent_map_unordered": (
        "`as_completed` has no limit, and RxJS `mergeMap` none unless you give one. In "
        "Kotlin the function returns a flow, and the limit is 16; in Rust 0 means no "
        "limit."
    ),
    "concurrent_merge": (
        'fs2 `merge` takes two sources; its `mergeHaltBoth` is `until="any"`, and '
        '`mergeHaltL` is `until="first"`. In the others, a merge ends only when all of '
        "its sources have ended."
    ),
    "concurrent_partition": (
        "RxJS `groupBy` makes a stream for each key it meets. Here you give the keys "
        "beforehand, and an item with another key is an error."
    ),
    "concurrent_until": (
        "In RxJS sources push, so there is no read to cancel; fs2 also interrupts an "
        "effect of the stream that is running."
    ),
    "concurrent_zip": "fs2 `parZip` and Kotlin `zip` take two sources.",
    "concurrent_zip_latest": "Kotlin `combine` takes a function of the row.",
    "offloaded": (
        "`asyncio.to_thread` leaves the function running when it is cancelled. Kotlin "
        "`withContext` moves to a dispatcher such as `Dispatchers.IO`."
    ),
}

NAMELESS = frozenset({"concurrent_flat_map", "paced"})
"""Operators that are known from nowhere else in this form."""


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
