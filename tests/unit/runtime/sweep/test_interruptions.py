"""Sweeps that are cut off, repeated, overtaken or run side by side: the next run finishes what is left."""

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
from tests.support.faults import DECISIVE_FAULTS, Crash, Fault, counted, injected
from tests.support.town import SETTLE, Town

OPERATIONS = [
    ("iot", "DescribeCertificate"),
    ("iot", "DescribeCACertificate"),
    ("iot", "AttachPolicy"),
    ("iot", "UpdateCertificate"),
    ("dynamodb", "UpdateItem"),
    ("dynamodb", "TransactWriteItems"),
    ("dynamodb", "DescribeTable"),
    ("dynamodb", "Query"),
    ("dynamodb", "BatchGetItem"),
    ("s3", "GetObject"),
    ("s3", "HeadObject"),
]
"""Every call that a run makes."""
FAULTS = [
    Fault.THROTTLE,
    Fault.SERVER_ERROR,
    Fault.TIMEOUT_BEFORE,
    Fault.TIMEOUT_AFTER,
    # A crash before a call is one after the call before.
    Fault.CRASH_AFTER,
]
LATER_CALLS = [
    *(("dynamodb", "UpdateItem", at_call) for at_call in (2, 4, 6, 8, 10)),
    ("dynamodb", "TransactWriteItems", 2),
    ("dynamodb", "TransactWriteItems", 3),
    ("iot", "UpdateCertificate", 2),
    ("iot", "UpdateCertificate", 3),
]


@pytest.mark.parametrize(
    ("service", "operation", "fault", "at_call"),
    [
        *(
            # The others leave the same states. That a throttled call costs its certificate only is guarded by
            # test_one_certificate_that_fails_does_not_keep_the_others_from_it.
            pytest.param(
                *(service, operation, fault, 1),
                marks=() if fault in DECISIVE_FAULTS else pytest.mark.exhaustive,
            )
            for service, operation in OPERATIONS
            for fault in FAULTS
        ),
        *((service, operation, Fault.CRASH_AFTER, at_call) for service, operation, at_call in LATER_CALLS),
    ],
)
def test_a_run_that_is_cut_off_anywhere_is_finished_by_the_next(
    town: Town, service: str, operation: str, fault: Fault, at_call: int
) -> None:
    revoked, held, lifted = town.bring_in(3)
    town.publish({lifted: HOLD})
    town.sweep()
    town.publish({revoked: KEY_COMPROMISE, held: HOLD})
    client = town.s3 if service == "s3" else getattr(town.aws, service)
    with (
        injected(client, operation, fault, at_call=at_call) as struck,
        suppress(Crash, ClientError, BotoCoreError),
    ):
        town.sweep()
    assert struck()

    for _ in range(2):
        # The lease, and the claims, of whoever died expire.
        town.clock.pass_time(minutes=6)
        town.sweep()

    assert [town.status(each) for each in (revoked, held, lifted)] == ["REVOKED", "INACTIVE", "ACTIVE"]
    assert town.row(held).state is State.SUSPENDED
    assert town.ledger.fleet.size(town.ca) == 1
    town.publish({revoked: KEY_COMPROMISE})
    town.sweep()
    assert town.status(held) == "ACTIVE"
    assert town.ledger.fleet.size(town.ca) == 2


def test_two_runs_side_by_side_do_not_mix(town: Town) -> None:
    devices = town.bring_in(3)
    town.publish(dict.fromkeys(devices))
    second = []

    def run_beside(**_: Any) -> None:
        town.aws.iot.meta.events.unregister("before-call.iot.UpdateCertificate", run_beside)
        with counted(town.aws.iot) as calls:
            town.make_sweep().run(town.ca, stopped_by=town.clock() + timedelta(seconds=300))
        second.append(calls)

    town.aws.iot.meta.events.register_first("before-call.iot.UpdateCertificate", run_beside)
    town.sweep()

    assert second == [[]]
    assert {town.status(device) for device in devices} == {"REVOKED"}


def test_a_run_that_was_overtaken_before_its_lease_does_not_go_back_to_the_former_index(town: Town) -> None:
    [device] = town.bring_in()
    town.publish({device: KEY_COMPROMISE})

    def take_back_and_sweep(**_: Any) -> None:
        town.aws.dynamodb.meta.events.unregister("before-call.dynamodb.UpdateItem", take_back_and_sweep)
        town.publish()
        town.sweep()

    town.aws.dynamodb.meta.events.register_first("before-call.dynamodb.UpdateItem", take_back_and_sweep)
    town.sweep()

    assert town.status(device) == "ACTIVE"


@contextmanager
def slow(town: Town, operation: str) -> Iterator[None]:
    """Let each call take 20 s."""

    def wait(**_: object) -> None:
        town.clock.pass_time(seconds=20)

    town.aws.iot.meta.events.register(f"before-call.iot.{operation}", wait)
    yield
    town.aws.iot.meta.events.unregister(f"before-call.iot.{operation}", wait)


def test_a_run_ends_in_time_and_the_next_one_continues(town: Town) -> None:
    devices = town.bring_in(3)
    town.publish(dict.fromkeys(devices))

    with slow(town, "DescribeCertificate"):
        town.sweep(seconds=50)
    assert sorted(town.status(device) for device in devices) == ["ACTIVE", "REVOKED", "REVOKED"]

    town.sweep()

    assert {town.status(device) for device in devices} == {"REVOKED"}


def test_a_count_that_ends_in_the_middle_of_a_page_is_no_count(town: Town) -> None:
    devices = town.bring_in(3)
    town.publish(dict.fromkeys(devices))
    limit = MassRevocationLimit(share=0.1, minimum=1)

    with slow(town, "DescribeCertificate"):
        town.sweep(seconds=50, limit=limit)
    assert town.tripped() is None

    town.sweep(limit=limit)

    tripped = town.tripped()
    assert tripped is not None
    assert tripped.devices == 3


def test_releases_end_in_time_and_none_is_forgotten(town: Town) -> None:
    devices = town.bring_in(3)
    town.publish(dict.fromkeys(devices, HOLD))
    town.sweep()
    town.publish()
    town.clock.pass_time(seconds=SETTLE.total_seconds() + 5)

    with slow(town, "UpdateCertificate"):
        town.sweep(seconds=50)
    assert sorted(town.status(device) for device in devices) == ["ACTIVE", "ACTIVE", "INACTIVE"]

    town.settle()

    assert {town.status(device) for device in devices} == {"ACTIVE"}


def test_nothing_is_begun_when_the_time_is_nearly_over(town: Town) -> None:
    town.publish(dict.fromkeys(town.bring_in()))

    with counted(town.s3) as calls, counted(town.aws.dynamodb) as writes:
        town.sweep(seconds=14)

    assert calls == writes == []


def test_while_one_ca_is_swept_another_invocation_sweeps_the_next(town: Town) -> None:
    """A schedule of a minute invokes the function while a long run is under way."""
    other = CaCertificateId("0" * 64)
    town.states.acquire(other, now=0, expires_at=town.clock.milliseconds + 300_000)
    [device] = town.bring_in()
    town.publish({device: None})

    for ca in (other, town.ca):
        town.make_sweep().run(ca, stopped_by=town.clock() + timedelta(seconds=300))

    assert town.status(device) == "REVOKED"


def test_during_a_storm_each_run_revokes_some_and_the_next_continues(town: Town) -> None:
    devices = town.bring_in(5)
    town.publish(dict.fromkeys(devices))
    storm = town.aws.rate_limiter(10)
    storm.reserve(1_000_000)

    left = []
    for _ in range(3):
        # 15 s are kept free and a fifth is for releases: 8 s for revocations, one each 5 s.
        town.sweep(seconds=25, rate_limiter=storm)
        left.append(sum(town.status(device) == "ACTIVE" for device in devices))

    assert left == [3, 2, 1]


def test_one_certificate_that_fails_does_not_keep_the_others_from_it(town: Town) -> None:
    devices = town.bring_in(3)
    town.publish(dict.fromkeys(devices))
    with injected(town.aws.iot, "UpdateCertificate", Fault.THROTTLE, at_call=1):
        seen = town.sweep()

    assert [reason for _, reason in seen.deferred] == [Reason.THROTTLED]
    assert sorted(town.status(device) for device in devices) == ["ACTIVE", "REVOKED", "REVOKED"]
    town.clock.pass_time(minutes=6)
    town.sweep()
    assert {town.status(device) for device in devices} == {"REVOKED"}


def test_a_status_that_aws_iot_does_not_let_change_is_no_obstacle(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    devices = town.bring_in(2)
    town.publish(dict.fromkeys(devices))
    update = town.aws.iot.update_certificate

    def refuse_one(**arguments: Any) -> Any:
        if arguments["certificateId"] == devices[0]:
            raise town.aws.iot.exceptions.CertificateStateException(
                {"Error": {"Code": "CertificateStateException"}}, "UpdateCertificate"
            )
        return update(**arguments)

    monkeypatch.setattr(town.aws.iot, "update_certificate", refuse_one)
    seen = town.sweep()
    town.settle()

    assert dict(seen.revocations) == {
        devices[0]: RevocationResult.CONFLICT,
        devices[1]: RevocationResult.REVOKED,
    }


def test_an_index_that_cannot_be_read_revokes_nobody(town: Town) -> None:
    [device] = town.bring_in()
    town.s3.put_object(Bucket=town.store.bucket, Key=key(town.ca), Body=b"damaged")

    with pytest.raises(DamagedIndexError):
        town.sweep()
    assert town.status(device) == "ACTIVE"
    town.publish()
    town.settle()


def test_a_settled_index_that_the_bucket_no_longer_keeps_counts_as_none(town: Town) -> None:
    revoked, other = town.bring_in(2)
    town.publish({revoked: None})
    town.settle()
    settled = town.state().settled
    assert settled is not None
    town.publish({revoked: None, other: None})
    town.s3.delete_object(Bucket=town.store.bucket, Key=key(town.ca), VersionId=settled.version_id)

    seen = town.sweep()

    assert seen.revocations == [(other, RevocationResult.REVOKED)]


def test_a_damaged_settled_index_counts_as_none(town: Town) -> None:
    [device] = town.bring_in()
    settled = town.publish()
    town.settle()
    town.publish({device: None})
    download = town.store.download

    def damage(ca: CaCertificateId, path: Path, *, version_id: str) -> None:
        download(ca, path, version_id=version_id)
        if version_id == settled.version_id:
            path.write_bytes(b"damaged")

    object.__setattr__(town.store, "download", damage)
    town.sweep()

    assert town.status(device) == "REVOKED"


def test_an_index_that_is_gone_in_the_middle_of_its_pass_does_not_stop_the_sweep_for_good(town: Town) -> None:
    devices = town.bring_in(2)
    gone = town.publish({devices[0]: None})
    with injected(town.aws.iot, "UpdateCertificate", Fault.CRASH_BEFORE), suppress(Crash):
        town.sweep()
    town.clock.pass_time(minutes=6)
    town.publish({devices[1]: None})
    town.s3.delete_object(Bucket=town.store.bucket, Key=key(town.ca), VersionId=gone.version_id)

    town.sweep()

    assert [town.status(device) for device in devices] == ["ACTIVE", "REVOKED"]


def test_an_entry_that_is_withdrawn_in_the_middle_of_a_pass_and_listed_again_is_revoked(town: Town) -> None:
    first, second = town.bring_in(2)
    town.publish({first: None, second: None})
    town.clock.pass_time(seconds=SETTLE.total_seconds() + 5)
    with injected(town.aws.iot, "UpdateCertificate", Fault.CRASH_BEFORE), suppress(Crash):
        town.sweep()
    town.clock.pass_time(minutes=6)
    town.publish({first: None})
    town.sweep()
    assert [town.status(device) for device in (first, second)] == ["REVOKED", "ACTIVE"]

    town.publish({first: None, second: None})
    town.settle()

    assert town.status(second) == "REVOKED"


@pytest.mark.parametrize("cut_off", ["count", "revoke"])
def test_a_pass_continues_at_its_cursor(town: Town, monkeypatch: pytest.MonkeyPatch, cut_off: str) -> None:
    monkeypatch.setattr("iot_jitr_runtime.sweep.targets.LOOK_UPS_A_PAGE", 1)
    devices = town.bring_in(4)
    town.publish(dict.fromkeys(devices[:3]))
    limit = MassRevocationLimit(share=0.75, minimum=1) if cut_off == "count" else MassRevocationLimit(share=1)
    with injected(town.aws.dynamodb, "Query", Fault.CRASH_BEFORE, at_call=3), suppress(Crash):
        town.sweep(limit=limit)
    town.clock.pass_time(minutes=6)

    with counted(town.aws.dynamodb) as calls:
        town.sweep(limit=limit)

    assert [town.status(device) for device in devices] == ["REVOKED", "REVOKED", "REVOKED", "ACTIVE"]
    assert calls.count("Query") < 6
