"""Is what the README shows what one gets?"""

import re
import runpy
import sys
import tomllib
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Literal

import anyio
import pytest

import aiterkit
from aiterkit.testing import run_in_virtual_time

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
BLOCK = re.compile(r"^```(?P<kind>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(kind: str) -> list[str]:
    return [block["text"] for block in BLOCK.finditer(README) if block["kind"] == kind]


def test_the_first_screen_says_what_it_is_and_shows_install_program_and_output() -> (
    None
):
    top = README.splitlines()[:45]
    (program,) = blocks("python")
    fences = [line for line in top if line.startswith("```") and line != "```"]
    first = README.partition("```")[0].partition("\n\n")[2]
    sentences = re.findall(r"[.:] [A-Z]|[.:]\n[A-Z]", first.partition("\n\n")[0])

    assert fences == ["```sh", "```python", "```text"]
    assert len(program.splitlines()) <= 15
    assert len(sentences) == 2  # between three sentences
    assert "](docs/concurrency.md)" in first.partition(". ")[0]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_the_program_prints_what_is_shown(
    backend: Literal["asyncio", "trio"],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (program,) = blocks("python")
    (output,) = blocks("text")
    mains: list[Callable[[], Awaitable[None]]] = []

    with monkeypatch.context() as patch:
        patch.setattr(anyio, "run", mains.append)
        exec(compile(program, "README.md", "exec"), {})  # noqa: S102  # our own words
    for main in mains:
        run_in_virtual_time(main, backend=backend)

    assert capsys.readouterr().out == output


def test_it_speaks_of_names_that_exist() -> None:
    named = set(re.findall(r"`(a[a-z_]+|concurrent_[a-z_]+)`", README))
    elsewhere = {"aiterkit", "as_completed", "await"}

    assert named - elsewhere <= set(aiterkit.__all__)


def test_each_picture_is_there_and_is_told_in_words() -> None:
    pictures = re.findall(r"!\[(?P<words>[^\]]*)\]\((?P<file>[^)]*)\)", README)

    assert pictures
    for words, file in pictures:
        assert (ROOT / file).is_file()
        assert len(words) > 100


def test_each_public_name_has_its_place() -> None:
    section = README.partition("## Which one")[2].partition("## ")[0]

    assert set(aiterkit.__all__) <= set(re.findall(r"`(\w+)(?:\[T\])?`", section))


def test_a_fresh_machine_needs_these_commands() -> None:
    assert blocks("sh") == [
        "python -m pip install .\n",
        'python -m pip install ".[examples]" && python examples/compare.py\n',
        'python -m pip install -e ".[test]" && python -m pytest\n',
    ]


def test_each_link_leads_to_a_file() -> None:
    links = re.findall(r"\]\(([^)]*)\)", README)

    assert len(links) > 10
    assert [link for link in links if not (ROOT / link).is_file()] == []


def test_on_a_package_page_each_link_leads_to_the_repository(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    repository = project["urls"]["Repository"]
    # The build backend is not there where tests run.
    backend = "hatchling.metadata.plugin.interface"
    stub = SimpleNamespace(MetadataHookInterface=object)
    monkeypatch.setitem(sys.modules, backend, stub)
    written = runpy.run_path(str(ROOT / "hatch_build.py"))["absolute"](
        README, repository
    )

    assert all(url.startswith(repository) for url in project["urls"].values())
    assert "![Two timelines. With amap, call a" in written
    assert f"]({repository}/raw/main/docs/_static/two-timelines.svg)" in written
    assert f"]({repository}/blob/main/docs/tutorial.md)" in written
    links = re.findall(r"\]\(([^)]*)\)", written)
    assert [link for link in links if not link.startswith(f"{repository}/")] == []
    assert re.sub(rf"{repository}/(raw|blob)/main/", "", written) == README
