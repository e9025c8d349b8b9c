"""Device and CA certificates: parsed by `cryptography`, checked by the rules of RFC 5280 section 6.1.

Nothing here depends on AWS. A check that fails raises `RefusedError` with the `Reason` for the ledger.
"""

import warnings
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.x509.oid import NameOID

from iot_jitr_runtime.errors import JitrError
from iot_jitr_runtime.identifiers import CertificateId, SerialNumber, serial_number
from iot_jitr_runtime.outcomes import Reason, RefusedError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.serialization import Encoding

CLOCK_TOLERANCE = timedelta(seconds=5)
"""The allowed difference between the clocks of a CA and of this function."""

NO_END = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
"""notAfter of a certificate without a well-defined expiration date (RFC 5280 section 4.1.2.5)."""

UNREADABLE = (
    ValueError,
    TypeError,
    x509.InvalidVersion,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)
"""What `cryptography` raises when it reads a part of a certificate or a CRL that does not follow X.509."""

_E = TypeVar("_E", bound=x509.ExtensionType)


class MalformedCertificateError(JitrError):
    """The bytes are not one well-formed X.509 certificate, or its extensions cannot be read."""


@dataclass(frozen=True)
class Certificate:
    """An X.509 certificate, device or CA."""

    x509: x509.Certificate

    @classmethod
    def load(cls, data: bytes | str) -> "Certificate":
        """Read one certificate, PEM or DER.

        Raises:
            MalformedCertificateError: It is not exactly one certificate.
        """
        raw = data.encode() if isinstance(data, str) else data
        try:
            with warnings.catch_warnings():
                # Unusual but readable certificates (long names, negative serial numbers) cause no error here.
                warnings.simplefilter("ignore")
                found = (
                    x509.load_pem_x509_certificates(raw)
                    if b"-----BEGIN" in raw
                    else [x509.load_der_x509_certificate(raw)]
                )
                for certificate in found:
                    _read_through(certificate)
        except UNREADABLE as error:
            raise MalformedCertificateError(f"not an X.509 certificate: {error}") from error
        if len(found) != 1:
            raise MalformedCertificateError(f"found {len(found)} certificates, expected one")
        return cls(found[0])

    @cached_property
    def der(self) -> bytes:
        """The certificate's DER encoding."""
        return self.x509.public_bytes(_encoding().DER)

    @cached_property
    def pem(self) -> str:
        """The certificate's PEM encoding."""
        return self.x509.public_bytes(_encoding().PEM).decode()

    @cached_property
    def fingerprint(self) -> CertificateId:
        """SHA-256 of the DER in hexadecimal: the `certificateId` AWS IoT gives a device certificate."""
        return CertificateId(self.x509.fingerprint(hashes.SHA256()).hex())

    @cached_property
    def serial_number(self) -> SerialNumber:
        """The serial number as the ledger writes it."""
        return serial_number(self.x509.serial_number)

    @cached_property
    def subject(self) -> str:
        """The subject as RFC 4514 writes it."""
        return self.x509.subject.rfc4514_string()

    @cached_property
    def common_names(self) -> list[str]:
        """All common names of the subject, exactly as in the certificate, never split or unescaped."""
        return [str(a.value) for a in self.x509.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]

    def extension(self, kind: type[_E]) -> _E | None:
        """Return the value of an extension, or None if the certificate does not have it.

        Raises:
            MalformedCertificateError: The certificate's extensions cannot be read.
        """
        return read_extension(self.x509, kind)

    @property
    def not_before(self) -> datetime:
        """First moment of the validity period."""
        return self.x509.not_valid_before_utc

    @property
    def not_after(self) -> datetime:
        """Last moment of the validity period."""
        return self.x509.not_valid_after_utc

    def check_issued_by(self, ca: "Certificate") -> None:
        """Check the issuer's name and signature (RFC 5280 section 6.1.3 (a) (1) and (4)).

        Raises:
            RefusedError: `ISSUER_MISMATCH`, `BAD_SIGNATURE` or `UNSUPPORTED_KEY`.
        """
        # The library makes the same comparison below: RFC 5280 section 4.1.2.6 requires the same encoding.
        if self.x509.issuer.public_bytes() != ca.x509.subject.public_bytes():
            raise RefusedError(
                Reason.ISSUER_MISMATCH,
                f"issuer is '{self.x509.issuer.rfc4514_string()}', its CA's subject is '{ca.subject}', "
                "and they differ byte for byte",
            )
        try:
            self.x509.verify_directly_issued_by(ca.x509)
        except InvalidSignature:
            raise RefusedError(
                Reason.BAD_SIGNATURE, f"the signature is not by the key of '{ca.subject}'"
            ) from None
        except (UnsupportedAlgorithm, TypeError, ValueError) as error:
            raise RefusedError(Reason.UNSUPPORTED_KEY, f"cannot verify the signature: {error}") from error

    def check_validity(self, now: datetime | None = None) -> None:
        """Check that `now` is within the validity period (RFC 5280 section 4.1.2.5).

        Raises:
            RefusedError: `NOT_YET_VALID` or `EXPIRED`.
        """
        now = now or datetime.now(UTC)
        # Compare differences only: notAfter 99991231235959Z is the latest possible time, so adding to it
        # fails.
        if self.not_before - now > CLOCK_TOLERANCE:
            raise RefusedError(Reason.NOT_YET_VALID, f"valid from {self.not_before:%Y-%m-%d %H:%M:%SZ}")
        if now - self.not_after > CLOCK_TOLERANCE:
            raise RefusedError(Reason.EXPIRED, f"expired on {self.not_after:%Y-%m-%d %H:%M:%SZ}")


def read_extension(certificate: x509.Certificate, kind: type[_E]) -> _E | None:
    """Return the value of an extension, or None if `certificate` does not have it.

    Raises:
        MalformedCertificateError: The certificate's extensions cannot be read.
    """
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
    except UNREADABLE as error:
        raise MalformedCertificateError(f"the certificate's extensions cannot be read: {error}") from error


def _read_through(certificate: x509.Certificate) -> None:
    """Read now what the library parses lazily, so that later reads cannot fail."""
    for part in ("issuer", "subject", "serial_number", "not_valid_before_utc", "not_valid_after_utc"):
        getattr(certificate, part)


def _encoding() -> "type[Encoding]":
    # This import loads the modules of all key formats. An activation does not need them; they take a tenth of
    # its start.
    from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415

    return Encoding
