"""Read several sources at once, or one source ahead of its reader."""
