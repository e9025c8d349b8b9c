"""The revocation index: what is in its SQLite file. Any `sqlite3` can open it.

One file for each CA. `crl` says which CRLs it was compiled from, one for each scope. `revoked` has one row
for each serial number on each of them, written as the content of a DER INTEGER, big-endian. Times are seconds
since the epoch.
"""

APPLICATION_ID = 0x4A495452
"""`PRAGMA application_id`: "JITR"."""

FORMAT = 1
"""`PRAGMA user_version`: raised whenever a reader of the former format would misread the file."""

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
