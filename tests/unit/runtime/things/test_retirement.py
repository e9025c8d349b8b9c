"""Retirement: after the grace period an active certificate replaces the older one, which is INACTIVE."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import pytest

from iot_jitr_runtime.dynamodb import Update
from iot_jitr_runtime.identifiers import CaCertificateId, CertificateId, SerialNumber
from iot_jitr_runtime.ledger import KEY, Identity, State
from iot_jitr_runtime.ledger.tasks import ScheduledTask, ScheduledTasks, Task, TaskResult
from tests.support.account import Account
from tests.support.faults import (
    EVERY_FAULT,
    Crash,
    Fault,
    Step,
    injected,
    step_name,
)
from tests.support.things import (
    arn_of,
    holders,
    pending,
    retire_due,
)


def record_revoked(aws: Account, certificate_id: CertificateId) -> None:
    """Write the row of a revoked certificate as the sweep does."""
    aws.ledger.items.update(Update(certificate_id, {"state": State.REVOKED}))


def test_in_the_grace_period_both_certificates_work(
    aws: Account, old: CertificateId, new: CertificateId
) -> None:
    aws.clock.pass_time(hours=23, minutes=59)

    assert retire_due(aws) == {}
    assert (aws.status(old), aws.status(new)) == ("ACTIVE", "ACTIVE")
    assert holders(aws, "sensor-7") == {old, new}


def test_after_the_grace_period_the_old_certificate_is_detached_and_inactive(
    aws: Account, old: CertificateId, new: CertificateId
) -> None:
    aws.clock.pass_time(hours=24, seconds=1)

    assert retire_due(aws) == {old: TaskResult.DONE}
    assert (aws.status(old), aws.status(new)) == ("INACTIVE", "ACTIVE")
    assert holders(aws, "sensor-7") == {new}
    assert (aws.row(old).state, aws.row(new).state) == (State.RETIRED, State.ACTIVATED)
    assert retire_due(aws) == {}


def test_without_an_active_successor_the_old_certificate_stays(aws: Account, old: CertificateId) -> None:
    new = pending(aws, "sensor-7", age=0.5)
    record = aws.event(new)
    with injected(aws.iot, "AttachPolicy", Fault.ACCESS_DENIED):
        aws.process(record)
    aws.clock.pass_time(hours=25)

    assert retire_due(aws) == {old: TaskResult.POSTPONED}
    assert aws.status(old) == "ACTIVE"

    aws.process(aws.redelivered(record))
    aws.clock.pass_time(hours=23)
    assert retire_due(aws) == {old: TaskResult.POSTPONED}, "the grace period begins with the activation"
    aws.clock.pass_time(hours=1, seconds=1)
    assert retire_due(aws) == {old: TaskResult.DONE}


@pytest.mark.parametrize("by_an_operator", [False, True], ids=["by the sweep", "by an operator"])
def test_a_revoked_successor_retires_no_certificate(
    aws: Account, old: CertificateId, new: CertificateId, *, by_an_operator: bool
) -> None:
    if by_an_operator:
        aws.iot.update_certificate(certificateId=new, newStatus="REVOKED")
    else:
        record_revoked(aws, new)
    aws.clock.pass_time(hours=25)

    assert retire_due(aws) == {old: TaskResult.CANCELLED}
    assert aws.status(old) == "ACTIVE"
    assert retire_due(aws) == {}


def test_a_deactivated_successor_retires_no_certificate(
    aws: Account, old: CertificateId, new: CertificateId
) -> None:
    aws.iot.update_certificate(certificateId=new, newStatus="INACTIVE")
    aws.clock.pass_time(hours=25)

    assert retire_due(aws) == {old: TaskResult.POSTPONED}
    assert aws.status(old) == "ACTIVE"
    assert holders(aws, "sensor-7") == {old, new}

    aws.iot.update_certificate(certificateId=new, newStatus="ACTIVE")
    aws.clock.pass_time(hours=2)
    assert retire_due(aws) == {old: TaskResult.DONE}


def test_a_certificate_revoked_in_its_grace_period_stays_revoked(
    aws: Account, old: CertificateId, new: CertificateId
) -> None:
    aws.iot.update_certificate(certificateId=old, newStatus="REVOKED")
    record_revoked(aws, old)
    aws.clock.pass_time(hours=25)

    retire_due(aws)

    assert aws.status(old) == "REVOKED"
    assert aws.row(old).state is State.REVOKED
    assert holders(aws, "sensor-7") == {new}
    assert retire_due(aws) == {}


def test_a_certificate_or_thing_deleted_in_the_grace_period_ends_the_task(
    aws: Account, old: CertificateId, new: CertificateId
) -> None:
    aws.iot.detach_thing_principal(thingName="sensor-7", principal=arn_of(aws, old))
    aws.clock.pass_time(hours=25)
    assert retire_due(aws) == {old: TaskResult.DONE}

    third = pending(aws, "sensor-7", age=0.2)
    aws.connect(third)
    aws.iot.detach_thing_principal(thingName="sensor-7", principal=arn_of(aws, new))
    aws.iot.detach_policy(policyName="device-policy", target=arn_of(aws, new))
    aws.iot.update_certificate(certificateId=new, newStatus="INACTIVE")
    aws.iot.delete_certificate(certificateId=new)
    aws.clock.pass_time(hours=25)
    assert retire_due(aws) == {new: TaskResult.CANCELLED}
    assert retire_due(aws) == {}


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

    assert retire_due(aws) == {old: TaskResult.DONE}


@pytest.mark.parametrize("fault", EVERY_FAULT)
@pytest.mark.parametrize(
    "call",
    [
        ("dynamodb", "Query", 1),
        ("iot", "DescribeCertificate", 1),
        ("iot", "DetachThingPrincipal", 1),
        ("iot", "UpdateCertificate", 1),
        ("dynamodb", "TransactWriteItems", 1),  # the device leaves the fleet
        ("dynamodb", "UpdateItem", 1),  # the rate limiter
        ("dynamodb", "UpdateItem", 4),  # the row is retired
        ("dynamodb", "UpdateItem", 5),  # the task is removed
    ],
    ids=step_name,
)
def test_after_any_fault_in_the_retirement_the_next_run_completes_it(
    aws: Account, old: CertificateId, new: CertificateId, call: Step, fault: Fault
) -> None:
    client, operation, at_call = call
    aws.clock.pass_time(hours=25)

    with (
        injected(getattr(aws, client), operation, fault, at_call=at_call) as struck,
        suppress(Exception, Crash),
    ):
        retire_due(aws)
    assert struck() == 1
    aws.clock.pass_time(minutes=6)
    retire_due(aws)

    assert (aws.status(old), aws.status(new)) == ("INACTIVE", "ACTIVE")
    assert holders(aws, "sensor-7") == {new}
    assert aws.row(old).state is State.RETIRED
    assert retire_due(aws) == {}


def test_a_task_is_found_when_due_and_removed_only_by_its_own_kind(aws: Account) -> None:
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


def done(tasks: ScheduledTasks, due: ScheduledTask) -> None:
    tasks.remove(due)


def postponed(tasks: ScheduledTasks, due: ScheduledTask) -> None:
    tasks.postpone(due, at=due.due_at + 1)


def replaced(tasks: ScheduledTasks, due: ScheduledTask) -> None:
    identity = Identity(CaCertificateId("b" * 64), SerialNumber("ab"), None)
    successor = CertificateId("c" * 64)
    tasks.schedule_retirement(
        due.certificate_id, identity, thing_name="pump", superseded_by=successor, at=due.due_at
    )


@pytest.mark.parametrize("change", [done, postponed, replaced])
def test_a_task_that_only_a_delayed_index_has_is_not_due(
    aws: Account, change: Callable[[ScheduledTasks, ScheduledTask], None]
) -> None:
    tasks, certificate_id, now = aws.ledger.tasks, CertificateId("a" * 64), aws.clock.milliseconds
    tasks.schedule_policy_deletion(certificate_id, policy_name="jitr-x", at=now)
    [due] = tasks.due(Task.DELETE_POLICY, now=now)
    change(tasks, due)

    def lag(parsed: dict[str, object], **_: object) -> None:
        parsed["Items"] = [{KEY: {"S": certificate_id}}]

    aws.dynamodb.meta.events.register("after-call.dynamodb.Query", lag)

    assert [*tasks.due(Task.DELETE_POLICY, now=now)] == []
