"""CAs, and a sound certificate and a sound CRL of each: the start of each case."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from random import Random

from tests.support.pkix_der import (
    ALGORITHMS,
    CertificateFields,
    CrlFields,
    SigningKey,
    entry,
    extension,
    full_name,
    integer,
    name,
    oid,
    p256,
    public_key,
    rdn,
    rsa_2048,
    sequence,
    tlv,
    uri,
    utc_time,
)

NOW = datetime(2026, 6, 1, 12, 0, 0, tzinfo=UTC)
DAY = timedelta(days=1)
ONE, TWO = "http://crl.example/1.crl", "http://crl.example/2.crl"
URLS = (ONE, TWO)
NO_END = tlv(0x18, b"99991231235959Z")
NEAR = (-3600, -6, -5, -4, 0, 4, 5, 6, 3600)
"""Seconds from now: both validators tolerate five."""
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
    """The CAs by their special property; most cases use the first one."""
    return {
        "": _ca(p256(1), "ECDSA with SHA-256"),
        "CA: RSA": _ca(rsa_2048(), "RSA with SHA-256"),
        "CA: no key usage": _ca(p256(2), "ECDSA with SHA-256", usage=None),
        "CA: no cRLSign": _ca(p256(3), "ECDSA with SHA-256", usage=b"\x02\x04"),
        "CA: name of many strings": _ca(
            p256(4), "ECDSA with SHA-256", subject=name(rdn("Größe ÄÖ"), rdn("Fabrik", "55040b", 0x13))
        ),
    }


def sound_leaf(ca: Ca, draw: Random) -> CertificateFields:
    extensions = {
        "authority": extension("551d23", sequence(tlv(0x80, KEY_ID))),
        "key usage": extension("551d0f", tlv(3, b"\x07\x80"), critical=True),
        "extended": extension("551d25", sequence(oid("2b06010505070302"))),
    }
    if draw.random() < 0.5:
        extensions["points"] = points(full_name(uri(draw.choice(URLS))))
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


def sound_crl(ca: Ca, draw: Random, number: int) -> CrlFields:
    entries = [
        entry(
            bytes([draw.randrange(1, 0x80)]) + draw.randbytes(15),
            utc_time(NOW - draw.randrange(1, 100) * DAY),
            *([reason_code(draw.choice((1, 3, 4, 5)))] if draw.random() < 0.5 else []),
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


def points(*fields: bytes) -> bytes:
    """CRLDistributionPoints with one point."""
    return extension("551d1f", sequence(sequence(*fields)))


def reason_code(code: int, *, critical: bool | None = None) -> bytes:
    return extension("551d15", bytes([10, 1, code]), critical=critical)
