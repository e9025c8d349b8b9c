"""The command line of `jitr crl`."""

from datetime import UTC, datetime
from pathlib import Path

import click

from iot_jitr_cli.certificate_file import read_certificate
from iot_jitr_cli.console import (
    FILE,
    ExitCode,
    Moment,
    WrongUseError,
    err,
    json_option,
    out,
    print_json,
    printable,
)
from iot_jitr_cli.crl.check import Verdict, check
from iot_jitr_cli.crl.confirm import Confirmation, Tripped
from iot_jitr_cli.deployment import find_deployment, stack_option
from iot_jitr_cli.session import aws_session

_RESULTS = {
    Verdict.GOOD: (ExitCode.OK, "green"),
    Verdict.REVOKED: (ExitCode.NO, "red"),
    Verdict.UNUSABLE: (ExitCode.UNDETERMINED, "yellow"),
}


@click.group()
def crl() -> None:
    """Certificate revocation lists: check a certificate against them, confirm a mass revocation."""


@crl.command(name="check")
@click.argument("certificate_file", metavar="CERT", type=FILE)
@click.option("--ca", "ca_file", required=True, type=FILE, help="The CA certificate that issued CERT.")
@click.option(
    "--crl", "crl_files", required=True, multiple=True, type=FILE, help="A CRL of that CA; repeatable."
)
@click.option(
    "--at", metavar="TIME", type=Moment(), help="ISO 8601, UTC unless it has an offset; default: now."
)
@json_option
def check_command(
    certificate_file: Path, ca_file: Path, crl_files: tuple[Path, ...], at: datetime | None, *, as_json: bool
) -> ExitCode:
    """Check whether CERT is revoked: good (0), revoked (1), or no CRL usable for it (3).

    The deployed functions use the same check. Files may be PEM or DER, of any CA. Nothing is sent or
    fetched.
    """
    report = check(
        read_certificate(certificate_file),
        read_certificate(ca_file),
        crl_files,
        at or datetime.now(UTC),
    )
    exit_code, style = _RESULTS[report.verdict]
    if as_json:
        print_json(report)
    else:
        out.print(printable(f"{report.verdict.value}: {report.detail}"), style=style)
        for checked in report.crls:
            out.print(printable(f"  {checked.file}: {checked.detail}"))
    return exit_code


@crl.command()
@click.argument("ca")
@click.option("--dry-run", is_flag=True, help="List the devices that would be revoked; confirm nothing.")
@click.option("--yes", is_flag=True, help="Confirm without a question.")
@stack_option
@json_option
def confirm(ca: str, stack_name: str, *, dry_run: bool, yes: bool, as_json: bool) -> ExitCode:
    """Confirm a CRL that has tripped the mass-revocation limit.

    CA is the name of a CA in the configuration, or the id of its certificate. A CRL that would revoke or
    suspend an unusual share of a CA's devices waits for the confirmation of an operator. Exits 1 if no CRL
    waits, or if the operator's answer is no.
    """
    session = aws_session()
    confirmation = Confirmation(session, find_deployment(session, stack_name))
    tripped = confirmation.tripped(ca)
    if tripped is None:
        if as_json:
            print_json({"tripped": None})
        else:
            out.print(printable(f"no CRL of CA {ca} waits for a person"))
        return ExitCode.NO
    devices = None
    if dry_run:
        devices = confirmation.devices(tripped)
    elif yes or _is_intended(tripped, as_json=as_json):
        confirmation.confirm(tripped)
    else:
        out.print("not confirmed: nothing is revoked")
        return ExitCode.NO
    if as_json:
        print_json({"tripped": tripped, "confirmed": not dry_run, "devices": devices})
    elif devices is None:
        out.print(f"confirmed: the sweep begins to revoke {tripped.devices} devices within a minute")
    else:
        out.print(str(tripped))
        for each in devices:
            name = each.common_name or "-"
            line = f"  {each.certificate_id}  {name}  serial {each.serial_number}  {each.reason}"
            out.print(printable(line))
    return ExitCode.OK


def _is_intended(tripped: Tripped, *, as_json: bool) -> bool:
    if as_json:
        raise WrongUseError("--json has no questions: check with --dry-run, then confirm with --yes")
    err.print(str(tripped))
    return click.confirm("Have you checked the CRL, and is this intended?", err=True)
