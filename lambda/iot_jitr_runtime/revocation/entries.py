"""The entries of a CRL: serial numbers and reasons, checked one by one as they are read."""

from collections.abc import Iterator

from cryptography import x509

from iot_jitr_runtime.certificates import UNREADABLE
from iot_jitr_runtime.revocation.crl import Crl
from iot_jitr_runtime.revocation.model import RejectionReason, RevocationReason, UnusableCrlError, serial_key

_REASONS = {reason.flag: reason for reason in RevocationReason}
"""All but removeFromCRL."""


def entries(crl: Crl) -> Iterator[tuple[bytes, RevocationReason]]:
    """Read all entries of a verified CRL: the serial number as `serial_key` writes it, and the reason.

    Raises:
        UnusableCrlError: `CRITICAL_ENTRY_EXTENSION`, `INDIRECT`, `DELTA` or `MALFORMED`: the entries that
            were read before the error must not be used.
    """
    for entry in crl.parsed:
        yield serial_key(entry.serial_number), _reason(entry)


def _reason(entry: x509.RevokedCertificate) -> RevocationReason:
    reason = RevocationReason.UNSPECIFIED
    try:
        extensions = entry.extensions
    except UNREADABLE as error:
        raise UnusableCrlError(
            RejectionReason.MALFORMED,
            f"the extensions of its entry {entry.serial_number:x} cannot be read: {error}",
        ) from error
    for extension in extensions:
        value = extension.value
        if isinstance(value, x509.CRLReason) and not extension.critical:
            if value.reason not in _REASONS:
                raise UnusableCrlError(
                    RejectionReason.DELTA,
                    f"its entry {entry.serial_number:x} has reason removeFromCRL, of delta CRLs",
                )
            reason = _REASONS[value.reason]
        elif isinstance(value, x509.CertificateIssuer):
            raise UnusableCrlError(
                RejectionReason.INDIRECT, f"its entry {entry.serial_number:x} is of another issuer"
            )
        elif extension.critical:
            raise UnusableCrlError(
                RejectionReason.CRITICAL_ENTRY_EXTENSION,
                f"its entry {entry.serial_number:x} has the critical extension {extension.oid.dotted_string}",
            )
    return reason
