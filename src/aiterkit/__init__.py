"""Typed async iteration: one at a time (`a…`), or many at once (`concurrent_…`)."""

from aiterkit._sequential.combine import achain, azip
from aiterkit._sequential.reduce import acollect
from aiterkit._sequential.select import afilter, aislice
from aiterkit._sequential.transform import aenumerate, amap

__all__ = (
    "achain",
    "acollect",
    "aenumerate",
    "afilter",
    "aislice",
    "amap",
    "azip",
)
