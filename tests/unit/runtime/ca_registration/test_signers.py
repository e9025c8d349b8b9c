"""All five signers against moto: what each makes is what AWS IoT asks for, and what each refuses."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from botocore.stub import ANY, Stubber
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from iot_jitr_runtime.ca_registration.properties import CaProperties, Mode
from iot_jitr_runtime.ca_registration.signers.base import CertificateNotGivenError
from iot_jitr_runtime.ca_registration.signers.kms import (
    KmsKeyUnavailableError,
    KmsSigner,
    WrongKindOfKmsKeyError,
)
from iot_jitr_runtime.ca_registration.signers.kms_keys import KmsEcKey, KmsRsaKey
from iot_jitr_runtime.ca_registration.signers.private_ca import (
    PrivateCaSigner,
    PrivateCaUnavailableError,
    UnsupportedPrivateCaKeyError,
)
from iot_jitr_runtime.ca_registration.signers.secret import MalformedSecretError, SecretUnavailableError
from iot_jitr_runtime.ca_registration.sources import (
    KmsSource,
    NoSource,
    PresignedSource,
    PrivateCaSource,
    SecretSource,
    Source,
)
from iot_jitr_runtime.ca_registration.validation import KeyInCertificateFileError, SeveralCertificatesError
from iot_jitr_runtime.ca_registration.verification import (
    KeyMismatchError,
    NotSignedByCaError,
    OtherRegistrationCodeError,
    VerificationOutOfDateError,
    make_verification_certificate,
    signature_hash,
)
from iot_jitr_runtime.certificates import Certificate
from tests.support.ca_builder import CaSpec, pem_of, rsa_key
from tests.support.ca_keys import make_kms_key, make_private_ca
from tests.support.ca_registry import REGISTRATION_CODE, CaAccount, CaRegistryEmulation
from tests.support.ca_resource import CaResource

CURVES = [ec.SECP256R1, ec.SECP384R1, ec.SECP521R1]
EC_PARAMETERS = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n"
KMS_SPECS = ["RSA_2048", "RSA_3072", "RSA_4096", "ECC_NIST_P256", "ECC_NIST_P384", "ECC_NIST_P521"]


def properties(ca: Certificate | None, source: Source, mode: Mode = Mode.DEFAULT) -> CaProperties:
    return CaProperties("fleet/Ca", ca and ca.pem, source, mode)


def kms_key(account: CaAccount, spec: str) -> tuple[str, KmsEcKey | KmsRsaKey]:
    return make_kms_key(account.client("kms"), spec)


def ca_of(key: Any, **changes: Any) -> Certificate:
    return CaSpec(key=key, hash=signature_hash(key), **changes).build()


class TestSecret:
    @pytest.mark.parametrize("key", [*(ec.generate_private_key(curve()) for curve in CURVES), rsa_key()])
    @pytest.mark.parametrize(
        "secret",
        [
            pem_of,
            lambda key: (
                f"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n{pem_of(key)}"
            ),
            lambda key: json.dumps({"privateKey": pem_of(key)}),
            lambda key: json.dumps({"privateKey": pem_of(key, "s3cret"), "passphrase": "s3cret"}),
        ],
        ids=["PEM", "PEM as openssl ecparam writes it", "JSON", "encrypted"],
    )
    def test_registers_the_ca(
        self,
        account: CaAccount,
        resource: CaResource,
        key: Any,
        secret: Callable[[Any], str],
    ) -> None:
        account.client("secretsmanager").create_secret(Name="ca-key", SecretString=secret(key))

        ca_id = resource.create(properties(ca_of(key), SecretSource("ca-key")))

        assert account.registry.state(ca_id) == ("ACTIVE", "ENABLE")

    @pytest.mark.parametrize(
        ("secret", "found"),
        [
            ("", "neither PEM nor JSON"),
            ("hunter2", "neither PEM nor JSON"),
            ("[]", "JSON without a text under 'privateKey'"),
            ('{"key": "x"}', "JSON without a text under 'privateKey'"),
            ('{"privateKey": 5}', "JSON without a text under 'privateKey'"),
            ('{"privateKey": "hunter2"}', "the PEM holds no private key"),
            (
                "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----",
                "the PEM holds no private key",
            ),
            (CaSpec().build().pem, "the PEM holds no private key"),
            (pem_of(CaSpec().key, "hunter2"), "encrypted, without a passphrase"),
            (
                json.dumps({"privateKey": pem_of(CaSpec().key, "right"), "passphrase": "hunter2"}),
                "no private key, or the passphrase is wrong",
            ),
            (
                json.dumps({"privateKey": pem_of(CaSpec().key), "passphrase": "hunter2"}),
                "not encrypted, but comes with a passphrase",
            ),
            (
                json.dumps({"privateKey": pem_of(CaSpec().key), "passphrase": ["hunter2"]}),
                "'passphrase' is not a text",
            ),
            (pem_of(ed25519.Ed25519PrivateKey.generate()), "neither RSA nor EC"),
        ],
    )
    def test_says_what_is_wrong_with_the_secret_and_nothing_of_what_is_in_it(
        self, account: CaAccount, resource: CaResource, secret: str, found: str
    ) -> None:
        account.client("secretsmanager").create_secret(Name="ca-key", SecretString=secret or " ")

        with pytest.raises(MalformedSecretError) as caught:
            resource.create(properties(CaSpec().build(), SecretSource("ca-key")))

        message = str(caught.value)
        assert "secret 'ca-key' cannot be used: " in message
        assert found in message
        assert "hunter2" not in message
        assert not [line for line in secret.splitlines() if len(line) > 20 and line in message]
        assert account.registry.cas == {}

    def test_refuses_a_binary_secret(self, account: CaAccount, resource: CaResource) -> None:
        account.client("secretsmanager").create_secret(Name="ca-key", SecretBinary=b"\x00")

        with pytest.raises(MalformedSecretError, match="it is binary"):
            resource.create(properties(CaSpec().build(), SecretSource("ca-key")))

    def test_refuses_the_key_of_another_ca(self, account: CaAccount, resource: CaResource) -> None:
        account.client("secretsmanager").create_secret(Name="ca-key", SecretString=pem_of(CaSpec().key))

        with pytest.raises(KeyMismatchError, match=r"secret 'ca-key' is not the key of the CA"):
            resource.create(properties(CaSpec().build(), SecretSource("ca-key")))

    def test_says_that_the_secret_does_not_exist(self, resource: CaResource) -> None:
        with pytest.raises(SecretUnavailableError, match=r"ResourceNotFoundException; it must exist"):
            resource.create(properties(CaSpec().build(), SecretSource("ca-key")))


class TestKms:
    @pytest.mark.parametrize("spec", KMS_SPECS)
    def test_registers_the_ca(self, account: CaAccount, resource: CaResource, spec: str) -> None:
        arn, key = kms_key(account, spec)

        ca_id = resource.create(properties(ca_of(key), KmsSource(arn)))

        assert account.registry.state(ca_id) == ("ACTIVE", "ENABLE")

    def test_refuses_the_key_of_another_ca(self, account: CaAccount, resource: CaResource) -> None:
        arn, _ = kms_key(account, "ECC_NIST_P256")

        with pytest.raises(KeyMismatchError, match=f"KMS key '{arn}' is not the key of the CA"):
            resource.create(properties(CaSpec().build(), KmsSource(arn)))

    def test_refuses_a_key_for_encryption(self, account: CaAccount, resource: CaResource) -> None:
        created = account.client("kms").create_key(KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT")
        arn = created["KeyMetadata"]["Arn"]

        with pytest.raises(WrongKindOfKmsKeyError, match="is a key for ENCRYPT_DECRYPT"):
            resource.create(properties(CaSpec().build(), KmsSource(arn)))

    def test_refuses_a_key_that_is_neither_rsa_nor_ec(self, account: CaAccount) -> None:
        client = account.client("kms")
        public_key = ed25519.Ed25519PrivateKey.generate().public_key()
        answer = {
            "KeyUsage": "SIGN_VERIFY",
            "PublicKey": public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        }
        signer = KmsSigner(client, "arn:key")
        with Stubber(client) as stubbed:
            stubbed.add_response("get_public_key", answer)
            with pytest.raises(WrongKindOfKmsKeyError, match="a key of type Ed25519"):
                signer.verification_certificate(CaSpec().build(), lambda: REGISTRATION_CODE)

    @pytest.mark.parametrize(
        ("code", "error", "message"),
        [
            ("UnsupportedOperationException", WrongKindOfKmsKeyError, "is a symmetric key"),
            ("NotFoundException", KmsKeyUnavailableError, "NotFoundException; it must exist"),
            ("DisabledException", KmsKeyUnavailableError, "DisabledException; it must exist, be enabled"),
            (
                "AccessDeniedException",
                KmsKeyUnavailableError,
                r"Denied.*kms:GetPublicKey, kms:Sign",
            ),
        ],
    )
    def test_says_why_kms_refuses(
        self, account: CaAccount, resource: CaResource, code: str, error: type[Exception], message: str
    ) -> None:
        def refuse(**_: Any) -> None:
            answer: Any = {"Error": {"Code": code, "Message": ""}}
            client = account.client("kms")
            raise client.exceptions.from_code(code)(answer, "GetPublicKey")

        account.session.events.register_first("before-send.kms.GetPublicKey", refuse)

        with pytest.raises(error, match=message):
            resource.create(properties(CaSpec().build(), KmsSource("arn:aws:kms:eu-central-1:1:key/k")))

    def test_the_key_refuses_all_that_takes_the_private_half(self, account: CaAccount) -> None:
        for spec in ("RSA_2048", "ECC_NIST_P256"):
            _, key = kms_key(account, spec)
            for attempt in ("private_numbers", "private_bytes", "__copy__", "decrypt", "exchange"):
                with pytest.raises(UnsupportedAlgorithm, match="in KMS"):
                    getattr(key, attempt)()
        assert key.key_size == 256
        assert kms_key(account, "RSA_2048")[1].key_size == 2048


def private_ca(account: CaAccount) -> tuple[str, Certificate]:
    return make_private_ca(account.client("acm-pca"))


class TestPrivateCa:
    def test_registers_the_ca_from_its_arn_alone(self, account: CaAccount, resource: CaResource) -> None:
        arn, ca = private_ca(account)

        ca_id = resource.create(properties(None, PrivateCaSource(arn)))

        assert Certificate.load(account.registry.cas[ca_id]["certificatePem"]).der == ca.der

    def test_registers_the_ca_whose_certificate_is_given_too(
        self, account: CaAccount, resource: CaResource
    ) -> None:
        arn, ca = private_ca(account)

        ca_id = resource.create(properties(ca, PrivateCaSource(arn)))

        assert account.registry.state(ca_id) == ("ACTIVE", "ENABLE")

    def test_asks_for_an_end_entity_certificate_for_a_day(
        self, account: CaAccount, resource: CaResource
    ) -> None:
        arn, _ = private_ca(account)
        asked: list[dict[str, Any]] = []
        account.session.events.register(
            "provide-client-params.acm-pca.IssueCertificate", lambda params, **_: asked.append(params)
        )

        resource.create(properties(None, PrivateCaSource(arn)))

        (request,) = asked
        assert request["TemplateArn"] == "arn:aws:acm-pca:::template/EndEntityCertificate/V1"
        assert request["Validity"] == {"Value": 1, "Type": "DAYS"}
        subject = x509.load_pem_x509_csr(request["Csr"]).subject
        assert subject.rfc4514_string() == f"CN={REGISTRATION_CODE}"

    def test_refuses_the_certificate_of_another_ca(self, account: CaAccount, resource: CaResource) -> None:
        arn, _ = private_ca(account)

        with pytest.raises(KeyMismatchError, match="Private CA"):
            resource.create(properties(CaSpec().build(), PrivateCaSource(arn)))

    def test_says_that_the_private_ca_does_not_exist(self, account: CaAccount, resource: CaResource) -> None:
        arn, _ = private_ca(account)

        with pytest.raises(PrivateCaUnavailableError, match="ResourceNotFoundException"):
            resource.create(properties(None, PrivateCaSource(f"{arn[:-3]}000")))

    @pytest.mark.parametrize("code", ["LimitExceededException", "InvalidStateException"])
    def test_says_why_the_private_ca_issues_nothing(
        self, account: CaAccount, resource: CaResource, code: str
    ) -> None:
        arn, _ = private_ca(account)

        def refuse(**_: Any) -> None:
            raise ClientError({"Error": {"Code": code, "Message": ""}}, "IssueCertificate")

        account.session.events.register_first("before-send.acm-pca.IssueCertificate", refuse)

        with pytest.raises(PrivateCaUnavailableError, match=code):
            resource.create(properties(None, PrivateCaSource(arn)))
        assert account.registry.cas == {}

    def test_says_that_the_certificate_was_not_issued(self, account: CaAccount, resource: CaResource) -> None:
        arn, _ = private_ca(account)

        def refuse(**_: Any) -> None:
            raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": ""}}, "GetCertificate")

        account.session.events.register_first("before-send.acm-pca.GetCertificate", refuse)

        with pytest.raises(PrivateCaUnavailableError, match="was not issued"):
            resource.create(properties(None, PrivateCaSource(arn)))

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

            pem = PrivateCaSigner(client, arn).verification_certificate(ca, lambda: REGISTRATION_CODE)

        assert pem == "PEM"
        stubbed.assert_no_pending_responses()

    def test_refuses_a_private_ca_with_another_kind_of_key(self, account: CaAccount) -> None:
        client = account.client("acm-pca")
        ca = CaSpec(key=ed25519.Ed25519PrivateKey.generate(), hash=None).build()
        signer = PrivateCaSigner(client, "arn:ca")
        with Stubber(client) as stubbed:
            stubbed.add_response("get_certificate_authority_certificate", {"Certificate": ca.pem})
            with pytest.raises(UnsupportedPrivateCaKeyError, match="neither RSA nor EC"):
                signer.verification_certificate(ca, lambda: REGISTRATION_CODE)


class TestPresigned:
    def test_registers_the_ca(self, account: CaAccount, resource: CaResource) -> None:
        spec = CaSpec()
        ca = spec.build()
        verification = make_verification_certificate(ca, spec.key, REGISTRATION_CODE)

        ca_id = resource.create(properties(ca, PresignedSource(verification)))

        assert account.registry.state(ca_id) == ("ACTIVE", "ENABLE")

    def test_refuses_a_certificate_for_another_registration_code(self, resource: CaResource) -> None:
        spec = CaSpec()
        ca = spec.build()
        verification = make_verification_certificate(ca, spec.key, "f" * 64)

        with pytest.raises(OtherRegistrationCodeError, match=rf"'{REGISTRATION_CODE}'.*mind account"):
            resource.create(properties(ca, PresignedSource(verification)))

    def test_refuses_a_certificate_of_another_ca(self, resource: CaResource) -> None:
        other = CaSpec()
        verification = make_verification_certificate(other.build(), other.key, REGISTRATION_CODE)

        with pytest.raises(NotSignedByCaError, match="not signed by the CA 'CN=Test CA'"):
            resource.create(properties(CaSpec().build(), PresignedSource(verification)))

    def test_refuses_an_expired_certificate(self, resource: CaResource) -> None:
        spec = CaSpec(starts_in_days=-20)
        expired = Certificate(replace(spec, ends_in_days=-10, name=REGISTRATION_CODE).build().x509)
        ca = replace(spec, name=REGISTRATION_CODE).build()

        with pytest.raises(VerificationOutOfDateError, match="out of date: expired on"):
            resource.create(properties(ca, PresignedSource(expired.pem)))

    def test_refuses_more_than_a_certificate(self, resource: CaResource) -> None:
        spec = CaSpec()
        ca = spec.build()
        verification = make_verification_certificate(ca, spec.key, REGISTRATION_CODE)

        with pytest.raises(SeveralCertificatesError, match="verification certificate"):
            resource.create(properties(ca, PresignedSource(verification + ca.pem)))
        with pytest.raises(KeyInCertificateFileError, match="no key may ever be"):
            resource.create(properties(ca, PresignedSource(verification + pem_of(spec.key))))


class TestNone:
    def test_registers_the_ca_without_asking_for_the_registration_code(
        self, account: CaAccount, registry: CaRegistryEmulation, resource: CaResource
    ) -> None:
        asked: list[str] = []
        account.session.events.register("before-call.iot", lambda model, **_: asked.append(model.name))

        ca_id = resource.create(properties(CaSpec().build(), NoSource(), Mode.SNI_ONLY))

        assert registry.cas[ca_id]["certificateMode"] == "SNI_ONLY"
        assert asked == ["RegisterCACertificate"]


@pytest.mark.parametrize("source", [SecretSource("s"), KmsSource("k"), PresignedSource("p"), NoSource()])
def test_only_a_private_ca_knows_its_certificate(resource: CaResource, source: Source) -> None:
    with pytest.raises(CertificateNotGivenError, match="only an AWS Private CA"):
        resource.create(properties(None, source))
