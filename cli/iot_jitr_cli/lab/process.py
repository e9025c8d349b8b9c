"""A process that outlives the command that started it, and is never mistaken for another one."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # ships no types

_CLOCK_TOLERANCE = 2.0
"""Seconds. A start time is computed from the machine's boot time, which follows clock corrections."""
_POLL_INTERVAL = 0.02
_KILL_LIMIT = 60.0
"""Seconds. A killed process ends as soon as the machine gets to it; the limit only ends a hang."""


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A process, by more than its number: numbers are used again."""

    pid: int
    """Its number, and that of its process group."""
    started: float
    """When it was started, in seconds since 1970."""

    def is_running(self) -> bool:
        """Whether this very process is still there."""
        try:
            process = psutil.Process(self.pid)
            return abs(process.create_time() - self.started) < _CLOCK_TOLERANCE and _is_alive(process)
        except psutil.NoSuchProcess:
            return False


def this_process() -> ProcessIdentity:
    """The caller's own identity."""
    return ProcessIdentity(os.getpid(), psutil.Process().create_time())


def spawn(
    arguments: Sequence[str], *, environment: Mapping[str, str], log: Path, cwd: Path, sockets: Sequence[int]
) -> ProcessIdentity:
    """Start a process in its own session, its output appended to `log`, with `sockets` handed over.

    It gets no signals from the caller's terminal and goes on when the caller ends.
    """
    with log.open("ab") as output:
        child = subprocess.Popen(
            arguments,
            env=dict(environment),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            pass_fds=sockets,
            start_new_session=True,
        )
    # Not waited for here: psutil collects it if it ends while the caller still runs.
    child.returncode = 0
    return ProcessIdentity(child.pid, psutil.Process(child.pid).create_time())


def stop_group(identity: ProcessIdentity, *, grace: float = 3.0) -> None:
    """End the process and everything it started: politely, and after `grace` seconds by force.

    Does nothing when the process is gone, or when its number belongs to another process by now.
    """
    if not identity.is_running():
        return
    try:
        leader = psutil.Process(identity.pid)
        members = [leader, *leader.children(recursive=True)]
    except psutil.NoSuchProcess:
        # It ended between the two looks.
        return
    with _undisturbed():
        _signal_group(identity.pid, signal.SIGTERM)
        if not wait_until(lambda: not any(map(_is_alive, members)), limit=grace):
            _signal_group(identity.pid, signal.SIGKILL)
            wait_until(lambda: not any(map(_is_alive, members)), limit=_KILL_LIMIT)


def wait_until(
    condition: Callable[[], bool],
    *,
    limit: float,
    interval: float = _POLL_INTERVAL,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """Ask until `condition` holds or `limit` seconds are over; say which it was.

    It is asked once more after the limit: a process that gets no processor for a while must not miss what
    came about meanwhile.
    """
    deadline = clock() + limit
    while True:
        over = clock() > deadline
        if condition():
            return True
        if over:
            return False
        sleep(interval)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Ignore Ctrl-C meanwhile: who presses it a second time wants an end, not a process left behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    former = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, former)


def _signal_group(group: int, number: signal.Signals) -> None:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return


def _is_alive(process: psutil.Process) -> bool:
    try:
        if process.status() != psutil.STATUS_ZOMBIE:
            return bool(process.is_running())
        # Ended; if it is a child of ours, nobody else collects it.
        process.wait(timeout=0)
    except (psutil.NoSuchProcess, psutil.TimeoutExpired):
        return False
    return False
