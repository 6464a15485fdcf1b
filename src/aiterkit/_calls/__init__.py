"""A call, changed: a function in, an async function out, and no task started."""
