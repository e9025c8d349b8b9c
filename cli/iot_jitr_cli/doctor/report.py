"""Shows a diagnosis: the checklist, then one cause."""

from typing import Any

from rich.text import Text

from iot_jitr_cli.console import printable
from iot_jitr_cli.doctor.diagnosis import Conclusion, Diagnosis, Line
from iot_jitr_cli.doctor.finding import Status

_MARKS = {
    Status.OK: ("✓", "green"),
    Status.FAILED: ("✗", "red"),
    Status.UNKNOWN: ("?", "yellow"),
    Status.NOT_APPLICABLE: ("·", "dim"),
}


def checklist(diagnosis: Diagnosis) -> list[Text]:
    """One line for each check, the fix below each that failed."""
    width = max((len(line.check.title) for line in diagnosis.lines), default=0)
    return [text for line in diagnosis.lines for text in _lines(line, width)]


def conclusion(diagnosis: Diagnosis) -> list[Text]:
    """The one cause, and the permissions that were missing."""
    cause = diagnosis.cause
    texts = []
    if diagnosis.conclusion is Conclusion.UNDETERMINED:
        guess = f"; the most likely cause is: {cause.headline}" if cause else ""
        texts.append(Text(f"undetermined: some checks could not be made (marked ?){guess}", style="yellow"))
    elif cause is not None:
        style = "bold green" if diagnosis.conclusion is Conclusion.FINE else "bold red"
        texts.append(Text.assemble((cause.headline, style), f"  [{cause}]"))
    if diagnosis.fix:
        texts.append(Text(f"→ {printable(diagnosis.fix)}", style="bold"))
    if diagnosis.missing_permissions:
        texts.append(
            Text(
                f"missing permissions: {', '.join(diagnosis.missing_permissions)} (jitr doctor --iam-policy)"
            )
        )
    return texts


def as_json(certificate_id: str | None, diagnosis: Diagnosis) -> dict[str, Any]:
    """The diagnosis as `--json` prints it."""
    return {
        "certificate_id": certificate_id,
        "conclusion": diagnosis.conclusion,
        "cause": diagnosis.cause,
        "headline": diagnosis.cause.headline if diagnosis.cause else None,
        "fix": diagnosis.fix or None,
        "phase": diagnosis.phase,
        "missing_permissions": diagnosis.missing_permissions,
        "checks": [
            {
                "id": line.check.id,
                "title": line.check.title,
                "status": line.finding.status,
                "evidence": line.finding.evidence,
                "cause": line.finding.cause,
                "fix": line.finding.fix or None,
                "permission": line.finding.permission,
            }
            for line in diagnosis.lines
        ],
    }


def _lines(line: Line, width: int) -> list[Text]:
    mark, style = _MARKS[line.finding.status]
    dim = "dim" if line.finding.status is Status.NOT_APPLICABLE else ""
    first = Text.assemble(
        (mark, style), (f"  {line.check.title:<{width}}  {printable(line.finding.evidence)}", dim)
    )
    fix = [Text(f"   → {printable(line.finding.fix)}", style="bold")] if line.finding.fix else []
    return [first, *fix]
