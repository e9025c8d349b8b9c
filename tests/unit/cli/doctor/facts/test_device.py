"""Facts about the device's certificate: its status, policies and things."""

import pytest

from iot_jitr_cli.doctor.facts.fact import NoAnswerError
from tests.support import doctor_case as dc
from tests.support.doctor_cloud import Cloud
from tests.support.doctor_facts import ARN, description, device_facts


def test_a_registered_certificate_is_described(cloud: Cloud) -> None:
    pem = dc.device().certificate.pem
    cloud.answers("iot", "describe_certificate", description(pem, caCertificateId=dc.CA_ID))

    facts = device_facts(cloud)

    assert facts.registered is not None
    assert (facts.registered.status, facts.registered.ca_certificate_id) == ("PENDING_ACTIVATION", dc.CA_ID)
    assert facts.certificate == dc.device().certificate


def test_a_registered_certificate_that_cannot_be_parsed_is_described(cloud: Cloud) -> None:
    cloud.answers("iot", "describe_certificate", description("garbage"))

    registered = device_facts(cloud).registered

    assert registered is not None
    assert (registered.certificate, registered.ca_certificate_id) == (None, None)


def test_an_unregistered_certificate_has_neither_policies_nor_things(cloud: Cloud) -> None:
    cloud.refuses("iot", "describe_certificate", "ResourceNotFoundException")

    facts = device_facts(cloud)

    assert (facts.registered, facts.certificate, facts.policies, facts.things) == (None, None, (), ())


def test_the_certificate_in_the_file_needs_no_call(cloud: Cloud) -> None:
    assert device_facts(cloud, dc.device().certificate).certificate == dc.device().certificate


def test_policies_and_things_of_the_certificate_are_read(cloud: Cloud) -> None:
    cloud.answers("iot", "describe_certificate", description(dc.device().certificate.pem))
    cloud.answers(
        "iot",
        "list_attached_policies",
        {"policies": [{"policyName": "p", "policyArn": "a"}]},
        {"target": ARN},
    )
    cloud.answers("iot", "get_policy", {"policyDocument": dc.POLICY}, {"policyName": "p"})
    cloud.answers("iot", "list_principal_things", {"things": ["t"]}, {"principal": ARN})
    facts = device_facts(cloud)

    assert facts.policies == ("p",)
    assert len(facts.documents[0].statements) == 1
    assert facts.things == ("t",)


def test_a_policy_that_cannot_be_parsed_cannot_be_evaluated(cloud: Cloud) -> None:
    cloud.answers("iot", "describe_certificate", description(dc.device().certificate.pem))
    cloud.answers("iot", "list_attached_policies", {"policies": [{"policyName": "p", "policyArn": "a"}]})
    cloud.answers("iot", "get_policy", {"policyDocument": "{}"})

    with pytest.raises(NoAnswerError, match="not one that can be evaluated"):
        _ = device_facts(cloud).documents


def test_test_authorization_decides_about_the_client_id(cloud: Cloud) -> None:
    cloud.answers("iot", "describe_certificate", description(dc.device().certificate.pem))
    cloud.answers(
        "iot",
        "test_authorization",
        {"authResults": [{"authDecision": "EXPLICIT_DENY"}]},
        {
            "principal": ARN,
            "clientId": "me",
            "authInfos": [{"actionType": "CONNECT", "resources": ["arn:client/me"]}],
        },
    )

    assert device_facts(cloud).authorization("me", "arn:client/me")["authDecision"] == "EXPLICIT_DENY"


def test_a_cloud_without_the_call_cannot_tell(cloud: Cloud) -> None:
    cloud.refuses("iot", "describe_certificate", "ResourceNotFoundException")
    cloud.refuses("iot", "test_authorization", "InvalidRequestException", "Unsupported IoT path")

    with pytest.raises(NoAnswerError, match="Unsupported"):
        device_facts(cloud).authorization("me", "arn")
