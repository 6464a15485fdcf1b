"""Operators that heed the clock, or the newest item only."""
