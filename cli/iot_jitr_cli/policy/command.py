"""`jitr policy`: lint a device policy, and see what it would let a device do."""

from pathlib import Path

import click
from rich.table import Table
from rich.text import Text

from iot_jitr_cli.certificate_file import read_certificate
from iot_jitr_cli.console import ExitCode, WrongUseError, json_option, out, print_json, printable
from iot_jitr_cli.policy.check import PolicyReport, check_policy
from iot_jitr_cli.policy.evaluation import Access
from iot_jitr_cli.policy.reach import Answer, Whose

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_MARKS = {Access.ALLOWED: "✓", Access.DENIED: "✗", Access.NOT_ALLOWED: "✗", Access.DEPENDS: "?"}


@click.group()
def policy() -> None:
    """Lint a device policy; what could a device do?"""


@policy.command()
@click.argument("file", type=_FILE)
@click.option("--as", "certificate", metavar="CERT", type=_FILE, help="The device's certificate, PEM or DER.")
@click.option("--thing", "thing_name", metavar="NAME", help="Name of the device's thing, if it has one.")
@json_option
def check(file: Path, certificate: Path | None, thing_name: str | None, *, as_json: bool) -> ExitCode:
    """Check the device policy template FILE and show what it lets a device do.

    For the device's own client id, topics and shadow, and for those of a neighbour whose name begins like
    its own. Without --as for a device named 'sensor-7'. Nothing is sent anywhere.

    Exits 0 (it may be deployed), 1 (it breaks a rule, allows access to a neighbour, or CERT is refused).
    """
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
    elif report.answers:
        out.print(_table(report))
        out.print(_conclusion(report))


def _table(report: PolicyReport) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for heading in ("whose", "", "action", "on", "by"):
        table.add_column(heading, overflow="fold")
    for answer in report.answers:
        table.add_row(
            answer.whose.value,
            Text(_MARKS[answer.decision.access], style=_style(answer)),
            answer.action,
            Text(printable(f"{answer.resource.type}/{answer.resource.name}")),
            Text(printable(_by(answer))),
        )
    return table


def _style(answer: Answer) -> str:
    if answer.reaches_neighbour:
        return "bold red"
    return "green" if answer.decision.access is Access.ALLOWED else "dim"


def _by(answer: Answer) -> str:
    access = answer.decision.access
    if answer.decision.statement is None:
        return ""
    return answer.decision.statement.name + (f" ({access})" if access is not Access.ALLOWED else "")


def _conclusion(report: PolicyReport) -> Text:
    neighbours = [answer for answer in report.answers if answer.whose is Whose.NEIGHBOUR]
    if report.holes:
        found = f"{len(report.holes)} of {len(neighbours)} checks"
        return Text(f"no: the policy allows access to other devices ({found})", style="red")
    if any(answer.reaches_neighbour for answer in neighbours):
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
                "whose": answer.whose,
                "action": answer.action,
                "resource": f"{answer.resource.type}/{answer.resource.name}",
                "access": answer.decision.access,
                "statement": answer.decision.statement.name if answer.decision.statement else None,
            }
            for answer in report.answers
        ],
    }
