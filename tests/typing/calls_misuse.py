"""Misuse of the wrappers: type checkers must reject the marked lines."""

from concurrent.futures import ThreadPoolExecutor

from aiterkit import captured, offloaded, paced, timed


async def fetch(url: str) -> bytes:
    return url.encode()


def encode(url: str) -> bytes:
    return url.encode()


async def what_is_no_function() -> None:
    captured(None)  # rejected
    timed("fetch", 5)  # rejected
    paced(5, per_second=5)  # rejected
    offloaded(encode("a"))  # rejected


async def a_sync_function_that_cannot_be_cut_short() -> None:
    timed(encode, 5)  # rejected


async def what_is_never_captured() -> None:
    captured(fetch, KeyboardInterrupt)  # rejected
    captured(fetch, (KeyError, OSError))  # rejected
    captured(fetch, KeyError("a"))  # rejected
    captured(fetch, int)  # rejected


async def what_is_neither_true_nor_false() -> None:
    outcome = await captured(fetch)("a")
    if outcome:  # rejected
        pass


async def what_is_not_there() -> None:
    outcome = await captured(fetch)("a")
    outcome.value  # rejected
    outcome.item.decode()  # rejected


async def options_missing_out_of_place_or_kind() -> None:
    timed(fetch)  # rejected
    timed(fetch, "5")  # rejected
    paced(fetch)  # rejected
    paced(fetch, 5)  # rejected
    paced(fetch, per_second="5")  # rejected
    paced(fetch, per_second=5, burst=1.5)  # rejected
    offloaded(encode, "process")  # rejected
    offloaded(encode, to="threads")  # rejected
    offloaded(encode, limiter=4)  # rejected
    offloaded(encode, to=ThreadPoolExecutor)  # rejected
    paced(fetch, per_second=5, cost=5)  # rejected


async def arguments_of_the_wrong_type() -> None:
    await captured(fetch)(5)  # rejected
    await timed(fetch, 5)("a", "b")  # rejected
    await paced(fetch, per_second=5)(page="a")  # rejected
    await offloaded(encode)()  # rejected


async def results_of_the_wrong_type() -> None:
    page: bytes = await captured(fetch)("a")  # rejected
    page.hex()
    text: str = await timed(fetch, 5)("a")  # rejected
    text.upper()
