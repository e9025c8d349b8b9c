"""The status of refused certificates: pending by default, another one only if the reason cannot pass."""

import pytest

from iot_jitr_cli.pki.device import DeviceSpec
from iot_jitr_cli.pki.validity import Validity
from iot_jitr_runtime.activator.on_refusal import (
    CAN_PASS,
    RefusalStatus,
    RefusalStatusError,
    check_statuses,
)
from iot_jitr_runtime.identifiers import CertificateId
from iot_jitr_runtime.ledger import State
from iot_jitr_runtime.outcomes import Reason, RefusedError
from tests.support.account import UNREADABLE, Account, Admission
from tests.support.faults import EVERY_FAULT, Fault, Step, answered, counted, cut_off, step_name, stepped

STEPS: list[Step] = [
    ("dynamodb", "UpdateItem", 3),  # the claim
    ("iot", "DescribeCertificate", 1),
    ("iot", "DescribeCACertificate", 1),
    ("dynamodb", "UpdateItem", 4),  # the reason
    ("iot", "UpdateCertificate", 1),
    ("dynamodb", "UpdateItem", 5),  # the end
]
"""All calls of a refusal that changes the status, from the claim on."""


def use(aws: Account, **statuses: str) -> None:
    aws.parts["on_refusal"] = check_statuses(statuses)


def expired(aws: Account) -> CertificateId:
    return aws.pending(aws.ca.issue(DeviceSpec("sensor-7", validity=Validity.expired())).certificate)


@pytest.mark.parametrize(
    ("statuses", "status", "recorded"),
    [
        ({}, "PENDING_ACTIVATION", None),
        ({"bad_signature": "revoked", "expired": "pending"}, "PENDING_ACTIVATION", None),
        ({"expired": "inactive"}, "INACTIVE", "inactive"),
        ({"expired": "revoked"}, "REVOKED", "revoked"),
    ],
    ids=["by default", "another reason", "inactive", "revoked"],
)
def test_a_refused_certificate_gets_the_status_that_is_configured_for_its_reason(
    aws: Account, statuses: dict[str, str], status: str, recorded: str | None
) -> None:
    use(aws, **statuses)
    certificate_id = expired(aws)
    record = aws.event(certificate_id)

    with counted(aws.iot) as calls:
        assert aws.process(record) == []

    assert calls.count("UpdateCertificate") == (recorded is not None)
    assert aws.status(certificate_id) == status
    row = aws.row(certificate_id)
    assert (row.state, row.reason, row.refusal_status) == (State.REFUSED, Reason.EXPIRED, recorded)
    assert row.lease_expires_at == 0


@pytest.mark.parametrize("status", ["ACTIVE", "INACTIVE", "REVOKED"])
def test_a_certificate_that_is_not_pending_keeps_its_status(aws: Account, status: str) -> None:
    """Invariant 2, also for an unreadable certificate, which has its own check of the status."""
    use(aws, expired="revoked", unparsable_certificate="revoked")
    certificates = [expired(aws), aws.register(UNREADABLE, status)]
    aws.iot.update_certificate(certificateId=certificates[0], newStatus=status)

    with counted(aws.iot) as calls:
        aws.process(*map(aws.event, certificates))

    assert aws.reasons == [Reason.NOT_PENDING, Reason.UNPARSABLE_CERTIFICATE]
    assert "UpdateCertificate" not in calls
    assert [aws.status(each) for each in certificates] == [status] * 2


def test_the_list_of_steps_has_all_calls_of_a_refusal(aws: Account) -> None:
    use(aws, expired="inactive")
    record = aws.event(expired(aws))

    with stepped(iot=aws.iot, dynamodb=aws.dynamodb) as steps:
        aws.process(record)

    assert steps[steps.index(STEPS[0]) :] == STEPS


@pytest.mark.parametrize("fault", EVERY_FAULT)
@pytest.mark.parametrize("call", STEPS, ids=step_name)
def test_after_any_fault_redelivery_ends_with_status_and_reason(
    aws: Account, call: Step, fault: Fault
) -> None:
    use(aws, expired="inactive")
    certificate_id = expired(aws)
    record = aws.event(certificate_id)

    with cut_off(aws, call, fault):
        aws.process(record)
    if aws.status(certificate_id) == "INACTIVE":
        row = aws.row(certificate_id)
        assert row.reason is Reason.EXPIRED, "a status never changes before its reason is recorded"
        assert row.common_name is not None, "nor before the device is recorded"
    aws.retry(record, minutes=20)

    row = aws.row(certificate_id)
    assert aws.status(certificate_id) == "INACTIVE"
    assert (row.state, row.reason, row.refusal_status) == (State.REFUSED, Reason.EXPIRED, "inactive")


def test_a_certificate_revoked_during_a_refusal_stays_revoked_and_refused(aws: Account) -> None:
    use(aws, expired="inactive")
    certificate_id = expired(aws)

    with answered(aws.iot, "UpdateCertificate", "CertificateStateException"):
        assert aws.connect(certificate_id) is Reason.EXPIRED


def test_a_certificate_that_is_registered_again_is_checked_again(aws: Account) -> None:
    use(aws, refused_by_function="inactive")
    aws.parts["admission"] = Admission(RefusedError(Reason.REFUSED_BY_FUNCTION))
    certificate = aws.ca.issue(DeviceSpec("sensor-7")).certificate
    certificate_id = aws.pending(certificate)
    aws.connect(certificate_id)
    assert aws.status(certificate_id) == "INACTIVE"
    aws.iot.delete_certificate(certificateId=certificate_id)
    aws.pending(certificate)
    del aws.parts["admission"]
    aws.clock.pass_time(minutes=2)

    aws.connect(certificate_id)

    row = aws.row(certificate_id)
    assert aws.status(certificate_id) == "ACTIVE"
    assert (row.state, row.refusal_status) == (State.ACTIVATED, None)


@pytest.mark.parametrize("reason", sorted(CAN_PASS))
@pytest.mark.parametrize("status", ["inactive", "revoked"])
def test_a_temporary_reason_may_not_have_a_final_status(reason: Reason, status: str) -> None:
    with pytest.raises(RefusalStatusError, match="is ever checked again"):
        check_statuses({reason.value: status})

    assert check_statuses({reason.value: "pending"}) == {reason: RefusalStatus.PENDING}


@pytest.mark.parametrize(
    ("statuses", "message"),
    [
        (
            {"throttled": "inactive"},
            "refusal; these are: unparsable_certificate, [a-z_]+, ",
        ),
        ({"nonsense": "inactive"}, "is not the reason of a refusal"),
        ({"expired": "active"}, "expected one of pending, inactive, revoked"),
    ],
)
def test_an_invalid_reason_or_status_is_an_error(statuses: dict[str, str], message: str) -> None:
    with pytest.raises(RefusalStatusError, match=message):
        check_statuses(statuses)
