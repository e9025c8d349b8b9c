import ssl
import tempfile
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from iot_jitr_cli.chain import UnreadableChainError
from iot_jitr_cli.connect.credentials import Credentials
from iot_jitr_cli.connect.endpoint import Endpoint
from iot_jitr_cli.console import WrongUseError
from iot_jitr_cli.pki import DeviceSpec
from iot_jitr_cli.pki.keys import UnreadableKeyError, key_pem
from tests.support.identities import ca, device


@pytest.fixture
def credentials(tmp_path: Path) -> Credentials:
    files = device().save(tmp_path)
    return Credentials.load(files.chain, files.key)


def test_der_files_are_read_like_pem_files(tmp_path: Path, credentials: Credentials) -> None:
    (tmp_path / "chain.der").write_bytes(device().certificate.der + ca().certificate.der)
    (tmp_path / "key.der").write_bytes(
        device().key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    )

    read = Credentials.load(tmp_path / "chain.der", tmp_path / "key.der")

    assert read.chain.pem == credentials.chain.pem
    assert read.common_name == "sensor-1"


@pytest.mark.parametrize(
    "content", [device("sensor-2").chain_pem, ca().certificate.pem + device().certificate.pem]
)
def test_a_key_of_another_certificate_is_refused_with_the_check_command(tmp_path: Path, content: str) -> None:
    (tmp_path / "chain.pem").write_text(content)
    (tmp_path / "key.pem").write_bytes(key_pem(device().key))

    with pytest.raises(WrongUseError, match="jitr chain check"):
        Credentials.load(tmp_path / "chain.pem", tmp_path / "key.pem")


def test_files_that_are_something_else_are_refused(tmp_path: Path) -> None:
    files = device().save(tmp_path)

    with pytest.raises(UnreadableKeyError):
        Credentials.load(files.chain, files.chain)
    with pytest.raises(UnreadableChainError):
        Credentials.load(files.key, files.key)


def test_without_a_common_name_a_client_id_must_be_given(tmp_path: Path) -> None:
    files = ca().issue(DeviceSpec(None)).save(tmp_path)

    with pytest.raises(WrongUseError, match="--client-id"):
        _ = Credentials.load(files.chain, files.key).common_name


def test_the_server_and_its_name_are_always_verified(credentials: Credentials) -> None:
    context = credentials.tls_context(Endpoint("localhost"))

    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize("content", [ca().certificate.pem.encode(), ca().certificate.der])
def test_a_given_ca_file_is_the_only_trust_anchor(
    tmp_path: Path, credentials: Credentials, content: bytes
) -> None:
    (tmp_path / "trusted").write_bytes(content)

    context = credentials.tls_context(Endpoint("localhost", ca_file=tmp_path / "trusted"))

    assert context.get_ca_certs(binary_form=True) == [ca().certificate.der]


def test_a_ca_file_without_certificates_is_refused(tmp_path: Path, credentials: Credentials) -> None:
    (tmp_path / "trusted").write_text("nothing")

    with pytest.raises(UnreadableChainError):
        credentials.tls_context(Endpoint("localhost", ca_file=tmp_path / "trusted"))


def test_the_private_key_is_in_no_repr_and_in_no_temporary_file(
    tmp_path: Path, credentials: Credentials, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))

    credentials.tls_context(Endpoint("localhost"))

    assert "PrivateKey" not in repr(credentials)
    assert list(scratch.iterdir()) == []


def test_port_443_selects_mqtt_by_alpn(credentials: Credentials, monkeypatch: pytest.MonkeyPatch) -> None:
    names_sent = []
    monkeypatch.setattr(ssl.SSLContext, "set_alpn_protocols", lambda _self, names: names_sent.append(names))

    credentials.tls_context(Endpoint("localhost", 8883))
    credentials.tls_context(Endpoint("localhost", 443))

    assert names_sent == [["x-amzn-mqtt-ca"]]
