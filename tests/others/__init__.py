"""Tests that others wrote for their own operators, run on ours.

`python -m tests.others` fetches them as packages and runs each suite in a process of
its own, with the operators replaced by ours (`shim_*.py`). What comes out must be
exactly what `differences.toml` lists: a difference that is not listed fails, and so
does a listed one that is gone. Nothing of theirs is kept here.
"""
