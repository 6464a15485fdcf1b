"""Timelines: what happens when, as a line of text. One column is one tick.

``-`` nothing, ``a`` an item, ``[ab]`` one item that is a tuple, ``|`` the end,
``!`` an error, ``;`` the reader is cancelled, ``(ab|)`` all in one tick. What
stands in brackets is as wide as it looks.

A drawing is a block of rows, one below the other. The last row's label is a
call, and its line what a reader sees; rows above show sources, and when the
calls of a function ran::

    urls                                     a-b-c------|
    fetch a                                  ===
    fetch b                                    ===
    fetch c                                      ===
    concurrent_map(fetch(3), urls, limit=2)  ---a-b-c---|

In a row of calls, ``=`` is a tick in which the call ran, ``;`` the tick in
which it was cancelled, ``!`` the one in which it raised, ``>`` says that it
never ended, ``.`` that it took no time.
"""

import builtins
import contextlib
import itertools
import re
from collections.abc import AsyncIterable, Awaitable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import anyio

from aiterkit.testing._probes import CallProbe, SourceProbe, Span, span_rows

T = TypeVar("T")

_END, _ERROR, _LEAVE = "|", "!", ";"
_TOKEN = re.compile(r"\((?P<group>[^()]*)\)|(?P<event>\[[^\[\]()]*\]|[^\s()\[\]])")
_EVENT = re.compile(r"\[[^\[\]()]*\]|[^\s()\[\]]")
_LOOKS_LIKE_A_ROW = re.compile(r" {2,}[-\w()\[\]|!;]*[|!;]\)?$")
_A_LITTLE = 1e-6


class PlayedError(Exception):
    """What ``!`` raises in a timeline.

    Examples:
        >>> [item async for item in play("a!")]
        Traceback (most recent call last):
        aiterkit.testing.PlayedError: tick 1
    """


def parse_line(line: str, /) -> list[tuple[int, str]]:
    """Return what *line* draws, as pairs of tick and event.

    Raises:
        ValueError: If it is not a timeline.
    """
    events: list[tuple[int, str]] = []
    tick = 0
    while tick < len(line):
        token = _TOKEN.match(line, tick)
        if token is None:
            raise ValueError(f"{line!r} is not a timeline: see column {tick}")
        if token["event"] != "-":
            inside = token["event"] or token["group"]
            events += [(tick, event) for event in _EVENT.findall(inside)]
        tick = token.end()
    stops = [n for n, (_, event) in enumerate(events) if event in "|!;"]
    if stops and stops != [len(events) - 1]:
        raise ValueError(f"{line!r} is not a timeline: it goes on after its end")
    return events


def draw_line(events: list[tuple[int, str]], /) -> str:
    """Draw *events* as a line; it says so where two are drawn over each other."""
    ticks: dict[int, str] = {}
    for tick, event in events:
        ticks[tick] = ticks.get(tick, "") + event
    line = ""
    for tick in sorted(ticks):
        group = ticks[tick]
        if not _EVENT.fullmatch(group):
            group = f"({group})"
        if tick < len(line):
            line += f"<{group} at tick {tick}>"
        else:
            line = line.ljust(tick, "-") + group
    return line


def show(item: object, /) -> str:
    """Return *item* as one event of a line."""
    if isinstance(item, list | tuple):
        return f"[{''.join(show(each).strip('[]') for each in cast('Any', item))}]"
    text = str(item)
    return text if _EVENT.fullmatch(text) and text not in "-|!;" else f"[{text}]"


class _PlayedSource(SourceProbe[Any]):
    """A source that does what a line draws, from its first pull on."""

    def __init__(self, line: str, tick: float, items: Mapping[str, Any]) -> None:
        self._events = parse_line(line)
        self._tick = tick
        self._start: float | None = None
        if any(event == _LEAVE for _, event in self._events):
            raise ValueError(f"a source cannot be left by its reader: {line!r}")
        super().__init__(
            items.get(event, tuple(event[1:-1]) if event[0] == "[" else event)
            for _, event in self._events
            if event not in "|!"
        )

    async def _wait(self) -> None:
        if self._start is None:
            self._start = anyio.current_time()
        if self._given == len(self._events):
            await anyio.sleep_forever()
        tick, event = self._events[self._given]
        await self._sleep_until(self._start + tick * self._tick)
        if event == _ERROR:
            raise PlayedError(f"tick {tick}")


def play(
    line: str, /, *, items: Mapping[str, Any] | None = None, tick: float = 1.0
) -> SourceProbe[Any]:
    """Return a source that does what *line* draws, from its first pull on.

    It keeps to its times, however late the reader is: an item that was not
    asked for in its tick is given as soon as it is. A line without end goes
    on for ever. As a `SourceProbe`, it counts what is done with it.

    Examples:
        >>> source = play("-a--(bc|)")
        >>> [(item, anyio.current_time()) async for item in source]
        [('a', 1.0), ('b', 4.0), ('c', 4.0)]

    Args:
        line: ``-`` nothing, ``a`` an item, ``[ab]`` one item that is a tuple,
            ``|`` the end, ``!`` an error, ``(ab|)`` all in one tick.
        items: What to yield in the place of the characters.
        tick: How many seconds a column is.

    Raises:
        ValueError: If *line* is not a timeline.
    """
    return _PlayedSource(line, tick, items or {})


Readable = (
    AsyncIterable[Any]
    | contextlib.AbstractAsyncContextManager[AsyncIterable[Any]]
    | Awaitable[Any]
)
"""What `record` can draw."""


async def record(
    source: Readable, /, *, leave_at: int | None = None, tick: float = 1.0
) -> str:
    """Read *source* to its end, and draw what a reader sees.

    Examples:
        >>> await record(play("a-b-(cd)!"))
        'a-b-(cd)!'
        >>> await record(play("a-b-c|"), leave_at=3)
        'a-b;'

    Args:
        source: An async iterable; or an async context manager that gives one,
            which is entered; or an awaitable, whose result is one item.
        leave_at: The tick at whose end the reader is cancelled.
        tick: How many seconds a column is.
    """
    start = anyio.current_time()
    events: list[tuple[int, str]] = []

    def note(event: str) -> None:
        elapsed = (anyio.current_time() - start) / tick
        events.append((int(elapsed + _A_LITTLE), event))

    with anyio.CancelScope() as scope:
        if leave_at is not None:
            # All that happens in this tick is still seen.
            scope.deadline = start + (leave_at + 0.5) * tick
        try:
            async with contextlib.AsyncExitStack() as stack:
                if isinstance(source, AsyncIterable):
                    items = source
                elif isinstance(source, Awaitable):
                    items = _only(source)
                else:
                    items = await stack.enter_async_context(source)
                async for item in items:
                    note(show(item))
            note(_END)
        except PlayedError:
            note(_ERROR)
    if scope.cancelled_caught:
        note(_LEAVE)
    return draw_line(events)


async def _only(awaitable: Awaitable[T]) -> AsyncIterable[T]:
    yield await awaitable


async def assert_timeline(source: Readable, line: str, /, *, tick: float = 1.0) -> None:
    """Read *source*, and fail unless a reader sees what *line* draws.

    Where *line* has a ``;``, the reader is cancelled.

    Examples:
        >>> await assert_timeline(play("a--b|"), "a--b|")
        >>> await assert_timeline(play("a--b|"), "a-b-|")
        Traceback (most recent call last):
        AssertionError: timelines differ at tick 2
          expected  a-b-|
          actual    a--b|
                      ^

    Args:
        source: What `record` takes.
        line: What it must do. Its last event is ``|``, ``!`` or ``;``.
        tick: How many seconds a column is.

    Raises:
        AssertionError: If it does something else; both lines are shown.
        ValueError: If *line* is not a timeline, or has no end.
    """
    events = parse_line(line)
    if not events or events[-1][1] not in "|!;":
        raise ValueError(f"{line!r} has no end: close it with |, ! or ;")
    last, event = events[-1]
    drawn = await record(source, leave_at=last if event == _LEAVE else None, tick=tick)
    if differing := _difference(draw_line(events), drawn):
        raise AssertionError(f"timelines differ at {differing}")


def _difference(expected: str, actual: str) -> str:
    """Return both lines with a mark below their first difference, if any."""
    if expected == actual:
        return ""
    width = max(len(expected), len(actual))
    pairs = zip(expected.ljust(width), actual.ljust(width), strict=True)
    tick = next(n for n, (one, other) in enumerate(pairs) if one != other)
    return (
        f"tick {tick}\n"
        f"  expected  {expected}\n"
        f"  actual    {actual}\n"
        f"            {' ' * tick}^"
    )


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a drawing."""

    label: str
    line: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """A block of rows: sources, calls of functions, and what a reader sees."""

    sources: tuple[Row, ...]
    calls: tuple[Row, ...]
    result: Row


def find_drawings(text: str, /, *, indent: int = 0) -> Iterator[Drawing]:
    """Find the drawings in *text*.

    Rows that are indented by less than *indent* are prose, unless they are a
    drawing without a fault: a docstring that has no other lines loses the
    indentation of its drawing.

    Raises:
        ValueError: If there is something that looks like a drawing and is not.
    """
    lines = text.expandtabs().splitlines()
    for (is_indented, is_empty), group in itertools.groupby(
        lines, lambda line: (line.startswith(" " * indent), not line.strip())
    ):
        block = [line.rstrip() for line in group]
        is_example = block[0].lstrip().startswith(">>>")
        if is_empty or is_example:
            continue
        if any(_LOOKS_LIKE_A_ROW.search(row) for row in block):
            try:
                yield _read_block(block)
            except ValueError:
                if is_indented:
                    raise


def _read_block(block: list[str]) -> Drawing:
    last = re.fullmatch(r" *(?P<label>\S.*\)) {2,}(?P<line>\S+)", block[-1])
    if last is None:
        raise ValueError(
            f"the last row of a drawing is a call and its line, not {block[-1]!r}"
        )
    column = last.start("line")
    sources: list[Row] = []
    calls: list[Row] = []
    for text in block[:-1]:
        row = Row(text[:column].strip(), text[column:].rstrip())
        if row.label.isidentifier() and text[column - 1] == " ":
            sources.append(row)
        elif re.fullmatch(r"\w+ \S+", row.label) and re.fullmatch(
            r"[ =;!>.]+", row.line
        ):
            calls.append(row)
        else:
            raise ValueError(
                f"a row of a drawing is a source or the calls of a function, with "
                f"its line below the others, not {text!r}"
            )
    return Drawing(tuple(sources), tuple(calls), Row(last["label"], last["line"]))


class _Names(dict[str, Any]):
    """The names that a label can use; an unknown one is a function."""

    def __init__(self, names: Mapping[str, Any]) -> None:
        super().__init__(names)
        self.functions: dict[str, list[CallProbe[Any, Any]]] = {}

    def __missing__(self, name: str) -> Any:
        if hasattr(builtins, name):
            raise KeyError(name)

        def function(
            seconds: object, /, *args: object, fails: str = "", **others: float
        ) -> CallProbe[Any, Any]:
            # A misspelt name comes here too.
            if args or not isinstance(seconds, int | float):
                raise NameError(f"{name!r} is neither a public name nor a source")
            usual = float(seconds)

            def call(item: object) -> object:
                if str(item) in fails:
                    raise PlayedError(item)
                return item

            probe = CallProbe[Any, Any](
                call, seconds=lambda item: others.get(str(item), usual)
            )
            self.functions.setdefault(name, []).append(probe)
            return probe

        return function


async def assert_drawing(drawing: str | Drawing, /, **names: Any) -> None:
    """Do what a drawing shows, and fail if something else happens.

    The label of the last row is evaluated. In it, the labels of sources are
    names, and so are *names*; any other name is a function that takes time:
    ``fetch(3)`` takes three ticks and returns its item; ``fetch(3, b=1)`` takes
    one for ``b``; ``fetch(3, fails="b")`` raises for ``b``. If a row shows a
    call of a function, rows must show all its calls.

    Examples:
        >>> async def one_by_one(func, source):
        ...     async for item in source:
        ...         yield await func(item)
        >>> await assert_drawing(
        ...     '''
        ...     urls                             ab-----|
        ...     fetch a                          ==
        ...     fetch b                            =
        ...     one_by_one(fetch(2, b=1), urls)  --ab---|
        ...     ''',
        ...     one_by_one=one_by_one,
        ... )

    Args:
        drawing: The rows, as text.
        names: What the label can use.

    Raises:
        AssertionError: If something else happens; both lines are shown.
        ValueError: If it is not a drawing.
    """
    if isinstance(drawing, str):
        found = list(find_drawings(drawing))
        if len(found) != 1:
            raise ValueError(f"there must be one drawing, not {len(found)}")
        (drawing,) = found
    start = anyio.current_time()
    scope = _Names({"upper": str.upper, "lower": str.lower, **names})
    scope.update({row.label: play(row.line) for row in drawing.sources})
    # A drawing is code of its author, as the test or docstring around it is.
    # As globals, so that names in a generator expression are found, too.
    source = eval(drawing.result.label, scope)  # noqa: S307
    await assert_timeline(source, drawing.result.line)
    _assert_calls(drawing.calls, scope.functions, start)


def _assert_calls(
    rows: tuple[Row, ...],
    functions: Mapping[str, list[CallProbe[Any, Any]]],
    start: float,
) -> None:
    expected = {row.label: row.line for row in rows}
    actual: dict[str, str] = {}
    for name in {label.split()[0] for label in expected}:
        spans: list[Span[Any]] = [
            span for probe in functions.get(name, ()) for span in probe.spans
        ]
        drawn = span_rows(spans, start=start)
        actual |= {f"{name} {item}": line for item, line in drawn.items()}
    for label in dict.fromkeys([*expected, *sorted(actual)]):
        lines = expected.get(label, ""), actual.get(label, "")
        if differing := _difference(*lines):
            raise AssertionError(f"calls of {label} differ at {differing}")
