"""One source for each item, of which only the newest is read."""
