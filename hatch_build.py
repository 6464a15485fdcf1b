"""How the README comes to a package page, where its relative links lead nowhere.

The addresses are those of ``[project.urls]``. A link leads to the file as the
repository shows it, a picture to the file itself.
"""

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

BRANCH = "main"
LINK = re.compile(
    r"(?P<picture>!?)\[(?P<text>[^\[\]]*)\]\((?P<path>[^():#]+)(?P<at>#[^)]*)?\)"
)


def absolute(readme: str, repository: str) -> str:
    """Return *readme* with the addresses of what it links."""

    def link(found: re.Match[str]) -> str:
        kind = "raw" if found["picture"] else "blob"
        address = f"{repository}/{kind}/{BRANCH}/{found['path']}{found['at'] or ''}"
        return f"{found['picture']}[{found['text']}]({address})"

    return LINK.sub(link, readme)


class CustomMetadataHook(MetadataHookInterface):
    """Writes the README of the package."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Add it to what pyproject.toml says."""
        text = Path(self.root, "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {
            "content-type": "text/markdown",
            "text": absolute(text, metadata["urls"]["Repository"]),
        }
