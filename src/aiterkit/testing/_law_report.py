"""Which laws hold, and what breaks the others."""

from dataclasses import dataclass, field

from aiterkit.testing._virtual import BackendName


@dataclass(frozen=True, slots=True)
class LawResult:
    """Whether one law holds on one backend.

    Examples:
        >>> limit_ignored = mutants()[0]
        >>> report = check_laws(limit_ignored, ordered=True, laws=["overlap"], seed=1)
        >>> result = report.results[0]
        >>> result.law, result.backend, result.holds, result.seed
        ('overlap', 'asyncio', False, 1)
        >>> print(result.message.splitlines()[0])
        AssertionError: 2 calls ran at once, more than 1

    Attributes:
        law: Its name.
        sentence: What it says.
        backend: Where it was tried.
        holds: Whether it did, under all schedules that were tried.
        seed: The seed of the schedule that breaks it. To replay it, check this law
            with this *seed* and ``schedules=1``. None if it holds, and for a law
            on cost, which is tried in the event loop's own order.
        message: What was seen then.
        cause: The error of the test then, with its traceback.
    """

    law: str
    sentence: str
    backend: BackendName
    holds: bool
    seed: int | None = None
    message: str = ""
    cause: BaseException | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class LawReport:
    """Which laws hold, and what breaks the others. Its text is a table.

    Examples:
        >>> from aiterkit import concurrent_map
        >>> laws = ["overlap", "order"]
        >>> report = check_laws(concurrent_map, ordered=True, laws=laws, schedules=2)
        >>> print(report)
        concurrent_map  asyncio  trio
        overlap         holds    holds
        order           holds    holds
        >>> report.assert_all_hold()

    Attributes:
        name: What was checked.
        results: A result for each law and each backend.
    """

    name: str
    results: tuple[LawResult, ...]

    @property
    def holds(self) -> bool:
        """Whether all laws hold, on all backends that were tried."""
        return not self.broken

    @property
    def broken(self) -> tuple[LawResult, ...]:
        """The results of the laws that do not hold."""
        return tuple(result for result in self.results if not result.holds)

    def assert_all_hold(self) -> None:
        """Fail if a law is broken.

        Raises:
            AssertionError: With the whole report; its cause is the first error.
        """
        if self.broken:
            raise AssertionError(str(self)) from self.broken[0].cause

    def __str__(self) -> str:
        backends = list(dict.fromkeys(result.backend for result in self.results))
        rows: dict[str, dict[str, str]] = {}
        for result in self.results:
            verdict = "holds" if result.holds else "BROKEN"
            rows.setdefault(result.law, {})[result.backend] = verdict
        width = max(len(self.name), *map(len, rows))
        lines = [f"{self.name:<{width}}  {'  '.join(f'{b:<7}' for b in backends)}"]
        for law, cells in rows.items():
            verdicts = "  ".join(f"{cells[backend]:<7}" for backend in backends)
            lines.append(f"{law:<{width}}  {verdicts}")
        for result in self.broken:
            message = result.message.replace("\n", "\n    ")
            under = "" if result.seed is None else f", seed {result.seed}"
            lines += [
                "",
                f"{result.law}, on {result.backend}{under}:",
                f"    {result.sentence}",
                f"    {message}",
            ]
        return "\n".join(line.rstrip() for line in lines)
