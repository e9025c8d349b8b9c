"""What an index says of a CRL it was compiled from."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from iot_jitr_runtime.revocation.crl import Crl
from iot_jitr_runtime.revocation.scope import Scope


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a CRL was fetched, and how to ask whether it has changed."""

    location: str
    """URL: `https://…`, `http://…`, `s3://bucket/key`, or a file's name."""
    etag: str | None = None
    last_modified: str | None = None


@dataclass(frozen=True, slots=True)
class CrlRecord:
    """One CRL in force."""

    scope: Scope
    issuer: str
    number: int
    this_update: datetime
    next_update: datetime
    digest: str
    """SHA-256 of its DER, hexadecimal."""
    entries: int
    origin: Origin

    @classmethod
    def of(cls, crl: Crl, origin: Origin, entries: int = 0) -> "CrlRecord":
        """The record of a verified CRL.

        Raises:
            UnusableCrlError: It was not verified.
        """
        return cls(
            crl.scope, crl.issuer, crl.number, crl.this_update, crl.next_update, crl.digest, entries, origin
        )

    @property
    def order(self) -> tuple[int, datetime]:
        """Grows from one CRL of a scope to the next (RFC 5280 section 5.2.3)."""
        return self.number, self.this_update

    def usable_until(self, max_age: timedelta | None) -> datetime:
        """When it becomes stale: at its nextUpdate, or earlier where a maximum age is configured."""
        # Compared before it is added: the sum may lie beyond the last date there is.
        if max_age is None or max_age >= self.next_update - self.this_update:
            return self.next_update
        return self.this_update + max_age

    def row(self) -> tuple[object, ...]:
        """Its row in table `crl`, without the id."""
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
        """Read what `row` wrote."""
        scope, issuer, number, this_update, next_update, digest, entries, *origin = row
        return cls(
            Scope.from_key(scope),
            issuer,
            int(number),
            datetime.fromtimestamp(this_update, UTC),
            datetime.fromtimestamp(next_update, UTC),
            digest,
            entries,
            Origin(*origin),
        )
