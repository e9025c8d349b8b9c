"""One case for every rule that a CRL must obey. Each case breaks exactly one rule."""

from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from iot_jitr_cli.pki.authority import DevelopmentCa
from iot_jitr_cli.pki.keys import KeyKind
from iot_jitr_runtime.revocation.crl import Crl
from iot_jitr_runtime.revocation.model import RejectionReason, UnusableCrlError
from iot_jitr_runtime.revocation.scope import Scope
from iot_jitr_runtime.revocation.verification import check_time, verify
from tests.support.crl_cases import CA, SOUND, UNSOUND
from tests.support.crls import NO_END, NOW, CrlSpec, Entry, idp, make_crl, raw_crl
from tests.support.pkix_der import tlv


@cache
def ca_with(kind: KeyKind) -> DevelopmentCa:
    return DevelopmentCa.create(key=kind)


def verified(data: bytes, ca: DevelopmentCa = CA) -> Crl:
    crl = Crl.load(data)
    verify(crl, ca.certificate)
    check_time(crl, NOW)
    return crl


@pytest.mark.parametrize("encoding", [Encoding.DER, Encoding.PEM])
def test_a_sound_crl_is_read_from_der_and_pem(encoding: Encoding) -> None:
    crl = verified(make_crl(CA, CrlSpec(number=42, entries=[Entry(5)]), encoding))

    assert (crl.number, crl.scope, crl.issuer) == (42, Scope(), CA.certificate.subject)
    assert crl.this_update == NOW - timedelta(hours=1)
    assert crl.next_update == NOW + timedelta(days=1)


def test_pem_and_der_have_the_same_digest() -> None:
    data = make_crl(CA)
    pem = x509.load_der_x509_crl(data).public_bytes(Encoding.PEM)

    assert Crl.load(pem).digest == Crl.load(data).digest == sha256(data).hexdigest()


@pytest.mark.parametrize("entries", [0, 1, 3, 400, 3000])
def test_the_signed_bytes_are_those_of_cryptography(entries: int) -> None:
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
def test_the_signature_is_checked_over_the_bytes_in_place(kind: KeyKind) -> None:
    ca = ca_with(kind)
    crl = Crl.load(make_crl(ca))

    verify(replace(crl, parsed=NotSerializedAgain(crl.parsed)), ca.certificate)  # type: ignore[arg-type]


@pytest.mark.parametrize(("data", "ca"), SOUND.values(), ids=SOUND.keys())
def test_a_sound_crl_is_usable(data: bytes, ca: DevelopmentCa) -> None:
    assert verified(data, ca)


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
def test_no_date_of_a_crl_causes_an_arithmetic_error(
    this_update: bytes, next_update: bytes, now: datetime, max_age: timedelta | None
) -> None:
    crl = raw_crl(CA, this_update=tlv(0x18, this_update), next_update=tlv(0x18, next_update))

    with suppress(UnusableCrlError):
        check_time(Crl.load(crl), now, max_age)


def test_a_crl_without_end_is_usable_until_the_last_date() -> None:
    crl = verified(make_crl(CA, CrlSpec(next_update=NO_END)))

    check_time(crl, NO_END, timedelta.max)
