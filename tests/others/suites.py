"""Which suites there are, where their tests come from, and what is known of each."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
LIST = HERE / "differences.toml"
PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


@dataclass(frozen=True)
class Suite:
    """One package's tests."""

    name: str
    title: str
    """What the documentation calls it."""
    version: str = ""
    """Of the package; empty for CPython's, which come with the Python that runs."""
    files: list[str] = field(default_factory=list[str])
    modules: list[str] = field(default_factory=list[str])
    kept: list[str] = field(default_factory=lambda: ["*"])
    left_out: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    differences: dict[str, list[str]] = field(default_factory=dict[str, list[str]])

    @property
    def key(self) -> str:
        """Return what its counts are kept under."""
        return self.name if self.version else f"{self.name} {PYTHON}"


def suites() -> dict[str, Suite]:
    """Return every suite, by name."""
    listed: dict[str, dict[str, Any]] = tomllib.loads(LIST.read_text(encoding="utf-8"))
    return {name: Suite(name=name, **what) for name, what in listed.items()}


def missing(suite: Suite) -> str | None:
    """Say why *suite* cannot run here, if it cannot."""
    for module in suite.modules:
        package = module.partition(".")[0]
        if not (found := importlib.util.find_spec(package)) or not found.origin:
            return f"this Python {PYTHON} was installed without its `{package}` package"
        if not importlib.util.find_spec(module):
            return f"this Python {PYTHON} was installed without `{module}`"
    return None


def fetched(suite: Suite, folder: Path) -> Path:
    """Return the source distribution of *suite*, unpacked below *folder*."""
    place = folder / f"{suite.name}-{suite.version}"
    if not place.exists():
        archives = folder / "archives"
        needed = f"{suite.name}=={suite.version}"
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        only = [f"--no-binary={suite.name}", f"--dest={archives}", needed]
        subprocess.run([*pip, *only], check=True)
        stem = suite.name.replace("-", "[-_]")
        (archive,) = archives.glob(f"{stem}-{suite.version}.tar.gz")
        shutil.unpack_archive(archive, folder / "unpacked", filter="data")
        (unpacked,) = (folder / "unpacked").glob(f"{stem}-{suite.version}")
        unpacked.rename(place)
    return place


def outcomes(suite: Suite, folder: Path) -> dict[str, str]:
    """Run *suite* on our operators, and return what came of each test."""
    folder.mkdir(parents=True, exist_ok=True)
    if suite.version:
        place = fetched(suite, folder)
        path = [place, place / "src"]
        what = list(suite.files)
    else:
        place = folder
        path = []
        what = ["--pyargs", *suite.modules]
    written = folder / f"{suite.key}.json"
    written.unlink(missing_ok=True)
    left_out = [name for names in suite.left_out.values() for name in names]
    told = {
        "shim": suite.name.replace("-", "_"),
        "kept": suite.kept,
        "left_out": left_out,
    }
    env = os.environ | {
        "PYTHONPATH": os.pathsep.join(map(str, path)),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OTHERS_SUITE": json.dumps(told),
        "OTHERS_OUTCOMES": str(written),
    }
    plain = ["-q", "--assert=plain", "-c", os.devnull, f"--rootdir={place}"]
    alone = ["-p", "no:cacheprovider", "-p", "no:xdist"]
    # A test that hangs says where, and ends the run.
    loud = ["-o", "faulthandler_timeout=300", "-o", "faulthandler_exit_on_timeout=true"]
    loose = ["-W", "ignore", "-o", "python_files=*.py", "--no-header", "--tb=line"]
    run = subprocess.run(
        [sys.executable, str(HERE / "launch.py"), *plain, *alone, *loud, *loose, *what],
        cwd=place,
        env=env,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if not written.exists():
        raise RuntimeError(f"{suite.name} did not run to its end:\n{run.stdout}")
    result: dict[str, str] = json.loads(written.read_text())
    return result
