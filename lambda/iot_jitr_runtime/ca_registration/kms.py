"""CA keys in KMS: KMS signs with them and never returns them.

The classes implement the private keys of `cryptography`, so the library builds certificates and signs them
with such a key. All other operations of a private key are refused: they would need the private half.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NoReturn

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm
from cryptography.hazmat.primitives.serialization import load_der_public_key

from iot_jitr_runtime.ca_registration.signers import SignerError

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_kms.literals import SigningAlgorithmSpecType

KEY_SPECS = ("RSA_2048", "RSA_3072", "RSA_4096", "ECC_NIST_P256", "ECC_NIST_P384", "ECC_NIST_P521")
"""The KMS keys that a CA can have: AWS IoT accepts their signatures."""

_RSA: "Mapping[type[HashAlgorithm], SigningAlgorithmSpecType]" = {
    SHA256: "RSASSA_PKCS1_V1_5_SHA_256",
    SHA384: "RSASSA_PKCS1_V1_5_SHA_384",
    SHA512: "RSASSA_PKCS1_V1_5_SHA_512",
}
_ECDSA: "Mapping[type[HashAlgorithm], SigningAlgorithmSpecType]" = {
    SHA256: "ECDSA_SHA_256",
    SHA384: "ECDSA_SHA_384",
    SHA512: "ECDSA_SHA_512",
}


def kms_key(client: "KMSClient", arn: str) -> "KmsRsaKey | KmsEcKey":
    """The KMS key at `arn` as a private key of `cryptography`.

    Raises:
        SignerError: It is not a key for signing certificates.
    """
    try:
        answer = client.get_public_key(KeyId=arn)
    except client.exceptions.UnsupportedOperationException as error:
        raise _wrong_kind(arn, "a symmetric key") from error
    if answer["KeyUsage"] != "SIGN_VERIFY":
        raise _wrong_kind(arn, f"a key for {answer['KeyUsage']}")
    public_key = load_der_public_key(answer["PublicKey"])
    if isinstance(public_key, rsa.RSAPublicKey):
        return KmsRsaKey(client, arn, public_key)
    if isinstance(public_key, ec.EllipticCurvePublicKey):
        return KmsEcKey(client, arn, public_key)
    raise _wrong_kind(arn, f"a key of type {type(public_key).__name__.removesuffix('PublicKey')}")


def _wrong_kind(arn: str, found: str) -> SignerError:
    return SignerError(
        f"the KMS key '{arn}' is {found}; expected an asymmetric key for SIGN_VERIFY, spec "
        f"{', '.join(KEY_SPECS)}"
    )


def _refuse(*_arguments: object) -> NoReturn:
    raise UnsupportedAlgorithm("the private key is in KMS, which signs with it and does nothing else")


class _KmsKey:
    """What both kinds of keys have in common."""

    _SPECS: "Mapping[type[HashAlgorithm], SigningAlgorithmSpecType]"

    def __init__(self, client: "KMSClient", key_id: str, public_key: Any) -> None:
        self._client = client
        self._key_id = key_id
        self._public_key = public_key

    @property
    def key_size(self) -> int:
        """Bits of the modulus or of the curve."""
        return int(self._public_key.key_size)

    def public_key(self) -> Any:
        """The public half."""
        return self._public_key

    def _sign(self, data: bytes, algorithm: HashAlgorithm) -> bytes:
        # KMS hashes up to 4,096 bytes itself; a verification certificate has a few hundred.
        answer = self._client.sign(
            KeyId=self._key_id,
            Message=data,
            MessageType="RAW",
            SigningAlgorithm=self._SPECS[type(algorithm)],
        )
        return answer["Signature"]

    __copy__ = __deepcopy__ = private_numbers = private_bytes = decrypt = exchange = _refuse


class KmsRsaKey(_KmsKey, rsa.RSAPrivateKey):
    """An RSA key in KMS for `cryptography`, to make a CA certificate; PKCS #1 v1.5 padding.

    https://docs.aws.amazon.com/kms/latest/APIReference/API_Sign.html
    """

    _SPECS = _RSA

    def sign(self, data: bytes, padding: Any, algorithm: Any) -> bytes:  # noqa: ARG002 -- there is one padding
        """Sign `data`, which `algorithm` hashes."""
        return self._sign(data, algorithm)


class KmsEcKey(_KmsKey, ec.EllipticCurvePrivateKey):
    """An elliptic-curve key in KMS for `cryptography`, to make a CA certificate; ECDSA.

    https://docs.aws.amazon.com/kms/latest/APIReference/API_Sign.html
    """

    _SPECS = _ECDSA

    @property
    def curve(self) -> ec.EllipticCurve:
        """The curve."""
        return self._public_key.curve  # type: ignore[no-any-return]

    def sign(self, data: Any, signature_algorithm: Any) -> bytes:
        """Sign `data`, which the algorithm hashes."""
        return self._sign(bytes(data), signature_algorithm.algorithm)
