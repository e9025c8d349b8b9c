"""Sweeps that are cut off, repeated, overtaken or run side by side: the next run finishes what is left."""

from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from iot_jitr_runtime.ledger import State
from iot_jitr_runtime.outcomes import Reason
from iot_jitr_runtime.revocation.index import DamagedIndexError
from iot_jitr_runtime.revocation.store import key
from iot_jitr_runtime.sweep.enforcement import Enforced
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
    ("dynamodb", "Query"),
    ("dynamodb", "BatchGetItem"),
    ("dynamodb", "GetItem"),
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


def test_a_run_ends_in_time_and_the_next_goes_on(town: Town) -> None:
    devices = town.bring_in(3)
    town.publish(dict.fromkeys(devices))

    def slow(_: float) -> None:
        town.clock.pass_time(seconds=20)

    from iot_jitr_runtime.ledger import Turns
    from iot_jitr_runtime.sweep.pace import Pace

    pace = Pace(Turns(town.aws.dynamodb, town.aws.table, 1e6), town.clock, slow)
    town.sweep(seconds=50, pace=pace)
    assert sorted(town.status(device) for device in devices) == ["ACTIVE", "REVOKED", "REVOKED"]
    assert town.state().first is None

    town.sweep()

    assert {town.status(device) for device in devices} == {"REVOKED"}
    assert town.state().first is not None


def test_one_certificate_that_fails_does_not_keep_the_others_from_it(town: Town) -> None:
    devices = town.bring_in(3)
    town.publish(dict.fromkeys(devices))
    with injected(town.aws.iot, "UpdateCertificate", Fault.THROTTLE, at_call=1):
        seen = town.sweep()

    assert [verdict.reason for _, verdict in seen.put_off_] == [Reason.THROTTLED]
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

    assert dict(seen.enforced_) == {devices[0]: Enforced.IMPOSSIBLE, devices[1]: Enforced.REVOKED}
    assert town.state().first is not None


def test_an_index_that_cannot_be_read_revokes_nobody(town: Town) -> None:
    [device] = town.bring_in()
    town.s3.put_object(Bucket=town.store.bucket, Key=key(town.ca), Body=b"damaged")

    with pytest.raises(DamagedIndexError):
        town.sweep()
    assert town.status(device) == "ACTIVE"
    town.publish()
    town.sweep()
    assert town.state().first is not None


def test_a_swept_index_that_the_bucket_no_longer_keeps_counts_as_none(town: Town) -> None:
    revoked, other = town.bring_in(2)
    town.publish({revoked: None})
    town.sweep_twice()
    swept = town.state().first
    assert swept is not None
    town.publish({revoked: None, other: None})
    town.s3.delete_object(Bucket=town.store.bucket, Key=key(town.ca), VersionId=swept.version_id)

    seen = town.sweep()

    assert seen.enforced_ == [(other, Enforced.REVOKED)]


def test_an_index_that_is_gone_before_its_second_pass_does_not_stop_the_sweep_for_good(town: Town) -> None:
    [device] = town.bring_in()
    gone = town.publish()
    town.sweep()
    town.publish({device: None})
    town.s3.delete_object(Bucket=town.store.bucket, Key=key(town.ca), VersionId=gone.version_id)

    for _ in range(3):
        town.sweep()
        town.clock.pass_time(seconds=SETTLE.total_seconds() + 5)

    assert town.status(device) == "REVOKED"
    assert town.state().pending is None
    assert town.state().second == town.state().first
