"""Call a function on the items of a source, several calls at once."""
