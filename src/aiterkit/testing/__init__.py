"""Test tools: virtual time, seeded schedules, probes and timelines."""

from aiterkit.testing._barrier import Barrier
from aiterkit.testing._explore import Exploration, ScheduleError, explore
from aiterkit.testing._probes import (
    CallProbe,
    ProbeError,
    SourceProbe,
    Span,
    SyncSourceProbe,
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
    "Exploration",
    "ProbeError",
    "ScheduleError",
    "SourceProbe",
    "Span",
    "SyncSourceProbe",
    "TaskLeakError",
    "VirtualTimeError",
    "available_backends",
    "explore",
    "run_in_virtual_time",
    "virtual_backend",
)
