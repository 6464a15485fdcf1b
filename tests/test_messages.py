"""Does the page "Troubleshooting" answer every message that the package can raise?"""

import re
from pathlib import Path

import pytest

from .test_docs import extension

messages = extension("messages")
PAGE = Path(__file__).parent.parent / "docs" / "troubleshooting.md"
HEADINGS = re.findall(r"^### `(.+)`$", PAGE.read_text(), re.MULTILINE)
MESSAGES = messages.messages()


def test_there_are_messages_of_every_part() -> None:
    assert {each.place.split("/")[0].split(":")[0] for each in MESSAGES} >= {
        "_calls",
        "_concurrent",
        "_core",
        "_runtime",
        "_sequential",
    }


@pytest.mark.parametrize(
    "message", MESSAGES, ids=[f"{each.place} {each.text[:40]}" for each in MESSAGES]
)
def test_each_message_has_its_answer(message: object) -> None:
    text = getattr(message, "text", "")

    assert text.strip(messages.GAP + " "), "not found: write it where it is raised"
    assert [each for each in HEADINGS if messages.answers(each, text)]


@pytest.mark.parametrize("heading", HEADINGS)
def test_each_answer_is_to_a_message_that_exists(heading: str) -> None:
    assert [each for each in MESSAGES if messages.answers(heading, each.text)]


def test_a_message_is_told_from_others_by_its_words() -> None:
    assert messages.answers(
        "… must be more than 0, not …", "… must be more than 0, not …"
    )
    assert messages.answers("limit must be …", "… must be …")
    assert not messages.answers("… must be an int, not …", "… must be a number, not …")
