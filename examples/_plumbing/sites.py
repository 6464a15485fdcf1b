"""What do the servers on the loopback interface have to offer?

Each class here is one of them: pages, files, records or answers, as slow and as faulty
as the network would be, but the same every time.
"""

from _plumbing.loopback import Reply, latency

import inspect
import json
import os
import re
import time
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path
from threading import Lock
from urllib.parse import parse_qs, quote, urlsplit
from zlib import crc32

import aiterkit

LARGEST_FILE = 256 * 1024
HTML = "text/html"
JSON = "application/json"
QUESTIONS = [
    f"What does {name} do?"
    for name in (
        *("amap", "concurrent_map", "concurrent_map_unordered", "concurrent_flat_map"),
        *("concurrent_expand", "concurrent_batched", "concurrent_merge"),
        *("concurrent_buffer", "captured", "timed", "paced", "offloaded"),
    )
]


class Files:
    """*count* files of this repository, each with 20 to 80 milliseconds of latency."""

    def __init__(self, count: int) -> None:
        examples = Path(__file__).parent.parent
        is_cloned = (examples.parent / "pyproject.toml").is_file()
        folder = examples.parent if is_cloned else examples
        self.pages: dict[str, Path] = {}
        # If there are too few, they come again with a query.
        for file in islice(cycle(islice(find_files(folder), count)), count):
            path = quote(f"/{file.relative_to(folder).as_posix()}")
            again = path in self.pages
            self.pages[f"{path}?{len(self.pages)}" if again else path] = file

    def get(self, path: str) -> Reply:
        """Return the file at *path*."""
        time.sleep(latency(path, 20, 80))
        if path not in self.pages:
            return Reply(status=404)
        return Reply(self.pages[path].read_bytes())


def find_files(folder: Path) -> Iterator[Path]:
    """Yield the files in *folder* that are neither hidden nor very large."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name[0] not in "._")
        for path in (Path(place, name) for name in sorted(names) if name[0] != "."):
            if path.stat().st_size <= LARGEST_FILE:
                yield path


class Tree:
    """Pages with three more below each; one in twenty has a broken link."""

    def __init__(self, count: int) -> None:
        self._count = count

    def get(self, path: str) -> Reply:
        """Return the page at *path*, or where it has moved."""
        time.sleep(latency(path, 50, 150))
        kind, _, digits = path.strip("/").partition("/")
        number = int(digits or 0)
        if kind == "old":
            return Reply(status=301, location=f"/page/{number}")
        if kind not in {"", "page"} or number >= self._count:
            return Reply(status=404)
        links = ["/", "mailto:someone@example.org"]
        links += [
            f"/page/{below}#top"
            for below in range(3 * number + 1, 3 * number + 4)
            if below < self._count
        ]
        if number % 20 == 7:  # noqa: PLR2004  # any will do
            links += [f"/missing/{number // 40}", f"/old/{number - 1}"]
        text = "".join(f'<p><a href="{link}">{link}</a>' for link in links)
        return Reply(text.encode(), kind=HTML)


class Faulty:
    """Remembers the paths, so that one request in seven fails the first time."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._asked = set[str]()

    def fails(self, path: str) -> bool:
        """Say whether this request fails; the next one for *path* will not."""
        with self._lock:
            is_first = path not in self._asked
            self._asked.add(path)
        return is_first and crc32(path.encode()) % 7 == 0


class Catalogue(Faulty):
    """A JSON API: records in pages of twenty. A few records are broken for good."""

    PAGE = 20

    def __init__(self, count: int) -> None:
        super().__init__()
        self._count = count

    def get(self, path: str) -> Reply:
        """Return a page of the list, or a record."""
        time.sleep(latency(path, 20, 80))
        if self.fails(path):
            return Reply(status=503)
        url = urlsplit(path)
        if url.path == "/records":
            first = int(parse_qs(url.query).get("cursor", ["0"])[0])
            end = min(first + self.PAGE, self._count)
            items = [{"id": str(number)} for number in range(first, end)]
            following = str(end) if end < self._count else None
            text = json.dumps({"items": items, "next": following})
            return Reply(text.encode(), kind=JSON)
        number = int(url.path.rpartition("/")[2])
        body = json.dumps({"id": str(number), "name": f"record {number}"}).encode()
        match number % 150:
            case 42:
                return Reply(status=500)
            case 99:
                return Reply(status=404)
            case 123:
                return Reply(body[:20], kind=JSON)
            case _:
                return Reply(body, kind=JSON)


class Downloads(Faulty):
    """Files of a host, `/0.txt` and on. Every tenth is missing."""

    def get(self, path: str) -> Reply:
        """Return a file."""
        time.sleep(latency(path, 20, 80))
        if self.fails(path):
            return Reply(status=503)
        number = int(path.strip("/").partition(".")[0])
        if number % 10 == 9:  # noqa: PLR2004  # any will do
            return Reply(status=404)
        return Reply(f"This is file {number}.\n".encode() * 1000)


def quote_docstring(prompt: str) -> Iterator[str]:
    """Answer what a name of aiterkit does, token by token, as slowly as a model."""
    names = re.findall(r"\w+", prompt)
    name = next((name for name in names if name in aiterkit.__all__), None)
    text = "I know the names of aiterkit, and nothing else."
    if name is not None:
        doc = inspect.getdoc(getattr(aiterkit, name)) or ""
        about = doc.partition("\n\nExamples:")[0]
        # Without the timeline, which is indented.
        paragraphs = [part for part in about.split("\n\n") if part[0] != " "]
        text = "\n".join(paragraphs[:2])
    time.sleep(latency(prompt, 100, 300))
    for token in re.findall(r"\s*\S+", text):
        yield token
        time.sleep(latency(token, 10, 40))
