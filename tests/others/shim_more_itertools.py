"""more-itertools, running on our operators instead of the builtins and itertools."""

import importlib

from .driven import BUILTINS, ITERTOOLS


def install() -> None:
    """Put our operators into the modules of more-itertools."""
    for name in ("more", "recipes"):
        module = vars(importlib.import_module(f"more_itertools.{name}"))
        module.update(BUILTINS)
        module.update({one: to for one, to in ITERTOOLS.items() if one in module})
    # Its recipes import one of them by another name, and have a batched of their own.
    recipes = vars(importlib.import_module("more_itertools.recipes"))
    recipes["itertools_pairwise"] = ITERTOOLS["pairwise"]
