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
from iot_jitr_cli.pki.extensions import ca_extensions
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
    RawCrl,
    idp,
    make_ca,
    make_crl,
    raw_extension,
    tlv,
)
from tests.support.pkix_der import BIT_STRING_NAME, directory, full_name

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


def refused(data: bytes, ca: DevelopmentCa = CA) -> UnusableCrlError:
    with pytest.raises(UnusableCrlError) as caught:
        verified(data, ca)
    assert "\n" not in str(caught.value)
    return caught.value


def with_extension(value: x509.ExtensionType, *, critical: bool = True) -> bytes:
    return make_crl(CA, CrlSpec(extensions=[(value, critical)]))


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


def test_text_before_the_pem_armour_is_skipped() -> None:
    assert verified(b"Certificate Revocation List (CRL):\n" + make_crl(CA, encoding=Encoding.PEM))


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


def test_rsa_pss_verifies() -> None:
    ca = ca_with(KeyKind.RSA_2048)
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)

    assert verified(make_crl(ca, CrlSpec(padding=pss)), ca)


def test_a_signature_that_has_no_hash_verifies() -> None:
    ca = make_ca(key=ed25519.Ed25519PrivateKey.generate())

    assert verified(make_crl(ca, CrlSpec(algorithm=None)), ca)


def test_a_forged_signature_that_has_no_hash_is_noticed() -> None:
    ca = make_ca(key=ed25519.Ed25519PrivateKey.generate())
    other = make_ca(key=ed25519.Ed25519PrivateKey.generate())

    assert refused(make_crl(other, CrlSpec(algorithm=None)), ca).reason is RejectionReason.BAD_SIGNATURE


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
    "two signature algorithms": RawCrl(other_outer_algorithm=True).sign(CA),
    "an issuer of another type": make_crl(CA).replace(b"\x0c\x17iot-jitr", b"\x03\x17iot-jitr"),
    "a distribution point of another type": RawCrl(
        extensions=tlv(
            0xA0,
            tlv(
                0x30,
                bytes.fromhex("300a0603551d14040302010a")
                + raw_extension("551d1c", tlv(0x30, full_name(directory(BIT_STRING_NAME))), critical=True),
            ),
        )
    ).sign(CA),
    "version 5": RawCrl(version=b"\x02\x01\x04").sign(CA),
    "a negative CRL number": RawCrl(extensions=bytes.fromhex("a00e300c300a0603551d140403020180")).sign(CA),
    "the same extension twice": RawCrl(
        extensions=bytes.fromhex("a01a3018" + 2 * "300a0603551d14040302010a")
    ).sign(CA),
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED.keys())
def test_what_is_no_crl_is_malformed(data: bytes) -> None:
    assert refused(data).reason is RejectionReason.MALFORMED


def test_a_crl_of_another_ca_is_refused() -> None:
    error = refused(make_crl(DevelopmentCa.create("Another CA")))

    assert error.reason is RejectionReason.WRONG_ISSUER
    assert "'CN=Another CA'" in str(error)


def test_a_crl_by_another_key_of_the_same_name_is_refused() -> None:
    assert refused(make_crl(DevelopmentCa.create())).reason is RejectionReason.BAD_SIGNATURE


def test_a_changed_crl_is_refused() -> None:
    data = make_crl(CA, CrlSpec(entries=[Entry(0x0A0B0C0D0E0F)]))
    changed = data.replace(bytes.fromhex("0a0b0c0d0e0f"), bytes.fromhex("0a0b0c0d0e10"))

    assert refused(changed).reason is RejectionReason.BAD_SIGNATURE


def test_a_signature_of_another_kind_than_the_cas_key_is_refused() -> None:
    rsa_ca = ca_with(KeyKind.RSA_2048)

    assert refused(make_crl(rsa_ca)).reason in {
        RejectionReason.BAD_SIGNATURE,
        RejectionReason.SIGNATURE_ALGORITHM,
    }


def test_a_weak_hash_is_refused() -> None:
    ca = ca_with(KeyKind.RSA_2048)
    sha256, sha1 = bytes.fromhex("2a864886f70d01010b"), bytes.fromhex("2a864886f70d010105")

    error = refused(make_crl(ca).replace(sha256, sha1), ca)

    assert error.reason is RejectionReason.SIGNATURE_ALGORITHM
    assert "SHA1" in str(error)


def test_an_unknown_signature_algorithm_is_refused() -> None:
    data = make_crl(CA).replace(bytes.fromhex("2a8648ce3d040302"), bytes.fromhex("2a8648ce3d04030f"))

    assert refused(data).reason is RejectionReason.SIGNATURE_ALGORITHM


def test_an_authority_key_identifier_of_another_key_is_refused() -> None:
    data = with_extension(x509.AuthorityKeyIdentifier(b"another key", None, None), critical=False)

    assert refused(data).reason is RejectionReason.WRONG_ISSUER


def test_an_authority_key_identifier_of_another_ca_certificate_is_refused() -> None:
    issuer = [x509.DirectoryName(CA.certificate.x509.subject)]
    data = with_extension(x509.AuthorityKeyIdentifier(None, issuer, 4711), critical=False)

    assert refused(data).reason is RejectionReason.WRONG_ISSUER


@pytest.mark.parametrize("critical", [True, False])
def test_the_right_authority_key_identifier_is_fine(critical: bool) -> None:  # noqa: FBT001
    key_id = x509.SubjectKeyIdentifier.from_public_key(CA.key.public_key()).digest
    issuer = [x509.DirectoryName(CA.certificate.x509.subject)]
    identifier = x509.AuthorityKeyIdentifier(key_id, issuer, CA.certificate.x509.serial_number)

    assert verified(with_extension(identifier, critical=critical))


def test_an_authority_key_identifier_says_nothing_to_a_ca_without_one() -> None:
    ca = make_ca()
    identifier = x509.AuthorityKeyIdentifier(b"whatever", None, None)

    assert verified(make_crl(ca, CrlSpec(extensions=[(identifier, False)])), ca)


def test_a_ca_whose_key_usage_lacks_crl_sign_signs_no_crl() -> None:
    ca = make_ca(extensions=[(_key_usage(crl_sign=False), True)])

    error = refused(make_crl(ca), ca)
    assert error.reason is RejectionReason.NO_CRL_SIGN
    assert "the CA's key usage does not allow it to sign CRLs" in str(error)


def test_a_ca_without_key_usage_may_sign_crls() -> None:
    ca = make_ca()

    assert verified(make_crl(ca), ca)


def test_a_ca_whose_key_usage_has_crl_sign_may_sign_crls() -> None:
    ca = make_ca(extensions=[(_key_usage(crl_sign=True), True)])

    assert verified(make_crl(ca), ca)


def test_a_ca_with_unreadable_extensions_signs_no_crl() -> None:
    broken = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.15"), b"\x04\x00")
    ca = make_ca(extensions=[(broken, True)])

    assert refused(make_crl(ca), ca).reason is RejectionReason.NO_CRL_SIGN


def _key_usage(*, crl_sign: bool) -> x509.KeyUsage:
    template = next(e.value for e in ca_extensions(CA.key.public_key()) if isinstance(e.value, x509.KeyUsage))
    flags = {
        name: getattr(template, name)
        for name in (
            "digital_signature",
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "key_cert_sign",
        )
    }
    return x509.KeyUsage(**flags, crl_sign=crl_sign, encipher_only=False, decipher_only=False)


def test_this_update_may_lie_in_the_future_by_the_tolerance_only() -> None:
    just = NOW + CLOCK_TOLERANCE

    assert verified(make_crl(CA, CrlSpec(this_update=just)))
    too_far = make_crl(CA, CrlSpec(this_update=just + timedelta(seconds=1)))
    assert refused(too_far).reason is RejectionReason.NOT_YET_VALID


def test_next_update_may_have_passed_by_less_than_the_tolerance_only() -> None:
    long_ago = NOW - timedelta(days=2)
    just = CrlSpec(this_update=long_ago, next_update=NOW - CLOCK_TOLERANCE + timedelta(seconds=1))

    assert verified(make_crl(CA, just))
    expired = make_crl(CA, CrlSpec(this_update=long_ago, next_update=NOW - CLOCK_TOLERANCE))
    assert refused(expired).reason is RejectionReason.EXPIRED


def test_a_crl_without_next_update_is_refused() -> None:
    assert refused(RawCrl(next_update=None).sign(CA)).reason is RejectionReason.NO_NEXT_UPDATE


def test_a_crl_older_than_the_configured_maximum_is_refused() -> None:
    crl = Crl.load(make_crl(CA, CrlSpec(this_update=NOW - timedelta(hours=3))))

    check_time(crl, NOW, max_age=timedelta(hours=4))
    with pytest.raises(UnusableCrlError, match="older than the configured 3:00:00") as caught:
        check_time(crl, NOW, max_age=timedelta(hours=3))
    assert caught.value.reason is RejectionReason.EXPIRED


def test_a_crl_without_number_is_refused() -> None:
    assert refused(make_crl(CA, CrlSpec(number=None))).reason is RejectionReason.NO_NUMBER


def test_a_crl_of_version_1_is_refused() -> None:
    assert refused(RawCrl(version=b"", extensions=b"").sign(CA)).reason is RejectionReason.NO_NUMBER


def test_extensions_in_a_crl_of_version_1_do_not_count() -> None:
    assert refused(RawCrl(version=b"").sign(CA)).reason is RejectionReason.NO_NUMBER


def test_a_number_of_20_octets_is_the_longest() -> None:
    assert verified(make_crl(CA, CrlSpec(number=2**160 - 1))).number == 2**160 - 1
    assert refused(make_crl(CA, CrlSpec(number=2**160))).reason is RejectionReason.NO_NUMBER


def test_a_number_of_absurd_length_is_refused() -> None:
    assert refused(make_crl(CA, CrlSpec(number=1 << 80_000))).reason is RejectionReason.NO_NUMBER


def test_a_critical_crl_number_is_refused() -> None:
    data = make_crl(CA, CrlSpec(number=None, extensions=[(x509.CRLNumber(1), True)]))

    assert refused(data).reason is RejectionReason.CRITICAL_EXTENSION


def test_an_unknown_critical_extension_is_refused() -> None:
    error = refused(with_extension(UNKNOWN))

    assert error.reason is RejectionReason.CRITICAL_EXTENSION
    assert "1.3.6.1.4.1.99999.1" in str(error)


def test_an_unknown_extension_that_is_not_critical_is_fine() -> None:
    assert verified(with_extension(UNKNOWN, critical=False))


def test_a_delta_crl_alone_is_refused() -> None:
    assert refused(with_extension(x509.DeltaCRLIndicator(1))).reason is RejectionReason.DELTA


LIMITS: dict[RejectionReason, tuple[Extension, str]] = {
    RejectionReason.INDIRECT: (idp(indirect_crl=True), "it is an indirect CRL"),
    RejectionReason.ONLY_CA_CERTIFICATES: (idp(only_contains_ca_certs=True), "it lists CA certificates only"),
    RejectionReason.ONLY_ATTRIBUTE_CERTIFICATES: (
        idp(only_contains_attribute_certs=True),
        "it lists attribute certificates only",
    ),
    RejectionReason.ONLY_SOME_REASONS: (
        idp("http://crl.example/1", only_some_reasons=SOME_REASONS),
        "it lists certificates revoked for some reasons only",
    ),
}


@pytest.mark.parametrize("reason", LIMITS)
def test_a_crl_with_a_narrower_meaning_is_refused(reason: RejectionReason) -> None:
    extension, said = LIMITS[reason]

    error = refused(make_crl(CA, CrlSpec(extensions=[extension])))

    assert error.reason is reason
    assert said in str(error)


def test_a_crl_for_user_certificates_is_fine() -> None:
    crl = verified(make_crl(CA, CrlSpec(extensions=[idp(only_contains_user_certs=True)])))

    assert crl.scope == Scope(only_user_certificates=True)


def test_a_partition_knows_its_distribution_points() -> None:
    crl = verified(make_crl(CA, CrlSpec(extensions=[idp("http://a.example/1", "http://b.example/1")])))

    assert crl.scope.points == {"http://a.example/1", "http://b.example/1"}


EDGES = [b"00000101000000Z", b"00010101000000Z", b"19700101000000Z", b"99991231235959Z"]
FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


@pytest.mark.parametrize("this_update", EDGES)
@pytest.mark.parametrize("next_update", EDGES)
@pytest.mark.parametrize("now", [FIRST, NOW, LAST])
@pytest.mark.parametrize("max_age", [None, timedelta(0), timedelta.max])
def test_no_date_of_a_crl_is_an_error_in_arithmetic(
    this_update: bytes, next_update: bytes, now: datetime, max_age: timedelta | None
) -> None:
    raw = RawCrl(this_update=tlv(0x18, this_update), next_update=tlv(0x18, next_update))

    with suppress(UnusableCrlError):
        check_time(Crl.load(raw.sign(CA)), now, max_age)


def test_a_crl_without_end_is_usable_to_the_end() -> None:
    crl = verified(make_crl(CA, CrlSpec(next_update=NO_END)))

    check_time(crl, NO_END, timedelta.max)


def test_every_rule_names_where_it_is_written() -> None:
    assert all(rule.source.startswith("RFC 5280 section ") for rule in RejectionReason)
