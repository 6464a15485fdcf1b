"""Misuse of the probes: type checkers must reject the marked lines."""

from collections.abc import Awaitable, Callable

from aiterkit.testing import CallProbe


class Service:
    def __init__(self, handler: Callable[[int], Awaitable[str]]) -> None:
        self.handler = handler


async def fetch(url: str) -> bytes:
    return url.encode()


def probes_of_something_else() -> None:
    Service(CallProbe(fetch))  # rejected
    Service(CallProbe[str, str]())  # rejected
    CallProbe(fetch, seconds="1")  # rejected
