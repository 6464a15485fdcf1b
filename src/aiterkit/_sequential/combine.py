"""Operators that read several sources, or one source several times."""

import sys
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from heapq import heapify, heappop, heapreplace
from types import AsyncGeneratorType, FrameType, TracebackType
from typing import Any, Generic, TypeAlias, TypeVar, cast, overload
from weakref import WeakKeyDictionary, ref

from aiterkit._core.call import COROUTINE, needs_await
from aiterkit._core.checks import check_callable, check_count
from aiterkit._core.clock import Event, new_event
from aiterkit._core.source import Opened, hint_at_star, open_async
from aiterkit._core.types import AnyIterable
from aiterkit._sequential.lengths import check_lengths
from aiterkit._sequential.ordering import Comparable, Reversed

T = TypeVar("T")
T1 = TypeVar("T1")
T2 = TypeVar("T2")
T3 = TypeVar("T3")
T4 = TypeVar("T4")
T5 = TypeVar("T5")
T6 = TypeVar("T6")
F = TypeVar("F")
C = TypeVar("C", bound=Comparable)


def achain(*sources: AnyIterable[T]) -> AsyncGenerator[T, None]:
    """Give the items of each of *sources*, one source after another.

        first                  a--b|
        second                 c--d|
        achain(first, second)  a--bc--d|

    The twin of `itertools.chain`, except that all *sources* are opened at the call.
    For a source of sources, see `aflatten`.

    Examples:
        >>> [letter async for letter in achain("ab", "cd")]
        ['a', 'b', 'c', 'd']

    Args:
        *sources: Any iterables, sync or async. They are not closed.

    Raises:
        TypeError: If one of *sources* is not iterable, at the call.
    """
    hint_at_star(sources, name="achain")
    opened = [Opened(open_async(source)) for source in sources]
    return (item for source in opened async for item in source)


@overload
def azip(*, strict: bool = ...) -> AsyncGenerator[tuple[()], None]: ...
@overload
def azip(
    source: AnyIterable[T1], /, *, strict: bool = ...
) -> AsyncGenerator[tuple[T1], None]: ...
@overload
def azip(
    source1: AnyIterable[T1], source2: AnyIterable[T2], /, *, strict: bool = ...
) -> AsyncGenerator[tuple[T1, T2], None]: ...
@overload
def azip(
    source1: AnyIterable[T1],
    source2: AnyIterable[T2],
    source3: AnyIterable[T3],
    /,
    *,
    strict: bool = ...,
) -> AsyncGenerator[tuple[T1, T2, T3], None]: ...
@overload
def azip(
    source1: AnyIterable[T1],
    source2: AnyIterable[T2],
    source3: AnyIterable[T3],
    source4: AnyIterable[T4],
    /,
    *,
    strict: bool = ...,
) -> AsyncGenerator[tuple[T1, T2, T3, T4], None]: ...
@overload
def azip(
    source1: AnyIterable[T1],
    source2: AnyIterable[T2],
    source3: AnyIterable[T3],
    source4: AnyIterable[T4],
    source5: AnyIterable[T5],
    /,
    *,
    strict: bool = ...,
) -> AsyncGenerator[tuple[T1, T2, T3, T4, T5], None]: ...
@overload
def azip(
    source1: AnyIterable[T1],
    source2: AnyIterable[T2],
    source3: AnyIterable[T3],
    source4: AnyIterable[T4],
    source5: AnyIterable[T5],
    source6: AnyIterable[T6],
    /,
    *,
    strict: bool = ...,
) -> AsyncGenerator[tuple[T1, T2, T3, T4, T5, T6], None]: ...
@overload
def azip(
    *sources: AnyIterable[T], strict: bool = ...
) -> AsyncGenerator[tuple[T, ...], None]: ...
def azip(
    *sources: AnyIterable[Any], strict: bool = False
) -> AsyncGenerator[tuple[Any, ...], None]:
    """Give a tuple of the first items of *sources*, then of the second, and so on.

    The twin of `zip`: the sources are read one after another, from left to right, and
    the shortest one ends it. A row takes as long as all their waits together. To wait
    for all of them at once, see `concurrent_zip`.

    Examples:
        >>> [pair async for pair in azip("ab", [1, 2])]
        [('a', 1), ('b', 2)]

    Args:
        *sources: Any iterables, sync or async. They are not closed.
        strict: Whether sources of different lengths are an error.

    Raises:
        TypeError: If one of *sources* is not iterable, at the call.
        ValueError: If *strict* and one of *sources* ends before another, when it ends.
    """
    hint_at_star(sources, name="azip")
    iterators = [open_async(source) for source in sources]
    if strict:
        return _zip_strict(iterators)
    if len(iterators) == 2:  # noqa: PLR2004 - by far the most common, so made fast
        return _zip_two(*iterators)
    return _zip(iterators)


async def _zip_two(
    first: AsyncIterator[T1], second: AsyncIterator[T2]
) -> AsyncGenerator[tuple[T1, T2], None]:
    async for item in Opened(first):
        try:
            pair = (item, await anext(second))
        except StopAsyncIteration:
            return
        yield pair


async def _zip(
    iterators: list[AsyncIterator[T]],
) -> AsyncGenerator[tuple[T, ...], None]:
    while iterators:
        try:
            row = tuple([await anext(iterator) for iterator in iterators])
        except StopAsyncIteration:
            return
        yield row


async def _zip_strict(
    iterators: list[AsyncIterator[T]],
) -> AsyncGenerator[tuple[T, ...], None]:
    while iterators:
        row: list[T] = []
        for iterator in iterators:
            try:
                row.append(await anext(iterator))
            except StopAsyncIteration:
                await check_lengths(iterators, len(row), operator="azip")
                return
        yield tuple(row)


@overload
def azip_longest(*, fillvalue: object = ...) -> AsyncGenerator[tuple[()], None]: ...
@overload
def azip_longest(
    source: AnyIterable[T1], /, *, fillvalue: object = ...
) -> AsyncGenerator[tuple[T1], None]: ...
@overload
def azip_longest(
    source1: AnyIterable[T1],
    source2: AnyIterable[T2],
    /,
    *,
    fillvalue: None = None,
) -> AsyncGenerator[tuple[T1 | None, T2 | None], None]: ...
@overload
def azip_longest(
    source1: AnyIterable[T1],
    source2: AnyIterable[T2],
    /,
    *,
    fillvalue: F,
) -> AsyncGenerator[tuple[T1 | F, T2 | F], None]: ...
@overload
def azip_longest(
    source1: AnyIterable[T1],
    source2: AnyIterable[T2],
    source3: AnyIterable[T3],
    /,
    *,
    fillvalue: None = None,
) -> AsyncGenerator[tuple[T1 | None, T2 | None, T3 | None], None]: ...
@overload
def azip_longest(
    source1: AnyIterable[T1],
    source2: AnyIterable[T2],
    source3: AnyIterable[T3],
    /,
    *,
    fillvalue: F,
) -> AsyncGenerator[tuple[T1 | F, T2 | F, T3 | F], None]: ...
@overload
def azip_longest(
    source1: AnyIterable[T1],
    source2: AnyIterable[T2],
    source3: AnyIterable[T3],
    source4: AnyIterable[T4],
    /,
    *,
    fillvalue: None = None,
) -> AsyncGenerator[tuple[T1 | None, T2 | None, T3 | None, T4 | None], None]: ...
@overload
def azip_longest(
    source1: AnyIterable[T1],
    source2: AnyIterable[T2],
    source3: AnyIterable[T3],
    source4: AnyIterable[T4],
    /,
    *,
    fillvalue: F,
) -> AsyncGenerator[tuple[T1 | F, T2 | F, T3 | F, T4 | F], None]: ...
@overload
def azip_longest(
    source1: AnyIterable[T1],
    source2: AnyIterable[T2],
    source3: AnyIterable[T3],
    source4: AnyIterable[T4],
    source5: AnyIterable[T5],
    /,
    *,
    fillvalue: None = None,
) -> AsyncGenerator[
    tuple[T1 | None, T2 | None, T3 | None, T4 | None, T5 | None], None
]: ...
@overload
def azip_longest(
    source1: AnyIterable[T1],
    source2: AnyIterable[T2],
    source3: AnyIterable[T3],
    source4: AnyIterable[T4],
    source5: AnyIterable[T5],
    /,
    *,
    fillvalue: F,
) -> AsyncGenerator[tuple[T1 | F, T2 | F, T3 | F, T4 | F, T5 | F], None]: ...
@overload
def azip_longest(
    source1: AnyIterable[T1],
    source2: AnyIterable[T2],
    source3: AnyIterable[T3],
    source4: AnyIterable[T4],
    source5: AnyIterable[T5],
    source6: AnyIterable[T6],
    /,
    *,
    fillvalue: None = None,
) -> AsyncGenerator[
    tuple[T1 | None, T2 | None, T3 | None, T4 | None, T5 | None, T6 | None], None
]: ...
@overload
def azip_longest(
    source1: AnyIterable[T1],
    source2: AnyIterable[T2],
    source3: AnyIterable[T3],
    source4: AnyIterable[T4],
    source5: AnyIterable[T5],
    source6: AnyIterable[T6],
    /,
    *,
    fillvalue: F,
) -> AsyncGenerator[tuple[T1 | F, T2 | F, T3 | F, T4 | F, T5 | F, T6 | F], None]: ...
@overload
def azip_longest(
    *sources: AnyIterable[T], fillvalue: None = None
) -> AsyncGenerator[tuple[T | None, ...], None]: ...
@overload
def azip_longest(
    *sources: AnyIterable[T], fillvalue: F
) -> AsyncGenerator[tuple[T | F, ...], None]: ...
def azip_longest(
    *sources: AnyIterable[Any], fillvalue: Any = None
) -> AsyncGenerator[tuple[Any, ...], None]:
    """Give rows like `azip`, but go on to the end of the longest source.

    The twin of `itertools.zip_longest`: a source that has ended is not read again.

    Examples:
        >>> [pair async for pair in azip_longest("ab", [1], fillvalue=0)]
        [('a', 1), ('b', 0)]

    Args:
        *sources: Any iterables, sync or async. They are not closed.
        fillvalue: What takes the place of an item of a source that has ended.

    Raises:
        TypeError: If one of *sources* is not iterable, at the call.
    """
    hint_at_star(sources, name="azip_longest")
    return _zip_longest([open_async(source) for source in sources], fillvalue)


async def _zip_longest(
    iterators: list[AsyncIterator[Any]], fillvalue: Any
) -> AsyncGenerator[tuple[Any, ...], None]:
    going_on: list[AsyncIterator[Any] | None] = [*iterators]
    left = len(iterators)
    while left:
        row: list[Any] = []
        for place, iterator in enumerate(going_on):
            item = fillvalue
            if iterator is not None:
                try:
                    item = await anext(iterator)
                except StopAsyncIteration:
                    left -= 1
                    if not left:
                        return
                    going_on[place] = None
            row.append(item)
        yield tuple(row)


def acycle(source: AnyIterable[T], /) -> AsyncGenerator[T, None]:
    """Give the items of *source* over and over.

    The twin of `itertools.cycle`: the items are kept, and the source is not read again
    after its end. From then on nothing is awaited, so a loop over it needs an ``await``
    of its own; otherwise no other task can run.

    Examples:
        >>> from contextlib import aclosing
        >>> async with aclosing(acycle("ab")) as letters:
        ...     await acollect(aislice(letters, 5))
        ['a', 'b', 'a', 'b', 'a']

    Args:
        source: Any iterable, sync or async. It is not closed.

    Raises:
        TypeError: If *source* is not iterable, at the call.
    """
    return _cycle(open_async(source))


async def _cycle(iterator: AsyncIterator[T]) -> AsyncGenerator[T, None]:
    kept: list[T] = []
    async for item in Opened(iterator):
        kept.append(item)
        yield item
    while kept:
        for item in kept:
            yield item


@overload
def amerge(
    *sources: AnyIterable[C], key: None = None, reverse: bool = ...
) -> AsyncGenerator[C, None]: ...
@overload
def amerge(
    *sources: AnyIterable[T],
    key: Callable[[T], Awaitable[Comparable] | Comparable],
    reverse: bool = ...,
) -> AsyncGenerator[T, None]: ...
def amerge(
    *sources: AnyIterable[Any],
    key: Callable[[Any], Any] | None = None,
    reverse: bool = False,
) -> AsyncGenerator[Any, None]:
    """Give the items of sorted *sources* in one sorted order.

        first                  1--4-----|
        second                 2-----3--|
        amerge(first, second)  1--2--3--(4|)

    The twin of `heapq.merge`: each of *sources* must be sorted already, from the
    smallest item to the largest. One item of each is held; the smallest is given, and
    its source is read again when you ask for the next. Of equal items, the one from the
    earlier source comes first. To get items as they arrive, see `concurrent_merge`.

    Examples:
        >>> [number async for number in amerge([1, 4], [2, 3], [5])]
        [1, 2, 3, 4, 5]
        >>> [word async for word in amerge(["aaa", "b"], ["cc"], key=len, reverse=True)]
        ['aaa', 'cc', 'b']

    Args:
        *sources: Any iterables, sync or async. They are not closed.
        key: Takes an item and returns what is compared. It is awaited if it can be.
            ``None`` takes the item itself.
        reverse: Whether *sources* are sorted from the largest item to the smallest.

    Raises:
        TypeError: If one of *sources* is not iterable or *key* cannot be called, at the
            call.
    """
    if key is not None:
        check_callable(key, name="key")
    hint_at_star(sources, name="amerge")
    return _merge([open_async(source) for source in sources], key, reverse)


async def _merge(
    iterators: list[AsyncIterator[Any]],
    key: Callable[[Any], Any] | None,
    reverse: bool,  # noqa: FBT001 - an option no longer, here
) -> AsyncGenerator[Any, None]:
    plain: set[type] = set()
    heads: list[_Head] = []
    for place, iterator in enumerate(iterators):
        head: _Head = [None, place, None, iterator]
        if await _advance(head, key, plain, reverse):
            heads.append(head)
    heapify(heads)
    while len(heads) > 1:
        head = heads[0]
        yield head[2]
        if await _advance(head, key, plain, reverse):
            heapreplace(heads, head)
        else:
            heappop(heads)
    for _, _, last, iterator in heads:  # there is one left, or none
        yield last
        async for item in Opened(iterator):
            yield item


_Head: TypeAlias = list[Any]
"""What is compared, the number of the source, the item, the source.

The number decides between equals, so items are never compared. It is a list, since
heapq compares lists without calling a method of ours.
"""


async def _advance(
    head: _Head,
    key: Callable[[Any], Any] | None,
    plain: set[type],
    reverse: bool,  # noqa: FBT001 - see _merge
) -> bool:
    """Put the next item of its source into *head*; return whether there was one."""
    try:
        mark = head[2] = await anext(head[3])
    except StopAsyncIteration:
        return False
    if key is not None:
        mark = key(mark)
        if type(mark) is COROUTINE or (
            type(mark) not in plain and needs_await(mark, plain)
        ):
            mark = await mark
    head[0] = Reversed(mark) if reverse else mark
    return True


def atee(source: AnyIterable[T], /, n: int = 2) -> tuple[AsyncGenerator[T, None], ...]:
    """Return *n* generators, each of which gives all items of *source*.

    The twin of `itertools.tee`: an item is kept until all of them have given it. They
    can be read in different tasks. One of them reads *source* at a time; the others
    wait for the item that it is reading. To read one source in many tasks with a limit
    on how far they drift apart, see `concurrent_broadcast`.

    One of them may be the *source* of another `atee`: the new ones then go on from its
    position, and all of them read the first source, like `itertools.tee` since 3.13.1.

    Examples:
        >>> first, second = atee("ab")
        >>> [letter async for letter in first], [letter async for letter in second]
        (['a', 'b'], ['a', 'b'])

    Guarantees:
        Errors: An error of *source* is raised by each of them, in its place. A
            cancellation ends only the one that was cancelled; the next one that needs
            an item goes on reading, if *source* can still be read.

    Args:
        source: Any iterable, sync or async. It is not closed.
        n: How many generators to return.

    Raises:
        TypeError: If *source* is not iterable or *n* is not an int, at the call.
        ValueError: If *n* is negative, at the call.
        RuntimeError: If *source* itself reads one of them, when it does.
    """
    count = check_count(n, name="n", least=0)
    if not count:
        return ()
    place = _place_of(source) or _Place(_Tee(open_async(source)), _Link())
    return tuple(place.tee.fork(place.link) for _ in range(count))


class _Link(Generic[T]):
    """A position in the source: its item, and the next position once it is known."""

    __slots__ = ("after", "error", "item", "traceback")

    after: "_Link[T] | None"
    item: T
    error: Exception | None
    traceback: TracebackType | None

    def __init__(self) -> None:
        self.after = None
        self.error = None


class _Tee(Generic[T]):
    """The one reader of a source with many branches."""

    def __init__(self, iterator: AsyncIterator[T]) -> None:
        self._iterator = iterator
        self._reading = False  # while a branch reads the next item
        self._read: Event | None = None  # set after the read, if a branch waits for it

    def fork(self, link: _Link[T]) -> AsyncGenerator[T, None]:
        """Return a branch that goes on after *link*."""
        place = _Place(self, link)
        branch = self._branch(place)
        _PLACES[branch] = ref(place)
        return branch

    async def _branch(self, place: "_Place[T]") -> AsyncGenerator[T, None]:
        while True:
            after = place.link.after or await self._next(place.link)
            if after.error is not None:
                error, traceback = after.error, after.traceback
                # The traceback will refer to this frame. A frame that kept the error
                # would form a reference cycle with it.
                del place, after
                try:
                    if isinstance(error, StopAsyncIteration):
                        return
                    raise error.with_traceback(traceback)
                finally:
                    del error, traceback
            place.link = after
            yield after.item

    async def _next(self, link: _Link[T]) -> _Link[T]:
        """Return the position after *link*, read by this branch or by another."""
        while link.after is None:
            if self._reading:
                if self._is_reading_here():
                    raise RuntimeError(
                        "atee(): source reads a branch of its own tee, "
                        "which waits for what source gives next"
                    )
                if self._read is None:
                    self._read = new_event()
                await self._read.wait()
            else:
                await self._read_one(link)
        try:
            return link.after
        finally:
            del link  # it leads to the error, as above

    def _is_reading_here(self) -> bool:
        """Return whether the source that is being read has called this branch.

        Each would then wait for the other. The stack of a running coroutine has the
        frames of those that await it, so `_read_one` is on it. If another task reads,
        it is not, and this branch can wait for that task.
        """
        frame: FrameType | None = sys._getframe()  # noqa: SLF001 - inspect.currentframe is the same
        while frame is not None:
            if frame.f_code is _READ_ONE and frame.f_locals["self"] is self:
                return True
            frame = frame.f_back
        return False

    async def _read_one(self, link: _Link[T]) -> None:
        after: _Link[T] = _Link()
        self._reading = True
        try:
            after.item = await anext(self._iterator)
        except Exception as error:  # noqa: BLE001 - each branch is to raise it
            after.error = error
            after.traceback = error.__traceback__ and error.__traceback__.tb_next
        finally:
            self._reading = False
            if self._read is not None:
                self._read.set()
                self._read = None
        link.after = after
        del link, after  # they lead to the error, as above


_READ_ONE = cast("Any", _Tee)._read_one.__code__  # noqa: SLF001 - of this file


class _Place(Generic[T]):
    """The position of a branch. Only the frame of the branch refers to it."""

    __slots__ = ("__weakref__", "link", "tee")

    def __init__(self, tee: _Tee[T], link: _Link[T]) -> None:
        self.tee = tee
        self.link = link


# Typed as Any, since narrowing by the real type turns Any into Unknown for pyright.
_GENERATOR: Any = AsyncGeneratorType

# Weak on both sides: a place leads to later items and errors, and the traceback of an
# error leads back to the branch. Strong references would keep that cycle for ever.
_PLACES: WeakKeyDictionary[AsyncIterator[Any], ref[_Place[Any]]] = WeakKeyDictionary()


def _place_of(source: Any) -> _Place[Any] | None:
    """Return the position of *source*, if it is a branch that has not ended."""
    if type(source) is not _GENERATOR or source.ag_frame is None:
        return None
    place = _PLACES.get(source)
    return None if place is None else place()
