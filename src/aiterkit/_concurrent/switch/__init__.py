"""Only the newest item counts."""
