"""One source, several readers."""
