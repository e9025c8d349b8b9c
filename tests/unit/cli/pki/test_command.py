import shlex
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from iot_jitr_cli.console import ExitCode
from iot_jitr_cli.pki import DevelopmentCa
from iot_jitr_runtime.certificates import Certificate
from tests.support.command_line import run_jitr
from tests.support.identities import ca


@pytest.fixture
def ca_directory(tmp_path: Path) -> Path:
    ca().save(tmp_path)
    return tmp_path


def test_ca_makes_a_ca_of_the_given_kind_and_name(tmp_path: Path) -> None:
    answer = run_jitr("pki", "ca", tmp_path, "--key", "ec-p384", "--name", "Plant CA")

    made = DevelopmentCa.load(tmp_path)
    assert answer.exit_code == ExitCode.OK
    assert made.certificate.subject == "CN=Plant CA"
    assert isinstance(made.key, ec.EllipticCurvePrivateKey)
    assert made.key.curve.name == "secp384r1"


def test_ca_in_json_names_the_files(tmp_path: Path) -> None:
    answer = run_jitr("pki", "ca", tmp_path / "pki", "--json")

    assert answer.json["certificate"] == str(tmp_path / "pki" / "ca.pem")
    assert answer.json["key"] == str(tmp_path / "pki" / "ca.key")
    assert answer.json["subject"] == "CN=iot-jitr development CA"
    assert answer.json["not_after"].endswith("+00:00")


def test_device_is_signed_by_the_ca_in_the_directory(ca_directory: Path) -> None:
    answer = run_jitr("pki", "device", ca_directory, "sensor-1", "--days", 7, "--json")

    certificate = Certificate.load(Path(answer.json["certificate"]).read_text())
    certificate.check_issued_by(ca().certificate)
    assert answer.exit_code == ExitCode.OK
    assert answer.json["certificate_id"] == certificate.fingerprint
    assert answer.json["serial_number"] == certificate.serial_number
    assert (certificate.not_after - certificate.not_before).days == 7
    assert Path(answer.json["chain"]) == ca_directory / "devices" / "sensor-1.chain.pem"


def test_the_printed_next_command_can_be_run(tmp_path: Path) -> None:
    folder = tmp_path / "my plant"

    hint = run_jitr("pki", "ca", folder).out.partition("next: jitr ")[2]
    answer = run_jitr(*shlex.split(hint.replace("COMMON-NAME", "sensor-1")))

    assert answer.exit_code == ExitCode.OK
    assert "PRIVATE KEY" not in answer.out
    stem = f"{folder}/devices/sensor-1"
    hint = answer.out.partition("next: jitr ")[2]
    assert shlex.split(hint) == ["connect", f"{stem}.chain.pem", "--key", f"{stem}.key"]


@pytest.mark.parametrize("name", ["a/b", "a*", "${iot:ClientId}", "a b", "gerät"])
def test_a_common_name_that_would_be_refused_is_explained_and_not_signed(
    ca_directory: Path, name: str
) -> None:
    answer = run_jitr("pki", "device", ca_directory, name)

    assert answer.exit_code == ExitCode.WRONG_USE
    assert "never be activated" in answer.err
    assert "--any-name" in answer.err
    assert not (ca_directory / "devices").exists()


def test_any_name_allows_an_unusable_common_name(ca_directory: Path) -> None:
    answer = run_jitr("pki", "device", ca_directory, "a/b", "--any-name", "--json")

    assert Path(answer.json["key"]) == ca_directory / "devices" / "a%2Fb.key"
    assert Certificate.load(Path(answer.json["certificate"]).read_text()).common_names == ["a/b"]
