"""Gather or drop items by the clock, or keep only the newest."""
