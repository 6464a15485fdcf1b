"""Test tools: virtual time, seeded schedules, probes, timelines and laws."""

from aiterkit.testing._barrier import Barrier
from aiterkit.testing._docstrings import (
    DocstringCase,
    docstring_cases,
    names_without_example,
)
from aiterkit.testing._exhaustive import UnstableTestError
from aiterkit.testing._explore import (
    Exploration,
    ScheduleError,
    TooManySchedulesError,
    explore,
)
from aiterkit.testing._interruptions import interrupted
from aiterkit.testing._law_kit import ConcurrentMapLike
from aiterkit.testing._law_report import LawReport, LawResult
from aiterkit.testing._laws import check_laws, laws
from aiterkit.testing._mutants import Mutant, mutants
from aiterkit.testing._probes import (
    CallProbe,
    HoldingProbe,
    ProbeError,
    SourceProbe,
    Span,
    SyncSourceProbe,
)
from aiterkit.testing._timelines import (
    PlayedError,
    assert_drawing,
    assert_timeline,
    play,
    record,
)
from aiterkit.testing._virtual import (
    available_backends,
    run_in_virtual_time,
    virtual_backend,
)
from aiterkit.testing._watch import DeadlockError, TaskLeakError, VirtualTimeError

__all__ = (
    "Barrier",
    "CallProbe",
    "ConcurrentMapLike",
    "DeadlockError",
    "DocstringCase",
    "Exploration",
    "HoldingProbe",
    "LawReport",
    "LawResult",
    "Mutant",
    "PlayedError",
    "ProbeError",
    "ScheduleError",
    "SourceProbe",
    "Span",
    "SyncSourceProbe",
    "TaskLeakError",
    "TooManySchedulesError",
    "UnstableTestError",
    "VirtualTimeError",
    "assert_drawing",
    "assert_timeline",
    "available_backends",
    "check_laws",
    "docstring_cases",
    "explore",
    "interrupted",
    "laws",
    "mutants",
    "names_without_example",
    "play",
    "record",
    "run_in_virtual_time",
    "virtual_backend",
)

# Where they are imported from, as tracebacks and documentation show it.
for _name in __all__:
    globals()[_name].__module__ = __name__
