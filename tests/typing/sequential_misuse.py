"""Misuse of the sequential side: type checkers must reject the marked lines."""

import aiterkit as ak

from .functions import is_odd, numbers, shown, tagged, words


def opened(_last: str | None) -> list[str]:
    return []


def of_what_is_no_source() -> None:
    ak.amap(shown, 1)  # rejected
    ak.amap(shown, numbers)  # rejected
    ak.achain(words(), 1)  # rejected
    ak.aoffloaded(words())  # rejected
    ak.azip(1)  # rejected
    ak.aflatten([1])  # rejected


def of_a_function_for_other_items() -> None:
    ak.amap(shown, words())  # rejected
    ak.amap(tagged, words())  # rejected
    ak.amap(tagged, numbers(), words())  # rejected
    ak.astarmap(tagged, [(1, "a")])  # rejected
    ak.afilter(is_odd, words())  # rejected
    ak.atakewhile(is_odd, words())  # rejected
    ak.atakewhile_inclusive(is_odd, words())  # rejected


async def of_options_that_are_not_there() -> None:
    ak.amap(shown, [1], limit=3)  # rejected
    ak.azip([1], fillvalue=1)  # rejected
    ak.atail(words(), 2)  # rejected
    await ak.anlargest(words(), 2)  # rejected
    ak.abatched([1])  # rejected
    ak.aislice(words())  # rejected
    ak.aislice(words(), "1")  # rejected
    ak.atimeout(words())  # rejected
    ak.apaced(words(), "2")  # rejected
    ak.aoffloaded([1], limiter=1)  # rejected
    ak.arestarted(opened, OSError)  # rejected
    ak.arestarted(opened, OSError, waits=1)  # rejected
    ak.arestarted(opened, "OSError", waits=[1])  # rejected
    ak.arestarted(opened, KeyboardInterrupt, waits=[1])  # rejected
    ak.arestarted(shown, OSError, waits=[1])  # rejected


async def of_items_that_cannot() -> None:
    ak.aunique([[1]])  # rejected
    ak.amerge([object()])  # rejected
    await ak.anlargest(2, [object()])  # rejected
    await ak.ansmallest(2, [object()])  # rejected
    await ak.amin([object()])  # rejected
    await ak.asorted([object()])  # rejected
    await ak.asum(words())  # rejected
    await ak.acollect(words(), into=dict)  # rejected


async def of_a_result_that_is_not_awaited() -> None:
    async for _ in ak.acollect(words()):  # rejected
        pass
    await ak.amap(shown, [1])  # rejected
