from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest

from aiterkit.testing import (
    CallProbe,
    PlayedError,
    assert_drawing,
    assert_timeline,
    play,
    record,
)
from aiterkit.testing._timelines import find_drawings, parse_line

LINES = [
    "|",
    "!",
    "a|",
    "-a-b-|",
    "--(ab)-c---!",
    "(ab|)",
    "a-([bc]d)-----(e!)",
    "[ab]--[cd]-|",
]


@pytest.mark.parametrize("line", LINES)
async def test_what_is_played_is_recorded(line: str) -> None:
    assert await record(play(line)) == line
    await assert_timeline(play(line), line)


@pytest.mark.parametrize("line", ["a-b;", "(ab;)", ";", "---;", "-a----;"])
async def test_a_reader_leaves(line: str) -> None:
    source = play(line.replace(";", "") + "---------c|")
    await assert_timeline(source, line)
    assert "c" not in source.taken


async def test_a_label_may_be_a_comprehension() -> None:
    await assert_drawing("""
        urls                                           ab---|
        fetch a                                        ==
        fetch b                                          ==
        (await fetch(2)(item) async for item in urls)  --a-b|
    """)


async def test_a_line_without_end_goes_on_for_ever() -> None:
    assert await record(play("a-b"), leave_at=5) == "a-b--;"


async def test_a_tick_can_be_any_length() -> None:
    source = play("-a-b|", tick=0.1)
    await assert_timeline(source, "-a-b|", tick=0.1)
    assert anyio.current_time() == 0.4


async def test_a_late_reader_finds_the_items_there() -> None:
    source = play("abc--d|")
    await anext(source)
    await anyio.sleep(3)
    assert [await anext(source), await anext(source)] == ["b", "c"]
    assert anyio.current_time() == 3
    await anext(source)
    assert anyio.current_time() == 5


async def test_characters_can_stand_for_other_items() -> None:
    source = play("ab|", items={"a": 1, "b": 12})
    assert await record(source) == "1[12]<| at tick 2>"


@pytest.mark.parametrize("line", ["a b|", "a)", "(a", "a|b", "!!", "((a))", "[(a)]"])
def test_what_is_no_timeline_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match="is not a timeline"):
        parse_line(line)


def test_a_source_is_not_left_by_its_reader() -> None:
    with pytest.raises(ValueError, match="cannot be left by its reader: 'a;'"):
        play("a;")


async def test_an_expectation_has_an_end() -> None:
    with pytest.raises(ValueError, match="'a-' has no end"):
        await assert_timeline(play("a|"), "a-")
    with pytest.raises(ValueError, match="'' has no end"):
        await assert_timeline(play("a|"), "")


async def test_a_mismatch_shows_both_lines_and_the_tick() -> None:
    with pytest.raises(AssertionError) as caught:
        await assert_timeline(play("a-b-c|"), "a-b--c|")
    assert str(caught.value).splitlines() == [
        "timelines differ at tick 4",
        "  expected  a-b--c|",
        "  actual    a-b-c|",
        "                ^",
    ]


async def test_events_under_a_wide_group_are_not_lost() -> None:
    source = play("a-b|", items={"a": "xyz"})
    assert await record(source) == "[xyz]<b at tick 2><| at tick 3>"


async def test_an_error_that_was_not_played_is_not_drawn() -> None:
    async def fail() -> AsyncGenerator[str, None]:
        yield "a"
        raise KeyError("b")

    with pytest.raises(KeyError):
        await record(fail())


async def test_a_context_manager_is_entered_and_left() -> None:
    events: list[str] = []

    @asynccontextmanager
    async def block() -> AsyncGenerator[AsyncIterator[str], None]:
        events.append("entered")
        await anyio.sleep(1)
        yield play("a|")
        events.append("left")

    assert await record(block()) == "-a|"
    assert events == ["entered", "left"]


async def test_the_result_of_an_awaitable_is_one_item() -> None:
    assert await record(CallProbe[str, list[str]](list, seconds=2)("ab")) == "--([ab]|)"


async def one_by_one(
    func: CallProbe[str, str], source: AsyncIterator[str]
) -> AsyncGenerator[str, None]:
    async for item in source:
        yield await func(item)


async def test_calls_are_drawn_below_the_source() -> None:
    await assert_drawing(
        """
        urls                             abc------|
        fetch a                          ===
        fetch b                             =
        fetch c                              ===
        one_by_one(fetch(3, b=1), urls)  ---ab--c-|
        """,
        one_by_one=one_by_one,
    )


async def test_a_failing_and_a_cancelled_call_are_drawn() -> None:
    await assert_drawing(
        """
        urls                                      ab|
        get a                                     ==
        get b                                       =!
        one_by_one(get(2, b=1, fails="b"), urls)  --a!
        """,
        one_by_one=one_by_one,
    )
    await assert_drawing(
        """
        urls                      ab|
        get a                     ===;
        one_by_one(get(5), urls)  ---;
        """,
        one_by_one=one_by_one,
    )
    await assert_drawing(
        """
        urls                      ab-|
        get a                     .
        get b                      .
        one_by_one(get(0), urls)  ab-|
        """,
        one_by_one=one_by_one,
    )


async def test_a_drawing_in_the_middle_of_a_test_begins_anew() -> None:
    await anyio.sleep(7)
    await test_calls_are_drawn_below_the_source()


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        pytest.param(
            "get a  ===\n", "calls of get a differ at tick 2", id="another length"
        ),
        pytest.param("get b  ==\n", "calls of get b differ at tick 0", id="no call"),
        pytest.param("get a  ==\nput a  =\n", "calls of put a", id="no function"),
    ],
)
async def test_calls_that_differ_are_told(rows: str, told: str) -> None:
    drawing = "".join(
        f"{label:26}{line}\n"
        for label, line in [
            ("urls", "a|"),
            *(row.split("  ") for row in rows.splitlines()),
            ("one_by_one(get(2), urls)", "--(a|)"),
        ]
    )
    with pytest.raises(AssertionError, match=told):
        await assert_drawing(drawing, one_by_one=one_by_one)


async def test_a_call_that_is_not_drawn_is_told() -> None:
    with pytest.raises(AssertionError, match="calls of get b differ at tick 2"):
        await assert_drawing(
            """
            urls                      ab--|
            get a                     ==
            one_by_one(get(2), urls)  --a-(b|)
            """,
            one_by_one=one_by_one,
        )


async def test_a_misspelt_name_is_told() -> None:
    with pytest.raises(NameError, match="'on_by_on' is neither a public name nor"):
        await assert_drawing("on_by_on(get(2), get)  a|")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param(
            "one  a|\ntwo  a|", "the last row of a drawing is a call", id="no call"
        ),
        pytest.param(
            "a b c      a|\nf(one)     a|", "a row of a drawing is", id="label"
        ),
        pytest.param("urls  a|\nf(urls)  a|", "a row of a drawing is", id="misaligned"),
        pytest.param("get a    =|\nf(urls)  a|", "a row of a drawing is", id="calls"),
    ],
)
def test_what_only_looks_like_a_drawing_is_refused(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        list(find_drawings(text))


async def test_there_is_one_drawing() -> None:
    with pytest.raises(ValueError, match="there must be one drawing, not 0"):
        await assert_drawing("nothing")


def test_prose_and_examples_are_no_drawings() -> None:
    text = """
    A line of prose, and a table:

        a  b
        c  d

        >>> print("a  b|")
        a  b|
    """
    assert not list(find_drawings(text))


async def test_builtins_are_known_to_a_label() -> None:
    await assert_drawing("play(str('(a|)'))  (a|)", play=play)


def test_played_errors_are_no_assertions() -> None:
    assert not issubclass(PlayedError, AssertionError)
