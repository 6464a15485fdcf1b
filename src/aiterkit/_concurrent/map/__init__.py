"""The calls of a function over the items of a source."""
