"""The lab's folder: its files and their permissions. Only a folder that a lab made is ever removed."""

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
        """The local cloud's process and credentials, and the deployed stack; mode 0600."""
        self.ministack_log = folder / "ministack.log"
        """Everything that MiniStack and the functions in it write."""
        self.requests = folder / "requests.jsonl"
        """Every AWS API call that was made in the local cloud, one JSON object a line."""
        self.cdk_log = folder / "cdk.log"
        """Everything that the CDK command line writes."""
        self.project = folder / "project"
        """The CDK project that is deployed."""
        self.ca = folder / "ca"
        """The development CA, unless the caller brought one."""
        self.broker_ca = folder / "broker-ca.pem"
        """The CA certificate by which MQTT clients trust the broker."""
        self._marker = folder / ".jitr-lab"

    def create(self) -> None:
        """Make the folder, readable by its owner alone; one that is a lab's already is kept.

        Raises:
            WrongUseError: It exists and holds other things.
        """
        if (
            not self.is_a_lab()
            and self.folder.exists()
            and (not self.folder.is_dir() or any(self.folder.iterdir()))
        ):
            raise WrongUseError(
                f"{self.folder} holds other things than a lab; choose an empty or new folder with --directory"
            )
        self.folder.mkdir(parents=True, exist_ok=True, mode=_PRIVATE_FOLDER)
        self.folder.chmod(_PRIVATE_FOLDER)
        self._marker.touch()
        (self.folder / TEMPORARY).mkdir(exist_ok=True)

    def is_a_lab(self) -> bool:
        """Whether a lab made this folder."""
        return self._marker.is_file()

    def remove(self) -> None:
        """Remove the folder with all that is in it, if a lab made it.

        The marker comes last: a removal that is cut off leaves a lab's folder.
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
        """Refuse a second command that starts or stops this lab during the block.

        Raises:
            CliError: One of them is starting or stopping it.
        """
        with self._marker.open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise CliError(
                    f"another 'jitr lab' command is working in {self.folder}: wait until it is done"
                ) from None
            yield
