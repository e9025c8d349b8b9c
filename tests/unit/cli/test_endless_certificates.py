"""Every command takes a CA and a device that are valid from the year 1 to the year 9999."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from iot_jitr_cli.connect.credentials import Credentials
from iot_jitr_cli.connect.endpoint import Endpoint
from iot_jitr_cli.pki.device import DeviceFiles
from iot_jitr_cli.pki.keys import key_pem
from tests.support.ca_registry import REGISTRATION_CODE, CaAccount, ca_account
from tests.support.command_line import run_jitr
from tests.support.doctor_account import DiagnosedDevice
from tests.support.endless import endless_ca, endless_device


@pytest.fixture
def files(tmp_path: Path) -> DeviceFiles:
    endless_ca().save(tmp_path / "ca")
    return endless_device().save(tmp_path)


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[CaAccount]:
    with ca_account() as account:
        monkeypatch.setattr("iot_jitr_cli.ca.command.aws_session", lambda: account.session)
        yield account


def test_chain_check_finds_nothing_wrong(files: DeviceFiles) -> None:
    answer = run_jitr("chain", "check", files.chain, "--key", files.key, "--json")

    assert answer.exit_code == 0, answer.err
    assert {each["status"] for each in answer.json["findings"]} == {"passed"}


@pytest.mark.parametrize(
    "arguments", [("device", "sensor-2"), ("crl",), ("crl", "--hours", "1")], ids=" ".join
)
def test_pki_signs_with_the_ca(files: DeviceFiles, arguments: tuple[str, ...]) -> None:
    command, *more = arguments

    answer = run_jitr("pki", command, files.chain.parent / "ca", *more)

    assert answer.exit_code == 0, answer.err


def test_a_verification_certificate_can_be_signed(files: DeviceFiles) -> None:
    ca = files.chain.parent / "ca"

    answer = run_jitr(
        *("ca", "sign-verification", REGISTRATION_CODE, "--ca-cert", ca / "ca.pem", "--ca-key", ca / "ca.key")
    )

    assert answer.exit_code == 0, answer.err


def test_ca_list_and_show_say_that_the_ca_has_no_end(account: CaAccount) -> None:
    ca_id = account.iot.add(endless_ca().certificate)

    listed, shown, plain = (
        run_jitr("ca", *arguments) for arguments in (["list"], ["show", ca_id], ["list", "--json"])
    )

    assert [listed.exit_code, shown.exit_code, plain.exit_code] == [0, 0, 0]
    assert "mode DEFAULT, without an end, " in listed.out
    assert plain.json[0]["not_after"].startswith("9999-12-31T23:59:59")


@pytest.mark.parametrize("status", ["ACTIVE", None])
@pytest.mark.parametrize("clock", [(), ("--device-time", "0001-01-01T00:00+14:00")], ids=["", "device time"])
def test_doctor_finds_no_fault_of_the_certificates(status: str | None, clock: tuple[str, ...]) -> None:
    device = endless_device()

    answer = DiagnosedDevice(
        status=status,
        chain=device.chain_pem,
        key=key_pem(device.key),
        certificate=device.certificate,
        ca_certificate=endless_ca().certificate,
        arguments=clock,
    ).diagnose()

    assert answer.exit_code in {0, 1}
    assert answer.check("certificate.validity")["status"] == "ok"
    assert answer.check("chain.order")["status"] == "ok"


def test_status_says_that_the_ca_has_no_end() -> None:
    answer = DiagnosedDevice(ca_certificate=endless_ca().certificate).jitr("status")

    assert answer.exit_code == 0, answer.err
    assert "without an end" in answer.out


def test_connect_presents_the_device(files: DeviceFiles) -> None:
    credentials = Credentials.load(files.chain, files.key)

    assert credentials.common_name == "sensor-9999"
    assert credentials.tls_context(Endpoint("127.0.0.1", 8883))
