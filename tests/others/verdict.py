"""Whether what came of a suite is what is listed."""

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from .suites import Suite


@dataclass(frozen=True)
class Verdict:
    """What came of one suite."""

    passed: int
    elsewhere: int
    """Tests that pass without a call of an operator of ours; they prove nothing."""
    differ: dict[str, int]
    """By reason, how many tests are known to fail."""
    troubles: list[str]
    """What is not as listed."""

    def __str__(self) -> str:
        return (
            f"{self.passed} pass, {sum(self.differ.values())} differ as listed, "
            f"{self.elsewhere} are not about us"
        )

    def counts(self) -> dict[str, Any]:
        """Return the numbers that the documentation shows."""
        return {
            "passed": self.passed,
            "elsewhere": self.elsewhere,
            "differ": self.differ,
        }


def matches(test: str, pattern: str) -> bool:
    """Return whether *pattern* lists *test*, a case of it, or a part of its cases."""
    return test.partition("[")[0] == pattern or fnmatchcase(test, pattern)


def judged(suite: Suite, outcomes: dict[str, str]) -> Verdict:
    """Compare *outcomes*, by test, with what is listed for *suite*."""
    troubles: list[str] = []
    listed: dict[str, str] = {}
    for reason, patterns in suite.differences.items():
        for pattern in patterns:
            found = [test for test in outcomes if matches(test, pattern)]
            listed |= dict.fromkeys(found, reason)
            # CPython's tests change from one Python to the next.
            if not found and suite.version:
                troubles.append(f"no such test, but a difference: {pattern}")
    differ = dict.fromkeys(suite.differences, 0)
    for test, outcome in outcomes.items():
        failed = outcome.startswith("failed")
        if test in listed and failed:
            differ[listed[test]] += 1
        elif failed:
            troubles.append(f"a new difference: {test}: {outcome}")
        elif test in listed:
            troubles.append(f"no difference any more, but listed: {test}")
    values = list(outcomes.values())
    return Verdict(
        passed=values.count("passed"),
        elsewhere=values.count("another's"),
        differ={reason: number for reason, number in differ.items() if number},
        troubles=troubles,
    )
