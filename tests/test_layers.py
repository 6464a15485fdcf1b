"""The floors of the package, and what each of its files may hold."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import aiterkit

PACKAGE = Path(aiterkit.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
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


# What of anyio is used.
ANYIO = """
import anyio.abc, anyio.lowlevel
from anyio import CancelScope, CapacityLimiter, Event, TaskHandle, WouldBlock
from anyio import create_task_group, current_time, get_current_task, move_on_after
"""


def loaded_by(program: str) -> set[str]:
    """The modules that are there after *program*, by a Python of its own."""
    program = f"import sys\n{program}\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_the_import_loads_little_beside_anyio() -> None:
    """An event loop, `concurrent.futures` and test tools would take most of its time.

    The performance page says how long it takes.
    """
    by_us, by_anyio = loaded_by("import aiterkit"), loaded_by(ANYIO)
    others = {name for name in by_us - by_anyio if not name.startswith("aiterkit")}
    assert {name.lstrip("_") for name in others} <= {"bisect", "heapq", "struct"}
    assert not {name for name in by_us if name.startswith("aiterkit.testing")}
    # The oldest anyio that we work with loads asyncio by itself.
    ours = by_us - by_anyio
    assert not ours & {"asyncio", "concurrent.futures", "logging", "trio"}


@pytest.mark.parametrize(
    "file",
    sorted(PACKAGE.glob("_concurrent/*/state.py")),
    ids=lambda file: file.parent.name,
)
def test_a_state_never_waits(file: Path) -> None:
    waits = (ast.Await, ast.AsyncFunctionDef, ast.AsyncFor, ast.AsyncWith)
    tree = ast.parse(file.read_text())
    assert not [node for node in ast.walk(tree) if isinstance(node, waits)]


def test_every_family_has_a_state_and_a_scope() -> None:
    families = {file.parent for file in PACKAGE.glob("_concurrent/*/*.py")}
    assert {family.name for family in families} >= {"flatten", "map", "merge"}
    for family in families:
        assert (family / "state.py").exists(), family.name
        assert (family / "scope.py").exists(), family.name


def test_no_two_classes_have_one_name() -> None:
    names: dict[str, list[str]] = {}
    for file in FILES:
        for node in ast.parse(file.read_text()).body:
            if isinstance(node, ast.ClassDef):
                names.setdefault(node.name.strip("_"), []).append(str(file))
    assert {name: files for name, files in names.items() if len(files) > 1} == {}


ARCHITECTURE = ROOT / "docs" / "architecture.md"


@pytest.mark.skipif(not ARCHITECTURE.exists(), reason="needs the repository")
def test_what_the_architecture_page_names_exists() -> None:
    known: set[str] = set()
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text())):
            known.add(getattr(node, "name", "") or getattr(node, "id", ""))
    text = ARCHITECTURE.read_text()
    quoted = set(re.findall(r"`([A-Z][a-z]\w+(?:\.\w+)?)`", text))
    parts = {part for name in quoted for part in name.split(".")}
    assert parts - known == set()
    classes = {
        node.name: node
        for file in FILES
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ClassDef)
    }

    def has(owner: str, member: str) -> bool:
        if owner not in classes:
            return False
        node = classes[owner]
        bases = [ast.unparse(base).partition("[")[0] for base in node.bases]
        return member in {getattr(each, "name", "") for each in node.body} or any(
            has(base, member) for base in bases
        )

    methods = [name.split(".") for name in quoted if "." in name]
    assert [name for name in methods if not has(*name)] == []
    paths = re.findall(r"`((?:\w+/)+\w+\.(?:py|md))`", text)
    for path in set(paths):
        roots = (ROOT, PACKAGE, PACKAGE / "_concurrent")
        assert any((root / path).exists() for root in roots), path
