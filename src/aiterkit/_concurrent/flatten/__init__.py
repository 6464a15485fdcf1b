"""Each item is a source itself."""
