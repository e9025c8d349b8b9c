"""Device certificates with the CRLs that speak about them: sound, or changed in a few fields.

Each case is made from a number and is the same at every run. Each change has a name, and the set of these
names says what is odd about the case.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from random import Random
from typing import TypeVar

from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from tests.support.ca_builder import rsa_key
from tests.support.pkix_der import (
    ALGORITHMS,
    NULL,
    CertificateFields,
    CrlFields,
    Signed,
    SigningKey,
    directory,
    entry,
    extension,
    full_name,
    generalized_time,
    integer,
    name,
    oid,
    p256,
    public_key,
    rdn,
    relative_name,
    rsa_2048,
    sequence,
    tlv,
    uri,
    utc_time,
)

F = TypeVar("F", bound=Signed)
Change = Callable[[Random, F], str]
"""Changes fields, and says what is odd about them now; nothing where nothing is."""

NOW = datetime(2026, 6, 1, 12, 0, 0, tzinfo=UTC)
DAY = timedelta(days=1)
ONE, TWO = "http://crl.example/1.crl", "http://crl.example/2.crl"
URLS = (ONE, TWO)
NO_END = tlv(0x18, b"99991231235959Z")
NEAR = (-3600, -6, -5, -4, 0, 4, 5, 6, 3600)
"""Seconds from now: both judges tolerate five."""
UNKNOWN = "2b06010401868d1f01"


@dataclass(frozen=True)
class Ca:
    """A CA certificate with its key."""

    subject: bytes
    key: SigningKey
    algorithm: str
    der: bytes


KEY_ID = b"key of the CA"
OWN_NAME = name(rdn("Example", "55040a"), rdn("Factory CA"))


def _ca(
    key: SigningKey, algorithm: str, usage: bytes | None = b"\x01\x06", subject: bytes | None = None
) -> Ca:
    own = subject or OWN_NAME
    extensions = {
        "basic constraints": extension("551d13", sequence(b"\x01\x01\xff"), critical=True),
        "key identifier": extension("551d0e", tlv(4, KEY_ID)),
    }
    if usage is not None:
        extensions["key usage"] = extension("551d0f", tlv(3, usage), critical=True)
    fields = CertificateFields(
        algorithm=ALGORITHMS[algorithm],
        signer=key,
        serial=b"\x11",
        issuer=own,
        not_before=utc_time(NOW - 1000 * DAY),
        not_after=NO_END,
        subject=own,
        key=public_key(key),
        extensions=extensions,
    )
    return Ca(own, key, algorithm, fields.der())


@cache
def cas() -> dict[str, Ca]:
    """The CAs by what is special about them; most cases are the first one's."""
    return {
        "": _ca(p256(1), "ECDSA with SHA-256"),
        "CA: RSA": _ca(rsa_2048(), "RSA with SHA-256"),
        "CA: no key usage": _ca(p256(2), "ECDSA with SHA-256", usage=None),
        "CA: no cRLSign": _ca(p256(3), "ECDSA with SHA-256", usage=b"\x02\x04"),
        "CA: name of many strings": _ca(
            p256(4), "ECDSA with SHA-256", subject=name(rdn("Größe ÄÖ"), rdn("Fabrik", "55040b", 0x13))
        ),
    }


@dataclass
class Case:
    """What the judges are asked: is this a certificate of the CA's, and what do the CRLs say of it `NOW`?"""

    number: int
    ca: Ca
    certificate: bytes
    crls: list[bytes]
    odd: set[str] = field(default_factory=set)

    @classmethod
    def make(cls, number: int) -> "Case":
        draw = Random(number)
        kind = draw.choice(list(cas())) if draw.random() < 0.25 else ""
        ca = cas()[kind]
        odd = {kind} if kind else set()
        leaf = _sound_leaf(ca, draw)
        _change(leaf, LEAF_CHANGES, draw, odd)
        crls = []
        for index in range(draw.choices((1, 2, 3, 0), (80, 14, 4, 2))[0]):
            crl = _sound_crl(ca, draw, 10 + index)
            _change(crl, CRL_CHANGES, draw, odd)
            if draw.random() < 0.4:
                _list(crl, leaf.serial, draw, odd)
            crls.append(crl.der())
        if len(crls) > 1:
            odd.add("several CRLs")
        return cls(number, ca, leaf.der(), crls, odd)


def _sound_leaf(ca: Ca, draw: Random) -> CertificateFields:
    extensions = {
        "authority": extension("551d23", sequence(tlv(0x80, KEY_ID))),
        "key usage": extension("551d0f", tlv(3, b"\x07\x80"), critical=True),
        "extended": extension("551d25", sequence(oid("2b06010505070302"))),
    }
    if draw.random() < 0.5:
        extensions["points"] = _points(full_name(uri(draw.choice(URLS))))
    return CertificateFields(
        algorithm=ALGORITHMS[ca.algorithm],
        signer=ca.key,
        serial=bytes([draw.randrange(1, 0x80)]) + draw.randbytes(draw.choice((1, 7, 15, 19))),
        issuer=ca.subject,
        not_before=utc_time(NOW - 10 * DAY),
        not_after=utc_time(NOW + 1000 * DAY),
        subject=name(rdn("device-1")),
        key=public_key(p256(9)),
        extensions=extensions,
    )


def _sound_crl(ca: Ca, draw: Random, number: int) -> CrlFields:
    entries = [
        entry(
            bytes([draw.randrange(1, 0x80)]) + draw.randbytes(15),
            utc_time(NOW - draw.randrange(1, 100) * DAY),
            *([_reason(draw.choice((1, 3, 4, 5)))] if draw.random() < 0.5 else []),
        )
        for _ in range(draw.choice((0, 1, 3)))
    ]
    return CrlFields(
        algorithm=ALGORITHMS[ca.algorithm],
        signer=ca.key,
        issuer=ca.subject,
        this_update=utc_time(NOW - DAY),
        next_update=utc_time(NOW + DAY),
        entries=entries,
        extensions={
            "authority": extension("551d23", sequence(tlv(0x80, KEY_ID))),
            "number": extension("551d14", integer(number)),
        },
    )


def _change(fields: F, changes: "list[Change[F]]", draw: Random, odd: set[str]) -> None:
    for change in draw.sample(changes, draw.choices((0, 1, 2, 3), (25, 45, 20, 10))[0]):
        if said := change(draw, fields):
            what = "certificate" if isinstance(fields, CertificateFields) else "CRL"
            odd.add(said if said.startswith("entry: ") else f"{what}: {said}")


# What certificates and CRLs have in common


def _another_algorithm(draw: Random, fields: Signed) -> str:
    chosen = draw.choice(list(ALGORITHMS))
    fields.algorithm = ALGORITHMS[chosen]
    return f"signed by {chosen}"


def _two_algorithms(draw: Random, fields: Signed) -> str:
    fields.inner_algorithm = draw.choice(list(ALGORITHMS.values()))
    return "two algorithms" if fields.inner_algorithm != fields.algorithm else ""


def _another_key(draw: Random, fields: Signed) -> str:
    fields.signer = p256(draw.randrange(7, 9))
    return "another key"


def _damage(_: Random, fields: Signed) -> str:
    fields.damaged = True
    return "another signature"


def _something_behind(draw: Random, fields: Signed) -> str:
    fields.after = draw.choice((b"\x00", NULL))
    return "data behind it"


ISSUERS = [
    ("another issuer", name(rdn("Another CA"))),
    ("another issuer", name(rdn("Factory CA"), rdn("Example", "55040a"))),
    ("no issuer", name()),
    ("issuer in other letters", name(rdn("Example", "55040a"), rdn("FACTORY ca"))),
    ("issuer in other letters", name(rdn("Example", "55040a"), rdn(" Factory  CA"))),
    ("issuer in other strings", name(rdn("Example", "55040a", 0x13), rdn("Factory CA", tag=0x13))),
]


def _another_issuer(draw: Random, fields: CertificateFields | CrlFields) -> str:
    own = fields.issuer
    said, fields.issuer = draw.choice(ISSUERS)
    return said if fields.issuer != own else ""


def _from(table: "list[tuple[str, str, bytes]]") -> "Change[CertificateFields | CrlFields]":
    """Return a change to an extension of a table, whose rows are what is odd, the slot and the extension."""

    def change(draw: Random, fields: CertificateFields | CrlFields) -> str:
        said, slot, der = draw.choice(table)
        fields.extensions[slot] = der
        return said

    return change


def _points(*fields: bytes) -> bytes:
    """CRLDistributionPoints with one point."""
    return extension("551d1f", sequence(sequence(*fields)))


def _reason(code: int, *, critical: bool | None = None) -> bytes:
    return extension("551d15", bytes([10, 1, code]), critical=critical)


SHARED_EXTENSIONS = [
    ("unknown extension", "unknown", extension(UNKNOWN, NULL)),
    ("unknown critical extension", "unknown", extension(UNKNOWN, NULL, critical=True)),
    ("critical FALSE in words", "unknown", extension(UNKNOWN, NULL, critical=False)),
    ("an extension twice", "twice", extension("551d23", sequence(tlv(0x80, KEY_ID)))),
    ("", "authority", b""),
    (
        "authority key identifier of another key",
        "authority",
        extension("551d23", sequence(tlv(0x80, b"other"))),
    ),
    (
        "critical authority key identifier",
        "authority",
        extension("551d23", sequence(tlv(0x80, KEY_ID)), critical=True),
    ),
    (
        "authority key identifier of another serial number",
        "authority",
        extension("551d23", sequence(tlv(0xA1, directory(name(rdn("x")))), tlv(0x82, b"\x12"))),
    ),
    ("freshest CRL", "freshest", extension("551d2e", sequence(sequence(full_name(uri(TWO)))))),
    (
        "authority information access",
        "information",
        extension(
            "2b06010505070101", sequence(sequence(oid("2b06010505073001"), uri("http://ocsp.example")))
        ),
    ),
    ("unreadable extension", "broken", extension("551d1f", b"\x04\x00")),
    ("unreadable extension", "broken", extension("551d14", NULL)),
]


# Certificates

LEAF_EXTENSIONS = [
    *SHARED_EXTENSIONS,
    ("", "basic", extension("551d13", sequence(), critical=True)),
    ("", "basic", extension("551d13", sequence())),
    ("CA:FALSE in words", "basic", extension("551d13", sequence(b"\x01\x01\x00"))),
    ("CA:TRUE", "basic", extension("551d13", sequence(b"\x01\x01\xff"), critical=True)),
    ("CA:TRUE", "basic", extension("551d13", sequence(b"\x01\x01\xff", integer(0)))),
    ("path length of no CA", "basic", extension("551d13", sequence(integer(0)))),
    ("no key usage", "key usage", b""),
    ("key agreement only", "key usage", extension("551d0f", tlv(3, b"\x03\x08"))),
    ("other key usage", "key usage", extension("551d0f", tlv(3, b"\x05\x20"))),
    ("other key usage", "key usage", extension("551d0f", tlv(3, b"\x02\x04"), critical=True)),
    ("other key usage", "key usage", extension("551d0f", tlv(3, b"\x07\x00"))),
    ("no extended key usage", "extended", b""),
    (
        "critical extended key usage",
        "extended",
        extension("551d25", sequence(oid("2b06010505070302")), critical=True),
    ),
    ("any extended key usage", "extended", extension("551d25", sequence(oid("551d2500")))),
    ("other extended key usage", "extended", extension("551d25", sequence(oid("2b06010505070301")))),
    ("other extended key usage", "extended", extension("551d25", sequence(oid(UNKNOWN)))),
    ("empty extended key usage", "extended", extension("551d25", sequence())),
    ("", "alternative", extension("551d11", sequence(tlv(0x82, b"device-1.example")))),
    ("", "alternative", extension("551d11", sequence(tlv(0x82, b"device-1.example")), critical=True)),
    ("unreadable names", "alternative", extension("551d11", sequence(tlv(0x87, b"\x01")))),
    ("policies", "policies", extension("551d20", sequence(sequence(oid("551d2000"))))),
    ("critical policies", "policies", extension("551d20", sequence(sequence(oid(UNKNOWN))), critical=True)),
    ("policy constraints", "explicit", extension("551d24", sequence(tlv(0x80, b"\x00")))),
    (
        "critical policy constraints",
        "explicit",
        extension("551d24", sequence(tlv(0x80, b"\x00")), critical=True),
    ),
    ("critical inhibitAnyPolicy", "inhibit", extension("551d36", integer(0), critical=True)),
    (
        "critical name constraints",
        "names",
        extension("551d1e", sequence(tlv(0xA0, sequence(tlv(0x82, b"example")))), critical=True),
    ),
    ("subject key identifier", "own", extension("551d0e", tlv(4, b"key of the device"))),
    ("critical subject key identifier", "own", extension("551d0e", tlv(4, b"key"), critical=True)),
    ("no OCSP", "ocsp", extension("2b0601050507300105", NULL)),
    ("no points", "points", b""),
    ("", "points", _points(full_name(uri(ONE), uri(TWO)))),
    (
        "critical points",
        "points",
        extension("551d1f", sequence(sequence(full_name(uri(ONE)))), critical=True),
    ),
    ("point of some reasons", "points", _points(full_name(uri(ONE)), tlv(0x81, b"\x05\x60"))),
    ("point of the CA as CRL issuer", "points", _points(full_name(uri(ONE)), tlv(0xA2, directory(OWN_NAME)))),
    (
        "point of another CRL issuer",
        "points",
        _points(full_name(uri(ONE)), tlv(0xA2, directory(name(rdn("x"))))),
    ),
    ("point of a CRL issuer only", "points", _points(tlv(0xA2, directory(OWN_NAME)))),
    ("relative point", "points", _points(relative_name("CRL1"))),
    ("", "points", _points(full_name(directory(name(rdn("CRL1")))))),
]


def _times(draw: Random, fields: CertificateFields) -> str:
    soon = NOW + timedelta(seconds=draw.choice(NEAR))
    said, fields.not_before, fields.not_after = draw.choice(
        (
            ("notBefore is near", utc_time(soon), fields.not_after),
            ("notAfter is near", fields.not_before, utc_time(soon)),
            ("never ends", fields.not_before, NO_END),
            ("ends in the past", fields.not_before, utc_time(NOW - DAY)),
            ("begins in the future", utc_time(NOW + DAY), fields.not_after),
            ("ends before it begins", fields.not_after, fields.not_before),
            ("GeneralizedTime before 2050", generalized_time(NOW - DAY), generalized_time(NOW + DAY)),
            ("time without seconds", tlv(0x17, b"2601010000Z"), fields.not_after),
            ("time with a fraction", fields.not_before, tlv(0x18, b"20600101000000.5Z")),
            ("time with an offset", tlv(0x17, b"260101000000+0100"), fields.not_after),
            ("time of the year 0", tlv(0x18, b"00000101000000Z"), fields.not_after),
        )
    )
    return said


def _serial(draw: Random, fields: CertificateFields) -> str:
    said, fields.serial = draw.choice(
        (
            ("serial number 0", b"\x00"),
            ("", b"\x01"),
            ("", b"\x00\x80"),
            ("negative serial number", b"\xff"),
            ("", b"\x7f" * 20),
            ("long serial number", b"\x00" + b"\xff" * 20),
            ("long serial number", b"\x01" * 40),
            ("padded serial number", b"\x00\x01"),
            ("empty serial number", b""),
        )
    )
    return said


def _version(draw: Random, fields: CertificateFields) -> str:
    said, fields.version, fields.unique_ids, kept = draw.choice(
        (
            ("version 1", b"", b"", {}),
            ("version 1 with extensions", b"", b"", fields.extensions),
            ("version 2 with unique ids", tlv(0xA0, b"\x02\x01\x01"), tlv(0x81, b"\x00x"), {}),
            ("version 4", tlv(0xA0, b"\x02\x01\x03"), b"", fields.extensions),
            ("version 1 in words", tlv(0xA0, b"\x02\x01\x00"), b"", {}),
            ("no extensions", fields.version, b"", {}),
        )
    )
    fields.extensions = kept
    return said


def _subject(draw: Random, fields: CertificateFields) -> str:
    said, fields.subject = draw.choice(
        (
            ("", name(rdn("Example", "55040a"), rdn("serial", "550405", 0x13), rdn("device-1"))),
            ("no subject", name()),
            ("subject of the CA", fields.issuer),
            ("", name(rdn("device"), rdn("device"))),
            ("subject of T61 strings", name(rdn("device", tag=0x14))),
            ("long subject", name(rdn("d" * 300))),
            ("empty subject", name(rdn(""))),
            ("unreadable subject", name(tlv(0x31, sequence(oid("550403"), tlv(0x0C, b"\xff"))))),
        )
    )
    return said


def _key(draw: Random, fields: CertificateFields) -> str:
    said, fields.key = draw.choice(
        (
            ("", public_key(rsa_2048())),
            ("key on P-384", public_key(ec.derive_private_key(5, ec.SECP384R1()))),
            ("key on P-521", public_key(ec.derive_private_key(5, ec.SECP521R1()))),
            ("key that AWS IoT does not take", public_key(ec.derive_private_key(5, ec.SECP256K1()))),
            ("key that AWS IoT does not take", public_key(rsa_key(1024))),
            (
                "key that AWS IoT does not take",
                public_key(ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32))),
            ),
            ("key that is none", sequence(sequence(oid(UNKNOWN)), tlv(3, b"\x00x"))),
            ("key that is none", public_key(p256(9))[:-4] + bytes(4)),
        )
    )
    return said


COMMON: "list[Change[CertificateFields | CrlFields]]" = [
    _another_algorithm,
    _two_algorithms,
    _another_key,
    _damage,
    _something_behind,
    _another_issuer,
]
LEAF_CHANGES: "list[Change[CertificateFields]]" = [
    *COMMON,
    *[_times, _serial, _version, _subject, _key] * 2,
    *[_from(LEAF_EXTENSIONS)] * 8,
]


# CRLs


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
]


def _crl_times(draw: Random, fields: CrlFields) -> str:
    soon = NOW + timedelta(seconds=draw.choice(NEAR))
    said, fields.this_update, fields.next_update = draw.choice(
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
    return said


def _crl_version(draw: Random, fields: CrlFields) -> str:
    said, fields.version, kept = draw.choice(
        (
            ("version 1", b"", {}),
            ("version 1 with extensions", b"", fields.extensions),
            ("version 3", b"\x02\x01\x02", fields.extensions),
            ("version 1 in words", b"\x02\x01\x00", {}),
            ("no number", fields.version, {}),
        )
    )
    fields.extensions = kept
    return said


def _another_entry(draw: Random, fields: CrlFields) -> str:
    said, extensions = draw.choice(ENTRY_EXTENSIONS)
    fields.entries.append(entry(b"\x05\x05", utc_time(NOW - DAY), *extensions))
    return f"entry: {said}" if said else ""


def _no_entries(_: Random, fields: CrlFields) -> str:
    fields.entries = [b""]
    return "empty list"


ENTRY_EXTENSIONS: list[tuple[str, list[bytes]]] = [
    ("", []),
    *[("", [_reason(code)]) for code in (0, 1, 2, 3, 4, 5, 6, 9, 10)],
    ("reason that does not exist", [_reason(7)]),
    ("reason that does not exist", [_reason(11)]),
    ("removeFromCRL", [_reason(8)]),
    ("critical entry extension", [_reason(1, critical=True)]),
    ("two reasons", [_reason(1), _reason(4)]),
    ("", [extension("551d18", tlv(0x18, b"20260101000000Z"))]),
    ("critical entry extension", [extension("551d18", tlv(0x18, b"20260101000000Z"), critical=True)]),
    ("", [_reason(6), extension("551d17", oid("2a8648ce380203"))]),
    ("", [extension(UNKNOWN, NULL)]),
    ("unknown critical entry extension", [extension(UNKNOWN, NULL, critical=True)]),
    ("certificate issuer", [extension("551d1d", sequence(directory(OWN_NAME)), critical=True)]),
    ("another certificate issuer", [extension("551d1d", sequence(directory(name(rdn("x")))), critical=True)]),
    ("unreadable entry extension", [extension("551d15", NULL)]),
]


def _list(crl: CrlFields, serial: bytes, draw: Random, odd: set[str]) -> None:
    """Let a CRL list a serial number."""
    said, extensions = draw.choice(ENTRY_EXTENSIONS)
    when = utc_time(NOW - DAY)
    if draw.random() < 0.1:
        when = draw.choice((utc_time(NOW + DAY), NO_END))
        odd.add("entry: of the future")
    crl.entries.insert(draw.randint(0, len(crl.entries)), entry(serial, when, *extensions))
    odd.add("listed")
    if said:
        odd.add(f"entry: {said}")
    if draw.random() < 0.1:
        crl.entries.append(entry(serial, when, *draw.choice(ENTRY_EXTENSIONS)[1]))
        odd.add("entry: twice")


CRL_CHANGES: "list[Change[CrlFields]]" = [
    *COMMON,
    *[_crl_times, _another_entry] * 2,
    _crl_version,
    _no_entries,
    *[_from(CRL_EXTENSIONS)] * 8,
]
