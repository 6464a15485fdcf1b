"""Does `examples/download.py` do its job, as a person would run it?"""

import csv
import re
import time
from collections import Counter
from pathlib import Path
from threading import Barrier

from .programs import (
    EXAMPLES,
    Answer,
    assert_left_cleanly,
    backends,
    interrupt,
    run,
    serve,
)

EXAMPLE = EXAMPLES / "download.py"


def files(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.glob("0*")}


def failures(folder: Path) -> list[list[str]]:
    with (folder / "failures.csv").open(newline="") as file:
        return list(csv.reader(file))


@backends
def test_without_a_url_it_downloads_from_servers_of_its_own(
    backend: str, tmp_path: Path
) -> None:
    done = run(EXAMPLE, "--backend", backend, "--files", "12", folder=tmp_path)

    assert done.stderr == ""
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert lines[0] == f"12 files from 3 hosts, on {backend}"
    assert re.fullmatch(r"\d+ retries|1 retry", lines[1])
    assert re.fullmatch(
        r"11 of 12 files downloaded to downloads in \d\.\d s; "
        r"1 failure is in downloads/failures\.csv",
        lines[2],
    )
    assert len(lines) == 3
    folder = tmp_path / "downloads"
    assert files(folder)["0001-0.txt"] == "This is file 0.\n" * 1000
    assert len(files(folder)) == 11
    [head, [url, error]] = failures(folder)
    assert head == ["url", "error"]
    assert url.endswith("/9.txt")
    assert error == "404 Not Found"


@backends
def test_what_may_pass_is_tried_again_and_the_rest_goes_on(
    backend: str, tmp_path: Path
) -> None:
    def answer(path: str) -> Answer | None:
        match path:
            case "/once" if service.asked.count(path) == 1:
                return Answer(status=503)
            case "/never":
                return Answer(status=500)
            case "/gone":
                return Answer(status=404)
            case _:
                return Answer(path)

    names = ["once", "never", "gone", "a/../../b c?d=e", ""]
    with serve(answer) as service:
        urls = [f"{service.address}/{name}" for name in names]
        options = ["--backend", backend, "--attempts", "2"]
        done = run(EXAMPLE, *options, *urls, folder=tmp_path)

    assert done.stderr == ""
    assert done.returncode == 1
    asked = Counter(service.asked)
    assert (asked["/once"], asked["/never"], asked["/gone"]) == (2, 2, 1)
    folder = tmp_path / "downloads"
    assert failures(folder)[0] == ["url", "error"]
    assert sorted(failures(folder)[1:]) == sorted(
        [[urls[1], "500 Internal Server Error"], [urls[2], "404 Not Found"]]
    )
    assert sorted(files(folder)) == ["0001-once", "0004-b%20c", "0005-index"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["downloads"]
    assert "2 retries\n3 of 5 files downloaded to downloads" in done.stdout


@backends
def test_each_host_is_asked_a_few_at_a_time_and_others_meanwhile(
    backend: str, tmp_path: Path
) -> None:
    together = Barrier(4)

    def answer(_: str) -> Answer:
        together.wait(timeout=60)  # for one of the other host
        time.sleep(0.05)  # for one too many to show itself, if there is one
        return Answer()

    with serve(answer) as one, serve(answer) as other:
        # All of the first host come before the others, and hold up none of them.
        urls = [
            f"{service.address}/{number}"
            for service in (one, other)
            for number in range(6)
        ]
        options = ["--backend", backend, "--limit", "9", "--per-second", "1000"]
        done = run(EXAMPLE, *options, *urls, folder=tmp_path)

    assert done.stderr == ""
    assert done.returncode == 0
    assert one.overlap == other.overlap == 2


def test_one_host_can_be_asked_one_at_a_time(tmp_path: Path) -> None:
    with serve(lambda _: Answer()) as service:
        urls = [f"{service.address}/{number}" for number in range(5)]
        options = ["--per-host", "1", "--per-second", "1000"]
        done = run(EXAMPLE, *options, *urls, folder=tmp_path)

    assert done.returncode == 0
    assert service.overlap == 1


@backends
def test_the_limit_holds_for_all_hosts(backend: str, tmp_path: Path) -> None:
    together = Barrier(2)

    def answer(_: str) -> Answer:
        together.wait(timeout=60)
        running.append(sum(service.running for service in services))
        time.sleep(0.05)
        return Answer()

    running: list[int] = []
    with serve(answer) as one, serve(answer) as two, serve(answer) as three:
        services = [one, two, three]
        urls = [f"{service.address}/{n}" for n in range(2) for service in services]
        options = ["--backend", backend, "--limit", "2", "--per-second", "1000"]
        done = run(EXAMPLE, *options, *urls, folder=tmp_path)

    assert done.returncode == 0
    assert max(running) == 2


def test_requests_are_paced_and_so_are_retries(tmp_path: Path) -> None:
    def answer(path: str) -> Answer:
        again = service.asked.count(path) > 1
        return Answer() if again else Answer(status=503)

    with serve(answer) as service:
        urls = [f"{service.address}/{number}" for number in range(4)]
        done = run(EXAMPLE, "--per-second", "5", *urls, folder=tmp_path)

    seconds = re.search(r"4 of 4 files .* in (\d\.\d) s", done.stdout)
    assert seconds is not None
    assert float(seconds[1]) >= 1.3  # seven waits of a fifth


def test_a_folder_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    done = run(EXAMPLE, "--folder", "taken", folder=tmp_path)

    assert done.returncode == 2
    assert done.stdout == ""
    assert re.fullmatch(
        r"download\.py: error: argument --folder: .*'taken'\n", done.stderr
    )


@backends
def test_a_download_that_breaks_off_leaves_no_half_file(
    backend: str, tmp_path: Path
) -> None:
    with serve(lambda _: Answer("half", missing=4)) as service:
        options = ["--backend", backend, "--attempts", "2"]
        done = run(EXAMPLE, *options, f"{service.address}/x", folder=tmp_path)

    assert done.returncode == 1
    assert len(service.asked) == 2
    assert files(tmp_path / "downloads") == {}
    assert len(failures(tmp_path / "downloads")) == 2


@backends
def test_what_was_complete_stays_after_ctrl_c(backend: str, tmp_path: Path) -> None:
    def answer(path: str) -> Answer | None:
        match path:
            case "/good":
                return Answer("good")
            case "/gone":
                return Answer(status=404)
            case _:
                return None

    with serve(answer) as service:
        urls = [f"{service.address}/{name}" for name in ("good", "gone", "slow")]
        options = ["--backend", backend, *urls]
        left = interrupt(EXAMPLE, *options, when=service.waiting, folder=tmp_path)

    assert_left_cleanly(*left)
    folder = tmp_path / "downloads"
    assert files(folder) == {"0001-good": "good"}
    assert failures(folder) == [
        ["url", "error"],
        [f"{service.address}/gone", "404 Not Found"],
    ]
