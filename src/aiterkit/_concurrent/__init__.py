"""Concurrent: many at once, up to a bound that you name, inside a visible block."""
