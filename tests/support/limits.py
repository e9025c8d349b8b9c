"""How long a test waits for something that happens outside of it."""

LONGEST_WAIT = 240.0
"""Seconds. It only ends a test that hangs: a process with a tenth of one processor is ready long before, and
pytest's own limit, which tells less, comes after it."""
