"""Read a source for each item, of which only the newest counts."""
