"""How does an example read its command line, show progress and end?"""

from _plumbing.ctrl_c import CTRL_C, INTERRUPTED

import argparse
import asyncio
import os
import sqlite3
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NoReturn

import anyio
from rich.console import Console
from rich.progress import Progress

UNUSABLE = 2  # the exit code for a command line that cannot be used, as argparse has it
NOT_READ = 141  # what a shell shows if the reader of a pipe is gone, as with `| head`


def run_command(main: Callable[[], int]) -> NoReturn:
    """Run *main*, and exit with the code that it returns; after Ctrl-C, with 130."""
    CTRL_C.has_begun = True
    try:
        code = main()
        sys.stdout.flush()
    except BrokenPipeError:
        code = NOT_READ
        # Or Python would try once more to write what is left, and fail loudly.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, sqlite3.Error) as error:  # a full disk, say
        refuse(str(error))
    if CTRL_C.was_pressed:
        print("interrupted", file=sys.stderr)
        code = INTERRUPTED
    sys.exit(code)


def refuse(message: str) -> NoReturn:
    """Say why the program cannot go on, as argparse does, and exit."""
    print(f"{Path(sys.argv[0]).name}: error: {message}", file=sys.stderr)
    sys.exit(UNUSABLE)


def new_parser(description: str, *, limit: int, what: str) -> argparse.ArgumentParser:
    """Return a parser that knows the two options that every example has."""
    parser = argparse.ArgumentParser(description=description)
    add_number(parser, "--limit", limit, f"how many {what} at a time, at most")
    add_backend(parser)
    return parser


def add_backend(parser: argparse.ArgumentParser) -> None:
    """Let the parser take `--backend`."""
    parser.add_argument(
        "--backend",
        choices=["asyncio", "trio"],
        default="asyncio",
        help="the event loop to run on (default: %(default)s)",
    )


def add_number(
    parser: argparse.ArgumentParser, name: str, default: int | None, what: str
) -> None:
    """Let the parser take the option *name*: a whole number, at least 1."""
    shown = "" if default is None else " (default: %(default)s)"
    parser.add_argument(
        name, type=whole_number, default=default, metavar="N", help=what + shown
    )


def add_database(parser: argparse.ArgumentParser, name: str, what: str) -> None:
    """Let the parser take `--database`."""
    parser.add_argument(
        "--database",
        type=Path,
        default=Path(name),
        metavar="FILE",
        help=f"the SQLite database to write to; {what} (default: %(default)s)",
    )


def whole_number(text: str) -> int:
    """Read a whole number, at least 1."""
    try:
        number = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(
            f"must be a whole number, not {text!r}"
        ) from None
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {number}")
    return number


def progress(*, hidden: bool = False) -> Progress:
    """Return a progress bar, which shows only on a terminal.

    It is on stderr, and what is printed meanwhile still goes to stdout. Print only
    after the bar on a terminal that shows both.
    """
    screen = Console(stderr=True)
    return Progress(
        console=screen,
        transient=True,
        redirect_stdout=False,
        redirect_stderr=False,
        disable=hidden or not screen.is_terminal,
    )


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """Return "1 page" or "2 pages"."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def open_database(file: Path, program: int, tables: str) -> sqlite3.Connection:
    """Open the SQLite database in *file*, and create the *tables* of a *program*.

    The number of the program is stored in the file. A database with another number is
    refused: its tables could have the same names, and would be written over.
    """
    try:
        # One thread at a time uses it, but not always the same one.
        database = sqlite3.connect(file, check_same_thread=False)
    except sqlite3.Error as error:
        refuse(f"argument --database: cannot open {str(file)!r}: {error}")
    try:
        (owner,) = database.execute("PRAGMA application_id").fetchone()
        (used,) = database.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
        if used and owner != program:
            refuse(f"argument --database: {str(file)!r} belongs to another program")
        database.execute(f"PRAGMA application_id = {program:d}")
        database.executescript(tables)
    except BaseException as error:
        database.close()
        if not isinstance(error, sqlite3.Error):
            raise
        refuse(f"argument --database: cannot use {str(file)!r}: {error}")
    return database


def run_async(func: Callable[..., Awaitable[None]], *args: Any, backend: str) -> None:
    """Run an async function until it returns, or until Ctrl-C cancels it.

    Results are not returned but kept in an object that *func* fills, since a function
    that is cancelled returns nothing.
    """

    async def cancellable() -> None:
        with anyio.CancelScope() as scope:
            CTRL_C.cancel = _from_a_signal_handler(scope.cancel, backend)
            if CTRL_C.was_pressed:
                scope.cancel()
            try:
                await func(*args)
            finally:
                CTRL_C.cancel = None

    anyio.run(cancellable, backend=backend)


def _from_a_signal_handler(
    func: Callable[[], object], backend: str
) -> Callable[[], object]:
    """Return a function that wakes the event loop and has it call *func*."""
    if backend == "trio":
        import trio  # noqa: PLC0415  # it takes long to import

        token = trio.lowlevel.current_trio_token()
        return lambda: token.run_sync_soon(func)
    loop = asyncio.get_running_loop()
    return lambda: loop.call_soon_threadsafe(func)
