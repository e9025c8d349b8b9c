"""The key is in KMS: every kind of CA key, and the errors of KMS."""

from typing import Any

import pytest
from botocore.stub import Stubber
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from iot_jitr_runtime.ca_registration.kms import KEY_SPECS
from iot_jitr_runtime.ca_registration.properties import CaProperties
from iot_jitr_runtime.ca_registration.signers import KmsSigner, SignerError
from iot_jitr_runtime.ca_registration.signing import verification_certificate
from iot_jitr_runtime.ca_registration.validation import CaCertificateError, CaFault
from tests.support.ca_builder import ca_of, make_kms_key
from tests.support.ca_registry import REGISTRATION_CODE, CaAccount
from tests.support.ca_resource import CA, ON, CaResource


@pytest.mark.parametrize("spec", KEY_SPECS)
def test_registers_the_ca(account: CaAccount, resource: CaResource, spec: str) -> None:
    arn, key = make_kms_key(account.client("kms"), spec)

    ca_id = resource.create(CaProperties(ca_of(key).pem, KmsSigner(arn)))

    assert account.iot.state(ca_id) == ON


def test_refuses_the_key_of_another_ca(account: CaAccount, resource: CaResource) -> None:
    arn, _ = make_kms_key(account.client("kms"), "ECC_NIST_P256")

    with pytest.raises(CaCertificateError, match=arn) as caught:
        resource.create(CaProperties(CA.pem, KmsSigner(arn)))

    assert caught.value.fault is CaFault.KEY_MISMATCH


def test_refuses_a_key_for_encryption(account: CaAccount, resource: CaResource) -> None:
    created = account.client("kms").create_key(KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT")

    with pytest.raises(SignerError, match="is a key for ENCRYPT_DECRYPT"):
        resource.create(CaProperties(CA.pem, KmsSigner(created["KeyMetadata"]["Arn"])))


def test_refuses_a_key_that_is_neither_rsa_nor_ec(account: CaAccount) -> None:
    client = account.client("kms")
    public_key = ed25519.Ed25519PrivateKey.generate().public_key()
    answer = {
        "KeyUsage": "SIGN_VERIFY",
        "PublicKey": public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo),
    }
    with Stubber(client) as stubbed:
        stubbed.add_response("get_public_key", answer)
        with pytest.raises(SignerError, match="a key of type Ed25519"):
            verification_certificate(KmsSigner("arn:key"), CA, lambda: REGISTRATION_CODE, lambda _: client)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("UnsupportedOperationException", "is a symmetric key"),
        ("NotFoundException", "NotFoundException; it must exist"),
        ("DisabledException", "DisabledException; it must exist, be enabled"),
        ("AccessDeniedException", "Denied.*kms:GetPublicKey, kms:Sign"),
    ],
)
def test_the_error_contains_the_reason_of_kms(
    account: CaAccount, resource: CaResource, code: str, message: str
) -> None:
    def refuse(**_: Any) -> None:
        answer: Any = {"Error": {"Code": code, "Message": ""}}
        raise account.client("kms").exceptions.from_code(code)(answer, "GetPublicKey")

    account.session.events.register_first("before-send.kms.GetPublicKey", refuse)

    with pytest.raises(SignerError, match=message):
        resource.create(CaProperties(CA.pem, KmsSigner("arn:aws:kms:eu-central-1:1:key/k")))


@pytest.mark.parametrize(("spec", "bits"), [("RSA_2048", 2048), ("ECC_NIST_P256", 256)])
def test_the_kms_key_supports_only_signing(account: CaAccount, spec: str, bits: int) -> None:
    _, key = make_kms_key(account.client("kms"), spec)

    assert key.key_size == bits
    for attempt in ("private_numbers", "private_bytes", "__copy__", "decrypt", "exchange"):
        with pytest.raises(UnsupportedAlgorithm):
            getattr(key, attempt)()
