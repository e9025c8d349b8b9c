"""Which certificates of the event are checked, in any encoding and order."""

from itertools import permutations
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iot_jitr_cli.pki.authority import DevelopmentCa
from iot_jitr_cli.pki.device import DeviceSpec
from iot_jitr_runtime.certificates import Certificate, MalformedCertificateError
from iot_jitr_runtime.connect_guard.chain import presented
from tests.support.connect_guard import connect_event, in_base64

CA, OTHER = DevelopmentCa.create("Factory CA"), DevelopmentCa.create("Workshop CA")
LEAF = CA.issue(DeviceSpec("device")).certificate
CHAIN = (LEAF, CA.certificate, OTHER.certificate)


def as_pem(certificate: Certificate) -> str:
    return certificate.pem


def percent_encoded(certificate: Certificate) -> str:
    return quote(certificate.pem, safe="")


def in_one_line(certificate: Certificate) -> str:
    return certificate.pem.replace("\n", "")


def with_windows_lines(certificate: Certificate) -> str:
    return certificate.pem.replace("\n", "\r\n")


ENCODINGS = [as_pem, in_base64, percent_encoded, in_one_line, with_windows_lines]


@pytest.mark.parametrize("encoded", ENCODINGS)
@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_the_device_certificate_is_found_by_its_hash(encoded: Any, order: tuple[int, ...]) -> None:
    chain = [encoded(CHAIN[each]) for each in order]

    assert presented(connect_event(*chain, principal=LEAF.fingerprint)) == [LEAF]


def test_a_hash_in_capitals_is_the_same_hash() -> None:
    event = connect_event(CA.certificate.pem, LEAF.pem, principal=LEAF.fingerprint.upper())

    assert presented(event) == [LEAF]


def test_one_text_may_contain_the_whole_chain() -> None:
    event = connect_event(CA.certificate.pem + LEAF.pem, principal=LEAF.fingerprint)

    assert presented(event) == [LEAF]


@pytest.mark.parametrize("principal", ["", "0" * 64, "AROAEXAMPLE:session", None])
def test_all_certificates_are_checked_if_none_matches_the_principal(principal: Any) -> None:
    event = connect_event(CA.certificate.pem, LEAF.pem, principal=principal)

    assert presented(event) == [CA.certificate, LEAF]


def test_an_unreadable_certificate_beside_the_device_certificate_does_not_matter() -> None:
    event = connect_event("!!", LEAF.pem, principal=LEAF.fingerprint)

    assert presented(event) == [LEAF]


@pytest.mark.parametrize(
    "chain",
    [None, [], {}, "text", [None], [1], [""], ["!!"], ["-----BEGIN CERTIFICATE-----"], [LEAF.pem, "!!"]],
)
def test_an_event_without_a_readable_chain_is_malformed(chain: Any) -> None:
    event = {**connect_event(principal="0" * 64), "clientCertificateChain": chain}

    with pytest.raises(MalformedCertificateError):
        presented(event)
    with pytest.raises(MalformedCertificateError, match="found no clientCertificateChain"):
        presented({})


@given(st.lists(st.one_of(st.text(), st.binary().map(str), st.none(), st.integers()), max_size=4), st.text())
def test_any_chain_is_read_or_malformed(chain: list[Any], principal: str) -> None:
    try:
        found = presented({"principalId": principal, "clientCertificateChain": chain})
    except MalformedCertificateError:
        return
    assert found
