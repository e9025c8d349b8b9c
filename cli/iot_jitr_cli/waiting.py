"""Waits for a condition, with a time limit."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def wait_until(
    condition: Callable[[], T],
    *,
    limit: float,
    interval: float = 0.02,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> T:
    """Call `condition` until it returns a true value or `limit` seconds have passed; return its last result.

    It is called once more after the limit: a process that gets no processor for a while must not miss a
    change in that time.
    """
    deadline = clock() + limit
    while True:
        over = clock() > deadline
        found = condition()
        if found or over:
            return found
        sleep(interval)
