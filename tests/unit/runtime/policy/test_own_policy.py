"""A policy for each certificate, in an account."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from iot_jitr_runtime.identifiers import CertificateId
from iot_jitr_runtime.ledger import State
from iot_jitr_runtime.ledger.tasks import Task
from iot_jitr_runtime.outcomes import Reason
from iot_jitr_runtime.policy.attachment import PerDevicePolicy
from iot_jitr_runtime.policy.deletion import delete_or_schedule, delete_own_policy
from tests.support.account import POLICY, Account, account
from tests.support.faults import Fault, answered, counted, cut_off, injected
from tests.support.things import arn_of, pending

TEMPLATE = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": "iot:Connect", "Resource": "arn:aws:iot:*:*:client/{{common_name}}"}
    ],
}
PREFIX = "jitr-"


@pytest.fixture
def aws() -> Iterator[Account]:
    with account() as opened:
        use(opened, TEMPLATE)
        yield opened


def use(aws: Account, template: dict[str, Any]) -> None:
    aws.parts["policy"] = PerDevicePolicy(aws.iot, PREFIX, template)


def active(aws: Account) -> tuple[CertificateId, str]:
    """Activate a device; return its certificate's id and its policy's name."""
    certificate_id = pending(aws, "sensor-7")
    aws.connect(certificate_id)
    return certificate_id, f"{PREFIX}{certificate_id}"


def revoked(aws: Account, certificate_id: CertificateId, name: str) -> None:
    """Detach and delete a policy as the revocation of its certificate does."""
    arn, now = arn_of(aws, certificate_id), aws.clock()
    delete_or_schedule(aws.iot, aws.ledger.tasks, certificate_id, arn, name, now=now)


def document(aws: Account, certificate_id: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        aws.iot.get_policy(policyName=f"{PREFIX}{certificate_id}")["policyDocument"]
    )
    return found


def test_each_device_gets_a_policy_named_after_its_certificate_in_four_calls(aws: Account) -> None:
    certificate_id = pending(aws, "sensor-7")
    batch = aws.batch()
    aws.process(aws.event(pending(aws, "warm-up")), batch=batch)
    record = aws.event(certificate_id)

    with counted(aws.iot) as calls:
        aws.process(record, batch=batch)

    assert calls == ["DescribeCertificate", "CreatePolicy", "AttachPolicy", "UpdateCertificate"]
    assert aws.status(certificate_id) == "ACTIVE"
    assert aws.policies(certificate_id) == [f"{PREFIX}{certificate_id}"]
    assert document(aws, certificate_id)["Statement"][0]["Resource"] == "arn:aws:iot:*:*:client/sensor-7"
    row = aws.row(certificate_id)
    assert row.policy_name == f"{PREFIX}{certificate_id}"


def test_an_unusable_common_name_is_refused_before_anything_is_created(aws: Account) -> None:
    certificate_id = pending(aws, "a/b")

    with counted(aws.iot) as calls:
        assert aws.connect(certificate_id) is Reason.INVALID_COMMON_NAME

    assert "CreatePolicy" not in calls


def test_without_a_policy_that_needs_it_the_common_name_is_not_checked(aws: Account) -> None:
    template = json.loads(json.dumps(TEMPLATE).replace("common_name", "serial_number"))
    aws.parts["policy"] = PerDevicePolicy(aws.iot, PREFIX, template)
    aws.parts["needs_common_name"] = False
    certificate_id = pending(aws, "a/b")

    aws.connect(certificate_id)

    assert aws.status(certificate_id) == "ACTIVE"


@pytest.mark.parametrize("fault", Fault)
@pytest.mark.parametrize("operation", ["CreatePolicy", "AttachPolicy", "UpdateCertificate"])
def test_after_any_fault_redelivery_ends_with_one_policy(aws: Account, operation: str, fault: Fault) -> None:
    certificate_id = pending(aws, "sensor-7")
    record = aws.event(certificate_id)

    with cut_off(aws, ("iot", operation, 1), fault):
        aws.process(record)
    aws.retry(record, minutes=20)

    assert aws.status(certificate_id) == "ACTIVE"
    assert aws.policies(certificate_id) == [f"{PREFIX}{certificate_id}"]
    versions = aws.iot.list_policy_versions(policyName=f"{PREFIX}{certificate_id}")["policyVersions"]
    assert len(versions) == 1
    assert aws.row(certificate_id).state is State.ACTIVATED


def test_the_policy_follows_repeated_changes_of_the_template(aws: Account) -> None:
    certificate_id = pending(aws, "sensor-7")
    record = aws.event(certificate_id)
    for attempt in range(8):
        changed = json.loads(json.dumps(TEMPLATE).replace("iot:Connect", f"iot:Connect{attempt}"))
        use(aws, changed)
        with injected(aws.iot, "AttachPolicy", Fault.SERVER_ERROR):
            aws.process(record)
        aws.clock.pass_time(minutes=20)
        record = aws.redelivered(record)
    use(aws, TEMPLATE)

    aws.process(record)

    assert aws.status(certificate_id) == "ACTIVE"
    assert document(aws, certificate_id)["Statement"][0]["Action"] == "iot:Connect"


def test_a_revoked_certificates_policy_is_detached_and_deleted_with_all_versions(aws: Account) -> None:
    certificate_id, name = active(aws)
    aws.iot.create_policy_version(policyName=name, policyDocument=json.dumps(TEMPLATE), setAsDefault=True)

    for _ in range(2):  # done again, it changes nothing
        delete_own_policy(aws.iot, certificate_id, arn_of(aws, certificate_id), name)

    assert aws.policies(certificate_id) == []
    with pytest.raises(aws.iot.exceptions.ResourceNotFoundException):
        aws.iot.get_policy(policyName=name)


def test_a_policy_that_is_still_attached_is_deleted_by_the_reconciler(aws: Account) -> None:
    certificate_id, name = active(aws)

    with answered(aws.iot, "DeletePolicy", "DeleteConflictException"):
        revoked(aws, certificate_id, name)

    assert aws.policies(certificate_id) == []
    aws.clock.pass_time(minutes=11)
    [due] = aws.ledger.tasks.due(Task.DELETE_POLICY, now=aws.clock.milliseconds)
    assert (due.certificate_id, due.policy_name) == (certificate_id, name)
    revoked(aws, certificate_id, name)
    with pytest.raises(aws.iot.exceptions.ResourceNotFoundException):
        aws.iot.get_policy(policyName=name)


@pytest.mark.parametrize("operation", ["DetachPolicy", "DeletePolicy"])
def test_a_revocation_does_not_wait_for_a_deletion_that_is_denied(aws: Account, operation: str) -> None:
    """As with a shared policy: then the functions have no permission to delete policies of devices."""
    certificate_id, name = active(aws)

    with injected(aws.iot, operation, Fault.ACCESS_DENIED):
        revoked(aws, certificate_id, name)

    aws.clock.pass_time(minutes=11)
    [due] = aws.ledger.tasks.due(Task.DELETE_POLICY, now=aws.clock.milliseconds)
    assert due.policy_name == name


def test_another_error_of_a_deletion_propagates(aws: Account) -> None:
    certificate_id, name = active(aws)

    with answered(aws.iot, "DetachPolicy", "ThrottlingException"), pytest.raises(ClientError):
        revoked(aws, certificate_id, name)


def test_a_shared_policy_is_never_deleted(aws: Account) -> None:
    certificate_id = pending(aws, "sensor-7")
    aws.iot.attach_policy(policyName=POLICY, target=arn_of(aws, certificate_id))

    delete_own_policy(aws.iot, certificate_id, arn_of(aws, certificate_id), POLICY)

    assert aws.policies(certificate_id) == [POLICY]
