"""`jitr policy`: lint a device policy, and show what it would allow a device."""

from pathlib import Path

import click
from rich.table import Table
from rich.text import Text

from iot_jitr_cli.certificate_file import read_certificate
from iot_jitr_cli.console import FILE, ExitCode, WrongUseError, json_option, out, print_json, printable
from iot_jitr_cli.policy.check import PolicyReport, check_policy
from iot_jitr_cli.policy.evaluation import Access
from iot_jitr_cli.policy.reach import Evaluation, Whose

_MARKS = {Access.ALLOWED: "✓", Access.DENIED: "✗", Access.NOT_ALLOWED: "✗", Access.DEPENDS: "?"}


@click.group()
def policy() -> None:
    """Lint a device policy; what could a device do?"""


@policy.command()
@click.argument("file", type=FILE)
@click.option("--as", "certificate", metavar="CERT", type=FILE, help="The device's certificate, PEM or DER.")
@click.option("--thing", "thing_name", metavar="NAME", help="Name of the device's thing, if it has one.")
@json_option
def check(file: Path, certificate: Path | None, thing_name: str | None, *, as_json: bool) -> ExitCode:
    """Check the device policy template FILE and show what it allows a device.

    It evaluates the device's own client id, topics and shadow, and those of a neighbour whose name begins
    with the device's name. Without --as the device is 'sensor-7'. Nothing is sent anywhere.

    Exits 0 (it may be deployed), 1 (it breaks a rule, allows access to a neighbour, or CERT is refused).
    """
    if thing_name == "":
        raise WrongUseError("--thing: found an empty name, expected that of the device's thing")
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise WrongUseError(f"{file} is not UTF-8 text, expected a JSON policy") from error
    device = read_certificate(certificate) if certificate else None
    report = check_policy(text, device, thing_name)
    if as_json:
        print_json(_plain(file, report))
    else:
        _show(file, report)
    return ExitCode.OK if report.is_good else ExitCode.NO


def _show(file: Path, report: PolicyReport) -> None:
    if report.syntax_error:
        out.print(Text(f"✗  {printable(f'{file}: {report.syntax_error}')}", style="red"))
        return
    for finding in report.findings:
        if finding.acknowledged is None:
            out.print(Text(f"✗  {printable(str(finding))}", style="red"))
        else:
            out.print(
                Text(f"!  {printable(f'{finding} acknowledged: {finding.acknowledged}')}", style="yellow")
            )
    if not report.findings:
        out.print(f"✓  a {report.kind} policy that breaks no rule")
    if report.refused:
        out.print(Text(f"✗  a device with this certificate would be refused: {printable(report.refused)}"))
    elif report.evaluations:
        out.print(_table(report))
        out.print(_conclusion(report))


def _table(report: PolicyReport) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("whose", "", "action", "on", "by"):
        table.add_column(heading, overflow="fold")
    for each in report.evaluations:
        table.add_row(
            each.whose.value,
            Text(_MARKS[each.decision.access], style=_style(each)),
            each.action,
            Text(printable(f"{each.resource.type}/{each.resource.name}")),
            Text(printable(_by(each))),
        )
    return table


def _style(each: Evaluation) -> str:
    if each.reaches_neighbour:
        return "bold red"
    return "green" if each.decision.access is Access.ALLOWED else "dim"


def _by(each: Evaluation) -> str:
    access = each.decision.access
    if each.decision.statement is None:
        return ""
    return each.decision.statement.name + (f" ({access})" if access is not Access.ALLOWED else "")


def _conclusion(report: PolicyReport) -> Text:
    neighbours = [each for each in report.evaluations if each.whose is Whose.NEIGHBOUR]
    if report.unacknowledged_access:
        found = f"{len(report.unacknowledged_access)} of {len(neighbours)} checks"
        return Text(f"no: the policy allows access to other devices ({found})", style="red")
    if any(each.reaches_neighbour for each in neighbours):
        return Text("yes: its access to other devices is acknowledged", style="yellow")
    return Text(f"yes: no access to other devices ({len(neighbours)} checks)", style="green")


def _plain(file: Path, report: PolicyReport) -> dict[str, object]:
    error = report.syntax_error
    return {
        "file": file,
        "ok": report.is_good,
        "kind": report.kind,
        "syntax_error": {"line": error.line, "message": error.problem} if error else None,
        "findings": report.findings,
        "refused": report.refused,
        "device": report.device,
        "neighbour": report.neighbour,
        "access": [
            {
                "whose": each.whose,
                "action": each.action,
                "resource": f"{each.resource.type}/{each.resource.name}",
                "access": each.decision.access,
                "statement": each.decision.statement.name if each.decision.statement else None,
            }
            for each in report.evaluations
        ],
    }
