"""Sweeps that are interrupted, repeated or concurrent: the next run completes the rest."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from iot_jitr_runtime.identifiers import CaCertificateId
from iot_jitr_runtime.ledger import State
from iot_jitr_runtime.outcomes import Reason
from iot_jitr_runtime.revocation.index import DamagedIndexError
from iot_jitr_runtime.revocation.store import key
from iot_jitr_runtime.sweep.enforce import RevocationResult
from iot_jitr_runtime.sweep.targets import MassRevocationLimit
from tests.support.crls import HOLD, KEY_COMPROMISE
from tests.support.faults import (
    EVERY_FAULT,
    Crash,
    Fault,
    Step,
    counted,
    cut_off,
    injected,
    meanwhile,
    step_name,
)
from tests.support.sweep_harness import NO_LIMIT, SETTLE, SweepHarness

STEPS: list[Step] = [
    ("iot", "DescribeCertificate", 1),
    ("iot", "DescribeCACertificate", 1),
    ("iot", "AttachPolicy", 1),
    *(("iot", "UpdateCertificate", at_call) for at_call in range(1, 4)),
    *(("dynamodb", "UpdateItem", at_call) for at_call in range(1, 19)),
    *(("dynamodb", "TransactWriteItems", at_call) for at_call in range(1, 4)),
    ("dynamodb", "DescribeTable", 1),
    ("dynamodb", "Query", 1),
    ("dynamodb", "BatchGetItem", 1),
    ("s3", "GetObject", 1),
    ("s3", "HeadObject", 1),
    ("connections", "DeleteConnection", 1),
    ("connections", "DeleteConnection", 2),
]
"""Every operation of a run, and every write."""


@pytest.mark.parametrize("fault", EVERY_FAULT)
@pytest.mark.parametrize("step", STEPS, ids=step_name)
def test_the_next_run_completes_a_run_cut_off_at_any_call(
    harness: SweepHarness, step: Step, fault: Fault
) -> None:
    """The harness checks at each closing of a session that its certificate is not ACTIVE."""
    revoked, held, lifted = devices = harness.activate_devices(3)
    harness.publish({lifted: HOLD})
    harness.sweep()
    harness.connect(*devices)
    harness.publish({revoked: KEY_COMPROMISE, held: HOLD})
    with cut_off(harness.clients, step, fault), suppress(ClientError, BotoCoreError):
        harness.sweep()

    for _ in range(2):
        # The lease and the claims of a worker that has crashed expire.
        harness.clock.pass_time(minutes=6)
        harness.sweep()
    harness.repeat_closings()

    assert [harness.status(each) for each in devices] == ["REVOKED", "INACTIVE", "ACTIVE"]
    assert (harness.row(held).state, harness.row(lifted).state) == (State.SUSPENDED, State.ACTIVATED)
    assert harness.connections.connected == harness.client_ids(lifted)
    assert harness.ledger.fleet.size(harness.ca) == 1
    harness.publish({revoked: KEY_COMPROMISE})
    harness.sweep()
    assert harness.status(held) == "ACTIVE"
    assert harness.ledger.fleet.size(harness.ca) == 2


def test_only_one_of_two_concurrent_runs_changes_anything(harness: SweepHarness) -> None:
    devices = harness.activate_devices(3)
    harness.publish(dict.fromkeys(devices))
    second = []

    def run_beside() -> None:
        with counted(harness.aws.iot) as calls:
            harness.make_sweep().run(harness.ca, stops_at=harness.clock() + timedelta(seconds=300))
        second.append(calls)

    with meanwhile(harness.aws.iot, "UpdateCertificate", run_beside):
        harness.sweep()

    assert second == [[]]
    assert {harness.status(device) for device in devices} == {"REVOKED"}


def test_a_delayed_run_does_not_revoke_by_a_replaced_index(harness: SweepHarness) -> None:
    [device] = harness.activate_devices()
    harness.publish({device: KEY_COMPROMISE})

    def unlist_and_sweep() -> None:
        harness.publish()
        harness.sweep()

    with meanwhile(harness.aws.dynamodb, "UpdateItem", unlist_and_sweep):
        harness.sweep()

    assert harness.status(device) == "ACTIVE"


@contextmanager
def slow(harness: SweepHarness, operation: str) -> Iterator[None]:
    """Let each call take 20 s."""

    def wait(**_: object) -> None:
        harness.clock.pass_time(seconds=20)

    harness.aws.iot.meta.events.register(f"before-call.iot.{operation}", wait)
    yield
    harness.aws.iot.meta.events.unregister(f"before-call.iot.{operation}", wait)


def test_a_run_ends_in_time_and_the_next_one_continues(harness: SweepHarness) -> None:
    devices = harness.activate_devices(3)
    harness.publish(dict.fromkeys(devices))

    with slow(harness, "DescribeCertificate"):
        harness.sweep(seconds=50)
    assert sorted(harness.status(device) for device in devices) == ["ACTIVE", "REVOKED", "REVOKED"]

    harness.sweep()

    assert {harness.status(device) for device in devices} == {"REVOKED"}


def test_an_incomplete_count_of_devices_is_discarded(harness: SweepHarness) -> None:
    devices = harness.activate_devices(3)
    harness.publish(dict.fromkeys(devices))
    limit = MassRevocationLimit(share=0.1, minimum=1)

    with slow(harness, "DescribeCertificate"):
        harness.sweep(seconds=50, limit=limit)
    assert harness.tripped() is None

    harness.sweep(limit=limit)

    tripped = harness.tripped()
    assert tripped is not None
    assert tripped.devices == 3


def test_releases_stop_at_the_deadline_and_continue_in_the_next_run(harness: SweepHarness) -> None:
    devices = harness.activate_devices(3)
    harness.publish(dict.fromkeys(devices, HOLD))
    harness.sweep()
    harness.publish()

    with slow(harness, "UpdateCertificate"):
        harness.sweep_after_the_settle_time(seconds=50)
    assert sorted(harness.status(device) for device in devices) == ["ACTIVE", "ACTIVE", "INACTIVE"]

    harness.settle()

    assert {harness.status(device) for device in devices} == {"ACTIVE"}


def test_near_the_deadline_no_step_begins(harness: SweepHarness) -> None:
    harness.publish(dict.fromkeys(harness.activate_devices()))

    with counted(harness.s3) as calls, counted(harness.aws.dynamodb) as writes:
        harness.sweep(seconds=14)

    assert calls == writes == []


def test_a_second_invocation_can_sweep_another_ca_at_the_same_time(harness: SweepHarness) -> None:
    """A schedule of a minute invokes the function while a long run is under way."""
    other = CaCertificateId("0" * 64)
    harness.states.acquire(other, now=0, expires_at=harness.clock.milliseconds + 300_000)
    [device] = harness.activate_devices()
    harness.publish({device: None})

    for ca in (other, harness.ca):
        harness.make_sweep().run(ca, stops_at=harness.clock() + timedelta(seconds=300))

    assert harness.status(device) == "REVOKED"


def test_during_a_storm_each_run_revokes_some_and_the_next_continues(harness: SweepHarness) -> None:
    devices = harness.activate_devices(5)
    harness.publish(dict.fromkeys(devices))
    storm = harness.aws.rate_limiter(10)
    storm.reserve(1_000_000)

    left = []
    for _ in range(3):
        # 15 s are kept free and a fifth is for releases: 8 s for revocations, one each 5 s.
        harness.sweep(seconds=25, rate_limiter=storm)
        left.append(sum(harness.status(device) == "ACTIVE" for device in devices))

    assert left == [3, 2, 1]


def test_one_certificate_that_fails_does_not_stop_the_others(harness: SweepHarness) -> None:
    devices = harness.activate_devices(3)
    harness.publish(dict.fromkeys(devices))
    with injected(harness.aws.iot, "UpdateCertificate", Fault.THROTTLE, at_call=1):
        seen = harness.sweep()

    assert [reason for _, reason in seen.deferred] == [Reason.THROTTLED]
    assert sorted(harness.status(device) for device in devices) == ["ACTIVE", "REVOKED", "REVOKED"]
    harness.clock.pass_time(minutes=6)
    harness.sweep()
    assert {harness.status(device) for device in devices} == {"REVOKED"}


def test_a_status_that_aws_iot_does_not_let_change_does_not_stop_the_pass(
    harness: SweepHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    devices = harness.activate_devices(2)
    harness.publish(dict.fromkeys(devices))
    update = harness.aws.iot.update_certificate

    def refuse_one(**arguments: Any) -> Any:
        if arguments["certificateId"] == devices[0]:
            raise harness.aws.iot.exceptions.CertificateStateException(
                {"Error": {"Code": "CertificateStateException"}}, "UpdateCertificate"
            )
        return update(**arguments)

    monkeypatch.setattr(harness.aws.iot, "update_certificate", refuse_one)
    seen = harness.sweep()
    harness.settle()

    assert dict(seen.revocations) == {
        devices[0]: RevocationResult.CONFLICT,
        devices[1]: RevocationResult.REVOKED,
    }


def test_an_index_that_cannot_be_read_revokes_nothing(harness: SweepHarness) -> None:
    [device] = harness.activate_devices()
    harness.s3.put_object(Bucket=harness.store.bucket, Key=key(harness.ca), Body=b"damaged")

    with pytest.raises(DamagedIndexError):
        harness.sweep()
    assert harness.status(device) == "ACTIVE"
    harness.publish()
    harness.settle()


def test_a_deleted_settled_index_counts_as_none(harness: SweepHarness) -> None:
    revoked, other = harness.activate_devices(2)
    harness.publish({revoked: None})
    harness.settle()
    settled = harness.state().settled
    assert settled is not None
    harness.publish({revoked: None, other: None})
    harness.s3.delete_object(Bucket=harness.store.bucket, Key=key(harness.ca), VersionId=settled.version_id)

    seen = harness.sweep()

    assert seen.revocations == [(other, RevocationResult.REVOKED)]


def test_a_damaged_settled_index_counts_as_none(harness: SweepHarness) -> None:
    [device] = harness.activate_devices()
    settled = harness.publish()
    harness.settle()
    harness.publish({device: None})
    download = harness.store.download

    def damage(ca: CaCertificateId, path: Path, *, version_id: str) -> None:
        download(ca, path, version_id=version_id)
        if version_id == settled.version_id:
            path.write_bytes(b"damaged")

    object.__setattr__(harness.store, "download", damage)
    harness.sweep()

    assert harness.status(device) == "REVOKED"


def test_the_sweep_continues_after_its_index_was_deleted_during_a_pass(harness: SweepHarness) -> None:
    devices = harness.activate_devices(2)
    gone = harness.publish({devices[0]: None})
    with injected(harness.aws.iot, "UpdateCertificate", Fault.CRASH_BEFORE), suppress(Crash):
        harness.sweep()
    harness.clock.pass_time(minutes=6)
    harness.publish({devices[1]: None})
    harness.s3.delete_object(Bucket=harness.store.bucket, Key=key(harness.ca), VersionId=gone.version_id)

    harness.sweep()

    assert [harness.status(device) for device in devices] == ["ACTIVE", "REVOKED"]


def test_an_entry_removed_during_a_pass_and_listed_again_is_revoked(harness: SweepHarness) -> None:
    first, second = harness.activate_devices(2)
    harness.publish({first: None, second: None})
    harness.clock.pass_time(seconds=SETTLE.total_seconds() + 5)
    with injected(harness.aws.iot, "UpdateCertificate", Fault.CRASH_BEFORE), suppress(Crash):
        harness.sweep()
    harness.clock.pass_time(minutes=6)
    harness.publish({first: None})
    harness.sweep()
    assert [harness.status(device) for device in (first, second)] == ["REVOKED", "ACTIVE"]

    harness.publish({first: None, second: None})
    harness.settle()

    assert harness.status(second) == "REVOKED"


@pytest.mark.parametrize("interrupted", ["count", "revoke"])
def test_a_pass_continues_at_its_cursor(
    harness: SweepHarness, monkeypatch: pytest.MonkeyPatch, interrupted: str
) -> None:
    monkeypatch.setattr("iot_jitr_runtime.sweep.targets.LOOK_UPS_A_PAGE", 1)
    devices = harness.activate_devices(4)
    harness.publish(dict.fromkeys(devices[:3]))
    limit = MassRevocationLimit(share=0.75, minimum=1) if interrupted == "count" else NO_LIMIT
    with injected(harness.aws.dynamodb, "Query", Fault.CRASH_BEFORE, at_call=3), suppress(Crash):
        harness.sweep(limit=limit)
    harness.clock.pass_time(minutes=6)

    with counted(harness.aws.dynamodb) as calls:
        harness.sweep(limit=limit)

    assert [harness.status(device) for device in devices] == ["REVOKED", "REVOKED", "REVOKED", "ACTIVE"]
    assert calls.count("Query") < 6
