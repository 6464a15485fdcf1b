"""Typed async iteration: one at a time (`a…`), or many at once (`concurrent_…`)."""

from aiterkit._concurrent.map import (
    concurrent_collect,
    concurrent_for_each,
    concurrent_map,
    concurrent_map_unordered,
)
from aiterkit._concurrent.results import Results, UnorderedResults
from aiterkit._sequential.combine import achain, azip
from aiterkit._sequential.reduce import acollect
from aiterkit._sequential.select import afilter, aislice
from aiterkit._sequential.transform import aenumerate, amap

__all__ = (
    "Results",
    "UnorderedResults",
    "achain",
    "acollect",
    "aenumerate",
    "afilter",
    "aislice",
    "amap",
    "azip",
    "concurrent_collect",
    "concurrent_for_each",
    "concurrent_map",
    "concurrent_map_unordered",
)
