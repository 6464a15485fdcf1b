"""`arestarted`: what is opened when, after which wait, and what is closed."""

import gc
import itertools
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from functools import partial
from typing import Any

import anyio
import pytest

import aiterkit as ak
from aiterkit.testing import ProbeError, SourceProbe

from .twins import finish


class Server:
    """Opens one probe after the other, and notes when and from where."""

    def __init__(self, *probes: Any) -> None:
        self.left = list(probes)
        self.opened: list[tuple[object, float]] = []
        self.open: list[Any] = []

    def __call__(self, last: object) -> Any:
        assert all(probe.closes for probe in self.open)
        self.opened.append((last, anyio.current_time()))
        probe = self.left.pop(0)
        if isinstance(probe, Exception):
            raise probe
        self.open.append(probe)
        return probe


async def test_it_goes_on_from_the_last_item_after_the_wait() -> None:
    server = Server(
        SourceProbe("ab", gap=1, error=ProbeError()),
        SourceProbe("cd", gap=1, error=ProbeError()),
        SourceProbe("e"),
    )
    start = anyio.current_time()
    made = ak.arestarted(server, ProbeError, waits=[5, 7])
    assert await ak.acollect(made) == ["a", "b", "c", "d", "e"]
    assert [(last, time - start) for last, time in server.opened] == [
        (None, 0),
        ("b", 3 + 5),
        ("d", 8 + 3 + 5),  # an item that was given has started the waits anew
    ]
    for probe in server.open:
        probe.assert_closed_once()


async def test_the_error_is_raised_when_the_waits_are_used_up() -> None:
    errors = [ProbeError(number) for number in range(3)]
    server = Server(
        SourceProbe("a", error=errors[0]),
        SourceProbe("", error=errors[1]),
        errors[2],
    )
    start = anyio.current_time()
    made = ak.arestarted(server, ProbeError, waits=(5, 7))
    assert await anext(made) == "a"
    with pytest.raises(ProbeError) as caught:
        await anext(made)
    assert caught.value is errors[2]
    assert caught.value.__context__ is None
    assert anyio.current_time() - start == 12
    assert [last for last, _ in server.opened] == [None, "a", "a"]
    with pytest.raises(StopAsyncIteration):
        await anext(made)
    for probe in server.open:
        probe.assert_closed_once()


async def test_an_error_of_open_counts_from_the_first_call_on() -> None:
    server = Server(ProbeError(), ProbeError(), SourceProbe("a"))
    made = ak.arestarted(server, ProbeError, waits=[1, 1])
    assert await ak.acollect(made) == ["a"]
    assert [last for last, _ in server.opened] == [None] * 3


@pytest.mark.parametrize("error", [KeyError("x"), StopAsyncIteration()])
async def test_another_error_is_raised_at_once_and_the_source_closed(
    error: Exception,
) -> None:
    server = Server(SourceProbe("a", error=error), SourceProbe("b"))
    made = ak.arestarted(server, ProbeError, waits=[1])
    assert await anext(made) == "a"
    with pytest.raises((KeyError, StopAsyncIteration)):
        await anext(made)
    server.open[0].assert_closed_once()
    assert len(server.opened) == 1


async def test_an_error_of_the_reader_opens_nothing() -> None:
    server = Server(SourceProbe("ab"), SourceProbe("c"))
    made = ak.arestarted(server, ProbeError, waits=[1])
    await anext(made)
    with pytest.raises(ProbeError):
        await made.athrow(ProbeError())
    server.open[0].assert_closed_once()
    assert len(server.opened) == 1


@pytest.mark.parametrize("leaves", ["at an item", "in a read", "in a wait", "at once"])
async def test_however_it_is_left_the_source_is_closed(leaves: str) -> None:
    fails = SourceProbe("a", error=ProbeError())
    hangs = SourceProbe("ab", hang_at=1)
    server = Server(fails if leaves == "in a wait" else hangs)
    made = ak.arestarted(server, ProbeError, waits=[99])
    async with aclosing(made):
        if leaves != "at once":
            await anext(made)
        if leaves in {"in a read", "in a wait"}:
            with anyio.move_on_after(1) as scope:
                await anext(made)
            assert scope.cancelled_caught
    for probe in server.open:
        probe.assert_closed_once()
    assert len(server.open) == (leaves != "at once")


class Closing:
    """A source that fails when it is read, and when it is closed."""

    def __init__(self, *, at_close: Exception, items: str = "") -> None:
        self.items = iter(items)
        self.at_close = at_close
        self.closes = 0

    def __aiter__(self) -> AsyncIterator[str]:
        return self

    async def __anext__(self) -> str:
        for item in self.items:
            return item
        raise ProbeError("read")

    async def aclose(self) -> None:
        self.closes += 1
        raise self.at_close


async def test_a_failure_at_the_close_is_part_of_the_failure() -> None:
    server = Server(Closing(at_close=ProbeError("close")), SourceProbe("a"))
    assert await ak.acollect(ak.arestarted(server, ProbeError, waits=[1])) == ["a"]


async def test_another_error_at_the_close_is_raised() -> None:
    server = Server(Closing(at_close=KeyError("close")), SourceProbe("a"))
    with pytest.raises(KeyError, match="close") as caught:
        await ak.acollect(ak.arestarted(server, ProbeError, waits=[1]))
    assert isinstance(caught.value.__context__, ProbeError)


async def test_an_error_at_the_close_after_the_end_is_no_failure_to_go_on_from() -> (
    None
):
    class Ends(Closing):
        async def __anext__(self) -> str:
            raise StopAsyncIteration

    server = Server(Ends(at_close=ProbeError("close")), SourceProbe("a"))
    with pytest.raises(ProbeError, match="close"):
        await ak.acollect(ak.arestarted(server, ProbeError, waits=[1]))


def opened_now(_last: str | None) -> list[str]:
    return ["a"]


async def opened_later(_last: str | None) -> list[str]:
    return ["a"]


async def generated(_last: str | None) -> AsyncIterator[str]:
    yield "a"


@pytest.mark.parametrize("opens", [opened_now, opened_later, generated])
def test_a_source_may_be_of_any_kind(opens: Callable[[Any], Any]) -> None:
    made = ak.arestarted(opens, ProbeError, waits=[])
    assert finish(ak.acollect(made)) == ["a"]


async def test_a_sync_generator_is_closed_too() -> None:
    closed: list[str] = []

    def numbers() -> Iterator[int]:
        try:
            yield 1
        finally:
            closed.append("closed")

    source = numbers()  # held, or it would be closed as garbage
    async with aclosing(ak.arestarted(lambda _: source, ProbeError, waits=[])) as made:
        assert await anext(made) == 1
        assert not closed
    assert closed == ["closed"]


async def test_a_source_without_a_close_is_only_read() -> None:
    class Source:
        def __aiter__(self) -> AsyncIterator[int]:
            return self

        async def __anext__(self) -> int:
            raise ProbeError

    left: list[Any] = [[1], Source()]
    made = ak.arestarted(lambda _: left.pop(), ProbeError, waits=[0])
    assert await ak.acollect(made) == [1]


async def test_a_close_that_is_no_coroutine_is_called() -> None:
    class Source(SourceProbe[str]):
        closed = False

        def aclose(self) -> Any:
            self.closed = True

    source = Source("a")
    made = ak.arestarted(Server(source), OSError, waits=[])
    assert await ak.acollect(made) == ["a"]
    assert source.closed


async def test_waits_may_be_a_function_and_endless() -> None:
    server = Server(*[ProbeError() for _ in range(20)], SourceProbe("a"))
    start = anyio.current_time()
    waits = partial(itertools.chain, [1, 2, 4], itertools.repeat(8))
    assert await ak.acollect(ak.arestarted(server, ProbeError, waits=waits)) == ["a"]
    assert anyio.current_time() - start == 1 + 2 + 4 + 17 * 8


def test_an_error_leaves_no_cycle() -> None:
    def fails(_last: object) -> Any:
        raise ProbeError

    def fail() -> "weakref.ref[ProbeError]":
        try:
            finish(anext(ak.arestarted(fails, ProbeError, waits=[])))
        except ProbeError as error:
            return weakref.ref(error)
        raise AssertionError

    gc.collect()
    gc.disable()
    try:
        assert fail()() is None
    finally:
        gc.enable()


LOOSE: Any = ak


@pytest.mark.parametrize(
    ("args", "waits", "error", "message"),
    [
        pytest.param(
            (5, OSError), [1], TypeError, "open must be callable, not 5", id="open"
        ),
        pytest.param(
            (generated,),
            [1],
            TypeError,
            "exceptions must be at least one: "
            "arestarted(open, ConnectionError, TimeoutError, waits=[1, 2, 4])",
            id="no exceptions",
        ),
        pytest.param(
            (generated, (OSError, KeyError)),
            [1],
            TypeError,
            "exceptions must be given one by one: "
            "arestarted(open, ConnectionError, TimeoutError, waits=[1, 2, 4])",
            id="a tuple",
        ),
        pytest.param(
            (generated, KeyboardInterrupt),
            [1],
            TypeError,
            "exceptions must be subclasses of Exception, which KeyboardInterrupt is "
            "not: what ends a task or the program is never caught",
            id="KeyboardInterrupt",
        ),
        pytest.param(
            (generated, OSError("x")),
            [1],
            TypeError,
            "exceptions must be exception classes, not OSError('x')",
            id="an instance",
        ),
        pytest.param(
            (generated, OSError),
            ["1"],
            TypeError,
            "waits must be numbers of seconds, not '1'",
            id="a string",
        ),
        pytest.param(
            (generated, OSError),
            [True],
            TypeError,
            "waits must be numbers of seconds, not True",
            id="a bool",
        ),
        pytest.param(
            (generated, OSError),
            [1, -1],
            ValueError,
            "waits must be at least 0 seconds, not -1",
            id="below 0",
        ),
        pytest.param(
            (generated, OSError),
            [float("nan")],
            ValueError,
            "waits must be at least 0 seconds, not nan",
            id="NaN",
        ),
        pytest.param(
            (generated, OSError),
            3,
            TypeError,
            "waits must be a list or a function that returns an iterator, not 3",
            id="a number",
        ),
        pytest.param(
            (generated, OSError),
            itertools.repeat(1),
            TypeError,
            "waits must be a list or a function that returns an iterator, since an "
            "iterator cannot start again, not repeat(1)",
            id="an iterator",
        ),
    ],
)
def test_its_arguments_are_checked_at_the_call(
    args: Any, waits: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as caught:
        LOOSE.arestarted(*args, waits=waits)
    assert str(caught.value) == message


async def test_what_open_returns_is_blamed_and_not_a_source() -> None:
    made = LOOSE.arestarted(Server(5), OSError, waits=[])
    with pytest.raises(
        TypeError, match=r"^open must return an iterable, .* not 'int'$"
    ):
        await anext(made)


async def test_a_wait_that_a_function_gives_is_checked_too() -> None:
    made = LOOSE.arestarted(Server(ProbeError()), ProbeError, waits=lambda: ["1"])
    with pytest.raises(TypeError, match=r"^waits must be numbers of seconds, not '1'$"):
        await anext(made)
