"""The key is in KMS: every kind that a CA can have, and the reasons for which KMS refuses."""

from typing import Any

import pytest
from botocore.stub import Stubber
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from iot_jitr_runtime.ca_registration.kms import KmsEcKey, KmsRsaKey
from iot_jitr_runtime.ca_registration.signers import KmsSigner, SignerError
from iot_jitr_runtime.ca_registration.signing import verification_certificate
from iot_jitr_runtime.ca_registration.validation import CaCertificateError, CaFault
from tests.support.ca_builder import CaSpec
from tests.support.ca_keys import make_kms_key
from tests.support.ca_registry import REGISTRATION_CODE, CaAccount
from tests.support.ca_resource import CaResource
from tests.support.ca_states import ca_of, properties

KMS_SPECS = ["RSA_2048", "RSA_3072", "RSA_4096", "ECC_NIST_P256", "ECC_NIST_P384", "ECC_NIST_P521"]


def kms_key(account: CaAccount, spec: str) -> tuple[str, KmsEcKey | KmsRsaKey]:
    return make_kms_key(account.client("kms"), spec)


class TestKms:
    @pytest.mark.parametrize("spec", KMS_SPECS)
    def test_registers_the_ca(self, account: CaAccount, resource: CaResource, spec: str) -> None:
        arn, key = kms_key(account, spec)

        ca_id = resource.create(properties(ca_of(key), KmsSigner(arn)))

        assert account.registry.state(ca_id) == ("ACTIVE", "ENABLE")

    def test_refuses_the_key_of_another_ca(self, account: CaAccount, resource: CaResource) -> None:
        arn, _ = kms_key(account, "ECC_NIST_P256")

        with pytest.raises(CaCertificateError, match=f"KMS key '{arn}'") as caught:
            resource.create(properties(CaSpec().build(), KmsSigner(arn)))

        assert caught.value.fault is CaFault.KEY_MISMATCH

    def test_refuses_a_key_for_encryption(self, account: CaAccount, resource: CaResource) -> None:
        created = account.client("kms").create_key(KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT")
        arn = created["KeyMetadata"]["Arn"]

        with pytest.raises(SignerError, match="is a key for ENCRYPT_DECRYPT"):
            resource.create(properties(CaSpec().build(), KmsSigner(arn)))

    def test_refuses_a_key_that_is_neither_rsa_nor_ec(self, account: CaAccount) -> None:
        client = account.client("kms")
        public_key = ed25519.Ed25519PrivateKey.generate().public_key()
        answer = {
            "KeyUsage": "SIGN_VERIFY",
            "PublicKey": public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
        }
        with Stubber(client) as stubbed:
            stubbed.add_response("get_public_key", answer)
            with pytest.raises(SignerError, match="a key of type Ed25519"):
                verification_certificate(
                    KmsSigner("arn:key"), CaSpec().build(), lambda: REGISTRATION_CODE, lambda _: client
                )

    @pytest.mark.parametrize(
        ("code", "message"),
        [
            ("UnsupportedOperationException", "is a symmetric key"),
            ("NotFoundException", "NotFoundException; it must exist"),
            ("DisabledException", "DisabledException; it must exist, be enabled"),
            (
                "AccessDeniedException",
                r"Denied.*kms:GetPublicKey, kms:Sign",
            ),
        ],
    )
    def test_says_why_kms_refuses(
        self, account: CaAccount, resource: CaResource, code: str, message: str
    ) -> None:
        def refuse(**_: Any) -> None:
            answer: Any = {"Error": {"Code": code, "Message": ""}}
            client = account.client("kms")
            raise client.exceptions.from_code(code)(answer, "GetPublicKey")

        account.session.events.register_first("before-send.kms.GetPublicKey", refuse)

        with pytest.raises(SignerError, match=message):
            resource.create(properties(CaSpec().build(), KmsSigner("arn:aws:kms:eu-central-1:1:key/k")))

    def test_the_key_refuses_everything_but_signing(self, account: CaAccount) -> None:
        for spec in ("RSA_2048", "ECC_NIST_P256"):
            _, key = kms_key(account, spec)
            for attempt in ("private_numbers", "private_bytes", "__copy__", "decrypt", "exchange"):
                with pytest.raises(UnsupportedAlgorithm, match="in KMS"):
                    getattr(key, attempt)()
        assert key.key_size == 256
        assert kms_key(account, "RSA_2048")[1].key_size == 2048
