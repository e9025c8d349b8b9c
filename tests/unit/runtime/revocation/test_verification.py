"""One case for every rule that a CRL must obey. What each breaks is the only thing wrong with it."""

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519, padding
from cryptography.hazmat.primitives.serialization import Encoding

from iot_jitr_cli.pki.authority import DevelopmentCa
from iot_jitr_cli.pki.keys import KeyKind
from iot_jitr_runtime.certificates import CLOCK_TOLERANCE
from iot_jitr_runtime.revocation.crl import Crl
from iot_jitr_runtime.revocation.model import RejectionReason, UnusableCrlError
from iot_jitr_runtime.revocation.scope import Scope
from iot_jitr_runtime.revocation.verification import check_time, verify
from tests.support.crls import (
    NO_END,
    NOW,
    CrlSpec,
    Entry,
    Extension,
    idp,
    make_ca,
    make_crl,
    raw_crl,
)
from tests.support.pkix_der import (
    ALGORITHMS,
    BIT_STRING_NAME,
    directory,
    extension,
    full_name,
    integer,
    sequence,
    tlv,
)

CA = DevelopmentCa.create()
UNKNOWN = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.99999.1"), b"\x05\x00")
SOME_REASONS = frozenset({x509.ReasonFlags.key_compromise})


@cache
def ca_with(kind: KeyKind) -> DevelopmentCa:
    return DevelopmentCa.create(key=kind)


def verified(data: bytes, ca: DevelopmentCa = CA) -> Crl:
    crl = Crl.load(data)
    verify(crl, ca.certificate)
    check_time(crl, NOW)
    return crl


def with_extension(value: x509.ExtensionType, *, critical: bool = True, ca: DevelopmentCa = CA) -> bytes:
    return make_crl(ca, CrlSpec(extensions=[(value, critical)]))


def with_raw(*extensions: bytes) -> bytes:
    return raw_crl(CA, extensions=dict(enumerate(extensions)))


def key_usage(*, crl_sign: bool) -> Extension:
    return x509.KeyUsage(False, False, False, False, False, True, crl_sign, False, False), True  # noqa: FBT003


@pytest.mark.parametrize("encoding", [Encoding.DER, Encoding.PEM])
def test_a_sound_crl_is_read_from_der_and_pem(encoding: Encoding) -> None:
    crl = verified(make_crl(CA, CrlSpec(number=42, entries=[Entry(5)]), encoding))

    assert (crl.number, crl.scope, crl.issuer) == (42, Scope(), CA.certificate.subject)
    assert crl.this_update == NOW - timedelta(hours=1)
    assert crl.next_update == NOW + timedelta(days=1)


def test_pem_and_der_have_the_same_digest() -> None:
    data = make_crl(CA)
    pem = x509.load_der_x509_crl(data).public_bytes(Encoding.PEM)

    assert Crl.load(pem).digest == Crl.load(data).digest == hash_of(data)


def hash_of(data: bytes) -> str:
    digest = hashes.Hash(hashes.SHA256())
    digest.update(data)
    return digest.finalize().hex()


@pytest.mark.parametrize("entries", [0, 1, 3, 400, 3000])
def test_what_is_signed_is_what_cryptography_says_is_signed(entries: int) -> None:
    crl = Crl.load(make_crl(CA, CrlSpec(entries=[Entry(serial) for serial in range(1, entries + 1)])))

    assert crl.signed == crl.parsed.tbs_certlist_bytes


@pytest.mark.parametrize("kind", list(KeyKind))
@pytest.mark.parametrize("algorithm", [hashes.SHA256(), hashes.SHA384(), hashes.SHA512()])
def test_every_kind_of_ca_key_verifies_its_crl(kind: KeyKind, algorithm: hashes.HashAlgorithm) -> None:
    ca = ca_with(kind)

    assert verified(make_crl(ca, CrlSpec(algorithm=algorithm)), ca)


class NotSerializedAgain:
    """A parsed CRL whose list of entries is not written out once more: a million of them take a second."""

    def __init__(self, parsed: x509.CertificateRevocationList) -> None:
        self._parsed = parsed

    def __getattr__(self, name: str) -> object:
        assert name not in {"is_signature_valid", "tbs_certlist_bytes"}
        return getattr(self._parsed, name)


@pytest.mark.parametrize("kind", [KeyKind.RSA_2048, KeyKind.EC_P256])
def test_the_signature_is_checked_over_the_bytes_where_they_lie(kind: KeyKind) -> None:
    ca = ca_with(kind)
    crl = Crl.load(make_crl(ca))

    verify(replace(crl, parsed=NotSerializedAgain(crl.parsed)), ca.certificate)  # type: ignore[arg-type]


RSA = ca_with(KeyKind.RSA_2048)
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


@pytest.mark.parametrize(("data", "ca"), SOUND.values(), ids=SOUND.keys())
def test_a_sound_crl_is_usable(data: bytes, ca: DevelopmentCa) -> None:
    assert verified(data, ca)


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


@pytest.mark.parametrize(("data", "ca", "reason", "text"), UNSOUND.values(), ids=UNSOUND.keys())
def test_an_unsound_crl_is_refused_for_one_reason(
    data: bytes, ca: DevelopmentCa, reason: RejectionReason, text: str
) -> None:
    with pytest.raises(UnusableCrlError) as caught:
        verified(data, ca)

    assert caught.value.reason is reason
    assert text in caught.value.detail
    assert str(caught.value).endswith(f"({reason.source})")
    assert "\n" not in str(caught.value)


def test_a_crl_older_than_the_configured_maximum_is_refused() -> None:
    crl = Crl.load(make_crl(CA, CrlSpec(this_update=NOW - timedelta(hours=3))))

    check_time(crl, NOW, max_age=timedelta(hours=4))
    with pytest.raises(UnusableCrlError, match="older than the configured 3:00:00") as caught:
        check_time(crl, NOW, max_age=timedelta(hours=3))
    assert caught.value.reason is RejectionReason.EXPIRED


def test_the_scope_is_that_of_the_distribution_point() -> None:
    urls = ("http://a.example/1", "http://b.example/1")
    partition, of_devices = (
        verified(make_crl(CA, CrlSpec(extensions=[extension]))).scope
        for extension in (idp(*urls), idp(only_contains_user_certs=True))
    )

    assert partition == Scope(frozenset(urls))
    assert of_devices == Scope(only_user_certificates=True)


EDGES = [b"00000101000000Z", b"00010101000000Z", b"19700101000000Z", b"99991231235959Z"]
FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


@pytest.mark.parametrize("this_update", EDGES)
@pytest.mark.parametrize("next_update", EDGES)
@pytest.mark.parametrize("now", [FIRST, NOW, LAST])
@pytest.mark.parametrize("max_age", [None, timedelta(0), timedelta.max])
def test_no_date_of_a_crl_is_an_error_in_arithmetic(
    this_update: bytes, next_update: bytes, now: datetime, max_age: timedelta | None
) -> None:
    crl = raw_crl(CA, this_update=tlv(0x18, this_update), next_update=tlv(0x18, next_update))

    with suppress(UnusableCrlError):
        check_time(Crl.load(crl), now, max_age)


def test_a_crl_without_end_is_usable_to_the_end() -> None:
    crl = verified(make_crl(CA, CrlSpec(next_update=NO_END)))

    check_time(crl, NO_END, timedelta.max)
