"""`jitr status`: the deployment on one screen, once or as a live view."""

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.live import Live

from iot_jitr_cli.console import ExitCode, WrongUseError, json_option, out, print_json, printable
from iot_jitr_cli.deployment import stack_option
from iot_jitr_cli.least_policy import Resources
from iot_jitr_cli.pki.files import replace_private
from iot_jitr_cli.session import aws_session
from iot_jitr_cli.status.fleet import ALL_ROWS, OVERVIEW, ROWS, Fleet
from iot_jitr_cli.status.ledger import LedgerCounts
from iot_jitr_cli.status.permissions import minimal_policy
from iot_jitr_cli.status.view import as_json as fleet_as_json
from iot_jitr_cli.status.view import view

if TYPE_CHECKING:
    import boto3

_MIN_SECONDS = 2


@click.command()
@click.option("--watch", is_flag=True, help="Refresh a live view until Ctrl-C.")
@click.option(
    "--every",
    type=click.IntRange(_MIN_SECONDS, 3600),
    default=10,
    show_default=True,
    help="Seconds between two refreshes, with --watch.",
)
@click.option(
    "--html",
    "html_file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write one self-contained page: why devices are not active, the last 24 hours, a search.",
)
@click.option(
    "--rows",
    type=click.IntRange(0, 10_000_000),
    help=f"Rows of the ledger to read at most.  [default: {ROWS}, with --html {ALL_ROWS}]",
)
@click.option("--iam-policy", is_flag=True, help="Print the least IAM policy that this command needs.")
@stack_option
@json_option
def status(  # noqa: PLR0913  a command's options are its arguments
    *,
    watch: bool,
    every: int,
    html_file: Path | None,
    rows: int | None,
    iam_policy: bool,
    stack_name: str,
    as_json: bool,
) -> ExitCode | None:
    """Fleet, rate, queues, CAs, CRLs and last errors at a glance.

    With --html, the same and more as a page for a browser. Only the file's owner may read it, because it
    contains names of devices; an existing file is replaced.

    Reads only. A part that may not be read is marked with '?' and the missing permission. Exits 0, 1 if an
    alarm is active, or 3 if a part could not be read.
    """
    if watch and (as_json or html_file or not out.is_terminal):
        raise WrongUseError(
            "--watch is for a terminal, and not for --json or --html: repeat the command instead"
        )
    session = aws_session()
    if iam_policy:
        print_json(minimal_policy(Resources.find(session, stack_name)))
        return None
    if rows is None:
        rows = ALL_ROWS if html_file else ROWS
    if watch:
        _watch(session, stack_name, rows, every)
        return None
    if html_file is not None:
        return _write_page(session, stack_name, rows, html_file, as_json=as_json)
    fleet = Fleet(session, stack_name, rows)
    if as_json:
        print_json(fleet_as_json(fleet))
    else:
        out.print(view(fleet))
    return _exit_code(fleet, *OVERVIEW)


def _exit_code(fleet: Fleet, *parts: str) -> ExitCode:
    if fleet.alarms and isinstance(fleet.alarms, tuple):
        return ExitCode.NO
    return ExitCode.UNDETERMINED if fleet.unknown(*parts) else ExitCode.OK


def _write_page(
    session: "boto3.Session", stack_name: str, rows: int, file: Path, *, as_json: bool
) -> ExitCode:
    # This import is here because the template engine takes longer to import than most commands to run.
    from iot_jitr_cli.status.page.render import CertificateSelection, page  # noqa: PLC0415

    selection = CertificateSelection()
    fleet = Fleet(session, stack_name, rows, selection.add)
    counts = fleet.ledger
    certificates = selection.certificates
    replace_private(file, page(fleet, certificates).encode())
    complete = (
        isinstance(counts, LedgerCounts) and counts.complete and counts.certificates == len(certificates)
    )
    if as_json:
        print_json({"file": file, "certificates": len(certificates), "complete": complete})
    else:
        more = "" if complete else ", not all: see --rows"
        out.print(f"{printable(str(file))}: {len(certificates):,} certificates{more}")
    return _exit_code(fleet, *OVERVIEW, "history")


def _watch(session: "boto3.Session", stack_name: str, rows: int, every: int) -> None:
    with Live(view(Fleet(session, stack_name, rows)), console=out, screen=True) as live:
        while True:
            time.sleep(every)
            live.update(view(Fleet(session, stack_name, rows)), refresh=True)
