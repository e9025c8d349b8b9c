"""`jitr status`: the deployment at a glance, once or as a live view."""

import time
from typing import TYPE_CHECKING

import click
from rich.live import Live

from iot_jitr_cli.console import ExitCode, WrongUseError, json_option, out, print_json
from iot_jitr_cli.deployment import stack_option
from iot_jitr_cli.session import aws_session
from iot_jitr_cli.status.collect import ROWS, snapshot
from iot_jitr_cli.status.view import view

if TYPE_CHECKING:
    import boto3

_LEAST_SECONDS = 2


@click.command()
@click.option("--watch", is_flag=True, help="Refresh a live view until Ctrl-C.")
@click.option(
    "--every",
    type=click.IntRange(_LEAST_SECONDS, 3600),
    default=10,
    show_default=True,
    help="Seconds between two snapshots, with --watch.",
)
@click.option(
    "--rows",
    type=click.IntRange(0, 10_000_000),
    default=ROWS,
    show_default=True,
    help="Rows of the ledger to read at most.",
)
@stack_option
@json_option
def status(*, watch: bool, every: int, rows: int, stack_name: str, as_json: bool) -> ExitCode | None:
    """Fleet, rate, queues, CAs, CRLs and last errors at a glance.

    Reads only. What may not be read is marked with '?' and the missing permission. Exits 0, 1 when an alarm
    is active, or 3 when a part could not be read.
    """
    if watch and (as_json or not out.is_terminal):
        raise WrongUseError("--watch is for a terminal, and not for --json: repeat the command instead")
    session = aws_session()
    if watch:
        _watch(session, stack_name, rows, every)
        return None
    found = snapshot(session, stack_name, rows)
    if as_json:
        print_json(found)
    else:
        out.print(view(found))
    if found.alarms and isinstance(found.alarms, tuple):
        return ExitCode.NO
    return ExitCode.UNDETERMINED if found.unknown else ExitCode.OK


def _watch(session: "boto3.Session", stack_name: str, rows: int, every: int) -> None:
    with Live(view(snapshot(session, stack_name, rows)), console=out, screen=True) as live:
        while True:
            time.sleep(every)
            live.update(view(snapshot(session, stack_name, rows)), refresh=True)
