"""Read a source for each item of a source, several of them at once."""
