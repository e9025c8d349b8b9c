"""The processes that run in a folder."""

from pathlib import Path

import psutil


def processes_in(folder: Path) -> list[int]:
    """Their numbers."""
    return [
        process.pid
        for process in psutil.process_iter(["cwd", "status"])
        if str(process.info["cwd"]).startswith(str(folder)) and process.info["status"] != psutil.STATUS_ZOMBIE
    ]
