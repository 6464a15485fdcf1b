"""Typed async iteration: one at a time (`a…`), or many at once (`concurrent_…`)."""

__all__: tuple[str, ...] = ()
