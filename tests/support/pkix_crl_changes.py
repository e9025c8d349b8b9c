"""Oddities of CRLs and their entries."""

from datetime import timedelta
from random import Random

from tests.support.pkix_certificate_changes import COMMON, SHARED_EXTENSIONS, Change, from_table
from tests.support.pkix_der import (
    BIT_STRING_NAME,
    NULL,
    CrlFields,
    directory,
    entry,
    extension,
    full_name,
    generalized_time,
    integer,
    name,
    oid,
    rdn,
    relative_name,
    sequence,
    tlv,
    uri,
    utc_time,
)
from tests.support.pkix_sound import DAY, NEAR, NO_END, NOW, ONE, OWN_NAME, TWO, UNKNOWN, reason_code


def _idp(*fields: bytes, critical: bool | None = True) -> bytes:
    return extension("551d1c", sequence(*fields), critical=critical)


TRUE = b"\xff"
CRL_EXTENSIONS = [
    *SHARED_EXTENSIONS,
    ("no number", "number", b""),
    ("critical number", "number", extension("551d14", integer(10), critical=True)),
    ("", "number", extension("551d14", integer(0))),
    ("", "number", extension("551d14", integer(2**159 - 1))),
    ("negative number", "number", extension("551d14", integer(-1))),
    ("long number", "number", extension("551d14", integer(2**160))),
    ("delta CRL", "delta", extension("551d1b", integer(1), critical=True)),
    ("alternative names of the issuer", "issuer", extension("551d12", sequence(uri(ONE)))),
    ("critical names of the issuer", "issuer", extension("551d12", sequence(uri(ONE)), critical=True)),
    ("partition", "idp", _idp(full_name(uri(ONE)))),
    ("partition", "idp", _idp(full_name(uri(TWO)))),
    ("partition", "idp", _idp(full_name(uri(ONE), uri(TWO)))),
    ("partition", "idp", _idp(relative_name("CRL1"))),
    ("partition", "idp", _idp(full_name(directory(name(rdn("CRL1")))))),
    ("partition of the CA's name", "idp", _idp(full_name(directory(OWN_NAME)))),
    ("partition", "idp", _idp(full_name(uri(ONE)), critical=None)),
    ("user certificates only", "idp", _idp(tlv(0x81, TRUE))),
    ("CA certificates only", "idp", _idp(tlv(0x82, TRUE))),
    ("some reasons only", "idp", _idp(tlv(0x83, b"\x05\x60"))),
    ("indirect", "idp", _idp(tlv(0x84, TRUE))),
    ("attribute certificates only", "idp", _idp(tlv(0x85, TRUE))),
    ("user and CA certificates only", "idp", _idp(tlv(0x81, TRUE), tlv(0x82, TRUE))),
    ("empty IDP", "idp", _idp()),
    ("unreadable IDP", "idp", _idp(tlv(0xA9, b""))),
    ("unreadable IDP", "idp", _idp(full_name(directory(BIT_STRING_NAME)))),
]


def _crl_times(draw: Random, fields: CrlFields) -> str:
    soon = NOW + timedelta(seconds=draw.choice(NEAR))
    oddity, fields.this_update, fields.next_update = draw.choice(
        (
            ("thisUpdate is near", utc_time(soon), fields.next_update),
            ("nextUpdate is near", fields.this_update, utc_time(soon)),
            ("nextUpdate is five seconds ago", fields.this_update, utc_time(NOW - timedelta(seconds=5))),
            ("never ends", fields.this_update, NO_END),
            ("no nextUpdate", fields.this_update, b""),
            ("expired", fields.this_update, utc_time(NOW - timedelta(hours=1))),
            ("of the future", utc_time(NOW + DAY), utc_time(NOW + 2 * DAY)),
            ("ends before it begins", fields.next_update, fields.this_update),
            ("GeneralizedTime before 2050", generalized_time(NOW - DAY), generalized_time(NOW + DAY)),
            ("time without seconds", tlv(0x17, b"2601010000Z"), fields.next_update),
            ("time of the year 0", tlv(0x18, b"00000101000000Z"), fields.next_update),
        )
    )
    return oddity


def _crl_version(draw: Random, fields: CrlFields) -> str:
    oddity, fields.version, kept = draw.choice(
        (
            ("version 1", b"", {}),
            ("version 1 with extensions", b"", fields.extensions),
            ("version 3", b"\x02\x01\x02", fields.extensions),
            ("version 1 in words", b"\x02\x01\x00", {}),
            ("no number", fields.version, {}),
        )
    )
    fields.extensions = kept
    return oddity


def _another_entry(draw: Random, fields: CrlFields) -> str:
    oddity, extensions = draw.choice(ENTRY_EXTENSIONS)
    fields.entries.append(entry(b"\x05\x05", utc_time(NOW - DAY), *extensions))
    return f"entry: {oddity}" if oddity else ""


def _no_entries(_: Random, fields: CrlFields) -> str:
    fields.entries = [b""]
    return "empty list"


ENTRY_EXTENSIONS: list[tuple[str, list[bytes]]] = [
    ("", []),
    *[("", [reason_code(code)]) for code in (0, 1, 2, 3, 4, 5, 6, 9, 10)],
    ("reason that does not exist", [reason_code(7)]),
    ("reason that does not exist", [reason_code(11)]),
    ("removeFromCRL", [reason_code(8)]),
    ("critical entry extension", [reason_code(1, critical=True)]),
    ("two reasons", [reason_code(1), reason_code(4)]),
    ("", [extension("551d18", tlv(0x18, b"20260101000000Z"))]),
    ("critical entry extension", [extension("551d18", tlv(0x18, b"20260101000000Z"), critical=True)]),
    ("", [reason_code(6), extension("551d17", oid("2a8648ce380203"))]),
    ("", [extension(UNKNOWN, NULL)]),
    ("unknown critical entry extension", [extension(UNKNOWN, NULL, critical=True)]),
    ("certificate issuer", [extension("551d1d", sequence(directory(OWN_NAME)), critical=True)]),
    ("another certificate issuer", [extension("551d1d", sequence(directory(name(rdn("x")))), critical=True)]),
    ("unreadable entry extension", [extension("551d15", NULL)]),
    ("unreadable entry extension", [extension("551d1d", sequence(directory(BIT_STRING_NAME)))]),
]


def list_serial(crl: CrlFields, serial: bytes, draw: Random, odd: set[str]) -> None:
    """Let a CRL list a serial number."""
    oddity, extensions = draw.choice(ENTRY_EXTENSIONS)
    when = utc_time(NOW - DAY)
    if draw.random() < 0.1:
        when = draw.choice((utc_time(NOW + DAY), NO_END))
        odd.add("entry: of the future")
    crl.entries.insert(draw.randint(0, len(crl.entries)), entry(serial, when, *extensions))
    odd.add("listed")
    if oddity:
        odd.add(f"entry: {oddity}")
    if draw.random() < 0.1:
        crl.entries.append(entry(serial, when, *draw.choice(ENTRY_EXTENSIONS)[1]))
        odd.add("entry: twice")


CRL_CHANGES: "list[Change[CrlFields]]" = [
    *COMMON,
    *[_crl_times, _another_entry] * 2,
    _crl_version,
    _no_entries,
    *[from_table(CRL_EXTENSIONS)] * 8,
]
