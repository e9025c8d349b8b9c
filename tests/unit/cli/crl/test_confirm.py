"""`jitr crl confirm`: an operator confirms a mass revocation after a check."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from iot_jitr_cli.deployment import Deployment
from iot_jitr_runtime.identifiers import CertificateId
from iot_jitr_runtime.revocation.store import key
from iot_jitr_runtime.stack_outputs import Output
from iot_jitr_runtime.sweep.state import IndexRef, SweepState
from iot_jitr_runtime.sweep.targets import MassRevocationLimit
from tests.support.account import REGION, Account, account
from tests.support.aws_clients import CALLER
from tests.support.buckets import s3_client
from tests.support.command_line import CommandResult, run_jitr
from tests.support.crls import KEY_COMPROMISE
from tests.support.sweep_harness import SETTLE, SweepHarness

LIMIT = MassRevocationLimit(share=0.1, minimum=2)


@pytest.fixture(scope="module")
def shared() -> Iterator[Account]:
    with account() as opened:
        yield opened


@pytest.fixture
def harness(shared: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SweepHarness:
    made = SweepHarness(shared, s3_client(), tmp_path)
    outputs = {
        "FactoryCaCertificateId": made.ca,
        Output.LEDGER_TABLE: made.aws.table,
        Output.REVOCATION_BUCKET: made.store.bucket,
    }
    deployment = Deployment("iot-jitr", REGION, outputs)
    monkeypatch.setattr("iot_jitr_cli.crl.command.find_deployment", lambda *_: deployment)
    return made


@pytest.fixture
def listed(harness: SweepHarness) -> list[CertificateId]:
    """Devices that a CRL would revoke if it had not tripped the limit."""
    devices = harness.activate_devices(3)
    harness.sweep(limit=LIMIT)
    harness.publish(dict.fromkeys(devices[:2], KEY_COMPROMISE))
    harness.sweep(limit=LIMIT)
    assert harness.tripped()
    return devices[:2]


def confirm(*arguments: str, answer: str | None = None) -> CommandResult:
    return run_jitr("crl", "confirm", *arguments, variables=CALLER, answer=answer)


def report(*arguments: str) -> tuple[int, Any]:
    result = confirm(*arguments, "--json")
    return result.exit_code, result.json


def test_without_a_tripped_limit_there_is_nothing_to_confirm(harness: SweepHarness) -> None:
    harness.activate_devices()

    assert confirm("Factory") == CommandResult(1, "no CRL of CA Factory waits for a person\n", "")
    assert report("Factory") == (1, {"tripped": None})


@pytest.mark.parametrize(
    ("options", "answer", "exit_code", "shown", "status"),
    [
        pytest.param(["--dry-run"], None, 0, "would revoke 2 devices of 3", "ACTIVE", id="dry run"),
        pytest.param([], "n\n", 1, "not confirmed", "ACTIVE", id="no"),
        pytest.param([], "\n", 1, "not confirmed", "ACTIVE", id="default"),
        pytest.param([], "", 130, "", "ACTIVE", id="end of input"),
        pytest.param(["--json"], None, 2, "--yes", "ACTIVE", id="JSON has no questions"),
        pytest.param([], "y\n", 0, "begins to revoke 2 devices", "REVOKED", id="yes"),
        pytest.param(["--yes"], None, 0, "begins to revoke 2 devices", "REVOKED", id="yes as an option"),
        pytest.param(["--yes", "--json"], None, 0, '"confirmed": true', "REVOKED", id="yes in JSON"),
    ],
)
def test_only_the_answer_yes_confirms_the_revocation(  # noqa: PLR0917  the columns of the table
    harness: SweepHarness,
    listed: list[CertificateId],
    options: list[str],
    answer: str | None,
    exit_code: int,
    shown: str,
    status: str,
) -> None:
    result = confirm("Factory", *options, answer=answer)

    assert result.exit_code == exit_code
    assert shown in result.out + result.err
    harness.sweep(limit=LIMIT)
    assert {harness.status(device) for device in listed} == {status}


def test_the_dry_run_names_the_devices(harness: SweepHarness, listed: list[CertificateId]) -> None:
    text = confirm("Factory", "--dry-run").out
    code, found = report(harness.ca, "--dry-run")

    assert all(device in text for device in listed)
    assert "keyCompromise" in text
    assert code == 0
    assert (found["confirmed"], found["tripped"]["devices"], found["tripped"]["fleet"]) == (False, 2, 3)
    assert {each["certificate_id"] for each in found["devices"]} == set(listed)
    assert {each["reason"] for each in found["devices"]} == {"keyCompromise"}


def test_a_ca_that_the_deployment_does_not_have_is_wrong_use(harness: SweepHarness) -> None:
    del harness
    result = confirm("Workshop")

    assert result.exit_code == 2
    assert "has no CA 'Workshop'; it has: Factory" in result.err


def test_the_devices_of_a_first_index_are_named(harness: SweepHarness) -> None:
    harness.number = 1
    harness.publish()
    devices = harness.activate_devices(2)
    harness.store.s3.delete_object(Bucket=harness.store.bucket, Key=key(harness.ca))
    harness.publish(dict.fromkeys(devices))
    harness.sweep(limit=LIMIT)

    code, found = report("Factory", "--dry-run")

    assert (code, len(found["devices"])) == (0, 2)


def test_devices_backfilled_after_the_index_was_settled_are_named(harness: SweepHarness) -> None:
    devices = harness.activate_devices(2)
    harness.publish()
    harness.settle()
    swept = harness.publish(dict.fromkeys(devices))
    now = harness.clock.milliseconds
    lease, _ = harness.states.acquire(harness.ca, now=now, expires_at=1)
    settled = IndexRef.of(harness.store.current(harness.ca))
    harness.states.write(lease, SweepState(settled, settled_at=now))
    harness.states.request_rescan(harness.ca, now=harness.clock.milliseconds)
    harness.clock.pass_time(seconds=SETTLE.total_seconds())
    harness.sweep(limit=LIMIT)

    _, found = report("Factory", "--dry-run")

    assert found["tripped"]["index_version"] == swept.version
    assert {each["certificate_id"] for each in found["devices"]} == set(devices)


def test_a_tripped_index_that_is_deleted_is_reported(
    harness: SweepHarness, listed: list[CertificateId]
) -> None:
    del listed
    waiting = harness.tripped()
    assert waiting is not None
    harness.publish()
    harness.s3.delete_object(
        Bucket=harness.store.bucket, Key=key(harness.ca), VersionId=waiting.index.version_id
    )

    result = confirm("Factory", "--dry-run")

    assert result.exit_code == 3
    assert "is not kept any more" in result.err
