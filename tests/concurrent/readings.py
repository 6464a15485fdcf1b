"""The same question put to every operator that reads sources, in one way."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

import anyio
import pytest

import aiterkit as ak


@dataclass(frozen=True)
class Reading:
    """One way to read a source of small integers, and to get them back."""

    name: str
    block: Callable[[Any], AbstractAsyncContextManager[AsyncIterator[Any]]]
    ahead: int
    """How many items lie between the source and the reader, at most."""
    back: Callable[[Any], Any] = lambda item: item
    """The item that a result was made of."""
    lazy: bool = False
    """Whether the source is asked for nothing before the reader asks."""

    def __str__(self) -> str:
        return self.name

    @property
    def public(self) -> str:
        """The name of the operator."""
        return self.name.split()[0]


def first(row: Any) -> Any:
    return row[0]


def once(item: Any) -> list[Any]:
    return [item]


async def passes(_item: object) -> bool:
    return True


READINGS = [
    Reading(
        "concurrent_buffer of 0", lambda s: ak.concurrent_buffer(s, 0), 1, lazy=True
    ),
    Reading("concurrent_buffer of 2", lambda s: ak.concurrent_buffer(s, 2), 2),
    Reading("concurrent_merge", ak.concurrent_merge, 2),
    Reading("concurrent_merge of 0", lambda s: ak.concurrent_merge(s, buffer=0), 1),
    Reading("concurrent_merge buffered", lambda s: ak.concurrent_merge(s, buffer=2), 3),
    Reading(
        "concurrent_merge until any",
        lambda s: ak.concurrent_merge(s, until="any"),
        2,
    ),
    Reading("concurrent_filter", lambda s: ak.concurrent_filter(passes, s, limit=1), 2),
    Reading(
        "concurrent_flat_map outer",
        lambda s: ak.concurrent_flat_map(once, s, limit=1),
        2,
    ),
    Reading(
        "concurrent_flat_map inner",
        lambda s: ak.concurrent_flat_map(lambda _: s, "a", limit=1),
        2,
    ),
    Reading(
        "concurrent_flat_map of 0 inner",
        lambda s: ak.concurrent_flat_map(lambda _: s, "a", limit=1, buffer=0),
        1,
    ),
    Reading(
        "concurrent_flat_map_unordered outer",
        lambda s: ak.concurrent_flat_map_unordered(once, s, limit=1),
        2,
    ),
    Reading(
        "concurrent_flat_map_unordered inner",
        lambda s: ak.concurrent_flat_map_unordered(lambda _: s, "a", limit=1),
        2,
    ),
    Reading(
        "concurrent_flat_map_unordered of 0 inner",
        lambda s: ak.concurrent_flat_map_unordered(lambda _: s, "a", limit=1, buffer=0),
        1,
    ),
    Reading("concurrent_zip", lambda s: ak.concurrent_zip(s, range(99)), 1, first),
    Reading("concurrent_zip_latest", ak.concurrent_zip_latest, 1, first),
    Reading(
        "concurrent_until",
        lambda s: ak.concurrent_until(s, anyio.sleep_forever),
        1,
        lazy=True,
    ),
]

every_reading = pytest.mark.parametrize("reading", READINGS, ids=str)
