"""The lab's folder: its files and their permissions. Only a folder that a lab created can be removed."""

import contextlib
import fcntl
import shutil
from collections.abc import Iterator
from pathlib import Path

from iot_jitr_cli.console import CliError, WrongUseError
from iot_jitr_cli.lab.environment import TEMPORARY

DEFAULT_DIRECTORY = Path(".jitr", "lab")
_PRIVATE_FOLDER = 0o700


class LabFiles:
    """The paths in a lab's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.state = folder / "lab.json"
        """The state file with the local cloud's process, credentials and deployed stack; mode 0600."""
        self.ministack_log = folder / "ministack.log"
        """The output of MiniStack and of the functions in it."""
        self.requests = folder / "requests.jsonl"
        """Every AWS API call in the local cloud, one JSON object per line."""
        self.cdk_log = folder / "cdk.log"
        """The output of the CDK command line."""
        self.project = folder / "project"
        """The deployed CDK project."""
        self.ca = folder / "ca"
        """The development CA, unless the caller gave a CA."""
        self.broker_ca = folder / "broker-ca.pem"
        """The CA certificate with which MQTT clients verify the broker."""
        self._marker = folder / ".jitr-lab"

    def create(self) -> None:
        """Make the folder, readable only by its owner. A folder that is a lab's already is used again.

        Raises:
            WrongUseError: The folder exists and contains other files.
        """
        if (
            not self.is_a_lab()
            and self.folder.exists()
            and (not self.folder.is_dir() or any(self.folder.iterdir()))
        ):
            raise WrongUseError(
                f"{self.folder} contains other files than a lab's; choose a new folder with --directory"
            )
        self.folder.mkdir(parents=True, exist_ok=True, mode=_PRIVATE_FOLDER)
        self.folder.chmod(_PRIVATE_FOLDER)
        self._marker.touch()
        (self.folder / TEMPORARY).mkdir(exist_ok=True)

    def is_a_lab(self) -> bool:
        """Whether a lab created this folder."""
        return self._marker.is_file()

    def remove(self) -> None:
        """Remove the folder and its content, if a lab created it.

        The marker file is removed last, so after an interruption the folder is still a lab's folder.
        """
        if not self.is_a_lab():
            return
        for path in self.folder.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif path != self._marker:
                path.unlink()
        self._marker.unlink()
        self.folder.rmdir()

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Prevent other commands from starting or stopping this lab during the block.

        Raises:
            CliError: Another command is starting or stopping it.
        """
        with self._marker.open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise CliError(
                    f"another 'jitr lab' command is working in {self.folder}: wait until it is done"
                ) from None
            yield
