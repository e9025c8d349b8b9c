"""Sessions of revoked and suspended devices are closed after the status change, and no other session."""

from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from iot_jitr_runtime.identifiers import CertificateId
from iot_jitr_runtime.ledger import State
from iot_jitr_runtime.ledger.rows import Identity
from iot_jitr_runtime.ledger.tasks import TaskResult
from iot_jitr_runtime.sweep.enforce import RevocationResult
from iot_jitr_runtime.sweep.sessions import REPEAT_AFTER, SessionResult
from iot_jitr_runtime.sweep.targets import MassRevocationLimit
from tests.support.account import POLICY
from tests.support.crls import HOLD, KEY_COMPROMISE, SUPERSEDED
from tests.support.faults import EVERY_FAULT, Fault, Step, counted, cut_off, injected, step_name
from tests.support.sweep_harness import Recorder, SweepHarness
from tests.support.things import arn_of


def connected(harness: SweepHarness, count: int = 1) -> list[CertificateId]:
    """Devices that are ACTIVE and connected."""
    devices = harness.activate_devices(count)
    harness.connect(*devices)
    return devices


def sessions_in(seen: Recorder) -> dict[CertificateId, str]:
    return {
        facts["certificate_id"]: facts["session"]
        for message, facts in seen.lines
        if isinstance(message, RevocationResult) and "session" in facts
    }


def pass_until_repetition(harness: SweepHarness) -> None:
    harness.clock.pass_time(seconds=REPEAT_AFTER.total_seconds() + 1)


@pytest.mark.parametrize("reason", [KEY_COMPROMISE, HOLD, None], ids=str)
def test_the_session_of_a_listed_device_is_closed_and_no_other(harness: SweepHarness, reason: Any) -> None:
    listed, other = connected(harness, 2)
    harness.publish({listed: reason})

    seen = harness.sweep()

    assert sessions_in(seen) == {listed: SessionResult.CLOSED}
    assert set(harness.connections.calls) == harness.client_ids(listed)
    assert harness.connections.connected == harness.client_ids(other)


def test_the_session_is_closed_once_more_after_a_delay_and_then_no_more(harness: SweepHarness) -> None:
    """A broker that did not have the new status yet has accepted the device again."""
    [device] = connected(harness)
    harness.publish({device: KEY_COMPROMISE})
    harness.sweep()
    harness.connect(device)

    assert harness.repeat_closings() == {}, "it is not due yet"
    pass_until_repetition(harness)
    assert harness.repeat_closings() == {TaskResult.DONE: 1}
    harness.clock.pass_time(days=20)
    assert harness.repeat_closings() == {}

    assert harness.connections.connected == set()
    assert harness.repeated == [(device, SessionResult.CLOSED)]


def test_a_device_that_is_not_connected_is_a_success(harness: SweepHarness) -> None:
    [device] = harness.activate_devices()
    harness.publish({device: KEY_COMPROMISE})

    seen = harness.sweep()
    pass_until_repetition(harness)

    assert sessions_in(seen) == {device: SessionResult.NONE}
    assert harness.repeat_closings() == {TaskResult.DONE: 1}
    assert harness.repeated == [(device, SessionResult.NONE)]


def test_the_session_of_a_released_device_stays_open_at_the_repetition(harness: SweepHarness) -> None:
    [device] = connected(harness)
    harness.publish({device: HOLD})
    harness.sweep()
    harness.publish()
    harness.sweep()
    assert harness.status(device) == "ACTIVE"
    harness.connect(device)

    pass_until_repetition(harness)

    assert harness.repeat_closings() == {TaskResult.CANCELLED: 1}
    assert harness.connections.connected == harness.client_ids(device)


def test_a_deleted_certificate_does_not_cancel_the_repeated_closing(harness: SweepHarness) -> None:
    [device] = connected(harness)
    harness.publish({device: HOLD})
    harness.sweep()
    harness.aws.iot.detach_policy(policyName=POLICY, target=arn_of(harness.aws, device))
    harness.aws.iot.delete_certificate(certificateId=device)
    pass_until_repetition(harness)

    assert harness.repeat_closings() == {TaskResult.DONE: 1}


@pytest.mark.parametrize("fault", sorted(set(Fault) - {Fault.CRASH_BEFORE, Fault.CRASH_AFTER}))
def test_an_error_of_the_closing_stops_no_revocation_and_is_tried_again(
    harness: SweepHarness, fault: Fault
) -> None:
    devices = connected(harness, 3)
    harness.publish(dict.fromkeys(devices, KEY_COMPROMISE))

    with injected(harness.connections.client, "DeleteConnection", fault) as struck:
        seen = harness.sweep()

    assert struck()
    assert {harness.status(each) for each in devices} == {"REVOKED"}
    assert {harness.row(each).state for each in devices} == {State.REVOKED}
    assert seen.deferred == []
    assert sorted(sessions_in(seen).values()) == ["closed", "closed", "not_closed"]
    pass_until_repetition(harness)
    assert harness.repeat_closings() == {TaskResult.DONE: 3}
    assert harness.connections.connected == set()


def test_a_failing_closing_is_retried_with_growing_delays(harness: SweepHarness) -> None:
    broken, sound = connected(harness, 2)
    harness.publish(dict.fromkeys((broken, sound), KEY_COMPROMISE))
    harness.sweep()
    harness.connections.refused = harness.client_ids(broken)
    pass_until_repetition(harness)

    assert harness.repeat_closings() == {TaskResult.DONE: 1, TaskResult.FAILED: 1}
    assert harness.repeat_closings() == {}
    harness.clock.pass_time(minutes=6)
    assert harness.repeat_closings() == {TaskResult.FAILED: 1}
    assert [each.failures for each in harness.ledger.tasks.failing(broken)] == [2]


def test_after_successive_failures_revocations_skip_the_closing(harness: SweepHarness) -> None:
    devices = connected(harness, 6)
    harness.publish(dict.fromkeys(devices, KEY_COMPROMISE))
    harness.connections.refused = harness.client_ids(*devices)
    seen = harness.sweep()
    harness.connections.refused = set()

    assert len(harness.connections.calls) == 3
    assert set(sessions_in(seen).values()) == {SessionResult.NOT_CLOSED}
    assert {harness.status(each) for each in devices} == {"REVOKED"}
    pass_until_repetition(harness)
    assert harness.repeat_closings() == {TaskResult.DONE: 6}
    assert harness.connections.connected == set()


@pytest.mark.parametrize("fault", EVERY_FAULT)
@pytest.mark.parametrize(
    "step",
    [
        ("dynamodb", "Query", 1),
        ("dynamodb", "GetItem", 1),
        ("dynamodb", "UpdateItem", 1),
        ("iot", "DescribeCertificate", 1),
        ("connections", "DeleteConnection", 1),
    ],
    ids=step_name,
)
def test_an_interrupted_repetition_is_made_later(harness: SweepHarness, step: Step, fault: Fault) -> None:
    """Cut off at every call of a repetition."""
    revoked, held = connected(harness, 2)
    harness.publish({revoked: KEY_COMPROMISE, held: HOLD})
    harness.sweep()
    harness.connect(revoked, held)
    pass_until_repetition(harness)

    with cut_off(harness.clients, step, fault), suppress(ClientError, BotoCoreError):
        harness.repeat_closings()
    harness.clock.pass_time(minutes=6)
    harness.repeat_closings()

    assert harness.connections.connected == set()


def test_a_repeated_run_closes_nothing_again(harness: SweepHarness) -> None:
    [device] = connected(harness)
    harness.publish({device: KEY_COMPROMISE})
    harness.sweep()
    harness.settle()

    assert len(harness.connections.calls) == 1


@pytest.mark.parametrize(
    "parts",
    [{"dry_run": True}, {"limit": MassRevocationLimit(share=0.1, minimum=1)}],
    ids=["a dry run", "a tripped limit"],
)
def test_a_run_without_revocations_closes_no_session(harness: SweepHarness, parts: dict[str, Any]) -> None:
    [device] = connected(harness)
    harness.publish({device: KEY_COMPROMISE})

    harness.sweep(**parts)
    harness.clock.pass_time(minutes=5)
    harness.repeat_closings()

    assert harness.connections.calls == []


def test_without_a_known_client_id_no_session_is_closed(harness: SweepHarness) -> None:
    [device] = connected(harness)
    harness.publish({device: KEY_COMPROMISE})

    seen = harness.sweep(sessions=None)

    assert sessions_in(seen) == {}
    assert harness.connections.calls == []
    assert harness.status(device) == "REVOKED"


def test_a_row_without_a_field_of_the_client_id_is_reported(harness: SweepHarness) -> None:
    [device] = connected(harness)
    harness.publish({device: KEY_COMPROMISE})

    seen = harness.sweep(sessions=harness.sessions("{{thing_name}}"))
    pass_until_repetition(harness)

    assert sessions_in(seen) == {device: SessionResult.UNKNOWN}
    assert harness.connections.calls == []
    assert harness.repeat_closings() == {}


def renewed(harness: SweepHarness) -> tuple[CertificateId, CertificateId]:
    """An older certificate of a device, and the ACTIVE one that replaces it."""
    [_] = harness.activate_devices()
    old, new = harness.register("renewed"), harness.register("renewed")
    for each in (old, new):
        harness.activate(each)
    row = harness.row(old)
    assert row.ca_certificate_id
    assert row.serial_number
    harness.ledger.tasks.schedule_retirement(
        old,
        Identity(row.ca_certificate_id, row.serial_number, row.common_name),
        thing_name="renewed",
        superseded_by=new,
        at=harness.clock.milliseconds + 86_400_000,
    )
    harness.connections.connected.add("renewed")
    return old, new


def test_the_session_of_a_renewed_device_stays_open_when_its_old_certificate_is_superseded(
    harness: SweepHarness,
) -> None:
    old, new = renewed(harness)
    harness.publish({old: SUPERSEDED})

    seen = harness.sweep()
    pass_until_repetition(harness)

    assert (harness.status(old), harness.status(new)) == ("REVOKED", "ACTIVE")
    assert sessions_in(seen) == {old: SessionResult.RENEWED}
    assert harness.repeat_closings() == {}
    assert harness.connections.connected == {"renewed"}


def test_a_compromised_old_key_closes_the_session_of_a_renewed_device(harness: SweepHarness) -> None:
    old, _ = renewed(harness)
    harness.publish({old: KEY_COMPROMISE})

    assert sessions_in(harness.sweep()) == {old: SessionResult.CLOSED}


def test_the_session_of_a_superseded_certificate_is_closed_where_its_successor_is_not_active(
    harness: SweepHarness,
) -> None:
    old, new = renewed(harness)
    harness.publish({old: SUPERSEDED, new: KEY_COMPROMISE})
    harness.sweep()
    pass_until_repetition(harness)
    harness.repeat_closings()

    assert harness.connections.connected == set()


def test_the_retirement_of_a_renewed_certificate_stays_scheduled(harness: SweepHarness) -> None:
    old, _ = renewed(harness)
    harness.publish({old: KEY_COMPROMISE})
    harness.sweep()
    pass_until_repetition(harness)
    harness.repeat_closings()

    item = harness.aws.dynamodb.get_item(TableName=harness.aws.table, Key={"certificateId": {"S": old}})
    assert item["Item"]["task"] == {"S": "retire"}


def test_one_client_id_is_disconnected_once_a_second_at_most(harness: SweepHarness) -> None:
    """Two certificates of one device are on the list."""
    old, new = renewed(harness)
    harness.publish(dict.fromkeys((old, new), KEY_COMPROMISE))
    times: list[Any] = []
    harness.connections.check = lambda _: times.append(harness.clock())

    harness.sweep()

    assert len(times) == 2
    assert times[1] - times[0] >= timedelta(seconds=1)


def test_closing_sessions_adds_no_control_plane_call(harness: SweepHarness) -> None:
    """DescribeCertificate and UpdateCertificate are what the rate limiter counts."""
    [device] = connected(harness)
    harness.publish({device: KEY_COMPROMISE})
    with counted(harness.aws.iot) as calls:
        harness.sweep()
        pass_until_repetition(harness)
        harness.repeat_closings()

    assert calls.count("DescribeCertificate") == 1
    assert calls.count("UpdateCertificate") == 1


def test_when_the_time_is_up_the_session_is_left_to_its_task(harness: SweepHarness) -> None:
    [device] = connected(harness)
    harness.publish({device: KEY_COMPROMISE})

    def pass_time(**_: Any) -> None:
        harness.clock.pass_time(minutes=10)

    harness.aws.iot.meta.events.register("after-call.iot.UpdateCertificate", pass_time)
    seen = harness.sweep()
    harness.aws.iot.meta.events.unregister("after-call.iot.UpdateCertificate", pass_time)

    assert sessions_in(seen) == {device: SessionResult.NOT_CLOSED}
    pass_until_repetition(harness)
    assert harness.repeat_closings() == {TaskResult.DONE: 1}
    assert harness.connections.connected == set()
