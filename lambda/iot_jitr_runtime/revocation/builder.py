"""Compiles verified CRLs into one revocation index."""

import sqlite3
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Self

from iot_jitr_runtime.identifiers import CaCertificateId
from iot_jitr_runtime.revocation.crl import Crl
from iot_jitr_runtime.revocation.entries import entries
from iot_jitr_runtime.revocation.index import DamagedIndexError, Index
from iot_jitr_runtime.revocation.records import CrlRecord, Origin
from iot_jitr_runtime.revocation.schema import APPLICATION_ID, FORMAT, TABLES
from iot_jitr_runtime.revocation.scope import Scope
from iot_jitr_runtime.revocation.unusable import UnusableCrlError

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
_COUNT = "SELECT count(*) FROM revoked WHERE crl = ?"


class IndexBuilder:
    """Builds one index in a new file. Of each scope it keeps one CRL: the one that was added last.

    Use it as a context manager, which closes the file. A CRL's entries are checked as they are read, so `add`
    may yet find it unusable; the index then stays as it was. Memory use does not grow with the number of
    entries.
    """

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        # The file is thrown away unless it is finished: nothing to roll back, nothing to sync.
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
        """The CRLs that are in the index by now, by scope."""
        rows = self._connection.execute("SELECT * FROM crl").fetchall()
        return {record.scope: record for record in (CrlRecord.from_row(row[1:]) for row in rows)}

    def add(self, crl: Crl, origin: Origin) -> CrlRecord:
        """Add a verified CRL in place of the one with its scope.

        Raises:
            UnusableCrlError: An entry makes it unusable.
        """
        record = CrlRecord.of(crl, origin)
        [crl_id] = self._connection.execute("SELECT coalesce(max(id), 0) + 1 FROM crl").fetchone()
        self._connection.execute("BEGIN")
        try:
            rows = ((serial, crl_id, int(reason)) for serial, reason in entries(crl))
            self._connection.executemany(_INSERT, rows)
        except UnusableCrlError:
            self._connection.execute("DELETE FROM revoked WHERE crl = ?", [crl_id])
            raise
        else:
            self._remove(crl.scope)
            [count] = self._connection.execute(_COUNT, [crl_id]).fetchone()
            record = replace(record, entries=count)
            self._connection.execute(_RECORD, [crl_id, *record.row()])
        finally:
            self._connection.execute("COMMIT")
        return record

    def carry_over(self, former: Index, record: CrlRecord) -> None:
        """Take one CRL from a former index as it is there, in place of the one with its scope.

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
        in_scope = [scope.key]
        self._connection.execute(
            "DELETE FROM revoked WHERE crl IN (SELECT id FROM crl WHERE scope = ?)", in_scope
        )
        self._connection.execute("DELETE FROM crl WHERE scope = ?", in_scope)
