"""Do the command lines of all examples tell what they take, and refuse the rest?"""

import runpy
import sys
from pathlib import Path

import pytest

from .programs import EXAMPLES


@pytest.fixture(params=sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def example(request: pytest.FixtureRequest) -> Path:
    script: Path = request.param
    return script


def run_here(
    script: Path, *arguments: str, monkeypatch: pytest.MonkeyPatch
) -> int | str | None:
    """Run it in this process, which is faster; it ends with its command line."""
    monkeypatch.setattr(sys, "argv", [script.name, *arguments])
    monkeypatch.setenv("COLUMNS", "1000")
    with pytest.raises(SystemExit) as caught:
        runpy.run_path(str(script), run_name="__main__")
    return caught.value.code


def test_the_help_names_every_option_and_its_default(
    example: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_here(example, "--help", monkeypatch=monkeypatch) == 0

    shown = capsys.readouterr().out
    assert "The exit code is 1" in shown or "Fetch the same" in shown
    assert "--limit N" in shown
    assert "--backend {asyncio,trio}" in shown
    assert "(default: " in shown


def test_a_limit_below_one_is_refused(
    example: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_here(example, "--limit", "0", monkeypatch=monkeypatch) == 2

    shown = capsys.readouterr().err
    assert "argument --limit: must be at least 1, not 0" in shown


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("crawl", ["page"]), ("ingest", ["page"]), ("fan_out", ["--address", "page"])],
)
def test_what_is_no_address_is_refused(
    name: str,
    arguments: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    script = EXAMPLES / f"{name}.py"
    assert run_here(script, *arguments, monkeypatch=monkeypatch) == 2

    shown = capsys.readouterr().err
    assert "must be an http or https URL, not 'page'" in shown
