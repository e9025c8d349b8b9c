"""Facts about the CA: which one it is, and how its registration went."""

from typing import Any

import pytest

from iot_jitr_cli.doctor.facts.fact import CannotTellError, MissingPermissionError, NoAnswerError
from iot_jitr_runtime.ca_registration.properties import RESOURCE_TYPE
from tests.support import doctor_case as dc
from tests.support.doctor_cloud import NOW, Cloud
from tests.support.doctor_facts import ca_description, ca_facts, description, list_cas


def test_the_ca_of_a_registered_certificate_is_the_one_that_aws_iot_names(cloud: Cloud) -> None:
    pem = dc.device().certificate.pem
    cloud.answers("iot", "describe_certificate", description(pem, caCertificateId=dc.CA_ID))
    cloud.answers("iot", "describe_ca_certificate", ca_description(), {"certificateId": dc.CA_ID})

    issuer = ca_facts(cloud).issuer

    assert issuer.ca is not None
    assert issuer.ca.ca_id == dc.CA_ID


def test_the_ca_of_a_certificate_never_seen_is_the_one_that_signed_it(cloud: Cloud) -> None:
    namesake = dc.DevelopmentCa.create("Factory CA").certificate
    list_cas(cloud, dc.other_ca().certificate.pem, namesake.pem, dc.ca().certificate.pem)

    issuer = ca_facts(cloud, dc.device().certificate).issuer

    assert issuer.ca is not None
    assert issuer.namesake is not None
    assert issuer.ca.certificate == dc.ca().certificate
    assert issuer.namesake.certificate == namesake


def test_no_registered_ca_may_have_signed_it(cloud: Cloud) -> None:
    list_cas(cloud, dc.other_ca().certificate.pem)

    issuer = ca_facts(cloud, dc.device().certificate).issuer

    assert (issuer.ca, issuer.namesake) == (None, None)


def test_a_ca_that_was_deleted_meanwhile_is_left_out(cloud: Cloud) -> None:
    cloud.refuses("iot", "describe_certificate", "ResourceNotFoundException")
    cloud.answers("iot", "list_ca_certificates", {"certificates": [{"certificateId": dc.CA_ID}]})
    cloud.refuses("iot", "describe_ca_certificate", "ResourceNotFoundException")

    assert ca_facts(cloud, dc.device().certificate).issuer.ca is None


def test_without_a_certificate_no_ca_is_looked_for(cloud: Cloud) -> None:
    cloud.refuses("iot", "describe_certificate", "ResourceNotFoundException")

    with pytest.raises(CannotTellError, match="without a chain file"):
        _ = ca_facts(cloud).issuer


@pytest.mark.parametrize(
    ("code", "expected"),
    [("UnauthorizedException", MissingPermissionError), ("InternalFailureException", NoAnswerError)],
)
def test_a_ca_that_may_not_be_described_names_the_permission(
    cloud: Cloud, code: str, expected: type[CannotTellError]
) -> None:
    cloud.answers("iot", "describe_certificate", description("x", caCertificateId=dc.CA_ID))
    cloud.refuses("iot", "describe_ca_certificate", code)

    with pytest.raises(expected):
        _ = ca_facts(cloud).issuer


def _event(kind: str, status: str, reason: str = "") -> dict[str, Any]:
    return {
        "StackId": "s",
        "EventId": "e",
        "StackName": "stack",
        "Timestamp": NOW,
        "ResourceType": kind,
        "ResourceStatus": status,
        "ResourceStatusReason": reason,
    }


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([("AWS::SQS::Queue", "CREATE_FAILED", "x")], ""),
        ([(RESOURCE_TYPE, "DELETE_COMPLETE", ""), (RESOURCE_TYPE, "CREATE_FAILED", "taken")], "taken"),
        ([(RESOURCE_TYPE, "UPDATE_COMPLETE", ""), (RESOURCE_TYPE, "CREATE_FAILED", "before")], ""),
    ],
)
def test_the_reason_of_a_failed_ca_registration_is_read_from_the_stack_events(
    cloud: Cloud, events: list[tuple[str, str, str]], expected: str
) -> None:
    cloud.answers(
        "cloudformation",
        "describe_stack_events",
        {"StackEvents": [_event(*each) for each in events]},
        {"StackName": "stack"},
    )

    assert ca_facts(cloud).registration_failure == expected
