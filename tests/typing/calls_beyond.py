"""What some checkers cannot infer for the wrappers."""

from typing import TypeVar, assert_type

from aiterkit import Err, Ok, captured

T = TypeVar("T")


async def same(item: T) -> T:
    return item


async def an_outcome_of_a_generic_function_has_its_item() -> None:
    assert_type(await captured(same)("a"), Ok[str, str] | Err[Exception, str])
