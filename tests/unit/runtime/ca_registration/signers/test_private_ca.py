"""The CA is an AWS Private CA: its ARN is enough."""

from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.stub import ANY, Stubber
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from iot_jitr_runtime.ca_registration.properties import CaProperties
from iot_jitr_runtime.ca_registration.signers import PrivateCaSigner, SignerError
from iot_jitr_runtime.ca_registration.signing import verification_certificate
from iot_jitr_runtime.ca_registration.validation import CaCertificateError, CaFault
from iot_jitr_runtime.certificates import Certificate
from tests.support.ca_builder import CaSpec, ca_of, make_private_ca, rsa_key
from tests.support.ca_registry import REGISTRATION_CODE, CaAccount
from tests.support.ca_resource import CA, CaResource

PrivateCa = tuple[str, Certificate]


@pytest.fixture
def private_ca(account: CaAccount) -> PrivateCa:
    return make_private_ca(account.client("acm-pca"))


def sign(ca: Certificate, client: Any, arn: str) -> str | None:
    return verification_certificate(PrivateCaSigner(arn), ca, lambda: REGISTRATION_CODE, lambda _: client)


@pytest.mark.parametrize("given", [True, False])
def test_registers_the_ca_from_its_arn_whether_its_certificate_is_given_or_not(
    account: CaAccount, resource: CaResource, private_ca: PrivateCa, *, given: bool
) -> None:
    arn, ca = private_ca

    ca_id = resource.create(CaProperties(ca.pem if given else None, PrivateCaSigner(arn)))

    assert Certificate.load(account.iot.cas[ca_id]["certificatePem"]).der == ca.der


def test_requests_an_end_entity_certificate_for_a_day(
    account: CaAccount, resource: CaResource, private_ca: PrivateCa
) -> None:
    requests: list[dict[str, Any]] = []
    account.session.events.register(
        "provide-client-params.acm-pca.IssueCertificate", lambda params, **_: requests.append(params)
    )

    resource.create(CaProperties(None, PrivateCaSigner(private_ca[0])))

    (request,) = requests
    assert request["TemplateArn"] == "arn:aws:acm-pca:::template/EndEntityCertificate/V1"
    assert request["Validity"] == {"Value": 1, "Type": "DAYS"}
    subject = x509.load_pem_x509_csr(request["Csr"]).subject
    assert subject.rfc4514_string() == f"CN={REGISTRATION_CODE}"


def test_refuses_the_certificate_of_another_ca(resource: CaResource, private_ca: PrivateCa) -> None:
    with pytest.raises(CaCertificateError, match="Private CA") as caught:
        resource.create(CaProperties(CA.pem, PrivateCaSigner(private_ca[0])))

    assert caught.value.fault is CaFault.KEY_MISMATCH


def test_names_a_private_ca_that_does_not_exist(resource: CaResource, private_ca: PrivateCa) -> None:
    with pytest.raises(SignerError, match="ResourceNotFoundException"):
        resource.create(CaProperties(None, PrivateCaSigner(f"{private_ca[0][:-3]}000")))


@pytest.mark.parametrize(
    ("call", "code", "message"),
    [
        ("IssueCertificate", "LimitExceededException", "LimitExceededException"),
        ("IssueCertificate", "InvalidStateException", "InvalidStateException"),
        ("GetCertificate", "AccessDeniedException", "was not issued"),
    ],
)
def test_the_error_contains_the_reason_of_the_private_ca(
    account: CaAccount, resource: CaResource, call: str, code: str, message: str
) -> None:
    arn, _ = make_private_ca(account.client("acm-pca"))

    def refuse(**_: Any) -> None:
        raise ClientError({"Error": {"Code": code, "Message": ""}}, call)

    account.session.events.register_first(f"before-send.acm-pca.{call}", refuse)

    with pytest.raises(SignerError, match=message):
        resource.create(CaProperties(None, PrivateCaSigner(arn)))
    assert account.iot.cas == {}


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (rsa_key(), "SHA256WITHRSA"),
        (ec.generate_private_key(ec.SECP256R1()), "SHA256WITHECDSA"),
        (ec.generate_private_key(ec.SECP384R1()), "SHA384WITHECDSA"),
        (ec.generate_private_key(ec.SECP521R1()), "SHA512WITHECDSA"),
    ],
)
def test_requests_the_signature_algorithm_of_the_key(account: CaAccount, key: Any, algorithm: str) -> None:
    # moto's Private CA always has an RSA key.
    client = account.client("acm-pca")
    arn = "arn:aws-cn:acm-pca:cn-north-1:123456789012:certificate-authority/a"
    request = {
        "CertificateAuthorityArn": arn,
        "Csr": ANY,
        "SigningAlgorithm": algorithm,
        "TemplateArn": "arn:aws-cn:acm-pca:::template/EndEntityCertificate/V1",
        "Validity": {"Value": 1, "Type": "DAYS"},
    }
    ca = ca_of(key)
    with Stubber(client) as stubbed:
        stubbed.add_response("get_certificate_authority_certificate", {"Certificate": ca.pem})
        stubbed.add_response("issue_certificate", {"CertificateArn": f"{arn}/certificate/c"}, request)
        stubbed.add_client_error("get_certificate", "RequestInProgressException")
        stubbed.add_response("get_certificate", {"Certificate": "PEM"})
        stubbed.add_response("get_certificate", {"Certificate": "PEM"})

        assert sign(ca, client, arn) == "PEM"

        stubbed.assert_no_pending_responses()


def test_refuses_a_private_ca_with_another_kind_of_key(account: CaAccount) -> None:
    client = account.client("acm-pca")
    ca = CaSpec(key=ed25519.Ed25519PrivateKey.generate(), hash=None).build()
    with Stubber(client) as stubbed:
        stubbed.add_response("get_certificate_authority_certificate", {"Certificate": ca.pem})
        with pytest.raises(SignerError, match="neither RSA nor EC"):
            sign(ca, client, "arn:ca")
