"""What is checked, and by which commands.

`nox` runs everything, `nox -s lint` a part, `nox -l` lists the parts. In continuous
integration, `.ci/run` runs the same sessions, three at a time.
"""

import re
import shlex
import shutil
import tomllib
from pathlib import Path
from zipfile import ZipFile

import nox

nox.needs_version = ">=2025.2.9"
# Use the pip that comes with Python: users may have no newer one.
nox.options.default_venv_backend = "venv"
nox.options.error_on_missing_interpreters = False

OLDEST = "3.11"
PYTHONS = [OLDEST, "3.12", "3.13"]
# It takes minutes, and longer under coverage, so it has a session of its own.
EVERY = "tests/concurrent/test_every_schedule.py"
# Run once, on the oldest Python: the tests of examples, pages and editors, the tests of
# the tests and of the test tools, and the files with many schedules.
ONCE = [
    "tests/test_coming_from.py",
    "tests/test_elsewhere.py",
    "tests/test_example*.py",
    "tests/test_hover.py",
    "tests/test_pages.py",
    "tests/test_programs.py",
    "tests/concurrent/test_flatten.py",
    "tests/concurrent/test_keys.py",
    "tests/concurrent/test_limiter.py",
    "tests/concurrent/test_statistics.py",
    "tests/concurrent/test_until.py",
    "tests/concurrent/test_zip.py",
    "tests/*mutants.py",
    "tests/*/*mutants.py",
    "tests/sequential/test_faults.py",
    "tests/concurrent/contract/test_faults.py",
    "tests/testing/test_explore_all.py",
    "tests/testing/test_laws*.py",
    "tests/testing/test_rare_faults.py",
]
# Run on the newest Python alone: the sources that hold blocks, and, where the tests of
# leaving have three kinds of sources, all but the generator.
NESTING = "tests/concurrent/contract/test_nesting.py"
ONE_KIND = "not (contract and (holding_a_block or -Source-))"
LESS = [f"--ignore={NESTING}", "-k", ONE_KIND]
WITHOUT_ONCE = [f"--ignore-glob={name}" for name in [*ONCE, EVERY]]

# Pythons that need not be installed, by the version of Pyodide that contains each.
NEWEST = {"314": "3.14", "315.0.0-alpha.2": "3.15"}
# The tests that do not run there, and why.
NOT_ON_NODE = {
    "concurrent/contract/test_ctrl_c.py": "needs an event loop that waits for real",
    "concurrent/contract/test_loops.py": "needs an event loop that waits for real",
    "concurrent/contract/test_nesting.py": "needs Trio",
    "concurrent/test_backend.py": "needs Trio",
    "sequential/test_threads.py": "needs threads",
    "testing/test_fixtures.py": "starts pytest within itself, with Trio",
    "testing/test_virtual_time.py": "needs Trio",
    # Everything is several times as slow there, so the slowest is left out, beginning
    # with what says least about a new Python.
    "concurrent/contract/test_faults.py": "slow: tries the tests",
    "concurrent/contract/test_reading.py": "slow: each reading of each operator",
    "concurrent/contract/test_scoped_sources.py": "slow",
    "concurrent/contract/test_cleanup.py": "slow: each way out of each operator",
    "concurrent/contract/test_interruption.py": "slow: each step of each way out",
    "concurrent/test_every_schedule.py": "slow: all schedules of small programs",
    "concurrent/test_flatten.py": "slow: many schedules",
    "concurrent/test_keys.py": "slow: many schedules",
    "concurrent/test_limiter.py": "slow: many combinations",
    "concurrent/test_mutants.py": "slow: tries the tests",
    "concurrent/test_statistics.py": "slow: many schedules",
    "concurrent/test_until.py": "slow: many schedules",
    "concurrent/test_zip.py": "slow: many schedules",
    "sequential/test_faults.py": "slow: tries the tests",
    "sequential/test_mutants.py": "slow: tries the tests",
    "sequential/test_twin_mutants.py": "slow: tries the tests",
    "testing/test_explore.py": "slow: many schedules",
    "testing/test_explore_all.py": "slow: all schedules",
    "testing/test_laws.py": "slow: judges other libraries too",
    "testing/test_laws_of_leaving.py": "slow: judges other libraries too",
    "testing/test_rare_faults.py": "slow: many schedules",
}
ON_NODE = [
    *(f"tests/{each}" for each in ("concurrent", "sequential", "testing")),
    *(f"--ignore=tests/{each}" for each in NOT_ON_NODE),
    *["-k", f"not trio and {ONE_KIND}"],
    # On 3.15, linecache warns of the frame by which Pyodide runs everything, and
    # Hypothesis of a generator of random numbers that it holds itself.
    *["-W", "default:Module globals is missing:DeprecationWarning"],
    *["-W", "ignore:It looks like `register_random` was passed an object"],
]

# Tests of code that differs by Python, so coverage is measured on the newest too.
NEWER = ["tests/sequential/test_twins.py", "-k", "asum"]
HERE = Path(__file__).parent


def readme_command(word: str) -> str:
    """Return the one command of the README that installs and then runs *word*."""
    lines = (HERE / "README.md").read_text().splitlines()
    (command,) = (
        line for line in lines if line.startswith("python -m pip ") and word in line
    )
    return command


def floors() -> list[str]:
    """Return the lowest versions that pyproject.toml promises to work with."""
    project = tomllib.loads((HERE / "pyproject.toml").read_text())["project"]
    needed = [*project["dependencies"], *project["optional-dependencies"]["test"]]
    # An older anyio brings a plugin that a newer pytest warns of.
    held = ("anyio>=", "trio>=", "pytest>=")
    return [need.replace(">=", "==") for need in needed if need.startswith(held)]


@nox.session(python=PYTHONS)
def tests(session: nox.Session) -> None:
    """Run the README's test command; measure what it reaches.

    On the oldest Python with coverage, which takes twice as long, and so without what
    `schedules` runs and a part of the contract; on others without what is tried once.
    """
    data = HERE / f".coverage.{session.python}"
    for old in HERE.glob(f"{data.name}.*"):
        old.unlink()
    measure = {
        "COVERAGE_FILE": str(data),
        "COVERAGE_PROCESS_START": str(HERE / "pyproject.toml"),
    }
    less = WITHOUT_ONCE
    if session.python == OLDEST:
        less = [f"--ignore-glob={EVERY}", *LESS]
    command = f"{readme_command('pytest')} {shlex.join([*less, *session.posargs])}"
    whole = measure if session.python == OLDEST else {}
    session.run("bash", "-c", command, env=whole, external=True)
    if session.python == PYTHONS[-1]:
        session.run("python", "-m", "pytest", "-q", *NEWER, env=measure)


@nox.session(python=OLDEST)
def schedules(session: nox.Session) -> None:
    """Run small programs under every schedule with two preemptions."""
    session.install("-e", ".", "hypothesis>=6.100", "pytest>=8.3", "trio")
    session.run("python", "-m", "pytest", "-q", EVERY, *session.posargs)


@nox.session(python=OLDEST)
def newest(session: nox.Session) -> None:
    """Run what needs no socket and no Trio on Python 3.14 and 3.15, under Node.

    On both at once, since each takes some minutes.
    """
    if not shutil.which("npm"):
        session.skip("Python 3.14 and 3.15 run on Node here, and there is no npm")
    place = Path(session.create_tmp()).resolve()
    needs = ["anyio", "hypothesis", "more-itertools", "pytest", "typing-extensions"]
    plain = "--only-binary=:all: --implementation=py --platform=any --abi=none"
    runs: list[str] = []
    for pyodide, python in NEWEST.items():
        tools = place / python
        options = [*plain.split(), f"--python-version={python}"]
        session.install("--upgrade", *options, f"--target={tools / 'site'}", *needs)
        npm = ["npm", "install", "--silent", "--no-save", "--prefix", str(tools)]
        session.run(*npm, f"pyodide@{pyodide}", external=True)
        run = ["node", "tests/on_node.mjs", str(tools), str(HERE), "-q", "--no-header"]
        run += session.posargs or ON_NODE
        runs.append(f"{shlex.join(run)} >{shlex.quote(str(tools / 'log'))} 2>&1 &")
    logs = shlex.join(str(place / python / "log") for python in NEWEST.values())
    script = "\n".join(
        [
            *(f"{run} ids+=($!)" for run in runs),
            'failed=0; for id in "${ids[@]}"; do wait "$id" || failed=1; done',
            f'cat {logs}; exit "$failed"',
        ]
    )
    session.run("bash", "-c", script, external=True)


@nox.session(python=PYTHONS)
def others(session: nox.Session) -> None:
    """Run the tests of other libraries on our operators; CPython's on each Python."""
    session.install("-e", ".", "pytest>=8.3", "trio")
    place = Path(session.create_tmp()).resolve()
    suites = [] if session.python == OLDEST else ["cpython"]
    command = ["-m", "tests.others", "--folder", str(place)]
    session.run("python", *command, *(session.posargs or suites))


@nox.session(python=OLDEST)
def elsewhere(session: nox.Session) -> None:
    """Compare with RxJS, p-map and Node.js, which needs Node."""
    if not shutil.which("npm"):
        session.skip("there is no npm")
    place = Path(session.create_tmp()).resolve()
    npm = ["npm", "install", "--silent", "--no-save", "--prefix", str(place)]
    session.run(*npm, "rxjs@7", "p-map@7", external=True)
    session.install("-e", ".[test]")
    env = {"AITERKIT_NODE_MODULES": str(place)}
    session.run("python", "-m", "pytest", "-q", "tests/test_elsewhere.py", env=env)


@nox.session(python=OLDEST)
def coverage(session: nox.Session) -> None:
    """Check that the runs so far have reached every branch."""
    session.install("coverage[toml]")
    session.run("coverage", "combine")
    session.run("coverage", "report")


@nox.session(python=OLDEST)
def lint(session: nox.Session) -> None:
    """Check style, format and who imports whom."""
    session.install("-e", ".[lint]")
    session.run("ruff", "check")
    session.run("ruff", "format", "--check")
    session.run("lint-imports")


@nox.session(python=OLDEST)
def types(session: nox.Session) -> None:
    """Check all code with two type checkers, and the type tests with four."""
    session.install(".[bench,examples,lint,test]", "aiostream")
    session.run("mypy")
    session.run("pyright")
    session.run("pytest", "tests/typing")
    # What is published, with the standard library of the Pythons that are newer.
    for python in NEWEST.values():
        session.run("mypy", f"--python-version={python}", "src", "tests/typing")
        session.run("pyright", f"--pythonversion={python}", "src", "tests/typing")


@nox.session(python=OLDEST)
def completeness(session: nox.Session) -> None:
    """Report the public types that a user's type checker would have to infer."""
    session.install(".", "pyright[nodejs]")
    session.run("pyright", "--verifytypes", "aiterkit", "--ignoreexternal")


@nox.session(python=PYTHONS[:2])
def floor(session: nox.Session) -> None:
    """Run the tests with the oldest anyio and Trio that are promised to work."""
    constraints = Path(session.create_tmp(), "floors.txt")
    constraints.write_text("\n".join(floors()))
    session.install("-e", ".[test]", "-c", str(constraints))
    session.run("python", "-m", "pytest", *WITHOUT_ONCE, *LESS, *session.posargs)


@nox.session(python=OLDEST)
def example(session: nox.Session) -> None:
    """Run the README's main command, as it stands there; and what needs Dask."""
    session.run("bash", "-c", readme_command("compare.py"), external=True)
    session.install("-e", ".[cluster,test]")
    dask = ["tests/test_dask.py", "tests/test_example_cluster.py"]
    session.run("python", "-m", "pytest", *dask)


@nox.session(python=OLDEST)
def docs(session: nox.Session) -> None:
    """Build the documentation: strictly, and from this folder alone."""
    if not (HERE / "docs" / "conf.py").exists():
        session.skip("there is no docs/conf.py")
    session.install("-e", ".[docs]")
    nowhere = "http://127.0.0.1:9"
    offline = {"http_proxy": nowhere, "https_proxy": nowhere}
    session.run("sphinx-build", "-nWTq", "--keep-going", "docs", "site", env=offline)
    loads = re.compile(r"""<(?:script|img|link)\b[^>]*["']https?:|url\(["']?https?:""")
    pages = [*(HERE / "site").rglob("*.html"), *(HERE / "site").rglob("*.css")]
    if found := [page.name for page in pages if loads.search(page.read_text())]:
        session.error(f"something is loaded from the network by {found}")


@nox.session(python=OLDEST, default=False)
def every(session: nox.Session) -> None:
    """Run small programs under every schedule, and write the page on them."""
    session.install("-e", ".", "pytest>=8.3", "trio")
    command = ["-m", "tests.concurrent.every_schedule"]
    session.run("python", *command, *session.posargs)


@nox.session(python=OLDEST)
def bench(session: nox.Session) -> None:
    """Check that the benchmarks run; `nox -s bench -- --help` lists what they do."""
    if not (HERE / "benchmarks" / "__main__.py").exists():
        session.skip("there is no benchmarks/__main__.py")
    session.install("-e", ".[bench]")
    session.run("python", "-m", "benchmarks", *(session.posargs or ["--smoke"]))


@nox.session(python=OLDEST)
def build(session: nox.Session) -> None:
    """Build what would be published, and check that nothing is missing or extra."""
    session.install("build", "twine")
    place = Path(session.create_tmp(), "dist")
    for old in place.glob("*"):
        old.unlink()
    session.run("python", "-m", "build", "--outdir", str(place))
    session.run("twine", "check", "--strict", *map(str, place.iterdir()))
    (wheel,) = place.glob("*.whl")
    names = ZipFile(wheel).namelist()
    folders = {name.partition("/")[0].partition("-")[0] for name in names}
    if folders != {"aiterkit"} or "aiterkit/py.typed" not in names:
        session.error(f"the wheel holds {names}")
    page = ZipFile(wheel).read(f"{wheel.name.rpartition('-py3')[0]}.dist-info/METADATA")
    if found := re.findall(rb"\]\((?!https://)[^)]*\)", page):
        session.error(f"links that lead nowhere from a package page: {found}")
    # From the sdist alone, a part of the tests: all else they need is the same.
    (sdist,) = place.glob("*.tar.gz")
    shutil.unpack_archive(sdist, place)
    session.install(f"aiterkit[test] @ {sdist.resolve().as_uri()}")
    session.chdir(sdist.with_name(sdist.name.removesuffix(".tar.gz")))
    part = ["tests/test_public.py", "tests/test_calls.py"]
    session.run("python", "-m", "pytest", "-q", *part)
