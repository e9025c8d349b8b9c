"""`jitr allow`: load the list of expected devices from a file, read it and change it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from iot_jitr_cli.allow.rows import DeviceFile
from iot_jitr_cli.allow.table import AllowListTable
from iot_jitr_cli.console import FILE, ExitCode, err, json_option, out, print_json, printable
from iot_jitr_cli.deployment import find_deployment, stack_option
from iot_jitr_cli.session import aws_session

_ca_option = click.option(
    "--ca", "ca_certificate_id", metavar="ID", help="Id of the CA, if devices are listed by CA and serial."
)


@click.group()
def allow() -> None:
    """The allow list: which devices are expected."""


@allow.command()
@click.argument("file", type=FILE)
@_ca_option
@stack_option
@json_option
def load(file: Path, ca_certificate_id: str | None, stack_name: str, *, as_json: bool) -> None:
    """List the devices of FILE, .csv with a header or .jsonl.

    The key columns are ca_certificate_id and serial_number, or common_name, or subject_serial_number, as in
    the configuration of the deployment; other columns become attributes of the device's thing. The file is
    checked first: if a row is wrong, nothing is loaded. Loading a file again changes nothing, so an
    interrupted load can be started again.
    """
    listed = _allow_list(stack_name)
    devices = DeviceFile(file, listed.kind, ca_certificate_id or listed.only_ca)
    with _progress("checking", None, quiet=as_json) as advance:
        total = devices.check(on_row=lambda: advance(1))
    with _progress("loading", total, quiet=as_json) as advance:
        listed.load(devices.devices(), advance)
    if as_json:
        print_json({"table": listed.table, "devices": total})
    else:
        out.print(f"{total} devices are listed")


@allow.command()
@click.argument("key")
@_ca_option
@stack_option
@json_option
def show(key: str, ca_certificate_id: str | None, stack_name: str, *, as_json: bool) -> ExitCode:
    """Is the device KEY listed? 0 yes, 1 no.

    KEY is the path of the device's certificate, or the device's key in the list (a common name, a serial
    number, CA#SERIAL).
    """
    listed = _allow_list(stack_name)
    device = listed.key(key, ca_certificate_id)
    attributes = listed.find(device)
    if as_json:
        print_json({"key": str(device), "listed": attributes is not None, "thing_attributes": attributes})
    elif attributes is None:
        out.print(f"no: '{printable(str(device))}' is not on the allow list")
    else:
        shown = "".join(f"\n  {name} = {value}" for name, value in sorted(attributes.items()))
        out.print(f"yes: '{printable(str(device))}' is on the allow list{shown}")
    return ExitCode.NO if attributes is None else ExitCode.OK


@allow.command()
@click.argument("key")
@_ca_option
@stack_option
@json_option
def remove(key: str, ca_certificate_id: str | None, stack_name: str, *, as_json: bool) -> ExitCode:
    """Remove the device KEY from the list: 0 done, 1 it was not listed.

    An active device stays active; revoke its certificate to change that. KEY is the path of the device's
    certificate, or the device's key in the list.
    """
    listed = _allow_list(stack_name)
    device = listed.key(key, ca_certificate_id)
    removed = listed.remove(device)
    if as_json:
        print_json({"key": str(device), "removed": removed})
    elif removed:
        out.print(f"removed '{printable(str(device))}'; a device that is active stays active")
    else:
        out.print(f"no: '{printable(str(device))}' was not on the allow list")
    return ExitCode.OK if removed else ExitCode.NO


def _allow_list(stack_name: str) -> AllowListTable:
    session = aws_session()
    return AllowListTable.find_in(find_deployment(session, stack_name), session.client("dynamodb"))


@contextmanager
def _progress(what: str, total: int | None, *, quiet: bool) -> Iterator[Callable[[int], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    if total is not None:
        columns = (*columns, TaskProgressColumn(), TimeRemainingColumn())  # type: ignore[assignment]
    with Progress(*columns, console=err, transient=True, disable=quiet or not err.is_terminal) as progress:
        task = progress.add_task(what, total=total)
        yield lambda rows: progress.advance(task, rows)
