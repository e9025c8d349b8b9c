"""`jitr lab`: the local cloud with the stack deployed in it."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from iot_jitr_cli.console import ExitCode, err, json_option, out, print_json
from iot_jitr_cli.lab.ca import callers_ca
from iot_jitr_cli.lab.files import DEFAULT_DIRECTORY
from iot_jitr_cli.lab.lab import Lab
from iot_jitr_cli.lab.ministack import Ports
from iot_jitr_cli.lab.operations import Health, LabStatus, bring_up, lab_status, take_down

if TYPE_CHECKING:
    from collections.abc import Callable

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_PORT = click.IntRange(1, 65535)
_EXIT_CODES = {
    Health.OK: ExitCode.OK,
    Health.NOT_RUNNING: ExitCode.NO,
    Health.NOT_ANSWERING: ExitCode.UNDETERMINED,
}


def _directory_option(command: "Callable[..., ExitCode | None]") -> "Callable[..., ExitCode | None]":
    option = click.option(
        "--directory",
        type=click.Path(file_okay=False, path_type=Path),
        default=DEFAULT_DIRECTORY,
        show_default=True,
        help="The lab's folder: state, logs, keys.",
    )
    return option(command)


@click.group()
def lab() -> None:
    """The local cloud: MiniStack on loopback, with IAM enforced and the stack deployed in it."""


@lab.command()
@click.option("--ca-cert", "ca_certificate", type=_FILE, help="Register this CA, PEM or DER.")
@click.option("--ca-key", type=_FILE, help="That CA's private key, PEM or DER.")
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
    ca = callers_ca(ca_certificate, ca_key)
    # Steps go to standard error: standard output is the answer.
    found = bring_up(directory, Ports(gateway_port or 0, mqtt_port or 0), ca, on_step=_say)
    if as_json:
        print_json(found)
        return
    _print(found)
    out.print(f"next: {_hint('eval', directory)}")
    if ca is None:
        out.print(f"      jitr pki device {shlex.quote(str(directory / 'ca'))} my-device")


@lab.command()
@_directory_option
@json_option
def down(directory: Path, *, as_json: bool) -> None:
    """Stop what 'jitr lab up' started, and remove the lab's folder with its logs and its development CA."""
    stopped = take_down(directory)
    if as_json:
        print_json({"stopped": stopped, "directory": directory})
        return
    out.print(f"stopped, {directory} removed" if stopped else f"no lab was running in {directory}")


@lab.command()
@_directory_option
@json_option
def status(directory: Path, *, as_json: bool) -> ExitCode:
    """Is it running, and where? Exits 0 (yes), 1 (not running) or 3 (running but not answering)."""
    found = lab_status(directory)
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


def _say(step: str) -> None:
    err.print(step)


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


def _hint(verb: str, directory: Path) -> str:
    chosen = "" if directory == DEFAULT_DIRECTORY else f" --directory {shlex.quote(str(directory))}"
    return f'{verb} "$(jitr lab env{chosen})"'
