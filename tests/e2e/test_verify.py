"""`jitr verify` against the real stack, as a user runs it against AWS."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from iot_jitr_cli.console import ExitCode
from iot_jitr_cli.main import jitr
from iot_jitr_runtime.ledger.rows import KEY
from iot_jitr_runtime.stack_outputs import Output
from tests.support import doctor_cloud_faults as faults
from tests.support.cloud import PATIENCE, Cloud
from tests.support.least_policy import least_privileged
from tests.support.revoking import Revoking


@pytest.fixture(scope="module")
def ca_files(revoking: Revoking, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    certificate, key = revoking.cloud.ca.save(tmp_path_factory.mktemp("ca"))
    return ["--ca-cert", str(certificate), "--ca-key", str(key)]


@pytest.fixture
def unchanged(revoking: Revoking) -> Iterator[None]:
    """Hold that the run leaves certificates and ledger as they were."""
    before = left(revoking.cloud)
    yield
    assert left(revoking.cloud) == before


def left(cloud: Cloud) -> tuple[set[str], set[str]]:
    certificates = cloud.client("iot").get_paginator("list_certificates").paginate()
    rows = (
        cloud.client("dynamodb").get_paginator("scan").paginate(TableName=cloud.outputs[Output.LEDGER_TABLE])
    )
    items = [item for page in rows for item in page["Items"]]
    return (
        {each["certificateId"] for page in certificates for each in page["certificates"]},
        {item[KEY]["S"] for item in items if not item[KEY]["S"].startswith("#")},
    )


def verify(variables: dict[str, str], *arguments: object) -> Result:
    return CliRunner().invoke(jitr, ["verify", *map(str, arguments)], env=variables)


@pytest.mark.usefixtures("unchanged")
def test_every_step_passes_with_the_least_permissions_and_nothing_is_left(
    revoking: Revoking, ca_files: list[str], tmp_path: Path
) -> None:
    junit = tmp_path / "report.xml"
    with least_privileged(revoking.cloud, "verify") as operator:
        result = verify(
            operator(), *ca_files, "--publish-crl", "--timeout", PATIENCE, "--junit", junit, "--json"
        )
    # As the CA's next list has: it has no entry for the device, whose certificate is gone.
    revoking.revocations.number += 1

    report = json.loads(result.stdout)
    assert {step["id"]: step["status"] for step in report["steps"] if step["status"] != "passed"} == {
        "allow_list": "skipped"
    }, result.output
    assert (result.exit_code, report["passed"], report["left_behind"]) == (ExitCode.OK, True, [])
    assert 'failures="0"' in junit.read_text()


@pytest.mark.usefixtures("unchanged")
def test_a_pipeline_that_activates_nothing_fails_at_that_step_with_its_cause(
    revoking: Revoking, ca_files: list[str]
) -> None:
    with faults.event_source_off(revoking.cloud):
        result = verify(revoking.cloud.lab.variables, *ca_files, "--timeout", 3, "--json")
        # Or the events would come to the activator after the certificate is gone.
        revoking.cloud.client("sqs").purge_queue(QueueUrl=revoking.cloud.outputs[Output.ACTIVATION_QUEUE_URL])

    (failed,) = [step for step in json.loads(result.stdout)["steps"] if step["status"] == "failed"]
    assert (result.exit_code, failed["id"]) == (ExitCode.NO, "active")
    assert "event source" in failed["detail"]


@pytest.mark.usefixtures("unchanged")
def test_ctrl_c_in_the_middle_cleans_up(revoking: Revoking, ca_files: list[str]) -> None:
    with faults.event_source_off(revoking.cloud):
        running = subprocess.Popen(
            [sys.executable, "-c", "from iot_jitr_cli.entry import main; main()", "verify", *ca_files],
            env=revoking.cloud.lab.variables,
            stdout=subprocess.PIPE,
            text=True,
        )
        with running:
            assert running.stdout is not None
            for line in running.stdout:
                if "first connect refused" in line:
                    running.send_signal(signal.SIGINT)
                    break
            rest = running.stdout.read()
        revoking.cloud.client("sqs").purge_queue(QueueUrl=revoking.cloud.outputs[Output.ACTIVATION_QUEUE_URL])

    assert running.returncode == ExitCode.INTERRUPTED, rest
    assert "✓  cleaned up" in rest
    assert "interrupted" in rest
