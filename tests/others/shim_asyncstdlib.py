"""The tests of asyncstdlib, with our operators under its names."""

import importlib
from typing import Any, Self

import aiterkit as ak

from .driven import counted


class Chain:
    from_iterable = staticmethod(counted(ak.aflatten))

    def __new__(cls, *sources: Any) -> Any:
        return counted(ak.achain)(*sources)


class _Copies(tuple[Any, ...]):
    """What `atee` gives, as a block that closes all of it."""

    __slots__ = ()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        for copy in self:
            await copy.aclose()


def _tee(source: Any, /, n: int = 2, **options: Any) -> _Copies:
    return _Copies(counted(ak.atee)(source, n, **options))


def collection(into: Any) -> Any:
    async def collect(source: Any = (), **more: Any) -> Any:
        # Its dict takes keywords besides, as the builtin does.
        return into(await counted(ak.acollect)(source), **more)

    return collect


def _most(ours: Any) -> Any:
    # Its source comes first, that of the standard library second.
    def call(source: Any, n: int, **options: Any) -> Any:
        return counted(ours)(n, source, **options)

    return call


def install() -> None:
    """Put our operators into asyncstdlib."""
    module = vars(importlib.import_module("asyncstdlib"))
    for name in [
        "all",
        "any",
        "max",
        "min",
        "sum",
        "sorted",
        "reduce",
        "accumulate",
        "batched",
        "compress",
        "cycle",
        "dropwhile",
        "enumerate",
        "filter",
        "filterfalse",
        "groupby",
        "islice",
        "map",
        "pairwise",
        "starmap",
        "takewhile",
        "zip",
        "zip_longest",
    ]:
        module[name] = counted(getattr(ak, f"a{name}"))
    for name, into in {"list": list, "dict": dict, "set": set, "tuple": tuple}.items():
        module[name] = collection(into)
    module |= {"chain": Chain, "tee": _tee}
    module["merge"] = counted(ak.amerge)
    module |= {"nlargest": _most(ak.anlargest), "nsmallest": _most(ak.ansmallest)}
