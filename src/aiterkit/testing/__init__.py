"""Test tools: virtual time, seeded schedules, probes and timelines."""
