"""What each task did, and where it waits: the text of a failure.

It looks at suspended coroutines from outside, so it works alike on both
backends, and it runs nothing of theirs.
"""

import functools
import gc
import importlib.util
import inspect
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import AsyncGeneratorType, CodeType, CoroutineType, FrameType, GeneratorType
from typing import Any, cast

# Frames of these say how a task waits; the frame that called them says where.
_MACHINERY = tuple(
    str(Path(spec.origin).parent)
    for name in ("anyio", "asyncio", "trio", "aiterkit.testing")
    if (spec := importlib.util.find_spec(name)) is not None and spec.origin
)
_SUSPENDED = (CoroutineType, GeneratorType, AsyncGeneratorType)
_THREADS = frozenset({"to_thread_run_sync", "run_sync_in_worker_thread"})
_ROWS = 60
# What is no task has a column behind those of tasks.
_OTHERS = 1_000_000


@dataclass(frozen=True, slots=True)
class TaskView:
    """A task as a report sees it."""

    number: int
    name: str
    coro: Any

    def __str__(self) -> str:
        return f"{self.name} ({self.number}) waits in {place(self.coro) or '?'}"


def _suspended(awaitable: Any) -> tuple[FrameType | None, Any]:
    """Return the frame of *awaitable*, and what that waits for in its turn."""
    if inspect.iscoroutine(awaitable):
        return awaitable.cr_frame, awaitable.cr_await
    if inspect.isgenerator(awaitable):
        return awaitable.gi_frame, awaitable.gi_yieldfrom
    if inspect.isasyncgen(awaitable):
        return awaitable.ag_frame, awaitable.ag_await
    # What `anext()` of an asynchronous generator and `__await__()` of a
    # coroutine return show nothing of what they drive, but they refer to it.
    inside: Any
    for inside in gc.get_referents(awaitable):
        if isinstance(inside, _SUSPENDED):
            return None, cast("object", inside)
    return None, None


def frames(coro: object) -> Iterator[FrameType]:
    """Yield the frames of a suspended coroutine, the outermost first."""
    while coro is not None:
        frame, coro = _suspended(coro)
        if frame is not None:
            yield frame


def _innermost(coro: object) -> tuple[CodeType, int] | None:
    """Return the last line of *coro*'s stack, if possible not of machinery."""
    stack = [(frame.f_code, frame.f_lineno) for frame in frames(coro)]
    for code, line in reversed(stack):
        if not code.co_filename.startswith(_MACHINERY):
            return code, line
    return stack[-1] if stack else None


def place(coro: object) -> str:
    """Tell where *coro* is suspended, as function, file and line."""
    found = _innermost(coro)
    if found is None:
        return ""
    code, line = found
    return f"{code.co_qualname} ({Path(code.co_filename).name}:{line})"


@functools.cache
def _is_of_io(filename: str) -> bool:
    """Tell whether *filename* is where Trio waits for real I/O."""
    return Path(filename).name.startswith("_io_")


def outside_wait(coro: object) -> str:
    """Tell what *coro* waits for that is outside virtual time, if anything."""
    for frame in frames(coro):
        code = frame.f_code
        if code.co_name in _THREADS:
            return "a thread"
        if _is_of_io(code.co_filename):
            return "real I/O"
    return ""


def listing(tasks: Iterable[TaskView]) -> str:
    """Write *tasks*, each with the place where it waits, a line each."""
    ordered = sorted(tasks, key=lambda task: task.number)
    return "\n".join(f"  {task}" for task in ordered)


@dataclass(frozen=True, slots=True)
class Step:
    """One step of one task: when it was taken, and what it led to."""

    count: int
    task: int
    time: float
    code: CodeType | None
    line: int
    mark: bool = False
    text: str = "ended"

    def __str__(self) -> str:
        if self.code is None:
            return self.text
        return f"{self.code.co_name}:{self.line}"


class History:
    """The last steps of a run, and a digest of all its choices."""

    def __init__(self) -> None:
        self.steps = 0
        self.digest = 0
        self.time = 0.0
        self._last: deque[Step] = deque(maxlen=_ROWS)
        self._names: dict[int, str] = {}
        self._others: dict[str, int] = {}

    def chose(self, task: int, /) -> None:
        """Note that *task* was picked."""
        self.digest = hash((self.digest, task))

    def record(
        self, task: TaskView, time: float, /, *, ended: bool, mark: bool = False
    ) -> None:
        """Note what became of a step of *task*; *mark* it if it was a preemption."""
        found = None if ended else _innermost(task.coro)
        code, line = found or (None, 0)
        self.steps += 1
        self.time = time
        self._names[task.number] = task.name
        self._last.append(Step(self.steps, task.number, time, code, line, mark))

    def note(
        self, title: str, text: str, time: float | None = None, /, *, mark: bool = False
    ) -> None:
        """Note something that is not a task's step, in the column of that *title*."""
        self.steps += 1
        self.time = self.time if time is None else time
        number = self._others.setdefault(title, _OTHERS + len(self._others))
        self._names[number] = title
        self._last.append(Step(self.steps, number, self.time, None, 0, mark, text))

    def table(self) -> str:
        """Draw the last steps, a row each, a column for each task."""
        columns = sorted({step.task for step in self._last})
        titles = {
            task: f"{task} {self._names[task].split('.')[-1]}"
            if task < _OTHERS
            else self._names[task]
            for task in columns
        }
        widths = {
            task: max(
                len(titles[task]),
                *(len(str(step)) for step in self._last if step.task == task),
            )
            for task in columns
        }
        head = "  ".join(titles[task].ljust(widths[task]) for task in columns)
        rows = [f"{'step':>6}  {'time':>6}  {head}".rstrip()]
        if self.steps > len(self._last):
            rows.append(f"{'…':>6}")
        for step in self._last:
            cells = (
                (str(step) if task == step.task else "").ljust(widths[task])
                for task in columns
            )
            count = f"{'*' if step.mark else ''}{step.count}"
            rows.append(f"{count:>6}  {step.time:>6g}  {'  '.join(cells)}".rstrip())
        return "\n".join(rows)
