"""The lab's child processes: started so that they outlive the command, found again, and ended.

A process of a lab is found by its environment: `JITR_LAB` is the lab's folder, in each process that the lab
starts and in each that these processes start. So a later command finds what a killed command left, and never
ends another process that got the number of one that has ended.
"""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # ships no types

from iot_jitr_cli.signals import end_signals
from iot_jitr_cli.waiting import wait_until

LAB_FOLDER = "JITR_LAB"
"""Environment variable of every process of a lab: the lab's folder."""
_CLOCK_TOLERANCE = 2.0
"""Seconds. A start time is computed from the machine's boot time, which follows clock corrections."""
_SCAN_INTERVAL = 0.1
"""Seconds between two listings of all processes of the machine."""
_KILL_LIMIT = 60.0
"""Seconds. A killed process ends as soon as it is scheduled; the limit only ends a hang."""


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A process, by more than its number: numbers are used again."""

    pid: int
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

    It gets no signals from the caller's terminal and runs on when the caller ends.
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


def stop_processes(folder: Path, *, spare: ProcessIdentity | None = None, grace: float = 3.0) -> bool:
    """End every process of the lab in `folder`: by SIGTERM, after `grace` seconds by SIGKILL.

    Args:
        folder: The lab's folder, absolute.
        spare: A process that runs on, with all its children.
        grace: Seconds that they have to end by themselves.

    Returns:
        Whether there was one.
    """
    found = _processes(folder, spare)
    if not found:
        return False

    def kill() -> bool:
        left = _processes(folder, spare)
        _send(signal.SIGKILL, left)
        return not left

    # A second Ctrl-C must not leave a process behind.
    with end_signals(signal.SIG_IGN):
        _send(signal.SIGTERM, found)
        if not wait_until(lambda: not _processes(folder, spare), limit=grace, interval=_SCAN_INTERVAL):
            wait_until(kill, limit=_KILL_LIMIT, interval=_SCAN_INTERVAL)
    return True


def _processes(folder: Path, spare: ProcessIdentity | None) -> list[psutil.Process]:
    """The lab's processes that are alive. One whose environment cannot be read is another user's."""
    found = [
        process
        for process in psutil.process_iter(["environ"])
        if (process.info["environ"] or {}).get(LAB_FOLDER) == str(folder) and _is_alive(process)
    ]
    spared = _family(spare) if spare else set()
    return [process for process in found if process not in spared]


def _family(identity: ProcessIdentity) -> set[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(identity.pid)
        return {process, *process.children(recursive=True)}
    return set()


def _send(number: signal.Signals, processes: Sequence[psutil.Process]) -> None:
    for process in processes:
        # psutil compares the start time, so a number that is used again since does no harm.
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def _is_alive(process: psutil.Process) -> bool:
    try:
        if process.status() != psutil.STATUS_ZOMBIE:
            return bool(process.is_running())
        # Ended. If it is a child of this process, nothing else collects it.
        process.wait(timeout=0)
    except (psutil.NoSuchProcess, psutil.TimeoutExpired):
        return False
    return False
