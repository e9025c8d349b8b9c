"""What the `jitr lab` commands do; how it is shown is `command`'s."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from iot_jitr_cli.lab.ca import LabCa, development_ca
from iot_jitr_cli.lab.files import DeployedStack, LabFiles
from iot_jitr_cli.lab.lab import MQTT_HOST, Lab
from iot_jitr_cli.lab.ministack import Ports, UnreachableError, health
from iot_jitr_cli.lab.process import stop_processes
from iot_jitr_cli.lab.project import CA_KEY_SECRET, default_configuration


class Health(StrEnum):
    """Whether a lab runs."""

    OK = "ok"
    NOT_ANSWERING = "not answering"
    NOT_RUNNING = "not running"


@dataclass(frozen=True)
class LabStatus:
    """A lab at a glance; all but the first two are missing when it is not running."""

    health: Health
    directory: Path
    pid: int | None = None
    running_since: datetime | None = None
    endpoint_url: str | None = None
    mqtt: str | None = None
    ministack_version: str | None = None
    stack_status: str | None = None
    deployed: DeployedStack | None = None


def bring_up(directory: Path, ports: Ports, ca: LabCa | None, on_step: Callable[[str], None]) -> LabStatus:
    """Start the local cloud if it is not running, and deploy the stack as it is now.

    What an earlier command left when it was killed is ended first. A cloud that was started here is stopped
    again when the deployment fails; its logs stay.

    Raises:
        JitrError: See `Lab.start` and `Lab.deploy`.
    """
    files = LabFiles(directory.resolve())
    files.create()
    with files.locked():
        running = Lab.find(directory)
        stop_processes(files.folder, spare=running.endpoint.process if running else None)
        if running:
            on_step("the local cloud is running already")
            _deploy(running, ca, on_step)
            return lab_status(directory)
        on_step("starting the local cloud")
        lab = Lab.start(directory, ports)
        try:
            _deploy(lab, ca, on_step)
        except BaseException:
            # Ctrl-C included.
            lab.stop_and_keep_logs()
            raise
    return lab_status(directory)


def take_down(directory: Path) -> bool:
    """End everything that `bring_up` started and remove the lab's folder; return whether anything ran.

    Raises:
        CliError: Another command is starting or stopping this lab.
    """
    files = LabFiles(directory.resolve())
    if not files.is_a_lab():
        # Removed by hand, perhaps, while the lab ran.
        return stop_processes(files.folder)
    with files.locked():
        ran = stop_processes(files.folder)
        files.remove()
        return ran


def lab_status(directory: Path) -> LabStatus:
    """Whether the lab in `directory` runs, and where.

    Raises:
        CliError: Its state file is damaged.
    """
    lab = Lab.find(directory)
    if lab is None:
        return LabStatus(Health.NOT_RUNNING, directory)
    endpoint = lab.endpoint
    status = LabStatus(
        Health.NOT_ANSWERING,
        directory,
        pid=endpoint.process.pid,
        running_since=datetime.fromtimestamp(endpoint.process.started, UTC),
        endpoint_url=endpoint.url,
        mqtt=f"{MQTT_HOST}:{endpoint.mqtt_port}",
        deployed=lab.deployed,
    )
    try:
        version = str(health(endpoint)["version"])
    except UnreachableError:
        return status
    return replace(status, health=Health.OK, ministack_version=version, stack_status=_stack_status(lab))


def _stack_status(lab: Lab) -> str | None:
    if lab.deployed is None:
        return None
    cloudformation = lab.client("cloudformation")
    try:
        stacks = cloudformation.describe_stacks(StackName=lab.deployed.stack)["Stacks"]
    except cloudformation.exceptions.ClientError:
        # CloudFormation answers for an unknown stack with a bare ValidationError.
        return "gone"
    return str(stacks[0]["StackStatus"])


def _deploy(lab: Lab, ca: LabCa | None, on_step: Callable[[str], None]) -> None:
    chosen = ca or development_ca(lab.files.ca)
    with lab.needed():
        lab.put_secret(CA_KEY_SECRET, chosen.key_pem)
    on_step("deploying the stack")
    lab.deploy(default_configuration(chosen.certificate_file))
