"""Does `examples/logs.py` do its job, as a person would run it?"""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

from .programs import (
    EXAMPLES,
    PYTHON,
    backends,
    environment,
    run,
    without_late_ends,
)

EXAMPLE = EXAMPLES / "logs.py"


def prints(folder: Path, name: str, *lines: str) -> str:
    """Write *lines* to a file; return a command that prints it."""
    (folder / name).write_text("\n".join(lines))
    return f"cat {name}"


def table(output: str) -> list[list[str]]:
    """Return the cells of all rows."""
    rows = re.findall(r"^(no time|\d\d:\d\d:\d\d)((?: +\d+)+)$", output, re.MULTILINE)
    return [[name, *numbers.split()] for name, numbers in rows]


@backends
def test_without_a_command_it_counts_three_logs_of_its_own(backend: str) -> None:
    done = run(EXAMPLE, "--backend", backend, "--seconds", "1")

    assert done.stderr == ""
    assert done.returncode == 0
    rows = table(done.stdout)
    assert len(rows[0]) == 5
    assert all(sum(map(int, row[1:4])) == int(row[4]) for row in rows)
    total = sum(int(row[4]) for row in rows)
    assert re.fullmatch(
        rf"{total} lines of 3 logs in {len(rows)} seconds, \d+ in the busiest",
        done.stdout.splitlines()[-1],
    )


@backends
def test_a_line_counts_in_its_own_second_whenever_it_comes(
    backend: str, tmp_path: Path
) -> None:
    one = prints(
        tmp_path,
        "one",
        "before any time",
        "2026-11-26T18:02:03.250Z a",
        "2026-11-26T18:02:03.750Z b",
        "Traceback of b",
        "2026-11-27T00:00:01Z c",
    )
    two = prints(tmp_path, "two", "2026-11-26 18:02:03 d", "2026-11-26 18:02:05 e\n")
    done = run(EXAMPLE, "--backend", backend, one, two, folder=tmp_path)

    assert done.stderr == ""
    assert done.returncode == 0
    assert table(done.stdout) == [
        ["no time", "1", "0", "1"],
        ["18:02:03", "3", "1", "4"],
        ["18:02:05", "0", "1", "1"],
        ["00:00:01", "1", "0", "1"],
    ]
    assert done.stdout.endswith("7 lines of 2 logs in 3 seconds, 4 in the busiest\n")


@backends
def test_a_log_that_fails_is_reported_and_the_others_go_on(
    backend: str, tmp_path: Path
) -> None:
    good = prints(tmp_path, "good", "2026-11-26T18:02:03 a")
    options = ["--backend", backend, "no-such-command", "false", good]
    done = run(EXAMPLE, *options, folder=tmp_path)

    assert done.returncode == 1
    assert re.fullmatch(
        r"log 1: .*no-such-command'\nlog 2: false failed with exit code 1\n",
        done.stderr,
    )
    assert table(done.stdout) == [["18:02:03", "0", "0", "1", "1"]]
    assert done.stdout.endswith("1 line of 3 logs in 1 second, 1 in the busiest\n")


def test_what_is_no_command_is_refused() -> None:
    assert "must be a command, and is empty" in run(EXAMPLE, "").stderr
    assert "No closing quotation: 'tail \"x'" in run(EXAMPLE, 'tail "x').stderr


@backends
def test_a_second_is_printed_as_soon_as_no_log_can_add_to_it(
    backend: str, tmp_path: Path
) -> None:
    # Both logs stay open. The slower one has only reached the second second.
    for name, lines in {
        "fast": ["2026-11-26T18:00:01 a", "2026-11-26T18:00:03 b"],
        "slow": ["2026-11-26T18:00:01 c", "2026-11-26T18:00:02 d"],
    }.items():
        (tmp_path / name).write_text("\n".join([*lines, ""]))
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    process = subprocess.Popen(
        [*PYTHON, EXAMPLE, "--backend", backend, "tail -f fast", "tail -f slow"],
        cwd=tmp_path,
        env=environment(),
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        shown = ""
        while "18:00:01" not in shown:
            line = process.stdout.readline()
            assert line
            shown += line
        assert table(shown) == [["18:00:01", "1", "1", "2"]]
        # It has read the rest too, but those seconds are not complete yet.
        os.killpg(process.pid, signal.SIGINT)
        rest, errors = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
        signal.signal(signal.SIGINT, before)

    # What is left is printed after Ctrl-C, and the commands are ended.
    assert process.returncode == 130
    assert without_late_ends(errors) == "interrupted\n"
    assert table(rest) == [["18:00:02", "0", "1", "1"], ["18:00:03", "1", "0", "1"]]
    assert rest.endswith("4 lines of 2 logs in 3 seconds, 2 in the busiest\n")


def test_a_command_is_ended_with_the_program(tmp_path: Path) -> None:
    # It writes the number of its process, then as much as it is let.
    program = "import os; print(os.getpid(), flush=True)\nwhile True: print('x' * 9999)"
    (tmp_path / "endless.py").write_text(
        f"open('pid', 'w').write(str(__import__('os').getpid()))\n{program}"
    )
    endless = f"{sys.executable} endless.py"
    process = subprocess.Popen(
        [*PYTHON, EXAMPLE, endless],
        cwd=tmp_path,
        env=environment(),
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
            time.sleep(0.02)
            assert process.poll() is None
        os.kill(process.pid, signal.SIGINT)
        assert process.wait(timeout=60) == 130
    finally:
        process.kill()
        process.wait()
    child = int((tmp_path / "pid").read_text())
    assert not Path(f"/proc/{child}").exists()
