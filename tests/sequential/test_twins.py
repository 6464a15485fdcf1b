"""An operator that is not a comprehension equals its twin, step by step."""

# A table of lambdas, whose arguments are what their row says.
# pyright: reportUnknownLambdaType=false, reportUnknownArgumentType=false
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false

import copy
import functools
import heapq
import itertools
import operator
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from typing import Any

import more_itertools
import pytest
from hypothesis import Phase, example, given, settings, strategies as st

import aiterkit as ak

from .twins import (
    AsyncCounting,
    Function,
    Items,
    SyncCounting,
    Trace,
    async_result,
    async_step,
    async_trace,
    finish,
    outcome,
    sync_result,
    sync_trace,
)

STEPS = 12

values = st.integers(-2, 3)
hows = st.lists(
    st.sampled_from(["plain", "async", "suspending"]), min_size=1, max_size=3
).map(tuple)


def sources(item: st.SearchStrategy[Any] = values) -> st.SearchStrategy[Items]:
    return st.builds(
        Items,
        items=st.lists(item, max_size=7).map(tuple),
        fails_at=st.sampled_from([99] * 7 + [0, 1, 2, 3, 4]),
        kind=st.sampled_from(["async", "suspending", "sync"]),
    )


_NO_OPTIONS: st.SearchStrategy[tuple[Any, ...]] = st.just(())


@dataclass(frozen=True)
class Twin:
    """An operator and its twin; each is called with the sources, then the options."""

    ours: Callable[..., Any]
    theirs: Callable[..., Any]
    sources: st.SearchStrategy[list[Items]]
    options: st.SearchStrategy[tuple[Any, ...]] = _NO_OPTIONS
    func: Callable[..., Any] | None = None
    """What both call, if anything; it is then their last argument."""


def many(most: int, item: st.SearchStrategy[Any] = values) -> Any:
    return st.lists(sources(item), max_size=most)


def one(item: st.SearchStrategy[Any] = values) -> Any:
    return sources(item).map(lambda source: [source])


def two(item: st.SearchStrategy[Any] = values) -> Any:
    return st.lists(sources(item), min_size=2, max_size=2)


def strict_map(*arguments: Any) -> Iterator[Any]:
    # map() has it since 3.14.
    *sources, func = arguments
    return (func(*row) for row in zip(*sources, strict=True))


def tail(source: Iterable[Any], n: int) -> Iterator[Any]:
    # The twin reads at the call, where an error of the source comes too early.
    yield from more_itertools.tail(n, source)


def batched(source: Iterable[Any], n: int, strict: bool) -> Iterator[tuple[Any, ...]]:  # noqa: FBT001
    # The standard library has it since 3.12, and strict since 3.13.
    return more_itertools.batched(source, n, strict=strict)


bounds = st.one_of(
    st.tuples(st.none() | st.integers(-1, 7)),
    st.tuples(*[st.none() | st.integers(-1, 7)] * 2),
    st.tuples(*[st.none() | st.integers(-1, 4)] * 3),
)
small = st.integers(0, 4)
odd = lambda number: number % 2  # noqa: E731 - a key as people write one

ITERATORS = {
    "amap of many": Twin(
        lambda *a: ak.amap(a[-1], *a[:-1]),
        lambda *a: map(a[-1], *a[:-1]),
        st.lists(sources(), min_size=1, max_size=3),
        func=lambda *items: sum(items),
    ),
    "amap of many, strict": Twin(
        lambda *a: ak.amap(a[-1], *a[:-1], strict=True),
        strict_map,
        st.lists(sources(), min_size=1, max_size=4),
        func=lambda *items: sum(items),
    ),
    "astarmap": Twin(
        lambda s, f: ak.astarmap(f, s),
        lambda s, f: itertools.starmap(f, s),
        one(st.tuples(values, values)),
        func=operator.sub,
    ),
    "aenumerate": Twin(ak.aenumerate, enumerate, one(), st.tuples(values)),
    "aaccumulate": Twin(
        lambda s, i, f: ak.aaccumulate(s, f, initial=i),
        lambda s, i, f: itertools.accumulate(s, f, initial=i),
        one(),
        st.tuples(st.none() | values),
        operator.sub,
    ),
    "aaccumulate by adding": Twin(ak.aaccumulate, itertools.accumulate, one()),
    "apairwise": Twin(ak.apairwise, itertools.pairwise, one()),
    "abatched": Twin(
        lambda s, n, strict: ak.abatched(s, n, strict=strict),
        batched,
        one(),
        st.tuples(small, st.booleans()),
    ),
    "awindowed": Twin(
        ak.awindowed,
        more_itertools.windowed,
        one(),
        st.tuples(small, st.sampled_from([None, "-"]), small),
    ),
    "aflat_map": Twin(
        lambda s, f: ak.aflat_map(f, s),
        lambda s, f: itertools.chain.from_iterable(map(f, s)),
        one(),
        func=range,
    ),
    "aflatten": Twin(
        ak.aflatten,
        itertools.chain.from_iterable,
        one(st.sampled_from([(), (1,), (2, 3), 4])),
    ),
    "afilter": Twin(
        lambda s, f: ak.afilter(f, s), lambda s, f: filter(f, s), one(), func=odd
    ),
    "afilterfalse": Twin(
        lambda s, f: ak.afilterfalse(f, s),
        lambda s, f: itertools.filterfalse(f, s),
        one(),
        func=odd,
    ),
    "afilterfalse of None": Twin(
        lambda s: ak.afilterfalse(None, s),
        lambda s: itertools.filterfalse(None, s),
        one(),
    ),
    "acompress": Twin(ak.acompress, itertools.compress, two()),
    "aislice": Twin(ak.aislice, itertools.islice, one(), bounds),
    "atakewhile": Twin(
        lambda s, f: ak.atakewhile(f, s),
        lambda s, f: itertools.takewhile(f, s),
        one(),
        func=odd,
    ),
    "atakewhile_inclusive": Twin(
        lambda s, f: ak.atakewhile_inclusive(f, s),
        lambda s, f: more_itertools.takewhile_inclusive(f, s),
        one(),
        func=odd,
    ),
    "atail": Twin(lambda s, n: ak.atail(n, s), tail, one(), st.tuples(small)),
    "adropwhile": Twin(
        lambda s, f: ak.adropwhile(f, s),
        lambda s, f: itertools.dropwhile(f, s),
        one(),
        func=odd,
    ),
    "aunique": Twin(
        ak.aunique,
        more_itertools.unique_everseen,
        one(),
        func=odd,
    ),
    "aunique without a key": Twin(
        ak.aunique,
        more_itertools.unique_everseen,
        one(st.sampled_from([1, 1.0, "a", [], None])),
    ),
    "achain": Twin(ak.achain, itertools.chain, many(3)),
    "azip": Twin(ak.azip, zip, many(3)),
    "azip, strict": Twin(
        lambda *s: ak.azip(*s, strict=True), lambda *s: zip(*s, strict=True), many(4)
    ),
    "azip_longest": Twin(
        lambda *s: ak.azip_longest(*s, fillvalue="-"),
        lambda *s: itertools.zip_longest(*s, fillvalue="-"),
        many(3),
    ),
    "amerge": Twin(ak.amerge, heapq.merge, many(4)),
    "amerge, reverse": Twin(
        lambda *s: ak.amerge(*s, reverse=True),
        lambda *s: heapq.merge(*s, reverse=True),
        many(4),
    ),
    "amerge with key": Twin(
        lambda *a: ak.amerge(*a[:-2], key=a[-1], reverse=a[-2]),
        lambda *a: heapq.merge(*a[:-2], key=a[-1], reverse=a[-2]),
        many(3, st.tuples(values, values)),
        st.tuples(st.booleans()),
        operator.itemgetter(0),
    ),
    "amerge of what may not compare": Twin(
        ak.amerge, heapq.merge, many(3, st.sampled_from([1, 2, "a"]))
    ),
    "acycle": Twin(ak.acycle, itertools.cycle, one()),
}

numbers = st.one_of(
    st.integers(-3, 3),
    st.booleans(),
    st.sampled_from([2**62, 2**63, -(2**63), 2**70, Fraction(1, 3), 1j, -0.0, 1e16]),
    st.floats(),
)
starts = st.sampled_from(
    [0, 0, 0, -0.0, 0.1, 1e16, 2**63 - 1, "", b"", [1], Fraction(1)]
)

RESULTS = {
    "acollect": Twin(ak.acollect, list, one()),
    "acollect into a tuple": Twin(lambda s: ak.acollect(s, into=tuple), tuple, one()),
    "acollect into a set": Twin(lambda s: ak.acollect(s, into=set), set, one()),
    "acollect into a dict": Twin(
        lambda s: ak.acollect(s, into=dict), dict, one(st.tuples(values, values))
    ),
    "acollect into what is called": Twin(
        lambda s, f: ak.acollect(s, into=f), lambda s, f: f(list(s)), one(), func=len
    ),
    "areduce": Twin(
        lambda s, f: ak.areduce(f, s),
        lambda s, f: functools.reduce(f, s),
        one(),
        func=operator.sub,
    ),
    "areduce with initial": Twin(
        lambda s, i, f: ak.areduce(f, s, i),
        lambda s, i, f: functools.reduce(f, s, i),
        one(),
        st.tuples(values),
        operator.sub,
    ),
    "asum": Twin(ak.asum, sum, one(numbers)),
    "asum of floats": Twin(ak.asum, sum, one(st.floats(-1e16, 1e16))),
    "asum with start": Twin(ak.asum, sum, one(numbers), st.tuples(starts)),
    "asum of complex numbers": Twin(
        ak.asum,
        sum,
        one(
            st.complex_numbers(max_magnitude=1e16)
            | st.sampled_from([1, True, 1e16, -0.0, Fraction(1, 2), 2**64, 10**400])
        ),
        st.tuples(st.sampled_from([0, 0j, -0.0, 1e16 + 1j])),
    ),
    "amin": Twin(ak.amin, min, one()),
    "amin of what may not compare": Twin(
        ak.amin, min, one(st.sampled_from([1, 2, "a"]))
    ),
    "amin with key": Twin(
        lambda s, f: ak.amin(s, key=f), lambda s, f: min(s, key=f), one(), func=odd
    ),
    "amin with default": Twin(
        lambda s: ak.amin(s, default="-"), lambda s: min(s, default="-"), one()
    ),
    "amax": Twin(ak.amax, max, one()),
    "amax with key": Twin(
        lambda s, f: ak.amax(s, key=f), lambda s, f: max(s, key=f), one(), func=odd
    ),
    "amax with default": Twin(
        lambda s, f: ak.amax(s, key=f, default=None),
        lambda s, f: max(s, key=f, default=None),
        one(),
        func=odd,
    ),
    "aall": Twin(ak.aall, all, one()),
    "aany": Twin(ak.aany, any, one()),
    "asorted": Twin(
        lambda s, r: ak.asorted(s, reverse=r),
        lambda s, r: sorted(s, reverse=r),
        one(),
        st.tuples(st.booleans()),
    ),
    "asorted with key": Twin(
        lambda s, r, f: ak.asorted(s, key=f, reverse=r),
        lambda s, r, f: sorted(s, key=f, reverse=r),
        one(),
        st.tuples(st.booleans()),
        odd,
    ),
    "anlargest": Twin(
        lambda s, n: ak.anlargest(n, s),
        lambda s, n: heapq.nlargest(n, s),
        one(),
        st.tuples(st.integers(-1, 4)),
    ),
    "anlargest with key": Twin(
        lambda s, n, f: ak.anlargest(n, s, f),
        lambda s, n, f: heapq.nlargest(n, s, f),
        one(st.tuples(values, values)),
        st.tuples(st.integers(-1, 4)),
        operator.itemgetter(0),
    ),
    "ansmallest": Twin(
        lambda s, n: ak.ansmallest(n, s),
        lambda s, n: heapq.nsmallest(n, s),
        one(),
        st.tuples(st.integers(-1, 4)),
    ),
    "ansmallest with key": Twin(
        lambda s, n, f: ak.ansmallest(n, s, f),
        lambda s, n, f: heapq.nsmallest(n, s, f),
        one(st.tuples(values, values)),
        st.tuples(st.integers(-1, 4)),
        operator.itemgetter(0),
    ),
    "ansmallest of what may not compare": Twin(
        lambda s, n: ak.ansmallest(n, s),
        lambda s, n: heapq.nsmallest(n, s),
        one(st.sampled_from([1, 2, "a"])),
        st.tuples(st.integers(-1, 4)),
    ),
    "afirst": Twin(ak.afirst, more_itertools.first, one()),
    "afirst with default": Twin(
        ak.afirst, more_itertools.first, one(), st.tuples(st.none())
    ),
    "alast": Twin(ak.alast, more_itertools.last, one()),
    "alast with default": Twin(
        ak.alast, more_itertools.last, one(), st.tuples(st.none())
    ),
    "anth": Twin(
        ak.anth, more_itertools.nth, one(), st.tuples(st.integers(-1, 4), values)
    ),
    "afind": Twin(
        lambda s, d, f: ak.afind(f, s, d),
        more_itertools.first_true,
        one(),
        st.tuples(st.none() | values),
        odd,
    ),
    "afind of None": Twin(
        lambda s: ak.afind(None, s), more_itertools.first_true, one()
    ),
    "alen": Twin(ak.alen, more_itertools.ilen, one()),
}


def compare(
    twin: Twin,
    trace: Callable[..., Trace],
    other: Callable[..., Trace],
    *steps: int,
    phases: Sequence[Phase] = tuple(Phase),
    examples: int = 60,
) -> None:
    @given(twin.sources, twin.options, hows, st.sampled_from([99] * 5 + [0, 1, 2]))
    @settings(max_examples=examples, deadline=None, phases=phases)
    def judged(
        scripts: list[Items], options: tuple[Any, ...], how: Any, fails_at: int
    ) -> None:
        judge(
            twin,
            trace,
            other,
            *steps,
            scripts=scripts,
            options=options,
            fails_at=fails_at,
            how=how,
        )

    judged()


def judge(
    twin: Twin,
    trace: Callable[..., Trace],
    other: Callable[..., Trace],
    *steps: int,
    scripts: list[Items],
    options: tuple[Any, ...],
    fails_at: int = 99,
    how: Any = (),
) -> None:
    """Compare one case. Its function answers as *how* says, and fails at *fails_at*."""
    ours = theirs = None
    more, other_more = options, options
    if twin.func is not None:
        ours = Function(twin.func, fails_at, how)
        theirs = Function(twin.func, fails_at)
        more, other_more = (*options, ours), (*options, theirs)
    got = trace(lambda *s: twin.ours(*s, *more), scripts, *steps)
    wanted = other(lambda *s: twin.theirs(*s, *other_more), scripts, *steps)
    assert got == pruned(wanted, got)
    if ours is not None and theirs is not None:
        assert ours.calls == theirs.calls


def pruned(wanted: Trace, got: Trace) -> Trace:
    """Bad arguments may be found at the call, where the twin is a generator."""
    if got and got[0][0] == "error" and len(got[0]) == 2:
        return [wanted[0][:2]]
    return wanted


@pytest.mark.parametrize("twin", ITERATORS.values(), ids=ITERATORS.keys())
def test_it_steps_as_its_twin_does(twin: Twin) -> None:
    compare(twin, async_trace, sync_trace, STEPS)


@pytest.mark.parametrize("twin", RESULTS.values(), ids=RESULTS.keys())
def test_it_returns_what_its_twin_does(twin: Twin) -> None:
    compare(twin, async_result, sync_result)


# Cases to try in every run, whatever Hypothesis draws: the name of a row above, the
# items of each source, and the options.
EDGES: list[tuple[str, list[Sequence[Any]], tuple[Any, ...]]] = [
    ("amap of many", [(1, 2), (3, 4, 5)], ()),
    ("amap of many, strict", [(1, 2), (3, 4)], ()),
    ("amap of many, strict", [(1, 2), (3,)], ()),
    ("amap of many, strict", [(1,), (2, 3)], ()),
    ("aaccumulate", [()], (None,)),
    ("aaccumulate", [()], (1,)),
    ("aaccumulate", [(3, 1)], (None,)),
    ("aaccumulate by adding", [()], ()),
    ("aaccumulate by adding", [(1, 2)], ()),
    ("apairwise", [()], ()),
    ("apairwise", [(1,)], ()),
    ("abatched", [()], (2, True)),
    ("abatched", [(1, 2, 3)], (2, True)),
    ("abatched", [(1, 2, 3)], (2, False)),
    ("abatched", [(1, 2)], (2, True)),
    ("awindowed", [()], (2, "-", 1)),
    ("awindowed", [(1,)], (2, "-", 1)),
    ("awindowed", [(1, 2, 3)], (2, "-", 1)),
    ("awindowed", [(1, 2, 3)], (2, "-", 3)),
    ("awindowed", [(1, 2, 3)], (2, "-", 2)),
    ("adropwhile", [(1, 1, 2, 3)], ()),
    ("adropwhile", [(1, 1)], ()),
    ("aunique", [(1, 2, 3)], ()),
    ("aunique without a key", [(1, 1, 2)], ()),
    ("afilterfalse of None", [(0, 1, 0)], ()),
    ("acompress", [(1, 2), (1,)], ()),
    ("acompress", [(1,), (1, 0)], ()),
    ("acompress", [(1, 2), ()], ()),
    ("acompress", [(1, 2, 3), (1, 0, 1)], ()),
    ("azip", [], ()),
    ("azip", [(1, 2), (3,)], ()),
    ("azip", [(1,), (2, 3)], ()),
    ("azip", [(1, 2), (3, 4), (5,)], ()),
    ("azip, strict", [], ()),
    ("azip, strict", [()], ()),
    ("azip, strict", [(1, 2), (3, 4)], ()),
    ("azip, strict", [(1, 2), (3,)], ()),
    ("azip, strict", [(1,), (2, 3)], ()),
    ("azip, strict", [(), (), (1,)], ()),
    ("azip, strict", [(1,), (2,), ()], ()),
    ("azip_longest", [], ()),
    ("azip_longest", [(1,), (), (2, 3)], ()),
    ("amerge", [], ()),
    ("amerge", [()], ()),
    ("amerge", [(1, 3), (), (2,)], ()),
    ("amerge", [(1,), (2, 3)], ()),
    ("amerge with key", [((1, 2), (3, 0)), ((1, 1), (2, 2))], (False,)),
    ("amerge with key", [((3, 2), (1, 0)), ((3, 1), (2, 2))], (True,)),
    ("acycle", [()], ()),
    ("acycle", [(1, 2)], ()),
    ("acollect into a tuple", [(1, 2)], ()),
    ("areduce", [()], ()),
    ("areduce", [(1, 2, 3)], ()),
    ("areduce with initial", [()], (1,)),
    ("amin", [()], ()),
    ("amin with default", [()], ()),
    ("amin with key", [(1, 2, 3, 4)], ()),
    ("amax with key", [(2, 1, 3)], ()),
    ("aall", [(1, 0, 1)], ()),
    ("aall", [(1, 2)], ()),
    ("aany", [(0, 1, 0)], ()),
    ("aany", [(0, 0)], ()),
    ("asorted with key", [(1, 2, 3)], (True,)),
    ("anlargest", [(1, 2)], (0,)),
    ("anlargest", [(1, 2)], (-1,)),
    ("ansmallest", [(1, 2)], (0,)),
    ("anlargest with key", [((1, 2), (3, 4), (1, 0))], (2,)),
    ("ansmallest with key", [((1, 2), (3, 4), (1, 0))], (2,)),
    ("anth", [(1, 2)], (1, -1)),
    ("anth", [(1, 2)], (2, -1)),
    ("afirst", [()], ()),
    ("afirst with default", [()], (None,)),
    ("afind", [(2, 4)], (None,)),
    ("afind of None", [()], ()),
    ("afind of None", [(0, 0)], ()),
    ("afind of None", [(0, 2, 3)], ()),
]


@pytest.mark.parametrize("kind", ["async", "suspending", "sync"])
@pytest.mark.parametrize(
    ("name", "items", "options"), EDGES, ids=[" ".join(map(str, row)) for row in EDGES]
)
def test_an_edge_case_equals_its_twin(
    name: str, items: list[Sequence[Any]], options: tuple[Any, ...], kind: Any
) -> None:
    scripts = [Items(tuple(each), kind=kind) for each in items]
    how = ("plain" if kind == "sync" else kind,)
    case: Any = {"scripts": scripts, "options": options, "how": how}
    if name in ITERATORS:
        judge(ITERATORS[name], async_trace, sync_trace, STEPS, **case)
    else:
        judge(RESULTS[name], async_result, sync_result, **case)


@pytest.mark.parametrize("kind", ["async", "suspending", "sync"])
def test_agroupby_with_a_key_gives_the_groups_of_its_twin(kind: Any) -> None:
    async def collect(source: Any, key: Any) -> list[Any]:
        groups = ak.agroupby(source, key)
        return [(mark, await ak.acollect(group)) async for mark, group in groups]

    script = Items((1, 3, 2, 2, 5), kind=kind)
    source: Any = (SyncCounting if kind == "sync" else AsyncCounting)(script)
    key = Function(odd, hows=("plain" if kind == "sync" else kind,))
    groups = itertools.groupby(script.items, odd)
    wanted = [(mark, list(group)) for mark, group in groups]
    assert finish(collect(source, key)) == wanted


@pytest.mark.parametrize(
    "sources",
    [("a", ""), ("", "a"), ("a", "a", ""), ("", "", "a"), ("ab", "ab", "ab", "abc")],
)
def test_azip_strict_has_the_messages_of_zip(sources: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="argument") as wanted:
        list(zip(*sources, strict=True))
    with pytest.raises(ValueError, match="argument") as got:
        finish(ak.acollect(ak.azip(*sources, strict=True)))
    assert str(got.value) == f"a{wanted.value}"


def test_abatched_strict_says_what_is_missing() -> None:
    with pytest.raises(ValueError, match=r"batched\(\): incomplete batch") as wanted:
        list(more_itertools.batched("abc", 2, strict=True))
    with pytest.raises(ValueError, match="incomplete") as got:
        finish(ak.acollect(ak.abatched("abc", 2, strict=True)))
    assert str(got.value) == f"a{wanted.value} of 1, not 2"


@given(
    sources(),
    hows,
    st.booleans(),
    st.lists(st.sampled_from(["next", "item", "item", "old item"]), max_size=12),
)
@settings(deadline=None)
def test_agroupby_steps_as_its_twin_does(
    script: Items,
    how: Any,
    with_key: bool,  # noqa: FBT001 - drawn
    moves: list[str],
) -> None:
    ours: Any = Function(odd, 99, how) if with_key else None
    theirs = Function(odd) if with_key else None
    source: Any = (SyncCounting if script.kind == "sync" else AsyncCounting)(script)
    twin = SyncCounting[Any](script)
    made: Any = ak.agroupby(source, ours)
    other: Any = itertools.groupby(twin, theirs)
    groups: list[Any] = []
    others: list[Any] = []
    for move in moves:
        if move == "next":
            event = outcome(
                lambda: groups.append(finish(anext(made))), StopAsyncIteration
            )
            wanted = outcome(lambda: others.append(next(other)), StopIteration)
            if groups and others:
                assert groups[-1][0] == others[-1][0]
        elif len(groups) > (move == "old item"):
            place = -2 if move == "old item" else -1
            event = outcome(async_step(groups[place][1]), StopAsyncIteration)
            wanted = outcome(partial(next, others[place][1]), StopIteration)
        else:
            continue
        assert (*event, source.read) == (*wanted, twin.read)
        if event[0] == "error":
            break  # what comes after an error is not the twin's


class Compared:
    """A key that counts how often it is compared."""

    comparisons = 0

    def __init__(self, number: int) -> None:
        self.number = number

    def __hash__(self) -> int:
        return hash(self.number)

    def __eq__(self, other: object) -> bool:
        assert isinstance(other, Compared)
        Compared.comparisons += 1
        return self.number == other.number


def comparisons(
    groups: Any, take: Callable[[Any], Any], end: type[Exception], moves: list[bool]
) -> list[int]:
    """Count them after each move: on to the next group, or the next item of the last.

    Up to the end of the groups: from there on the twin compares again at each call.
    """
    Compared.comparisons = 0
    counts: list[int] = []
    group: Any = None
    for goes_on in moves:
        try:
            if goes_on:
                _, group = take(groups)
            elif group is not None:
                take(group)
        except end:
            if goes_on:
                return [*counts, Compared.comparisons]
            group = None
        counts.append(Compared.comparisons)
    return counts


@given(st.lists(st.integers(0, 1), max_size=6), st.lists(st.booleans(), max_size=12))
@example([0, 0], [True, False, False, True])  # go on after a finished group
@settings(deadline=None)
def test_agroupby_compares_as_often_as_its_twin(
    numbers: list[int], moves: list[bool]
) -> None:
    keys = [Compared(number) for number in numbers]
    wanted = comparisons(itertools.groupby(keys), next, StopIteration, moves)
    got = comparisons(
        ak.agroupby(keys), lambda made: finish(anext(made)), StopAsyncIteration, moves
    )
    assert got == wanted


@given(sources(), st.integers(0, 3), st.lists(st.integers(0, 2), max_size=20))
@settings(deadline=None)
def test_atee_steps_as_its_twin_does(script: Items, n: int, moves: list[int]) -> None:
    source: Any = (SyncCounting if script.kind == "sync" else AsyncCounting)(script)
    twin = SyncCounting[Any](script)
    made: Any = ak.atee(source, n)
    others = itertools.tee(twin, n)
    assert len(made) == len(others)
    ended = False
    for move in moves:
        if move < n and not ended:
            event = outcome(async_step(made[move]), StopAsyncIteration)
            wanted = outcome(partial(next, others[move]), StopIteration)
            assert (*event, source.read) == (*wanted, twin.read)
            # Once at the end, the twin asks again, and ends cleanly after an error.
            ended = event[0] != "value"


@given(sources(), st.lists(st.tuples(st.booleans(), st.integers(0, 9)), max_size=30))
@settings(deadline=None)
def test_a_branch_of_a_tee_may_be_teed(
    script: Items, moves: list[tuple[bool, int]]
) -> None:
    source: Any = (SyncCounting if script.kind == "sync" else AsyncCounting)(script)
    twin = SyncCounting[Any](script)
    made: list[Any] = list(ak.atee(source))
    others: list[Any] = list(itertools.tee(twin))
    ended = False
    for forks, which in moves:
        place = which % len(made)
        if forks:
            # Before Python 3.13.1, tee() of such a one gave it back as the first.
            made += ak.atee(made[place])
            others += [copy.copy(others[place]) for _ in range(2)]
        elif not ended:
            event = outcome(async_step(made[place]), StopAsyncIteration)
            wanted = outcome(partial(next, others[place]), StopIteration)
            assert (*event, source.read) == (*wanted, twin.read)
            ended = event[0] != "value"


def test_a_tee_may_be_teed_as_often_as_one_likes() -> None:
    ahead: Any
    (branch,) = ak.atee(range(2000), 1)
    for number in range(2000):
        branch, ahead = ak.atee(branch)
        assert finish(anext(ahead)) == finish(anext(branch)) == number


@pytest.mark.parametrize("bits", [31, 40, 63, 80])
@pytest.mark.parametrize("more", [-1, 0])
@pytest.mark.parametrize("sign", [-1, 1])
def test_asum_compensates_after_the_integers_after_which_sum_does(
    bits: int, more: int, sign: int
) -> None:
    edge = sign * (2**bits + more)
    for items in (
        [edge, 123456789.5, 1e30, -1e30],
        [123456789.5, 1e30, edge, -1e30],
        [edge, 0.1, 1e30, 1.5, edge, -1e30],
    ):
        assert repr(finish(ak.asum(items))) == repr(sum(items))


class Odd:
    def __index__(self) -> int:
        return 2


BAD: list[Any] = [
    ("aenumerate", ([], 1.5), enumerate),
    ("aenumerate", ([], "a"), enumerate),
    ("aenumerate", (1,), enumerate),
    ("aislice", ([],), itertools.islice),
    ("aislice", ([], 1, 2, 3, 4), itertools.islice),
    ("aislice", ([], "a"), itertools.islice),
    ("aislice", ([], 1.5), itertools.islice),
    ("aislice", ([], -1), itertools.islice),
    ("aislice", ([], sys.maxsize + 1), itertools.islice),
    ("aislice", ([], 0, 1, 0), itertools.islice),
    ("aislice", ([], 0, 1, -1), itertools.islice),
    ("aislice", ([], 0, 1, "a"), itertools.islice),
    ("aislice", (1, 1), itertools.islice),
    ("achain", (1,), lambda *a: list(itertools.chain(*a))),
    ("azip", ([], 1), zip),
    ("azip_longest", ([], 1), itertools.zip_longest),
    ("acycle", (1,), itertools.cycle),
    ("atee", ([], -1), itertools.tee),
    ("atee", ([], "a"), itertools.tee),
    ("atee", (1,), itertools.tee),
    ("apairwise", (1,), itertools.pairwise),
    ("aaccumulate", (1,), itertools.accumulate),
    ("agroupby", (1,), itertools.groupby),
    ("amap", (str, 1), map),
    ("amap", (str,), map),
    ("astarmap", (str, 1), itertools.starmap),
    ("afilter", (None, 1), filter),
    ("afilter", (str, 1), filter),
    ("afilterfalse", (str, 1), itertools.filterfalse),
    ("acompress", ([], 1), itertools.compress),
    ("acompress", (1, []), itertools.compress),
    ("atakewhile", (str, 1), itertools.takewhile),
    (
        "atakewhile_inclusive",
        (str, 1),
        lambda *a: list(more_itertools.takewhile_inclusive(*a)),
    ),
    ("atail", (1, 1), more_itertools.tail),
    ("atail", (-1, []), lambda n, s: list(more_itertools.tail(n, iter(s)))),
    ("atail", ("a", []), lambda n, s: list(more_itertools.tail(n, iter(s)))),
    ("amerge", ([], 1), lambda *a: list(heapq.merge(*a))),
    ("adropwhile", (str, 1), itertools.dropwhile),
    ("aunique", (1,), lambda s: list(more_itertools.unique_everseen(s))),
    ("aflatten", (1,), itertools.chain.from_iterable),
    ("abatched", ([], 0), lambda *a: list(more_itertools.batched(*a))),
    ("abatched", ([], -1), lambda *a: list(more_itertools.batched(*a))),
    ("abatched", ([1], "a"), lambda *a: list(more_itertools.batched(*a))),
    ("awindowed", ([1], 0), lambda *a: list(more_itertools.windowed(*a))),
    ("awindowed", ([1], "a"), lambda *a: list(more_itertools.windowed(*a))),
    ("awindowed", ([1], 1, 0, 0), lambda *a: list(more_itertools.windowed(*a))),
]


@pytest.mark.parametrize(
    ("name", "args", "twin"), BAD, ids=[f"{row[0]}{row[1]}" for row in BAD]
)
def test_a_bad_argument_is_the_twins_error_at_the_call(
    name: str, args: tuple[Any, ...], twin: Callable[..., Any]
) -> None:
    with pytest.raises((TypeError, ValueError)) as wanted:
        twin(*args)
    with pytest.raises(wanted.type):
        getattr(ak, name)(*args)


BAD_RESULTS: list[Any] = [
    ("acollect", (1,), list),
    ("areduce", (max, 1), functools.reduce),
    ("areduce", (max, []), functools.reduce),
    ("asum", (1,), sum),
    ("asum", (["a"], ""), sum),
    ("asum", ([b"a"], b""), sum),
    ("asum", ([b"a"], bytearray()), sum),
    ("asum", (["a"],), sum),
    ("amin", (1,), min),
    ("amin", ([],), min),
    ("amax", ([],), max),
    ("aall", (1,), all),
    ("aany", (1,), any),
    ("asorted", (1,), sorted),
    ("asorted", ([1, "a"],), sorted),
    ("anlargest", (1, 1), heapq.nlargest),
    ("anlargest", ("a", []), heapq.nlargest),
    ("anlargest", (2, [1, "a"]), heapq.nlargest),
    ("ansmallest", (2, 1), heapq.nsmallest),
    ("ansmallest", (1, [1, "a"]), heapq.nsmallest),
    ("afirst", (1,), more_itertools.first),
    ("afirst", ([],), more_itertools.first),
    ("alast", ([],), more_itertools.last),
    ("anth", ([], -1), more_itertools.nth),
    ("anth", ([], "a"), more_itertools.nth),
    ("alen", (1,), more_itertools.ilen),
]


@pytest.mark.parametrize(
    ("name", "args", "twin"),
    BAD_RESULTS,
    ids=[f"{row[0]}{row[1]}" for row in BAD_RESULTS],
)
def test_a_bad_argument_is_the_twins_error_when_it_runs(
    name: str, args: tuple[Any, ...], twin: Callable[..., Any]
) -> None:
    with pytest.raises((TypeError, ValueError)) as wanted:
        twin(*args)
    made = getattr(ak, name)(*args)
    with pytest.raises(wanted.type):
        finish(made)


def test_aislice_gives_and_reads_what_islice_does_with_each_small_bound() -> None:
    bounds = [None, 0, 1, 2, 5, 7]
    steps = [None, 1, 2, 3]
    for args in [
        *itertools.product(bounds),
        *itertools.product(bounds, bounds),
        *itertools.product(bounds, bounds, steps),
    ]:
        ours, theirs = iter(range(6)), iter(range(6))
        got = finish(ak.acollect(ak.aislice(ours, *args)))
        assert got == list(itertools.islice(theirs, *args)), args
        assert list(ours) == list(theirs), args


def test_an_index_is_an_integer_too() -> None:
    assert finish(ak.acollect(ak.aislice("abc", Odd()))) == ["a", "b"]  # type: ignore[call-overload]
    assert finish(ak.acollect(ak.abatched("abc", Odd()))) == [("a", "b"), ("c",)]  # type: ignore[arg-type]
