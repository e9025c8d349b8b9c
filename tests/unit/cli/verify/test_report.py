"""The report: text, JSON, JUnit XML, exit code."""

from datetime import UTC, datetime
from xml.etree import ElementTree as ET

import pytest

from iot_jitr_cli.console import ExitCode
from iot_jitr_cli.verify.report import (
    LeftBehind,
    Report,
    StepResult,
    StepStatus,
    as_junit,
    conclusion,
    line,
)

P, F, S, U = StepStatus.PASSED, StepStatus.FAILED, StepStatus.SKIPPED, StepStatus.UNKNOWN
LEFT = LeftBehind("thing x", "denied", "aws iot delete-thing --thing-name x")


def report(*statuses: StepStatus, interrupted: bool = False, left: tuple[LeftBehind, ...] = ()) -> Report:
    results = [
        StepResult(f"step_{at}", f"step {at}", status, f"<seen> {at}\x1b", 1.5)
        for at, status in enumerate(statuses)
    ]
    began_at = datetime(2026, 6, 1, 12, tzinfo=UTC)
    return Report(
        "stack", "eu-west-1", "ab" * 32, "jitr-verify-1", began_at, results, [*left], ["CRL"], interrupted
    )


@pytest.mark.parametrize(
    ("statuses", "interrupted", "code"),
    [
        ((P, S, P), False, ExitCode.OK),
        ((P, F, U), False, ExitCode.NO),
        ((P, U, S), False, ExitCode.UNDETERMINED),
        ((P, F, U), True, ExitCode.INTERRUPTED),
    ],
)
def test_the_exit_code_is_that_of_the_worst_step(
    statuses: tuple[StepStatus, ...], *, interrupted: bool, code: ExitCode
) -> None:
    assert report(*statuses, interrupted=interrupted).exit_code is code


def test_the_text_has_a_line_for_each_step_and_each_leftover() -> None:
    made = report(P, F, left=(LEFT,))

    assert line(made.steps[1], 8).plain == "✗  step 1       1.5 s  <seen> 1\ufffd"
    assert [text.plain for text in conclusion(made)] == [
        "note: CRL",
        "left behind: thing x: denied",
        "   → aws iot delete-thing --thing-name x",
        "'stack' in eu-west-1: 1 passed, 1 failed, 3.0 s",
    ]


def test_the_junit_report_has_the_form_that_ci_servers_read() -> None:
    suite = ET.fromstring(as_junit(report(P, F, S, U, left=(LEFT,)))).find("testsuite")

    assert suite is not None
    assert {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped", "time")} == {
        "tests": "4",
        "failures": "1",
        "errors": "1",
        "skipped": "1",
        "time": "6.000",
    }
    assert suite.get("timestamp") == "2026-06-01T12:00:00"
    assert [[child.tag for child in case] for case in suite.findall("testcase")] == [
        ["system-out"],
        ["failure"],
        ["skipped"],
        ["error"],
    ]
    assert LEFT.command in (suite.findtext("system-err") or "")
