"""Tests on virtual time: sleeping costs nothing, a deadlock fails at once."""

import asyncio
import contextlib
import importlib
import importlib.util
import sys
from collections.abc import Awaitable, Callable
from functools import partial, wraps
from typing import Any, Literal, TypeAlias, TypeVar

import anyio

from aiterkit.testing._asyncio_loop import VirtualLoop
from aiterkit.testing._report import History
from aiterkit.testing._strategies import Strategy
from aiterkit.testing._watch import Watch

T = TypeVar("T")

BackendName: TypeAlias = Literal["asyncio", "trio"]
"""The event loops that anyio knows."""


def available_backends() -> tuple[BackendName, ...]:
    """Return the backends that can be used here: Trio may not be installed.

    Examples:
        >>> available_backends()
        ('asyncio', 'trio')
    """
    if importlib.util.find_spec("trio") is None:
        return ("asyncio",)
    return ("asyncio", "trio")


def virtual_backend(
    backend: BackendName, /, *, debug: bool = True
) -> tuple[str, dict[str, Any]]:
    """Return *backend* with the options that put it on virtual time.

    They are what anyio's ``anyio_backend`` fixture returns, and what
    `anyio.run` takes. They serve one run at a time.

    Examples:
        >>> backend, options = virtual_backend("asyncio")
        >>> anyio.run(anyio.sleep, 3600, backend=backend, backend_options=options)

    Args:
        backend: ``"asyncio"`` or ``"trio"``.
        debug: Whether asyncio runs in debug mode.

    Raises:
        ValueError: If there is no such backend.
    """
    return _options(backend, None, None, debug=debug)


def run_in_virtual_time(
    test: Callable[..., Awaitable[T]],
    /,
    *args: Any,
    backend: BackendName = "asyncio",
    debug: bool = True,
) -> T:
    """Run an async function as `anyio.run` does, but on a clock that jumps.

    Examples:
        >>> async def wait_an_hour() -> float:
        ...     await anyio.sleep(3600)
        ...     return anyio.current_time()
        >>> run_in_virtual_time(wait_an_hour, backend="trio")
        3600.0

    Args:
        test: The function. It is called with *args*.
        *args: What it is called with.
        backend: ``"asyncio"`` or ``"trio"``.
        debug: Whether asyncio runs in debug mode.

    Returns:
        What *test* returns.

    Raises:
        DeadlockError: If nothing can run and no timer is set.
        TaskLeakError: If tasks are left after its end.
        VirtualTimeError: If the test uses a thread or real I/O.
    """
    call = wraps(test)(partial(test, *args))
    return run_schedule(call, backend, None, None, debug=debug)


def run_schedule(
    test: Callable[[], Awaitable[T]],
    backend: BackendName,
    strategy: Strategy | None,
    history: History | None,
    *,
    debug: bool,
) -> T:
    """Run *test* once, its tasks ordered by *strategy*."""
    name, options = _options(backend, strategy, history, debug=debug)

    @wraps(test)  # the backends name the task after it
    async def main() -> T:
        return await watched(test)

    try:
        return anyio.run(main, backend=name, backend_options=options)
    except Exception as error:
        # Trio cannot end a task that refuses to be cancelled, and so fails itself.
        watch: Watch | None = getattr(options.get("clock"), "watch", None)
        if watch is None or watch.failure is None or watch.failure is error:
            raise
        raise watch.failure from error


def _options(
    backend: BackendName,
    strategy: Strategy | None,
    history: History | None,
    *,
    debug: bool,
) -> tuple[str, dict[str, Any]]:
    check_backend(backend)
    if backend == "asyncio":
        loop_factory = partial(VirtualLoop, strategy, history)
        return backend, {"debug": debug, "loop_factory": loop_factory}
    # Imported only here, since Trio need not be installed.
    module = importlib.import_module("aiterkit.testing._trio_clock")
    clock = module.VirtualClock(strategy, history)
    return backend, {
        "clock": clock,
        "instruments": [clock],
        "restrict_keyboard_interrupt_to_checkpoints": True,
    }


def check_backend(backend: str, /) -> None:
    """Raise ValueError unless *backend* is the name of one."""
    if backend not in {"asyncio", "trio"}:
        raise ValueError(f"backend must be 'asyncio' or 'trio', not {backend!r}")


def running_loop() -> object:
    """Return asyncio's running loop, or Trio's running clock, or None."""
    with contextlib.suppress(RuntimeError):
        return asyncio.get_running_loop()
    if trio := sys.modules.get("trio"):
        with contextlib.suppress(RuntimeError):
            clock: object = trio.lowlevel.current_clock()
            return clock
    return None


def current_watch() -> Watch | None:
    """Return the watch of the running event loop, if it is on virtual time."""
    watch = getattr(running_loop(), "watch", None)
    return watch if isinstance(watch, Watch) else None


async def watched(test: Callable[..., Awaitable[T]], /, *args: Any, **kwargs: Any) -> T:
    """Await *test* under the watch of its loop, where it has one."""
    call = wraps(test)(partial(test, *args, **kwargs))
    watch = current_watch()
    return await (call() if watch is None else watch.over(call))
