"""How a test that cannot go on is ended, on either backend.

The event loop notices what is wrong, but a loop that raises leaves its tasks
where they are. So the test runs inside a cancel scope: the loop cancels that,
cleanup runs as usual, and then the error is raised in place of the result.
"""

import inspect
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any, TypeVar

import anyio
from anyio import lowlevel

from aiterkit.testing._report import TaskView, listing

T = TypeVar("T")

_TURNS_TO_END = 100
_PUSHES = 10


class DeadlockError(RuntimeError):
    """Nothing can run, and no timer is set: the test would wait for ever.

    The message lists each task with the place where it waits.

    Examples:
        >>> async def wait_for_nobody() -> None:
        ...     await anyio.Event().wait()
        >>> try:
        ...     run_in_virtual_time(wait_for_nobody)
        ... except DeadlockError as error:
        ...     print(str(error).splitlines()[0])
        deadlock: no task can run and no timer is set
    """


class VirtualTimeError(RuntimeError):
    """A test on virtual time used a thread, a socket or a process.

    These run on real time, which virtual time does not wait for: the result
    would depend on which is faster.

    Examples:
        >>> async def call_a_thread() -> None:
        ...     await anyio.to_thread.run_sync(int)
        >>> try:
        ...     run_in_virtual_time(call_a_thread)
        ... except VirtualTimeError as error:
        ...     print(str(error).splitlines()[0])
        a task waits for a thread, which runs on real time
    """


class TaskLeakError(AssertionError):
    """Tasks that the test started are still there after its end.

    Examples:
        >>> async def leave_a_task() -> None:
        ...     task = asyncio.create_task(asyncio.sleep(60))
        >>> try:
        ...     run_in_virtual_time(leave_a_task)
        ... except TaskLeakError as error:
        ...     print(str(error).splitlines()[0])
        1 task outlived the test
    """


class Watch:
    """Watches over one test at a time.

    Args:
        live: Returns the tasks that have not ended.
        unshield: Lets cancellation through to tasks that are shielded from it.
    """

    def __init__(
        self, live: Callable[[], Iterable[TaskView]], unshield: Callable[[], None]
    ) -> None:
        self._live = live
        self._unshield = unshield
        self._pushes = 0
        self._root = -1
        self._name = ""
        self._surroundings: set[int] = set()
        self._scope: anyio.CancelScope | None = None
        self.failure: Exception | None = None

    @property
    def is_on(self) -> bool:
        """Tell whether a test is running."""
        return self._scope is not None

    def tasks(self) -> Iterator[TaskView]:
        """Yield the tasks of the test that have not ended."""
        for task in self._live():
            if task.number == self._root:
                yield replace(task, name=self._name)
            elif task.number not in self._surroundings:
                yield task

    def fail(self, error: Exception, /) -> None:
        """End the test with *error*; called by the loop, between two steps.

        Raises:
            Exception: *error*, if there is no test, or it does not end.
        """
        if self._scope is None or self._pushes == _PUSHES:
            raise self.failure or error
        self._pushes += 1
        if self.failure is None:
            self.failure = error
            self._scope.cancel()
        else:
            # Cleanup is stuck behind a shield.
            self._unshield()

    def deadlock(self) -> None:
        """End the test, since nothing in it can go on."""
        self.fail(
            DeadlockError(
                "deadlock: no task can run and no timer is set\n"
                + listing(self.tasks())
            )
        )

    def livelock(self, steps: int, /) -> None:
        """End the test, since after so many steps it should have ended."""
        self.fail(
            DeadlockError(
                f"livelock: the test has not ended after {steps:,} steps\n"
                + listing(self.tasks())
            )
        )

    def outside(self, what: str, number: int | None = None, /) -> None:
        """End the test, since the task *number* waits for *what*, on real time."""
        tasks = [task for task in self.tasks() if number in {None, task.number}]
        self.fail(
            VirtualTimeError(
                f"a task waits for {what}, which runs on real time\n{listing(tasks)}"
            )
        )

    async def over(self, test: Callable[..., Awaitable[T]], /, *args: Any) -> T:
        """Await *test*, and raise what ended it early or what it left behind."""
        self._settle(getattr(test, "__name__", "test"))
        self.failure = None
        self._pushes = 0
        try:
            with anyio.CancelScope() as self._scope:
                result = await test(*args)
                await self._check_leaks()
                if self.failure is None:
                    return result
        except BaseException:
            # What a test raises once its end has begun is a consequence.
            if self.failure is None:
                raise
        finally:
            self._scope = None
        raise self._verdict()

    def _settle(self, name: str) -> None:
        """Tell the tasks of the test from those that surround it."""
        self._name = name
        self._surroundings.clear()
        for task in self._live():
            if inspect.iscoroutine(task.coro) and task.coro.cr_running:
                self._root = task.number
            else:
                self._surroundings.add(task.number)

    def _verdict(self) -> Exception:
        # Nothing but a failure cancels the scope of the test.
        return self.failure or AssertionError("the test was cancelled")

    async def _check_leaks(self) -> None:
        left: list[TaskView] = []
        # A finalizer may just have started a task that closes something.
        for _ in range(_TURNS_TO_END):
            left = [task for task in self.tasks() if task.number != self._root]
            if not left:
                return
            await lowlevel.cancel_shielded_checkpoint()
        count = f"{len(left)} task" + ("s" if len(left) > 1 else "")
        raise TaskLeakError(f"{count} outlived the test\n{listing(left)}")


def private(owner: object, name: str, /) -> Any:
    """Return an attribute that its owner does not promise to keep.

    Raises:
        RuntimeError: If it is not there.
    """
    try:
        return getattr(owner, name)
    except AttributeError:
        kind = type(owner)
        raise RuntimeError(
            f"aiterkit.testing cannot steer this version of {kind.__module__}: "
            f"{kind.__qualname__} has no attribute {name!r}"
        ) from None
