import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from iot_jitr_cli.console import WrongUseError
from iot_jitr_cli.pki import DeviceSpec
from iot_jitr_cli.pki.device import DeviceIdentity
from iot_jitr_cli.pki.files import write_public
from iot_jitr_cli.pki.keys import load_key
from iot_jitr_runtime.certificates import Certificate
from tests.support.identities import ca, device


def test_the_chain_file_has_the_device_certificate_then_its_cas(tmp_path: Path) -> None:
    files = device().save(tmp_path)

    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "sensor-1.chain.pem",
        "sensor-1.key",
        "sensor-1.pem",
    ]
    assert stat.S_IMODE(files.key.stat().st_mode) == 0o600
    assert files.chain.read_text() == device().certificate.pem + ca().certificate.pem
    assert Certificate.load(files.certificate.read_text()).der == device().certificate.der
    assert load_key(files.key.read_bytes()).public_key() == device().certificate.x509.public_key()


@pytest.mark.parametrize("name", ["sensor-1.key", "sensor-1.pem", "sensor-1.chain.pem"])
def test_no_file_is_written_if_one_of_them_exists(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("precious")

    with pytest.raises(WrongUseError, match=name):
        device().save(tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "precious"


def test_a_file_that_appears_in_the_meantime_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")

    with pytest.raises(FileExistsError):
        write_public(tmp_path / "dangling", b"x")
    (tmp_path / "there").write_bytes(b"precious")
    with pytest.raises(WrongUseError, match="exists already"):
        write_public(tmp_path / "there", b"x")

    assert (tmp_path / "there").read_bytes() == b"precious"


def test_the_files_have_the_callers_name_or_one_without_a_common_name(tmp_path: Path) -> None:
    assert ca().issue(DeviceSpec(None)).save(tmp_path).key == tmp_path / "device.key"
    assert device().save(tmp_path, "thermometer").chain == tmp_path / "thermometer.chain.pem"


@given(st.text(min_size=1, max_size=20))
def test_every_file_name_is_inside_the_directory(name: str) -> None:
    directory = Path("/nowhere")

    files = DeviceIdentity(device().certificate, device().key, ca().certificate).files(directory, name)

    assert {path.parent for path in (files.key, files.certificate, files.chain)} == {directory}
    assert files.key.name.isprintable()
