"""Do the pages show what the package does, and all of it?"""

import importlib
import inspect
import pkgutil
import re
import struct
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, Literal
from xml.etree import ElementTree as ET

import pytest

import aiterkit
import aiterkit.testing
from aiterkit.testing import assert_drawing, fixtures, run_in_virtual_time
from aiterkit.testing._timelines import Drawing, find_drawings

from .catalogue import ENTRIES

DOCS = Path(__file__).parent.parent / "docs"


def extension(name: str) -> Any:
    """Import a module of docs/_ext, which is no package."""
    sys.path.insert(0, str(DOCS / "_ext"))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.pop(0)


card = extension("card")
elsewhere = extension("elsewhere")
facts = extension("facts")
pictures = extension("pictures")
readme = extension("readme")
related = extension("related")


def drawings() -> Iterator[Drawing]:
    modules: list[ModuleType] = [aiterkit, aiterkit.testing]
    for module in modules:
        for name in module.__all__:
            doc = inspect.getdoc(getattr(module, name)) or ""
            yield from find_drawings(doc, indent=4)


DRAWINGS = [pytest.param(each, id=each.result.label) for each in drawings()]
OPERATORS = [
    name for name in aiterkit.__all__ if not inspect.isclass(getattr(aiterkit, name))
] + [name for name in aiterkit.__all__ if name.startswith("concurrent_")]


def test_each_public_name_is_in_one_family() -> None:
    listed = [name for family in facts.families() for name in family.names]
    assert sorted(listed) == list(aiterkit.__all__)


def test_each_family_says_what_it_is_for() -> None:
    assert [family for family in facts.families() if not family.about] == []


@pytest.mark.parametrize("name", sorted(set(OPERATORS)))
def test_an_operator_is_shown_as_it_is_used(name: str) -> None:
    public = getattr(aiterkit, name)
    option, kind = facts.use(public)
    assert kind in {"block", "awaited", "looped over", "called"}
    assert (kind == "block") == hasattr(public, "__aenter__")
    assert (option == ":async:") == inspect.iscoroutinefunction(public)


def test_each_operator_has_its_names_elsewhere_or_is_known_to_have_none() -> None:
    assert sorted(elsewhere.names()) == sorted(set(OPERATORS))
    without = {name for name in elsewhere.names() if not elsewhere.elsewhere(name)}
    assert without == elsewhere.NAMELESS
    assert set(elsewhere.NOTES) <= set(elsewhere.names())


@pytest.mark.parametrize("name", elsewhere.names())
def test_a_name_elsewhere_in_python_is_that_of_a_thing_that_exists(name: str) -> None:
    found = elsewhere.elsewhere(name).get("Python", "builtins.object")
    if found == "itertools.batched" and sys.version_info < (3, 12):
        pytest.skip("it came with Python 3.12")
    thing = pkgutil.resolve_name(found if "." in found else f"builtins.{found}")
    assert callable(thing)


@pytest.mark.parametrize(
    ("text", "module"),
    [
        ("amap", "aiterkit"),
        ("Results[T]", "aiterkit"),
        ("explore", "aiterkit.testing"),
        ("amap(f, xs)", None),
        ("limit", None),
    ],
)
def test_what_is_linked_is_a_public_name_alone(text: str, module: str | None) -> None:
    assert facts.home(text) == module


def test_each_fixture_is_told_of() -> None:
    about, found = facts.fixtures()
    assert "pytest_plugins" in about
    assert sorted(each.name for each in found) == sorted(fixtures.__all__)
    assert all("\n\n" in each.doc for each in found)


SEQUENTIAL = [entry for entry in ENTRIES if not entry.name.startswith("concurrent_")]


@pytest.mark.parametrize("entry", SEQUENTIAL, ids=lambda entry: entry.name)
def test_the_table_tells_of_a_sequential_name_what_the_catalogue_tests(
    entry: Any,
) -> None:
    told = facts.effects(entry.name)
    assert all(told.values())
    assert (told["Exit"] == "*source* is left open.") != entry.closes


@pytest.mark.parametrize(
    "name", [name for name in aiterkit.__all__ if name.startswith("concurrent_")]
)
def test_the_table_tells_of_a_concurrent_name_what_its_docstring_guarantees(
    name: str,
) -> None:
    told = facts.effects(name)
    doc = " ".join((inspect.getdoc(getattr(aiterkit, name)) or "").split())
    assert all(told[effect] for effect in ("Order", "Errors", "Exit"))
    assert all(f"{effect}: {text}" in doc for effect, text in told.items() if text)


def test_the_law_of_leaving_is_in_the_same_words_everywhere() -> None:
    law = "cleanup runs in full unless you are interrupted"
    texts = {
        name: facts.effects(name)["Exit"]
        for name in aiterkit.__all__
        if name.startswith("concurrent_")
    }
    for page in ("README.md", "docs/guarantees.md", "docs/closing.md"):
        texts[page] = " ".join((DOCS.parent / page).read_text().split())
    assert [name for name, text in texts.items() if law not in text] == []


def test_guarantees_are_read_with_and_without_a_name() -> None:
    def operator() -> None:
        """Do it.

        Guarantees:
            Order: Input order, also
                at the end.
            Exit: None.

        Args:
            none: At all.
        """

    def call() -> None:
        """Do it.

        Guarantees:
            Nothing is lost, and this is
            so: everywhere.
        """

    assert facts.guarantees(operator) == {
        "Order": "Input order, also at the end.",
        "Exit": "None.",
    }
    assert facts.guarantees(call) == {
        "": "Nothing is lost, and this is so: everywhere."
    }


@pytest.mark.parametrize("drawing", DRAWINGS)
def test_a_drawing_becomes_a_picture_that_is_also_told_in_words(
    drawing: Drawing,
) -> None:
    figure = ET.fromstring(pictures.picture(drawing))  # noqa: S314 - our own
    (svg,) = figure
    words = svg.attrib["aria-label"]
    shown = [text.text for text in svg.iter("text")]

    assert svg.attrib["role"] == "img"
    for row in (*drawing.sources, *drawing.calls, drawing.result):
        assert row.label in words
        assert row.label in shown


def test_a_picture_tells_when_calls_ran_and_how_they_ended() -> None:
    (drawing,) = find_drawings("""
        urls                                          (abc|)
        fetch a                                       ==
        fetch b                                       =!
        fetch c                                       ==;
        concurrent_map(fetch(2), urls, limit=3)       --a!
    """)
    assert list(pictures.describe(drawing)) == [
        "Timeline of concurrent_map(fetch(2), urls, limit=3).",
        "urls gives a at 0, b at 0, c at 0, the end at 0.",
        "fetch a runs from 0 to 2.",
        "fetch b runs from 0 to 1, where it raises.",
        "fetch c runs from 0 to 2, where it is cancelled.",
        "A reader sees a at 2, an error at 3.",
    ]
    svg = pictures.picture(drawing)
    assert svg.count('class="span"') == 2
    assert svg.count('class="span cut"') == 1
    assert svg.count('class="error"') == 2
    assert svg.count('class="cancelled"') == 1
    assert svg.count('class="together"') == 1


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("drawing", readme.TIMELINES)
def test_what_the_picture_of_the_readme_shows_happens(
    drawing: str, backend: Literal["asyncio", "trio"]
) -> None:
    names = {name: getattr(aiterkit, name) for name in aiterkit.__all__}
    run_in_virtual_time(partial(assert_drawing, drawing, **names), backend=backend)


def test_the_file_of_the_readme_s_picture_is_what_is_drawn() -> None:
    assert readme.FILE.read_text(encoding="utf-8") == readme.picture()


def test_a_picture_in_a_file_brings_its_colours_for_light_and_dark() -> None:
    picture = readme.picture()
    svg = ET.fromstring(picture)  # noqa: S314 - our own
    kinds = {kind for part in svg.iter() for kind in part.get("class", "").split()}
    light, dark = picture.split("@media(prefers-color-scheme:dark)")

    assert svg.attrib["role"] == "img"
    assert "var(" not in picture
    assert "color-mix(" not in picture
    for kind in kinds - {"given", "seen"}:
        assert f".{kind}{{" in light.replace(" {", "{")
        assert f".{kind}{{" in dark.replace(" {", "{")


def test_each_example_has_its_place_on_the_page_of_examples() -> None:
    page = (DOCS / "examples.md").read_text()
    examples = {path.name for path in (DOCS.parent / "examples").glob("*.py")}

    assert (
        set(re.findall(r"^python examples/(\w+\.py)", page, re.MULTILINE)) == examples
    )


def test_the_families_begin_with_the_maps() -> None:
    families = facts.families()
    wings = list(dict.fromkeys(family.wing for family in families))

    assert families[0].names[0] == "concurrent_map"
    assert wings == ["Concurrent", "Sequential", "Wrappers"]
    assert len({family.page for family in families}) == len(families)
    assert {family.page for family in families}.isdisjoint(aiterkit.__all__)


def test_each_operator_leads_to_pages_that_tell_more() -> None:
    assert sorted(related.RELATED) == sorted(set(OPERATORS))
    assert [name for name in OPERATORS if not related.links(name)] == []


@pytest.mark.parametrize("name", sorted(set(OPERATORS)))
def test_a_page_that_tells_more_speaks_of_the_name(name: str) -> None:
    for place in related.RELATED[name]:
        page, _, anchor = place.partition("#")
        assert anchor in related.headings(DOCS / page)
        assert re.search(rf"\b{name}\b", (DOCS / page).read_text()), page


RECIPES = [
    f"{page.name}#{anchor}"
    for page in sorted(DOCS.glob("recipes*.md"))
    for anchor in related.headings(page)
    if anchor
]


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_recipe_is_found_from_what_one_wants_and_from_an_operator(
    recipe: str,
) -> None:
    assert f"]({recipe})" in (DOCS / "choose.md").read_text()
    assert [name for name, places in related.RELATED.items() if recipe in places]


def test_each_operator_is_the_answer_to_something_one_wants() -> None:
    page = (DOCS / "choose.md").read_text()
    answers = re.findall(r"^\|.*\|(?P<answer>.*)\|$", page, re.MULTILINE)
    named = set(re.findall(r"`(\w+)", " ".join(answers)))

    assert set(OPERATORS) - named == set()


def test_the_social_card_is_drawn_anew_when_it_changes() -> None:
    """After a change, see ``docs/_ext/card.py``."""
    pixels = (DOCS / "_static" / "card.png").read_bytes()

    assert card.FILE.read_text(encoding="utf-8") == card.card()
    assert pixels[:4] == b"\x89PNG"
    width, height = struct.unpack(">II", pixels[16:24])
    assert (width, height) == (card.WIDTH, card.HEIGHT)


@pytest.mark.parametrize(
    "words",
    [
        "batch",
        "crawl",
        "debounce",
        "deadlock",
        "duplicates",
        "graceful",
        "heartbeat",
        "progress bar",
        "rate limit per host",
        "retry",
        "semaphore",
        "timeout",
        "websocket",
    ],
)
def test_a_page_has_the_words_that_one_would_search_for(words: str) -> None:
    pages = [path.read_text().lower() for path in DOCS.glob("*.md")]
    assert [page for page in pages if words in page]
