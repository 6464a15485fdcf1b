"""What the checkers say of the operators in ``_sequential/timing.py``."""

from collections.abc import AsyncGenerator
from typing import assert_type

import aiterkit as ak

from .functions import text, words


async def both() -> None:
    assert_type(ak.atimeout(words(), 1.5), AsyncGenerator[str, None])
    assert_type(ak.apaced(text(), per_second=2), AsyncGenerator[str, None])
