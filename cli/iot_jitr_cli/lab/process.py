"""Starts the lab's child processes, which continue to run after the command; finds and stops them.

A process of a lab is found by its environment: `JITR_LAB` is the lab's folder, in each process that the lab
starts and in each of their child processes. So a later command finds the processes of a killed command, and
it never stops an unrelated process that has the process id of an ended one.
"""

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
"""Tolerance in seconds: a start time is computed from the boot time, which changes with the clock."""
_SCAN_INTERVAL = 0.1
"""Seconds between two listings of all processes of the machine."""
_START_LIMIT = 10.0
"""Seconds until the environment of a new process can be read; some milliseconds are needed."""
_KILL_LIMIT = 60.0
"""Seconds. A killed process ends as soon as it is scheduled; the limit only prevents an endless wait."""


@dataclass(frozen=True, slots=True)
class ProcessIdentity:
    """A process, identified by process id and start time, because process ids are reused."""

    pid: int
    started: float
    """The start time, in seconds since 1970."""

    def is_running(self) -> bool:
        """Whether exactly this process is still running."""
        try:
            process = psutil.Process(self.pid)
            return abs(process.create_time() - self.started) < _CLOCK_TOLERANCE and _is_alive(process)
        except psutil.NoSuchProcess:
            return False


def spawn(
    arguments: Sequence[str], *, environment: Mapping[str, str], log: Path, cwd: Path, sockets: Sequence[int]
) -> ProcessIdentity:
    """Start a process in its own session that inherits `sockets`; its output is appended to `log`.

    It gets no signals from the caller's terminal, and continues to run when the caller ends.
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
    # This does not wait: psutil collects the process if it ends while the caller is still running.
    child.returncode = 0
    process = psutil.Process(child.pid)
    identity = ProcessIdentity(child.pid, process.create_time())
    try:
        # On Linux the environment, by which the process is found, can be read only a moment after the start.
        wait_until(lambda: not _is_alive(process) or _environment(process), limit=_START_LIMIT)
    except BaseException:
        # Also after Ctrl-C: the caller does not know the process yet.
        process.kill()
        raise
    return identity


def stop_processes(folder: Path, *, spare: ProcessIdentity | None = None, grace: float = 3.0) -> bool:
    """Stop every process of the lab in `folder`: by SIGTERM, after `grace` seconds by SIGKILL.

    Args:
        folder: The lab's folder, absolute.
        spare: A process that is not stopped, nor its child processes.
        grace: Seconds between SIGTERM and SIGKILL.

    Returns:
        Whether there was a process.
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
    """The lab's running processes. If an environment cannot be read, the process is another user's."""
    # psutil's cache may have an ended process with the same process id.
    psutil.process_iter.cache_clear()
    found = [
        process
        for process in psutil.process_iter()
        if _environment(process).get(LAB_FOLDER) == str(folder) and _is_alive(process)
    ]
    spared = _process_tree(spare) if spare else set()
    return [process for process in found if process not in spared]


def _environment(process: psutil.Process) -> dict[str, str]:
    """The environment variables of a process; empty if they cannot be read."""
    with suppress(psutil.Error):
        environment: dict[str, str] = process.environ()
        return environment
    return {}


def _process_tree(identity: ProcessIdentity) -> set[psutil.Process]:
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(identity.pid)
        return {process, *process.children(recursive=True)}
    return set()


def _send(number: signal.Signals, processes: Sequence[psutil.Process]) -> None:
    for process in processes:
        # psutil compares the start time, so a reused process id is no problem.
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)


def _is_alive(process: psutil.Process) -> bool:
    try:
        if process.status() != psutil.STATUS_ZOMBIE:
            return bool(process.is_running())
        # The process has ended. If it is a child of this process, it must be collected here.
        process.wait(timeout=0)
    except (psutil.NoSuchProcess, psutil.TimeoutExpired):
        return False
    return False
