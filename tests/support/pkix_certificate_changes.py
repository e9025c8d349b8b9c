"""Oddities of certificates, and of what certificates and CRLs have in common."""

from collections.abc import Callable
from datetime import timedelta
from random import Random
from typing import TypeVar

from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from tests.support.ca_builder import rsa_key
from tests.support.pkix_der import (
    ALGORITHMS,
    BIT_STRING_NAME,
    NULL,
    CertificateFields,
    CrlFields,
    Signed,
    directory,
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
from tests.support.pkix_sound import DAY, KEY_ID, NEAR, NO_END, NOW, ONE, OWN_NAME, TWO, UNKNOWN, points

F = TypeVar("F", bound=Signed)
Change = Callable[[Random, F], str]
"""Changes fields; returns what is odd about them then, or nothing."""


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
    oddity, fields.issuer = draw.choice(ISSUERS)
    return oddity if fields.issuer != own else ""


def from_table(table: "list[tuple[str, str, bytes]]") -> "Change[CertificateFields | CrlFields]":
    """Return a change to an extension of a table; its rows are what is odd, the slot and the extension."""

    def change(draw: Random, fields: CertificateFields | CrlFields) -> str:
        oddity, slot, der = draw.choice(table)
        fields.extensions[slot] = der
        return oddity

    return change


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
    ("unreadable names", "alternative", extension("551d11", sequence(directory(BIT_STRING_NAME)))),
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
    ("", "points", points(full_name(uri(ONE), uri(TWO)))),
    (
        "critical points",
        "points",
        extension("551d1f", sequence(sequence(full_name(uri(ONE)))), critical=True),
    ),
    ("point of some reasons", "points", points(full_name(uri(ONE)), tlv(0x81, b"\x05\x60"))),
    ("point of the CA as CRL issuer", "points", points(full_name(uri(ONE)), tlv(0xA2, directory(OWN_NAME)))),
    (
        "point of another CRL issuer",
        "points",
        points(full_name(uri(ONE)), tlv(0xA2, directory(name(rdn("x"))))),
    ),
    ("point of a CRL issuer only", "points", points(tlv(0xA2, directory(OWN_NAME)))),
    ("relative point", "points", points(relative_name("CRL1"))),
    ("", "points", points(full_name(directory(name(rdn("CRL1")))))),
]


def _times(draw: Random, fields: CertificateFields) -> str:
    soon = NOW + timedelta(seconds=draw.choice(NEAR))
    oddity, fields.not_before, fields.not_after = draw.choice(
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
    return oddity


def _serial(draw: Random, fields: CertificateFields) -> str:
    oddity, fields.serial = draw.choice(
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
    return oddity


def _version(draw: Random, fields: CertificateFields) -> str:
    oddity, fields.version, fields.unique_ids, kept = draw.choice(
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
    return oddity


def _subject(draw: Random, fields: CertificateFields) -> str:
    oddity, fields.subject = draw.choice(
        (
            ("", name(rdn("Example", "55040a"), rdn("serial", "550405", 0x13), rdn("device-1"))),
            ("no subject", name()),
            ("subject of the CA", fields.issuer),
            ("", name(rdn("device"), rdn("device"))),
            ("subject of T61 strings", name(rdn("device", tag=0x14))),
            ("long subject", name(rdn("d" * 300))),
            ("empty subject", name(rdn(""))),
            ("unreadable subject", name(tlv(0x31, sequence(oid("550403"), tlv(0x0C, b"\xff"))))),
            ("unreadable subject", BIT_STRING_NAME),
        )
    )
    return oddity


def _key(draw: Random, fields: CertificateFields) -> str:
    oddity, fields.key = draw.choice(
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
    return oddity


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
    *[from_table(LEAF_EXTENSIONS)] * 8,
]
