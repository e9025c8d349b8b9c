"""The processes that run."""

from pathlib import Path

import psutil


def processes_in(folder: Path) -> list[int]:
    """The numbers of the processes that run in a folder."""
    return [
        process.pid
        for process in psutil.process_iter(["cwd", "status"])
        if str(process.info["cwd"]).startswith(str(folder)) and process.info["status"] != psutil.STATUS_ZOMBIE
    ]


def is_gone(pid: int) -> bool:
    """Whether a process has ended, even if its parent has not collected it."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
