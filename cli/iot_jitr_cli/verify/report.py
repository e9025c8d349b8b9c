"""The results of the steps and of the clean-up, as text, JSON or JUnit XML."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from xml.etree import ElementTree as ET

from rich.text import Text

from iot_jitr_cli.console import ExitCode, printable


class StepStatus(StrEnum):
    """The status of a step. Values are a stable interface."""

    PASSED = "passed"
    FAILED = "failed"
    """The pipeline does not behave as expected."""
    UNKNOWN = "unknown"
    """Undetermined: a permission is missing, or the network failed."""
    SKIPPED = "skipped"
    """The step does not apply, or a necessary step did not pass; the detail has the reason."""


_MARKS = {
    StepStatus.PASSED: ("✓", "green"),
    StepStatus.FAILED: ("✗", "red"),
    StepStatus.UNKNOWN: ("?", "yellow"),
    StepStatus.SKIPPED: ("·", "dim"),
}
_JUNIT = {StepStatus.FAILED: "failure", StepStatus.UNKNOWN: "error", StepStatus.SKIPPED: "skipped"}
"""Element of a JUnit test case by status; a test case that passed has no element."""


@dataclass(frozen=True)
class StepResult:
    """The result of one step."""

    id: str
    title: str
    status: StepStatus
    detail: str
    """The observation, in one line."""
    seconds: float


@dataclass(frozen=True)
class LeftBehind:
    """A resource that was created and could not be removed."""

    what: str
    why: str
    command: str
    """The command that removes it."""


@dataclass
class Report:
    """The report of one run against one pipeline; it is filled during the run."""

    stack: str
    region: str
    certificate_id: str
    client_id: str
    began_at: datetime
    """In UTC."""
    steps: list[StepResult] = field(default_factory=list)
    left_behind: list[LeftBehind] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """Notes about changes that stay on purpose."""
    interrupted: bool = False

    @property
    def seconds(self) -> float:
        """The total duration of all steps."""
        return round(sum(step.seconds for step in self.steps), 3)

    @property
    def exit_code(self) -> ExitCode:
        """0: all passed; 1: a step failed; 3: a step is undetermined; 130: interrupted."""
        if self.interrupted:
            return ExitCode.INTERRUPTED
        if self.count(StepStatus.FAILED):
            return ExitCode.NO
        return ExitCode.UNDETERMINED if self.count(StepStatus.UNKNOWN) else ExitCode.OK

    def count(self, status: StepStatus) -> int:
        """The number of steps with this status."""
        return sum(step.status is status for step in self.steps)


def line(step: StepResult, width: int) -> Text:
    """One step as one line: mark, title, seconds, observation."""
    mark, style = _MARKS[step.status]
    dim = "dim" if step.status is StepStatus.SKIPPED else ""
    return Text.assemble(
        (mark, style), (f"  {step.title:<{width}}  {step.seconds:6.1f} s  {printable(step.detail)}", dim)
    )


def conclusion(report: Report) -> list[Text]:
    """The notes, the resources that are left behind, and the counts."""
    texts = [Text(f"note: {printable(note)}") for note in report.notes]
    for left in report.left_behind:
        texts.append(Text(f"left behind: {left.what}: {printable(left.why)}", style="yellow"))
        texts.append(Text(f"   → {left.command}", style="bold"))
    style = {ExitCode.OK: "bold green", ExitCode.NO: "bold red"}.get(report.exit_code, "yellow")
    counts = ", ".join(f"{n} {status}" for status in StepStatus if (n := report.count(status)))
    interrupted = "interrupted: " if report.interrupted else ""
    where = f"'{report.stack}' in {report.region}"
    return [*texts, Text(f"{interrupted}{where}: {counts}, {report.seconds:.1f} s", style=style)]


def as_document(report: Report) -> dict[str, Any]:
    """The report as `--json` prints it."""
    return {**vars(report), "passed": report.exit_code is ExitCode.OK, "seconds": report.seconds}


def as_junit(report: Report) -> bytes:
    """The report as JUnit XML: one test suite, a test case for each step."""
    suite = ET.Element(
        "testsuite",
        name=f"jitr verify {report.stack}",
        timestamp=report.began_at.replace(tzinfo=None).isoformat(timespec="seconds"),
        hostname=report.region,
        tests=str(len(report.steps)),
        failures=str(report.count(StepStatus.FAILED)),
        errors=str(report.count(StepStatus.UNKNOWN)),
        skipped=str(report.count(StepStatus.SKIPPED)),
        time=f"{report.seconds:.3f}",
    )
    for step in report.steps:
        attributes = {"classname": f"jitr.verify.{report.stack}", "name": step.title}
        case = ET.SubElement(suite, "testcase", attributes, time=f"{step.seconds:.3f}")
        detail = printable(step.detail)
        if step.status in _JUNIT:
            ET.SubElement(case, _JUNIT[step.status], message=detail)
        else:
            ET.SubElement(case, "system-out").text = detail
    if report.left_behind:
        commands = "\n".join(f"{left.what}: {left.command}" for left in report.left_behind)
        ET.SubElement(suite, "system-err").text = commands
    suites = ET.Element("testsuites")
    suites.append(suite)
    ET.indent(suites)
    document: bytes = ET.tostring(suites, encoding="utf-8", xml_declaration=True)
    return document
