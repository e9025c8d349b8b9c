"""Signs a verification certificate where the CA's key is: on a machine without AWS, or any network."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_pem_private_key

from iot_jitr_cli.certificate_file import read_certificate
from iot_jitr_cli.console import WrongUseError
from iot_jitr_runtime.ca_registration.validation import CaCertificateError, check_ca_certificate
from iot_jitr_runtime.ca_registration.verification import (
    SigningKey,
    check_key_belongs,
    make_verification_certificate,
)

_CODE_LENGTH = 64


class UnusableCaKeyError(WrongUseError):
    """The file holds no private key that can sign for a CA, or the passphrase is wrong."""


class UnusableCaError(WrongUseError):
    """The certificate is no CA certificate that AWS IoT would take, or the key is not its own."""


class NoRegistrationCodeError(WrongUseError):
    """What was given is no registration code."""


def sign_verification(
    registration_code: str,
    ca_certificate: Path,
    ca_key: Path,
    *,
    validity: timedelta,
    ask_passphrase: Callable[[], str],
) -> str:
    """Make the verification certificate for `registration_code`, PEM.

    Args:
        registration_code: What `jitr ca registration-code` printed, in the account and region where the CA is
            going to be registered: 64 hexadecimal digits.
        ca_certificate: File of the CA certificate, PEM or DER.
        ca_key: File of its private key, PEM or DER, encrypted or not.
        validity: Until when it may be used to register the CA.
        ask_passphrase: Called if the key is encrypted.

    Raises:
        NoRegistrationCodeError: It does not look like a registration code.
        UnreadableCertificateError: The file holds no certificate.
        UnusableCaError: AWS IoT would not take the CA certificate, or the key is another CA's.
        UnusableCaKeyError: The key cannot be read.
    """
    if not registration_code.isalnum() or len(registration_code) != _CODE_LENGTH:
        raise NoRegistrationCodeError(
            f"'{registration_code}' is no registration code: expected the {_CODE_LENGTH} characters that "
            "'jitr ca registration-code' prints"
        )
    try:
        ca = read_certificate(ca_certificate)
        check_ca_certificate(ca)
        key = _load_key(ca_key, ask_passphrase)
        check_key_belongs(key.public_key(), ca, str(ca_key))
    except CaCertificateError as error:
        raise UnusableCaError(f"{ca_certificate}: {error}") from error
    return make_verification_certificate(ca, key, registration_code, validity=validity)


def _load_key(path: Path, ask_passphrase: Callable[[], str]) -> SigningKey:
    data = path.read_bytes()
    load = load_pem_private_key if b"-----BEGIN" in data else load_der_private_key
    try:
        try:
            key = load(data, None)
        except TypeError:
            key = load(data, ask_passphrase().encode())
    except (ValueError, UnsupportedAlgorithm):
        # The library's message could quote the input.
        raise UnusableCaKeyError(
            f"{path} is no private key, PEM or DER, or the passphrase is wrong"
        ) from None
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise UnusableCaKeyError(f"the key in {path} is neither RSA nor EC; AWS IoT takes no other")
    return key
