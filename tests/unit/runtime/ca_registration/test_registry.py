"""The exception for each error of AWS IoT, and the advice in it. No emulator raises all of them."""

from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from botocore.stub import Stubber

from iot_jitr_runtime.ca_registration.properties import AutoRegistration, CaState, CaStatus, Mode
from iot_jitr_runtime.ca_registration.registry import (
    AlreadyRegisteredError,
    CaRegistry,
    DeniedError,
    NotRegisteredError,
    OutcomeUnknownError,
    RegistryError,
)
from iot_jitr_runtime.identifiers import CaCertificateId
from tests.support.aws_clients import aws_client
from tests.support.ca_resource import CA

CA_ID = CaCertificateId("a" * 64)
STATE = CaState(CaStatus.ACTIVE, AutoRegistration.ENABLE)


@pytest.fixture
def iot() -> Any:
    return aws_client("iot")


@pytest.mark.parametrize(
    ("code", "status", "kind", "advice"),
    [
        ("RegistrationCodeValidationException", 400, RegistryError, "jitr ca registration-code"),
        ("CertificateValidationException", 400, RegistryError, "must be signed by the CA"),
        ("LimitExceededException", 410, RegistryError, "delete a CA certificate"),
        ("ThrottlingException", 400, RegistryError, "try again later"),
        ("UnauthorizedException", 401, DeniedError, "permission is missing"),
        ("AccessDeniedException", 403, DeniedError, "permission is missing"),
        ("InvalidRequestException", 400, RegistryError, "it was refused"),
        ("InternalFailureException", 500, OutcomeUnknownError, "may or may not have taken effect"),
        ("ServiceUnavailableException", 503, OutcomeUnknownError, "may or may not have taken effect"),
        ("ResourceNotFoundException", 404, NotRegisteredError, "no such CA certificate"),
    ],
)
def test_an_error_names_the_call_with_code_message_and_advice(
    iot: Any, code: str, status: int, kind: type[RegistryError], advice: str
) -> None:
    with Stubber(iot) as stubbed:
        stubbed.add_client_error("register_ca_certificate", code, "as AWS says", http_status_code=status)
        with pytest.raises(kind, match=advice) as caught:
            CaRegistry(iot).register(CA, "PEM", Mode.DEFAULT, STATE, {"a": "1"})

    assert type(caught.value) is kind
    assert str(caught.value).startswith("RegisterCACertificate: ")
    assert str(caught.value).endswith(f"({code}: as AWS says)")


def test_an_existing_registration_has_its_id(iot: Any) -> None:
    with Stubber(iot) as stubbed:
        stubbed.add_client_error(
            "register_ca_certificate",
            "ResourceAlreadyExistsException",
            http_status_code=409,
            modeled_fields={"resourceId": CA_ID},
        )
        with pytest.raises(AlreadyRegisteredError) as caught:
            CaRegistry(iot).register(CA, None, Mode.SNI_ONLY, STATE, {})

    assert caught.value.ca_id == CA_ID


def test_a_call_without_an_answer_may_have_taken_effect(iot: Any) -> None:
    def unreachable(**_: Any) -> None:
        raise EndpointConnectionError(endpoint_url="https://iot.invalid")

    iot.meta.events.register_first("before-call.iot.UpdateCACertificate", unreachable)

    with pytest.raises(OutcomeUnknownError, match=r"UpdateCACertificate aaa.*iot\.invalid"):
        CaRegistry(iot).set_state(CA_ID, STATE)


def test_a_call_that_the_sdk_refuses_had_no_effect(iot: Any) -> None:
    with pytest.raises(RegistryError) as caught:
        CaRegistry(iot).delete(CaCertificateId("no id"))

    assert type(caught.value) is RegistryError
