"""The terms of the engine and its index: reasons to revoke, reasons to reject a CRL, records of CRLs."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import IntEnum, StrEnum
from typing import Any, Self

from cryptography import x509

from iot_jitr_runtime.errors import JitrError
from iot_jitr_runtime.revocation.scope import Scope


class RevocationReason(IntEnum):
    """Why a certificate was revoked: CRLReason (RFC 5280 section 5.3.1).

    7 is not used. removeFromCRL (8) occurs in delta CRLs only, so it is never in an index.
    """

    UNSPECIFIED = 0
    KEY_COMPROMISE = 1
    CA_COMPROMISE = 2
    AFFILIATION_CHANGED = 3
    SUPERSEDED = 4
    CESSATION_OF_OPERATION = 5
    CERTIFICATE_HOLD = 6
    PRIVILEGE_WITHDRAWN = 9
    AA_COMPROMISE = 10

    @property
    def label(self) -> str:
        """The name the RFC gives it, for example `keyCompromise`."""
        return self.flag.value

    @property
    def flag(self) -> x509.ReasonFlags:
        """The reason as a flag of `cryptography`."""
        return x509.ReasonFlags[self.name.lower()]


class RejectionReason(StrEnum):
    """Why a CRL must not be used for device certificates, and the section of RFC 5280 with the rule.

    The values are a stable interface.
    """

    source: str
    """The source of the rule that the CRL breaks."""

    def __new__(cls, value: str, section: str = "") -> Self:
        """Make a member of its value and its section.

        The section has a default for type checkers, which check `RejectionReason(value)` against this.
        """
        member = str.__new__(cls, value)
        member._value_ = value
        member.source = f"RFC 5280 section {section}"
        return member

    MALFORMED = "malformed", "5.1"
    """It is not exactly one well-formed X.509 CRL, DER or PEM."""
    WRONG_ISSUER = "wrong_issuer", "6.3.3 (b) (1)"
    """Its issuer is not the subject of the CA, or its authority key identifier names another key."""
    SIGNATURE_ALGORITHM = "signature_algorithm", "5.1.1.2"
    """Its signature algorithm does not fit the CA's key, is unknown here, or is weaker than SHA-2."""
    BAD_SIGNATURE = "bad_signature", "6.3.3 (g)"
    """The CA's key did not sign it."""
    NO_CRL_SIGN = "no_crl_sign", "6.3.3 (f)"
    """The CA has a key usage without cRLSign."""
    NO_NEXT_UPDATE = "no_next_update", "5.1.2.5"
    """It does not contain the latest time at which the next CRL is issued."""
    NOT_YET_VALID = "not_yet_valid", "5.1.2.4"
    """Its thisUpdate is in the future."""
    EXPIRED = "expired", "5.1.2.5"
    """Its nextUpdate has passed, or it is older than the configured maximum age."""
    NO_NUMBER = "no_number", "5.2.3"
    """It has no CRL number, or one of more than 20 octets."""
    ROLLED_BACK = "rolled_back", "5.2.3"
    """Its number (and at the same number its thisUpdate) is lower than that of the one in force."""
    CRITICAL_EXTENSION = "critical_extension", "5.2"
    """It has a critical extension that is not processed here."""
    CRITICAL_ENTRY_EXTENSION = "critical_entry_extension", "5.3"
    """One of its entries has a critical extension."""
    DELTA = "delta", "5.2.4"
    """It is a delta CRL, or one of its entries has a reason that only a delta CRL may have."""
    INDIRECT = "indirect", "5.2.5"
    """It lists certificates of other issuers."""
    ONLY_CA_CERTIFICATES = "only_ca_certificates", "6.3.3 (b) (2) (iii)"
    """It is limited to CA certificates."""
    ONLY_ATTRIBUTE_CERTIFICATES = "only_attribute_certificates", "6.3.3 (b) (2) (iv)"
    """It is limited to attribute certificates."""
    ONLY_SOME_REASONS = "only_some_reasons", "6.3.3 (d)"
    """It is limited to some revocation reasons."""


class UnusableCrlError(JitrError):
    """The CRL must not be used, for `reason`."""

    def __init__(self, reason: RejectionReason, detail: str) -> None:
        super().__init__(f"unusable CRL: {detail} ({reason.source})")
        self.reason = reason
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a CRL was read, and the cache validators that the server sent with it."""

    location: str
    """URL: `https://…`, `http://…`, `s3://bucket/key`, or a file's name."""
    etag: str | None = None
    last_modified: str | None = None


@dataclass(frozen=True, slots=True)
class CrlRecord:
    """A CRL that an index was built from."""

    scope: Scope
    issuer: str
    number: int
    this_update: datetime
    next_update: datetime
    digest: str
    """SHA-256 of its DER, hexadecimal."""
    origin: Origin
    entries: int = 0
    """The number of serial numbers that it lists; 0 if its entries have not been read."""

    @property
    def order(self) -> tuple[int, datetime]:
        """Sort key of the CRLs of a scope: the newest one has the highest (RFC 5280 section 5.2.3)."""
        return self.number, self.this_update

    def usable_until(self, max_age: timedelta | None) -> datetime:
        """When it becomes stale: at its nextUpdate, or earlier where a maximum age is configured."""
        # Compared before the addition: the sum may be later than the last possible date.
        if max_age is None or max_age >= self.next_update - self.this_update:
            return self.next_update
        return self.this_update + max_age

    def row(self) -> tuple[object, ...]:
        """Return its row in the index's table `crl`, without the id."""
        return (
            self.scope.key,
            self.issuer,
            str(self.number),
            int(self.this_update.timestamp()),
            int(self.next_update.timestamp()),
            self.digest,
            self.entries,
            self.origin.location,
            self.origin.etag,
            self.origin.last_modified,
        )

    @classmethod
    def from_row(cls, row: tuple[Any, ...]) -> "CrlRecord":
        """Read what `row` wrote.

        Raises:
            ValueError, TypeError, LookupError, ArithmeticError, OSError, RecursionError: It is damaged.
        """
        scope, issuer, number, this_update, next_update, digest, entries, *origin = row
        return cls(
            Scope.from_key(scope),
            issuer,
            int(number),
            datetime.fromtimestamp(this_update, UTC),
            datetime.fromtimestamp(next_update, UTC),
            digest,
            Origin(*origin),
            entries,
        )


def serial_key(serial: int) -> bytes:
    """Write a serial number as a CRL's entry and the index do: the content of a DER INTEGER."""
    return serial.to_bytes(serial.bit_length() // 8 + 1, "big", signed=True)
