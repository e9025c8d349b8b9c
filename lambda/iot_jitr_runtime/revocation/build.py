"""Builds the next revocation index: from the CRLs of a CA's source, and from the former index.

`IndexBuilder` writes the file. `Compiler` chooses which CRLs come into force.
"""

import sqlite3
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from hashlib import sha256
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

FORGOTTEN_AFTER = timedelta(days=7)
"""A CRL that is stale for so long while others are in force belongs to a scope that its CA no longer uses."""

_CACHE_KIB = 65_536

# Of a serial that is listed twice, a hold (6) gives way to any other reason.
_INSERT = """
INSERT INTO revoked VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET reason = excluded.reason WHERE reason = 6
"""
_CARRY = """
INSERT INTO revoked SELECT serial, :crl, reason FROM former.revoked
WHERE crl = (SELECT id FROM former.crl WHERE scope = :scope) ORDER BY serial
"""
_RECORD = "INSERT INTO crl VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_COUNT = "SELECT count(*) FROM revoked"


class IndexBuilder:
    """Builds one index in a new file. Of each scope it keeps one CRL: the one that was added last.

    Use it as a context manager, which closes the file. A CRL's entries are checked as they are read, so `add`
    may find it unusable; the index then stays as it was. Beside the CRL itself it needs memory for one entry
    and for SQLite's cache.
    """

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        # The file is deleted unless it is finished: there is nothing to roll back and nothing to sync.
        for setting in (
            "journal_mode = OFF",
            "synchronous = OFF",
            f"cache_size = -{_CACHE_KIB}",
            "temp_store = FILE",
            f"application_id = {APPLICATION_ID}",
            f"user_version = {FORMAT}",
        ):
            self._connection.execute(f"PRAGMA {setting}")
        self._connection.executescript(TABLES)
        self._path = path

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def crls(self) -> dict[Scope, CrlRecord]:
        """Return the CRLs that have been added, by scope."""
        rows = self._connection.execute("SELECT * FROM crl").fetchall()
        return {record.scope: record for record in (CrlRecord.from_row(row[1:]) for row in rows)}

    def add(self, crl: Crl, origin: Origin) -> CrlRecord:
        """Add a verified CRL in place of the one with its scope.

        Raises:
            UnusableCrlError: An entry makes it unusable.
        """
        record = crl.record(origin)
        [crl_id] = self._connection.execute("SELECT coalesce(max(id), 0) + 1 FROM crl").fetchone()
        [before] = self._connection.execute(_COUNT).fetchone()
        self._connection.execute("BEGIN")
        try:
            rows = ((serial, crl_id, int(reason)) for serial, reason in entries(crl))
            self._connection.executemany(_INSERT, rows)
        except UnusableCrlError:
            self._connection.execute("DELETE FROM revoked WHERE crl = ?", [crl_id])
            raise
        else:
            [after] = self._connection.execute(_COUNT).fetchone()
            self._remove(crl.scope)
            record = replace(record, entries=after - before)
            self._connection.execute(_RECORD, [crl_id, *record.row()])
        finally:
            self._connection.execute("COMMIT")
        return record

    def carry_over(self, former: Index, record: CrlRecord) -> None:
        """Copy one CRL from a former index, in place of the one with its scope.

        Raises:
            DamagedIndexError: The former index is damaged.
        """
        self._remove(record.scope)
        crl_id = self._connection.execute(_RECORD, [None, *record.row()]).lastrowid
        self._connection.execute("ATTACH ? AS former", [str(former.path)])
        try:
            self._connection.execute(_CARRY, {"crl": crl_id, "scope": record.scope.key})
        except sqlite3.DatabaseError as error:
            raise DamagedIndexError(f"{former.path.name} is damaged: {error}") from error
        finally:
            self._connection.execute("DETACH former")

    def finish(
        self, ca_certificate_id: CaCertificateId, compiled_at: datetime, max_age: timedelta | None
    ) -> str:
        """Complete the file and return the index's version."""
        digests = sorted(record.digest for record in self.crls().values())
        content = sha256(" ".join(digests).encode()).hexdigest()
        version = f"{compiled_at:%Y%m%dT%H%M%S.%fZ}-{content[:12]}"
        about = {"ca_certificate_id": ca_certificate_id, "version": version}
        if max_age is not None:
            about["max_age"] = str(max_age // timedelta(seconds=1))
        self._connection.executemany("INSERT INTO about VALUES (?, ?)", about.items())
        self._connection.close()
        return version

    def _remove(self, scope: Scope) -> None:
        # Looked up first: the deletion reads the whole table.
        found = self._connection.execute("SELECT id FROM crl WHERE scope = ?", [scope.key]).fetchall()
        for crl_id in found:
            self._connection.execute("DELETE FROM revoked WHERE crl = ?", crl_id)
            self._connection.execute("DELETE FROM crl WHERE id = ?", crl_id)


@dataclass(frozen=True)
class Completion:
    """What was found when an index was completed from the former one."""

    rolled_back: dict[Origin, UnusableCrlError]
    """CRLs that are older than the one in force although the source has no newer one (`ROLLED_BACK`)."""
    not_offered: list[CrlRecord]
    """CRLs that stay in force although they were not offered again."""


@dataclass
class Compiler:
    """Chooses the CRLs of the next index among those that `take` is given and those of the former index.

    Of each scope the CRL with the highest number comes into force. No scope is lost: one whose CRL is no
    longer offered, or whose new CRL is unusable, stays as it is in the former index, until it is stale.
    """

    builder: IndexBuilder
    ca: Certificate
    now: datetime
    max_age: timedelta | None = None
    former: Index | None = None
    older: list[CrlRecord] = field(default_factory=list)
    """CRLs that were considered and are older than another one of their scope."""
    _kept: set[Scope] = field(default_factory=set)

    def take(self, data: bytes, origin: Origin) -> bool:
        """Consider one CRL, PEM or DER; return whether it comes into force. Else it is older than another.

        Raises:
            UnusableCrlError: It must not be used.
        """
        crl = Crl.load(data)
        verify(crl, self.ca)
        if self.is_older(crl.record(origin)):
            return False
        check_time(crl, self.now, self.max_age)
        at_hand = self.builder.crls().get(crl.scope)
        self.builder.add(crl, origin)
        if at_hand:
            self.older.append(at_hand)
        return True

    def is_older(self, record: CrlRecord) -> bool:
        """Return whether another CRL of the scope is newer, or the same from another place; note it then."""
        at_hand = self.builder.crls().get(record.scope)
        in_force = self._former.get(record.scope)
        older = (at_hand is not None and record.order <= at_hand.order) or (
            in_force is not None
            and (
                record.order < in_force.order
                or (record.order == in_force.order and record.scope in self._kept)
            )
        )
        if older:
            self.older.append(record)
        return older

    def keep(self, origin: Origin) -> bool:
        """Return whether what lies at `origin` is in force in the former index, so that it need not be read.

        Call it for all that the source has before the first `take`.
        """
        if origin.etag is None and origin.last_modified is None:
            return False
        known = [record.scope for record in self._former.values() if record.origin == origin]
        self._kept.update(known)
        return bool(known)

    def complete(self) -> Completion:
        """Copy from the former index the scopes that are still missing."""
        taken = self.builder.crls()
        missing = {scope: record for scope, record in self._former.items() if scope not in taken}
        for record in missing.values():
            if self.former is not None and not (taken and self._is_forgotten(record)):
                self.builder.carry_over(self.former, record)
        rolled_back: dict[Origin, UnusableCrlError] = {}
        for older in self.older:
            if older.scope not in taken and older.scope not in self._kept:
                rolled_back[older.origin] = _rolled_back(older, self._former[older.scope])
        return Completion(
            rolled_back, [record for scope, record in missing.items() if scope not in self._kept]
        )

    def _is_forgotten(self, record: CrlRecord) -> bool:
        return self.now - record.usable_until(self.max_age) >= FORGOTTEN_AFTER

    @cached_property
    def _former(self) -> dict[Scope, CrlRecord]:
        crls = self.former.crls if self.former is not None else []
        return {record.scope: record for record in crls}


def _rolled_back(offered: CrlRecord, in_force: CrlRecord) -> UnusableCrlError:
    return UnusableCrlError(
        RejectionReason.ROLLED_BACK,
        f"its number {offered.number} of {offered.this_update:%Y-%m-%d %H:%M:%SZ} is older than the "
        f"{in_force.number} in force, of {in_force.this_update:%Y-%m-%d %H:%M:%SZ}",
    )
