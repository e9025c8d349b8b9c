"""Builds the next revocation index of a CA, from the CRLs of its source and from the former index."""

import sqlite3
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Self

from iot_jitr_runtime.certificates import Certificate
from iot_jitr_runtime.identifiers import CaCertificateId
from iot_jitr_runtime.revocation.crl import Crl
from iot_jitr_runtime.revocation.entries import entries
from iot_jitr_runtime.revocation.index import APPLICATION_ID, FORMAT, TABLES, DamagedIndexError, Index
from iot_jitr_runtime.revocation.model import CrlRecord, Origin, RejectionReason, UnusableCrlError
from iot_jitr_runtime.revocation.scope import Scope
from iot_jitr_runtime.revocation.verification import check_time, verify

UNUSED_AFTER = timedelta(days=7)
"""If a CRL is stale for this long while others are in force, its CA no longer uses the CRL's scope."""

# The file is deleted unless it is finished: there is nothing to roll back and nothing to sync.
_PREPARE = f"""
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA cache_size = -65536;
PRAGMA temp_store = FILE;
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {FORMAT};
{TABLES}
"""
# If a serial number is listed twice, any other reason replaces a hold (6).
_INSERT = """
INSERT INTO revoked VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET reason = excluded.reason WHERE reason = 6
"""
_COPY = """
INSERT INTO revoked SELECT serial, :crl, reason FROM former.revoked
WHERE crl = (SELECT id FROM former.crl WHERE scope = :scope) ORDER BY serial
"""
_DELETE = "DELETE FROM revoked WHERE crl = ?"
_COUNT = "SELECT count(*) FROM revoked"
_RECORD = "INSERT INTO crl VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_ABOUT = "INSERT INTO about VALUES (?, ?)"


class IndexBuilder:
    """Builds one index in a new file; a context manager, which closes the file.

    In each scope, the CRL with the highest number comes into force. No scope is lost: if a scope's CRL is no
    longer at the source, or its new CRL is unusable, its CRL of the former index stays in force until it is
    stale. In addition to the CRL itself, it needs memory for one entry and for SQLite's cache.

    Args:
        path: The new file.
        ca: The CA certificate.
        now: The time at which the CRLs must be usable.
        max_age: Maximum age of a CRL, independent of its nextUpdate.
        former: The index in force.
    """

    def __init__(
        self,
        path: Path,
        ca: Certificate,
        now: datetime,
        max_age: timedelta | None = None,
        former: Index | None = None,
    ) -> None:
        self._ca, self._now, self._max_age = ca, now, max_age
        self.crls: dict[Scope, CrlRecord] = {}
        """The CRLs of the new index."""
        self.older: list[CrlRecord] = []
        """CRLs that were considered and are older than another one of their scope."""
        self.in_force = {record.scope: record for record in former.crls} if former else {}
        """The CRLs of the former index."""
        self._reused: set[Scope] = set()
        self._ids: dict[Scope, int] = {}
        self._next_id = count(1)
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.executescript(_PREPARE)
        if former:
            self._connection.execute("ATTACH ? AS former", [str(former.path)])
        self._connection.execute("BEGIN")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def reuse(self, origin: Origin) -> bool:
        """Return whether the object at `origin` is in force in the former index and need not be read.

        Call it for all objects of the source before the first `add_crl`.
        """
        if origin.etag is None and origin.last_modified is None:
            return False
        known = [record.scope for record in self.in_force.values() if record.origin == origin]
        self._reused.update(known)
        return bool(known)

    def add_crl(self, data: bytes, origin: Origin) -> bool:
        """Read one CRL, PEM or DER; return whether it comes into force. If not, it is older than another one.

        Raises:
            UnusableCrlError: It must not be used.
        """
        crl = Crl.load(data)
        verify(crl, self._ca)
        record = crl.record(origin)
        if self.is_older(record):
            return False
        check_time(crl, self._now, self._max_age)
        self._add(crl, record)
        return True

    def is_older(self, record: CrlRecord) -> bool:
        """Return whether the scope has a newer CRL, or an equal one; `older` then contains `record`."""
        in_force = self.in_force.get(record.scope)
        present = self.crls.get(record.scope) or (in_force if record.scope in self._reused else None)
        older = (present is not None and record.order <= present.order) or (
            in_force is not None and record.order < in_force.order
        )
        if older:
            self.older.append(record)
        return older

    def complete(self) -> dict[Origin, UnusableCrlError]:
        """Copy from the former index the scopes that are still missing.

        Returns:
            CRLs that are older than the one in force although the source has no newer one (`ROLLED_BACK`).

        Raises:
            DamagedIndexError: The former index is damaged.
        """
        added = set(self.crls)
        for scope, record in self.in_force.items():
            unused = self._now - record.usable_until(self._max_age) >= UNUSED_AFTER
            if scope not in added and not (added and unused):
                self._copy_from_former(record)
        return {
            older.origin: _rolled_back(older, self.in_force[older.scope])
            for older in self.older
            if older.scope not in added | self._reused
        }

    def finish(self, ca_certificate_id: CaCertificateId) -> str:
        """Complete the file and return the index's version."""
        rows = ((self._ids[scope], *record.row()) for scope, record in self.crls.items())
        self._connection.executemany(_RECORD, rows)
        digests = sorted(record.digest for record in self.crls.values())
        content = sha256(" ".join(digests).encode()).hexdigest()
        version = f"{self._now:%Y%m%dT%H%M%S.%fZ}-{content[:12]}"
        about = {"ca_certificate_id": ca_certificate_id, "version": version}
        if self._max_age is not None:
            about["max_age"] = str(self._max_age // timedelta(seconds=1))
        self._connection.executemany(_ABOUT, about.items())
        self._connection.execute("COMMIT")
        self._connection.close()
        return version

    def _add(self, crl: Crl, record: CrlRecord) -> None:
        crl_id = next(self._next_id)
        before = self._entries()
        try:
            rows = ((serial, crl_id, int(reason)) for serial, reason in entries(crl))
            self._connection.executemany(_INSERT, rows)
        except UnusableCrlError:
            self._connection.execute(_DELETE, [crl_id])
            raise
        added = self._entries() - before
        if record.scope in self.crls:
            self.older.append(self.crls[record.scope])
            self._connection.execute(_DELETE, [self._ids[record.scope]])
        self._ids[record.scope] = crl_id
        self.crls[record.scope] = replace(record, entries=added)

    def _copy_from_former(self, record: CrlRecord) -> None:
        crl_id = next(self._next_id)
        try:
            self._connection.execute(_COPY, {"crl": crl_id, "scope": record.scope.key})
        except sqlite3.DatabaseError as error:
            raise DamagedIndexError(f"the former index is damaged: {error}") from error
        self._ids[record.scope] = crl_id
        self.crls[record.scope] = record

    def _entries(self) -> int:
        return int(self._connection.execute(_COUNT).fetchone()[0])


def _rolled_back(offered: CrlRecord, in_force: CrlRecord) -> UnusableCrlError:
    return UnusableCrlError(
        RejectionReason.ROLLED_BACK,
        f"its number {offered.number} of {offered.this_update:%Y-%m-%d %H:%M:%SZ} is older than the "
        f"{in_force.number} in force, of {in_force.this_update:%Y-%m-%d %H:%M:%SZ}",
    )
