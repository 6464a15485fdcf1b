"""Which pages of the guide tell more about a name: the table behind "See also".

A page stands with its anchor, if it has one. A test holds the table complete: each
operator has a row, and each page and heading is there.
"""

import re
from pathlib import Path

DOCS = Path(__file__).parent.parent
RELATED: dict[str, tuple[str, ...]] = {
    "aaccumulate": ("choose.md#change-the-items",),
    "aall": ("choose.md#get-one-value",),
    "aany": ("choose.md#get-one-value",),
    "abatched": ("choose.md#make-batches",),
    "achain": (
        "choose.md#combine-sources",
        "recipes-sources.md#spy-and-a-default-if-empty",
        "recipes-sources.md#a-first-item-within-a-limit",
    ),
    "acollect": (
        "tutorial.md",
        "choose.md#get-one-value",
        "recipes-sources.md#one-and-only",
        "recipes-sources.md#spy-and-a-default-if-empty",
        "recipes-sources.md#a-first-item-within-a-limit",
    ),
    "acompress": ("choose.md#choose-items",),
    "acycle": ("choose.md#combine-sources",),
    "adropwhile": ("choose.md#choose-items",),
    "aenumerate": ("choose.md#change-the-items",),
    "afilter": (
        "tutorial.md",
        "choose.md#choose-items",
    ),
    "afilterfalse": ("choose.md#choose-items",),
    "afind": ("choose.md#get-one-value",),
    "afirst": (
        "choose.md#get-one-value",
        "recipes.md#a-race",
        "recipes.md#hedged-requests",
        "recipes-sources.md#one-and-only",
    ),
    "aflat_map": (
        "choose.md#read-a-source-for-each-item",
        "recipes-sources.md#lines-out-of-chunks",
    ),
    "aflatten": ("choose.md#read-a-source-for-each-item",),
    "agroupby": (
        "choose.md#change-the-items",
        "recipes-sources.md#distinct-until-changed",
        "recipes-sources.md#polling",
    ),
    "aislice": (
        "closing.md",
        "choose.md#choose-items",
        "recipes-sources.md#one-and-only",
        "recipes-sources.md#spy-and-a-default-if-empty",
        "recipes-sources.md#a-first-item-within-a-limit",
    ),
    "alast": ("choose.md#get-one-value",),
    "alen": ("choose.md#get-one-value",),
    "amap": (
        "tutorial.md",
        "concurrency.md",
        "closing.md",
        "recipes.md#a-cursor-and-its-calls-on-one-connection",
        "recipes-sources.md#tap",
    ),
    "amax": ("choose.md#get-one-value",),
    "amerge": ("choose.md#combine-sources",),
    "amin": ("choose.md#get-one-value",),
    "anlargest": ("choose.md#get-one-value",),
    "ansmallest": ("choose.md#get-one-value",),
    "anth": ("choose.md#get-one-value",),
    "aoffloaded": (
        "threads.md#a-source-that-blocks",
        "recipes-threads.md#a-thread-as-a-source",
    ),
    "apaced": (
        "calls.md#rate-limits",
        "choose.md#limit-time-and-rate",
    ),
    "apairwise": ("choose.md#change-the-items",),
    "areduce": ("choose.md#get-one-value",),
    "arestarted": ("calls.md#a-source-that-breaks-off",),
    "asorted": ("choose.md#get-one-value",),
    "astarmap": ("choose.md#change-the-items",),
    "asum": ("choose.md#get-one-value",),
    "atail": ("choose.md#choose-items",),
    "atakewhile": ("choose.md#choose-items",),
    "atakewhile_inclusive": ("choose.md#choose-items",),
    "atee": ("choose.md#share-a-source",),
    "atimeout": (
        "calls.md#timeouts",
        "choose.md#limit-time-and-rate",
        "recipes-sources.md#end-after-silence",
        "recipes-sources.md#a-first-item-within-a-limit",
    ),
    "aunique": (
        "choose.md#choose-items",
        "recipes-sources.md#distinct-until-changed",
    ),
    "awindowed": (
        "choose.md#change-the-items",
        "recipes-sources.md#skip-the-last-items",
    ),
    "azip": ("choose.md#combine-sources",),
    "azip_longest": (
        "choose.md#combine-sources",
        "recipes-sources.md#round-robin",
    ),
    "captured": (
        "calls.md#partial-failure",
        "troubleshooting.md",
        "recipes.md#each-result-with-its-input",
        "recipes.md#the-first-success",
        "recipes.md#all-errors-as-a-group",
        "recipes.md#an-error-budget",
        "recipes.md#single-calls-gathered-into-batches",
    ),
    "concurrent_balance": (
        "backpressure.md#one-source-several-workers",
        "choose.md#share-a-source",
    ),
    "concurrent_batched": (
        "choose.md#make-batches",
        "tutorial.md",
        "backpressure.md#a-source-that-cannot-wait",
        "recipes.md#single-calls-gathered-into-batches",
    ),
    "concurrent_broadcast": (
        "choose.md#share-a-source",
        "recipes-sources.md#wire-tap",
        "recipes-sources.md#late-readers",
    ),
    "concurrent_buffer": (
        "backpressure.md",
        "choose.md#combine-sources",
    ),
    "concurrent_collect": (
        "tutorial.md",
        "choose.md",
        "errors.md",
        "calls.md",
        "recipes-threads.md#results-in-sync-code",
        "recipes.md#all-errors-as-a-group",
        "recipes.md#a-connection-per-worker",
        "recipes.md#a-limit-per-host",
    ),
    "concurrent_debounce": ("choose.md#react-to-the-newest-item",),
    "concurrent_expand": (
        "choose.md#call-a-function",
        "recipes.md#a-crawl-with-a-limit-per-host",
        "stopping.md#a-crawl",
        "backpressure.md",
    ),
    "concurrent_filter": ("choose.md#choose-items",),
    "concurrent_flat_map": ("choose.md#read-a-source-for-each-item",),
    "concurrent_flat_map_unordered": (
        "choose.md#read-a-source-for-each-item",
        "recipes-sources.md#sources-added-while-running",
    ),
    "concurrent_for_each": (
        "choose.md",
        "performance.md#which-limit",
        "recipes.md#priority",
        "recipes.md#single-calls-gathered-into-batches",
    ),
    "concurrent_heartbeat": (
        "calls.md#signs-of-life",
        "choose.md#react-to-the-newest-item",
    ),
    "concurrent_latest": (
        "choose.md#react-to-the-newest-item",
        "backpressure.md#a-source-that-cannot-wait",
        "recipes-sources.md#wire-tap",
        "recipes-sources.md#a-callback-as-a-source",
    ),
    "concurrent_map": (
        "tutorial.md",
        "concurrency.md",
        "why.md",
        "choose.md",
        "errors.md",
        "backpressure.md",
        "closing.md",
        "performance.md",
        "recipes.md#a-pipeline-as-one-block",
        "recipes.md#a-cursor-and-its-calls-on-one-connection",
        "recipes-sources.md#delay",
        "recipes-threads.md#a-thread-as-a-source",
        "recipes-threads.md#results-in-sync-code",
    ),
    "concurrent_map_unordered": (
        "choose.md",
        "errors.md",
        "backpressure.md",
        "performance.md",
        "recipes.md#each-result-with-its-input",
        "recipes.md#a-race",
        "recipes.md#the-first-success",
        "recipes.md#an-error-budget",
        "recipes.md#pause-and-resume",
        "recipes.md#hedged-requests",
    ),
    "concurrent_merge": (
        "choose.md#combine-sources",
        "stopping.md#when-one-of-several-sources-ends",
        "backpressure.md",
        "recipes-sources.md#round-robin",
        "recipes-sources.md#sources-added-while-running",
        "recipes-threads.md#a-signal-as-a-source",
        "recipes-sources.md#a-timer-as-a-source",
    ),
    "concurrent_partition": ("choose.md#share-a-source",),
    "concurrent_sample": ("choose.md#react-to-the-newest-item",),
    "concurrent_switch_map": (
        "choose.md#react-to-the-newest-item",
        "recipes.md#only-the-newest-call-maplatest",
    ),
    "concurrent_until": (
        "stopping.md",
        "choose.md#stop",
    ),
    "concurrent_zip": ("choose.md#combine-sources",),
    "concurrent_zip_latest": ("choose.md#combine-sources",),
    "offloaded": (
        "threads.md",
        "choose.md#run-blocking-work",
    ),
    "paced": (
        "calls.md#rate-limits",
        "choose.md#limit-time-and-rate",
        "recipes.md#two-rates-at-once",
    ),
    "timed": (
        "calls.md#timeouts",
        "choose.md#limit-time-and-rate",
        "recipes.md#a-connection-per-worker",
    ),
}


def slug(heading: str) -> str:
    """Return the anchor that a heading has, as MyST makes it."""
    plain = re.sub(r"[^\w\- ]", "", heading.strip().lower())
    return plain.replace(" ", "-")


def headings(page: Path) -> dict[str, str]:
    """Return the headings of a page by their anchors; the title has ``""``."""
    found: dict[str, str] = {}
    fenced = False
    for line in page.read_text(encoding="utf-8").splitlines():
        fenced ^= line.startswith("```")
        if not fenced and (match := re.match(r"(#{1,3}) (.+)", line)):
            title = match[2].replace("`", "")
            found["" if match[1] == "#" else slug(title)] = title
    return found


def links(name: str) -> list[tuple[str, str]]:
    """Return for each page about *name* its title and its address from there."""
    found: list[tuple[str, str]] = []
    for place in RELATED.get(name, ()):
        page, _, anchor = place.partition("#")
        title = headings(DOCS / page)[anchor]
        address = f"../{page.removesuffix('.md')}.html"
        found.append((title, f"{address}#{anchor}" if anchor else address))
    return found
