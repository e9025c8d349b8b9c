"""Signs with an asymmetric KMS key, which never leaves KMS."""

from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from iot_jitr_runtime.aws_errors import AwsError, error_code
from iot_jitr_runtime.ca_registration.signers.base import RegistrationCode, Signer
from iot_jitr_runtime.ca_registration.signers.kms_keys import KmsEcKey, KmsKey, KmsRsaKey
from iot_jitr_runtime.ca_registration.verification import check_key_belongs, make_verification_certificate
from iot_jitr_runtime.errors import JitrError

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient

    from iot_jitr_runtime.certificates import Certificate

KEY_SPECS = ("RSA_2048", "RSA_3072", "RSA_4096", "ECC_NIST_P256", "ECC_NIST_P384", "ECC_NIST_P521")
"""The KMS keys a CA can have: those whose signatures AWS IoT takes."""


class KmsKeyUnavailableError(JitrError):
    """The KMS key does not exist, is disabled, or may not be used."""


class WrongKindOfKmsKeyError(JitrError):
    """The KMS key is not for signing certificates."""


class KmsSigner(Signer):
    """Lets KMS sign what is put together here."""

    def __init__(self, client: "KMSClient", key_arn: str) -> None:
        self._client = client
        self._key_arn = key_arn

    def verification_certificate(self, ca: "Certificate", registration_code: RegistrationCode) -> str:
        """Sign with the KMS key.

        Raises:
            KmsKeyUnavailableError: KMS refuses to use it.
            WrongKindOfKmsKeyError: It is no key for signing certificates.
            KeyMismatchError: It is the key of another CA.
        """
        try:
            key = self._key()
            check_key_belongs(key.public_key(), ca, f"the KMS key '{self._key_arn}'")
            return make_verification_certificate(ca, key, registration_code())
        except AwsError as error:
            raise KmsKeyUnavailableError(
                f"cannot use the KMS key '{self._key_arn}': {error_code(error)}; it must exist, be enabled, "
                "and its key policy must let the account's roles use it (kms:GetPublicKey, kms:Sign)"
            ) from error

    def _key(self) -> KmsKey:
        try:
            answer = self._client.get_public_key(KeyId=self._key_arn)
        except self._client.exceptions.UnsupportedOperationException as error:
            raise self._wrong_kind("a symmetric key") from error
        if answer["KeyUsage"] != "SIGN_VERIFY":
            raise self._wrong_kind(f"a key for {answer['KeyUsage']}")
        public_key = load_der_public_key(answer["PublicKey"])
        if isinstance(public_key, rsa.RSAPublicKey):
            return KmsRsaKey(self._client, self._key_arn, public_key)
        if isinstance(public_key, ec.EllipticCurvePublicKey):
            return KmsEcKey(self._client, self._key_arn, public_key)
        raise self._wrong_kind(f"a key of type {type(public_key).__name__.removesuffix('PublicKey')}")

    def _wrong_kind(self, found: str) -> WrongKindOfKmsKeyError:
        return WrongKindOfKmsKeyError(
            f"the KMS key '{self._key_arn}' is {found}; expected an asymmetric key for SIGN_VERIFY, spec "
            f"{', '.join(KEY_SPECS)}"
        )
