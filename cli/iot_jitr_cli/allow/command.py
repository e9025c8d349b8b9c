"""`jitr allow`: the list of expected devices, loaded from a file, asked and changed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
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

from iot_jitr_cli.allow.allow_list import AllowListTable
from iot_jitr_cli.allow.checkpoint import Checkpoint
from iot_jitr_cli.allow.loader import Loader
from iot_jitr_cli.allow.rows import DeviceFile
from iot_jitr_cli.console import ExitCode, err, json_option, out, print_json, printable
from iot_jitr_cli.deployment import find_deployment, stack_option
from iot_jitr_cli.session import aws_session

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_NOTE_EVERY = 2_500
"""Rows between two notes of how far a load has come: what may be written twice after it was cut off."""

_ca_option = click.option(
    "--ca", "ca_certificate_id", metavar="ID", help="Id of the CA, where devices are listed by CA and serial."
)


@click.group()
def allow() -> None:
    """The allow list: which devices are expected."""


@allow.command()
@click.argument("file", type=_FILE)
@_ca_option
@click.option("--restart", is_flag=True, help="Begin with the first row, even after a load that was cut off.")
@stack_option
@json_option
def load(file: Path, ca_certificate_id: str | None, stack_name: str, *, restart: bool, as_json: bool) -> None:
    """List the devices of FILE, .csv with a header or .jsonl.

    The key columns are ca_certificate_id and serial_number, or common_name, or subject_serial_number, as
    the deployment has it; other columns become attributes of the device's thing. The file is checked first:
    if a row is wrong, nothing is loaded. Loading a file again changes nothing; a load that was cut off goes
    on where it stopped.
    """
    listed = _allow_list(stack_name)
    devices = DeviceFile(file, listed.kind, ca_certificate_id or listed.only_ca)
    checkpoint = Checkpoint(file, listed.table)
    with _progress("checking", None, quiet=as_json) as advance:
        total = devices.check(on_row=lambda: advance(1))
    done = 0 if restart else min(checkpoint.read(), total)
    with _progress("loading", total, quiet=as_json) as advance:
        advance(done)
        _load(Loader(listed.dynamodb, listed.table), devices, checkpoint, done, advance)
    checkpoint.clear()
    if as_json:
        print_json({"table": listed.table, "devices": total, "resumed_at": done})
        return
    resumed = f" (went on after {done})" if done else ""
    out.print(f"{total} devices are listed{resumed}", markup=False)


def _load(
    loader: Loader, devices: DeviceFile, checkpoint: Checkpoint, done: int, advance: Callable[[int], None]
) -> None:
    loaded = noted = done

    def on_loaded(rows: int) -> None:
        nonlocal loaded, noted
        loaded += rows
        advance(rows)
        if loaded - noted >= _NOTE_EVERY:
            noted = loaded
            checkpoint.write(loaded)

    try:
        loader.load(islice(devices.devices(), done, None), on_loaded)
    finally:
        if loaded and not checkpoint.write(loaded):
            err.print(f"warning: {checkpoint.path} cannot be written: a load that is cut off starts anew")


@allow.command()
@click.argument("key")
@_ca_option
@stack_option
@json_option
def show(key: str, ca_certificate_id: str | None, stack_name: str, *, as_json: bool) -> ExitCode:
    """Tell whether the device KEY is listed: 0 yes, 1 no.

    KEY is the path of the device's certificate, or the device as the list has it (a common name, a serial
    number, CA#SERIAL).
    """
    listed = _allow_list(stack_name)
    device = listed.key(key, ca_certificate_id)
    attributes = listed.find(device)
    if as_json:
        print_json({"key": str(device), "listed": attributes is not None, "thing_attributes": attributes})
    elif attributes is None:
        out.print(f"no: '{printable(str(device))}' is not on the allow list", markup=False)
    else:
        shown = "".join(f"\n  {name} = {value}" for name, value in sorted(attributes.items()))
        out.print(f"yes: '{printable(str(device))}' is on the allow list{shown}", markup=False)
    return ExitCode.NO if attributes is None else ExitCode.OK


@allow.command()
@click.argument("key")
@_ca_option
@stack_option
@json_option
def remove(key: str, ca_certificate_id: str | None, stack_name: str, *, as_json: bool) -> ExitCode:
    """Take the device KEY off the list: 0 done, 1 it was not on it.

    A device that is in stays in: to put it out, revoke its certificate. KEY is the path of the device's
    certificate, or the device as the list has it.
    """
    listed = _allow_list(stack_name)
    device = listed.key(key, ca_certificate_id)
    removed = listed.remove(device)
    if as_json:
        print_json({"key": str(device), "removed": removed})
    elif removed:
        out.print(f"removed '{printable(str(device))}'; if it is in, it stays in", markup=False)
    else:
        out.print(f"no: '{printable(str(device))}' was not on the allow list", markup=False)
    return ExitCode.OK if removed else ExitCode.NO


def _allow_list(stack_name: str) -> AllowListTable:
    session = aws_session()
    return AllowListTable.of(find_deployment(session, stack_name), session.client("dynamodb"))


@contextmanager
def _progress(what: str, total: int | None, *, quiet: bool) -> Iterator[Callable[[int], None]]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    if total is not None:
        columns = (*columns, TaskProgressColumn(), TimeRemainingColumn())  # type: ignore[assignment]
    with Progress(*columns, console=err, transient=True, disable=quiet or not err.is_terminal) as progress:
        task = progress.add_task(what, total=total)
        yield lambda rows: progress.advance(task, rows)
