"""Where the project lives: asked of ``[project.urls]``, the one place that says it."""

import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent.parent
BRANCH = "main"


def project() -> dict[str, Any]:
    """Return the project table of pyproject.toml."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        found: dict[str, Any] = tomllib.load(file)["project"]
    return found


def urls() -> dict[str, str]:
    """Return the addresses, by their names."""
    return dict(project()["urls"])


def edit(path: str) -> str:
    """Return the address at which a file of the repository can be edited."""
    return f"{urls()['Repository']}/edit/{BRANCH}/{path}"


def raw(path: str) -> str:
    """Return the address of a file itself, such as a picture."""
    return f"{urls()['Repository']}/raw/{BRANCH}/{path}"
