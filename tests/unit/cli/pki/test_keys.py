import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from iot_jitr_cli.pki.keys import KeyKind, UnreadableKeyError, key_pem, load_key


@pytest.mark.parametrize(
    ("kind", "of"),
    [
        (KeyKind.EC_P256, "secp256r1"),
        (KeyKind.EC_P384, "secp384r1"),
        (KeyKind.RSA_2048, 2048),
        (KeyKind.RSA_4096, 4096),
    ],
)
def test_each_kind_has_its_curve_or_size(kind: KeyKind, of: str | int) -> None:
    key = kind.generate()

    assert of == (key.curve.name if isinstance(key, ec.EllipticCurvePrivateKey) else key.key_size)


@pytest.mark.parametrize("encoding", [Encoding.PEM, Encoding.DER])
@pytest.mark.parametrize("layout", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_a_key_is_read_back_from_pem_and_der(encoding: Encoding, layout: PrivateFormat) -> None:
    key = KeyKind.EC_P256.generate()

    assert load_key(key.private_bytes(encoding, layout, NoEncryption())).public_key() == key.public_key()


def test_a_written_key_is_unencrypted_pkcs8() -> None:
    assert key_pem(KeyKind.EC_P256.generate()).startswith(b"-----BEGIN PRIVATE KEY-----\n")


def test_an_encrypted_key_is_refused_with_the_way_to_decrypt_it() -> None:
    data = KeyKind.EC_P256.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
    )

    with pytest.raises(UnreadableKeyError, match=r"encrypted.*openssl pkey"):
        load_key(data)


@pytest.mark.parametrize("data", [b"", b"certainly not a key", b"-----BEGIN PRIVATE KEY-----\nAAAA\n"])
def test_a_file_that_is_no_key_is_refused_without_quoting_it(data: bytes) -> None:
    with pytest.raises(UnreadableKeyError, match=r"^not a private key: expected PEM or DER, EC or RSA$"):
        load_key(data)


def test_a_kind_of_key_that_aws_iot_does_not_accept_is_named() -> None:
    data = ed25519.Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )

    with pytest.raises(UnreadableKeyError, match="Ed25519"):
        load_key(data)
