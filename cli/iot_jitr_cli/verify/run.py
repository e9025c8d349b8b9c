"""Runs the steps one after the other, measures their time, turns errors into results, and cleans up."""

import signal
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from iot_jitr_cli.connect import OpenSession
from iot_jitr_cli.console import CliError, ExitCode
from iot_jitr_cli.session import explain
from iot_jitr_cli.signals import end_signals
from iot_jitr_cli.verify.cleanup import Cleanup
from iot_jitr_cli.verify.device import AttemptResult, ThrowAwayDevice
from iot_jitr_cli.verify.pipeline import Pipeline
from iot_jitr_cli.verify.report import Report, StepResult, StepStatus
from iot_jitr_runtime.aws_errors import DENIED, AwsError, error_code
from iot_jitr_runtime.errors import JitrError
from iot_jitr_runtime.ledger import Row


class CheckFailedError(CliError):
    """The pipeline does not behave as expected."""

    exit_code = ExitCode.NO


class SkippedError(CliError):
    """The step does not apply here."""


@dataclass(frozen=True)
class Step:
    """One check of the acceptance test."""

    id: str
    title: str
    run: "Callable[[Verification], str]"
    """Returns what was seen.

    Raises:
        CheckFailedError: The pipeline does not behave as expected.
        SkippedError: The step does not apply.
        JitrError, OSError, AwsError: A necessary value could not be read.
    """
    needed: bool = False
    """Whether all further steps are skipped if this step does not pass."""


@dataclass
class Verification:
    """One run: the data for the steps, and the results in `report`."""

    pipeline: Pipeline
    device: ThrowAwayDevice
    cleanup: Cleanup
    report: Report
    publish_crl: bool = False
    """Whether the CA's CRL may be published again with the device's serial number added."""
    on_result: Callable[[StepResult], None] = lambda _result: None
    session: OpenSession | None = None
    """The device's open session, while it is revoked."""
    active_since: float = 0.0
    """Time at which the certificate was read as ACTIVE, by the pipeline's clock."""
    _missing: str = ""
    """The reason why the remaining steps are skipped; empty: they are not skipped."""

    def row(self) -> Row | None:
        """The device's row of the ledger."""
        return self.pipeline.row(self.device.certificate_id)

    def status(self) -> str | None:
        """The status of the device's certificate."""
        return self.pipeline.status(self.device.certificate_id)

    def connect_until(self, wanted: Callable[[AttemptResult], bool]) -> tuple[bool, AttemptResult, int]:
        """Connect repeatedly until an attempt is as wanted or the time-out has passed.

        Returns:
            Whether the last attempt was as wanted, the last attempt, and the number of attempts.
        """
        tried: list[AttemptResult] = []

        def reached() -> bool:
            tried.append(self.device.try_once())
            return wanted(tried[-1])

        return self.pipeline.wait_until(reached), tried[-1], len(tried)

    def run(self, steps: Sequence[Step]) -> None:
        """Run all steps, then clean up, also after Ctrl-C, SIGTERM and SIGHUP.

        If a needed step does not pass, all further steps are skipped. During the clean-up these
        signals are ignored: each of its calls has a time limit.
        """
        with end_signals(signal.default_int_handler):
            try:
                for step in steps:
                    self._add(step.id, step.title, partial(self._outcome, step))
            except KeyboardInterrupt:
                self.report.interrupted = True
            finally:
                with end_signals(signal.SIG_IGN):
                    self._add("cleanup", "everything is removed", self._clean_up)

    def _add(self, id_: str, title: str, outcome: Callable[[], tuple[StepStatus, str]]) -> None:
        began = self.pipeline.clock()
        status, detail = outcome()
        result = StepResult(id_, title, status, detail, round(self.pipeline.clock() - began, 3))
        self.report.steps.append(result)
        self.on_result(result)

    def _outcome(self, step: Step) -> tuple[StepStatus, str]:
        if self._missing:
            return StepStatus.SKIPPED, f"not tried: {self._missing}"
        status, detail = self._tried(step)
        if step.needed and status in {StepStatus.FAILED, StepStatus.UNKNOWN} and not self._missing:
            self._missing = f"'{step.title}' did not pass"
        return status, detail

    def _tried(self, step: Step) -> tuple[StepStatus, str]:
        try:
            return StepStatus.PASSED, step.run(self)
        except CheckFailedError as error:
            return StepStatus.FAILED, str(error)
        except SkippedError as error:
            return StepStatus.SKIPPED, str(error)
        except (JitrError, OSError, *AwsError) as error:
            hint = " (jitr verify --iam-policy)" if error_code(error) in DENIED else ""
            return StepStatus.UNKNOWN, f"{explain(error) or error}{hint}"
        except KeyboardInterrupt:
            self.report.interrupted, self._missing = True, "interrupted"
            return StepStatus.UNKNOWN, "interrupted"
        except Exception as defect:  # noqa: BLE001  the clean-up and the report must follow
            traceback.print_exception(defect)
            return StepStatus.UNKNOWN, f"a defect of jitr: {type(defect).__name__}: {defect}"

    def _clean_up(self) -> tuple[StepStatus, str]:
        self.cleanup.run()
        left = len(self.report.left_behind)
        if left:
            return StepStatus.UNKNOWN, f"left behind: {left}, see below"
        return StepStatus.PASSED, "nothing of the device is left"
