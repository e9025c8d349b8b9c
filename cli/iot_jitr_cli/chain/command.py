"""`jitr chain`: check a chain file before a device presents it."""

from pathlib import Path

import click
from rich.text import Text

from iot_jitr_cli.chain.check import check_chain
from iot_jitr_cli.chain.findings import ChainStatus, CheckId
from iot_jitr_cli.console import FILE, ExitCode, json_option, out, print_json, printable

_MARKS = {
    ChainStatus.PASSED: ("✓", "green"),
    ChainStatus.FAILED: ("✗", "red"),
    ChainStatus.WARNING: ("!", "yellow"),
    ChainStatus.NOT_CHECKED: ("?", "dim"),
}
_COLUMN = max(len(check) for check in CheckId)
_ANSWERS = {
    ExitCode.OK: "yes: a device can present this file",
    ExitCode.NO: "no: fix what is marked ✗",
    ExitCode.UNDETERMINED: "undetermined: the checks marked ? could not be made",
}


@click.group()
def chain() -> None:
    """Is this the file the device must present?"""


@chain.command()
@click.argument("chain_file", metavar="CHAIN", type=FILE)
@click.option("--key", "key_file", type=FILE, help="The device's private key: is it this certificate's?")
@json_option
def check(chain_file: Path, key_file: Path | None, *, as_json: bool) -> ExitCode:
    """Check that CHAIN is the file a device must present: its certificate, then its CA's.

    Nothing is sent anywhere. PEM or DER. Exits 0 (yes), 1 (no, and what to do), 3 (could not tell).
    """
    report = check_chain(chain_file.read_bytes(), key_file.read_bytes() if key_file else None)
    if as_json:
        print_json({"file": chain_file, "ok": report.exit_code is ExitCode.OK, "findings": report.findings})
        return report.exit_code
    for finding in report.findings:
        mark, style = _MARKS[finding.status]
        out.print(Text.assemble((mark, style), f"  {finding.id:<{_COLUMN}}  {printable(finding.found)}"))
        if finding.fix:
            out.print(Text(f"   → {printable(finding.fix)}", style="bold"))
    out.print(_ANSWERS[report.exit_code])
    return report.exit_code
