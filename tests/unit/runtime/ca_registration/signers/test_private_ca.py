"""The CA is an AWS Private CA: its ARN is enough."""

from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.stub import ANY, Stubber
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from iot_jitr_runtime.ca_registration.signers import PrivateCaSigner, SignerError
from iot_jitr_runtime.ca_registration.signing import verification_certificate
from iot_jitr_runtime.ca_registration.validation import CaCertificateError, CaFault
from iot_jitr_runtime.certificates import Certificate
from tests.support.ca_builder import CaSpec, rsa_key
from tests.support.ca_keys import make_private_ca
from tests.support.ca_registry import REGISTRATION_CODE, CaAccount
from tests.support.ca_resource import CaResource
from tests.support.ca_states import ca_of, properties


def private_ca(account: CaAccount) -> tuple[str, Certificate]:
    return make_private_ca(account.client("acm-pca"))


def sign(ca: Certificate, client: Any, arn: str) -> str | None:
    return verification_certificate(PrivateCaSigner(arn), ca, lambda: REGISTRATION_CODE, lambda _: client)


class TestPrivateCa:
    def test_registers_the_ca_from_its_arn_alone(self, account: CaAccount, resource: CaResource) -> None:
        arn, ca = private_ca(account)

        ca_id = resource.create(properties(None, PrivateCaSigner(arn)))

        assert Certificate.load(account.registry.cas[ca_id]["certificatePem"]).der == ca.der

    def test_registers_the_ca_whose_certificate_is_given_too(
        self, account: CaAccount, resource: CaResource
    ) -> None:
        arn, ca = private_ca(account)

        ca_id = resource.create(properties(ca, PrivateCaSigner(arn)))

        assert account.registry.state(ca_id) == ("ACTIVE", "ENABLE")

    def test_asks_for_an_end_entity_certificate_for_a_day(
        self, account: CaAccount, resource: CaResource
    ) -> None:
        arn, _ = private_ca(account)
        asked: list[dict[str, Any]] = []
        account.session.events.register(
            "provide-client-params.acm-pca.IssueCertificate", lambda params, **_: asked.append(params)
        )

        resource.create(properties(None, PrivateCaSigner(arn)))

        (request,) = asked
        assert request["TemplateArn"] == "arn:aws:acm-pca:::template/EndEntityCertificate/V1"
        assert request["Validity"] == {"Value": 1, "Type": "DAYS"}
        subject = x509.load_pem_x509_csr(request["Csr"]).subject
        assert subject.rfc4514_string() == f"CN={REGISTRATION_CODE}"

    def test_refuses_the_certificate_of_another_ca(self, account: CaAccount, resource: CaResource) -> None:
        arn, _ = private_ca(account)

        with pytest.raises(CaCertificateError, match="Private CA") as caught:
            resource.create(properties(CaSpec().build(), PrivateCaSigner(arn)))

        assert caught.value.fault is CaFault.KEY_MISMATCH

    def test_says_that_the_private_ca_does_not_exist(self, account: CaAccount, resource: CaResource) -> None:
        arn, _ = private_ca(account)

        with pytest.raises(SignerError, match="ResourceNotFoundException"):
            resource.create(properties(None, PrivateCaSigner(f"{arn[:-3]}000")))

    @pytest.mark.parametrize("code", ["LimitExceededException", "InvalidStateException"])
    def test_says_why_the_private_ca_issues_nothing(
        self, account: CaAccount, resource: CaResource, code: str
    ) -> None:
        arn, _ = private_ca(account)

        def refuse(**_: Any) -> None:
            raise ClientError({"Error": {"Code": code, "Message": ""}}, "IssueCertificate")

        account.session.events.register_first("before-send.acm-pca.IssueCertificate", refuse)

        with pytest.raises(SignerError, match=code):
            resource.create(properties(None, PrivateCaSigner(arn)))
        assert account.registry.cas == {}

    def test_says_that_the_certificate_was_not_issued(self, account: CaAccount, resource: CaResource) -> None:
        arn, _ = private_ca(account)

        def refuse(**_: Any) -> None:
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": ""}}, "GetCertificate")

        account.session.events.register_first("before-send.acm-pca.GetCertificate", refuse)

        with pytest.raises(SignerError, match="was not issued"):
            resource.create(properties(None, PrivateCaSigner(arn)))

    @pytest.mark.parametrize(
        ("key", "algorithm"),
        [
            (rsa_key(), "SHA256WITHRSA"),
            (ec.generate_private_key(ec.SECP256R1()), "SHA256WITHECDSA"),
            (ec.generate_private_key(ec.SECP384R1()), "SHA384WITHECDSA"),
            (ec.generate_private_key(ec.SECP521R1()), "SHA512WITHECDSA"),
        ],
    )
    def test_asks_for_the_signature_that_goes_with_the_key(
        self, account: CaAccount, key: Any, algorithm: str
    ) -> None:
        # moto's Private CA has an RSA key, whatever was asked for.
        client = account.client("acm-pca")
        ca = ca_of(key)
        arn = "arn:aws-cn:acm-pca:cn-north-1:123456789012:certificate-authority/a"
        issued = f"{arn}/certificate/c"
        request = {
            "CertificateAuthorityArn": arn,
            "Csr": ANY,
            "SigningAlgorithm": algorithm,
            "TemplateArn": "arn:aws-cn:acm-pca:::template/EndEntityCertificate/V1",
            "Validity": {"Value": 1, "Type": "DAYS"},
        }
        with Stubber(client) as stubbed:
            stubbed.add_response("get_certificate_authority_certificate", {"Certificate": ca.pem})
            stubbed.add_response("issue_certificate", {"CertificateArn": issued}, request)
            stubbed.add_client_error("get_certificate", "RequestInProgressException")
            stubbed.add_response("get_certificate", {"Certificate": "PEM"})
            stubbed.add_response("get_certificate", {"Certificate": "PEM"})

            pem = sign(ca, client, arn)

        assert pem == "PEM"
        stubbed.assert_no_pending_responses()

    def test_refuses_a_private_ca_with_another_kind_of_key(self, account: CaAccount) -> None:
        client = account.client("acm-pca")
        ca = CaSpec(key=ed25519.Ed25519PrivateKey.generate(), hash=None).build()
        with Stubber(client) as stubbed:
            stubbed.add_response("get_certificate_authority_certificate", {"Certificate": ca.pem})
            with pytest.raises(SignerError, match="neither RSA nor EC"):
                sign(ca, client, "arn:ca")
