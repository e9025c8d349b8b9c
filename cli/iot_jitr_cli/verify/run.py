"""Runs the steps one after the other, times them, turns what they raise into results, and cleans up."""

import signal
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from iot_jitr_cli.connect import OpenSession
from iot_jitr_cli.console import CliError, ExitCode
from iot_jitr_cli.session import explain
from iot_jitr_cli.signals import end_signals
from iot_jitr_cli.verify.cleanup import Cleanup
from iot_jitr_cli.verify.device import ThrowAwayDevice
from iot_jitr_cli.verify.pipeline import Pipeline
from iot_jitr_cli.verify.report import StepResult, StepStatus
from iot_jitr_runtime.aws_errors import DENIED, AwsError, error_code
from iot_jitr_runtime.errors import JitrError
from iot_jitr_runtime.ledger import Row


class CheckFailedError(CliError):
    """The pipeline does not do what it should."""

    exit_code = ExitCode.NO


class SkippedError(CliError):
    """The step does not apply here."""


@dataclass
class Verification:
    """What the steps work with."""

    pipeline: Pipeline
    device: ThrowAwayDevice
    cleanup: Cleanup
    publish_crl: bool = False
    """Whether the CA's CRL may be published again with the device's serial number added."""
    notes: list[str] = field(default_factory=list)
    """What stays of the run on purpose, for the report."""
    session: OpenSession | None = None
    """The device's open session, while it is revoked."""
    active_since: float = 0.0
    """When the certificate was seen to be ACTIVE, by the pipeline's clock."""

    def row(self) -> Row | None:
        """The device's row of the ledger."""
        return self.pipeline.row(self.device.certificate_id)

    def status(self) -> str | None:
        """The status of the device's certificate."""
        return self.pipeline.status(self.device.certificate_id)


@dataclass(frozen=True)
class Step:
    """One thing that is checked."""

    id: str
    title: str
    run: Callable[[Verification], str]
    """Returns what was seen.

    Raises:
        CheckFailedError: The pipeline does not do what it should.
        SkippedError: The step does not apply.
        JitrError, OSError, AwsError: It could not be read.
    """
    needed: bool = False
    """The steps after it make no sense unless it passes."""


@dataclass
class Runner:
    """One run and its results so far."""

    verification: Verification
    on_result: Callable[[StepResult], None]
    clock: Callable[[], float] = time.monotonic
    results: list[StepResult] = field(default_factory=list)
    interrupted: bool = False

    def run(self, steps: Sequence[Step]) -> None:
        """Run all steps, then clean up, also after Ctrl-C, SIGTERM and SIGHUP.

        After a step that is needed and did not pass, the others are skipped. While it cleans up, these
        signals are ignored: every call of it has a time limit.
        """
        with end_signals(signal.default_int_handler):
            try:
                for step in steps:
                    self._add(self._result(step))
            except KeyboardInterrupt:
                self.interrupted = True
            finally:
                with end_signals(signal.SIG_IGN):
                    self._add(self._cleaned_up())

    def _add(self, result: StepResult) -> None:
        self.results.append(result)
        self.on_result(result)

    def _result(self, step: Step) -> StepResult:
        if self._missing:
            return StepResult(step.id, step.title, StepStatus.SKIPPED, f"not tried: {self._missing}", 0.0)
        began = self.clock()
        status, detail = self._outcome(step)
        if step.needed and status in {StepStatus.FAILED, StepStatus.UNKNOWN}:
            self._missing = f"'{step.title}' did not pass"
        return StepResult(step.id, step.title, status, detail, round(self.clock() - began, 3))

    def _outcome(self, step: Step) -> tuple[StepStatus, str]:
        try:
            return StepStatus.PASSED, step.run(self.verification)
        except CheckFailedError as error:
            return StepStatus.FAILED, str(error)
        except SkippedError as error:
            return StepStatus.SKIPPED, str(error)
        except (JitrError, OSError, *AwsError) as error:
            hint = " (jitr verify --iam-policy)" if error_code(error) in DENIED else ""
            return StepStatus.UNKNOWN, f"{explain(error) or error}{hint}"
        except KeyboardInterrupt:
            self.interrupted, self._missing = True, "interrupted"
            return StepStatus.UNKNOWN, "interrupted"
        except Exception as defect:  # noqa: BLE001  what was made must be removed and the report be given
            traceback.print_exception(defect)
            return StepStatus.UNKNOWN, f"a defect of jitr: {type(defect).__name__}: {defect}"

    def _cleaned_up(self) -> StepResult:
        cleanup, began = self.verification.cleanup, self.clock()
        cleanup.run()
        left = len(cleanup.left_behind)
        status = StepStatus.UNKNOWN if left else StepStatus.PASSED
        detail = f"left behind: {left}, see below" if left else "nothing of the device is left"
        return StepResult("cleanup", "everything is removed", status, detail, round(self.clock() - began, 3))

    _missing: str = ""
    """Why the steps that are left are skipped; empty: they are not."""
