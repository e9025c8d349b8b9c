"""The lab's folder: its files and their permissions. Only a folder that a lab made is ever removed."""

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from iot_jitr_cli.console import CliError, WrongUseError
from iot_jitr_cli.deployment import Deployment
from iot_jitr_cli.lab.endpoint import REGION, Endpoint
from iot_jitr_cli.lab.environment import TEMPORARY
from iot_jitr_cli.lab.process import ProcessIdentity

DEFAULT_DIRECTORY = Path(".jitr", "lab")
_PRIVATE_FOLDER = 0o700
_PRIVATE_FILE = 0o600


@dataclass(frozen=True, slots=True)
class DeployedStack:
    """What the lab deployed into its cloud last."""

    stack: str
    outputs: Mapping[str, str]
    ca_certificate: str
    """Path of the (first) CA certificate that the stack registers."""
    seconds: float
    """How long `cdk deploy` took."""

    @property
    def deployment(self) -> Deployment:
        """The same as the commands find it in an AWS account."""
        return Deployment(self.stack, REGION, self.outputs)


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

    def write_state(self, endpoint: Endpoint, deployed: DeployedStack | None) -> None:
        """Replace the state file in one step."""
        fresh = self.state.with_suffix(".new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _PRIVATE_FILE)
        with os.fdopen(descriptor, "w") as file:
            json.dump(
                {"endpoint": asdict(endpoint), "deployed": deployed and asdict(deployed)}, file, indent=2
            )
        fresh.replace(self.state)

    def read_state(self) -> tuple[Endpoint, DeployedStack | None] | None:
        """What `write_state` wrote last, `None` if there is nothing.

        Raises:
            CliError: The file is damaged.
        """
        try:
            content = json.loads(self.state.read_text())
            endpoint, deployed = content["endpoint"], content["deployed"]
            pid, started = endpoint["process"]["pid"], endpoint["process"]["started"]
            process = ProcessIdentity(int(pid), float(started))
            return (
                Endpoint(**{**endpoint, "process": process}),
                DeployedStack(**deployed) if deployed else None,
            )
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, KeyError) as error:
            raise CliError(
                f"{self.state} is damaged ({error!r}): 'jitr lab down' ends the lab and removes its folder"
            ) from error
