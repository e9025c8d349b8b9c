"""Signs a verification certificate on the machine that has the CA's key; it needs no network."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from iot_jitr_cli.certificate_file import read_certificate
from iot_jitr_cli.console import WrongUseError
from iot_jitr_cli.pki.keys import UnreadableKeyError, load_key
from iot_jitr_runtime.ca_registration.validation import CaCertificateError, check_ca_certificate
from iot_jitr_runtime.ca_registration.verification import (
    check_key_belongs,
    make_verification_certificate,
)

_CODE_LENGTH = 64


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
        registration_code: The output of `jitr ca registration-code` in the account and region in which the CA
            is registered afterwards: 64 hexadecimal digits.
        ca_certificate: File of the CA certificate, PEM or DER.
        ca_key: File of its private key, PEM or DER, encrypted or not.
        validity: The period in which it can be used to register the CA.
        ask_passphrase: Called if the key is encrypted.

    Raises:
        WrongUseError: `registration_code` is not a registration code, AWS IoT does not accept the CA
            certificate, the key belongs to another CA, a file has other content, or the passphrase is wrong.
    """
    if not registration_code.isalnum() or len(registration_code) != _CODE_LENGTH:
        raise WrongUseError(
            f"'{registration_code}' is no registration code: expected the {_CODE_LENGTH} characters that "
            "'jitr ca registration-code' prints"
        )
    try:
        ca = read_certificate(ca_certificate)
        check_ca_certificate(ca)
        key = load_key(ca_key.read_bytes(), ask_passphrase)
        check_key_belongs(key.public_key(), ca, str(ca_key))
    except CaCertificateError as error:
        raise WrongUseError(f"{ca_certificate}: {error}") from error
    except UnreadableKeyError as error:
        raise WrongUseError(f"{ca_key}: {error}") from error
    return make_verification_certificate(ca, key, registration_code, validity=validity)
