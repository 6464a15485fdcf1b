"""What of other people's tests passes on our operators, as tables."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

_BLOCK = re.compile(
    r"(?P<begin><!-- others: (?P<what>[\w-]+) -->\n).*?(?P<end><!-- end -->)",
    re.DOTALL,
)


def counts(kept: Mapping[str, Any], suites: Mapping[str, Any]) -> Iterator[str]:
    """Give a row for each suite."""
    yield "| tests of | version | run | pass | differ |"
    yield "| --- | --- | ---: | ---: | ---: |"
    for key, numbers in kept.items():
        title = suites[key.partition(" ")[0]].title
        differ = sum(numbers["differ"].values())
        run = numbers["passed"] + differ
        version = numbers["version"]
        yield f"| {title} | {version} | {run} | {numbers['passed']} | {differ} |"


def differences(kept: Mapping[str, Any], suites: Mapping[str, Any]) -> Iterator[str]:
    """Give the reasons of each suite, and how many tests each is behind."""
    for name, suite in suites.items():
        # Of the Pythons, the newest one's.
        keys = [key for key in kept if key.partition(" ")[0] == name]
        yield f"**{suite.title}**"
        yield ""
        differ = kept[keys[-1]]["differ"] if keys else {}
        for reason, number in differ.items():
            tests = "1 test" if number == 1 else f"{number} tests"
            yield f"- {reason} ({tests})"
        for reason in suite.left_out:
            yield f"- not run: {reason}"
        yield ""


BLOCKS: dict[str, Callable[..., Iterator[str]]] = {
    "counts": counts,
    "differences": differences,
}


def filled(text: str, kept: Mapping[str, Any], suites: Mapping[str, Any]) -> str:
    """Return *text* with the tables between its marks."""

    def fill(found: re.Match[str]) -> str:
        lines = "\n".join(BLOCKS[found["what"]](kept, suites)).rstrip()
        return f"{found['begin']}\n{lines}\n\n{found['end']}"

    return _BLOCK.sub(fill, text)
