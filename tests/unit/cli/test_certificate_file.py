"""A certificate file that the caller named: which one is wrong, and what it should be."""

from pathlib import Path

import pytest

from iot_jitr_cli.certificate_file import read_certificate
from iot_jitr_cli.console import ExitCode, WrongUseError
from iot_jitr_cli.pki.authority import DevelopmentCa
from iot_jitr_cli.pki.device import DeviceSpec
from tests.support.command_line import run_jitr
from tests.support.crls import CrlSpec, make_crl

CA = DevelopmentCa.create()
POLICY = '{"Version": "2012-10-17", "Statement": []}'


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The present folder: a CA in `ca`, a device's files, a CRL, a policy, and what is no certificate."""
    monkeypatch.chdir(tmp_path)
    CA.save(tmp_path / "ca")
    CA.issue(DeviceSpec("device")).save(tmp_path)
    Path("ca.crl").write_bytes(make_crl(CA, CrlSpec()))
    Path("policy.json").write_text(POLICY)
    Path("broken").mkdir()
    Path("broken/ca.pem").write_text("garbage")
    Path("broken/ca.key").write_bytes(Path("ca/ca.key").read_bytes())
    return tmp_path


@pytest.mark.parametrize(
    ("command", "file"),
    [
        ("crl check device.key --ca ca/ca.pem --crl ca.crl", "device.key"),
        ("crl check device.chain.pem --ca ca/ca.pem --crl ca.crl --json", "device.chain.pem"),
        ("crl check device.pem --ca ca.crl --crl ca.crl", "ca.crl"),
        ("policy check policy.json --as device.chain.pem", "device.chain.pem"),
        ("pki crl ca --revoke device.key", "device.key"),
        ("pki device broken device", "broken/ca.pem"),
        (f"ca sign-verification {'0a' * 32} --ca-cert device.key --ca-key ca/ca.key", "device.key"),
        ("lab up --ca-cert device.key --ca-key ca/ca.key --directory lab", "device.key"),
    ],
)
@pytest.mark.usefixtures("folder")
def test_a_command_names_the_file_that_is_not_one_certificate(command: str, file: str) -> None:
    answer = run_jitr(*command.split())

    assert answer.exit_code == ExitCode.WRONG_USE
    assert answer.out == ""
    assert answer.err.startswith(f"error: {file}: ")
    assert answer.err.endswith("; expected one certificate, PEM or DER\n")
    assert answer.err.count("\n") == 1


@pytest.mark.parametrize("as_der", [False, True])
def test_pem_and_der_are_read(tmp_path: Path, *, as_der: bool) -> None:
    file = tmp_path / "ca"
    file.write_bytes(CA.certificate.der if as_der else CA.certificate.pem.encode())

    assert read_certificate(file) == CA.certificate


def test_no_error_quotes_the_file(folder: Path) -> None:
    with pytest.raises(WrongUseError) as raised:
        read_certificate(folder / "device.key")

    assert not any(line in str(raised.value) for line in (folder / "device.key").read_text().split())
