"""Test tools: virtual time, seeded schedules, probes and timelines."""

from aiterkit.testing._barrier import Barrier
from aiterkit.testing._docstrings import (
    DocstringCase,
    docstring_cases,
    names_without_example,
)
from aiterkit.testing._explore import Exploration, ScheduleError, explore
from aiterkit.testing._probes import (
    CallProbe,
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
    "DeadlockError",
    "DocstringCase",
    "Exploration",
    "PlayedError",
    "ProbeError",
    "ScheduleError",
    "SourceProbe",
    "Span",
    "SyncSourceProbe",
    "TaskLeakError",
    "VirtualTimeError",
    "assert_drawing",
    "assert_timeline",
    "available_backends",
    "docstring_cases",
    "explore",
    "names_without_example",
    "play",
    "record",
    "run_in_virtual_time",
    "virtual_backend",
)

# Where they are imported from, as tracebacks and documentation show it.
for _name in __all__:
    globals()[_name].__module__ = __name__
