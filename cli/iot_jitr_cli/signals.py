"""Handles Ctrl-C, SIGTERM and SIGHUP alike: a command that is ended by one of them cleans up first."""

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

ALL = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextmanager
def end_signals(handler: Any, numbers: Sequence[signal.Signals] = ALL) -> Iterator[None]:
    """Handle these signals by `handler` in the block; SIGHUP stays ignored if `nohup` ignores it.

    `signal.default_int_handler` raises `KeyboardInterrupt`, `signal.SIG_IGN` ignores them. Only the main
    thread gets signals; in another thread, this changes nothing.
    """
    former = {}
    if threading.current_thread() is threading.main_thread():
        former = {number: signal.signal(number, handler) for number in numbers if not _under_nohup(number)}
    try:
        yield
    finally:
        for number, before in former.items():
            signal.signal(number, before)


def _under_nohup(number: signal.Signals) -> bool:
    return number == signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN
