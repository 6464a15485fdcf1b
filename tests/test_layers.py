"""The wings never import each other, and the sequential one can start no task."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import aiterkit

PACKAGE = Path(aiterkit.__file__).parent
ROOT = PACKAGE.parents[1]
SEQUENTIAL = [*PACKAGE.glob("_sequential/*.py"), *PACKAGE.glob("_core/*.py")]


@pytest.mark.skipif(
    not (ROOT / "pyproject.toml").exists(), reason="needs the repository"
)
def test_the_contracts_are_kept() -> None:
    pytest.importorskip("importlinter")
    program = (
        "from importlinter.cli import lint_imports; raise SystemExit(lint_imports())"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, 'src'); {program}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("file", SEQUENTIAL, ids=lambda file: file.stem)
def test_nothing_there_knows_how_to_start_a_task(file: Path) -> None:
    starters = {
        "create_task_group",
        "create_task",
        "ensure_future",
        "gather",
        "open_nursery",
        "start_soon",
        "TaskGroup",
    }
    if file.parent.name == "_core" and file.name not in SEQUENTIAL_CORE:
        pytest.skip("the sequential wing does not stand on it")
    nodes = ast.walk(ast.parse(file.read_text()))
    names = {getattr(node, "attr", getattr(node, "id", "")) for node in nodes}
    assert not names & starters


def imports_of(file: Path) -> set[str]:
    """The rooms of ``_core`` that *file* imports."""
    return {
        f"{node.module.rpartition('.')[2]}.py"
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ImportFrom)
        and (node.module or "").startswith("aiterkit._core.")
        and node.module is not None
    }


SEQUENTIAL_CORE = set[str]().union(
    *(imports_of(file) for file in PACKAGE.glob("_sequential/*.py"))
)


def test_only_the_door_to_the_event_loop_imports_a_backend() -> None:
    for name in SEQUENTIAL_CORE - {"clock.py"}:
        tree = ast.parse((PACKAGE / "_core" / name).read_text())
        imported = {
            alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.Import)
            for alias in node.names
        }
        assert not imported & {"anyio", "asyncio", "trio"}
