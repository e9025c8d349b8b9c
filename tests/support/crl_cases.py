"""CRLs that obey every rule, and one CRL for each way to break a rule; each breaks exactly one rule."""

from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519, padding
from cryptography.hazmat.primitives.serialization import Encoding

from iot_jitr_cli.pki.authority import DevelopmentCa
from iot_jitr_cli.pki.keys import KeyKind
from iot_jitr_cli.pki.validity import Validity
from iot_jitr_runtime.certificates import CLOCK_TOLERANCE
from iot_jitr_runtime.revocation.model import RejectionReason
from tests.support.crls import NOW, CrlSpec, Entry, Extension, idp, make_ca, make_crl, raw_crl
from tests.support.pkix_der import (
    ALGORITHMS,
    BIT_STRING_NAME,
    directory,
    extension,
    full_name,
    integer,
    sequence,
)

LONG = Validity(NOW - timedelta(days=30), NOW + timedelta(days=30))
CA = DevelopmentCa.create(validity=LONG)
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")
SOME_REASONS = frozenset({x509.ReasonFlags.key_compromise})


def with_extension(value: x509.ExtensionType, *, critical: bool = True, ca: DevelopmentCa = CA) -> bytes:
    return make_crl(ca, CrlSpec(extensions=[(value, critical)]))


def with_raw(*extensions: bytes) -> bytes:
    return raw_crl(CA, extensions=dict(enumerate(extensions)))


def key_usage(*, crl_sign: bool) -> Extension:
    return x509.KeyUsage(False, False, False, False, False, True, crl_sign, False, False), True  # noqa: FBT003


RSA = DevelopmentCa.create(key=KeyKind.RSA_2048)
ED25519 = make_ca(key=ed25519.Ed25519PrivateKey.generate())
BARE = make_ca()
NO_CRL_SIGN = make_ca(extensions=[key_usage(crl_sign=False)])
CRL_SIGN = make_ca(extensions=[key_usage(crl_sign=True)])
BROKEN = make_ca(
    extensions=[(x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.15"), b"\x04\x00"), True)]
)
ISSUER = [x509.DirectoryName(CA.certificate.x509.subject)]
OWN_KEY = x509.SubjectKeyIdentifier.from_public_key(CA.key.public_key()).digest
OWN_ID = x509.AuthorityKeyIdentifier(OWN_KEY, ISSUER, CA.certificate.x509.serial_number)
OTHER_ID = x509.AuthorityKeyIdentifier(b"another key", None, None)
PSS = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
LONG_AGO = NOW - timedelta(days=2)
SECOND = timedelta(seconds=1)

SOUND = {
    "text before the PEM armour": (
        b"Certificate Revocation List (CRL):\n" + make_crl(CA, encoding=Encoding.PEM),
        CA,
    ),
    "RSASSA-PSS": (make_crl(RSA, CrlSpec(padding=PSS)), RSA),
    "a signature without a hash": (make_crl(ED25519, CrlSpec(algorithm=None)), ED25519),
    "the right authority key": (with_extension(OWN_ID, critical=False), CA),
    "the right authority key, critical": (with_extension(OWN_ID), CA),
    "any authority key, of a CA without one": (with_extension(OTHER_ID, critical=False, ca=BARE), BARE),
    "a CA without key usage": (make_crl(BARE), BARE),
    "a CA with cRLSign": (make_crl(CRL_SIGN), CRL_SIGN),
    "thisUpdate in the future, tolerated": (make_crl(CA, CrlSpec(this_update=NOW + CLOCK_TOLERANCE)), CA),
    "nextUpdate passed, tolerated": (
        make_crl(CA, CrlSpec(this_update=LONG_AGO, next_update=NOW - CLOCK_TOLERANCE + SECOND)),
        CA,
    ),
    "a number of 20 octets": (make_crl(CA, CrlSpec(number=2**160 - 1)), CA),
    "an unknown extension": (with_extension(UNKNOWN, critical=False), CA),
}

NUMBER = extension("551d14", integer(10))
MALFORMED = {
    "empty": b"",
    "html": b"<!DOCTYPE html><html><title>404</title></html>",
    "zeros": bytes(1_000_000),
    "truncated": make_crl(CA, CrlSpec(entries=[Entry(5)]))[:-10],
    "trailing data": make_crl(CA) + b"\x00",
    "a certificate": CA.certificate.der,
    "a PEM certificate": CA.certificate.pem.encode(),
    "cut PEM": make_crl(CA, encoding=Encoding.PEM)[:-40],
    "two CRLs in one PEM file": 2 * make_crl(CA, encoding=Encoding.PEM),
    "two signature algorithms": raw_crl(CA, inner_algorithm=ALGORITHMS["ECDSA with SHA-384"]),
    "an issuer of another type": make_crl(CA).replace(b"\x0c\x17iot-jitr", b"\x03\x17iot-jitr"),
    "a distribution point of another type": with_raw(
        NUMBER, extension("551d1c", sequence(full_name(directory(BIT_STRING_NAME))), critical=True)
    ),
    "version 5": raw_crl(CA, version=b"\x02\x01\x04"),
    "a negative CRL number": with_raw(extension("551d14", integer(-128))),
    "the same extension twice": with_raw(NUMBER, NUMBER),
}


CHANGED = make_crl(CA, CrlSpec(entries=[Entry(0x0A0B0C0D0E0F)])).replace(
    bytes.fromhex("0a0b0c0d0e0f"), bytes.fromhex("0a0b0c0d0e10")
)
SHA1 = make_crl(RSA).replace(bytes.fromhex("2a864886f70d01010b"), bytes.fromhex("2a864886f70d010105"))
UNKNOWN_ALGORITHM = make_crl(CA).replace(bytes.fromhex("2a8648ce3d040302"), bytes.fromhex("2a8648ce3d04030f"))
WITH_NUMBER = CrlSpec(number=None, extensions=[(x509.CRLNumber(1), True)])

UNSOUND: dict[str, tuple[bytes, DevelopmentCa, RejectionReason, str]] = {
    **{name: (data, CA, RejectionReason.MALFORMED, "") for name, data in MALFORMED.items()},
    "another CA's": (
        make_crl(DevelopmentCa.create("Another CA")),
        CA,
        RejectionReason.WRONG_ISSUER,
        "'CN=Another CA'",
    ),
    "another key of the same name": (
        make_crl(DevelopmentCa.create()),
        CA,
        RejectionReason.BAD_SIGNATURE,
        f"not by the key of '{CA.certificate.subject}'",
    ),
    "changed": (CHANGED, CA, RejectionReason.BAD_SIGNATURE, ""),
    "another key, without a hash": (
        make_crl(make_ca(key=ed25519.Ed25519PrivateKey.generate()), CrlSpec(algorithm=None)),
        ED25519,
        RejectionReason.BAD_SIGNATURE,
        "",
    ),
    "a signature of another kind than the CA's key": (
        make_crl(RSA),
        CA,
        RejectionReason.BAD_SIGNATURE,
        "",
    ),
    "a weak hash": (SHA1, RSA, RejectionReason.SIGNATURE_ALGORITHM, "SHA1"),
    "an unknown algorithm": (UNKNOWN_ALGORITHM, CA, RejectionReason.SIGNATURE_ALGORITHM, ""),
    "another authority key": (
        with_extension(OTHER_ID, critical=False),
        CA,
        RejectionReason.WRONG_ISSUER,
        b"another key".hex(),
    ),
    "another CA certificate's serial number": (
        with_extension(x509.AuthorityKeyIdentifier(None, ISSUER, 4711), critical=False),
        CA,
        RejectionReason.WRONG_ISSUER,
        f"{4711:x}",
    ),
    "a CA without cRLSign": (
        make_crl(NO_CRL_SIGN),
        NO_CRL_SIGN,
        RejectionReason.NO_CRL_SIGN,
        "the CA's key usage does not allow it to sign CRLs",
    ),
    "a CA with unreadable extensions": (make_crl(BROKEN), BROKEN, RejectionReason.NO_CRL_SIGN, ""),
    "thisUpdate in the future": (
        make_crl(CA, CrlSpec(this_update=NOW + CLOCK_TOLERANCE + SECOND)),
        CA,
        RejectionReason.NOT_YET_VALID,
        "its thisUpdate is",
    ),
    "nextUpdate passed": (
        make_crl(CA, CrlSpec(this_update=LONG_AGO, next_update=NOW - CLOCK_TOLERANCE)),
        CA,
        RejectionReason.EXPIRED,
        "its nextUpdate was",
    ),
    "no nextUpdate": (raw_crl(CA, next_update=b""), CA, RejectionReason.NO_NEXT_UPDATE, ""),
    "no number": (make_crl(CA, CrlSpec(number=None)), CA, RejectionReason.NO_NUMBER, "rollback"),
    "version 1": (raw_crl(CA, version=b"", extensions={}), CA, RejectionReason.NO_NUMBER, "version 1"),
    "version 1 with extensions": (raw_crl(CA, version=b""), CA, RejectionReason.NO_NUMBER, "version 1"),
    "a number of 21 octets": (make_crl(CA, CrlSpec(number=2**160)), CA, RejectionReason.NO_NUMBER, "20"),
    "an absurd number": (make_crl(CA, CrlSpec(number=1 << 80_000)), CA, RejectionReason.NO_NUMBER, "20"),
    "a critical number": (make_crl(CA, WITH_NUMBER), CA, RejectionReason.CRITICAL_EXTENSION, "2.5.29.20"),
    "an unknown critical extension": (
        with_extension(UNKNOWN),
        CA,
        RejectionReason.CRITICAL_EXTENSION,
        "1.3.6.1.4.1.99999.1",
    ),
    "a delta CRL": (with_extension(x509.DeltaCRLIndicator(1)), CA, RejectionReason.DELTA, "number 1 "),
    **{
        text: (make_crl(CA, CrlSpec(extensions=[extension])), CA, reason, text)
        for reason, extension, text in (
            (RejectionReason.INDIRECT, idp(indirect_crl=True), "it is an indirect CRL"),
            (
                RejectionReason.ONLY_CA_CERTIFICATES,
                idp(only_contains_ca_certs=True),
                "it lists CA certificates only",
            ),
            (
                RejectionReason.ONLY_ATTRIBUTE_CERTIFICATES,
                idp(only_contains_attribute_certs=True),
                "it lists attribute certificates only",
            ),
            (
                RejectionReason.ONLY_SOME_REASONS,
                idp("http://crl.example/1", only_some_reasons=SOME_REASONS),
                "it lists certificates revoked for some reasons only",
            ),
        )
    },
}
