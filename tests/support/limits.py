"""How long a test waits for an event outside of its own process."""

LONGEST_WAIT = 240.0
"""Seconds. It only ends a test that hangs: a process with a tenth of one processor is ready long before, and
pytest's own limit, which tells less, comes after it."""
