"""Certificates and CRLs put together byte by byte (RFC 5280 sections 4.1, 5.1): with any content."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS, PKCS1v15
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.support.ca_builder import rsa_key

SigningKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
NULL = b"\x05\x00"


def tlv(tag: int, content: bytes) -> bytes:
    """One DER element."""
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(octets)]) + octets + content


def sequence(*parts: bytes) -> bytes:
    return tlv(0x30, b"".join(parts))


def oid(encoded: str) -> bytes:
    """An OBJECT IDENTIFIER; `encoded` is its content in hexadecimal."""
    return tlv(6, bytes.fromhex(encoded))


def integer(value: int) -> bytes:
    return tlv(2, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def utc_time(moment: datetime) -> bytes:
    return tlv(0x17, moment.astimezone(UTC).strftime("%y%m%d%H%M%SZ").encode())


def generalized_time(moment: datetime) -> bytes:
    return tlv(0x18, moment.astimezone(UTC).strftime("%Y%m%d%H%M%SZ").encode())


def name(*rdns: bytes) -> bytes:
    return sequence(*rdns)


def rdn(value: str, attribute: str = "550403", tag: int = 0x0C) -> bytes:
    """A relative distinguished name with one attribute, by default a common name in UTF-8."""
    return tlv(0x31, sequence(oid(attribute), tlv(tag, value.encode("latin-1" if tag == 0x14 else "utf-8"))))


BIT_STRING_NAME = name(tlv(0x31, sequence(oid("550403"), tlv(3, b"\x00x"))))
"""A common name of a type that no common name has."""


def extension(extension_id: str, value: bytes, *, critical: bool | None = None) -> bytes:
    """An extension; `critical` left out, true, or (which DER forbids) false in words."""
    flag = b"" if critical is None else tlv(1, b"\xff" if critical else b"\x00")
    return sequence(oid(extension_id), flag, tlv(4, value))


@dataclass(frozen=True)
class Algorithm:
    """A signature algorithm as both fields write it, and how a key makes such a signature."""

    identifier: bytes
    digest: hashes.HashAlgorithm | None
    padding: PSS | PKCS1v15 | None = None

    def sign(self, key: SigningKey, data: bytes) -> bytes:
        match key:
            case ec.EllipticCurvePrivateKey():
                return key.sign(data, ec.ECDSA(self.digest or hashes.SHA256()))
            case rsa.RSAPrivateKey():
                return key.sign(data, self.padding or PKCS1v15(), self.digest or hashes.SHA256())
            case _:
                return key.sign(data)


def _pss(digest: str, salt: int) -> bytes:
    hashed = sequence(oid(digest), NULL)
    mask = sequence(oid("2a864886f70d010108"), hashed)
    return sequence(
        oid("2a864886f70d01010a"), sequence(tlv(0xA0, hashed), tlv(0xA1, mask), tlv(0xA2, integer(salt)))
    )


def _pss_padding(digest: hashes.HashAlgorithm) -> PSS:
    return PSS(MGF1(digest), digest.digest_size)


ALGORITHMS = {
    "ECDSA with SHA-1": Algorithm(sequence(oid("2a8648ce3d0401")), hashes.SHA1()),
    "ECDSA with SHA-224": Algorithm(sequence(oid("2a8648ce3d040301")), hashes.SHA224()),
    "ECDSA with SHA-256": Algorithm(sequence(oid("2a8648ce3d040302")), hashes.SHA256()),
    "ECDSA with SHA-384": Algorithm(sequence(oid("2a8648ce3d040303")), hashes.SHA384()),
    "ECDSA with SHA-512": Algorithm(sequence(oid("2a8648ce3d040304")), hashes.SHA512()),
    "ECDSA with SHA3-256": Algorithm(sequence(oid("60864801650304030a")), hashes.SHA3_256()),
    "RSA with SHA-1": Algorithm(sequence(oid("2a864886f70d010105"), NULL), hashes.SHA1()),
    "RSA with SHA-256": Algorithm(sequence(oid("2a864886f70d01010b"), NULL), hashes.SHA256()),
    "RSA with SHA-384": Algorithm(sequence(oid("2a864886f70d01010c"), NULL), hashes.SHA384()),
    "RSA with SHA-512": Algorithm(sequence(oid("2a864886f70d01010d"), NULL), hashes.SHA512()),
    "RSASSA-PSS with SHA-256": Algorithm(
        _pss("608648016503040201", 32), hashes.SHA256(), _pss_padding(hashes.SHA256())
    ),
    "Ed25519": Algorithm(sequence(oid("2b6570")), None),
}


@cache
def p256(number: int) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(number + 1, ec.SECP256R1())


@cache
def rsa_2048() -> rsa.RSAPrivateKey:
    return rsa_key(2048)


@cache
def public_key(key: "SigningKey") -> bytes:
    """The SubjectPublicKeyInfo of a key."""
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@dataclass
class Signed:
    """What a certificate and a CRL have in common: content, two algorithm fields and a signature."""

    algorithm: Algorithm
    signer: SigningKey
    inner_algorithm: Algorithm | None = None
    """The algorithm that the signed part names, where it is another one."""
    damaged: bool = False
    """A bit of what is signed is changed after it was signed."""
    after: bytes = b""
    """What follows behind the DER."""

    def seal(self, *fields: bytes) -> bytes:
        content = sequence(*fields)
        signature = self.algorithm.sign(self.signer, content)
        if self.damaged:
            signature = self.algorithm.sign(self.signer, content + b"\x00")
        return sequence(content, self.algorithm.identifier, tlv(3, b"\x00" + signature)) + self.after

    @property
    def stated(self) -> bytes:
        return (self.inner_algorithm or self.algorithm).identifier


@dataclass
class CertificateFields(Signed):
    """RFC 5280 section 4.1."""

    version: bytes = tlv(0xA0, b"\x02\x01\x02")
    serial: bytes = b"\x01"
    issuer: bytes = b""
    not_before: bytes = b""
    not_after: bytes = b""
    subject: bytes = b""
    key: bytes = b""
    unique_ids: bytes = b""
    extensions: dict[str, bytes] = field(default_factory=dict)
    """By any name; the values are whole extensions."""

    def der(self) -> bytes:
        return self.seal(
            self.version,
            tlv(2, self.serial),
            self.stated,
            self.issuer,
            sequence(self.not_before, self.not_after),
            self.subject,
            self.key,
            self.unique_ids,
            _extensions(0xA3, self.extensions),
        )


@dataclass
class CrlFields(Signed):
    """RFC 5280 section 5.1."""

    version: bytes = b"\x02\x01\x01"
    issuer: bytes = b""
    this_update: bytes = b""
    next_update: bytes = b""
    entries: list[bytes] = field(default_factory=list)
    extensions: dict[str, bytes] = field(default_factory=dict)

    def der(self) -> bytes:
        return self.seal(
            self.version,
            self.stated,
            self.issuer,
            self.this_update,
            self.next_update,
            sequence(*self.entries) if self.entries else b"",
            _extensions(0xA0, self.extensions),
        )


def _extensions(tag: int, extensions: dict[str, bytes]) -> bytes:
    content = b"".join(extensions.values())
    return tlv(tag, sequence(content)) if content else b""


def entry(serial: bytes, when: bytes, *extensions: bytes) -> bytes:
    """An entry; `serial` is the content of its INTEGER."""
    return sequence(tlv(2, serial), when, sequence(*extensions) if extensions else b"")


def uri(url: str) -> bytes:
    return tlv(0x86, url.encode())


def directory(issuer: bytes) -> bytes:
    return tlv(0xA4, issuer)


def full_name(*names: bytes) -> bytes:
    """A DistributionPointName with full names, as the field distributionPoint [0]."""
    return tlv(0xA0, tlv(0xA0, b"".join(names)))


def relative_name(value: str) -> bytes:
    """A DistributionPointName relative to the issuer, as the field distributionPoint [0]."""
    return tlv(0xA0, tlv(0xA1, rdn(value)[2:]))
