"""Do pictures and tables say what was measured?"""

import copy
import itertools
import re
import signal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from .test_docs import extension

charts = extension("charts")
measured = extension("measured")
soaked = extension("soaked")
TIMES: dict[str, Any] = measured.read()
FILES: dict[Path, str] = measured.files(TIMES)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_file_says_what_was_measured(path: Path) -> None:
    """After a change, ``python -m benchmarks figure --redraw`` writes them anew."""
    assert path.read_text(encoding="utf-8") == FILES[path]


def test_each_page_has_its_marks() -> None:
    marks = [
        name
        for page in measured.PAGES
        for name in re.findall(r"<!-- measured: ([\w ]+) -->", page.read_text())
    ]
    assert set(marks) == set(measured.BLOCKS)


def test_what_was_measured_names_versions_and_no_machine() -> None:
    text = measured.TIMES.read_text()
    assert "/" not in text
    assert {"aiometer", "aiostream", "anyio", "streamable", "trio"} <= set(
        TIMES["versions"]
    )
    assert TIMES["python"].startswith("CPython 3.")


def test_all_backends_functions_sources_and_limits_were_measured() -> None:
    table = [row for row in TIMES["rows"] if row["part"] == "table"]
    assert len(table) == 3 * 3 * 2 * 4
    assert len(
        {(r["backend"], r["called"], r["source"], r["limit"]) for r in table}
    ) == len(table)
    assert [r["limit"] for r in TIMES["rows"] if r["part"] == "limit"] == [
        1,
        10,
        100,
        1_000,
        10_000,
    ]
    assert {(r["operator"], r["number"]) for r in TIMES["sources"]} == {
        *(("concurrent_merge", number) for number in (2, 10, 100, 1_000)),
        *(("concurrent_buffer", number) for number in (10, 100)),
        *(("concurrent_flat_map_unordered", number) for number in (2, 10, 100)),
    }
    for row in [*TIMES["rows"], *TIMES["sources"]]:
        rounds = {len(times) for times in row["microseconds"].values()}
        assert rounds == {row["rounds"]}


def row(**times: list[float]) -> dict[str, Any]:
    return {"microseconds": times}


def test_a_ratio_is_the_median_of_those_within_the_rounds() -> None:
    # The machine was busy in the second round; the medians alone would say 1.
    busy = row(ordered=[1.0, 10.0, 2.0], gather=[2.0, 20.0, 2.0])
    assert measured.ratio(busy, "gather") == 2
    assert measured.middle(busy, "gather") == 2
    assert measured.middle(busy, "ordered") == 2


def test_who_is_faster_is_told_with_its_best_row() -> None:
    times = copy.deepcopy(TIMES)
    for each in times["rows"]:
        base = each["microseconds"]["ordered"]
        for name in each["microseconds"]:
            each["microseconds"][name] = [2 * one for one in base]
        each["microseconds"]["ordered"] = base
    changed = [each for each in times["rows"] if each["part"] == "table"]
    for each, share in zip(changed, (0.98, 0.9, 0.5), strict=False):
        base = each["microseconds"]["ordered"]
        each["microseconds"]["gather"] = [share * one for one in base]
    told = "\n".join(measured.behind(times))
    (line,) = [each for each in told.splitlines() if each.startswith("| gather")]
    assert line.startswith("| gather | 2 of ")
    assert line.endswith("0.50 |")
    assert told.count("never") == told.count("\n") - 2


def test_a_chart_is_logarithmic_and_names_its_lines() -> None:
    low = charts.Line("low", "ours", ((1, 1.0), (10, 1.0), (100, 1.0)))
    high = charts.Line("high", "other", ((1, 10.0), (10, 100.0), (100, 1_000.0)))
    svg = ET.fromstring(charts.stacked([("Title", "across", [low, high])]))  # noqa: S314 - our own
    dots = [
        (float(dot.attrib["cx"]), float(dot.attrib["cy"])) for dot in svg.iter("circle")
    ]
    (left, floor), (middle, _), (right, _) = dots[:3]
    first, second, third = (y for _, y in dots[3:])
    texts = [text.text for text in svg.iter("text")]

    assert middle - left == pytest.approx(right - middle, abs=0.2)
    assert floor - first == pytest.approx(first - second, abs=0.2)
    assert first - second == pytest.approx(second - third, abs=0.2)
    assert {"Title", "across", "low", "high"} <= set(texts)
    assert "high 10 at 1, 100 at 10, 1e+03 at 100" in svg.attrib["aria-label"]


def test_names_at_the_ends_of_lines_do_not_cover_each_other() -> None:
    places = charts.spread([100, 101, 102, 20, 299], 50, 300)
    ordered = sorted(places)

    assert min(b - a for a, b in itertools.pairwise(ordered)) >= 17
    assert ordered[0] >= 50
    assert ordered[-1] <= 300
    assert sorted(range(5), key=places.__getitem__) == [3, 0, 1, 2, 4]


def test_the_picture_names_all_that_it_shows() -> None:
    svg = ET.fromstring(measured.drawn(TIMES))  # noqa: S314 - our own
    texts = [text.text for text in svg.iter("text")]
    for name in ("concurrent_map", "concurrent_collect", "aiostream", "streamable"):
        assert texts.count(name) == 2
        assert name in svg.attrib["aria-label"]


def test_the_page_shows_what_the_soak_has_counted() -> None:
    """After a change, ``python -m benchmarks soak --redraw`` writes it anew."""
    page = soaked.PAGE.read_text(encoding="utf-8")
    assert soaked.filled(page, soaked.read()) == page


def test_the_last_soak_was_a_million_items_on_each_loop_and_flat() -> None:
    kept = soaked.read()
    assert [run["loop"] for run in kept["runs"]] == ["asyncio", "uvloop", "trio"]
    soak = pytest.importorskip("benchmarks.soak")
    for run in kept["runs"]:
        assert run["points"][-1]["items"] >= 1_000_000
        assert run["ends"]["Ctrl-C"] > 20
        assert soak.judged(run["points"]) == []


def test_a_soak_that_grows_is_judged_not_to_be_flat() -> None:
    soak = pytest.importorskip("benchmarks.soak")
    names = ("tasks", "generators", "files", "objects", "memory")
    flat = [
        {"items": 100 * number, **dict.fromkeys(names, 1_000)} for number in range(11)
    ]
    assert soak.judged(flat) == []
    for name in names:
        grown = [{**point, name: 1_000 + 10 * n} for n, point in enumerate(flat)]
        (found,) = soak.judged(grown)
        assert found.startswith(name)
    # What is needed once is there after the warm-up.
    warm = [
        {**point, "memory": 500 if n < 2 else 1_000} for n, point in enumerate(flat)
    ]
    assert soak.judged(warm) == []


def test_ctrl_c_strikes_a_soak_that_a_shell_runs_in_the_background(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A shell makes such programs ignore it."""
    soak = pytest.importorskip("benchmarks.soak")
    monkeypatch.setattr("sys.argv", ["soak", "--smoke", "--loops", "asyncio"])
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        soak.main()
    finally:
        signal.signal(signal.SIGINT, before)
    assert "'Ctrl-C': " in capsys.readouterr().out


def test_what_is_left_open_after_a_round_ends_the_soak() -> None:
    soak = pytest.importorskip("benchmarks.soak")
    tally = soak.Tally()
    tally.check("a break")
    tally.open_sources = 1
    with pytest.raises(AssertionError, match="after a break, in round 0: 1 sources"):
        tally.check("a break")
