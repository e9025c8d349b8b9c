"""What the `jitr lab` commands do, without a word about how it is shown."""

from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from iot_jitr_cli.lab.ca import LabCa, development_ca
from iot_jitr_cli.lab.files import Deployment, LabFiles
from iot_jitr_cli.lab.lab import MQTT_HOST, Lab
from iot_jitr_cli.lab.ministack import Ports, UnreachableError, health
from iot_jitr_cli.lab.process import stop_processes
from iot_jitr_cli.lab.project import CA_KEY_SECRET, default_configuration

if TYPE_CHECKING:
    from collections.abc import Iterator


class Health(StrEnum):
    """How a lab is."""

    OK = "ok"
    NOT_ANSWERING = "not answering"
    NOT_RUNNING = "not running"


@dataclass(frozen=True)
class Report:
    """A lab at a glance; all but the first two are missing when it is not running."""

    health: Health
    directory: Path
    pid: int | None = None
    running_since: datetime | None = None
    endpoint_url: str | None = None
    mqtt: str | None = None
    ministack_version: str | None = None
    stack_status: str | None = None
    deployment: Deployment | None = None


def bring_up(directory: Path, ports: Ports, ca: LabCa | None, on_step: Callable[[str], None]) -> Report:
    """Start the local cloud if it is not running, and deploy the stack as it is now.

    What an earlier command left when it was killed is ended first. A cloud that was started here is stopped
    again when the deployment fails; its logs stay.

    Raises:
        JitrError: See `Lab.start` and `Lab.deploy`.
    """
    files = LabFiles(directory.resolve())
    files.create()
    with files.locked():
        lab = Lab.find(directory)
        stop_processes(files.folder, spare=lab.endpoint.process if lab else None)
        if lab is not None:
            on_step("the local cloud is running already")
            _deploy(lab, ca, on_step)
            return report(directory)
        on_step("starting the local cloud")
        lab = Lab.start(directory, ports)
        with _stopped_on_failure(lab):
            _deploy(lab, ca, on_step)
    return report(directory)


def take_down(directory: Path) -> bool:
    """End everything that `bring_up` started and remove the lab's folder; return whether anything ran.

    Raises:
        LabBusyError: Another command is starting or stopping this lab.
    """
    files = LabFiles(directory.resolve())
    if not files.is_a_lab():
        # Removed by hand, perhaps, while the lab ran.
        return stop_processes(files.folder)
    with files.locked():
        ran = stop_processes(files.folder)
        files.remove()
        return ran


def report(directory: Path) -> Report:
    """How the lab in `directory` is.

    Raises:
        StateUnreadableError: Its state file is damaged.
    """
    lab = Lab.find(directory)
    if lab is None:
        return Report(Health.NOT_RUNNING, directory)
    endpoint = lab.endpoint
    known = Report(
        Health.NOT_ANSWERING,
        directory,
        pid=endpoint.process.pid,
        running_since=datetime.fromtimestamp(endpoint.process.started, UTC),
        endpoint_url=endpoint.url,
        mqtt=f"{MQTT_HOST}:{endpoint.mqtt_port}",
        deployment=lab.deployment,
    )
    try:
        version = str(health(endpoint)["version"])
    except UnreachableError:
        return known
    return replace(known, health=Health.OK, ministack_version=version, stack_status=_stack_status(lab))


def _stack_status(lab: Lab) -> str | None:
    if lab.deployment is None:
        return None
    cloudformation = lab.client("cloudformation")
    try:
        stacks = cloudformation.describe_stacks(StackName=lab.deployment.stack)["Stacks"]
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


@contextmanager
def _stopped_on_failure(lab: Lab) -> "Iterator[None]":
    try:
        yield
    except BaseException:
        # Ctrl-C included: what this command started does not stay behind it half made.
        lab.stop_and_keep_logs()
        raise
