"""Renewal: a newer certificate of the same device replaces the older one, and only that."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import pytest
from cryptography.x509.oid import NameOID

from iot_jitr_cli.pki.authority import DevelopmentCa
from iot_jitr_cli.pki.device import DeviceSpec
from iot_jitr_runtime.activator.issuers import Issuers
from iot_jitr_runtime.identifiers import CertificateId
from iot_jitr_runtime.ledger import Identity, State, ca_serial
from iot_jitr_runtime.ledger.tasks import ScheduledTask, Task, TaskResult
from iot_jitr_runtime.outcomes import Reason
from iot_jitr_runtime.things.settings import Renewal, ThingSettings
from tests.support.account import Account
from tests.support.device_certificates import certificate_of
from tests.support.faults import (
    EVERY_FAULT,
    Crash,
    Fault,
    Step,
    counted,
    cut_off,
    injected,
    step_name,
    stepped,
)
from tests.support.things import (
    arn_of,
    holders,
    pending,
    retirement,
    with_things,
)
from tests.support.things import retire as retire_due

RENEWABLE = ThingSettings(renewal=Renewal.ALLOW, grace_seconds=24 * 3600)


@pytest.fixture
def old(aws: Account) -> CertificateId:
    """An active device, with a certificate an hour old."""
    with_things(aws, RENEWABLE)
    certificate_id = pending(aws, "sensor-7", age=1)
    aws.connect(certificate_id)
    return certificate_id


@pytest.fixture
def new(aws: Account, old: CertificateId) -> CertificateId:
    """The same device's next certificate, just active."""
    del old
    certificate_id = pending(aws, "sensor-7", age=0.5)
    aws.connect(certificate_id)
    return certificate_id


def retire(aws: Account) -> dict[CertificateId, TaskResult]:
    """Retire the certificates whose grace period is over."""
    return retire_due(retirement(aws, RENEWABLE))


def record_revoked(aws: Account, certificate_id: CertificateId) -> None:
    """Write what the sweep writes of a certificate that it has revoked."""
    aws.dynamodb.update_item(
        TableName=aws.table,
        Key={"certificateId": {"S": certificate_id}},
        UpdateExpression="SET #s = :s",
        ExpressionAttributeNames={"#s": "state"},
        ExpressionAttributeValues={":s": {"S": State.REVOKED}},
    )


def things(aws: Account) -> list[str]:
    return [thing["thingName"] for thing in aws.iot.list_things()["things"]]


def state(aws: Account, certificate_id: CertificateId) -> State | None:
    row = aws.ledger.row(certificate_id)
    return row.state if row else None


def test_in_the_grace_period_both_certificates_work(
    aws: Account, old: CertificateId, new: CertificateId
) -> None:
    aws.clock.pass_time(hours=23, minutes=59)

    assert retire(aws) == {}
    assert (aws.status(old), aws.status(new)) == ("ACTIVE", "ACTIVE")
    assert holders(aws, "sensor-7") == {old, new}


def test_after_the_grace_period_the_old_one_is_detached_and_inactive(
    aws: Account, old: CertificateId, new: CertificateId
) -> None:
    aws.clock.pass_time(hours=24, seconds=1)

    assert retire(aws) == {old: TaskResult.DONE}
    assert (aws.status(old), aws.status(new)) == ("INACTIVE", "ACTIVE")
    assert holders(aws, "sensor-7") == {new}
    assert (state(aws, old), state(aws, new)) == (State.RETIRED, State.ACTIVATED)
    assert retire(aws) == {}


def test_a_renewal_takes_one_call_more_than_a_first_registration(aws: Account, old: CertificateId) -> None:
    del old
    record = aws.event(pending(aws, "sensor-7", age=0.5))

    with counted(aws.iot) as calls:
        aws.process(record)

    assert [call for call in calls if call != "DescribeCACertificate"] == [
        "DescribeCertificate",
        "CreateThing",
        "ListThingPrincipals",
        "DescribeCertificate",
        "AttachThingPrincipal",
        "AttachPolicy",
        "UpdateCertificate",
    ]


def older(aws: Account, _old: CertificateId) -> CertificateId:
    """A key that was stolen years ago is no renewal."""
    return pending(aws, "sensor-7", age=1000)


def of_another_ca(aws: Account, _old: CertificateId) -> CertificateId:
    other = DevelopmentCa.create("Other CA")
    aws.parts["issuers"] = Issuers(aws.iot, [aws.ca_id, aws.register_ca(other)])
    return pending(aws, "sensor-7", ca=other, age=0.1)


def of_another_identity(aws: Account, _old: CertificateId) -> CertificateId:
    with_things(aws, replace(RENEWABLE, name="sensor-7"))
    return pending(aws, "sensor-8", age=0.1)


def unreadable(aws: Account, old: CertificateId) -> CertificateId:
    def spoil(parsed: dict[str, dict[str, str]], **_: object) -> None:
        if parsed["certificateDescription"]["certificateId"] == old:
            parsed["certificateDescription"]["certificatePem"] = "not a certificate"

    newer = pending(aws, "sensor-7", age=0.5)
    aws.iot.meta.events.register("after-call.iot.DescribeCertificate", spoil)
    return newer


def given_another_thing(aws: Account, old: CertificateId) -> CertificateId:
    newer = aws.ca.issue(DeviceSpec("sensor-7")).certificate
    attach(aws, old, newer.serial_number)
    with_things(aws, replace(RENEWABLE, name="{{serial_number}}"))
    return aws.pending(newer)


def lacks_a_field(aws: Account, old: CertificateId) -> CertificateId:
    subject = [(NameOID.COMMON_NAME, "sensor-7"), (NameOID.ORGANIZATION_NAME, "Acme")]
    attach(aws, old, "Acme-sensor-7")
    with_things(aws, replace(RENEWABLE, name="{{organization}}-{{common_name}}"))
    return aws.pending(certificate_of(subject, serial_number=2**70, ca=aws.ca))


def attach(aws: Account, certificate_id: CertificateId, thing: str) -> None:
    aws.iot.create_thing(thingName=thing)
    aws.iot.attach_thing_principal(thingName=thing, principal=arn_of(aws, certificate_id))


NO_RENEWALS = [older, of_another_ca, of_another_identity, unreadable, given_another_thing, lacks_a_field]


@pytest.mark.parametrize("newer", NO_RENEWALS)
def test_only_an_older_certificate_of_the_same_device_is_replaced(
    aws: Account, old: CertificateId, newer: Callable[[Account, CertificateId], CertificateId]
) -> None:
    certificate_id = newer(aws, old)

    assert aws.connect(certificate_id) is Reason.THING_TAKEN

    assert [thing for thing in things(aws) if certificate_id in holders(aws, thing)] == []
    assert {thing for thing in things(aws) if old in holders(aws, thing)} == set(things(aws))
    assert aws.status(old) == "ACTIVE"
    aws.clock.pass_time(hours=25)
    assert retire(aws) == {}


def test_a_principal_that_is_no_certificate_is_not_replaced(aws: Account) -> None:
    with_things(aws, RENEWABLE)
    certificate_id = pending(aws, "sensor-7")
    cognito = "eu-central-1:12345678-1234-1234-1234-123456789012"

    def principals(parsed: dict[str, object], **_: object) -> None:
        parsed["principals"] = [cognito]

    aws.iot.meta.events.register("after-call.iot.ListThingPrincipals", principals)
    assert aws.connect(certificate_id) is Reason.THING_TAKEN

    assert aws.status(certificate_id) == "PENDING_ACTIVATION"


def test_without_a_new_certificate_that_is_active_the_old_one_stays(aws: Account, old: CertificateId) -> None:
    new = pending(aws, "sensor-7", age=0.5)
    record = aws.event(new)
    with injected(aws.iot, "AttachPolicy", Fault.ACCESS_DENIED):
        aws.process(record)
    aws.clock.pass_time(hours=25)

    assert retire(aws) == {old: TaskResult.POSTPONED}
    assert aws.status(old) == "ACTIVE"

    aws.process(aws.redelivered(record))
    aws.clock.pass_time(hours=23)
    assert retire(aws) == {old: TaskResult.POSTPONED}, "the grace period begins with the activation"
    aws.clock.pass_time(hours=1, seconds=1)
    assert retire(aws) == {old: TaskResult.DONE}


@pytest.mark.parametrize("by_an_operator", [False, True], ids=["by the sweep", "by an operator"])
def test_a_revoked_successor_retires_no_certificate(
    aws: Account, old: CertificateId, new: CertificateId, *, by_an_operator: bool
) -> None:
    if by_an_operator:
        aws.iot.update_certificate(certificateId=new, newStatus="REVOKED")
    else:
        record_revoked(aws, new)
    aws.clock.pass_time(hours=25)

    assert retire(aws) == {old: TaskResult.CANCELLED}
    assert aws.status(old) == "ACTIVE"
    assert retire(aws) == {}


def test_a_deactivated_successor_retires_no_certificate(
    aws: Account, old: CertificateId, new: CertificateId
) -> None:
    aws.iot.update_certificate(certificateId=new, newStatus="INACTIVE")
    aws.clock.pass_time(hours=25)

    assert retire(aws) == {old: TaskResult.POSTPONED}
    assert aws.status(old) == "ACTIVE"
    assert holders(aws, "sensor-7") == {old, new}

    aws.iot.update_certificate(certificateId=new, newStatus="ACTIVE")
    aws.clock.pass_time(hours=2)
    assert retire(aws) == {old: TaskResult.DONE}


def test_a_certificate_revoked_in_its_grace_period_stays_revoked(
    aws: Account, old: CertificateId, new: CertificateId
) -> None:
    aws.iot.update_certificate(certificateId=old, newStatus="REVOKED")
    record_revoked(aws, old)
    aws.clock.pass_time(hours=25)

    retire(aws)

    assert aws.status(old) == "REVOKED"
    assert state(aws, old) is State.REVOKED
    assert holders(aws, "sensor-7") == {new}
    assert retire(aws) == {}


def test_a_certificate_or_thing_deleted_meanwhile_ends_the_task(
    aws: Account, old: CertificateId, new: CertificateId
) -> None:
    aws.iot.detach_thing_principal(thingName="sensor-7", principal=arn_of(aws, old))
    aws.clock.pass_time(hours=25)
    assert retire(aws) == {old: TaskResult.DONE}

    third = pending(aws, "sensor-7", age=0.2)
    aws.connect(third)
    aws.iot.detach_thing_principal(thingName="sensor-7", principal=arn_of(aws, new))
    aws.iot.detach_policy(policyName="device-policy", target=arn_of(aws, new))
    aws.iot.update_certificate(certificateId=new, newStatus="INACTIVE")
    aws.iot.delete_certificate(certificateId=new)
    aws.clock.pass_time(hours=25)
    assert retire(aws) == {new: TaskResult.CANCELLED}
    assert retire(aws) == {}


def test_a_predecessor_of_another_pipeline_can_be_revoked_by_serial_in_its_grace_period(aws: Account) -> None:
    with_things(aws, RENEWABLE)
    stranger = pending(aws, "sensor-7", age=2)
    attach(aws, stranger, "sensor-7")
    aws.iot.update_certificate(certificateId=stranger, newStatus="ACTIVE")

    aws.connect(pending(aws, "sensor-7", age=1))

    row = aws.row(stranger)
    assert row.state is State.KNOWN
    assert row.ca_certificate_id is not None
    assert row.serial_number is not None
    found = aws.dynamodb.query(
        TableName=aws.table,
        IndexName="ca-serial",
        KeyConditionExpression="caSerial = :key",
        ExpressionAttributeValues={":key": {"S": ca_serial(row.ca_certificate_id, row.serial_number)}},
    )["Items"]
    assert [item["certificateId"]["S"] for item in found] == [stranger]


def test_a_repeated_event_does_not_postpone_a_retirement(
    aws: Account, old: CertificateId, new: CertificateId
) -> None:
    row = aws.row(old)
    assert row.ca_certificate_id is not None
    assert row.serial_number is not None
    aws.ledger.tasks.schedule_retirement(
        old,
        Identity(row.ca_certificate_id, row.serial_number, "sensor-7"),
        thing_name="sensor-7",
        superseded_by=new,
        at=2**50,
    )
    aws.clock.pass_time(hours=24, seconds=1)

    assert retire(aws) == {old: TaskResult.DONE}


RENEWAL_STEPS: list[Step] = [
    ("iot", "DescribeCertificate", 2),  # the old certificate
    ("dynamodb", "UpdateItem", 5),  # the retirement that is scheduled
    ("iot", "AttachThingPrincipal", 1),
    ("dynamodb", "UpdateItem", 6),  # the release of the thing
    ("iot", "AttachPolicy", 1),
    ("iot", "UpdateCertificate", 1),
    ("dynamodb", "TransactWriteItems", 1),
]
"""All calls of a renewal, from the read of the old certificate on."""


def test_the_steps_are_all_calls_from_the_old_certificate_on(aws: Account, old: CertificateId) -> None:
    del old
    record = aws.event(pending(aws, "sensor-7", age=0.5))

    with stepped(iot=aws.iot, dynamodb=aws.dynamodb) as steps:
        aws.process(record)

    assert steps[steps.index(RENEWAL_STEPS[0]) :] == RENEWAL_STEPS


@pytest.mark.parametrize("fault", EVERY_FAULT)
@pytest.mark.parametrize("step", RENEWAL_STEPS, ids=step_name)
def test_after_any_fault_in_a_renewal_redelivery_ends_with_one_successor(
    aws: Account, old: CertificateId, step: Step, fault: Fault
) -> None:
    new = pending(aws, "sensor-7", age=0.5)
    record = aws.event(new)

    with cut_off(aws, step, fault):
        aws.process(record)
    assert aws.status(old) == "ACTIVE"
    aws.clock.pass_time(minutes=20)
    aws.process(aws.redelivered(record))
    assert (aws.status(old), aws.status(new)) == ("ACTIVE", "ACTIVE")
    aws.clock.pass_time(hours=25)
    retire(aws)

    assert (aws.status(old), aws.status(new)) == ("INACTIVE", "ACTIVE")
    assert holders(aws, "sensor-7") == {new}


@pytest.mark.parametrize("fault", EVERY_FAULT)
@pytest.mark.parametrize(
    "call",
    [
        ("dynamodb", "Query"),
        ("iot", "DescribeCertificate"),
        ("iot", "DetachThingPrincipal"),
        ("iot", "UpdateCertificate"),
        ("dynamodb", "UpdateItem"),
    ],
)
def test_after_any_fault_in_the_retirement_the_next_run_completes_it(
    aws: Account, old: CertificateId, new: CertificateId, call: tuple[str, str], fault: Fault
) -> None:
    client, operation = call
    aws.clock.pass_time(hours=25)

    with injected(getattr(aws, client), operation, fault) as struck, suppress(Exception, Crash):
        retire(aws)
    assert struck() == 1
    aws.clock.pass_time(minutes=6)
    retire(aws)

    assert (aws.status(old), aws.status(new)) == ("INACTIVE", "ACTIVE")
    assert holders(aws, "sensor-7") == {new}
    assert state(aws, old) is State.RETIRED
    assert retire(aws) == {}


def test_a_task_is_found_when_it_is_due_and_removed_only_as_what_it_is(aws: Account) -> None:
    tasks = aws.ledger.tasks
    certificate_id = CertificateId("a" * 64)
    now = aws.clock.milliseconds
    tasks.schedule_policy_deletion(certificate_id, policy_name="jitr-x", at=now + 60_000)

    def due(at: int) -> list[ScheduledTask]:
        return [*tasks.due(Task.DELETE_POLICY, now=at)]

    assert due(now) == []
    expected = ScheduledTask(Task.DELETE_POLICY, certificate_id, now + 60_000, policy_name="jitr-x")
    assert due(now + 60_000) == [expected]
    tasks.remove(replace(expected, task=Task.RETIRE))
    assert due(now + 60_000) == [expected]
    tasks.remove(expected)
    assert due(now + 60_000) == []


def test_with_an_index_that_lags_behind_nothing_is_done_twice(
    aws: Account, old: CertificateId, new: CertificateId
) -> None:
    del new
    aws.clock.pass_time(hours=25)
    retire(aws)

    def lag(parsed: dict[str, object], **_: object) -> None:
        parsed["Items"] = [{"certificateId": {"S": old}}]

    aws.dynamodb.meta.events.register("after-call.dynamodb.Query", lag)
    with counted(aws.iot) as calls:
        assert retire(aws) == {}
    aws.dynamodb.meta.events.unregister("after-call.dynamodb.Query", lag)

    assert calls == []
