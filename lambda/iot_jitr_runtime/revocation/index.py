"""Reads a revocation index in place: the status of a certificate, and the entries that another index lacks.

An index is a SQLite file, one for each CA; any `sqlite3` can open it. Table `crl` has the CRLs that it was
built from, one for each scope. Table `revoked` has one row for each serial number on each CRL, written as the
content of a DER INTEGER, big-endian. Times are seconds since the epoch.
"""

import sqlite3
from collections.abc import Generator, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from iot_jitr_runtime.certificates import CLOCK_TOLERANCE
from iot_jitr_runtime.errors import JitrError
from iot_jitr_runtime.revocation.model import CrlRecord, RevocationReason, serial_key

if TYPE_CHECKING:
    from cryptography import x509

APPLICATION_ID = 0x4A495452
"""`PRAGMA application_id`: "JITR"."""

FORMAT = 1
"""`PRAGMA user_version`: increased when a reader of the former format would read the file wrongly."""

TABLES = """
CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE crl (
    id INTEGER PRIMARY KEY,
    scope TEXT NOT NULL UNIQUE,
    issuer TEXT NOT NULL,
    number TEXT NOT NULL,
    this_update INTEGER NOT NULL,
    next_update INTEGER NOT NULL,
    digest TEXT NOT NULL,
    entries INTEGER NOT NULL,
    location TEXT NOT NULL,
    etag TEXT,
    last_modified TEXT
);
CREATE TABLE revoked (
    serial BLOB NOT NULL,
    crl INTEGER NOT NULL REFERENCES crl,
    reason INTEGER NOT NULL,
    PRIMARY KEY (serial, crl)
) WITHOUT ROWID;
"""

_DAMAGE = (sqlite3.Error, LookupError, ValueError, TypeError, ArithmeticError, OSError, RecursionError)
"""The exceptions when a value is read that the builder did not write."""
_ABOUT = "SELECT name, value FROM about"
_CRLS = "SELECT * FROM crl ORDER BY id"
_FIND = "SELECT crl, reason FROM revoked WHERE serial = ?"
_ALL = "SELECT serial, reason FROM revoked WHERE serial > ?"
# The same result as EXCEPT, without a copy of either table: both are sorted by serial number.
_NEW = """
SELECT serial, reason FROM main.revoked AS new WHERE serial > ? AND NOT EXISTS (
    SELECT 1 FROM former.revoked AS old WHERE old.serial = new.serial AND old.reason = new.reason
)
"""
_ATTACH, _DETACH = "ATTACH ? AS former", "DETACH former"


class DamagedIndexError(JitrError):
    """The file is not a revocation index, or it is not complete."""


class RevocationStatus(StrEnum):
    """The status of a certificate by the CRLs of its CA."""

    GOOD = "good"
    REVOKED = "revoked"
    ON_HOLD = "on_hold"
    STALE = "stale"
    """The CRLs that cover it are all past their nextUpdate, or older than the configured maximum."""
    NOT_COVERED = "not_covered"
    """No CRL covers it."""


@dataclass(frozen=True, slots=True)
class StatusResult:
    """A status with its evidence."""

    status: RevocationStatus
    detail: str
    reason: RevocationReason | None = None
    """Why, for a revoked certificate and one on hold."""


class Revoked(NamedTuple):
    """One entry."""

    serial: int
    reason: RevocationReason


class Index:
    """An index opened for reading. It never changes, and may be read by one thread at a time."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self.path = path
        self._connection = connection
        about = dict(connection.execute(_ABOUT))
        self.ca_certificate_id: str = about["ca_certificate_id"]
        self.version: str = about["version"]
        """Identifies this index; greater than the versions of earlier indexes."""
        self.max_age = timedelta(seconds=int(about["max_age"])) if "max_age" in about else None
        """Maximum age of its CRLs, independent of their nextUpdate."""
        rows = connection.execute(_CRLS).fetchall()
        self._crls = {row[0]: CrlRecord.from_row(row[1:]) for row in rows}

    @classmethod
    def open(cls, path: Path) -> "Index":
        """Open an index.

        Raises:
            DamagedIndexError: It is not an index.
        """
        try:
            connection = sqlite3.connect(_uri(path), uri=True)
        except sqlite3.Error as error:
            raise DamagedIndexError(f"{path.name} cannot be opened: {error}") from error
        try:
            _check_marks(connection)
            return cls(connection, path)
        except _DAMAGE as error:
            connection.close()
            raise DamagedIndexError(f"{path.name} is not a revocation index: {error}") from error

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    @property
    def crls(self) -> list[CrlRecord]:
        """The CRLs in force."""
        return list(self._crls.values())

    def status(self, certificate: "x509.Certificate", now: datetime) -> StatusResult:
        """Return the status of a certificate that the index's CA issued.

        Raises:
            DamagedIndexError: The file is damaged.
            MalformedCertificateError: The certificate's extensions cannot be read.
        """
        covering = {id_: crl for id_, crl in self._crls.items() if crl.scope.covers(certificate)}
        if not covering:
            return StatusResult(
                RevocationStatus.NOT_COVERED,
                "no CRL covers this certificate (RFC 5280 section 6.3.3 (b) (2))",
            )
        fresh = {
            id_ for id_, crl in covering.items() if now - crl.usable_until(self.max_age) < CLOCK_TOLERANCE
        }
        if not fresh:
            last = max(crl.usable_until(self.max_age) for crl in covering.values())
            return StatusResult(
                RevocationStatus.STALE, f"its CRL has been stale since {last:%Y-%m-%d %H:%M:%SZ}"
            )
        serial = certificate.serial_number
        found = [(crl, reason) for crl, reason in self._find(serial) if crl in fresh]
        if not found:
            return StatusResult(RevocationStatus.GOOD, f"serial {serial:x} is on no CRL that covers it")
        crl, reason = max(found, key=lambda entry: entry[1] is not RevocationReason.CERTIFICATE_HOLD)
        return StatusResult(
            RevocationStatus.ON_HOLD
            if reason is RevocationReason.CERTIFICATE_HOLD
            else RevocationStatus.REVOKED,
            f"serial {serial:x} is on CRL number {covering[crl].number} with reason {reason.label}",
            reason,
        )

    def reason(self, serial: int) -> RevocationReason | None:
        """Why a CRL lists the serial; any other reason has priority over a hold. None: it is not listed.

        Raises:
            DamagedIndexError: The file is damaged.
        """
        reasons = [reason for _, reason in self._find(serial)]
        return max(reasons, key=lambda reason: reason is not RevocationReason.CERTIFICATE_HOLD, default=None)

    def newly_revoked(self, former: "Index | None", *, after: int | None = None) -> Generator[Revoked]:
        """Entries (serial and reason) that are not in `former`; all entries if `former` is None.

        They come in the index's own order of serial numbers.

        Args:
            former: The index to compare with.
            after: Only those that come after this serial number.

        Raises:
            DamagedIndexError: One of the files is damaged.
        """
        key = b"" if after is None else serial_key(after)
        if former is None:
            yield from self._entries(_ALL, key)
            return
        self._connection.execute(_ATTACH, [_uri(former.path)])
        try:
            yield from self._entries(_NEW, key)
        finally:
            with suppress(sqlite3.Error):
                self._connection.execute(_DETACH)

    def _entries(self, query: str, after: bytes) -> Iterator[Revoked]:
        try:
            with closing(self._connection.execute(query, [after])) as cursor:
                for serial, reason in cursor:
                    yield Revoked(int.from_bytes(serial, "big", signed=True), RevocationReason(reason))
        except _DAMAGE as error:
            raise self._damage(error) from error

    def _damage(self, error: Exception) -> DamagedIndexError:
        return DamagedIndexError(f"{self.path.name} is damaged: {error}")

    def _find(self, serial: int) -> list[tuple[int, RevocationReason]]:
        try:
            rows = self._connection.execute(_FIND, [serial_key(serial)])
            return [(crl, RevocationReason(reason)) for crl, reason in rows]
        except _DAMAGE as error:
            raise self._damage(error) from error


def _uri(path: Path) -> str:
    return f"{path.absolute().as_uri()}?mode=ro&immutable=1"


def _check_marks(connection: sqlite3.Connection) -> None:
    for mark, expected in (("application_id", APPLICATION_ID), ("user_version", FORMAT)):
        found = connection.execute(f"PRAGMA {mark}").fetchone()[0]
        if found != expected:
            raise ValueError(f"its {mark} is {found}, not {expected}")
