"""Give one source to several readers."""
