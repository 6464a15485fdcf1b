"""Wrappers: each takes a function and returns an async function, and starts no task."""
