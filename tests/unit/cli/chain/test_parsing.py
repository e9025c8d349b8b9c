import pytest
from hypothesis import given
from hypothesis import strategies as st

from iot_jitr_cli.chain.parsing import UnreadableChainError, is_ca, parse_chain
from iot_jitr_cli.pki.keys import key_pem
from tests.support.identities import ca, device

DEVICE, CA = device().certificate, ca().certificate


@pytest.mark.parametrize(
    ("data", "encoding"),
    [((DEVICE.pem + CA.pem).encode(), "PEM"), (DEVICE.der + CA.der, "DER")],
)
def test_a_chain_is_read_from_pem_and_der_in_the_order_of_the_file(data: bytes, encoding: str) -> None:
    chain = parse_chain(data)

    assert [certificate.der for certificate in chain.certificates] == [DEVICE.der, CA.der]
    assert (chain.device.der, chain.ca and chain.ca.der) == (DEVICE.der, CA.der)
    assert chain.encoding == encoding
    assert chain.pem == DEVICE.pem + CA.pem


def test_text_around_the_certificates_does_not_matter() -> None:
    data = f"subject=CN = sensor-1\r\n{DEVICE.pem}\nsubject=Gerät\n{CA.pem}".encode()

    assert len(parse_chain(data).certificates) == 2


def test_of_several_devices_the_one_of_the_key_is_chosen() -> None:
    other = device("sensor-2")
    data = (other.certificate.pem + DEVICE.pem).encode()

    assert parse_chain(data).device.der == other.certificate.der
    assert parse_chain(data, device().key).device.der == DEVICE.der


def test_of_several_cas_the_one_that_signed_is_chosen() -> None:
    namesake = ca.__wrapped__()
    stranger = ca("Other CA").certificate

    chain = parse_chain((DEVICE.pem + namesake.certificate.pem + stranger.pem + CA.pem).encode())

    assert chain.ca is not None
    assert chain.ca.der == CA.der


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", "no well-formed"),
        (b"hello", "no well-formed"),
        (key_pem(device().key), "a private key, but no certificate"),
        (b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n", "PEM of another kind"),
        (DEVICE.pem.replace("M", "!", 1).encode(), "no well-formed"),
        (DEVICE.pem.encode()[:200], "no well-formed"),
        ((DEVICE.pem + CA.pem).encode()[:-40], "no well-formed"),
        (DEVICE.der[:-1], "no well-formed"),
        (DEVICE.der + b"trailing", "no well-formed"),
    ],
)
def test_a_file_without_certificates_is_refused_with_what_was_found(data: bytes, found: str) -> None:
    with pytest.raises(UnreadableChainError, match=f"{found}.*expected PEM or DER"):
        parse_chain(data)


@given(st.binary(max_size=200))
def test_any_bytes_are_either_read_or_refused(data: bytes) -> None:
    with pytest.raises(UnreadableChainError):
        parse_chain(data)


@given(st.integers(0, len(DEVICE.der) - 1), st.integers(1, 255))
def test_a_damaged_certificate_is_either_read_or_refused(position: int, change: int) -> None:
    damaged = bytearray(DEVICE.der)
    damaged[position] ^= change

    try:
        chain = parse_chain(bytes(damaged))
    except UnreadableChainError:
        return
    assert chain.device.der != DEVICE.der


def test_a_certificate_whose_basic_constraints_cannot_be_read_is_no_ca() -> None:
    readable = bytes.fromhex("30060101ff020100")  # CA:TRUE, pathlen:0
    damaged = parse_chain(CA.der.replace(readable, bytes.fromhex("30060101ff0501ff"))).device

    assert CA.der.count(readable) == 1
    assert not is_ca(damaged)
