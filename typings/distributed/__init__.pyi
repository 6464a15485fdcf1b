"""What the example of a cluster uses of Dask, whose own types say `Any`."""

from collections.abc import Callable, Generator
from typing import Any, Generic, ParamSpec, Self, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

class Future(Generic[R]):
    def __await__(self) -> Generator[Any, Any, R]: ...
    def release(self) -> None: ...

class LocalCluster:
    def __init__(
        self,
        *,
        n_workers: int,
        threads_per_worker: int,
        dashboard_address: str | None,
        silence_logs: int,
        asynchronous: bool,
    ) -> None: ...
    async def __aenter__(self) -> Self: ...
    async def __aexit__(self, *exc: object) -> None: ...

class Client:
    def __init__(
        self, address: LocalCluster | str, *, asynchronous: bool, timeout: float = 10
    ) -> None: ...
    async def __aenter__(self) -> Self: ...
    async def __aexit__(self, *exc: object) -> None: ...
    def submit(
        self, func: Callable[..., R], *args: Any, pure: bool, **options: Any
    ) -> Future[R]: ...
