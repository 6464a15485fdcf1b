"""Typed async iteration: one at a time (`a…`), or many at once (`concurrent_…`).

The name is the guarantee. All names, by family:

Sequential, one thing at a time, only while you await; no task is ever started:

    transform  amap astarmap aenumerate aaccumulate apairwise abatched awindowed
               agroupby aflat_map aflatten
    select     afilter afilterfalse acompress aislice atail atakewhile
               atakewhile_inclusive adropwhile aunique
    combine    achain azip azip_longest amerge acycle atee
    reduce     acollect areduce asum amin amax aall aany asorted anlargest ansmallest
               afirst alast anth afind alen
    time       atimeout apaced arestarted
    threads    aoffloaded

Concurrent, inside a block that you can see, up to a limit that you choose:

    map        concurrent_map concurrent_map_unordered concurrent_collect
               concurrent_for_each concurrent_filter concurrent_expand
    flatten    concurrent_flat_map concurrent_flat_map_unordered
    merge      concurrent_merge concurrent_zip concurrent_zip_latest
    buffer     concurrent_buffer
    stop       concurrent_until
    share      concurrent_broadcast concurrent_partition concurrent_balance
    time       concurrent_batched concurrent_latest concurrent_debounce
               concurrent_sample concurrent_heartbeat concurrent_switch_map

Wrappers, for both sides: each takes a function and returns an async function:

    captured (gives Ok or Err) timed paced offloaded

What a block gives, for annotations:

    Results UnorderedResults MapResults UnorderedMapResults FlatMapResults
    UnorderedFlatMapResults SharedResults; in numbers, Statistics MapStatistics
    FlatMapStatistics

`aiterkit.testing` has virtual time, schedules, probes and timelines for tests.
"""

from typing import get_overloads

from aiterkit._calls.offload import offloaded
from aiterkit._calls.outcomes import Err, Ok, captured
from aiterkit._calls.timing import paced, timed
from aiterkit._concurrent.flatten.flatten import (
    concurrent_flat_map,
    concurrent_flat_map_unordered,
)
from aiterkit._concurrent.map.expand import concurrent_expand
from aiterkit._concurrent.map.filter import concurrent_filter
from aiterkit._concurrent.map.map import (
    MapResults,
    UnorderedMapResults,
    concurrent_collect,
    concurrent_for_each,
    concurrent_map,
    concurrent_map_unordered,
)
from aiterkit._concurrent.map.statistics import MapStatistics
from aiterkit._concurrent.merge.buffer import concurrent_buffer
from aiterkit._concurrent.merge.merge import concurrent_merge
from aiterkit._concurrent.merge.until import concurrent_until
from aiterkit._concurrent.merge.zip import concurrent_zip, concurrent_zip_latest
from aiterkit._concurrent.share.share import (
    SharedResults,
    concurrent_balance,
    concurrent_broadcast,
    concurrent_partition,
)
from aiterkit._concurrent.switch.switch import concurrent_switch_map
from aiterkit._concurrent.timing.heartbeat import concurrent_heartbeat
from aiterkit._concurrent.timing.timing import (
    concurrent_batched,
    concurrent_debounce,
    concurrent_latest,
    concurrent_sample,
)
from aiterkit._runtime.results import (
    FlatMapResults,
    Results,
    UnorderedFlatMapResults,
    UnorderedResults,
)
from aiterkit._runtime.statistics import FlatMapStatistics, Statistics
from aiterkit._sequential.combine import (
    achain,
    acycle,
    amerge,
    atee,
    azip,
    azip_longest,
)
from aiterkit._sequential.reduce import (
    aall,
    aany,
    acollect,
    afind,
    afirst,
    alast,
    alen,
    amax,
    amin,
    anlargest,
    ansmallest,
    anth,
    areduce,
    asorted,
    asum,
)
from aiterkit._sequential.select import (
    acompress,
    adropwhile,
    afilter,
    afilterfalse,
    aislice,
    atail,
    atakewhile,
    atakewhile_inclusive,
    aunique,
)
from aiterkit._sequential.threads import aoffloaded
from aiterkit._sequential.timing import (
    apaced,
    arestarted,
    atimeout,
)
from aiterkit._sequential.transform import (
    aaccumulate,
    abatched,
    aenumerate,
    aflat_map,
    aflatten,
    agroupby,
    amap,
    apairwise,
    astarmap,
    awindowed,
)

__all__ = (
    "Err",
    "FlatMapResults",
    "FlatMapStatistics",
    "MapResults",
    "MapStatistics",
    "Ok",
    "Results",
    "SharedResults",
    "Statistics",
    "UnorderedFlatMapResults",
    "UnorderedMapResults",
    "UnorderedResults",
    "aaccumulate",
    "aall",
    "aany",
    "abatched",
    "achain",
    "acollect",
    "acompress",
    "acycle",
    "adropwhile",
    "aenumerate",
    "afilter",
    "afilterfalse",
    "afind",
    "afirst",
    "aflat_map",
    "aflatten",
    "agroupby",
    "aislice",
    "alast",
    "alen",
    "amap",
    "amax",
    "amerge",
    "amin",
    "anlargest",
    "ansmallest",
    "anth",
    "aoffloaded",
    "apaced",
    "apairwise",
    "areduce",
    "arestarted",
    "asorted",
    "astarmap",
    "asum",
    "atail",
    "atakewhile",
    "atakewhile_inclusive",
    "atee",
    "atimeout",
    "aunique",
    "awindowed",
    "azip",
    "azip_longest",
    "captured",
    "concurrent_balance",
    "concurrent_batched",
    "concurrent_broadcast",
    "concurrent_buffer",
    "concurrent_collect",
    "concurrent_debounce",
    "concurrent_expand",
    "concurrent_filter",
    "concurrent_flat_map",
    "concurrent_flat_map_unordered",
    "concurrent_for_each",
    "concurrent_heartbeat",
    "concurrent_latest",
    "concurrent_map",
    "concurrent_map_unordered",
    "concurrent_merge",
    "concurrent_partition",
    "concurrent_sample",
    "concurrent_switch_map",
    "concurrent_until",
    "concurrent_zip",
    "concurrent_zip_latest",
    "offloaded",
    "paced",
    "timed",
)


# A name is what it is imported as, in help(), in reprs and in tracebacks. A function
# with overloads keeps its module: `typing.get_overloads` finds them by that.
def _present(name: str) -> None:
    if not get_overloads(globals()[name]):
        globals()[name].__module__ = __name__


for _name in __all__:
    _present(_name)
