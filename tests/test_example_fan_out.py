"""Does `examples/fan_out.py` do its job, as a person would run it?"""

import json
import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Barrier, Event, Semaphore

import pytest

from .programs import (
    EXAMPLES,
    PYTHON,
    Answer,
    assert_left_cleanly,
    backends,
    interrupt,
    run,
    serve,
)

EXAMPLE = EXAMPLES / "fan_out.py"
NOWHERE = Answer(status=404)


def event(token: str) -> str:
    return f"data: {json.dumps({'choices': [{'delta': {'content': token}}]})}\n\n"


def prompt_of(text: str) -> str:
    prompt: str = json.loads(text)["messages"][-1]["content"]
    return prompt


def echo(text: str) -> Iterator[str]:
    yield event(f"{prompt_of(text)}!")
    yield 'data: {"choices": []}\n\n'
    yield "data: [DONE]\n\n"


@backends
def test_without_an_address_it_asks_a_service_of_its_own(backend: str) -> None:
    prompts = ["What is alen?", "Who are you?", "And amin?"]
    done = run(EXAMPLE, "--backend", backend, "--limit", "2", *prompts)

    assert done.stderr == ""
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[:9] == [
        "1. What is alen?",
        "Return how many items *source* gives, as `more_itertools.ilen` does.",
        "",
        "2. Who are you?",
        "I know the names of aiterkit, and nothing else.",
        "",
        "3. And amin?",
        "Return the smallest item of *source*, the first of equal ones, as `min` does.",
        "",
    ]
    assert re.fullmatch(r"\d+ tokens, at most 2 requests at a time", lines[9])
    assert re.fullmatch(
        r"answers: 3 complete; \d\.\d s instead of \d\.\d s one after the other",
        lines[10],
    )
    assert len(lines) == 11


@backends
def test_tokens_are_shown_as_they_come_and_answers_in_order(backend: str) -> None:
    go_on = Event()
    second_is_over = Semaphore(0)

    def stream(text: str) -> Iterator[str]:
        match prompt_of(text):
            case "one":
                yield event("slow")
                go_on.wait(timeout=60)
                yield event("ly")
            case "two":
                yield from echo(text)
                second_is_over.release()
            case _:
                yield from echo(text)

    with serve(lambda _: NOWHERE, stream) as service:
        options = ["--backend", backend, "--limit", "2", "--address", service.address]
        process = subprocess.Popen(
            [*PYTHON, str(EXAMPLE), *options, "one", "two", "three"],
            stdout=subprocess.PIPE,
        )
        try:
            assert process.stdout is not None
            shown = b""
            while not shown.endswith(b"slow"):
                part = os.read(process.stdout.fileno(), 1)
                assert part, shown
                shown += part
            # The second answer is read meanwhile, and keeps its place among the two.
            assert second_is_over.acquire(timeout=60)
            assert len(service.asked) == 2
            go_on.set()
            rest = process.stdout.read()
        finally:
            go_on.set()
            process.kill()
            process.wait()
            assert process.stdout is not None
            process.stdout.close()

    assert (
        (shown + rest)
        .decode()
        .startswith(
            "1. one\nslowly\n\n2. two\ntwo!\n\n3. three\nthree!\n\n4 tokens, at most "
        )
    )


@backends
def test_requests_overlap_up_to_the_limit_and_never_beyond(backend: str) -> None:
    together = Barrier(3)

    def stream(text: str) -> Iterator[str]:
        together.wait(timeout=60)
        time.sleep(0.1)  # for one too many to show itself, if there is one
        return echo(text)

    with serve(lambda _: NOWHERE, stream) as service:
        options = ["--backend", backend, "--limit", "3", "--per-second", "1000"]
        prompts = map(str, range(9))
        done = run(EXAMPLE, *options, "--address", service.address, *prompts)

    assert done.stderr == ""
    assert done.returncode == 0
    assert len(service.asked) == 9
    assert service.overlap == 3


def test_requests_are_paced() -> None:
    with serve(lambda _: NOWHERE, echo) as service:
        options = ["--per-second", "10", "--address", service.address]
        done = run(EXAMPLE, *options, *map(str, range(13)))

    seconds = re.search(r"13 complete; (\d+\.\d) s", done.stdout)
    assert seconds is not None
    assert float(seconds[1]) >= 1.2  # twelve waits of a tenth


@backends
def test_an_answer_that_fails_is_reported_in_its_place(backend: str) -> None:
    def stream(text: str) -> Answer | Iterator[str]:
        match prompt_of(text):
            case "busy":
                return Answer(status=503)
            case "mad":
                return iter([event("Well, "), "data: <html>\n\n"])
            case _:
                return echo(text)

    with serve(lambda _: NOWHERE, stream) as service:
        options = ["--backend", backend, "--address", service.address]
        done = run(EXAMPLE, *options, "busy", "fine", "mad", "well")

    assert done.stderr == ""
    assert done.returncode == 1
    assert done.stdout.startswith(
        "1. busy\n[failed: 503 Service Unavailable]\n\n2. fine\nfine!\n\n"
        "3. mad\nWell, [failed: not an event of a chat completion: <html>]\n\n"
        "4. well\nwell!\n"
    )


@backends
def test_when_the_budget_is_spent_answers_are_cut_off(backend: str) -> None:
    def stream(_: str) -> Iterator[str]:
        while not service.over.wait(0.01):
            yield event("word ")

    with serve(lambda _: NOWHERE, stream) as service:
        options = ["--backend", backend, "--address", service.address]
        budget = ["--limit", "2", "--budget", "10", "one", "two", "three", "four"]
        done = run(EXAMPLE, *options, *budget)

    assert done.stderr == ""
    assert done.returncode == 1
    assert done.stdout.count("word ") == 10
    assert done.stdout.count("[cut off: the budget is spent]") == 2
    assert sorted(map(prompt_of, service.asked)) == ["one", "two"]
    assert "10 tokens, at most 2 requests at a time" in done.stdout
    assert "answers: 2 cut off, 2 not asked; " in done.stdout


def test_a_service_that_nobody_runs_is_reported() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # and nobody listens
        nobody = f"http://127.0.0.1:{unused.getsockname()[1]}"
        done = run(EXAMPLE, "--address", nobody, "hello")

    assert done.stderr == ""
    assert done.returncode == 1
    assert re.match(r"1\. hello\n\[failed: .+\]\n\n0 tokens, ", done.stdout)


def test_the_key_is_taken_from_the_variable_that_was_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with serve(lambda _: NOWHERE, echo) as service:
        options = ["--address", service.address, "--key-variable", "OF_THE_TEST", "hi"]
        without = run(EXAMPLE, *options)
        monkeypatch.setenv("OF_THE_TEST", "sesame")
        run(EXAMPLE, *options)

    assert without.returncode == 2
    assert "--key-variable: OF_THE_TEST is not set" in without.stderr
    assert service.keys == ["Bearer sesame"]


@backends
def test_ctrl_c_leaves_cleanly(backend: str, tmp_path: Path) -> None:
    def stream(text: str) -> Iterator[str] | None:
        return echo(text) if prompt_of(text) == "first" else None

    with serve(lambda _: NOWHERE, stream) as service:
        options = ["--backend", backend, "--address", service.address]
        prompts = ["first", "second", "third"]
        when = service.waiting
        left = interrupt(EXAMPLE, *options, *prompts, when=when, folder=tmp_path)

    assert_left_cleanly(*left)
