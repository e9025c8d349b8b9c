"""CRLs for tests: valid by default, wrong in exactly one given way."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding

from iot_jitr_cli.pki.authority import DevelopmentCa
from iot_jitr_cli.pki.extensions import Extension as CertificateExtension
from iot_jitr_runtime.certificates import Certificate
from tests.support.identities import common_name, unsigned
from tests.support.pkix_der import ALGORITHMS, CrlFields, extension, integer, utc_time

NOW = datetime.now(UTC).replace(microsecond=0)
KEY_COMPROMISE = x509.ReasonFlags.key_compromise
HOLD = x509.ReasonFlags.certificate_hold
SUPERSEDED = x509.ReasonFlags.superseded
NO_END = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
"""No well-defined expiration date (RFC 5280 section 4.1.2.5)."""

Extension = tuple[x509.ExtensionType, bool]
"""An extension and whether it is critical."""

BROKEN_POINTS = CertificateExtension(x509.UnrecognizedExtension(x509.CRLDistributionPoints.oid, b"\x04\x00"))
"""Distribution points of a certificate that cannot be read."""


@dataclass(frozen=True)
class Entry:
    serial: int
    reason: x509.ReasonFlags | None = None
    extensions: Sequence[Extension] = ()
    revoked_at: datetime = NOW - timedelta(days=1)

    def build(self) -> x509.RevokedCertificate:
        builder = x509.RevokedCertificateBuilder().serial_number(self.serial).revocation_date(self.revoked_at)
        if self.reason is not None:
            builder = builder.add_extension(x509.CRLReason(self.reason), critical=False)
        for value, critical in self.extensions:
            builder = builder.add_extension(value, critical)
        return builder.build()


def make_ca(
    name: str = "CRL test CA", extensions: Iterable[Extension] = (), key: object = None
) -> DevelopmentCa:
    """A CA with exactly these extensions beside basic constraints."""
    private: Any = key or ec.generate_private_key(ec.SECP256R1())
    builder = unsigned(private, common_name(name), is_ca=True)
    for value, critical in extensions:
        builder = builder.add_extension(value, critical)
    algorithm = None if isinstance(private, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return DevelopmentCa(Certificate(builder.sign(private, algorithm)), private)


@dataclass(frozen=True)
class CrlSpec:
    """The content of a CRL."""

    entries: Sequence[Entry] = ()
    number: int | None = 1
    this_update: datetime = NOW - timedelta(hours=1)
    next_update: datetime = NOW + timedelta(days=1)
    extensions: Sequence[Extension] = ()
    algorithm: hashes.HashAlgorithm | None = field(default_factory=hashes.SHA256)
    padding: object = None


def make_crl(ca: DevelopmentCa, spec: CrlSpec | None = None, encoding: Encoding = Encoding.DER) -> bytes:
    """Sign a CRL with the CA's key."""
    spec = spec or CrlSpec()
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(ca.certificate.x509.subject)
        .last_update(spec.this_update)
        .next_update(spec.next_update)
    )
    if spec.number is not None:
        builder = builder.add_extension(x509.CRLNumber(spec.number), critical=False)
    for value, critical in spec.extensions:
        builder = builder.add_extension(value, critical)
    for entry in spec.entries:
        builder = builder.add_revoked_certificate(entry.build())
    signed = builder.sign(ca.key, spec.algorithm, rsa_padding=spec.padding)  # type: ignore[arg-type]
    return signed.public_bytes(encoding)


def idp(*urls: str, **limits: object) -> Extension:
    """A critical IssuingDistributionPoint with these URLs and limits."""
    values: dict[str, object] = {
        "full_name": [x509.UniformResourceIdentifier(url) for url in urls] or None,
        "relative_name": None,
        "only_contains_user_certs": False,
        "only_contains_ca_certs": False,
        "only_some_reasons": None,
        "indirect_crl": False,
        "only_contains_attribute_certs": False,
    }
    return x509.IssuingDistributionPoint(**(values | limits)), True  # type: ignore[arg-type]


def raw_crl(ca: DevelopmentCa, **fields: Any) -> bytes:
    """Sign a CRL of other `CrlFields` than the usual ones, for what no library writes; its number is 10."""
    usual = {
        "algorithm": ALGORITHMS["ECDSA with SHA-256"],
        "signer": ca.key,
        "issuer": ca.certificate.x509.subject.public_bytes(),
        "this_update": utc_time(NOW - timedelta(hours=1)),
        "next_update": utc_time(NOW + timedelta(days=1)),
        "extensions": {"number": extension("551d14", integer(10))},
    }
    return CrlFields(**(usual | fields)).der()
