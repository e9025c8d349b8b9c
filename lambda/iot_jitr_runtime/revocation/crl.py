"""A CRL as it was read, before it is verified (RFC 5280 section 5)."""

import hashlib
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from iot_jitr_runtime.certificates import UNREADABLE
from iot_jitr_runtime.revocation.model import CrlRecord, Origin, RejectionReason, UnusableCrlError
from iot_jitr_runtime.revocation.scope import Scope

_PEM_BEGIN = b"-----BEGIN"
_PEM_CRL = b"-----BEGIN X509 CRL-----"
_SHOWN = 20
_LONGEST_NUMBER = 8 * 20
_INTEGER = 0x02
_LONG_FORM = 0x80

E = TypeVar("E", bound=x509.ExtensionType)


@dataclass(frozen=True, eq=False)
class Crl:
    """One CRL: well-formed, otherwise unverified. `verification.verify` checks whether it may be used."""

    der: bytes
    parsed: x509.CertificateRevocationList

    @classmethod
    def load(cls, data: bytes) -> "Crl":
        """Read one CRL, DER or PEM.

        Raises:
            UnusableCrlError: `MALFORMED`.
        """
        is_pem = _PEM_BEGIN in data and not data.startswith(b"\x30")
        if is_pem and (found := data.count(_PEM_CRL)) > 1:
            raise UnusableCrlError(RejectionReason.MALFORMED, f"found {found} CRLs in one file, expected one")
        try:
            if is_pem:
                data = x509.load_pem_x509_crl(data).public_bytes(Encoding.DER)
            parsed = x509.load_der_x509_crl(data)
            # They are parsed only when they are read.
            _ = parsed.issuer, parsed.last_update_utc, parsed.next_update_utc, parsed.extensions
            return cls(data, parsed)
        except UNREADABLE as error:
            raise UnusableCrlError(
                RejectionReason.MALFORMED,
                f"{len(data)} bytes that begin with {data[:_SHOWN]!r} are no X.509 CRL: {error}",
            ) from error

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the DER, hexadecimal."""
        return hashlib.sha256(self.der).hexdigest()

    @property
    def signed(self) -> memoryview:
        """The signed bytes (tbsCertList), in place in the DER.

        `parsed.tbs_certlist_bytes` and `is_signature_valid` would serialise it again: for a million entries
        that takes 0.6 s and 90 MB.
        """
        start, _ = _content(self.der, 0)
        _, end = _content(self.der, start)
        return memoryview(self.der)[start:end]

    @property
    def issuer(self) -> str:
        """The issuer as RFC 4514 writes it."""
        return self.parsed.issuer.rfc4514_string()

    @property
    def this_update(self) -> datetime:
        """When it was issued."""
        return self.parsed.last_update_utc

    @cached_property
    def next_update(self) -> datetime:
        """The latest time at which the next CRL is issued.

        Raises:
            UnusableCrlError: `NO_NEXT_UPDATE`.
        """
        moment = self.parsed.next_update_utc
        if moment is None:
            raise UnusableCrlError(RejectionReason.NO_NEXT_UPDATE, "it has no nextUpdate")
        return moment

    def extension(self, kind: type[E]) -> E | None:
        """The value of one of its extensions, None where it has none of that kind."""
        try:
            return self.parsed.extensions.get_extension_for_class(kind).value
        except x509.ExtensionNotFound:
            return None

    @cached_property
    def number(self) -> int:
        """Its CRL number.

        Raises:
            UnusableCrlError: `NO_NUMBER`.
        """
        first, _ = _content(self.signed, 0)
        if self.signed[first] != _INTEGER:
            raise UnusableCrlError(RejectionReason.NO_NUMBER, "it is of version 1, which has no extensions")
        found = self.extension(x509.CRLNumber)
        if found is None:
            raise UnusableCrlError(
                RejectionReason.NO_NUMBER, "it has no CRL number, so a rollback could not be noticed"
            )
        number = found.crl_number
        if number.bit_length() > _LONGEST_NUMBER:
            raise UnusableCrlError(RejectionReason.NO_NUMBER, "its CRL number is longer than 20 octets")
        return number

    def record(self, origin: Origin) -> CrlRecord:
        """Return its record for an index, without the number of its entries.

        Raises:
            UnusableCrlError: It was not verified.
        """
        return CrlRecord(
            scope=self.scope,
            issuer=self.issuer,
            number=self.number,
            this_update=self.this_update,
            next_update=self.next_update,
            digest=self.digest,
            origin=origin,
        )

    @cached_property
    def scope(self) -> Scope:
        """The certificates that it covers, by its IssuingDistributionPoint."""
        found = self.extension(x509.IssuingDistributionPoint)
        return Scope.of(found, self.parsed.issuer) if found else Scope()


def _content(der: bytes | memoryview, at: int) -> tuple[int, int]:
    """Return where the content of the element at `at` begins and ends, in DER that has been parsed before."""
    length, at = der[at + 1], at + 2
    if length >= _LONG_FORM:
        octets = length - _LONG_FORM
        length, at = int.from_bytes(der[at : at + octets], "big"), at + octets
    return at, at + length
