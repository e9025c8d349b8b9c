"""The runner: a result for any behaviour of a step, and a clean-up in every case."""

import os
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from iot_jitr_cli.verify.report import LeftBehind, Report, StepStatus
from iot_jitr_cli.verify.run import CheckFailedError, SkippedError, Step, Verification
from tests.support.clock import Stopwatch

P, F, S, U = StepStatus.PASSED, StepStatus.FAILED, StepStatus.SKIPPED, StepStatus.UNKNOWN


class Cleaning:
    """A clean-up that counts its calls."""

    def __init__(self, during: Callable[[], None] = lambda: None) -> None:
        self.during = during
        self.calls = 0
        self.left_behind: list[LeftBehind] = []

    def run(self) -> None:
        self.calls += 1
        self.during()


def passing(_: object) -> str:
    return "seen"


def raising(error: BaseException) -> Callable[[object], str]:
    def step(_: object) -> str:
        raise error

    return step


def run(
    *steps: Callable[[Any], str],
    needed: bool = False,
    cleaning: Cleaning | None = None,
    on_result: Callable[[object], None] = lambda _: None,
) -> Report:
    cleaning = cleaning or Cleaning()
    report = Report("stack", "eu-west-1", "ab" * 32, "device", datetime.now(UTC), [], cleaning.left_behind)
    parts: Any = (SimpleNamespace(clock=Stopwatch()), None, cleaning)
    verification = Verification(*parts, report, on_result=on_result)
    verification.run([Step(str(at), f"step {at}", step, needed) for at, step in enumerate(steps)])
    assert cleaning.calls == 1
    return report


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (CheckFailedError("too broad"), F, "too broad"),
        (SkippedError("no CRL"), S, "no CRL"),
        (EndpointConnectionError(endpoint_url="https://iot"), U, "is the network up"),
        (
            ClientError({"Error": {"Code": "AccessDeniedException", "Message": "no"}}, "GetItem"),
            U,
            "jitr verify --iam-policy",
        ),
        (OSError("no route"), U, "no route"),
        (ZeroDivisionError("0"), U, "a defect of jitr: ZeroDivisionError"),
    ],
)
def test_an_exception_of_a_step_becomes_its_result(error: Exception, status: StepStatus, text: str) -> None:
    first, last, _ = run(raising(error), passing).steps

    assert (first.status, last.status) == (status, P)
    assert text in first.detail


def test_a_needed_step_that_does_not_pass_skips_the_later_ones() -> None:
    results = run(passing, raising(CheckFailedError("no")), passing, needed=True).steps

    assert [result.status for result in results] == [P, F, S, P]
    assert results[2].detail == "not tried: 'step 1' did not pass"


def test_a_needed_step_that_does_not_apply_does_not_skip_the_others() -> None:
    assert [r.status for r in run(raising(SkippedError("no")), passing, needed=True).steps] == [S, P, P]


def test_a_clean_up_with_leftovers_is_not_passed() -> None:
    cleaning = Cleaning()
    cleaning.left_behind = [LeftBehind("thing", "denied", "aws iot delete-thing")]

    assert run(passing, cleaning=cleaning).steps[-1].status is U


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_steps_but_not_the_clean_up(number: signal.Signals) -> None:
    before = signal.getsignal(number)
    cleaning = Cleaning(during=lambda: os.kill(os.getpid(), number))

    def interrupted(_: object) -> str:
        os.kill(os.getpid(), number)
        return "not reached"

    report = run(passing, interrupted, passing, cleaning=cleaning)

    assert report.interrupted
    assert [result.status for result in report.steps] == [P, U, S, P]
    assert report.steps[2].detail == "not tried: interrupted"
    assert signal.getsignal(number) == before


def test_a_run_under_nohup_continues_after_a_hangup_signal() -> None:
    def terminal_ends(_: object) -> str:
        os.kill(os.getpid(), signal.SIGHUP)
        return "seen"

    former = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert not run(terminal_ends, passing).interrupted
    finally:
        signal.signal(signal.SIGHUP, former)


def test_a_signal_between_two_steps_starts_the_clean_up_too() -> None:
    def interrupt(_: object) -> None:
        results.append(1)
        if len(results) == 1:
            os.kill(os.getpid(), signal.SIGINT)

    results: list[int] = []
    report = run(passing, passing, on_result=interrupt)

    assert report.interrupted
    assert [result.id for result in report.steps] == ["0", "cleanup"]
