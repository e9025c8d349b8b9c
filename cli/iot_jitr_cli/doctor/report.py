"""Shows a diagnosis: the checklist, then one cause."""

from typing import Any

from rich.text import Text

from iot_jitr_cli.console import ExitCode, printable
from iot_jitr_cli.doctor.diagnosis import CONCLUSIONS, Diagnosis
from iot_jitr_cli.doctor.finding import Status

_MARKS = {
    Status.OK: ("✓", "green"),
    Status.FAILED: ("✗", "red"),
    Status.UNKNOWN: ("?", "yellow"),
    Status.NOT_APPLICABLE: ("·", "dim"),
}


def checklist(diagnosis: Diagnosis) -> list[Text]:
    """One line for each check, with the fix below each failed check."""
    width = max(len(check.title) for check in diagnosis.findings)
    lines = []
    for check, finding in diagnosis.findings.items():
        dim = "dim" if finding.status is Status.NOT_APPLICABLE else ""
        line = (f"  {check.title:<{width}}  {printable(finding.evidence)}", dim)
        lines.append(Text.assemble(_MARKS[finding.status], line))
        if finding.fix:
            lines.append(Text(f"   → {printable(finding.fix)}", style="bold"))
    return lines


def conclusion(diagnosis: Diagnosis) -> list[Text]:
    """The cause and the missing permissions."""
    cause = diagnosis.cause
    texts = []
    if cause is None or diagnosis.exit_code is ExitCode.UNDETERMINED:
        guess = f"; the most likely cause is: {cause.headline}" if cause else ""
        texts.append(Text(f"undetermined: some checks could not be made (marked ?){guess}", style="yellow"))
    else:
        style = "bold green" if diagnosis.exit_code is ExitCode.OK else "bold red"
        texts.append(Text.assemble((cause.headline, style), f"  [{cause}]"))
    if diagnosis.fix:
        texts.append(Text(f"→ {printable(diagnosis.fix)}", style="bold"))
    if diagnosis.missing_permissions:
        missing = ", ".join(diagnosis.missing_permissions)
        texts.append(Text(f"missing permissions: {missing} (jitr doctor --iam-policy)"))
    return texts


def as_json(certificate_id: str | None, diagnosis: Diagnosis) -> dict[str, Any]:
    """The diagnosis as `--json` prints it."""
    return {
        "certificate_id": certificate_id,
        "conclusion": CONCLUSIONS[diagnosis.exit_code],
        "cause": diagnosis.cause,
        "headline": diagnosis.cause.headline if diagnosis.cause else None,
        "fix": diagnosis.fix or None,
        "phase": diagnosis.phase,
        "missing_permissions": diagnosis.missing_permissions,
        "checks": [
            {
                "id": check.id,
                "title": check.title,
                "status": finding.status,
                "evidence": finding.evidence,
                "cause": finding.cause,
                "fix": finding.fix or None,
                "permission": finding.permission,
            }
            for check, finding in diagnosis.findings.items()
        ],
    }
