"""`jitr verify` against the real stack, as a user runs it against AWS."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from iot_jitr_cli.console import ExitCode
from iot_jitr_cli.doctor.causes import Cause
from iot_jitr_runtime.stack_outputs import Output
from tests.support import doctor_cloud_faults as faults
from tests.support import verify_command
from tests.support.cloud import TIME_LIMIT, Cloud
from tests.support.revoking import Revoking
from tests.support.verify_command import not_passed, nothing_left_in, verify, verify_with_least_permissions


@pytest.fixture(scope="module")
def ca_files(revoking: Revoking, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return verify_command.ca_files(revoking.cloud, tmp_path_factory.mktemp("ca"))


@contextmanager
def activator_off(cloud: Cloud) -> Iterator[None]:
    """Nobody reads the activation queue; nothing is left in it."""
    with faults.event_source_off(cloud), nothing_left_in(cloud):
        yield
        cloud.client("sqs").purge_queue(QueueUrl=cloud.outputs[Output.ACTIVATION_QUEUE_URL])


def test_every_step_passes_with_the_least_permissions_and_nothing_is_left(
    revoking: Revoking, ca_files: list[str], tmp_path: Path
) -> None:
    junit = tmp_path / "report.xml"
    with nothing_left_in(revoking.cloud):
        code, report = verify_with_least_permissions(
            revoking.cloud, *ca_files, "--publish-crl", "--timeout", TIME_LIMIT, "--junit", junit
        )
        # The CRL of this number is in force; the CA's next one has another.
        revoking.revocations.number += 1
        assert not_passed(report) == {"allow_list": "skipped", "guard_refuses": "skipped"}, report
        assert (code, report["passed"], report["left_behind"]) == (ExitCode.OK, True, [])
    assert 'failures="0"' in junit.read_text()


def test_a_pipeline_that_activates_nothing_fails_at_that_step_with_its_cause(
    revoking: Revoking, ca_files: list[str]
) -> None:
    with activator_off(revoking.cloud):
        code, report = verify(revoking.cloud.lab.variables, *ca_files, "--timeout", 3)

    (failed,) = [step for step in report["steps"] if step["status"] == "failed"]
    assert (code, failed["id"]) == (ExitCode.NO, "active")
    assert Cause.EVENT_SOURCE_DISABLED.headline in failed["detail"]


def test_ctrl_c_in_the_middle_cleans_up(revoking: Revoking, ca_files: list[str], tmp_path: Path) -> None:
    with activator_off(revoking.cloud):
        running = subprocess.Popen(
            [sys.executable, "-c", "from iot_jitr_cli.entry import main; main()", "verify", *ca_files],
            env={**revoking.cloud.lab.variables, "TMPDIR": str(tmp_path)},
            stdout=subprocess.PIPE,
            text=True,
        )
        with running:
            assert running.stdout is not None
            for line in running.stdout:
                if "first connect is refused" in line:
                    running.send_signal(signal.SIGINT)
                    break
            rest = running.stdout.read()

    assert running.returncode == ExitCode.INTERRUPTED, rest
    assert "✓  everything is removed" in rest
    assert list(tmp_path.iterdir()) == []
