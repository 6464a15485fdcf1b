"""How an operator is compared with the native comprehension, event for event.

No event loop: coroutines are driven by hand, so that every suspension is seen and
anything can happen at it. A *case* is plain data. It says what the source, the
function and the reader do; running it against an operator gives a list of events,
and two operators are equal if no case tells their lists apart.
"""

import re
import sys
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Generator,
    Iterator,
)
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from functools import partial
from inspect import isawaitable
from types import coroutine
from typing import Any, Literal, TypeAlias

Event: TypeAlias = tuple[object, ...]

READER = ContextVar("READER", default="nobody")
CALLEE = ContextVar("CALLEE", default="nobody")


class Cancelled(BaseException):
    """Stands for what a backend throws to cancel."""


class Trouble(Exception):
    """An ordinary error."""


ERRORS: dict[str, type[BaseException]] = {
    error.__name__: error
    for error in (
        Trouble,
        Cancelled,
        StopIteration,
        StopAsyncIteration,
        GeneratorExit,
        KeyboardInterrupt,
        RuntimeError,
    )
}


def described(error: BaseException | None) -> object:
    """Return everything about *error* that a caller can see."""
    if error is None:
        return None
    return (
        type(error).__name__,
        str(error),
        described(error.__cause__),
        described(error.__context__),
        error.__suppress_context__,
    )


def nameless(value: object) -> str:
    """Return the repr of *value* without addresses, which differ from run to run."""
    return re.sub(r" at 0x\w+", "", repr(value))


@dataclass(frozen=True)
class Step:
    """One answer: what it is, and how many waits come before it."""

    waits: int = 0
    raises: str = ""
    stubborn: bool = False
    """Whether it ignores what is thrown into its waits."""
    truth: Literal["true", "false", "raises"] = "true"
    how: Literal[
        "plain", "coroutine", "awaitable", "generator", "legacy", "disguised"
    ] = "plain"
    """How a function returns it. A legacy coroutine can be awaited, a generator not."""


@dataclass(frozen=True)
class Script:
    """What a source does."""

    kind: Literal["async", "sync", "both"] = "async"
    steps: tuple[Step, ...] = ()
    opens: Literal["itself", "another", "nothing", "error"] = "itself"


@dataclass(frozen=True)
class Action:
    """What the reader does, and what happens at each suspension of it."""

    what: Literal["anext", "asend", "athrow", "aclose"] = "anext"
    error: str = "Trouble"
    replies: tuple[str, ...] = ()
    """``send``, ``close``, ``drop``, ``again`` (call it meanwhile) or an error."""


@dataclass(frozen=True)
class Case:
    """All that one run needs."""

    source: Script
    calls: tuple[Step, ...] = (Step(),)
    inner: tuple[Script, ...] = (Script(),)
    actions: tuple[Action, ...] = ()

    @property
    def style(self) -> str:
        """Whether its function is plain, async, or both in turn."""
        awaited = {
            call.how in {"coroutine", "awaitable", "legacy"} for call in self.calls
        }
        return "mixed" if len(awaited) > 1 else "async" if True in awaited else "plain"


@coroutine
def trap(token: str) -> Generator[str, object, object]:
    """Suspend: the driver receives *token* and answers."""
    return (yield token)


class AwaitableOnItsMetaclass(type):
    """For an instance of its instances, ``hasattr(type(x), "__await__")`` is true."""

    def __await__(cls) -> Iterator[str]:
        raise AssertionError


class Thing:
    """A value whose truth is watched."""

    def __init__(self, world: "World", name: str, step: Step) -> None:
        self.world = world
        self.name = name
        self.step = step

    def __repr__(self) -> str:
        return self.name

    def __bool__(self) -> bool:
        self.world.log("truth", self.name)
        if self.step.truth == "raises":
            raise Trouble(self.name)
        return self.step.truth == "true"


class Disguised(Thing, metaclass=AwaitableOnItsMetaclass):
    """Not awaitable, although its instance and its metaclass have ``__await__``."""

    def __init__(self, world: "World", name: str, step: Step) -> None:
        super().__init__(world, name, step)
        vars(self)["__await__"] = None

    def __getattr__(self, name: str) -> object:
        self.world.log("looked for", name)
        raise AttributeError(name)


class AwaitableObject:
    """An awaitable that is not a coroutine."""

    def __init__(self, inner: Awaitable[object]) -> None:
        self.inner = inner

    def __await__(self) -> Generator[Any, Any, object]:
        return self.inner.__await__()


class Source:
    """A source that does what its script says, and logs it."""

    def __init__(self, world: "World", script: Script, name: str) -> None:
        self.world = world
        self.script = script
        self.name = name
        self.position = 0
        # The type decides, so the instance is never asked.
        for method in ("__aiter__", "__anext__", "__iter__", "__next__"):
            vars(self)[method] = lambda: world.log("asked the instance", name)

    def opened(self) -> Any:
        self.world.log("open", self.name)
        if self.script.opens == "nothing":
            return None
        if self.script.opens == "error":
            raise Trouble("open")
        if self.script.opens == "another":
            another = type(self)(self.world, self.script, self.name + "'")
            vars(another)["opened"] = lambda: self.world.log("opened twice", self.name)
            return another
        return self

    def pulled(self) -> tuple[str, Step] | None:
        self.world.log("pull", self.name, self.position)
        position, self.position = self.position, self.position + 1
        if position >= len(self.script.steps):
            return None
        return f"{self.name}{position}", self.script.steps[position]

    async def aclose(self) -> None:
        self.world.log("closed", self.name)

    def close(self) -> None:
        self.world.log("closed", self.name)


class AsyncSource(Source):
    def __aiter__(self) -> Any:
        return self.opened()

    async def __anext__(self) -> object:
        pulled = self.pulled()
        if pulled is None:
            raise StopAsyncIteration
        name, step = pulled
        await self.world.play(name, step)
        return self.world.item(name, step)


class SyncSource(Source):
    def __iter__(self) -> Any:
        return self.opened()

    def __next__(self) -> object:
        pulled = self.pulled()
        if pulled is None:
            raise StopIteration
        name, step = pulled
        if step.raises:
            raise ERRORS[step.raises](name)
        return self.world.item(name, step)


class BothSource(AsyncSource):
    def __iter__(self) -> Iterator[object]:
        raise AssertionError("async wins where an object is both")


SOURCES = {"async": AsyncSource, "sync": SyncSource, "both": BothSource}


class Lift:
    """A sync source as an async one, in the fewest possible steps."""

    def __init__(self, source: Any) -> None:
        self.iterator = iter(source)

    def __aiter__(self) -> AsyncIterator[object]:
        return self

    async def __anext__(self) -> object:
        try:
            return next(self.iterator)
        except StopIteration:
            raise StopAsyncIteration from None
        except StopAsyncIteration as error:
            raise RuntimeError("async generator raised StopAsyncIteration") from error


def lifted(source: Any) -> Any:
    """Return *source* as the native comprehension needs it."""
    return source if isinstance(source, AsyncSource) else Lift(source)


class World:
    """One run of a case: its source, its function, and what happened."""

    def __init__(
        self,
        case: Case,
        items: Literal["thing", "pair", "source"] = "thing",
        results: Literal["thing", "source"] = "thing",
    ) -> None:
        self.case = case
        self.items = items
        self.results = results
        self.events: list[Event] = []
        self.made = 0
        self.called = 0
        self.over = False
        self.source: Any = SOURCES[case.source.kind](self, case.source, "s")

    def log(self, *event: object) -> None:
        self.events.append(event)

    def item(self, name: str, step: Step) -> object:
        """Make an item of a source."""
        if self.items == "pair":
            return (Thing(self, name, step), name)
        return self.value(name, step, self.items)

    def value(self, name: str, step: Step, shape: str) -> object:
        if shape == "source" and "." not in name:
            script = self.case.inner[self.made % len(self.case.inner)]
            self.made += 1
            return SOURCES[script.kind](self, script, f"{name}.")
        return Thing(self, name, step)

    async def play(self, name: str, step: Step) -> None:
        """Wait, and raise, as *step* says."""
        for number in range(step.waits):
            token = f"{name}?{number}"
            try:
                self.log("resumed", token, await trap(token))
            except BaseException as error:
                self.log("thrown", token, described(error))
                if not step.stubborn or self.over:
                    raise
        if step.raises and not self.over:
            raise ERRORS[step.raises](name)

    def func(self, *args: object) -> Any:
        """Act as the operator's function: do what the script says for the next call."""
        name = f"f{self.called}"
        step = self.case.calls[self.called % len(self.case.calls)]
        self.called += 1
        self.log("call", name, nameless(args), READER.get(), CALLEE.get())
        CALLEE.set(name)

        async def answer() -> object:
            await self.play(name, step)
            self.log("answer", name, READER.get())
            CALLEE.set(f"{name} answered")
            return self.value(name, step, self.results)

        match step.how:
            case "coroutine":
                return answer()
            case "awaitable":
                return AwaitableObject(answer())
            case "legacy":
                return legacy(answer())
            case "generator":
                return plain_generator(self)
            case "plain" | "disguised":
                if step.raises:
                    raise ERRORS[step.raises](name)
                if step.how == "disguised" and self.results == "thing":
                    return Disguised(self, name, step)
                return self.value(name, step, self.results)

    async def later(self, *args: object) -> Any:
        """Do the same in a coroutine function."""
        result = self.func(*args)
        return await result if isawaitable(result) else result


@coroutine
def legacy(inner: Awaitable[object]) -> Generator[Any, Any, object]:
    """Act as a legacy coroutine: a generator with a flag."""
    return (yield from inner.__await__())


def plain_generator(world: World) -> Iterator[object]:
    """Act as a generator, which is iterable but not awaitable."""
    world.log("generator ran")
    yield Thing(world, "g", Step())


def drive(world: World, start: Callable[[], Any], replies: tuple[str, ...]) -> object:
    """Run one awaitable by hand, answering each suspension; return what was left."""
    queue = list(replies)
    try:
        waiting = start().__await__()
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is an event
        world.log("failed at once", described(error))
        return None
    reply = "send"
    while True:
        try:
            if reply == "send":
                token = waiting.send(None)
            elif reply == "close":
                waiting.close()
                world.log("closed the wait")
                return None
            else:
                token = waiting.throw(ERRORS[reply]("thrown"))
        except StopIteration as stop:
            world.log("got", nameless(stop.value))
            return None
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is an event
            world.log("failed", described(error))
            return None
        world.log("suspended", token)
        reply = queue.pop(0) if queue else "send"
        if reply == "again":
            drive(world, start, ())
            reply = "send"
        if reply == "drop":
            return waiting


def run(case: Case, make: Callable[[World], Any], **shapes: Any) -> list[Event]:
    """Return all events when *case* is run against what *make* returns."""
    world = World(case, **shapes)
    hooks = sys.get_asyncgen_hooks()
    sys.set_asyncgen_hooks(
        firstiter=lambda _: world.log("first iteration"),
        finalizer=lambda _: world.log("finalizer"),
    )
    unraisable = sys.unraisablehook
    # What goes wrong in a coroutine that is dropped can be raised nowhere.
    sys.unraisablehook = lambda what: world.log("dropped", described(what.exc_value))
    try:
        copy_context().run(_play, world, make)
    finally:
        sys.set_asyncgen_hooks(*hooks)
        sys.unraisablehook = unraisable
    return world.events


def _play(world: World, make: Callable[[World], Any]) -> None:
    left: list[object] = []
    try:
        made = make(world)
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is an event
        # The text is ours where the source is at fault.
        world.log("not made", type(error).__name__)
        return
    world.log("made", type(made).__name__)
    if hasattr(made, "asend"):
        for number, action in enumerate(world.case.actions):
            READER.set(f"reader {number}")
            left.append(_act(world, made, action))
            world.log("after", READER.get(), CALLEE.get())
        world.log("is its own iterator", made.__aiter__() is made)
        for _ in range(2):  # finished for ever, or not yet
            left.append(drive(world, made.__anext__, ()))
        world.log("running", made.ag_running)
    else:
        replies = [reply for action in world.case.actions for reply in action.replies]
        left.append(drive(world, partial(_same, made), tuple(replies)))
    if world.case.source.opens == "itself":  # nothing was closed, so it can be read on
        source = lifted(world.source)
        drive(world, lambda: anext(source), ())
    world.over = True
    del made
    left.clear()


def _same(coroutine: Any) -> Any:
    return coroutine


def _act(world: World, made: Any, action: Action) -> object:
    error = ERRORS[action.error]
    start: Callable[[], Any] = {
        "anext": made.__anext__,
        "asend": lambda: made.asend("sent"),
        "athrow": lambda: made.athrow(error("from the reader")),
        "aclose": made.aclose,
    }[action.what]
    return drive(world, start, action.replies)
