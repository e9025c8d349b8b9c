"""`jitr connect`: connect as a device does, and print the timeline."""

import os
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

import click
from botocore.exceptions import ClientError
from rich.text import Text

from iot_jitr_cli.connect.credentials import Credentials
from iot_jitr_cli.connect.device import DEFAULT_TIMEOUT, DEFAULT_TOPIC, Device
from iot_jitr_cli.connect.device import connect as connect_device
from iot_jitr_cli.connect.endpoint import ca_file_option, endpoint_option, find_endpoint, read_account_host
from iot_jitr_cli.connect.timeline import ConnectResult, Ending, Step, TimelineEvent
from iot_jitr_cli.console import FILE, ExitCode, json_option, out, print_json, printable
from iot_jitr_cli.deployment import NoDeploymentError, find_deployment, stack_option
from iot_jitr_runtime.aws_errors import DENIED, error_code
from iot_jitr_runtime.stack_outputs import Output

if TYPE_CHECKING:
    import boto3

_EXIT_CODES = {
    Ending.PUBLISHED: ExitCode.OK,
    Ending.REFUSED: ExitCode.NO,
    Ending.UNREACHABLE: ExitCode.UNDETERMINED,
    Ending.STOPPED: ExitCode.INTERRUPTED,
}
_STYLES = {Step.REFUSED: "yellow", Step.FAILED: "red", Step.WAITING: "dim", Step.RECEIVED: "green"}


@click.command()
@click.argument("chain_file", metavar="CHAIN", type=FILE)
@click.option("--key", "key_file", type=FILE, required=True, help="The device's private key.")
@endpoint_option
@ca_file_option
@stack_option
@click.option("--client-id", help="Default: the certificate's common name.")
@click.option(
    "--topic", default=DEFAULT_TOPIC, show_default=True, help="Topic of the message to publish and receive."
)
@click.option(
    "--timeout",
    type=click.FloatRange(1, 86400),
    default=DEFAULT_TIMEOUT,
    show_default=True,
    metavar="S",
    help="Seconds after which no further attempt begins.",
)
@json_option
def connect(  # noqa: PLR0913  a command's options are its arguments
    chain_file: Path,
    *,
    key_file: Path,
    endpoint: str | None,
    ca_file: Path | None,
    stack_name: str,
    client_id: str | None,
    topic: str,
    timeout: float,
    as_json: bool,
) -> ExitCode:
    """Connect as a device does: be refused, wait, connect again, publish one message and receive it.

    Prints the timeline. Exits 0 (connected and published), 1 (refused until the time-out), 3 (undetermined:
    endpoint unreachable or not trusted).
    """
    credentials = Credentials.load(chain_file, key_file)
    device = Device(
        credentials=credentials,
        endpoint=find_endpoint(endpoint, ca_file, os.environ, lambda: _account_host(stack_name)),
        client_id=client_id or credentials.common_name,
        topic=topic,
        timeout=timeout,
    )
    if as_json:
        result = connect_device(device)
        print_json({"endpoint": str(device.endpoint), **vars(result)})
    else:
        result = connect_device(device, lambda event: out.print(timeline_line(event)))
        out.print(_conclusion(result, chain_file))
    return _EXIT_CODES[result.ending]


def timeline_line(event: TimelineEvent) -> Text:
    """One event as one line: seconds since the start, step, detail."""
    style = _STYLES.get(event.step, "")
    line = Text(f"{event.elapsed:7.2f} s  ")
    line.append(f"{event.step:<10}", style=style)
    return line.append(f"  {printable(event.detail)}")


def _account_host(stack_name: str) -> str:
    from iot_jitr_cli.session import aws_session  # noqa: PLC0415  slow, and unused if an endpoint is given

    session = aws_session()
    return read_account_host(session.client("iot"), _guarded_domain(session, stack_name))


def _guarded_domain(session: "boto3.Session", stack_name: str) -> str | None:
    """Name of the domain configuration of the stack's connect guard; `None` if it cannot be found."""
    try:
        return find_deployment(session, stack_name).get(Output.CONNECT_GUARD_DOMAIN_CONFIGURATION)
    except NoDeploymentError:
        return None
    except ClientError as error:
        # If the caller may not read the stack, the device connects to the account's own endpoint.
        if error_code(error) in DENIED:
            return None
        raise


def _conclusion(result: ConnectResult, chain_file: Path) -> str:
    attempts = f"{result.attempts} attempt{'s' if result.attempts > 1 else ''}"
    match result.ending:
        case Ending.PUBLISHED:
            return f"connected and published after {attempts}"
        case Ending.REFUSED:
            return f"refused, after {attempts}; next: jitr doctor {quote(str(chain_file))}"
        case _:
            return f"could not tell: no answer from a trusted endpoint, after {attempts}"
