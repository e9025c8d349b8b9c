"""The state that a lab stores between two commands: its MiniStack and the deployed stack."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from iot_jitr_cli.console import CliError
from iot_jitr_cli.deployment import Deployment
from iot_jitr_cli.lab.ministack import REGION, MiniStack
from iot_jitr_cli.lab.process import ProcessIdentity
from iot_jitr_cli.pki.files import replace_private


@dataclass(frozen=True, slots=True)
class DeployedStack:
    """The last deployment of a lab."""

    stack: str
    outputs: Mapping[str, str]
    ca_certificate: str
    """Path of the (first) CA certificate that the stack registers."""
    seconds: float
    """The duration of `cdk deploy`."""

    @property
    def deployment(self) -> Deployment:
        """The deployment, as the commands find it in an AWS account."""
        return Deployment(self.stack, REGION, self.outputs)


def write_state(file: Path, ministack: MiniStack, deployed: DeployedStack | None) -> None:
    """Replace the state file atomically; it contains credentials, so only its owner may read it."""
    content = {"ministack": asdict(ministack), "deployed": deployed and asdict(deployed)}
    replace_private(file, json.dumps(content, indent=2).encode())


def read_state(file: Path) -> tuple[MiniStack, DeployedStack | None] | None:
    """The state that `write_state` wrote last; `None` if there is no state file.

    Raises:
        CliError: The file is damaged.
    """
    try:
        content = json.loads(file.read_text())
        ministack, deployed = content["ministack"], content["deployed"]
        pid, started = ministack["process"]["pid"], ministack["process"]["started"]
        process = ProcessIdentity(int(pid), float(started))
        return (
            MiniStack(**{**ministack, "process": process}),
            DeployedStack(**deployed) if deployed else None,
        )
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError) as error:
        raise CliError(
            f"{file} is damaged ({error!r}): 'jitr lab down' ends the lab and removes its folder"
        ) from error
