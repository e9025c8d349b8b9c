"""Private keys as `cryptography` knows them, whose private half is in KMS.

The library itself builds certificates and signs them with such a key, so nothing of X.509 is put together by
hand. What else a private key can do is refused: it would take the private half.
"""

from typing import TYPE_CHECKING, Any, NoReturn

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient
    from mypy_boto3_kms.literals import SigningAlgorithmSpecType

_RSA: "dict[type[HashAlgorithm], SigningAlgorithmSpecType]" = {
    SHA256: "RSASSA_PKCS1_V1_5_SHA_256",
    SHA384: "RSASSA_PKCS1_V1_5_SHA_384",
    SHA512: "RSASSA_PKCS1_V1_5_SHA_512",
}
_ECDSA: "dict[type[HashAlgorithm], SigningAlgorithmSpecType]" = {
    SHA256: "ECDSA_SHA_256",
    SHA384: "ECDSA_SHA_384",
    SHA512: "ECDSA_SHA_512",
}


def _refuse(*_arguments: object) -> NoReturn:
    raise UnsupportedAlgorithm("the private key is in KMS, which signs with it and does nothing else")


class _InKms:
    """What both kinds of keys have in common."""

    def __init__(self, client: "KMSClient", key_id: str) -> None:
        self._client = client
        self._key_id = key_id

    def _sign(
        self,
        data: bytes,
        algorithm: HashAlgorithm,
        specs: "dict[type[HashAlgorithm], SigningAlgorithmSpecType]",
    ) -> bytes:
        # KMS hashes up to 4,096 bytes itself; a verification certificate has a few hundred.
        answer = self._client.sign(
            KeyId=self._key_id,
            Message=data,
            MessageType="RAW",
            SigningAlgorithm=specs[type(algorithm)],
        )
        return answer["Signature"]

    __copy__ = __deepcopy__ = private_numbers = private_bytes = decrypt = exchange = _refuse


class KmsRsaKey(_InKms, rsa.RSAPrivateKey):
    """An RSA key in KMS; signs with PKCS #1 v1.5 padding."""

    def __init__(self, client: "KMSClient", key_id: str, public_key: rsa.RSAPublicKey) -> None:
        super().__init__(client, key_id)
        self._public_key = public_key

    @property
    def key_size(self) -> int:
        """Bits of the modulus."""
        return self._public_key.key_size

    def public_key(self) -> rsa.RSAPublicKey:
        """The public half."""
        return self._public_key

    def sign(self, data: bytes, padding: Any, algorithm: Any) -> bytes:  # noqa: ARG002 -- one padding is known
        """Sign `data`, which `algorithm` hashes."""
        return self._sign(data, algorithm, _RSA)


class KmsEcKey(_InKms, ec.EllipticCurvePrivateKey):
    """An elliptic-curve key in KMS; signs with ECDSA."""

    def __init__(self, client: "KMSClient", key_id: str, public_key: ec.EllipticCurvePublicKey) -> None:
        super().__init__(client, key_id)
        self._public_key = public_key

    @property
    def curve(self) -> ec.EllipticCurve:
        """The curve."""
        return self._public_key.curve

    @property
    def key_size(self) -> int:
        """Bits of the curve."""
        return self._public_key.key_size

    def public_key(self) -> ec.EllipticCurvePublicKey:
        """The public half."""
        return self._public_key

    def sign(self, data: Any, signature_algorithm: Any) -> bytes:
        """Sign `data`, which the algorithm hashes."""
        return self._sign(bytes(data), signature_algorithm.algorithm, _ECDSA)


KmsKey = KmsRsaKey | KmsEcKey
