import pytest

import aiterkit
import aiterkit.testing
from aiterkit.testing import DocstringCase, docstring_cases, names_without_example

MODULES = [aiterkit, aiterkit.testing]
CASES = [case for module in MODULES for case in docstring_cases(module)]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_a_docstring_shows_happens(case: DocstringCase) -> None:
    case.run()


def test_each_public_name_shows_an_example() -> None:
    missing = {name for module in MODULES for name in names_without_example(module)}
    assert missing == set()


def test_the_cases_are_not_empty() -> None:
    shown = {case.name.split(".")[0].split(":")[0] for case in CASES}
    public = {name for module in MODULES for name in module.__all__}
    assert public - shown == set()
