"""Checks of a CA certificate before it is registered.

They run at synthesis, so that a deployment does not fail later, and in the function, because only the
function can read the certificate of an AWS Private CA. What AWS IoT accepts:
https://docs.aws.amazon.com/iot/latest/developerguide/x509-client-certs.html
"""

from datetime import UTC, datetime, timedelta
from enum import StrEnum

from cryptography import x509

from iot_jitr_runtime.accepted_algorithms import (
    SUPPORTED_KEYS,
    SUPPORTED_SIGNATURES,
    UnsupportedKeyError,
    UnsupportedSignatureError,
    supported_key,
    supported_signature,
)
from iot_jitr_runtime.certificates import Certificate, MalformedCertificateError
from iot_jitr_runtime.errors import JitrError
from iot_jitr_runtime.outcomes import Reason, RefusedError

EXPIRY_WARNING = timedelta(days=90)
"""The warning appears this long before the end of a CA certificate."""

_PEM_HEADER = "-----BEGIN "
_CERTIFICATE_HEADER = "-----BEGIN CERTIFICATE-----"


class CaFault(StrEnum):
    """The fault of a CA certificate, or of the proof of possession of its key."""

    NOT_A_CERTIFICATE = "not_a_certificate"
    """The file holds no X.509 certificate, or one that cannot be read."""
    SEVERAL_CERTIFICATES = "several_certificates"
    """The file holds more than one certificate."""
    NOT_ONLY_A_CERTIFICATE = "not_only_a_certificate"
    """The file holds something besides the certificate, such as a private key."""
    NOT_A_CA = "not_a_ca"
    """The certificate may not sign certificates."""
    EXPIRED = "expired"
    """The certificate's validity has ended."""
    NOT_YET_VALID = "not_yet_valid"
    """The certificate's validity has not begun."""
    UNSUPPORTED_KEY = "unsupported_key"
    """AWS IoT does not accept a key of this kind or size."""
    UNSUPPORTED_SIGNATURE = "unsupported_signature"
    """AWS IoT does not accept this signature algorithm."""
    KEY_MISMATCH = "key_mismatch"
    """The private key belongs to another certificate."""
    NOT_SIGNED_BY_CA = "not_signed_by_ca"
    """The CA did not sign the verification certificate."""
    OTHER_REGISTRATION_CODE = "other_registration_code"
    """The verification certificate is for another account or region."""


class CaCertificateError(JitrError):
    """The CA certificate, or the proof of possession of its key, cannot be used; `fault` is the reason."""

    def __init__(self, fault: CaFault, message: str) -> None:
        super().__init__(message)
        self.fault = fault


def load_ca_certificate(pem: str) -> Certificate:
    """Read the CA certificate in `pem`, which must be its only content.

    Raises:
        CaCertificateError: It is not one certificate, or there is something else beside it.
    """
    return load_one_certificate(pem, what="CA certificate")


def load_one_certificate(pem: str, *, what: str) -> Certificate:
    """Read the one certificate that `pem` must hold, and nothing else; errors call it `what`.

    A private key beside the certificate is refused without parsing it, because the text becomes part of a
    template.

    Raises:
        CaCertificateError: It is not one certificate, or there is something else beside it.
    """
    blocks = pem.count(_PEM_HEADER)
    certificates = pem.count(_CERTIFICATE_HEADER)
    if blocks != certificates:
        raise CaCertificateError(
            CaFault.NOT_ONLY_A_CERTIFICATE,
            f"the file of the {what} also holds something that is not a certificate (a private key?); give "
            "the certificate alone: it becomes part of the template, where no key may ever be",
        )
    if certificates == 0:
        raise CaCertificateError(
            CaFault.NOT_A_CERTIFICATE,
            f"the {what} is not a certificate; expected PEM with one '{_CERTIFICATE_HEADER}' block",
        )
    if certificates > 1:
        raise CaCertificateError(
            CaFault.SEVERAL_CERTIFICATES,
            f"found {certificates} certificates in place of the {what}, expected one, without its chain; "
            "several CAs are configured as several entries",
        )
    try:
        return Certificate.load(pem)
    except MalformedCertificateError as error:
        raise CaCertificateError(
            CaFault.NOT_A_CERTIFICATE, f"the {what} cannot be read: {error}; is the file damaged?"
        ) from error


def check_ca_certificate(ca: Certificate, now: datetime | None = None) -> None:
    """Check that AWS IoT accepts `ca` and that device certificates can be verified with it.

    Raises:
        CaCertificateError: AWS IoT does not accept it, or its devices cannot be verified.
    """
    _check_may_sign(ca)
    _check_period(ca, now)
    try:
        supported_key(ca)
        supported_signature(ca)
    except UnsupportedKeyError as error:
        raise CaCertificateError(
            CaFault.UNSUPPORTED_KEY, f"the CA's key is {error}; AWS IoT takes {SUPPORTED_KEYS}"
        ) from error
    except UnsupportedSignatureError as error:
        raise CaCertificateError(
            CaFault.UNSUPPORTED_SIGNATURE,
            f"the CA certificate is signed with {error}; AWS IoT takes {SUPPORTED_SIGNATURES}",
        ) from error


def expires_soon(ca: Certificate) -> bool:
    """Whether `ca` ends within `EXPIRY_WARNING`."""
    return ca.not_after - datetime.now(UTC) < EXPIRY_WARNING


def _check_may_sign(ca: Certificate) -> None:
    try:
        constraints, usage = ca.extension(x509.BasicConstraints), ca.extension(x509.KeyUsage)
    except MalformedCertificateError as error:
        raise CaCertificateError(CaFault.NOT_A_CERTIFICATE, f"'{ca.subject}': {error}") from error
    if constraints is None or not constraints.ca:
        found = "no basicConstraints" if constraints is None else "CA:FALSE"
        raise CaCertificateError(
            CaFault.NOT_A_CA,
            f"'{ca.subject}' is not a CA certificate: found {found}, expected basicConstraints CA:TRUE "
            "(RFC 5280 section 4.2.1.9); is it a device certificate?",
        )
    if usage is not None and not usage.key_cert_sign:
        raise CaCertificateError(
            CaFault.NOT_A_CA,
            f"'{ca.subject}' may not sign certificates: its keyUsage lacks keyCertSign (RFC 5280 section "
            "4.2.1.3)",
        )


def _check_period(ca: Certificate, now: datetime | None) -> None:
    try:
        ca.check_validity(now)
    except RefusedError as error:
        if error.reason is Reason.EXPIRED:
            raise CaCertificateError(
                CaFault.EXPIRED,
                f"the CA certificate '{ca.subject}' {error}; none of its devices can be activated any more: "
                "put its successor in its place, or take it out of the configuration",
            ) from error
        raise CaCertificateError(
            CaFault.NOT_YET_VALID,
            f"the CA certificate '{ca.subject}' is {error} only; deploy then, or check the clock of the "
            "machine that made it",
        ) from error
