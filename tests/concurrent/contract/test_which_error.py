"""Which error leaves a block, where several things happen at once."""

import asyncio

from aiterkit._runtime.errors import first_fatal
from aiterkit._runtime.scope import _weightier
from aiterkit.testing import run_in_virtual_time


def test_what_must_end_the_program_is_taken_out_of_a_group() -> None:
    interrupt = KeyboardInterrupt()
    inner = BaseExceptionGroup("inner", [ValueError(), interrupt])
    assert first_fatal(BaseExceptionGroup("outer", [KeyError(), inner])) is interrupt
    errors = ExceptionGroup("errors", [ValueError()])
    assert first_fatal(errors) is errors


def test_of_two_interruptions_the_weightier_is_raised() -> None:
    by_scope = asyncio.CancelledError("Cancelled via cancel scope 1f")
    native = asyncio.CancelledError("natively")
    interrupt = KeyboardInterrupt()

    async def decide() -> None:
        assert _weightier(None, by_scope) is by_scope
        assert _weightier(by_scope, native) is native
        assert _weightier(native, by_scope) is native
        assert _weightier(by_scope, interrupt) is interrupt
        assert _weightier(interrupt, native) is interrupt

    run_in_virtual_time(decide, backend="asyncio")
