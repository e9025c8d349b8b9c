"""What a CA certificate must be before AWS IoT is asked to register it.

The same checks run at synthesis and in the function: the earlier one spares a deployment, the later one is
for certificates that are only known then (AWS Private CA). What AWS accepts:
https://docs.aws.amazon.com/iot/latest/developerguide/x509-client-certs.html
"""

from datetime import UTC, datetime, timedelta

from cryptography import x509

from iot_jitr_runtime.accepted_algorithms import (
    SUPPORTED_KEYS,
    SUPPORTED_SIGNATURES,
    UnsupportedKeyError,
    UnsupportedSignatureError,
    supported_key,
    supported_signature,
)
from iot_jitr_runtime.certificates import CLOCK_TOLERANCE, Certificate, MalformedCertificateError
from iot_jitr_runtime.errors import JitrError

EXPIRY_WARNING = timedelta(days=90)
"""How long before its end a CA certificate is announced as expiring."""

_PEM_HEADER = "-----BEGIN "
_CERTIFICATE_HEADER = "-----BEGIN CERTIFICATE-----"


class CaCertificateError(JitrError):
    """The certificate cannot serve as it should."""


class NotACertificateError(CaCertificateError):
    """The file holds no X.509 certificate."""


class SeveralCertificatesError(CaCertificateError):
    """The file holds more than one certificate."""


class KeyInCertificateFileError(CaCertificateError):
    """The file holds something besides the certificate, such as a private key."""


class NotACaError(CaCertificateError):
    """The certificate may not sign certificates."""


class CaExpiredError(CaCertificateError):
    """The CA certificate's validity has ended."""


class CaNotYetValidError(CaCertificateError):
    """The CA certificate's validity has not begun."""


class WeakKeyError(CaCertificateError):
    """The CA's public key is of a kind or size that AWS IoT does not take."""


class WeakSignatureError(CaCertificateError):
    """The CA certificate is signed with an algorithm that AWS IoT does not take."""


def load_ca_certificate(pem: str) -> Certificate:
    """Read the CA certificate that `pem` holds alone.

    Raises:
        CaCertificateError: Not a certificate, several of them, or something else beside it.
    """
    return load_one_certificate(pem, what="CA certificate")


def load_one_certificate(pem: str, *, what: str) -> Certificate:
    """Read the one certificate that `pem` must hold, and nothing else; errors call it `what`.

    A private key beside the certificate is refused without looking at it: the text is going to stand in a
    template.

    Raises:
        CaCertificateError: Not a certificate, several of them, or something else beside it.
    """
    blocks = pem.count(_PEM_HEADER)
    certificates = pem.count(_CERTIFICATE_HEADER)
    if blocks != certificates:
        raise KeyInCertificateFileError(
            f"the file of the {what} also holds something that is not a certificate (a private key?); give "
            "the certificate alone: it becomes part of the template, where no key may ever be"
        )
    if certificates == 0:
        raise NotACertificateError(
            f"the {what} is not a certificate; expected PEM with one '{_CERTIFICATE_HEADER}' block"
        )
    if certificates > 1:
        raise SeveralCertificatesError(
            f"found {certificates} certificates in place of the {what}, expected one, without its chain; "
            "several CAs are configured as several entries"
        )
    try:
        return Certificate.load(pem)
    except MalformedCertificateError as error:
        raise NotACertificateError(f"the {what} cannot be read: {error}; is the file damaged?") from error


def check_ca_certificate(ca: Certificate, now: datetime | None = None) -> None:
    """Check that AWS IoT will take `ca` and that devices can be verified against it.

    Raises:
        CaCertificateError: One subclass for each thing that can be wrong.
    """
    _check_may_sign(ca)
    _check_period(ca, now or datetime.now(UTC))
    _check_key(ca)
    _check_signature(ca)


def expires_soon(ca: Certificate, now: datetime | None = None) -> bool:
    """Whether `ca` ends within `EXPIRY_WARNING`."""
    return ca.not_after - (now or datetime.now(UTC)) < EXPIRY_WARNING


def _check_may_sign(ca: Certificate) -> None:
    try:
        constraints = ca.x509.extensions.get_extension_for_class(x509.BasicConstraints).value
    except (x509.ExtensionNotFound, ValueError):
        constraints = None
    if constraints is None or not constraints.ca:
        found = "no basicConstraints" if constraints is None else "CA:FALSE"
        raise NotACaError(
            f"'{ca.subject}' is not a CA certificate: found {found}, expected basicConstraints CA:TRUE "
            "(RFC 5280 section 4.2.1.9); is it a device certificate?"
        )
    try:
        usage = ca.x509.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return
    if not usage.key_cert_sign:
        raise NotACaError(
            f"'{ca.subject}' may not sign certificates: its keyUsage lacks keyCertSign (RFC 5280 section "
            "4.2.1.3)"
        )


def _check_period(ca: Certificate, now: datetime) -> None:
    if now > ca.not_after + CLOCK_TOLERANCE:
        raise CaExpiredError(
            f"the CA certificate '{ca.subject}' expired on {ca.not_after:%Y-%m-%d %H:%M:%SZ}; none of its "
            "devices can get in any more: put its successor in its place, or take it out of the configuration"
        )
    if now < ca.not_before - CLOCK_TOLERANCE:
        raise CaNotYetValidError(
            f"the CA certificate '{ca.subject}' is not valid before {ca.not_before:%Y-%m-%d %H:%M:%SZ}; "
            "deploy then, or check the clock of the machine that made it"
        )


def _check_key(ca: Certificate) -> None:
    try:
        supported_key(ca)
    except UnsupportedKeyError as error:
        raise WeakKeyError(f"the CA's key is {error}; AWS IoT takes {SUPPORTED_KEYS}") from error


def _check_signature(ca: Certificate) -> None:
    try:
        supported_signature(ca)
    except UnsupportedSignatureError as error:
        raise WeakSignatureError(
            f"the CA certificate is signed with {error}; AWS IoT takes {SUPPORTED_SIGNATURES}"
        ) from error
