"""`jitr crl`: its command line."""

from datetime import UTC, datetime
from pathlib import Path

import click

from iot_jitr_cli.console import ExitCode, WrongUseError, json_option, out, print_json, printable
from iot_jitr_cli.crl.check import Report, Verdict, check
from iot_jitr_runtime.certificates import Certificate

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_STYLES = {Verdict.GOOD: "green", Verdict.REVOKED: "red", Verdict.UNUSABLE: "yellow"}


class NotATimeError(WrongUseError):
    """`--at` is no ISO 8601 time."""


@click.group()
def crl() -> None:
    """Certificate revocation lists: check against them, let a held-back one through."""


@crl.command(name="check")
@click.argument("certificate_file", metavar="CERT", type=_FILE)
@click.option("--ca", "ca_file", required=True, type=_FILE, help="The CA certificate that issued CERT.")
@click.option(
    "--crl", "crl_files", required=True, multiple=True, type=_FILE, help="A CRL of that CA; repeatable."
)
@click.option(
    "--at", metavar="TIME", help="ISO 8601, UTC unless it names an offset; now if left out.", default=None
)
@json_option
def check_command(
    certificate_file: Path, ca_file: Path, crl_files: tuple[Path, ...], at: str | None, *, as_json: bool
) -> ExitCode:
    """Say whether CERT is revoked: good (0), revoked (1), or no CRL usable for it (3).

    The same engine decides in the deployed functions. Files may be PEM or DER, of any CA. Nothing is sent
    or fetched.
    """
    report = check(
        Certificate.load(certificate_file.read_bytes()),
        Certificate.load(ca_file.read_bytes()),
        crl_files,
        _time(at),
    )
    if as_json:
        print_json(report)
    else:
        _show(report)
    return report.verdict.exit_code


def _time(text: str | None) -> datetime:
    if text is None:
        return datetime.now(UTC)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise NotATimeError(
            f"--at: found '{text}', expected an ISO 8601 time such as 2026-12-24T18:00:00Z"
        ) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _show(report: Report) -> None:
    out.print(
        printable(f"{report.verdict.value}: {report.detail}"), style=_STYLES[report.verdict], markup=False
    )
    for checked in report.crls:
        out.print(printable(f"  {checked.file}: {checked.detail}"), markup=False)
