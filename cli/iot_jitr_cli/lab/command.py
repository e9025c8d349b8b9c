"""`jitr lab`: the local cloud with the deployed stack."""

import shlex
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

import click

from iot_jitr_cli.console import FILE, ExitCode, WrongUseError, err, json_option, out, print_json
from iot_jitr_cli.lab.files import DEFAULT_DIRECTORY, LabFiles
from iot_jitr_cli.lab.lab import Lab
from iot_jitr_cli.lab.ministack import UnreachableError
from iot_jitr_cli.lab.process import stop_processes
from iot_jitr_cli.lab.project import default_configuration
from iot_jitr_cli.lab.state import DeployedStack
from iot_jitr_cli.pki.authority import DevelopmentCa

_PORT = click.IntRange(1, 65535)


class Health(StrEnum):
    """Whether a lab runs."""

    OK = "ok"
    NOT_ANSWERING = "not answering"
    NOT_RUNNING = "not running"


_EXIT_CODES = {
    Health.OK: ExitCode.OK,
    Health.NOT_RUNNING: ExitCode.NO,
    Health.NOT_ANSWERING: ExitCode.UNDETERMINED,
}


@dataclass(frozen=True)
class LabStatus:
    """The status of a lab; all fields except the first two are missing if it is not running."""

    health: Health
    directory: Path
    pid: int | None = None
    running_since: datetime | None = None
    endpoint_url: str | None = None
    mqtt: str | None = None
    ministack_version: str | None = None
    stack_status: str | None = None
    deployed: DeployedStack | None = None


_directory_option = click.option(
    "--directory",
    type=click.Path(file_okay=False, path_type=Path),
    default=DEFAULT_DIRECTORY,
    show_default=True,
    help="The lab's folder: state, logs, keys.",
)


@click.group()
def lab() -> None:
    """The local cloud: MiniStack on loopback, with IAM enforced and the stack deployed in it."""


@lab.command()
@click.option("--ca-cert", "ca_certificate", type=FILE, help="Register this CA, PEM or DER.")
@click.option("--ca-key", type=FILE, help="That CA's private key, PEM or DER.")
@click.option("--gateway-port", type=_PORT, help="Port of the AWS endpoint; a free one by default.")
@click.option("--mqtt-port", type=_PORT, help="Port of the MQTT broker; a free one by default.")
@_directory_option
@json_option
def up(  # noqa: PLR0913  a command's options are its arguments
    ca_certificate: Path | None,
    ca_key: Path | None,
    gateway_port: int | None,
    mqtt_port: int | None,
    directory: Path,
    *,
    as_json: bool,
) -> None:
    """Start the local cloud and deploy the stack into it; it runs on until 'jitr lab down'.

    Without --ca-cert and --ca-key it makes a development CA of its own. If it is running already, the stack
    is deployed again as it is now.
    """
    ca = _callers_ca(ca_certificate, ca_key)
    files = LabFiles(directory.resolve())
    files.create()
    with files.locked():
        found = Lab.find(directory)
        # Stops the processes that are left of an earlier command that was killed.
        stop_processes(files.folder, spare=found.ministack.process if found else None)
        # Steps are printed to standard error, because standard output is for the answer.
        err.print("the local cloud is running already" if found else "starting the local cloud")
        ports = (gateway_port or 0, mqtt_port or 0)
        running = found or Lab.start(directory, ports, outlives_caller=True)
        try:
            _deploy(running, ca)
        except BaseException:
            # Also after Ctrl-C. A cloud that was running before is not stopped.
            if not found:
                running.stop_and_keep_logs()
            raise
    status = _status(directory)
    if as_json:
        print_json(status)
        return
    _print(status)
    chosen = "" if directory == DEFAULT_DIRECTORY else f" --directory {shlex.quote(str(directory))}"
    out.print(f'next: eval "$(jitr lab env{chosen})"')
    if ca is None:
        out.print(f"      jitr pki device {shlex.quote(str(directory / 'ca'))} my-device")


@lab.command()
@_directory_option
@json_option
def down(directory: Path, *, as_json: bool) -> None:
    """Stop what 'jitr lab up' started, and remove the lab's folder with its logs and its development CA."""
    files = LabFiles(directory.resolve())
    if files.is_a_lab():
        with files.locked():
            stopped = stop_processes(files.folder)
            files.remove()
    else:
        # The folder may have been removed by hand while the lab was running.
        stopped = stop_processes(files.folder)
    if as_json:
        print_json({"stopped": stopped, "directory": directory})
        return
    out.print(f"stopped, {directory} removed" if stopped else f"no lab was running in {directory}")


@lab.command()
@_directory_option
@json_option
def status(directory: Path, *, as_json: bool) -> ExitCode:
    """Is it running, and where? Exits 0 (yes), 1 (not running) or 3 (running but not answering)."""
    found = _status(directory)
    if as_json:
        print_json(found)
    else:
        _print(found)
    return _EXIT_CODES[found.health]


@lab.command()
@_directory_option
@json_option
def env(directory: Path, *, as_json: bool) -> None:
    """Print what a shell needs to talk to the local cloud: eval "$(jitr lab env)"."""
    variables = Lab.attach(directory).variables
    if as_json:
        print_json(variables)
        return
    for name, value in variables.items():
        click.echo(f"export {name}={shlex.quote(value)}")


def _callers_ca(certificate_file: Path | None, key_file: Path | None) -> tuple[DevelopmentCa, Path] | None:
    """The caller's CA and the path of its certificate; `None` if neither file was given.

    Raises:
        WrongUseError: One of the two files is missing, or they cannot be used.
    """
    if certificate_file is None and key_file is None:
        return None
    if certificate_file is None or key_file is None:
        raise WrongUseError(
            "a CA of your own needs both --ca-cert and --ca-key: its key signs the verification certificate "
            "for AWS IoT (leave both out for a new development CA)"
        )
    return DevelopmentCa.from_files(certificate_file, key_file), certificate_file


def _deploy(running: Lab, callers_ca: tuple[DevelopmentCa, Path] | None) -> None:
    ca, certificate_file = callers_ca or running.development_ca()
    with running.needed():
        running.put_ca_key(ca)
    err.print("deploying the stack")
    running.deploy(default_configuration(certificate_file))


def _status(directory: Path) -> LabStatus:
    """Whether the lab in `directory` runs, and its addresses.

    Raises:
        CliError: Its state file is damaged.
    """
    found = Lab.find(directory)
    if found is None:
        return LabStatus(Health.NOT_RUNNING, directory)
    ministack = found.ministack
    silent = LabStatus(
        Health.NOT_ANSWERING,
        directory,
        pid=ministack.process.pid,
        running_since=datetime.fromtimestamp(ministack.process.started, UTC),
        endpoint_url=ministack.url,
        mqtt=str(found.broker()),
        deployed=found.deployed,
    )
    try:
        version = str(ministack.health()["version"])
    except UnreachableError:
        return silent
    return replace(silent, health=Health.OK, ministack_version=version, stack_status=_stack_status(found))


def _stack_status(found: Lab) -> str | None:
    if found.deployed is None:
        return None
    cloudformation = found.client("cloudformation")
    try:
        stacks = cloudformation.describe_stacks(StackName=found.deployed.stack)["Stacks"]
    except cloudformation.exceptions.ClientError:
        # For an unknown stack, CloudFormation returns only a ValidationError.
        return "gone"
    return str(stacks[0]["StackStatus"])


def _print(found: LabStatus) -> None:
    lines = {
        "local cloud": f"{found.health.value} ({found.directory})",
        "AWS endpoint": found.endpoint_url,
        "MQTT broker": found.mqtt,
        "process": None
        if found.pid is None
        else f"{found.pid}, since {found.running_since:%Y-%m-%d %H:%M:%SZ}",
        "MiniStack": found.ministack_version,
    }
    if found.deployed is not None:
        state = found.stack_status or "status unknown"
        lines["stack"] = f"{found.deployed.stack} {state}, took {found.deployed.seconds:.0f} s"
        lines["CA certificate"] = found.deployed.ca_certificate
    for name, value in lines.items():
        if value is not None:
            out.print(f"{name:<15} {value}")
    if found.health is Health.NOT_RUNNING:
        out.print("start it with: jitr lab up")
