"""A certificate gets its thing: created or reused, never taken from another certificate."""

import pytest
from botocore.stub import Stubber

from iot_jitr_runtime.device_certificate import DeviceCertificate
from iot_jitr_runtime.identifiers import CaCertificateId, CertificateId
from iot_jitr_runtime.ledger import State
from iot_jitr_runtime.outcomes import DeferredError, Reason
from iot_jitr_runtime.things.settings import Attachment, ThingSettings
from tests.support.account import Account
from tests.support.device_certificates import device_certificate
from tests.support.faults import (
    EVERY_FAULT,
    Fault,
    Step,
    answered,
    counted,
    cut_off,
    meanwhile,
    step_name,
    stepped,
)
from tests.support.things import arn_of, holders, pending, with_things


def test_registering_a_thing_takes_six_calls_and_seven_with_a_group(aws: Account) -> None:
    aws.iot.create_thing_group(thingGroupName="fleet")
    for groups, expected in (((), 6), (("fleet",), 7)):
        with_things(aws, ThingSettings(groups=groups))
        batch = aws.batch()
        aws.process(aws.event(pending(aws, f"warm-up-{expected}")), batch=batch)
        record = aws.event(pending(aws, f"sensor-{expected}"))

        with counted(aws.iot) as calls:
            aws.process(record, batch=batch)

        assert calls == [
            "DescribeCertificate",
            "CreateThing",
            "ListThingPrincipals",
            "AttachThingPrincipal",
            *["AddThingToThingGroup"] * len(groups),
            "AttachPolicy",
            "UpdateCertificate",
        ]
        assert len(calls) == expected


def test_the_thing_has_the_name_type_attributes_and_groups_of_the_templates(aws: Account) -> None:
    aws.iot.create_thing_type(thingTypeName="Sensor")
    aws.iot.create_thing_group(thingGroupName="fleet")
    with_things(
        aws,
        ThingSettings(
            name="dev:{{common_name}}",
            type="Sensor",
            groups=("fleet",),
            attributes={"serial": "{{serial_number}}"},
        ),
    )
    certificate_id = pending(aws, "7")

    aws.connect(certificate_id)

    thing = aws.iot.describe_thing(thingName="dev:7")
    row = aws.row(certificate_id)
    assert thing["thingTypeName"] == "Sensor"
    assert thing["attributes"] == {"serial": row.serial_number}
    assert aws.iot.list_things_in_thing_group(thingGroupName="fleet")["things"] == ["dev:7"]
    assert holders(aws, "dev:7") == {certificate_id}
    assert (row.state, row.thing_name) == (State.ACTIVATED, "dev:7")


def test_the_certificate_is_attached_exclusively_unless_configured_otherwise(aws: Account) -> None:
    for attachment in Attachment:
        things = with_things(aws, ThingSettings(attachment=attachment))
        arn = "arn:aws:iot:eu-central-1:123456789012:cert/" + "a" * 64
        device = DeviceCertificate(
            CertificateId("a" * 64), arn, CaCertificateId("c" * 64), device_certificate("sensor-7")
        )
        with Stubber(aws.iot) as stub:
            stub.add_response("create_thing", {}, {"thingName": "sensor-7"})
            stub.add_response("list_thing_principals", {"principals": []}, {"thingName": "sensor-7"})
            expected = {"thingName": "sensor-7", "principal": arn, "thingPrincipalType": attachment.value}
            stub.add_response("attach_thing_principal", {}, expected)

            assert things.register(device, {}) == "sensor-7"

            stub.assert_no_pending_responses()


def test_an_existing_thing_is_reused_and_keeps_its_attributes(aws: Account) -> None:
    aws.iot.create_thing(thingName="sensor-7", attributePayload={"attributes": {"site": "lab"}})
    with_things(aws, ThingSettings(attributes={"site": "factory"}))
    certificate_id = pending(aws, "sensor-7")

    with answered(aws.iot, "CreateThing", "ResourceAlreadyExistsException"):
        aws.connect(certificate_id)

    assert aws.status(certificate_id) == "ACTIVE"
    assert holders(aws, "sensor-7") == {certificate_id}
    assert aws.iot.describe_thing(thingName="sensor-7")["attributes"] == {"site": "lab"}


def test_a_thing_that_has_another_certificate_is_not_taken_over(aws: Account) -> None:
    with_things(aws, ThingSettings())
    first, second = pending(aws, "sensor-7"), pending(aws, "sensor-7")
    aws.connect(first)

    assert aws.connect(second) is Reason.THING_TAKEN

    assert aws.status(second) == "PENDING_ACTIVATION"
    assert aws.policies(second) == []
    assert holders(aws, "sensor-7") == {first}


def test_of_two_concurrent_certificates_of_a_thing_one_is_deferred(aws: Account) -> None:
    """The second one comes after the first has read the thing's principals and before it attaches."""
    things = with_things(aws, ThingSettings())
    first, second = pending(aws, "sensor-7"), pending(aws, "sensor-7")
    reasons: list[Reason] = []

    def register_second() -> None:
        device = DeviceCertificate(second, arn_of(aws, second), aws.ca_id, device_certificate("sensor-7"))
        try:
            things.register(device, {})
        except DeferredError as deferred:
            reasons.append(deferred.reason)

    with meanwhile(aws.iot, "AttachThingPrincipal", register_second):
        aws.connect(first)

    assert reasons == [Reason.CLAIMED_ELSEWHERE]
    assert holders(aws, "sensor-7") == {first}
    assert aws.connect(second) is Reason.THING_TAKEN


STEPS: list[Step] = [
    ("dynamodb", "UpdateItem", 5),  # the lease on the thing
    ("iot", "CreateThing", 1),
    ("iot", "ListThingPrincipals", 1),
    ("iot", "AttachThingPrincipal", 1),
    ("dynamodb", "UpdateItem", 6),  # its release
    ("iot", "AddThingToThingGroup", 1),
    ("iot", "AttachPolicy", 1),
    ("iot", "UpdateCertificate", 1),
    ("dynamodb", "TransactWriteItems", 1),
]
"""All calls of an activation with a thing in a group, from the thing on."""


def test_the_list_of_steps_has_all_calls_after_the_thing_lookup(aws: Account) -> None:
    aws.iot.create_thing_group(thingGroupName="fleet")
    with_things(aws, ThingSettings(groups=("fleet",)))
    record = aws.event(pending(aws, "sensor-7"))

    with stepped(iot=aws.iot, dynamodb=aws.dynamodb) as steps:
        aws.process(record)

    assert steps[steps.index(STEPS[0]) :] == STEPS


@pytest.mark.parametrize("fault", EVERY_FAULT)
@pytest.mark.parametrize("step", STEPS, ids=step_name)
def test_after_any_fault_redelivery_ends_with_one_thing_and_its_name_in_the_ledger(
    aws: Account, step: Step, fault: Fault
) -> None:
    aws.iot.create_thing_group(thingGroupName="fleet")
    with_things(aws, ThingSettings(groups=("fleet",)))
    certificate_id = pending(aws, "sensor-7")
    record = aws.event(certificate_id)

    with cut_off(aws, step, fault):
        aws.process(record)
    aws.retry(record, minutes=20)

    row = aws.row(certificate_id)
    assert aws.status(certificate_id) == "ACTIVE"
    assert (row.state, row.thing_name) == (State.ACTIVATED, "sensor-7")
    assert holders(aws, "sensor-7") == {certificate_id}
    assert aws.iot.list_things_in_thing_group(thingGroupName="fleet")["things"] == ["sensor-7"]


INVALID = {
    "a blank in the name": (ThingSettings(name="{{serial_number}} x"), Reason.INVALID_THING_NAME),
    "192 characters": (ThingSettings(name="{{common_name}}" * 3), Reason.INVALID_THING_NAME),
    "no field for the name": (ThingSettings(name="{{organization}}"), Reason.INVALID_THING_NAME),
    "no field for the type": (ThingSettings(type="{{organization}}"), Reason.INVALID_THING_ATTRIBUTE),
    "a blank in the type": (ThingSettings(type="a b"), Reason.INVALID_THING_ATTRIBUTE),
    "no field for the group": (ThingSettings(groups=["{{country}}"]), Reason.INVALID_THING_ATTRIBUTE),
    "no field for the attribute": (
        ThingSettings(attributes={"site": "{{locality}}"}),
        Reason.INVALID_THING_ATTRIBUTE,
    ),
    "a blank in the attribute": (ThingSettings(attributes={"site": "a b"}), Reason.INVALID_THING_ATTRIBUTE),
}


@pytest.mark.parametrize(("settings", "reason"), INVALID.values(), ids=INVALID)
def test_a_value_that_aws_does_not_accept_refuses_the_device_before_anything_is_created(
    aws: Account, settings: ThingSettings, reason: Reason
) -> None:
    with_things(aws, settings)

    assert aws.connect(pending(aws, "x" * 64)) is reason

    assert aws.iot.list_things()["things"] == []


@pytest.mark.parametrize(
    "settings", [ThingSettings(type="Missing"), ThingSettings(groups=["missing"])], ids=["type", "group"]
)
def test_a_missing_type_or_group_defers_until_it_exists(aws: Account, settings: ThingSettings) -> None:
    with_things(aws, settings)
    certificate_id = pending(aws, "sensor-7")
    record = aws.event(certificate_id)

    assert aws.process(record) == [record["messageId"]]

    assert aws.reason is Reason.THING_SETUP_MISSING
    aws.iot.create_thing_type(thingTypeName="Missing")
    aws.iot.create_thing_group(thingGroupName="missing")
    aws.retry(record, minutes=20)
    assert aws.status(certificate_id) == "ACTIVE"
