"""How does an example start other programs, and read what they print?"""

from _plumbing.ctrl_c import hidden_from_children

from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from subprocess import DEVNULL

import anyio
from anyio.streams.text import TextReceiveStream

from aiterkit import concurrent_for_each, offloaded


async def read_lines(command: Sequence[str]) -> AsyncGenerator[str, None]:
    """Run *command*, and yield the lines that it prints. To close it ends the command.

    Raises:
        OSError: If the command cannot be run, or fails at the end.
    """
    process = await anyio.open_process(
        command,
        stdin=DEVNULL,
        stderr=None,  # it goes where ours goes
        start_new_session=True,  # a terminal does not send Ctrl-C to it too
    )
    async with process:
        rest = ""
        try:
            if process.stdout is not None:
                text = TextReceiveStream(process.stdout, errors="replace")
                async for part in text:
                    *lines, rest = (rest + part).split("\n")
                    for line in lines:
                        yield line
            if rest:
                yield rest
            code = await process.wait()
        finally:
            with suppress(ProcessLookupError):  # it has ended by itself
                process.kill()
    if code:
        raise OSError(f"{command[0]} failed with exit code {code}")


async def start_processes(limiter: anyio.CapacityLimiter) -> None:
    """Start as many processes for `offloaded` as *limiter* allows.

    They would start by themselves, one when it is first needed. But then a Ctrl-C in
    the terminal would reach them too, and they would print tracebacks.
    """
    count = int(limiter.total_tokens)
    first_call = offloaded(abs, to="process", limiter=limiter)
    with hidden_from_children():
        await concurrent_for_each(first_call, range(count), limit=count)
