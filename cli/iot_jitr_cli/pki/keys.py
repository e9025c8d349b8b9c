"""Key pairs of the types that AWS IoT Core accepts, for CAs and devices."""

from collections.abc import Callable
from enum import StrEnum

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
    load_pem_private_key,
)

from iot_jitr_cli.console import WrongUseError
from iot_jitr_runtime.accepted_algorithms import PrivateKey
from iot_jitr_runtime.certificates import Certificate


class KeyKind(StrEnum):
    """Algorithm and size of a key pair."""

    EC_P256 = "ec-p256"
    EC_P384 = "ec-p384"
    RSA_2048 = "rsa-2048"
    RSA_4096 = "rsa-4096"

    def generate(self) -> PrivateKey:
        """Make a new key pair."""
        match self:
            case KeyKind.EC_P256:
                return ec.generate_private_key(ec.SECP256R1())
            case KeyKind.EC_P384:
                return ec.generate_private_key(ec.SECP384R1())
            case KeyKind.RSA_2048:
                return rsa.generate_private_key(public_exponent=65537, key_size=2048)
            case KeyKind.RSA_4096:
                return rsa.generate_private_key(public_exponent=65537, key_size=4096)


class UnreadableKeyError(WrongUseError):
    """The data is not a private key of a supported type."""


def load_key(data: bytes, ask_passphrase: Callable[[], str] | None = None) -> PrivateKey:
    """Read a private key, PEM or DER.

    Args:
        data: The content of the key's file.
        ask_passphrase: Called if the key is encrypted; None: an encrypted key is refused.

    Raises:
        UnreadableKeyError: Not a private key, an encrypted one, a wrong passphrase, or neither EC nor RSA.
            The message contains no part of the key.
    """
    load = load_pem_private_key if b"-----BEGIN" in data else load_der_private_key
    try:
        try:
            key = load(data, password=None)
        except TypeError:
            if ask_passphrase is None:
                raise UnreadableKeyError(
                    "the private key is encrypted; give an unencrypted copy: openssl pkey -in KEY -out "
                    "PLAIN-KEY"
                ) from None
            key = load(data, password=ask_passphrase().encode())
    except (ValueError, UnsupportedAlgorithm):
        # The library's message could contain parts of the input.
        wrong = ", or the passphrase is wrong" if ask_passphrase else ""
        raise UnreadableKeyError(f"not a private key: expected PEM or DER, EC or RSA{wrong}") from None
    if not isinstance(key, PrivateKey):
        raise UnreadableKeyError(f"the private key is {type(key).__name__}, expected EC or RSA")
    return key


def has_key(certificate: Certificate, key: PrivateKey) -> bool:
    """Whether `key` is the certificate's private key."""
    try:
        return certificate.x509.public_key() == key.public_key()
    except (UnsupportedAlgorithm, ValueError):  # a public key that the library cannot parse is another key
        return False


def key_pem(key: PrivateKey) -> bytes:
    """The key as unencrypted PKCS #8 PEM, the format that device SDKs read."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
