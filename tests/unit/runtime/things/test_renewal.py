"""Renewal: a newer certificate of the same device replaces the older one, and only that."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from cryptography.x509.oid import NameOID

from iot_jitr_cli.pki.authority import DevelopmentCa
from iot_jitr_cli.pki.device import DeviceSpec
from iot_jitr_runtime.activator.issuers import Issuers
from iot_jitr_runtime.identifiers import CertificateId
from iot_jitr_runtime.ledger import State
from iot_jitr_runtime.ledger.revocations import RevocationLedger
from iot_jitr_runtime.outcomes import Reason
from tests.support.account import Account
from tests.support.device_certificates import certificate_of
from tests.support.faults import (
    EVERY_FAULT,
    Fault,
    Step,
    counted,
    cut_off,
    step_name,
    stepped,
)
from tests.support.things import (
    RENEWABLE,
    arn_of,
    holders,
    pending,
    retire_due,
    with_things,
)


def things(aws: Account) -> list[str]:
    return [thing["thingName"] for thing in aws.iot.list_things()["things"]]


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
    """An older certificate is no renewal: its key may have been stolen years ago."""
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
    assert retire_due(aws) == {}


def test_a_principal_that_is_no_certificate_is_not_replaced(aws: Account) -> None:
    with_things(aws, RENEWABLE)
    certificate_id = pending(aws, "sensor-7")
    cognito = "eu-central-1:12345678-1234-1234-1234-123456789012"

    def principals(parsed: dict[str, object], **_: object) -> None:
        parsed["principals"] = [cognito]

    aws.iot.meta.events.register("after-call.iot.ListThingPrincipals", principals)
    assert aws.connect(certificate_id) is Reason.THING_TAKEN

    assert aws.status(certificate_id) == "PENDING_ACTIVATION"


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
    ledger = RevocationLedger(aws.dynamodb, aws.table)
    assert ledger.find(row.ca_certificate_id, row.serial_number) == [stranger]


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


def test_the_list_of_steps_has_all_calls_after_the_old_certificate(aws: Account, old: CertificateId) -> None:
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
    aws.retry(record, minutes=20)
    assert (aws.status(old), aws.status(new)) == ("ACTIVE", "ACTIVE")
    aws.clock.pass_time(hours=25)
    retire_due(aws)

    assert (aws.status(old), aws.status(new)) == ("INACTIVE", "ACTIVE")
    assert holders(aws, "sensor-7") == {new}
