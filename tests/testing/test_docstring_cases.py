from types import ModuleType

import pytest

from aiterkit.testing import (
    available_backends,
    docstring_cases,
    names_without_example,
    play,
)


def module_with(text: str) -> ModuleType:
    """Return a module with one function, of that docstring."""

    def shown() -> None:
        pass

    shown.__doc__ = text
    module = ModuleType("made_up")
    vars(module).update(shown=shown, constant=3, __all__=["constant", "shown"])
    return module


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(">>> 1 + 1\n2", id="plain"),
        pytest.param(
            ">>> await anyio.sleep(5)\n>>> anyio.current_time()\n5.0", id="await"
        ),
        pytest.param(">>> range(3)\nran...(0, 3)", id="ellipsis"),
        pytest.param(
            ">>> [1,\n...  2]  # doctest: +NORMALIZE_WHITESPACE\n[1,    2]", id="flag"
        ),
        pytest.param(">>> range(3)  # doctest: -ELLIPSIS\nrange(0, 3)", id="no flag"),
        pytest.param(
            ">>> 1 / 0\nTraceback (most recent call last):\nZeroDivisionError: ...",
            id="error",
        ),
        pytest.param(">>> shown()\n>>> helper\n7", id="names"),
    ],
)
def test_what_is_true_passes(text: str) -> None:
    cases = docstring_cases(module_with(text), helper=7)
    assert len(cases) == (len(available_backends()) if "await" in text else 1)
    for case in cases:
        case.run()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        pytest.param(">>> 1 + 1\n3", "the docstring of shown shows", id="value"),
        pytest.param(">>> await anyio.sleep(5)\n3", "but this happens", id="await"),
        pytest.param(">>> 1 / 0", "ZeroDivisionError", id="error"),
        pytest.param(
            ">>> 1\nTraceback (most recent call last):\nKeyError: 1",
            "but this",
            id="no error",
        ),
        pytest.param(
            ">>> range(3)  # doctest: -ELLIPSIS\nran...", "range", id="no flag"
        ),
        pytest.param(
            "Text.\n\n    one          a|\n    play('a-|')  a|",
            "timelines differ",
            id="drawing",
        ),
    ],
)
def test_what_is_false_fails(text: str, told: str) -> None:
    cases = docstring_cases(module_with(text), play=play)
    assert cases
    for case in cases:
        with pytest.raises(AssertionError, match=told):
            case.run()


@pytest.mark.parametrize(
    "text",
    ["    f(x)  a|", "Text.\n    f(x)  a|\nMore.", "One.\n\n    f(x)  a|\n\nMore."],
)
def test_a_drawing_is_found_wherever_it_stands(text: str) -> None:
    assert len(docstring_cases(module_with(text))) == len(available_backends())


def test_prose_that_looks_like_a_drawing_is_prose() -> None:
    assert not docstring_cases(module_with("Really.  Yes!\n\nWell.  No!"))


def test_an_indented_fault_is_told() -> None:
    with pytest.raises(ValueError, match="the last row of a drawing is a call"):
        docstring_cases(module_with("Text.\n\n    urls  a|\n\nText."))


def test_a_drawing_is_run_on_both_backends() -> None:
    module = module_with("One.\n\n    play('a-|')  a-|\n\nMore.")
    cases = docstring_cases(module, play=play)
    assert [str(case) for case in cases] == [
        f"shown: play('a-|')[{backend}]" for backend in available_backends()
    ]
    for case in cases:
        case.run()


def test_names_that_show_nothing_are_told() -> None:
    assert names_without_example(module_with("Text.")) == ["shown"]
    assert names_without_example(module_with(">>> 1\n1")) == []
    assert names_without_example(module_with("    f(x)  a|")) == []


def test_a_plain_example_must_not_wait() -> None:
    # It has no top-level await, so it runs outside any event loop.
    (case,) = docstring_cases(
        module_with(">>> import asyncio\n>>> asyncio.run(asyncio.sleep(0))")
    )
    case.run()
