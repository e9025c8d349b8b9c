"""Reads the development CA's revocation list, extends it and signs it with the next CRL number."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from iot_jitr_cli.certificate_file import read_certificate
from iot_jitr_cli.console import WrongUseError
from iot_jitr_cli.pki.validity import now
from iot_jitr_runtime.ca_registration.verification import signature_hash
from iot_jitr_runtime.outcomes import RefusedError
from iot_jitr_runtime.revocation.crl import Crl
from iot_jitr_runtime.revocation.model import UnusableCrlError
from iot_jitr_runtime.revocation.verification import verify

if TYPE_CHECKING:
    from iot_jitr_cli.pki.authority import DevelopmentCa
    from iot_jitr_runtime.certificates import Certificate

CRL_FILE = "ca.crl"
"""DER, as clients that fetch a CRL over HTTP expect it (RFC 5280 section 4.2.1.13)."""
DEFAULT_LIFE = timedelta(days=7)
HOLD = x509.ReasonFlags.certificate_hold
REASONS = {
    reason.value: reason
    for reason in x509.ReasonFlags
    # This reason removes an entry; it is used in delta CRLs only.
    if reason is not x509.ReasonFlags.remove_from_crl
}
"""Reasons to revoke a certificate, by the names of RFC 5280 section 5.3.1."""


@dataclass
class RevocationList:
    """The certificates that the CA has revoked."""

    ca: "DevelopmentCa"
    number: int = 0
    """The CRL number of the last signed list."""
    entries: dict[int, x509.RevokedCertificate] = field(default_factory=dict)
    """By serial number."""

    @classmethod
    def read(cls, ca: "DevelopmentCa", path: Path) -> "RevocationList":
        """Continue the list in `path`; start a new one if there is no such file.

        Raises:
            WrongUseError: The file is not a CRL of this CA.
        """
        if not path.exists():
            return cls(ca)
        try:
            crl = Crl.load(path.read_bytes())
            verify(crl, ca.certificate)
        except UnusableCrlError as error:
            raise WrongUseError(
                f"{path} is no revocation list of this CA to continue: {error}; name another file with --out"
            ) from error
        return cls(ca, crl.number, {entry.serial_number: entry for entry in crl.parsed})

    def revoke(self, serial: int, reason: x509.ReasonFlags = x509.ReasonFlags.unspecified) -> None:
        """Add a certificate. An existing entry with a final revocation stays unchanged."""
        former = self.entries.get(serial)
        if former is None or _reason(former) is HOLD:
            builder = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now())
            # RFC 5280 section 5.3.1: for the reason "unspecified" the extension is left out.
            if reason is not x509.ReasonFlags.unspecified:
                builder = builder.add_extension(x509.CRLReason(reason), critical=False)
            self.entries[serial] = builder.build()

    def release(self, serial: int) -> None:
        """Remove a certificate that is on hold.

        Raises:
            WrongUseError: The certificate is not on hold.
        """
        former = self.entries.get(serial)
        if former is None or _reason(former) is not HOLD:
            found = f"revoked for good ({_reason(former).value})" if former else "not revoked"
            raise WrongUseError(f"serial {serial:x} is {found}; only a certificate on hold can be released")
        del self.entries[serial]

    def sign(
        self, life: timedelta = DEFAULT_LIFE, partition: str | None = None, at: datetime | None = None
    ) -> bytes:
        """Sign the list with the next number and return it, DER.

        Args:
            life: The time from thisUpdate to nextUpdate.
            partition: URL of the distribution point that it covers; None: all certificates of the CA.
            at: Its thisUpdate; None: now.
        """
        issued = at or now()
        self.number += 1
        issuer = self.ca.certificate.x509
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(issuer.subject)
            .last_update(issued)
            .next_update(issued + life)
            .add_extension(x509.CRLNumber(self.number), critical=False)
        )
        if partition is not None:
            builder = builder.add_extension(_issuing_distribution_point(partition), critical=True)
        for entry in self.entries.values():
            builder = builder.add_revoked_certificate(entry)
        return builder.sign(self.ca.key, signature_hash(self.ca.key)).public_bytes(Encoding.DER)


def serial_of(text: str, ca: "Certificate") -> int:
    """Return the serial number of a certificate file, or the value of a hexadecimal serial number.

    Raises:
        WrongUseError: `text` is neither of these, or the certificate is not of this CA.
    """
    path = Path(text)
    if path.is_file():
        certificate = read_certificate(path)
        try:
            certificate.check_issued_by(ca)
        except RefusedError as error:
            raise WrongUseError(f"{path} is not of this CA: {error}") from error
        return certificate.x509.serial_number
    try:
        serial = int(text.replace(":", ""), 16)
    except ValueError as error:
        raise WrongUseError(
            f"'{text}' is neither the file of a certificate nor a serial number in hexadecimal"
        ) from error
    if serial <= 0:
        raise WrongUseError(f"'{text}' is not a serial number: it must be greater than zero")
    return serial


def _reason(entry: x509.RevokedCertificate) -> x509.ReasonFlags:
    try:
        return entry.extensions.get_extension_for_class(x509.CRLReason).value.reason
    except x509.ExtensionNotFound:
        return x509.ReasonFlags.unspecified


def _issuing_distribution_point(url: str) -> x509.IssuingDistributionPoint:
    return x509.IssuingDistributionPoint(
        full_name=[x509.UniformResourceIdentifier(url)],
        relative_name=None,
        only_contains_user_certs=False,
        only_contains_ca_certs=False,
        only_some_reasons=None,
        indirect_crl=False,
        only_contains_attribute_certs=False,
    )
